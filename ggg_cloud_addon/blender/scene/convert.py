"""Turn a `.blend` into an exchange format, or back, in a Blender of its own beside the open one.

Blender's exporters leave edit mode, switch the window's scene (glTF), play the animation (what is posed and not
keyed is lost), print to stdout, and block the window; an importer may crash on a damaged file. None of that may
happen to the artist's open file, and no context override prevents it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import bpy

from . import SceneError

EXCHANGE_FORMATS = (".fbx", ".stl", ".gltf", ".glb")

_SCRIPT = Path(__file__).with_name("convert_child.py")


def convert(source: Path, target: Path) -> None:
    """Write the content of `source` to `target`; one of the two is a `.blend`, the suffix of the other tells how.

    Lengths are those of the current scene's units. Takes the time of a Blender's start, one or two seconds.
    Raises SceneError when Blender cannot, in its own words.
    """
    scene = bpy.context.scene
    assert scene is not None
    job = {
        "source": str(source),
        "target": str(target),
        "unit_system": scene.unit_settings.system,
        "unit_scale": scene.unit_settings.scale_length,
        # Drivers that run here run there: without them the objects have other shapes.
        "use_scripts": not bpy.app.autoexec_fail,
    }
    with tempfile.TemporaryDirectory(prefix="ggg_cloud-") as folder:
        answer = Path(folder, "answer.json")
        request = Path(folder, "request.json")
        request.write_text(json.dumps(job | {"answer": str(answer)}), encoding="utf-8")
        done = subprocess.run(
            [*_blender(), str(_SCRIPT), "--", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
        if not answer.exists():
            raise SceneError(
                f"“{source.name}” made Blender stop (code {done.returncode}): it may be damaged"
            ) from subprocess.CalledProcessError(done.returncode, done.args, stderr=done.stderr)
        error = json.loads(answer.read_text(encoding="utf-8"))["error"]
    if error:
        raise SceneError(error)


def _blender() -> list[str]:
    """Return the command that runs a Python script in this version of Blender, up to the script."""
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "--background", "--factory-startup", "--python"]
    return [sys.executable, "-P"]  # Blender as a Python module; this folder's names stay out of its sys.path
