"""What Blender's importers are asked for, and what they are not asked for as they would take it."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.types import ID, Screen, WindowManager, WorkSpace

from ..closure import keep_helpers, needed_by
from .usd import settle

STL_HEADER, _STL_TRIANGLE = 84, 50  # bytes; the header ends with the number of triangles, as uint32
USD = (".usdz", ".usdc", ".usda", ".usd")


class ConvertError(Exception):
    """One sentence for the user."""


def import_file(source: Path, target: Path, unit_system: str, unit_scale: float) -> None:
    """Write what is in a file of an exchange format to a .blend."""
    # Not read_factory_settings(): there are no extensions in these, so it empties the folder of all wheels.
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    assert scene is not None
    scene.unit_settings.system = unit_system  # type: ignore[assignment]  # another scene's, so a legal one
    scene.unit_settings.scale_length = unit_scale
    suffix = source.suffix.lower()
    is_whole = _IS_WHOLE.get(suffix)
    if is_whole and not is_whole(source):
        raise ConvertError(f'"{source.name}" cannot be opened: it is not {suffix[1:].upper()}, or its end is missing.')
    operator, options = _IMPORTERS[suffix]
    if operator is _FBX_IMPORT:
        options = {"global_scale": 1 / unit_scale}  # unlike those of Python, it does not look at the scene
    run(operator, f'"{source.name}" cannot be opened', filepath=str(source), **options)
    _take_in_pictures(source.parent)
    if suffix in USD:
        settle(1 / unit_scale)
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
        header = file.read(STL_HEADER)
        size = file.seek(0, os.SEEK_END)
        triangles = int.from_bytes(header[-4:], "little")
        if len(header) == STL_HEADER and size == STL_HEADER + triangles * _STL_TRIANGLE:
            return True
        file.seek(max(0, size - 1024))
        return header.lstrip().lower().startswith(b"solid") and b"endsolid" in file.read().lower()


def run(operator: Any, failure: str, **options: object) -> None:  # the stubs take operators for classes
    """Run one of Blender's operators; raises ConvertError, which begins with `failure`, when it does not succeed."""
    try:
        result = operator(**options)
    except RuntimeError as error:
        # An operator written in Python puts its whole traceback first, Blender the caller's place last.
        lines = [line.strip() for line in str(error).splitlines()]
        lines = [line for line in lines if line and not line.startswith("Location:")]
        reason = lines[-1].removeprefix("Error: ").rstrip(".") if lines else "Blender gives no reason"
        raise ConvertError(f"{failure}: {reason}.") from error
    except AttributeError as error:  # "could not be found"
        raise ConvertError(f"{failure}: this Blender was built without it.") from error
    if "FINISHED" not in result:
        raise ConvertError(f"{failure}: Blender gives no reason.")


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
    ".obj": (bpy.ops.wm.obj_import, {}),
    ".ply": (bpy.ops.wm.ply_import, {}),
    **dict.fromkeys(USD, (bpy.ops.wm.usd_import, {"import_textures_mode": "IMPORT_PACK"})),
}
_IS_WHOLE: dict[str, Callable[[Path], bool]] = {".stl": _is_whole_stl, ".usdz": zipfile.is_zipfile}
"""Of the formats whose importer takes a file without its end."""
