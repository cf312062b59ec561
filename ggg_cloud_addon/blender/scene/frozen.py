"""Values that stay what they are when Blender goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from bpy.types import ID

from .left_out import LEFT_OUT_OF

Path = tuple[Any, ...]
"""Names of properties, keys of items (:class:`Item`) and names of custom properties (:class:`Custom`)."""
KeyOf = Callable[[ID], Hashable]
"""What a datablock that another one uses is called in all versions."""


class Item(NamedTuple):
    """An item of a collection, by its name, or by its number where it has none."""

    key: Hashable


class Custom(NamedTuple):
    """A custom property."""

    name: str


class Ref:
    """That a datablock is used: equal where it is the same part of a component, in whichever version."""

    __slots__ = ("key", "to")

    def __init__(self, key: Hashable, to: ID) -> None:
        """`to` is the datablock itself."""
        self.key, self.to = key, to

    def __eq__(self, other: object) -> bool:
        """Whether it is the same part."""
        return isinstance(other, Ref) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Ref({self.key!r})"


class Group(tuple[Any, ...]):
    """A custom property that holds others: pairs of names and values."""

    __slots__ = ()


class FilePath(str):
    """Where a file is, whichever way that is written."""

    __slots__ = ("written",)
    written: str


FILES = ("FILE_PATH", "DIR_PATH")


def frozen(value: Any, key_of: KeyOf | None) -> Any:
    """A value that stays what it is now."""
    if isinstance(value, str | bytes | int | float | None):
        return value
    if isinstance(value, ID):
        return Ref(key_of(value), value) if key_of else None
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return Group(sorted((key, frozen(each, key_of)) for key, each in value.items()))
    if isinstance(value, set):
        return frozenset(value)
    return tuple(frozen(each, key_of) for each in value) if hasattr(value, "__len__") else repr(type(value))


def rounded(value: Any) -> Any:
    """Six significant digits: Blender computes some values anew when it opens a file."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return tuple(rounded(each) for each in value) if isinstance(value, tuple) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, but for what a float loses."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= 1e-6 * max(abs(one), abs(other)) or (one != one and other != other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


ARRAYS: dict[str, tuple[str, int, Any]] = {
    "FLOAT": ("value", 1, np.float32),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT2": ("vector", 2, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
    "BYTE_COLOR": ("color", 4, np.float32),
    "QUATERNION": ("value", 4, np.float32),
    "FLOAT4X4": ("value", 16, np.float32),
    "INT": ("value", 1, np.int32),
    "INT8": ("value", 1, np.int32),
    "INT32_2D": ("value", 2, np.int32),
    "INT16_2D": ("value", 2, np.int32),
    "BOOLEAN": ("value", 1, np.bool_),
}
"""Of attributes: how their values are called, how many there are of each, and their type."""


def array(elements: Any, name: str, width: int, kind: Any) -> bytes:
    """The values of one property of all elements."""
    values = np.empty(len(elements) * width, kind)
    elements.foreach_get(name, values)
    return values.tobytes()


def digest_of(elements: Any, columns: Iterable[tuple[str, str, int]]) -> Any:
    """How many there are, and what they hold together."""
    count, found = len(elements), hashlib.sha256()
    for name, kind, length in columns if count else ():
        if kind in ("FLOAT", "INT", "BOOLEAN"):
            values: Any = np.empty(
                count * max(1, length), {"FLOAT": np.float32, "INT": np.int32, "BOOLEAN": np.bool_}[kind]
            )
            elements.foreach_get(name, values)
            found.update(values.tobytes())
        else:
            found.update(repr([getattr(each, name) for each in elements]).encode(errors="surrogatepass"))
    return count, found.hexdigest()[:32]


_IN_STEPS = {"ColorRampElement", "CurveMapPoint", "CurveProfilePoint", "MaterialSlot", "VertexGroup", "UDIMTile"}
"""Items of which each value is told, and not one digest of all."""


def table_of(kind: Any) -> tuple[tuple[str, str, int], ...]:
    """The properties of an element of geometry, a keyframe and the like; empty if each is told by itself."""
    if kind.identifier in _IN_STEPS:
        return ()
    found = []
    for each in kind.properties:
        if each.identifier == "rna_type" or each.is_readonly:
            continue
        if each.identifier == "name" or each.type in ("POINTER", "COLLECTION"):
            return ()
        if f"{kind.identifier}.{each.identifier}" in LEFT_OUT_OF:
            continue
        if not each.identifier.startswith(("select", "hide", "is_", "use_pin")):
            found.append((each.identifier, each.type, getattr(each, "array_length", 0)))
    return tuple(found)
