"""Not twice what is there already, as Blender's own Append (Reuse Data): of what is made to be shared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import bpy
from bpy.types import ID, Image, Material, NodeTree, Texture

from .closure import needs_of_all
from .digest import digest

_SHARED = (Material, NodeTree, Texture, Image)
_NUMBER = re.compile(r"\.\d{3,}$")
"""Blender puts one behind a name that is taken."""


def reuse_same(names: Mapping[ID, str], before: set[ID]) -> dict[ID, str]:
    """Put what was there before in the place of what came and is the same; that goes away.

    Takes and returns what datablocks are called in the component's file. Same is what has this name and this content,
    and uses the same.
    """
    there: dict[tuple[type, str], list[ID]] = {}
    for old in before:
        if isinstance(old, _SHARED) and not old.library and not old.is_embedded_data:
            there.setdefault((type(old), _NUMBER.sub("", old.name)), []).append(old)
    needs, found, replaced = needs_of_all(), dict(names), set[ID]()

    def look(new: ID) -> None:
        """At it, after what it uses."""
        for each in needs.get(new, ()):
            if each in ahead:
                ahead.discard(each)
                look(each)
        content = _content(new)
        for old in there.get((type(new), _NUMBER.sub("", names[new])), ()) if content else ():
            if _content(old) == content:
                new.user_remap(old)
                replaced.add(new)
                found[old] = found.pop(new)
                return

    ahead = {each for each in names if isinstance(each, _SHARED)}
    while ahead:
        look(ahead.pop())
    bpy.data.batch_remove(replaced)
    return found


def _content(datablock: Any) -> str:
    """What a datablock is, but for its name; nothing if that cannot be told."""
    also: list[object] = []
    if isinstance(datablock, Image) and not datablock.packed_files:
        if datablock.is_dirty or datablock.source not in ("FILE", "GENERATED"):
            return ""
        also = [datablock.generated_type, *datablock.generated_color]
    animation = getattr(datablock, "animation_data", None)
    if animation and animation.action:
        also.append(animation.action.session_uid)
    return digest(datablock, lambda each: str(each.session_uid), also, weighted=False)
