"""A version of a component to be looked at: linked, so that it costs little and nothing of the file uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import bpy
from bpy.types import Collection, Object

from . import SceneError
from .closure import ROOT, is_part, needed_by
from .load import content_of, opened
from .provenance import Named

_NOT_PARTS = ("version", "libraries", "window_managers", "workspaces", "screens")


class Linked(NamedTuple):
    """A version of a component, in a library."""

    parts: dict[Named, Any]
    """By type and name. The component itself is not among them if the file has no collection for it."""
    objects: list[Object]
    """That are in the component itself, in none of its collections."""
    children: list[Collection]


def version_of(path: Path) -> Linked:
    """Link all that is in a .blend file.

    Raises SceneError when it cannot be read or holds no objects.
    """
    with opened(path, link=True) as (source, wanted):
        for kind in dir(source):
            if kind not in _NOT_PARTS:
                setattr(wanted, kind, getattr(source, kind))
    children, objects = content_of(wanted)
    root = children[0] if len(children) == 1 and not objects else None
    if root is not None:
        children, objects = list(root.children), list(root.objects)
    found = _needed([*objects, *children, *([root] if root else [])])
    parts: dict[Named, Any] = {(each.id_type, each.name): each for each in found if each != root}
    if root is not None:
        parts["COLLECTION", ROOT] = root
    if not any(isinstance(each, Object) for each in parts.values()):
        raise SceneError(f'"{path.name}" holds no objects.')
    return Linked(parts, objects, children)


def _needed(begin: list[Any]) -> set[Any]:
    """What these need, of their own file, and its assets."""
    libraries = {each.library for each in begin}
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    assets = {each for each in data.user_map() if each.library in libraries and each.asset_data}
    needed: set[Any] = needed_by({*begin, *assets})
    return {each for each in needed if each.library in libraries and is_part(each, linked=True)}
