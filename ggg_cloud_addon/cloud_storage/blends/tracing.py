"""What a .blend file needs beside itself, by blender-asset-tracer (BAT).

BAT reads the files; which files to read is decided here. Its own walk from file to file follows the datablocks that are
linked, and loses track of the nodes in materials of files of Blender 5.0 (BAT 1.23), so a library counts with all that
it needs.
"""

import contextlib
import logging
import os
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

from .reader import BlendError, blocks, damaged, opened

log = logging.getLogger(__name__)
logging.getLogger("blender_asset_tracer").addHandler(logging.NullHandler())  # what it warns of is told here
logging.getLogger("blender_asset_tracer").setLevel(logging.ERROR)

FIELD = re.compile(rb"[^\[\]]*(\[\d+\])*")
"""The name of a field in a catalogue: ``*next``, ``mat[4][4]``, ``(*free)()``."""
PATTERNS = {"<UDIM>": r"\d{4}", "<UVTILE>": r"u\d+_v\d+"}
"""Of the tiles of a texture (Blender manual, "UDIMs")."""


@dataclass(frozen=True)
class Dependency:
    """A file that a .blend file needs."""

    path: Path
    """Absolute; if it is missing, as the .blend file has it: with ``<UDIM>`` for tiles, or with a drive's letter."""
    used_by: Path
    """The first .blend file that names it."""
    is_missing: bool
    pattern: str = ""
    """Of missing tiles or frames: a regular expression of their names."""


@dataclass(frozen=True)
class Trace:
    """All that a .blend file needs, through the libraries that it links and theirs."""

    dependencies: tuple[Dependency, ...]
    """One for each file."""
    unreadable: tuple[BlendError, ...]
    """Of libraries, and of single datablocks."""
    circle: tuple[Path, ...]
    """The first .blend files found that link to each other in a circle, each once."""


def trace(path: Path) -> Trace:
    """Find what a .blend file needs: textures with all tiles and frames, libraries, sounds, fonts, caches, movies.

    What is packed into the file is left out, and caches of which nothing is baked.

    Raises:
        BlendError: the file itself cannot be read.
    """
    start = Path(os.path.abspath(path))  # noqa: PTH100 - links are not followed: paths are relative to this folder
    found: dict[Path, Dependency] = {}
    unreadable: list[BlendError] = []
    links: dict[Path, list[Path]] = {}
    waiting = [start]
    while waiting:
        blend = waiting.pop(0)
        if blend in links:
            continue
        links[blend] = []
        try:
            named = list(_named(blend, unreadable))
        except BlendError as error:
            if blend == start:
                raise
            unreadable.append(error)
            continue
        for each, is_library in named:
            if each.path != start:
                found.setdefault(each.path, each)
            if is_library and not each.is_missing:
                links[blend].append(each.path)
                waiting.append(each.path)
    return Trace(tuple(found.values()), tuple(unreadable), _circle(links))


def _named(blend: Path, unreadable: list[BlendError]) -> Iterator[tuple[Dependency, bool]]:
    """What one .blend file names, and whether that is a library. A block that BAT cannot read costs only what that
    needs, and goes to ``unreadable``."""
    _refuse_damaged(blend)
    from blender_asset_tracer import blendfile  # late: only who traces waits for it
    from blender_asset_tracer.trace import asset_holding_blocks, blocks2assets

    try:
        with contextlib.closing(blendfile.BlendFile(blend)) as file:
            # Blender writes pointers that lead nowhere, as to the bakes of geometry nodes where there are none.
            file.strict_pointer_mode = False
            packed = _packed_libraries(file.blocks)
            for block in asset_holding_blocks(file.blocks):
                if block.addr_old in packed:
                    continue
                try:
                    usages = list(blocks2assets.iter_assets(block))
                except Exception as error:  # BAT raises whatever comes of what it does not know
                    log.info("A block of %s cannot be traced", blend, exc_info=error)
                    unreadable.append(_unknown(block, blend))
                    continue
                for usage in usages:
                    if usage.asset_path:
                        for path, is_missing, pattern in _files(usage, blend):
                            yield Dependency(path, blend, is_missing, pattern), block.code == b"LI"
    except Exception as error:
        log.info("%s cannot be traced", blend, exc_info=error)
        raise damaged(blend) from error


def _packed_libraries(blocks: list[Any]) -> set[int]:
    """The addresses of libraries of which all is packed into the file (Blender 5): archives, and what they are of
    unless something else is linked from it, which follows it as ``ID`` blocks."""
    datablocks = [each for each in blocks if len(each.code) <= 2]
    parents = {
        each.addr_old: each.get(b"archive_parent_library", default=0) for each in datablocks if each.code == b"LI"
    }
    whole = {library.addr_old for library, linked in pairwise(datablocks) if linked.code != b"ID"} & {*parents.values()}
    return whole | {library for library, parent in parents.items() if parent}


def _unknown(block: Any, blend: Path) -> BlendError:
    name = (block.id_name or block.code).decode(errors="replace")
    return BlendError(
        f'It cannot be told what "{name}" in "{blend.name}" needs; if it needs a file beside it, see that this goes '
        "along."
    )


def _refuse_damaged(blend: Path) -> None:
    """Refuse the damage over which BAT would sit for ever: blocks that lead back, and names cut off in the catalogue of
    structures."""
    with opened(blend) as (header, stream):
        for code, size in blocks(header, stream):
            if code == b"ENDB":
                return
            if code == b"DNA1" and not _is_sound(stream.read(size), header.byte_order):
                raise damaged(blend)


def _is_sound(catalogue: bytes, byte_order: str) -> bool:
    number = struct.Struct(f"{byte_order}I")
    (count,) = number.unpack_from(catalogue, len("SDNANAME"))
    *names, rest = catalogue[12:].split(b"\0", min(count, len(catalogue)))
    types = rest.lstrip(b"\0")
    return (
        len(names) == count
        and all(map(FIELD.fullmatch, names))
        and types.startswith(b"TYPE")
        and number.unpack_from(types, len("TYPE"))[0] < len(types)
    )


def _files(usage: Any, blend: Path) -> Iterator[tuple[Path, bool, str]]:
    """The files of one use, whether they are missing, and then the pattern of their names if they are many."""
    path = _absolute(os.fsdecode(bytes(usage.asset_path)), blend)
    marks = [mark for mark in PATTERNS if mark in path.name]
    if not usage.is_sequence and not marks:
        yield path, not _is_there(path), ""
        return
    if "*" in path.name or path.is_dir() or not (marks or path.suffix):  # a cache: nothing is baked, or these files
        folder, pattern = (path, "*") if "*" not in path.name else (path.parent, path.name)
        yield from ((each, False, "") for each in sorted(folder.glob(pattern)) if each.is_file())
        return
    pattern = re.escape(path.name)
    for mark in marks:
        pattern = pattern.replace(re.escape(mark), PATTERNS[mark])
    if not marks:  # frames: the last digits of the name count
        head = path.stem.rstrip("0123456789")
        pattern = re.escape(head) + (r"\d+" if head != path.stem else "") + re.escape(path.suffix)
    parts = []
    with contextlib.suppress(OSError):
        parts = sorted(each for each in path.parent.iterdir() if re.fullmatch(pattern, each.name))
    yield from ((each, False, "") for each in parts)
    if not parts:
        yield path, True, pattern


def _is_there(path: Path) -> bool:
    with contextlib.suppress(OSError):  # a name longer than any here
        return path.is_file()
    return False


def _absolute(path: str, blend: Path) -> Path:
    """A path as Blender writes it: ``//`` stands for the folder of the .blend file."""
    if path.startswith("//"):
        path = os.path.abspath(blend.parent / path[2:])  # noqa: PTH100
        drive = re.match(r"/([A-Za-z]:/.*)", path)
        return Path(drive[1] if drive else path)  # Blender on Linux makes D: a folder of this name
    if sys.platform != "win32" and PureWindowsPath(path).drive:
        return Path(path)
    return Path(os.path.abspath(blend.parent / path))  # noqa: PTH100


def _circle(links: dict[Path, list[Path]]) -> tuple[Path, ...]:
    """The .blend files of the first circle that is met."""
    done: set[Path] = set()

    def walk(way: tuple[Path, ...]) -> tuple[Path, ...]:
        for each in links.get(way[-1], ()):
            if each in way:
                return way[way.index(each) :]
            if each not in done and (circle := walk((*way, each))):
                return circle
        done.add(way[-1])
        return ()

    return next((circle for each in links if (circle := walk((each,)))), ())
