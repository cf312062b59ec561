"""What came from a store, made fit for Blender's window: bounded, of the right type, and nothing that breaks a line.

Whoever may write one object could else end every Blender that lists it: Blender loads a picture whole, whatever its
size, and draws any text.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

MAX_PIXELS = 256
"""A side of a picture, as our own have at most."""
MAX_ENTRIES = 64
MAX_KEY = 64
MAX_VALUE = 2048
"""Characters; no store takes more metadata from us than that in all."""
MAX_VERSIONS = 1000
"""Of one component; the newest."""
UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Characters that control a terminal or the direction of text, break lines, or are none."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample that each colour type may have (PNG, third edition, "IHDR")."""
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
"""The colour type whose samples are indices."""
TRANSPARENT = {0: 2, 2: 6}
"""Bytes of ``tRNS`` in colour types without an alpha of their own; with a palette, at most one for each colour."""
FILTERS = 4


def shown_text(value: object, limit: int = MAX_VALUE) -> str:
    """In one line, no longer than that; what is no text is empty."""
    return UNSHOWN.sub(" ", value[: limit + 1])[:limit] if isinstance(value, str) else ""


def shown_metadata(metadata: object) -> dict[str, str]:
    """As many entries as a person may want to see, keys and values in one line each."""
    if not isinstance(metadata, Mapping):
        return {}
    entries = list(metadata.items())[:MAX_ENTRIES]
    return {shown_text(key, MAX_KEY): shown_text(value) for key, value in entries if isinstance(value, str)}


def shown_sentences(sentences: Iterable[object]) -> list[str]:
    """As many as a person may want to read, each in one line."""
    return [shown_text(str(each)) for each in islice(sentences, MAX_ENTRIES)]


def is_shown(name: str) -> bool:
    """Whether a component's ID can be shown as it is."""
    return UNSHOWN.search(name) is None


def small_png(content: bytes) -> bytes | None:
    """A PNG of at most :data:`MAX_PIXELS` a side, written anew with nothing in it but its pixels; of all else ``None``.

    Its size is looked at first, and no more is decompressed than so many pixels take.
    """
    try:
        return _written_anew(content)
    except (ValueError, struct.error, zlib.error):
        return None


def _written_anew(content: bytes) -> bytes:
    chunks = _chunks(content)
    kind, head = next(chunks, (b"", b""))
    if kind != b"IHDR":
        raise ValueError("No header")
    width, height, depth, colours, compression, filtering, interlace = struct.unpack(">IIBBBBB", head)
    if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
        raise ValueError("Too large")
    if depth not in DEPTHS.get(colours, ()) or compression or filtering or interlace:
        raise ValueError("An unusual kind")
    found = {b"PLTE": bytearray(), b"tRNS": bytearray(), b"IDAT": bytearray()}
    for kind, data in chunks:
        if kind in found:
            found[kind] += data
        elif kind[:1].isupper() and kind != b"IEND":
            raise ValueError("A critical part that is not known")
    row = 1 + (width * depth * SAMPLES[colours] + 7) // 8
    lines = _decompressed(found[b"IDAT"], row * height)
    if max(lines[::row]) > FILTERS:
        raise ValueError("No such filter")
    parts: list[tuple[bytes, bytes | bytearray]] = [(b"IHDR", head)]
    if colours == PALETTE:
        if not found[b"PLTE"] or len(found[b"PLTE"]) % 3 or len(found[b"PLTE"]) > 3 << depth:
            raise ValueError("No palette")
        # Each index that a pixel can have is a colour.
        parts += [(b"PLTE", found[b"PLTE"].ljust(3 << depth, b"\0")), (b"tRNS", found[b"tRNS"][: 1 << depth])]
    elif len(found[b"tRNS"]) == TRANSPARENT.get(colours):
        parts.append((b"tRNS", found[b"tRNS"]))
    parts.append((b"IDAT", zlib.compress(lines)))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts if data) + _chunk(b"IEND", b"")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Up to ``IEND``; what is behind that is left out."""
    if not content.startswith(SIGNATURE):
        raise ValueError("No PNG")
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + size]
        if struct.unpack_from(">I", content, at + 8 + size)[0] != zlib.crc32(kind + data):
            raise ValueError("Damaged")
        yield kind, data
        at += 12 + size


def _decompressed(data: bytes | bytearray, size: int) -> bytes:
    """Exactly so many bytes."""
    stream = zlib.decompressobj()
    found = stream.decompress(data, size + 1)
    if len(found) != size or not stream.eof:
        raise ValueError("Not as many pixels as it says")
    return found


def _chunk(kind: bytes, data: bytes | bytearray) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
