"""What can be told of a .blend file without Blender."""

from pathlib import Path

ZSTD_SEEK_TABLE_END = b"\xb1\xea\x92\x8f"
"""Ends a compressed .blend file (github.com/facebook/zstd, "Zstandard Seekable Format")."""
BLEND_END_BYTES = 64
"""In which the last block of one that is not compressed lies; its name is ENDB."""


def has_end(blend: Path) -> bool:
    """Whether a .blend file is written to its end: Blender 4.2 to 5.0 do not notice a disk that fills up there."""
    with blend.open("rb") as stream:
        stream.seek(max(0, blend.stat().st_size - BLEND_END_BYTES))
        end = stream.read()
    return end.endswith(ZSTD_SEEK_TABLE_END) or b"ENDB" in end
