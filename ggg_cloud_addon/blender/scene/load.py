"""Bring a component file into the open scene."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bpy
from bpy.types import ID, Action, Collection, Context, Object, Scene

from . import SceneError
from .assets import move_asset_mark
from .convert import EXCHANGE_FORMATS, Conversion, straight_through

_NOT_PARTS = ("version", "libraries", "scenes", "window_managers", "workspaces", "screens")


class Loaded(NamedTuple):
    """What came in."""

    collection: Collection
    names: dict[ID, str]
    """What each datablock is called in the file."""


def load_component(path: Path, name: str, *, context: Context) -> list[Object]:
    """Do all of :func:`load_steps` before returning."""
    return list(straight_through(load_steps(path, name, context=context)).collection.all_objects)


def load_steps(path: Path, name: str, *, context: Context) -> Generator[Conversion, None, Loaded]:
    """Bring the file's objects into the open scene, in a new collection called `name`.

    Blender makes the collection's name unique. Its objects become the selection, and edit mode is left. Of a
    `.blend` the content of its scenes comes, child collections kept, or of a file without scenes its collections
    and objects.
    Yields the conversion that has to end before it goes on, if there is one; the open file is not touched before.

    Raises SceneError when the file cannot be read or holds no objects; the open file is then as it was.
    """
    loaded = yield from read_steps(path, name)
    _show(loaded.collection, context)
    return loaded


def read_steps(path: Path, name: str) -> Generator[Conversion, None, Loaded]:
    """Do the same, but leave the new collection out of all scenes."""
    suffix = path.suffix.lower()
    if suffix not in (".blend", *EXCHANGE_FORMATS):
        raise SceneError(f'"{path.name}" cannot be brought into a scene: Blender does not know its format.')
    if not path.is_file():
        raise SceneError(f'"{path.name}" cannot be opened: there is no such file.')
    with tempfile.TemporaryDirectory(prefix="ggg_cloud-", ignore_cleanup_errors=True) as folder:
        blend = path
        if suffix != ".blend":
            blend = Path(folder, f"{path.stem}.blend")
            conversion = Conversion(path, blend)
            yield conversion
            conversion.result()
        with _all_or_nothing() as before:
            collection = bpy.data.collections.new(name)
            names = _load_blend(blend, collection)
            if not collection.all_objects:
                raise SceneError(f'"{path.name}" holds no objects.')
            unused = _unused(before, collection, takes=blend != path)
            names = {each: name for each, name in names.items() if each not in unused}
            bpy.data.batch_remove(unused)
        return Loaded(collection, names)


def _users() -> dict[ID, set[ID]]:
    """Return every datablock of the open file with those that use it."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    users: dict[ID, set[ID]] = data.user_map()
    return users


@contextlib.contextmanager
def _all_or_nothing() -> Iterator[set[ID]]:
    """Give the datablocks of before; when the block fails, remove all that came since."""
    before = set(_users())
    try:
        yield before
    except BaseException:
        bpy.data.batch_remove(_users().keys() - before)
        raise


def _load_blend(path: Path, collection: Collection) -> dict[ID, str]:
    """Fill the collection; returns what everything is called in the file, where Blender may call it otherwise."""
    everything: dict[str, list[str]] = {}
    try:
        # The stubs do not know that it is a context manager.
        with bpy.data.libraries.load(str(path), link=False) as (source, wanted):  # type: ignore[attr-defined,func-returns-value]
            if source.scenes:
                wanted.scenes = source.scenes
            else:
                wanted.collections, wanted.objects = source.collections, source.objects
            everything = {kind: list(getattr(source, kind)) for kind in dir(source) if kind not in _NOT_PARTS}
            for kind, names in everything.items():
                setattr(wanted, kind, list(names))
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error: ").rstrip(".")
        raise SceneError(f'"{path.name}" cannot be opened: {reason}.') from error
    # What Blender could not read is None.
    scenes: list[Scene] = [scene for scene in wanted.scenes if scene]
    for scene in scenes:
        _fill(collection, list(scene.collection.children), list(scene.collection.objects))
    if not scenes:
        collections: list[Collection] = [child for child in wanted.collections if child]
        nested = {child for parent in collections for child in parent.children}
        inside = {obj for parent in collections for obj in parent.objects}
        objects: list[Object] = [obj for obj in wanted.objects if obj and obj not in inside]
        _fill(collection, [child for child in collections if child not in nested], objects)
    return {
        datablock: name
        for kind, names in everything.items()
        for name, datablock in zip(names, getattr(wanted, kind), strict=True)
        if datablock
    }


def _fill(collection: Collection, children: list[Collection], objects: list[Object]) -> None:
    """Link collections and objects into `collection`, which takes the place of a single collection."""
    if len(children) == 1 and not objects:
        # A pushed file holds one collection, the component itself.
        move_asset_mark(children[0], collection)
        children, objects = list(children[0].children), list(children[0].objects)
    linked = {*collection.children, *collection.objects}  # two scenes may share them
    for child in children:
        if child not in linked:
            collection.children.link(child)
    for obj in objects:
        if obj not in linked:
            collection.objects.link(obj)


def _unused(before: set[ID], collection: Collection, *, takes: bool) -> set[ID]:
    """What came along, is no asset, and no object needs: the file's scenes with their worlds, brushes and so on.

    With `takes`, actions are needed: one that nothing uses is another take of what came.
    """
    needs: dict[ID, set[ID]] = {}
    for datablock, users in _users().items():
        for user in users:
            needs.setdefault(user, set()).add(datablock)
    reached: set[ID] = {collection, *(each for each in _users().keys() - before if each.asset_data)}
    ahead: list[ID] = [*reached]
    while ahead:
        fresh = needs.get(ahead.pop(), set()) - reached
        reached |= fresh
        ahead += fresh
    reached |= {datablock.library for datablock in reached if datablock.library}
    new = _users().keys() - before - reached
    return {datablock for datablock in new if not (takes and isinstance(datablock, Action))}


def leave_edit_mode(context: Context) -> None:
    """Blender appends nothing in it: the mode belongs to the active object, soon another one."""
    assert context.view_layer is not None
    active = context.view_layer.objects.active
    if active is not None and active.mode != "OBJECT":
        with context.temp_override(active_object=active, object=active):
            bpy.ops.object.mode_set(mode="OBJECT")


def _show(collection: Collection, context: Context) -> None:
    """Link the collection to the current scene and make its objects the selection."""
    assert context.scene is not None
    leave_edit_mode(context)
    context.scene.collection.children.link(collection)
    select_only(collection.all_objects, context)


def select_only(objects: Iterable[Object], context: Context) -> None:
    """Make these objects the selection, and the first of them that none of them is the parent of the active one."""
    layer = context.view_layer
    assert layer is not None
    layer.update()
    for obj in list(layer.objects.selected):
        obj.select_set(False, view_layer=layer)
    loaded = set(objects) & set(layer.objects)
    for obj in loaded:
        obj.select_set(True, view_layer=layer)
    layer.objects.active = next((obj for obj in layer.objects if obj in loaded and obj.parent not in loaded), None)
