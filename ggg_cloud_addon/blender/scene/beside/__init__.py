"""What runs in a Blender of its own beside the open one: see :mod:`..convert`."""
