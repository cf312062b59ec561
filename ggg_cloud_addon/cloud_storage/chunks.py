"""Content cut into chunks where the content says so: after an insertion all that follows is cut as it was.

So two versions of a file are told apart by their lists of chunks alone, and the former one need not be at hand.
"""

import functools
import hashlib
import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from .errors import SourceChangedError

log = logging.getLogger(__name__)

AVERAGE, SHORTEST, LONGEST = 64 << 10, 16 << 10, 256 << 10
"""Bytes in a chunk."""
CUT = f"fastcdc-2020/1/{SHORTEST}/{AVERAGE}/{LONGEST}"
"""How content is cut. Lists that were cut in another way have hardly a chunk in common."""

_RECORD = struct.Struct("<I16s")
_RECORDS = struct.Struct(f"{_RECORD.size}s")


@dataclass(frozen=True)
class Chunks:
    """The chunks of one content in its order: about 5,000 and 100 kB of memory for 300 MB."""

    size: int
    """Bytes in all of them."""
    packed: bytes
    """20 bytes for each chunk: its length, and the first half of its SHA-256."""

    def __len__(self) -> int:
        return len(self.packed) // _RECORD.size

    def __iter__(self) -> Iterator[bytes]:
        """What tells a chunk from all others; :func:`length_of` reads it."""
        return (record for (record,) in _RECORDS.iter_unpack(self.packed))


def length_of(chunk: bytes) -> int:
    """How many bytes the chunk has."""
    return int.from_bytes(chunk[:4], "little")


def joined(chunks: Chunks, count: int) -> Chunks:
    """Join about ``count`` chunks to one, four times as many at most, again where the content says so.

    For a store that keeps whole blocks and no parts of them: fewer blocks to send at first, more to send again later.
    """
    packed, length, number, whole = bytearray(), 0, 0, hashlib.sha256()
    for chunk in chunks:
        length, number = length + length_of(chunk), number + 1
        whole.update(chunk)
        if int.from_bytes(chunk[4:12], "little") % count == 0 or number == 4 * count:
            packed += _RECORD.pack(length, whole.digest()[:16])
            length, number, whole = 0, 0, hashlib.sha256()
    if number:
        packed += _RECORD.pack(length, whole.digest()[:16])
    return Chunks(chunks.size, bytes(packed))


@functools.cache
def can_cut() -> bool:
    """Whether content can be cut here. Without pyfastcdc's compiled part it would take minutes, so that it is not."""
    return _cutter() is not None


def take(reader: BinaryIO, size: int, on_chunk: Callable[[memoryview], object] | None = None) -> tuple[Chunks, str]:
    """Cut what the reader has, all ``size`` bytes of it, and take the SHA-256 of the whole (hex) in the same pass.

    It is read through a window of half a megabyte. A mapped file would be as fast, but where another program makes the
    file shorter meanwhile, reading its map kills the process (SIGBUS), and reading a window only comes to an end early.

    Args:
        reader: At the content's first byte.
        size: What the file's size was when it was looked at.
        on_chunk: Called with every chunk, which it may not keep; what it raises ends the work.

    Raises:
        SourceChangedError: there are fewer bytes, or more.
        ModuleNotFoundError: :func:`can_cut` is false.
    """
    cutter = _cutter()
    if cutter is None:
        raise ModuleNotFoundError("pyfastcdc is not installed.")
    whole, packed, done = hashlib.sha256(), bytearray(), 0
    for chunk in cutter.cut_stream(reader):
        done += len(chunk.data)
        if done > size:
            break
        whole.update(chunk.data)
        packed += _RECORD.pack(len(chunk.data), hashlib.sha256(chunk.data).digest()[:16])
        if on_chunk:
            on_chunk(chunk.data)
    if done != size:
        raise SourceChangedError("The file was written to while it was read, so nothing was stored; try again.")
    return Chunks(size, bytes(packed)), whole.hexdigest()


class _Chunk(Protocol):
    data: memoryview


class _Cutter(Protocol):
    def cut_stream(self, stream: BinaryIO) -> Iterator[_Chunk]: ...


def _cutter() -> _Cutter | None:
    try:
        # Not from the package itself, which falls back to Python at a thousandth of the speed.
        from pyfastcdc.cy import FastCDC
    except ImportError as error:
        log.info("Files are sent whole, for want of pyfastcdc: %s", error)
        return None
    cutter: _Cutter = FastCDC(AVERAGE, min_size=SHORTEST, max_size=LONGEST)
    return cutter
