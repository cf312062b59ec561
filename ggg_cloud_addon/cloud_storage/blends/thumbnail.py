"""The small picture that Blender saves in a .blend file."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from .reader import Header, blocks, opened

MAX_PIXELS = 256
"""A side; Blender's are no larger."""
BEFORE = (b"REND", b"TEST")
"""The picture is among the first blocks, before any other than these (``writefile.cc``, ``write_thumb``)."""


def version_and_thumbnail(path: Path) -> tuple[str, bytes | None]:
    """Which Blender wrote a .blend file, and its picture as a PNG, if it has one; no more is read than these.

    Raises:
        BlendError: it cannot be read.
    """
    with opened(path) as (header, stream):
        return header.version, _thumbnail(header, stream)


def _thumbnail(header: Header, stream: BinaryIO) -> bytes | None:
    for code, size in blocks(header, stream):
        if code not in BEFORE:
            return None
        if code == b"TEST":
            width, height = struct.unpack(f"{header.byte_order}ii", stream.read(8))
            if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS and size >= 8 + 4 * width * height):
                return None
            pixels = stream.read(4 * width * height)
            return _png(width, height, pixels) if len(pixels) == 4 * width * height else None
    return None


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """RGBA, from the lowest row up, as a PNG (RFC 2083)."""
    rows = [pixels[begin : begin + 4 * width] for begin in range(0, len(pixels), 4 * width)]
    lines = b"".join(b"\0" + row for row in reversed(rows))  # 0: the row as it is, no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits, 6: RGBA
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
