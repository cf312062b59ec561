"""The process beside Blender: hashing, the network and the SDKs stay out of the process that draws."""
