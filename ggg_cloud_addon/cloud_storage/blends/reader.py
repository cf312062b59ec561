"""The beginning of a .blend file: its header and the first blocks, compressed or not.

The format is Blender's (``source/blender/blenloader_core``, and ``doc/blender_file_format`` in its sources): a header
with the version, then blocks, each with a header of its own. Blender 5.0 has a larger form of both.
"""

import contextlib
import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import LocalFileError

MAGIC = b"BLENDER"
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
CLASSIC = re.compile(rb"BLENDER([_-])([vV])(\d{3})")
"""Up to 4.5: the size of a pointer, the order of bytes, the version."""
LARGE = re.compile(rb"BLENDER17-01v(\d{4})")
"""From 5.0 on: the size of the header and the version of the format come first."""


class BlendError(LocalFileError):
    """A .blend file of which nothing can be told: it is damaged, none at all, or compressed in a way unknown here."""


class NoBlendError(BlendError):
    """It cannot be opened, or only has the name of a .blend file: whoever wants the file itself will hear of it."""


@dataclass(frozen=True)
class Header:
    """How a .blend file begins."""

    version: str
    """Of the Blender that wrote it, such as ``4.2``."""
    byte_order: str
    """``<`` or ``>``, as in :mod:`struct`."""
    block: str
    """Of the headers of its blocks, as in :mod:`struct`."""
    size_at: int
    """Which of the values there is the block's size in bytes; the first one is its code."""


def is_blend(path: Path) -> bool:
    """Whether it has the name of one."""
    return path.suffix.lower() == ".blend"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Header, BinaryIO]]:
    """Read a .blend file as if it was not compressed, from behind its header on.

    Raises:
        BlendError: it cannot be read, or no sense can be made of what is read within the block.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise NoBlendError(f'"{path}" cannot be read ({error.strerror or error}); check your rights to it.') from error
    try:
        with stream, _plain(stream, path) as plain:
            yield _header(plain, path), plain
    except BlendError:
        raise
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise damaged(path) from error


def damaged(path: Path, kind: type[BlendError] = BlendError) -> BlendError:
    """The error of a file that says nothing."""
    return kind(f'"{path.name}" is damaged or no .blend file; if Blender cannot open it either, save it again.')


def blocks(header: Header, stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Code and size in bytes of each block, with the stream at its beginning; what is not read is skipped."""
    form = struct.Struct(header.byte_order + header.block)
    while True:
        values = form.unpack(stream.read(form.size))
        size = values[header.size_at]
        if size < 0:
            raise ValueError("A block of less than nothing")
        begin = stream.tell()
        yield values[0].rstrip(b"\0"), size
        stream.seek(begin + size)


def _header(stream: BinaryIO, path: Path) -> Header:
    begin = stream.read(12)
    if classic := CLASSIC.fullmatch(begin):
        block = "4siQii" if classic[1] == b"-" else "4siIii"
        return Header(_shown(int(classic[3])), "<" if classic[2] == b"v" else ">", block, size_at=1)
    if large := LARGE.fullmatch(begin + stream.read(5)):
        return Header(_shown(int(large[1])), "<", "4siQqq", size_at=3)
    raise damaged(path, BlendError if begin.startswith(MAGIC) or not begin else NoBlendError)


def _shown(version: int) -> str:
    """``402`` is 4.2, but ``279`` is 2.79."""
    return f"{version // 100}.{version % 100:02d}" if version < 300 else f"{version // 100}.{version % 100}"


@contextlib.contextmanager
def _plain(stream: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """The stream, decompressed while it is read; it can be moved forward only."""
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(GZIP):
        with gzip.open(stream) as unzipped:
            yield cast(BinaryIO, unzipped)
    elif magic == ZSTD:
        try:
            import zstandard  # late: most runs of the command read no .blend file
        except ImportError:
            raise BlendError(
                f'"{path.name}" is compressed, and to read it Python needs the package "zstandard"; install it.'
            ) from None
        try:
            with zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) as unpacked:
                yield cast(BinaryIO, unpacked)
        except zstandard.ZstdError as error:
            raise damaged(path) from error
    else:
        yield stream
