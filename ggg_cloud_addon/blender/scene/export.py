"""Write a selection, a collection or a scene to one component file."""

from __future__ import annotations

import base64
import contextlib
import json
import mimetypes
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import bpy
from bpy.types import Collection, Object, Scene

from . import SceneError
from .staging import object_mode, run, shown, temporary_scene

FORMATS = (".blend", ".fbx", ".stl", ".gltf", ".glb")

_SURFACES = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
_SCENERY = {"EMPTY", "CAMERA", "LIGHT", "ARMATURE"}
# The object types that Blender's exporters write; an empty may be an instance of a collection.
_TYPES = {
    ".fbx": _SURFACES | _SCENERY,
    ".stl": _SURFACES | {"EMPTY"},
    ".gltf": _SURFACES | _SCENERY,
    ".glb": _SURFACES | _SCENERY,
}
_STL_HEADER = 80  # bytes; then the number of triangles as uint32


def selected_objects(context: bpy.types.Context) -> list[Object]:
    """Return the selected objects of the current view layer; also works where the context has no area."""
    layer = context.view_layer
    return list(layer.objects.selected) if layer else []


def export_component(path: Path, objects: Sequence[Object] | Collection | Scene, *, name: str) -> None:
    """Write the objects, the collection or the scene to `path`, in the format that its suffix names.

    A `.blend` holds a scene called `name` (or the scene itself), so it opens like any file. The other formats
    hold what the viewport shows, modifiers applied: given objects are written even when hidden, hidden ones of
    a collection or a scene are left out. 1 m stays 1 m; STL knows no unit and takes the scene's bare numbers.
    Whatever was at `path` is replaced at the end in one step, or not at all.

    Raises SceneError when there is nothing to write or Blender cannot, OSError when the disk refuses.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise SceneError(f"“{path.name}” cannot be pushed: choose one of {', '.join(FORMATS)}")
    bpy.ops.ed.flush_edits()  # what is being edited or sculpted, into the objects' data
    with tempfile.TemporaryDirectory(prefix=".ggg_cloud-", dir=path.parent) as folder:
        draft = Path(folder, path.stem + suffix)
        if suffix == ".blend":
            _write_blend(draft, objects, name)
        else:
            _write_exchange(draft, _chosen(objects), name)
        draft.replace(path)


def _title(objects: Sequence[Object] | Collection | Scene) -> str:
    match objects:
        case Scene():
            return f"The scene “{objects.name}”"
        case Collection():
            return f"The collection “{objects.name}”"
    return "The selection"


def _all_objects(objects: Sequence[Object] | Collection | Scene) -> list[Object]:
    """Return the objects, each once; raise SceneError when there are none."""
    match objects:
        case Scene():
            found = list(objects.objects)
        case Collection():
            found = list(objects.all_objects)
        case _:
            found = list(dict.fromkeys(objects))
    if not found:
        raise SceneError(f"{_title(objects)} holds no objects: choose at least one to push")
    return found


def _chosen(objects: Sequence[Object] | Collection | Scene) -> list[Object]:
    """Return the objects to write to an exchange format."""
    found = _all_objects(objects)
    if not isinstance(objects, Collection | Scene):
        return found
    layer = bpy.context.view_layer
    if isinstance(objects, Scene) and objects != bpy.context.scene:
        layer = objects.view_layers[0]
    visible = [obj for obj in found if obj.visible_get(view_layer=layer)]
    if not visible:
        raise SceneError(f"{_title(objects)} shows no objects: unhide what to push, or select it")
    return visible


def _write_blend(path: Path, objects: Sequence[Object] | Collection | Scene, name: str) -> None:
    _all_objects(objects)
    with contextlib.ExitStack() as cleanup:
        if isinstance(objects, Scene):
            scene = objects
        else:
            cleanup.enter_context(_free_name(bpy.data.scenes, name))
            scene = cleanup.enter_context(temporary_scene(name))
            if isinstance(objects, Collection):
                collection = objects
            else:
                cleanup.enter_context(_free_name(bpy.data.collections, name))
                collection = bpy.data.collections.new(name)
                cleanup.callback(bpy.data.collections.remove, collection)
                for obj in _all_objects(objects):
                    collection.objects.link(obj)
            scene.collection.children.link(collection)
        try:
            bpy.data.libraries.write(str(path), {scene}, path_remap="ABSOLUTE", compress=True)
        except RuntimeError as error:
            raise SceneError(f"Blender cannot write “{path.name}”: {error}") from error


@contextlib.contextmanager
def _free_name(datablocks: bpy.types.BlendDataScenes | bpy.types.BlendDataCollections, name: str) -> Iterator[None]:
    """Lend the name to our own datablock: pulled, edited and pushed again, a component's own name is taken."""
    taken = datablocks.get((name, None))
    if taken is not None:
        taken.name = f"{name}.001"
    try:
        yield
    finally:
        if taken is not None:
            taken.name = name


def _write_exchange(path: Path, objects: list[Object], name: str) -> None:
    suffix = path.suffix
    if not any(obj.type in _TYPES[suffix] for obj in objects):
        raise SceneError(f"“{name}” holds nothing that {suffix} can store: choose meshes, or push a .blend")
    with temporary_scene(name) as scene:
        layer = scene.view_layers[0]
        # The glTF exporter walks down from the topmost parents, so they must be there, unselected.
        for obj in dict.fromkeys(o for chosen in objects for o in _with_parents(chosen)):
            scene.collection.objects.link(obj)
        with object_mode(objects) if suffix == ".fbx" else contextlib.nullcontext(), _selectable(objects), shown(scene):
            layer.update()
            for obj in objects:
                obj.select_set(True, view_layer=layer)
            _EXPORTERS[suffix](path, name)


def _with_parents(obj: Object | None) -> Iterator[Object]:
    while obj is not None:
        yield obj
        obj = obj.parent


@contextlib.contextmanager
def _selectable(objects: Sequence[Object]) -> Iterator[None]:
    """Unhide the objects for a while: Blender neither selects nor evaluates hidden ones."""
    hidden = [(obj, obj.hide_viewport, obj.hide_select) for obj in objects if obj.hide_viewport or obj.hide_select]
    for obj, _, _ in hidden:
        obj.hide_viewport = obj.hide_select = False
    try:
        yield
    finally:
        for obj, viewport, select in hidden:
            obj.hide_viewport, obj.hide_select = viewport, select


def _fbx(path: Path, name: str) -> None:
    run(
        bpy.ops.export_scene.fbx,
        f"write “{name}” as FBX",
        filepath=str(path),
        use_selection=True,
        use_mesh_modifiers_render=False,
        use_custom_props=True,
        add_leaf_bones=False,
        path_mode="COPY",
        embed_textures=True,
    )


def _stl(path: Path, name: str) -> None:
    run(bpy.ops.wm.stl_export, f"write “{name}” as STL", filepath=str(path), export_selected_objects=True)
    with path.open("rb") as file:
        file.seek(_STL_HEADER)
        if not int.from_bytes(file.read(4), "little"):
            raise SceneError(f"“{name}” has no faces, and STL stores nothing else: add some, or push a .blend")


def _glb(path: Path, name: str, export_format: str = "GLB") -> None:
    run(
        bpy.ops.export_scene.gltf,
        f"write “{name}” as glTF",
        filepath=str(path),
        export_format=export_format,
        use_selection=True,
        use_active_scene=True,
        export_apply=True,
        export_cameras=True,
        export_lights=True,
        export_extras=True,
    )


def _gltf(path: Path, name: str) -> None:
    """Write glTF with its buffers and images inside: Blender has the embedded format only behind a preference."""
    _glb(path, name, "GLTF_SEPARATE")
    document = json.loads(path.read_text(encoding="utf-8"))
    for part in (*document.get("buffers", ()), *document.get("images", ())):
        if "uri" in part:
            file = path.parent / unquote(part["uri"])
            kind = part.get("mimeType") or mimetypes.guess_type(file)[0] or "application/octet-stream"
            part["uri"] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


_EXPORTERS = {".fbx": _fbx, ".stl": _stl, ".gltf": _gltf, ".glb": _glb}
