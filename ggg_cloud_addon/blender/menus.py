"""Where artists look besides the sidebar: File > Export and File > Import."""

import bpy
from bpy.types import Context, Menu


def _export(menu: Menu, context: Context) -> None:
    menu.layout.operator("ggg_cloud.export_upload", text="GGG Cloud Component").ask = True


def _import(menu: Menu, context: Context) -> None:
    menu.layout.operator("ggg_cloud.pull", text="GGG Cloud Component").ask = True


ENTRIES = (("TOPBAR_MT_file_export", _export), ("TOPBAR_MT_file_import", _import))


def register() -> None:
    """Add the entries."""
    for name, draw in ENTRIES:
        getattr(bpy.types, name).append(draw)


def unregister() -> None:
    """Remove them."""
    for name, draw in ENTRIES:
        getattr(bpy.types, name).remove(draw)
