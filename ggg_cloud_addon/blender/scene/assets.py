"""What is marked for Blender's asset browser."""

from typing import Any

import bpy
from bpy.types import ID, Collection, Object


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


_TOLD = ("catalog_id", "description", "author", "license", "copyright")
_OURS = "ggg_cloud"
"""In the asset data of what a push has marked."""


def mark_as_ours(datablock: Any, *, author: str, description: str, tags: str) -> None:
    """Mark what is pushed as an asset; who pulls it does not find it marked, see :func:`clear_our_mark`."""
    datablock.asset_mark()
    about = datablock.asset_data
    about[_OURS] = True
    about.author, about.description = author, description
    for tag in filter(None, map(str.strip, tags.split(","))):
        about.tags.new(tag, skip_if_exists=True)


def is_marked_by_us(datablock: Any) -> bool:
    """Whether it is an asset only since it was pushed."""
    return bool(datablock.asset_data and _OURS in datablock.asset_data)


def clear_our_mark(datablock: Any) -> None:
    """Undo that, with the picture; the mark of its author stays."""
    if not is_marked_by_us(datablock):
        return
    datablock.asset_clear()
    if datablock.preview:
        datablock.preview.image_size = (0, 0)


def mark_as(source: Any, target: Any) -> None:
    """Mark a datablock as an asset as its author has marked another one, if he has."""
    if not source.asset_data or is_marked_by_us(source):
        return
    target.asset_mark()
    for name in _TOLD:
        setattr(target.asset_data, name, getattr(source.asset_data, name))
    for tag in source.asset_data.tags:
        target.asset_data.tags.new(tag.name)
