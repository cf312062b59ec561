"""Make the file that is pushed out of a `.blend`, or a `.blend` out of one, in a Blender beside the open one.

Blender's exporters leave edit mode, switch the window's scene (glTF), play the animation (what is posed and not
keyed is lost), print to stdout, and block the window; an importer may crash on a damaged file. None of that may
happen to the artist's open file, and no context override prevents it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import bpy

from . import SceneError
from .trust import may_run_scripts

EXCHANGE_FORMATS = (".fbx", ".stl", ".gltf", ".glb", ".obj", ".ply", ".usdz", ".usdc", ".usda", ".usd")

Result = TypeVar("Result")

PICTURE_SECONDS = 60
"""So long a picture may take, with the start of its Blender."""
_SCRIPT = Path(__file__).with_name("beside") / "__main__.py"


class Beside:
    """Work under way in a Blender of its own: begun when made; this one goes on meanwhile."""

    def __init__(self, source: Path, target: Path, **options: object) -> None:
        """Begin to write `target` out of `source`; takes the time of a Blender's start, one or two seconds.

        Lengths are those of the current scene's units. The options are those of the work, see :mod:`.beside.work`.
        """
        scene = bpy.context.scene
        assert scene is not None
        self._source = source
        self._folder = tempfile.TemporaryDirectory(prefix="ggg_cloud-", ignore_cleanup_errors=True)
        self._answer = Path(self._folder.name, "answer.json")
        request = Path(self._folder.name, "request.json")
        job = {
            "source": str(source),
            "target": str(target),
            "unit_system": scene.unit_settings.system,
            "unit_scale": scene.unit_settings.scale_length,
            # Drivers that the user lets run here run there: without them the objects have other shapes. What Blender
            # has blocked in the open file is a no: it may have been opened untrusted. That nothing was blocked says
            # nothing, as Blender looks neither at texts that are appended nor at hidden objects.
            "use_scripts": may_run_scripts(bpy.data.filepath) and not bpy.app.autoexec_fail,
            "answer": str(self._answer),
            **options,
        }
        request.write_text(json.dumps(job), encoding="utf-8")
        self._process = subprocess.Popen(
            [*_blender(), str(_SCRIPT), "--", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(self._folder.name),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def ended(self) -> bool:
        """Whether it is through, well or not."""
        return self._process.poll() is not None

    def join(self) -> None:
        """Wait until it ended."""
        self._process.wait()

    def cancel(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()


class Conversion(Beside):
    """Makes the file that is pushed out of a `.blend`, or a `.blend` out of one: the suffixes tell which.

    The options are for a `.blend` that is the source: those of an ExportOptions, the component's `name`, `unsaved`,
    the images that were painted and not saved, the `author` of the asset, and whether it gets a `picture`.
    """

    @property
    def crashed(self) -> bool:
        """Wait until it ended; whether Blender died of it."""
        self.join()
        return not self._answer.exists()

    def result(self) -> list[str]:
        """Wait until it ended; the target is there then.

        Returns what is wrong with files that the source needs, each in words; unless `allow_missing` was set, there
        is no target then. Raises SceneError when Blender could not, in its own words.
        """
        self.join()
        with self._folder:
            if not self._answer.exists():
                raise SceneError(
                    f'"{self._source.name}" made Blender stop (code {self._process.returncode}): it may be damaged.'
                )
            answer = json.loads(self._answer.read_text(encoding="utf-8"))
        if answer["error"]:
            raise SceneError(answer["error"])
        problems: list[str] = answer["problems"]
        return problems


class Picture(Beside):
    """Makes a picture (PNG) of a `.blend`, if there is anything to see, in :data:`PICTURE_SECONDS` at most.

    Rendering may crash or hang. That costs the picture and nothing else: it is made of what is stored already.
    """

    def __init__(self, source: Path, target: Path) -> None:
        """Begin to render `source`."""
        super().__init__(source, target)
        self._target = target
        self._end = time.monotonic() + PICTURE_SECONDS

    @property
    def ended(self) -> bool:
        """The same; after its time it is ended here."""
        if not super().ended and time.monotonic() > self._end:
            self.cancel()
        return super().ended

    def join(self) -> None:
        """Wait until it ended, or its time is over."""
        try:
            self._process.wait(max(0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.cancel()

    def result(self) -> Path | None:
        """Wait until it ended; the picture, or `None` if there is none."""
        self.join()
        with self._folder:
            return self._target if self._process.returncode == 0 and self._target.exists() else None


def straight_through(steps: Generator[Conversion, None, Result]) -> Result:
    """Wait for every conversion that `steps` yields, and return what it returns."""
    try:
        while True:
            next(steps).join()
    except StopIteration as end:
        result: Result = end.value
        return result


def _environment(folder: str) -> dict[str, str]:
    """The environment of a Blender that has only this folder for what it keeps, also in the time that it runs.

    On a full disk it makes no temporary folder of its own and uses the system's, with what is not ours in it.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith("BLENDER_USER_")}
    return others | dict.fromkeys(("BLENDER_USER_RESOURCES", "TMPDIR", "TMP", "TEMP"), folder)


def _blender() -> list[str]:
    """Return the command that runs a Python script in this version of Blender, up to the script."""
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "--background", "--factory-startup", "--python"]
    return [sys.executable, "-P"]  # Blender as a Python module; this folder's names stay out of its sys.path
