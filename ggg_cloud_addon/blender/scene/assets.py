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
