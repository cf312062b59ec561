"""What Blender's exporters and importers are asked for."""

import base64
import json
import mimetypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import bpy
from bpy.types import ID, Screen, WindowManager, WorkSpace

from ..closure import keep_helpers, needed_by

_STL_HEADER, _STL_TRIANGLE = 84, 50  # bytes; the header ends with the number of triangles, as uint32
_AXES: dict[str, dict[str, tuple[str, str]]] = {
    ".fbx": {"DEFAULT": ("-Z", "Y"), "Z_UP": ("Y", "Z"), "Y_UP": ("-Z", "Y")},
    ".stl": {"DEFAULT": ("Y", "Z"), "Z_UP": ("Y", "Z"), "Y_UP": ("NEGATIVE_Z", "Y")},
}
"""Forward and up, as each exporter calls them."""

Options = dict[str, Any]
"""Of the request, see :class:`..export.ExportOptions`."""


class ConvertError(Exception):
    """One sentence for the user."""


def export(target: Path, options: Options) -> None:
    """Write the scene that is open to a file of an exchange format."""
    _forget_origins()
    scene, layer = bpy.context.scene, bpy.context.view_layer
    assert scene is not None
    assert layer is not None
    if target.suffix in (".gltf", ".glb") and abs(scene.unit_settings.scale_length - 1) > 1e-6:
        raise ConvertError(
            f"glTF is in metres, and Blender's exporter ignores the unit scale {scene.unit_settings.scale_length:g}"
            " of this scene: set it to 1, or push a .blend or .fbx."
        )
    chosen = list(scene.objects)
    for obj in chosen:
        obj.hide_viewport = obj.hide_select = False  # Blender neither selects nor evaluates what is hidden
        # The glTF exporter walks down from the topmost parents: they must be there, but are not selected.
        parent = obj.parent
        while parent is not None and parent.name not in scene.objects:
            scene.collection.objects.link(parent)
            parent = parent.parent
    layer.update()
    bpy.ops.object.select_all(action="DESELECT")
    for obj in chosen:
        obj.select_set(True)
    _EXPORTERS[target.suffix](target, options)


def _forget_origins() -> None:
    """What the add-on notes of components is nobody's custom property. Before Blender 5 it would be exported as one."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    for datablock in data.user_map():
        for name in list(datablock.keys()):
            if name.startswith("ggg_cloud"):
                del datablock[name]


def import_file(source: Path, target: Path, unit_system: str, unit_scale: float) -> None:
    """Write what is in a file of an exchange format to a .blend."""
    # Not read_factory_settings(): there are no extensions in these, so it empties the folder of all wheels.
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    assert scene is not None
    scene.unit_settings.system = unit_system  # type: ignore[assignment]  # another scene's, so a legal one
    scene.unit_settings.scale_length = unit_scale
    if source.suffix.lower() == ".stl" and not _is_whole_stl(source):
        raise ConvertError(f'"{source.name}" cannot be opened: it is not STL, or its end is missing.')
    operator, options = _IMPORTERS[source.suffix.lower()]
    if operator is _FBX_IMPORT:
        options = {"global_scale": 1 / unit_scale}  # unlike the others, it does not look at the scene
    _run(operator, f'"{source.name}" cannot be opened', filepath=str(source), **options)
    _take_in_pictures(source.parent)
    # An action that nothing uses is another take of what came.
    bpy.data.libraries.write(str(target), {scene, *bpy.data.actions}, path_remap="ABSOLUTE")


def _take_in_pictures(folder: Path) -> None:
    """What was fetched with a file to be imported goes when that goes."""
    for image in bpy.data.images:
        path = Path(bpy.path.abspath(image.filepath))
        if not image.packed_files and path.is_relative_to(folder) and path.is_file():
            image.pack()


def write_blend(target: Path, *, compress: bool) -> None:
    """Write the scene that is open, and what is marked as an asset and not part of it."""
    keep_helpers(obj for obj in bpy.data.objects if not obj.library)
    bpy.data.libraries.write(str(target), _scene_and_assets(), path_remap="NONE", compress=compress)


def _scene_and_assets() -> set[ID]:
    assert bpy.context.scene is not None
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    return {bpy.context.scene, *(datablock for datablock in data.user_map() if datablock.asset_data)}


def save_blend(target: Path, *, compress: bool) -> None:
    """Write the same as Blender saves a file: what it writes otherwise has no pictures of collections since 4.3.

    All else is removed from what is open before.
    """
    data: Any = bpy.data
    windows = {each for each in data.user_map() if isinstance(each, WindowManager | WorkSpace | Screen)}
    bpy.data.batch_remove(data.user_map().keys() - windows - needed_by(_scene_and_assets()))
    keep_helpers(obj for obj in bpy.data.objects if not obj.library)
    bpy.ops.wm.save_as_mainfile(filepath=str(target), copy=True, compress=compress, relative_remap=False)


def _is_whole_stl(path: Path) -> bool:
    """Tell what Blender's importer does not: it makes a mesh of any bytes.

    https://www.loc.gov/preservation/digital/formats/fdd/fdd000504.shtml (binary), fdd000505 (ASCII).
    """
    with path.open("rb") as file:
        header = file.read(_STL_HEADER)
        size = file.seek(0, os.SEEK_END)
        triangles = int.from_bytes(header[-4:], "little")
        if len(header) == _STL_HEADER and size == _STL_HEADER + triangles * _STL_TRIANGLE:
            return True
        file.seek(max(0, size - 1024))
        return header.lstrip().lower().startswith(b"solid") and b"endsolid" in file.read().lower()


def _run(operator: Any, failure: str, **options: object) -> None:  # the stubs take operators for classes
    try:
        result = operator(**options)
    except RuntimeError as error:
        # An operator written in Python puts its whole traceback first, Blender the caller's place last.
        lines = [line.strip() for line in str(error).splitlines()]
        lines = [line for line in lines if line and not line.startswith("Location:")]
        reason = lines[-1].removeprefix("Error: ").rstrip(".") if lines else "Blender gives no reason"
        raise ConvertError(f"{failure}: {reason}.") from error
    if "FINISHED" not in result:
        raise ConvertError(f"{failure}: Blender gives no reason.")


def _fbx(path: Path, options: Options) -> None:
    forward, up = _AXES[".fbx"][options["axes"]]
    _run(
        bpy.ops.export_scene.fbx,
        "FBX cannot be written",
        filepath=str(path),
        use_selection=True,
        use_mesh_modifiers=options["apply_modifiers"],
        use_mesh_modifiers_render=False,
        global_scale=options["scale"],
        axis_forward=forward,
        axis_up=up,
        use_custom_props=True,
        add_leaf_bones=False,
        path_mode="COPY",
        embed_textures=True,
    )


def _stl(path: Path, options: Options) -> None:
    forward, up = _AXES[".stl"][options["axes"]]
    _run(
        bpy.ops.wm.stl_export,
        "STL cannot be written",
        filepath=str(path),
        export_selected_objects=True,
        apply_modifiers=options["apply_modifiers"],
        global_scale=options["scale"],
        forward_axis=forward,
        up_axis=up,
    )
    if path.stat().st_size <= _STL_HEADER:
        raise ConvertError("There are no faces, and STL stores nothing else: add some, or push a .blend.")


def _glb(path: Path, options: Options, export_format: str = "GLB") -> None:
    _run(
        bpy.ops.export_scene.gltf,
        "glTF cannot be written",
        filepath=str(path),
        export_format=export_format,
        use_selection=True,
        export_apply=options["apply_modifiers"],
        export_yup=options["axes"] != "Z_UP",
        export_cameras=True,
        export_lights=True,
        export_extras=True,
    )


def _gltf(path: Path, options: Options) -> None:
    """Write glTF with its buffers and images inside: Blender hides its embedded format behind a preference."""
    _glb(path, options, "GLTF_SEPARATE")
    document = json.loads(path.read_text(encoding="utf-8"))
    for part in (*document.get("buffers", ()), *document.get("images", ())):
        if "uri" in part:
            file = path.parent / unquote(part["uri"])
            kind = part.get("mimeType") or mimetypes.guess_type(file)[0] or "application/octet-stream"
            part["uri"] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


_EXPORTERS: dict[str, Callable[[Path, Options], None]] = {".fbx": _fbx, ".stl": _stl, ".gltf": _gltf, ".glb": _glb}

# The newer importer, which also reads FBX as text, is neither in 4.2 nor in its stubs.
_WM: Any = bpy.ops.wm
_FBX_IMPORT = _WM.fbx_import if "fbx_import" in dir(_WM) else None
# Without the option, the importer adds a sphere of its own as the shape of the bones.
_GLTF: tuple[Any, dict[str, Any]] = (bpy.ops.import_scene.gltf, {"disable_bone_shape": True})
_IMPORTERS: dict[str, tuple[Any, dict[str, Any]]] = {
    ".fbx": (_FBX_IMPORT or bpy.ops.import_scene.fbx, {}),
    ".stl": (bpy.ops.wm.stl_import, {}),
    ".gltf": _GLTF,
    ".glb": _GLTF,
}
