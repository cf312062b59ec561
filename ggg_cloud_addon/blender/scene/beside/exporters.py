"""What Blender's exporters are asked for."""

import base64
import hashlib
import json
import math
import mimetypes
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

import bpy
from mathutils import Matrix

from .formats import STL_HEADER, USD, ConvertError, run
from .needs import beside_folder
from .settings import checked, known_settings

Options = Mapping[str, Any]
"""Of the request: an :class:`..export_options.ExportOptions`, with the values of its preset."""

_Axes = Mapping[str, tuple[str, str]]
_FBX_AXES: _Axes = {"DEFAULT": ("-Z", "Y"), "Z_UP": ("Y", "Z"), "Y_UP": ("-Z", "Y")}
"""Forward and up, as the exporter calls them."""
_Z_UP_AXES: _Axes = {"DEFAULT": ("Y", "Z"), "Z_UP": ("Y", "Z"), "Y_UP": ("NEGATIVE_Z", "Y")}
_OBJ_AXES: _Axes = {**_Z_UP_AXES, "DEFAULT": ("NEGATIVE_Z", "Y")}
_IN_METRES = {".gltf": "glTF", ".glb": "glTF", **dict.fromkeys(USD, "USD")}
"""Whose exporters ignore the unit scale of a scene."""


PLY_HEADER = 1024
"""Bytes, in which the number of vertices stands."""


def export(target: Path, options: Options) -> None:
    """Write the scene that is open to a file of an exchange format."""
    _forget_origins()
    scene, layer = bpy.context.scene, bpy.context.view_layer
    assert scene is not None
    assert layer is not None
    if target.suffix in _IN_METRES and abs(scene.unit_settings.scale_length - 1) > 1e-6:
        raise ConvertError(
            f"{_IN_METRES[target.suffix]} is in metres, and Blender's exporter ignores the unit scale "
            f"{scene.unit_settings.scale_length:g} of this scene: set it to 1, or push a .blend or .fbx."
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
    if options["at_origin"]:
        chosen = [_at_origin(obj, options["apply_modifiers"]) for obj in chosen]
    bpy.ops.object.select_all(action="DESELECT")
    for obj in chosen:
        obj.select_set(True)
    _EXPORTERS[target.suffix](target, options)


def _at_origin(obj: Any, apply_modifiers: bool) -> Any:
    """A copy of its shape in its own axes; modifiers may look at where it is, so it cannot just be moved."""
    graph = bpy.context.evaluated_depsgraph_get()
    data = bpy.data.meshes.new_from_object(
        obj.evaluated_get(graph) if apply_modifiers else obj, preserve_all_data_layers=True, depsgraph=graph
    )
    place = obj.matrix_world.to_translation()
    # Blender takes a mirrored axis for three, and a turn.
    mirror = Matrix.Diagonal([math.copysign(1, each) for each in obj.scale]).to_4x4()
    turn = (obj.matrix_world @ mirror).to_quaternion()
    data.transform(Matrix.LocRotScale(place, turn, None).inverted() @ obj.matrix_world)
    if obj.matrix_world.is_negative:
        data.flip_normals()  # else it is inside out, as a mirrored one is
    made = bpy.data.objects.new(obj.name, data)
    bpy.context.scene.collection.objects.link(made)
    return made


def _forget_origins() -> None:
    """What the add-on notes of components is nobody's custom property. Before Blender 5 it would be exported as one."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    for datablock in data.user_map():
        for name in list(datablock.keys()):
            if name.startswith("ggg_cloud"):
                del datablock[name]


def _write(operator: Any, what: str, path: Path, options: Options, **ours: object) -> None:
    """Run an exporter; its own settings that were chosen win over ours."""
    own = checked(operator, what, options["preset"], options["settings"])
    run(operator, f"{what} cannot be written", **{**ours, **own}, filepath=str(path))


def _fbx(path: Path, options: Options) -> None:
    forward, up = _FBX_AXES[options["axes"]]
    _write(
        bpy.ops.export_scene.fbx,
        "FBX",
        path,
        options,
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


def _write_surface(operator: Any, name: str, path: Path, options: Options) -> None:
    forward, up = _Z_UP_AXES[options["axes"]]
    _write(
        operator,
        name,
        path,
        options,
        export_selected_objects=True,
        apply_modifiers=options["apply_modifiers"],
        global_scale=options["scale"],
        forward_axis=forward,
        up_axis=up,
    )


def _stl(path: Path, options: Options) -> None:
    _write_surface(bpy.ops.wm.stl_export, "STL", path, options)
    if path.stat().st_size <= STL_HEADER:
        raise ConvertError("There are no faces, and STL stores nothing else: add some, or push a .blend.")


def _ply(path: Path, options: Options) -> None:
    _write_surface(bpy.ops.wm.ply_export, "PLY", path, options)
    if b"element vertex 0" in path.read_bytes()[:PLY_HEADER]:
        raise ConvertError("There are no vertices, and PLY stores nothing else: add some, or push a .blend.")


def _obj(path: Path, options: Options) -> None:
    """Write OBJ: one file, or with its materials and their textures in the folder of what lies beside it."""
    forward, up = _OBJ_AXES[options["axes"]]
    is_alone = options["files"] != "BESIDE"
    written = path if is_alone else path.with_name("with") / path.name
    written.parent.mkdir(exist_ok=True)
    if not is_alone:
        _unpack_images(path.with_name("unpacked"))
    _write(
        bpy.ops.wm.obj_export,
        "OBJ",
        written,
        options,
        export_selected_objects=True,
        apply_modifiers=options["apply_modifiers"],
        global_scale=options["scale"],
        forward_axis=forward,
        up_axis=up,
        path_mode="STRIP" if is_alone else "COPY",
    )
    shape = written.read_bytes()
    if b"\nv " not in shape:
        raise ConvertError("There are no vertices, and OBJ stores nothing else: add some, or push a .blend.")
    named = re.compile(rb"^mtllib .*\n?", re.MULTILINE)
    if is_alone:
        path.write_bytes(named.sub(b"", shape, count=1))
        return
    written.unlink()
    digest = hashlib.sha256()
    for file in sorted(written.parent.iterdir()):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    place = Path(beside_folder(options["name"]), digest.hexdigest()[:12])
    (path.parent / place).parent.mkdir()
    written.parent.rename(path.parent / place)
    line = f"mtllib {(place / path.name).with_suffix('.mtl').as_posix()}\n".encode()
    path.write_bytes(named.sub(lambda _: line, shape, count=1))


def _unpack_images(folder: Path) -> None:
    """Each into a file of its own name: the exporter looks at no packed one, and copies all into one folder."""
    images: Any = bpy.data.images  # the stubs know nothing of packed data
    folder.mkdir()
    for number, image in enumerate(images):
        path = Path(bpy.path.abspath(image.filepath))
        if image.source == "TILED" or not (image.packed_file or path.is_file()):
            continue
        data = image.packed_file.data if image.packed_file else path.read_bytes()
        file = folder / (PureWindowsPath(image.filepath).name or f"{image.name}.png")
        if file.exists():
            file = folder / f"{number} {file.name}"
        file.write_bytes(data)
        if image.packed_file:
            image.unpack(method="REMOVE")
        image.source, image.filepath_raw = "FILE", str(file)


def _usd(path: Path, options: Options) -> None:
    for obj in bpy.context.selected_objects:  # what is read again is called as the data is
        if obj.data is not None and obj.data.users == 1:
            obj.data.name = obj.name
    # Also what an animation hides now; later Blenders do not ask.
    known = known_settings(bpy.ops.wm.usd_export, "USD")
    asked = {"visible_objects_only": False} if "visible_objects_only" in known else {}
    _write(
        bpy.ops.wm.usd_export,
        "USD",
        path,
        options,
        selected_objects_only=True,
        export_animation=True,
        evaluation_mode="VIEWPORT",
        convert_orientation=options["axes"] == "Y_UP",
        convert_world_material=False,
        allow_unicode=True,
        **asked,
    )


def _glb(path: Path, options: Options, export_format: str = "GLB") -> None:
    _write(
        bpy.ops.export_scene.gltf,
        "glTF",
        path,
        options,
        export_format=export_format,
        use_selection=True,
        export_apply=options["apply_modifiers"],
        export_yup=options["axes"] != "Z_UP",
        export_cameras=True,
        export_lights=True,
        export_extras=True,
        export_rest_position_armature=False,  # else a pose that is not keyed is lost
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


_EXPORTERS: dict[str, Callable[[Path, Options], None]] = {
    ".fbx": _fbx,
    ".stl": _stl,
    ".gltf": _gltf,
    ".glb": _glb,
    ".obj": _obj,
    ".ply": _ply,
    **dict.fromkeys(USD, _usd),
}
