"""What is wrong with the files that a file needs, in sentences for a person."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

from .dependency import Dependency
from .reader import BlendError, NoBlendError, is_blend
from .tracing import can_need, trace

PACK = 'pack what it needs in Blender with "File > External Data > Pack Resources"'
MEND = 'put it back, or choose another in Blender with "File > External Data > Find Missing Files"'
ONE_FILE = "export it as one .glb file"
TAKE_ALONG = f'push it with what it needs ("With What It Needs" in Blender, --beside in the command), or {ONE_FILE}'
EXPORT = "put it back, or export the model again"


def needs(path: Path, folder: Path | None = None, takes: Callable[[str], bool] | None = None) -> list[str]:
    """What a file needs and whoever pulls it would not get; of a damaged file that it is damaged.

    Of another file, or one that only has the name of a .blend file, nothing is known, so nothing is said.

    Args:
        path: a file to push or sync.
        folder: that is synced, with all that the file may need; without, the file goes alone.
        takes: whether a path in the folder takes part in the sync; without, all do.
    """
    if not can_need(path):
        return []
    try:
        found = trace(path)
    except NoBlendError:
        return []
    except BlendError as error:
        return [str(error)]
    home = Path(os.path.abspath(folder or path.parent))  # noqa: PTH100 - as the tracing has it
    sentences = [
        each
        for need in found.dependencies
        if not need.is_cache and (each := _problem(need, home, is_synced=folder is not None))
    ]
    sentences += [str(each) for each in found.unreadable]
    if found.circle:
        names = [f'"{each.name}"' for each in (*found.circle, found.circle[0])]
        sentences.append(
            f"{' links to '.join(names)}: a circle, of which Blender may load only a part; unlink one of them."
        )
    there = [each.path for each in found.dependencies if not each.is_missing]
    if folder is None:
        sentences += _left_behind(path, there, PACK if is_blend(path) else TAKE_ALONG)
    elif takes is not None:
        inside = [each for each in there if each.is_relative_to(home)]
        out = [each for each in inside if not takes(each.relative_to(home).as_posix())]
        kinds = ", ".join(sorted({f'"*{each.suffix.lower()}"' for each in out}))
        sentences += _left_behind(path, out, f"let {kinds} take part in the sync, or {_inside(path)}")
    return sentences


def _inside(path: Path) -> str:
    """How a file gets what it needs into itself."""
    return PACK if is_blend(path) else ONE_FILE


def _left_behind(path: Path, files: list[Path], mend: str) -> list[str]:
    if not files:
        return []
    shown = ", ".join(f'"{each.name}"' for each in files[:3]) + (", ..." if len(files) > 3 else "")
    many = len(files) > 1
    return [
        f'"{path.name}" needs {len(files)} file{"s" if many else ""} beside it that {"do" if many else "does"} not go '
        f"with it ({shown}); {mend}."
    ]


def _problem(need: Dependency, home: Path, *, is_synced: bool) -> str | None:
    drive = PureWindowsPath(need.path).drive
    mend = MEND if is_blend(need.used_by) else EXPORT
    shown = f'"{_shown(need.path, home)}", which "{need.used_by.name}" needs,'
    if need.is_missing and drive and not (sys.platform == "win32" and Path(f"{drive}\\").exists()):
        return f"{shown} lies on {drive}, which is not there; {mend}."
    if need.is_missing:
        return f"{shown} is missing; {mend}."
    with contextlib.suppress(OSError):
        if not need.path.stat().st_size:
            return f"{shown} is empty (0 bytes); save it again."
    if is_synced and not need.path.is_relative_to(home):
        mend = _inside(need.used_by)
        return f"{shown} lies outside of the folder, so it does not go with it; move it into the folder, or {mend}."
    return None


def _shown(path: Path, home: Path) -> str:
    """Relative to the folder of the file where it is in there."""
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
