"""What is marked for Blender's asset browser."""

from typing import Any

import bpy
from bpy.types import ID, Collection, Object

_TOLD = ("catalog_id", "description", "author", "license", "copyright")


def loose_assets() -> set[ID]:
    """The assets of the open file that are in no scene."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    shown = {each for scene in bpy.data.scenes for each in scene.collection.children_recursive}
    return {
        each
        for each in data.user_map()
        if each.asset_data
        and not each.library
        and not (isinstance(each, Object) and each.users_scene)
        and not (isinstance(each, Collection) and each in shown)
    }


def move_asset_mark(source: Any, target: Any) -> None:
    """Mark a collection as the asset that another one is instead, unless that lies in a library."""
    if not source.library:
        mark_as(source, target)
        source.asset_clear()


def mark_as(source: Any, target: Any) -> None:
    """Mark a datablock as an asset, as another one is, if it is one."""
    if not source.asset_data:
        return
    target.asset_mark()
    for name in _TOLD:
        setattr(target.asset_data, name, getattr(source.asset_data, name))
    for tag in source.asset_data.tags:
        target.asset_data.tags.new(tag.name)
