"""GGG Cloud: model components in storage the studio owns.

Importing this package needs neither Blender nor a cloud SDK. Blender calls :func:`register` when the
extension is enabled and :func:`unregister` when it is disabled.
"""

__version__ = "0.5.1"


def register() -> None:
    """Add the operators, the panel and the preferences to Blender."""
    from . import blender

    blender.register()


def unregister() -> None:
    """Take everything that :func:`register` added out of Blender again."""
    from . import blender

    blender.unregister()
