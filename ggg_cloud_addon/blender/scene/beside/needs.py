"""The files that a .blend needs beside itself, and taking them in."""

import contextlib
import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import bpy
from bpy.types import ID

MAX_WINDOWS_PATH = 259
"""Characters (Microsoft, "Maximum Path Length Limitation": 260 with the NUL at the end)."""
WITH_FILE = ("images", "sounds", "fonts", "volumes", "movieclips", "cache_files", "libraries")
"""Of ``bpy.data``: whose datablocks name a file each."""
BUILT_IN_FONT = "<builtin>"
_MOVING = ("SEQUENCE", "MOVIE")


@dataclass(frozen=True)
class OutsideFile:
    """A file that is not inside the .blend."""

    path: str
    """Absolute."""
    can_be_packed: bool
    """Blender packs no movies, image sequences and simulation caches."""
    can_move: bool = True
    """Whether it may lie in another place for the file that is pushed."""


def outside_files() -> Iterator[OutsideFile]:
    """All that the open file names. No file is looked at."""
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if not _is_inside(datablock):
                can_be_packed = kind not in ("movieclips", "cache_files") and _source(datablock) not in _MOVING
                for path in _paths(datablock):
                    yield OutsideFile(path, can_be_packed)
    for obj in bpy.data.objects:
        modifiers: Any = obj.modifiers  # the stubs know what all modifiers have
        for modifier in modifiers:
            if modifier.type == "MESH_CACHE" and modifier.filepath:
                yield OutsideFile(_absolute(modifier.filepath, obj), False, False)
            elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                yield OutsideFile(_absolute(modifier.domain_settings.cache_directory, obj), False, False)


def problems(
    files: Iterable[OutsideFile], *, packed: bool = True, on_windows: bool = sys.platform == "win32"
) -> list[str]:
    """What is wrong with them, in words after the file's name; each file once, in the order of the names.

    `packed`: they are to be packed, not to lie beside.
    """
    found = {file: problem for file in files if (problem := _problem(file, packed, on_windows))}
    return [
        f'"{PureWindowsPath(file.path).name or file.path}" {problem}'
        for file, problem in sorted(found.items(), key=lambda each: each[0].path)
    ]


def _problem(file: OutsideFile, packed: bool, on_windows: bool) -> str | None:
    path = PureWindowsPath(file.path)
    if on_windows and len(file.path) > MAX_WINDOWS_PATH:
        return f"has a path of {len(file.path)} characters, more than Windows allows"
    try:
        size = Path(file.path).stat().st_size
    except (OSError, ValueError):
        if path.drive and not (on_windows and Path(path.anchor).exists()):
            return f"lies on {path.drive}, which is not there"
        return "is missing"
    if not size:
        return "is empty (0 bytes)"
    if packed and not file.can_be_packed:
        return "is a movie, a sequence or a cache, which Blender cannot pack"
    return None if packed or file.can_move else "is a cache that a modifier names, which cannot go along"


def make_local() -> None:
    """Take what is linked into the open file, with all that it links itself."""
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if datablock.library:  # a path that begins with // is meant from the library's folder
                _set_path(datablock, bpy.path.abspath(datablock.filepath, library=datablock.library))
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    users = data.user_map()
    ahead = {each for each in users if each.library or each.override_library}
    while ahead:
        # After all that uses it, or Blender makes a copy and leaves the linked one to those (5.0, what is packed).
        ready = {each for each in ahead if not (users[each] & ahead) - {each}} or ahead
        for datablock in ready:
            datablock.make_local(clear_liboverride=True, clear_asset_data=False)
        ahead = ahead - ready


def pack() -> None:
    """Take in all files that Blender can pack, and name them without the folders of this machine."""
    with contextlib.suppress(RuntimeError):  # which lists those that are missing
        bpy.ops.file.pack_all()
    for image in bpy.data.images:
        if image.source == "TILED" and not image.packed_files:
            with contextlib.suppress(RuntimeError):
                image.pack()
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if _is_packed(datablock) and datablock.filepath:
                _set_path(datablock, _bare(datablock.filepath))
    for image in bpy.data.images:
        for each in image.packed_files:
            each.filepath = _bare(each.filepath)


def beside_folder(name: str) -> str:
    """The folder of the files beside a component of this name, in the component's own."""
    return f"{name}.files"


def put_beside(folder: Path, name: str) -> None:
    """Copy what the open file needs to a folder in `folder`, and name it from there.

    Each file lies in a folder that is called by its content, so that a version never gets the files of another.
    """
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if kind == "libraries" or _is_inside(datablock):
                continue
            files = [Path(path) for path in _all_paths(datablock) if Path(path).is_file()]
            if not files:
                continue
            digest = hashlib.sha256()
            for file in files:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
            place = Path(beside_folder(name), digest.hexdigest()[:12])
            (folder / place).mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copyfile(file, folder / place / file.name)
            _set_path(datablock, f"//{place.as_posix()}/{PureWindowsPath(datablock.filepath).name}")


def _all_paths(datablock: Any) -> list[str]:
    """Its files: with all frames if it is a sequence."""
    paths = _paths(datablock)
    is_sequence = _source(datablock) == "SEQUENCE" or getattr(datablock, "is_sequence", False)
    if not is_sequence:
        return paths
    path = Path(paths[0])
    head = path.stem.rstrip("0123456789")
    frame = re.compile(re.escape(head) + r"\d+" + re.escape(path.suffix))
    return sorted(str(each) for each in path.parent.iterdir() if frame.fullmatch(each.name))


def _source(datablock: Any) -> str:
    return getattr(datablock, "source", "")


def _is_packed(datablock: Any) -> bool:
    return bool(getattr(datablock, "packed_files", ()) or getattr(datablock, "packed_file", None))


def _is_inside(datablock: Any) -> bool:
    """Whether no file of its own is needed: it is packed, generated or built in."""
    if not datablock.filepath or datablock.filepath == BUILT_IN_FONT or _is_packed(datablock):
        return True
    if getattr(datablock, "is_archive", False):  # a library of which all is packed (Blender 5)
        return True
    if getattr(datablock, "archive_libraries", ()):
        data: Any = bpy.data
        return not any(each.library == datablock for each in data.user_map())
    return _source(datablock) in ("GENERATED", "VIEWER")


def _paths(datablock: Any) -> list[str]:
    path = _absolute(datablock.filepath, datablock)
    if _source(datablock) == "TILED":
        return [_of_tile(path, tile.number) for tile in datablock.tiles]
    return [path]


def _of_tile(path: str, number: int) -> str:
    """The file of one tile (Blender manual, "UDIMs")."""
    column, row = (number - 1001) % 10, (number - 1001) // 10
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{column + 1}_v{row + 1}")


def _absolute(path: str, datablock: ID) -> str:
    return bpy.path.abspath(path, library=datablock.library)


def _bare(path: str) -> str:
    return "//" + PureWindowsPath(path).name


def _set_path(datablock: Any, path: str) -> None:
    """Without reading the file again, which setting ``filepath`` does for images."""
    setattr(datablock, "filepath_raw" if isinstance(datablock, bpy.types.Image) else "filepath", path)
