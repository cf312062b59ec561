"""Bring a component file into the open scene."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import bpy
from bpy.types import ID, Action, Collection, Object

from . import SceneError
from .export import FORMATS
from .staging import main_window, run, shown, temporary_scene


def load_component(path: Path, name: str, *, context: bpy.types.Context, link: bool = False) -> list[Object]:
    """Bring the file's objects into the open scene, in a new collection called `name`; return them.

    Blender makes the collection's name unique. Its objects become the selection. Of a `.blend` the content of
    the scenes comes, child collections kept, or of a file without scenes its collections and objects; with
    `link` they stay in the library `path`, which must then stay where it is. Edit mode is left.

    Raises SceneError when the file cannot be read or holds no objects; the open file is then as it was.
    """
    if link and path.suffix.lower() != ".blend":
        raise SceneError(f"“{path.name}” cannot be linked, only a .blend can: append it instead")
    if not path.is_file():
        raise SceneError(f"“{path.name}” cannot be opened: there is no such file")
    with _all_or_nothing() as before:
        collection = bpy.data.collections.new(name)
        if path.suffix.lower() == ".blend":
            _load_blend(path, collection, link)
        else:
            _import(path, collection)
        if not collection.all_objects:
            raise SceneError(f"“{path.name}” holds no objects")
        _remove_unused(before, collection)
    collection.name = name  # what stood in its way may be gone
    _show(collection, context)
    return list(collection.all_objects)


@contextlib.contextmanager
def _all_or_nothing() -> Iterator[set[ID]]:
    """Give the datablocks of before; when the block fails, remove all that came since."""
    before = _datablocks()
    try:
        yield before
    except BaseException:
        bpy.data.batch_remove(_datablocks() - before)
        raise


def _datablocks() -> set[ID]:
    return set(bpy.data.user_map())


def _load_blend(path: Path, collection: Collection, link: bool) -> None:
    scenes = set(bpy.data.scenes)
    try:
        with bpy.data.libraries.load(str(path), link=link) as (source, wanted):
            if source.scenes:
                wanted.scenes = list(source.scenes)
            else:
                wanted.collections = list(source.collections)
                wanted.objects = list(source.objects)
    except (OSError, RuntimeError, ValueError) as error:
        raise SceneError(f"“{path.name}” cannot be opened: {error}") from error
    if wanted.scenes:
        _fill(collection, [scene.collection for scene in wanted.scenes if scene])
    else:
        children = {child for parent in wanted.collections if parent for child in parent.children}
        inside = {obj for parent in wanted.collections if parent for obj in parent.all_objects}
        for top in wanted.collections:
            if top and top not in children:
                collection.children.link(top)
        for obj in wanted.objects:
            if obj and obj not in inside:
                collection.objects.link(obj)
    for scene in set(bpy.data.scenes) - scenes:
        bpy.data.scenes.remove(scene)


def _import(path: Path, collection: Collection) -> None:
    importer = {
        # The newer importer also reads FBX as text; 4.2 does not have it.
        ".fbx": bpy.ops.wm.fbx_import if "fbx_import" in dir(bpy.ops.wm) else bpy.ops.import_scene.fbx,
        ".stl": bpy.ops.wm.stl_import,
        ".gltf": bpy.ops.import_scene.gltf,
        ".glb": bpy.ops.import_scene.gltf,
    }.get(path.suffix.lower())
    if importer is None:
        raise SceneError(f"“{path.name}” cannot be pulled into a scene: it is none of {', '.join(FORMATS)}")
    # Without it, 4.2 adds a sphere of its own as the shape of the bones.
    options = {"disable_bone_shape": True} if importer is bpy.ops.import_scene.gltf else {}
    with temporary_scene(collection.name) as scene:
        with shown(scene):
            run(importer, f"read “{path.name}”", filepath=str(path))
        _fill(collection, [scene.collection])


def _fill(collection: Collection, roots: Iterable[Collection]) -> None:
    """Link the content of the scenes' root collections into `collection`."""
    for root in roots:
        # A pushed file holds one collection, the component itself: `collection` takes its place.
        top = root.children[0] if len(root.children) == 1 and not root.objects else root
        for child in top.children:
            if child.name not in collection.children:
                collection.children.link(child)
        for obj in top.objects:
            collection.objects.link(obj)


def _remove_unused(before: set[ID], collection: Collection) -> None:
    """Remove what came along and no object needs: worlds, brushes, the emptied scenes' collections."""
    needs: dict[ID, list[ID]] = {}
    for datablock, users in bpy.data.user_map().items():
        for user in users:
            needs.setdefault(user, []).append(datablock)
    reached = {collection}
    ahead: list[ID] = [collection]
    while ahead:
        fresh = set(needs.get(ahead.pop(), ())) - reached
        reached |= fresh
        ahead += fresh
    reached |= {datablock.library for datablock in reached if datablock.library}
    # An action that nothing uses yet is another take of what came.
    new = _datablocks() - before - reached
    bpy.data.batch_remove({datablock for datablock in new if not isinstance(datablock, Action)})


def _show(collection: Collection, context: bpy.types.Context) -> None:
    """Link the collection to the current scene and make its objects the selection."""
    scene, layer = context.scene, context.view_layer
    assert scene is not None
    assert layer is not None
    active = layer.objects.active
    if active is not None and active.mode != "OBJECT":
        # Its mode belongs to the active object, which is going to be another one.
        with context.temp_override(window=main_window(), active_object=active, object=active):
            bpy.ops.object.mode_set(mode="OBJECT")
    scene.collection.children.link(collection)
    layer.update()
    for obj in list(layer.objects.selected):
        obj.select_set(False, view_layer=layer)
    loaded = [obj for obj in collection.all_objects if obj.name in layer.objects]
    for obj in loaded:
        obj.select_set(True, view_layer=layer)
    layer.objects.active = next((obj for obj in loaded if obj.parent not in loaded), None)
