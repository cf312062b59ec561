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
GREY = b"\0" + bytes(4)
"""A row of four."""


def bomb(side: int = 60_000) -> bytes:
    """Few bytes, one bit a pixel."""
    row = (side + 7) // 8 + 1
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(row)) for _ in range(side)) + packer.flush()
    return png(head(side, side, 1, 0), chunk(b"IDAT", data))


def lying(size: int) -> bytes:
    """Says that it is small, and holds so many bytes."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    data = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
    return png(head(4, 4), chunk(b"IDAT", data))


HOSTILE = {
    "empty": b"",
    "text": b"a picture",
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(99),
    "exr": b"\x76\x2f\x31\x01" + bytes(99),
    "signature only": SIGNATURE,
    "cut": PICTURE[:-20],
    "too wide": png(head(257, 1, 8, 0), rows([bytes(258)])),
    "too high": png(head(1, 1 << 31, 8, 0), rows([bytes(2)])),
    "nothing": png(head(0, 0), rows([])),
    "no header first": png(rows([GREY]), head(4, 1, 8, 0)),
    "two headers": png(head(4, 1, 8, 0), head(4, 1, 8, 0), rows([GREY])),
    "no pixels": png(head(4, 1, 8, 0)),
    "too few pixels": png(head(4, 2, 8, 0), rows([GREY])),
    "too many pixels": png(head(4, 1, 8, 0), rows([GREY, GREY])),
    "cut pixels": png(head(4, 1, 8, 0), chunk(b"IDAT", zlib.compress(GREY)[:-5])),
    "no zlib": png(head(4, 1, 8, 0), chunk(b"IDAT", b"pixels")),
    "no such filter": png(head(4, 1, 8, 0), rows([b"\5" + bytes(4)])),
    "no such depth": png(head(4, 1, 3, 0), rows([GREY])),
    "no such colours": png(head(4, 1, 8, 5), rows([GREY])),
    "interlaced": png(head(4, 1, 8, 0, rest=(0, 0, 1)), rows([GREY])),
    "no palette": png(head(4, 1, 8, 3), rows([GREY])),
    "half a colour": png(head(4, 1, 8, 3), chunk(b"PLTE", bytes(4)), rows([GREY])),
    "too many colours": png(head(4, 1, 1, 3), chunk(b"PLTE", bytes(9)), rows([bytes(2)])),
    "wrong sum": png(head(4, 1, 8, 0), chunk(b"IDAT", zlib.compress(GREY), crc=1)),
    "endless chunk": SIGNATURE + head(4, 1, 8, 0) + chunk(b"IDAT", b"", size=0xFFFFFFFF),
    "unknown and critical": png(head(4, 1, 8, 0), chunk(b"EVIL", b""), rows([GREY])),
}
