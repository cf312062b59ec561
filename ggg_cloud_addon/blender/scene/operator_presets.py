"""The presets that artists save in the dialogs of Blender's exporters."""

import ast
from pathlib import Path
from typing import Any

import bpy

from . import SceneError
from .export_options import PRESETS, preset_of_ours

_USD = "wm.usd_export"
FOLDERS = {
    ".fbx": "export_scene.fbx",
    ".stl": "wm.stl_export",
    ".gltf": "export_scene.gltf",
    ".glb": "export_scene.gltf",
    ".obj": "wm.obj_export",
    ".ply": "wm.ply_export",
    **dict.fromkeys((".usdz", ".usdc", ".usda", ".usd"), _USD),
}
"""Below "operator" among Blender's presets; named as the operator is."""


def preset_names(suffix: str) -> list[tuple[str, str]]:
    """Those that a format has, ours first, each with a description."""
    ours = [(name, each.about) for name, each in PRESETS.items() if suffix in each.settings]
    return ours + [(name, "Saved in Blender's own dialog") for name in sorted(_files(suffix))]


def preset_settings(name: str, suffix: str) -> dict[str, Any]:
    """The settings of the exporter that a preset holds; none without a name.

    Raises SceneError if there is none of the name, or it cannot be read.
    """
    if not name:
        return {}
    files = _files(suffix)
    if name not in files and (ours := preset_of_ours(name, suffix)):
        return dict(ours.settings[suffix])
    if name not in files:
        known = ", ".join(each for each, _ in preset_names(suffix))
        raise SceneError(f'There is no preset "{name}" for {suffix}; there are: {known or "none"}.')
    try:
        return _read(files[name])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SceneError(f'The preset "{name}" cannot be read; save it again in Blender\'s dialog.') from error


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
