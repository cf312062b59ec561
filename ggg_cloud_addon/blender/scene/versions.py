"""A version of a component to be looked at: linked, so that it costs little and nothing of the file uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import bpy
from bpy.types import ID, Collection, Object

from . import SceneError
from .closure import ROOT, is_part
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
    try:
        # The stubs do not know that it is a context manager.
        with bpy.data.libraries.load(str(path), link=True) as (source, wanted):  # type: ignore[attr-defined,func-returns-value]
            for kind in dir(source):
                if kind not in _NOT_PARTS:
                    setattr(wanted, kind, getattr(source, kind))
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error: ").rstrip(".")
        raise SceneError(f'"{path.name}" cannot be opened: {reason}.') from error
    tops = [scene.collection for scene in wanted.scenes if scene]
    children: list[Any] = list(dict.fromkeys(child for top in tops for child in top.children))
    objects: list[Any] = list(dict.fromkeys(obj for top in tops for obj in top.objects))
    if not tops:
        collections: list[Any] = [each for each in wanted.collections if each]
        nested = {child for parent in collections for child in parent.children}
        children = [each for each in collections if each not in nested]
        inside = {obj for parent in collections for obj in parent.objects}
        objects = [each for each in wanted.objects if each and each not in inside]
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
    """What these need, of their own file."""
    libraries = {each.library for each in begin}
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    needs: dict[ID, set[ID]] = {}
    assets: list[Any] = []
    for datablock, users in data.user_map().items():
        for user in users:
            needs.setdefault(user, set()).add(datablock)
        if datablock.library in libraries and datablock.asset_data:
            assets.append(datablock)
    reached: set[Any] = {*begin, *assets}
    ahead = [*reached]
    while ahead:
        fresh = needs.get(ahead.pop(), set()) - reached
        reached |= fresh
        ahead += fresh
    return {each for each in reached if each.library in libraries and is_part(each, linked=True)}
