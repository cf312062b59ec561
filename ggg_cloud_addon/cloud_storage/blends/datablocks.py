"""What the datablocks of a single .blend file name, by blender-asset-tracer (BAT), and what BAT does not know of."""

import contextlib
import logging
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

from .dependency import Dependency
from .exchange import is_there
from .reader import BlendError, blocks, damaged, opened

log = logging.getLogger(__name__)
logging.getLogger("blender_asset_tracer").addHandler(logging.NullHandler())  # what it warns of is told here
logging.getLogger("blender_asset_tracer").setLevel(logging.ERROR)

FIELD = re.compile(rb"[^\[\]]*(\[\d+\])*")
"""The name of a field in a catalogue: ``*next``, ``mat[4][4]``, ``(*free)()``."""
PATTERNS = {"<UDIM>": r"\d{4}", "<UVTILE>": r"u\d+_v\d+"}
"""Of the tiles of a texture (Blender manual, "UDIMs")."""
STEPS = 20
"""So many pointers for each block are followed at most: in a file whose lists lead back there is no end."""
MAX_CACHE = 100_000
"""Files of one cache; of a folder with more, the rest is not looked at."""

EXTERNAL, FILE_PATH, DISK_CACHE = 1, 1, 1 << 6
"""Blender's ``NODE_SCRIPT_EXTERNAL`` and ``NODE_IES_EXTERNAL``, ``PROP_FILEPATH``, ``PTCACHE_DISK_CACHE``."""
UNKNOWN_TO_BAT: Mapping[bytes, Callable[[Any], bytes]] = {
    b"NodeShaderScript": lambda node: _if(node.get(b"mode", 0) == EXTERNAL, node, b"filepath"),
    b"NodeShaderTexIES": lambda node: _if(node.get(b"mode", 0) == EXTERNAL, node, b"filepath"),
    b"bNodeSocketValueString": lambda socket: _if(socket.get(b"subtype", 0) == FILE_PATH, socket, b"value"),
    b"PointCache": lambda cache: _frames_folder(cache.bfile.filepath) if cache.get(b"flag", 0) & DISK_CACHE else b"",
}
"""By the kind of a struct: what it names, or nothing."""


def files_of_datablocks(blend: Path, unreadable: list[BlendError]) -> Iterator[Dependency]:
    """What one .blend file names. A block that cannot be read costs only what that needs, and goes to ``unreadable``.

    Raises:
        BlendError: the file is damaged.
    """
    _refuse_damaged(blend)
    try:
        with contextlib.closing(_opened(blend, unreadable)) as file:
            packed = _packed_libraries(file.blocks)
            unknown = {file.sdna_index_from_id.get(kind): name_of for kind, name_of in UNKNOWN_TO_BAT.items()}
            asked: set[tuple[bytes, bool]] = set()
            for block in file.blocks:
                name_of = unknown.get(block.sdna_index)
                if (len(block.code) > 2 and not name_of) or block.addr_old in packed:
                    continue
                try:
                    named = _named(block) if not name_of else [(path := name_of(block), b"*" in path)]
                except Exception as error:  # BAT raises whatever comes of what it does not know
                    log.info("A block of %s cannot be traced", blend, exc_info=error)
                    unreadable.append(_unknown(block, blend))
                    continue
                for name, is_many in named:
                    if name and (name, is_many) not in asked:
                        asked.add((name, is_many))
                        yield from _files(name, is_many, blend, is_library=block.code == b"LI")
    except BlendError:
        raise
    except Exception as error:
        log.info("%s cannot be traced", blend, exc_info=error)
        raise damaged(blend) from error


def _opened(blend: Path, unreadable: list[BlendError]) -> Any:
    try:
        import blender_asset_tracer.trace  # noqa: F401 - what version 2 does not have
        from blender_asset_tracer import blendfile  # late: only who traces waits for it
    except ImportError:
        raise BlendError(
            f'What "{blend.name}" needs is not known without "blender-asset-tracer" of version 1; install it with '
            '"pip install blender-asset-tracer==1.23".'
        ) from None

    class BlendFile(blendfile.BlendFile):  # type: ignore[misc]  # mypy does not look into BAT
        """As BAT reads it, but for its faults."""

        # Blender writes pointers that lead nowhere, as to the bakes of geometry nodes where there are none.
        strict_pointer_mode = False
        steps = 0

        def dereference_pointer(self, address: int) -> Any:
            self.steps += 1
            if self.steps > STEPS * len(self.blocks):
                raise ValueError("Pointers that lead in a circle")
            return super().dereference_pointer(address)

        def decode_glob(self, block: Any) -> None:
            """Only skip it: BAT 1.23 does not in files of Blender 2.42 and older, and so loses its way."""
            self.fileobj.seek(block.size, os.SEEK_CUR)

    file = BlendFile(blend)
    if not file.header.is_little_endian:
        unreadable.append(
            BlendError(
                f'"{blend.name}" has the byte order of old processors (big endian), which Blender 5 cannot open; save '
                "it again in Blender 4.2 to 4.5."
            )
        )
        for block in file.blocks:
            # The two letters come behind two zeros there, and BAT takes none.
            block.code = block.code or (block.id_name or b"DATA")[:2]
    return file


def _named(block: Any) -> list[tuple[bytes, bool]]:
    """The paths that a datablock names, as Blender writes them, and whether each stands for many files."""
    from blender_asset_tracer.trace import asset_holding_blocks, blocks2assets

    if not any(asset_holding_blocks([block])):
        return []
    is_sequence = _is_sequence(block)
    return [(bytes(usage.asset_path), usage.is_sequence or is_sequence) for usage in blocks2assets.iter_assets(block)]


def _if(condition: bool, struct: Any, field: bytes) -> bytes:
    return struct.get(field, b"") if condition else b""


def _frames_folder(blend: Path) -> bytes:
    """Where all disk caches of a .blend file lie: of particles, cloth, soft and rigid bodies."""
    return b"//blendcache_%b/*" % os.fsencode(blend.stem)


def _is_sequence(block: Any) -> bool:
    """Of those that BAT takes for single files: movie clips of pictures, and Alembic or USD with a file a frame."""
    if block.code == b"MC":
        return bool(block.get(b"source", default=0) == 1)  # MCLIP_SRC_SEQUENCE
    return bool(block.code == b"CF" and block.get(b"is_sequence", default=0))


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


def _files(name: bytes, is_many: bool, blend: Path, *, is_library: bool) -> Iterator[Dependency]:
    """The files that one name stands for."""
    path = _absolute(os.fsdecode(name), blend)
    marks = [mark for mark in PATTERNS if mark in path.name]
    if not is_many and not marks:
        yield Dependency(path, blend, not is_there(path), names_files=is_library)
        return
    if "*" in path.name or path.is_dir() or not (marks or path.suffix):
        yield from _cache(path, blend)
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
    yield from (Dependency(each, blend, is_missing=False) for each in parts)
    if not parts:
        yield Dependency(path, blend, is_missing=True, pattern=pattern)


def _cache(path: Path, blend: Path) -> Iterator[Dependency]:
    """The files of a cache: a folder with all below, or those in it that are called so."""
    folder, pattern = (path, ".*") if "*" not in path.name else (path.parent, re.escape(path.name).replace(r"\*", ".*"))
    is_its_own = not blend.is_relative_to(folder)
    parts: list[Path] = []
    for place, folders, names in os.walk(folder):
        if is_its_own:
            folders.sort()
        else:
            folders.clear()  # all that the user keeps there is no cache
        parts += [Path(place, each) for each in sorted(names) if re.fullmatch(pattern, each)]
        if len(parts) > MAX_CACHE:
            break
    yield from (Dependency(each, blend, is_missing=False) for each in parts[:MAX_CACHE])
    if not parts and is_its_own:
        yield Dependency(folder, blend, is_missing=True, pattern=pattern, is_cache=True)


def _absolute(path: str, blend: Path) -> Path:
    """A path as Blender writes it: ``//`` stands for the folder of the .blend file."""
    if path.startswith("//"):
        path = os.path.abspath(blend.parent / path[2:])  # noqa: PTH100
        drive = re.match(r"/([A-Za-z]:/.*)", path)
        return Path(drive[1] if drive else path)  # Blender on Linux makes D: a folder of this name
    if sys.platform != "win32" and PureWindowsPath(path).drive:
        return Path(path)
    return Path(os.path.abspath(blend.parent / path))  # noqa: PTH100
