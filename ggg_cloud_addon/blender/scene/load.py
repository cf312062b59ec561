"""Bring a component file into the open scene."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
from bpy.types import ID, Action, Collection, Context, Material, NodeTree, Object, Scene

from . import SceneError
from .assets import clear_our_mark
from .closure import keep_helpers, needed_by, objects_in
from .convert import EXCHANGE_FORMATS, Conversion, straight_through
from .layers import Hidden
from .physics import add_rigid_bodies, world_settings
from .reuse import reuse_same
from .trust import hold_back

_NOT_PARTS = ("version", "libraries", "scenes", "window_managers", "workspaces", "screens")
_NOTES = ("ggg_cloud", "ggg_cloud_parts")
"""What the file in which it was pushed knows of the components in it, see :mod:`.provenance`."""


@dataclass(frozen=True)
class Loaded:
    """What came in."""

    collection: Collection
    names: dict[ID, str]
    """What each datablock is called in the file."""
    hidden: Hidden = field(default_factory=Hidden)
    """How the file's scenes show it."""
    physics: dict[str, Any] = field(default_factory=dict)
    """What its rigid bodies obey there."""
    assets: tuple[ID, ...] = ()
    """What it is if it has no objects."""


def load_component(path: Path, name: str, *, context: Context, reuse: bool = False) -> list[Object]:
    """Do all of :func:`load_steps` before returning."""
    steps = load_steps(path, name, context=context, reuse=reuse)
    return objects_in(straight_through(steps).collection)


def load_steps(path: Path, name: str, *, context: Context, reuse: bool = False) -> Generator[Conversion, None, Loaded]:
    """Bring the file's objects into the open scene, in a new collection called `name`.

    Blender makes the collection's name unique. Its objects become the selection, and edit mode is left. Of a
    `.blend` the content of its scenes comes, child collections kept, or of a file without scenes its collections
    and objects, or of one without objects its assets. What points to a scene of the file points to the current one
    then. With `reuse` materials, node groups, textures and images that are in the open file already do not come again.
    Yields the conversion that has to end before it goes on, if there is one; the open file is not touched before.

    Raises SceneError when the file cannot be read or holds nothing; the open file is then as it was.
    """
    loaded = yield from read_steps(path, name, reuse=reuse)
    _show(loaded, context)
    return loaded


def read_steps(path: Path, name: str, *, reuse: bool = False) -> Generator[Conversion, None, Loaded]:
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
            loaded = _append(blend, name)
            if not objects_in(loaded.collection) and not loaded.assets:
                raise SceneError(f'"{path.name}" holds no objects.')
            unused = _unused(before, {loaded.collection, *loaded.assets}, takes=blend != path)
            names = {each: name for each, name in loaded.names.items() if each not in unused}
            bpy.data.batch_remove(unused)
            keep_helpers(each for each in names if isinstance(each, Object))
            if reuse:
                names = reuse_same(names, before)
        return replace(loaded, names=names)


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
        hold_back(_users().keys() - before)
    except BaseException:
        bpy.data.batch_remove(_users().keys() - before)
        raise


@contextlib.contextmanager
def opened(path: Path, *, link: bool) -> Iterator[tuple[Any, Any]]:
    """What a .blend holds and what is wanted of it, as Blender's own; what it cannot read is None then."""
    try:
        # The stubs do not know that it is a context manager.
        with bpy.data.libraries.load(  # type: ignore[attr-defined,func-returns-value]
            str(path), link=link, relative=link and bool(bpy.data.filepath)
        ) as (source, wanted):
            yield source, wanted
    except (OSError, RuntimeError, ValueError) as error:
        raise SceneError(f'"{path.name}" cannot be opened: {reason_of(error)}.') from error


def reason_of(error: Exception) -> str:
    """What Blender says, in one line and without its full stop."""
    return " ".join(str(error).split()).removeprefix("Error: ").rstrip(".")


def _append(path: Path, name: str) -> Loaded:
    with opened(path, link=False) as (source, wanted):
        wanted.scenes = source.scenes
        everything = {kind: list(getattr(source, kind)) for kind in dir(source) if kind not in _NOT_PARTS}
        for kind, found in everything.items():
            setattr(wanted, kind, list(found))
    names = {
        datablock: called
        for kind, found in everything.items()
        for called, datablock in zip(found, getattr(wanted, kind), strict=True)
        if datablock
    }
    for each in names:
        _forget(each)
        clear_our_mark(each)
        if each.override_library:  # of something that did not come along, or is not meant to
            each.make_local(clear_liboverride=True)
    children, objects = content_of(wanted)
    assets: list[ID] = []
    if not objects and not any(map(objects_in, children)):
        assets = _assets(names)
        children = [each for each in assets if isinstance(each, Collection)]
        objects = [each for each in assets if isinstance(each, Object)]
    if len(children) == 1 and not objects:  # a pushed file holds one collection, the component itself
        collection = children[0]
        collection.name = name
    else:
        collection = bpy.data.collections.new(name)
        _fill(collection, children, objects)
    hidden, physics = Hidden(), dict[str, Any]()
    for scene in filter(None, wanted.scenes):
        hidden.add(scene.view_layers[0])
        physics = physics or world_settings(scene)
        scene.user_remap(bpy.context.scene)
    return Loaded(collection, names, hidden, physics, tuple(assets))


def content_of(wanted: Any) -> tuple[list[Collection], list[Object]]:
    """The collections and the objects that are not in these, of the scenes or, if there are none, of the file."""
    scenes: list[Scene] = [scene for scene in wanted.scenes if scene]
    if scenes:
        children = [child for scene in scenes for child in scene.collection.children]
        objects = [obj for scene in scenes for obj in scene.collection.objects]
    else:
        collections: list[Collection] = [child for child in wanted.collections if child]
        nested = {child for parent in collections for child in parent.children}
        inside = {obj for parent in collections for obj in parent.objects}
        children = [child for child in collections if child not in nested]
        objects = [obj for obj in wanted.objects if obj and obj not in inside]
    return list(dict.fromkeys(children)), list(dict.fromkeys(objects))


def _assets(names: dict[ID, str]) -> list[ID]:
    """What a file without objects in a scene is for: what is marked in it, or else its materials and node groups.

    What no object uses would not be saved, so it gets a fake user.
    """
    marked = [each for each in names if each.asset_data]
    bare, users = {each for each in names if isinstance(each, Material | NodeTree)}, _users()
    found = marked or [each for each in names if each in bare and users[each] <= bare]
    for each in found:
        if not isinstance(each, Object | Collection):
            each.use_fake_user = True
    inside = {obj for each in found if isinstance(each, Collection) for obj in objects_in(each)}
    return [each for each in found if each not in inside]


def _forget(datablock: Any) -> None:
    """Drop what is noted on a datablock."""
    # Since Blender 5 what add-ons define lies apart from what users do.
    notes = datablock.bl_system_properties_get() if hasattr(datablock, "bl_system_properties_get") else datablock
    for name in _NOTES:
        if notes and name in notes:
            del notes[name]


def _fill(collection: Collection, children: Iterable[Collection], objects: Iterable[Object]) -> None:
    """Link collections and objects into `collection` that are not in it yet."""
    linked = {*collection.children, *collection.objects}
    for child in children:
        if child not in linked:
            collection.children.link(child)
    for obj in objects:
        if obj not in linked:
            collection.objects.link(obj)


def _unused(before: set[ID], wanted: set[ID], *, takes: bool) -> set[ID]:
    """What came along, is no asset, and nothing wanted needs: the file's scenes with their worlds, brushes and so on.

    With `takes`, actions are needed: one that nothing uses is another take of what came.
    """
    new = _users().keys() - before
    unused = new - needed_by(wanted | {each for each in new if each.asset_data})
    return {datablock for datablock in unused if not (takes and isinstance(datablock, Action))}


def leave_edit_mode(context: Context) -> None:
    """Blender appends nothing in it: the mode belongs to the active object, soon another one."""
    assert context.view_layer is not None
    active = context.view_layer.objects.active
    if active is not None and active.mode != "OBJECT":
        with context.temp_override(active_object=active, object=active):
            bpy.ops.object.mode_set(mode="OBJECT")


def _show(loaded: Loaded, context: Context) -> None:
    """Link the collection to the current scene and make its objects the selection."""
    collection, scene, layer = loaded.collection, context.scene, context.view_layer
    assert scene is not None
    assert layer is not None
    leave_edit_mode(context)
    scene.collection.children.link(collection)
    layer.update()
    loaded.hidden.put(layer, collection)
    add_rigid_bodies(scene, objects_in(collection), loaded.physics)
    select_only(objects_in(collection), context)


def select_only(objects: Iterable[Object], context: Context) -> None:
    """Make these objects the selection, and the first of them that none of them is the parent of the active one."""
    layer = context.view_layer
    assert layer is not None
    for obj in list(layer.objects.selected):
        obj.select_set(False, view_layer=layer)
    shown = set(objects) & set(layer.objects)
    for obj in shown:
        obj.select_set(True, view_layer=layer)
    layer.objects.active = next((obj for obj in layer.objects if obj in shown and obj.parent not in shown), None)
