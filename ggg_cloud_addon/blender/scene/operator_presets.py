"""The presets that artists save in the dialogs of Blender's exporters."""

import ast
from pathlib import Path
from typing import Any

import bpy

from . import SceneError
from .export_options import PRESETS, Preset

_SAVED = "Saved in Blender's own dialog"
FOLDERS = {
    ".fbx": "export_scene.fbx",
    ".stl": "wm.stl_export",
    ".gltf": "export_scene.gltf",
    ".glb": "export_scene.gltf",
    ".obj": "wm.obj_export",
    ".ply": "wm.ply_export",
    **dict.fromkeys((".usdz", ".usdc", ".usda", ".usd"), "wm.usd_export"),
}
"""Below "operator" among Blender's presets; named as the operator is."""


def preset_names(suffix: str) -> list[tuple[str, str]]:
    """Those that a format has, ours first, each with a description; an artist's takes the place of one of ours."""
    ours = {name: each.about for name, each in PRESETS.items() if suffix in each.settings}
    return [*(ours | dict.fromkeys(sorted(_files(suffix)), _SAVED)).items()]


def find_preset(name: str, suffix: str) -> Preset:
    """The preset of this name, the artist's own before ours; one without settings for no name.

    Raises SceneError if there is none for the format, or it cannot be read.
    """
    files = _files(suffix)
    if not name:
        return Preset("", {suffix: {}})
    if name in files:
        try:
            return Preset(_SAVED, {suffix: _read(files[name])})
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise SceneError(f'The preset "{name}" cannot be read; save it again in Blender\'s dialog.') from error
    ours = next((each for known, each in PRESETS.items() if known.lower() == name.lower()), None)
    if ours is None:
        known = ", ".join(each for each, _ in preset_names(suffix))
        raise SceneError(f'There is no preset "{name}" for {suffix}; there are: {known or "none"}.')
    if suffix not in ours.settings:
        raise SceneError(f'The preset "{name}" is for {" and ".join(ours.settings)}, not for {suffix}.')
    return ours


def _files(suffix: str) -> dict[str, Path]:
    folders = bpy.utils.preset_paths(f"operator/{FOLDERS[suffix]}") if suffix in FOLDERS else []
    return {path.stem: path for folder in folders for path in Path(folder).glob("*.py")}


def _read(path: Path) -> dict[str, Any]:
    """What it assigns to the operator. It is a Python file, and may be anybody's: it is read and not run."""
    found: dict[str, Any] = {}
    for each in ast.parse(path.read_bytes()).body:
        if not isinstance(each, ast.Assign) or not isinstance(each.targets[0], ast.Attribute):
            continue
        target = each.targets[0]
        if isinstance(target.value, ast.Name) and target.value.id == "op":
            value = ast.literal_eval(each.value)
            found[target.attr] = sorted(value) if isinstance(value, set) else value
    return found
