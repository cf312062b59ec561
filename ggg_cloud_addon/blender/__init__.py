"""All that imports bpy: what artists see, and the work on their scenes."""


def register() -> None:
    """Add everything to Blender. Starts no process and reads no file."""
    from . import command, operators, panel, preferences, properties

    for module in (preferences, properties, operators, panel, command):
        module.register()


def unregister() -> None:
    """Take everything out of Blender again, and end the worker."""
    from . import command, job, operators, panel, preferences, properties

    job.stop_worker()
    for module in (command, panel, operators, properties, preferences):
        module.unregister()
