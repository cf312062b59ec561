"""Sizes, times and what is told of components, as people read them."""

import re
import time
from collections.abc import Mapping

import bpy

UNITS = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))
"""How many of it make one of the next, and how it is written."""


NUMBER = re.compile(r"[0-9]{1,15}")
"""What is taken for one in metadata, which anybody may have written."""
PLURALS = {"vertex": "vertices", "mesh": "meshes", "brush": "brushes"}
KINDS = (
    "objects", "vertices", "collections", "meshes", "materials", "node_groups", "textures", "images", "actions",
    "armatures", "curves", "hair_curves", "lights", "cameras", "lattices", "particles", "volumes", "worlds", "texts",
    "sounds", "fonts", "brushes",
)  # fmt: skip
"""What is counted in a component and shown, in this order; most as ``bpy.data`` calls them."""


def shown_size(size: float, *, short: bool = False) -> str:
    """Bytes; ``short`` leaves away the decimal that says little."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95 or unit == "GB":
            break
    return f"{size:.{0 if short and size >= 9.95 else 1}f} {unit}"


def shown_seconds(seconds: float) -> str:
    """A duration, in the largest unit of which there is one."""
    left = max(seconds, 0)
    for count, unit in UNITS:
        if left < count:
            return f"{left:.0f} {unit}"
        left /= count
    return f"{left:.0f} y"


def shown_age(modified: float) -> str:
    """How long it is since a time that is given in seconds since 1970; less than a minute is nothing."""
    seconds = time.time() - modified
    return "now" if seconds < 60 else shown_seconds(seconds)


def shown_ago(modified: float) -> str:
    """The same within a sentence."""
    age = shown_age(modified)
    return "just now" if age == "now" else f"{age} ago"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun if number == 1 else PLURALS.get(noun, noun + 's')}"


def shown_kinds(counts: Mapping[str, int]) -> str:
    """How much there is of each kind, in words."""
    nouns = {plural: noun for noun, plural in PLURALS.items()}
    return ", ".join(
        counted(number, nouns.get(kind, kind.removesuffix("s")).replace("_", " ")) for kind, number in counts.items()
    )


def shown_metadata(metadata: Mapping[str, str]) -> list[str]:
    """What a component's metadata say, in words."""
    lines = [shown_kinds({key: int(metadata[key]) for key in KINDS if NUMBER.fullmatch(metadata.get(key, ""))})]
    if "bounds" in metadata:
        lines.append(" x ".join(metadata["bounds"].split()) + " m")
    if "blender" in metadata:
        lines.append(f"Blender {metadata['blender']}" + (f", by {metadata['author']}" if "author" in metadata else ""))
    lines.append(metadata.get("comment", ""))
    return [line for line in lines if line]


def newer_blender(metadata: Mapping[str, str]) -> str:
    """A warning if a newer Blender than this one saved it, or nothing."""
    version = metadata.get("blender", "")
    parts = version.split(".")[:2]
    if len(parts) == 2 and all(map(NUMBER.fullmatch, parts)) and tuple(map(int, parts)) > bpy.app.version[:2]:
        return (
            f"Saved by Blender {version}, newer than this {bpy.app.version_string}: it may not open here, or lose "
            "what this Blender does not know."
        )
    return ""
