"""Read the request, do it, write the answer."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy

from ..closure import cut
from .asset import mark
from .exporters import export
from .formats import ConvertError, import_file, save_blend, write_blend
from .needs import of_caches, of_other_format, outside_files, problems
from .preview import render
from .taking import make_local, no_renderer, pack, put_beside

KEEPS_NO_TEXTURES = (".stl", ".ply", ".usdc", ".usda", ".usd")


def main() -> None:
    """Answer ``{"error": null, "problems": []}``, or what is wrong."""
    request = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
    source = Path(request["source"])
    answer: dict[str, Any] = {"error": None, "problems": []}
    try:
        if Path(request["target"]).suffix == ".png":
            _open(source, request)
            render(Path(request["target"]))
        elif source.suffix.lower() == ".blend":
            answer["problems"] = _send(source, Path(request["target"]), request)
        else:
            import_file(source, Path(request["target"]), request["unit_system"], request["unit_scale"])
    except ConvertError as reason:
        answer["error"] = str(reason)
    except Exception as fault:  # noqa: BLE001 - who waits for the answer has to hear of it
        answer["error"] = f'"{source.name}" cannot be converted: {" ".join(str(fault).split())}.'
    part = Path(request["answer"]).with_suffix(".part")
    part.write_text(json.dumps(answer), encoding="utf-8")
    part.replace(request["answer"])  # whole, or not there: the disk may be full
    os._exit(0)  # Blender 4.2 as a Python module crashes at exit once glTF was used


def _open(source: Path, request: dict[str, Any]) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(source), load_ui=False, use_scripts=request["use_scripts"])


def _send(source: Path, target: Path, request: dict[str, Any]) -> list[str]:
    """Make the file that is pushed out of the scene that was written.

    Returns what is wrong with the files that it needs; then, unless the request allows that, nothing is made.
    """
    _open(source, request)
    data: Any = bpy.data
    scene = data.scenes[request["scene"], None]
    assert bpy.context.window is not None
    bpy.context.window.scene = scene  # else it is any of those that were written too
    is_blend, files = target.suffix == ".blend", request["files"]
    if request["outside"]:
        cut(request["outside"], request["standing"], scene)
        if not is_blend:  # its picture is made of it
            write_blend(source, compress=False)
    found: list[str] = []
    keeps_textures = files == "BESIDE" if target.suffix == ".obj" else target.suffix not in KEEPS_NO_TEXTURES
    if (files != "LEAVE" or not is_blend) and keeps_textures:
        needed = outside_files() if is_blend else of_other_format(outside_files())
        found = problems([*needed, *of_caches(request["caches"])], packed=not is_blend or files == "PACK")
        found += [f'"{name}" was painted and not saved' for name in request["unsaved"] if name in bpy.data.images]
        if found and not request["allow_missing"]:
            return found
    if is_blend:
        if files != "LEAVE":
            with no_renderer():
                make_local()
                if files == "PACK":
                    pack()
                else:
                    put_beside(target.parent, request["name"])
        if request["asset"] and mark(scene, request):
            save_blend(target, compress=request["compress"])
        else:
            write_blend(target, compress=request["compress"])
    else:
        with no_renderer():
            make_local()  # what is linked, the FBX exporter calls by the names of its libraries too
        export(target, request)
    return found
