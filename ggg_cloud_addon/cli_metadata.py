"""What is stored with a component, in words."""

from collections.abc import Mapping

from .cloud_storage.metadata import AUTHOR, BLENDER, BOUNDS, COMMENT, MATERIALS, OBJECTS, UNITS, VERTICES

NAMES = {
    AUTHOR: "pushed by",
    COMMENT: "comment",
    BLENDER: "saved by",
    OBJECTS: "objects",
    VERTICES: "vertices",
    MATERIALS: "materials",
    BOUNDS: "extent",
    UNITS: "units",
}


def shown_metadata(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and value of each, ours first and in words, then those of other tools as they are."""
    ours = [(name, _shown(key, metadata[key])) for key, name in NAMES.items() if key in metadata]
    return ours + [(key, value) for key, value in sorted(metadata.items()) if key not in NAMES]


def _shown(key: str, value: str) -> str:
    if key == BLENDER:
        return f"Blender {value}"
    if key in (OBJECTS, VERTICES, MATERIALS) and value.isdecimal():
        return f"{int(value):,}"
    if key == BOUNDS:
        return " x ".join(value.split()) + " m"
    if key == UNITS:
        system, _, scale = value.partition(" ")
        return system.lower() + (f", {scale} m each" if scale and system != "NONE" else "")
    return value
