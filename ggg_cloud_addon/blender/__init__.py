"""All that imports bpy: what artists see, and the work on their scenes."""

from importlib import import_module

MODULES = (
    "scene.provenance",
    "scene.trust",
    "properties",
    "preferences",
    "credentials",
    "connection_test",
    "previews",
    "operators",
    "in_file",
    "update_operators",
    "sync_operators",
    "panel",
    "file_panel",
    "details",
    "sync_panel",
    "activity_panel",
    "menus",
    "command",
)
"""In the order in which they are added; the panels stand so in the sidebar."""


def register() -> None:
    """Add everything to Blender. Starts no process and reads no file."""
    for name in MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    """Take everything out of Blender again, and end the worker."""
    import_module(".job", __package__).stop_worker()
    for name in reversed(MODULES):
        import_module(f".{name}", __package__).unregister()
