"""PNG files, also such as no program writes."""

import struct
import zlib
from collections.abc import Iterable

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes, *, crc: int | None = None, size: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data) if size is None else size) + kind + data + struct.pack(">I", check)


def head(width: int, height: int, depth: int = 8, colours: int = 6, *, rest: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, *rest))


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


def rows(lines: Iterable[bytes]) -> bytes:
    """Each line begins with its filter."""
    return chunk(b"IDAT", zlib.compress(b"".join(lines)))


PICTURE = png(head(2, 3), rows([b"\0" + bytes(range(8))] * 3))
