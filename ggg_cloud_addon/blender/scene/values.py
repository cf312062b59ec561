"""What is in a datablock, value by value: all that RNA lets one write, and what only Blender's tools make of it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import bpy
from bpy.types import ID

from .assets import is_marked_by_us
from .frozen import FILES, Custom, FilePath, Item, KeyOf, Path, Ref, digest_of, frozen, same, table_of
from .left_out import LEFT_OUT, LEFT_OUT_OF, OF_SCENES
from .made_by_tools import SPECIAL

Values = Mapping[Path, Any]


class Content(NamedTuple):
    """What is in a datablock."""

    values: dict[Path, Any]
    moved: frozenset[Path]
    """Which an animation or a driver sets anew with each frame."""


ORDER = Item("")
"""Below the path of a collection: the keys and types of its items. Below that of a struct: that there is one."""
_OURS = "ggg_cloud"
_OWNED = {"asset_data", "drawing"}
"""Pointers that can be set and all the same hold what they point to."""


class Plan(NamedTuple):
    """The properties of a type, by how they are read."""

    plain: tuple[str, ...]
    paths: tuple[str, ...]
    arrays: tuple[str, ...]
    datablocks: tuple[str, ...]
    structs: tuple[str, ...]
    inner: tuple[str, ...]
    """What is chosen among others in the same datablock."""
    lists: tuple[str, ...]
    tables: tuple[tuple[str, tuple[tuple[str, str, int], ...]], ...]
    """Lists of many equal items with plain values: the properties, their types and lengths."""
    kinds: tuple[str, ...]
    """The names of the type and what it is derived from."""


@functools.cache
def plan_of(kind: Any) -> Plan:
    """How to read a struct of this type."""
    kinds = tuple(each.__name__ for each in kind.__mro__)
    found: dict[str, list[Any]] = {field: [] for field in Plan._fields}
    for each in kind.bl_rna.properties:
        name = each.identifier
        if name in LEFT_OUT or name.startswith(_OURS) or any(f"{kind_}.{name}" in LEFT_OUT_OF for kind_ in kinds):
            continue
        if kind is bpy.types.Scene and not each.is_runtime and name not in OF_SCENES:
            continue
        if each.type == "COLLECTION":
            table = table_of(each.fixed_type)
            found["tables" if table else "lists"].append((name, table) if table else name)
        elif each.type == "POINTER":
            of = getattr(bpy.types, each.fixed_type.identifier, None)
            if (of is not None and issubclass(of, ID) and name != "node_tree") or (
                name == "node_tree" and not each.is_readonly
            ):
                found["datablocks"].append(name)
            elif each.is_readonly or name in _OWNED:
                found["structs"].append(name)
            else:
                found["inner"].append(name)
        elif not each.is_readonly:
            kind_of = "arrays" if getattr(each, "is_array", False) else "paths" if each.subtype in FILES else "plain"
            found[kind_of].append(name)
    return Plan(**{field: tuple(each) for field, each in found.items()} | {"kinds": kinds})


def content(datablock: Any, key_of: KeyOf, *, weighted: bool = False) -> Content:
    """All that is in it; with `weighted`, what its vertices weigh in vertex groups too."""
    walk = _Walk(key_of, weighted=weighted)
    walk.datablock(datablock, ())
    return Content(walk.found, frozenset(walk.moved))


class _Walk:
    def __init__(self, key_of: KeyOf, *, weighted: bool) -> None:
        self.key_of, self.weighted = key_of, weighted
        self.found: dict[Path, Any] = {}
        self.moved: set[Path] = set()
        self._seen: set[tuple[type, int]] = set()
        self._animated: frozenset[str] = frozenset()

    def datablock(self, datablock: Any, path: Path) -> None:
        outside, self._animated = self._animated, _animated(datablock)
        self.struct(datablock, path)
        self._animated = outside
        keys = getattr(datablock, "shape_keys", None)
        if keys:
            self.datablock(keys, (*path, "shape_keys"))

    def struct(self, struct: Any, path: Path) -> None:
        kind = type(struct)
        me = (kind, struct.as_pointer())
        if me in self._seen:
            return
        self._seen.add(me)
        kinds: Any = kind  # which a type checker does not take for hashable
        plan, found = plan_of(kinds), self.found
        found[*path, ORDER] = kind.__name__
        for name in plan.plain:
            value = getattr(struct, name)
            found[*path, name] = frozenset(value) if isinstance(value, set) else value
        for name in plan.paths:
            found[*path, name] = file_path(getattr(struct, name), struct.id_data)
        for name in plan.arrays:
            found[*path, name] = frozen(getattr(struct, name), self.key_of)
        for name in plan.datablocks:
            if kind is bpy.types.MaterialSlot and struct.link == "DATA":  # it is the data's
                continue
            value = getattr(struct, name)
            found[*path, name] = None if value is None else Ref(self.key_of(value), value)
        for name in plan.inner:
            value = getattr(struct, name)
            found[*path, name] = None if value is None else called(value)
        if self._animated:
            self._note_moved(struct, path, (*plan.plain, *plan.arrays))
        with contextlib.suppress(TypeError):  # it can have no custom properties
            self._custom(struct, struct.keys(), path)
        for name in plan.structs:
            if name == "point_cache" and "cloth" in path:  # hair's is its system's
                continue
            if name == "asset_data" and is_marked_by_us(struct):  # nobody who pulls it has that
                continue
            value = getattr(struct, name)
            if value is not None:
                (self.datablock if isinstance(value, ID) else self.struct)(value, (*path, name))
        for name, columns in plan.tables:
            found[*path, name] = digest_of(getattr(struct, name), columns)
        for name in plan.lists:
            self._list(getattr(struct, name), (*path, name))
        for special in map(SPECIAL.get, plan.kinds):
            if special:
                for name, value in special(struct, self.weighted):
                    found[*path, name] = value

    def _list(self, items: Any, path: Path) -> None:
        order = []
        for key, item in keyed(items):
            if isinstance(item, ID) or item is None:
                self.found[*path, key] = None if item is None else Ref(self.key_of(item), item)
                order.append((key, ""))
            else:
                order.append((key, type(item).__name__))
                self.struct(item, (*path, key))
        self.found[*path, ORDER] = tuple(order)

    def _custom(self, struct: Any, names: Iterable[str], path: Path) -> None:
        known = struct.bl_rna.properties if names else ()
        for name in names:
            if name in known:
                continue
            place = Custom(name)
            self.found[*path, place] = frozen(struct[name], self.key_of)
            if self._animated and f'{_rna_path(struct, None)}["{name}"]'.lstrip(".") in self._animated:
                self.moved.add((*path, place))
            settings = shown_as(struct, name)
            if settings:
                self.found[*path, place, ORDER] = settings

    def _note_moved(self, struct: Any, path: Path, names: Iterable[str]) -> None:
        for name in names:
            if _rna_path(struct, name) in self._animated:
                self.moved.add((*path, name))


def file_path(written: str, owner: Any) -> FilePath:
    """Where a file is that a datablock names."""
    absolute = os.path.normpath(bpy.path.abspath(written, library=owner.library)) if written else ""
    found = FilePath("" if absolute == os.sep else absolute)  # what an empty one becomes when a file is saved
    found.written = found if owner.library else written
    return found


def keyed(items: Any) -> Iterator[tuple[Item, Any]]:
    """The items of a collection, with what each is called: names that are there twice are numbered."""
    counts: dict[Hashable, int] = {}
    for number, item in enumerate(items):
        key = _key(item, number)
        count = counts[key] = counts.get(key, 0) + 1
        yield Item(key if count == 1 else (key, count)), item


def _key(item: Any, number: int) -> Hashable:
    if item is None or isinstance(item, ID | bpy.types.MaterialSlot):
        return number
    if isinstance(item, bpy.types.FCurve):
        return item.data_path, item.array_index
    name = called(item)
    return number if name is None else name


def called(struct: Any) -> Any:
    """By what a struct is found among its like."""
    for name in ("identifier", "name"):
        value = getattr(struct, name, None)
        if isinstance(value, str) and value:
            return value
    return None


def shown_as(struct: Any, name: str) -> Any:
    """How a custom property is shown: its limits, its description and so on."""
    try:
        return frozen(struct.id_properties_ui(name).as_dict(), None)
    except TypeError:  # groups and datablocks have none
        return None


def _animated(datablock: Any) -> frozenset[str]:
    """The RNA paths in it that are moved."""
    data = getattr(datablock, "animation_data", None)
    if data is None:
        return frozenset()
    found = {each.data_path for each in data.drivers}
    actions = [(data.action, getattr(data, "action_slot", None))]
    actions += [
        (strip.action, getattr(strip, "action_slot", None)) for track in data.nla_tracks for strip in track.strips
    ]
    for action, slot in actions:
        found |= {each.data_path for each in curves_of(action, slot)} if action else set()
    return frozenset(found)


def custom_properties(struct: Any) -> dict[str, Any]:
    """Those that a user or a node group defined, not an add-on's."""
    try:
        return {key: value for key, value in struct.items() if key not in struct.bl_rna.properties}
    except TypeError:  # it can have none
        return {}


def curves_of(action: Any, slot: Any = None) -> Iterator[Any]:
    """The F-curves of an action; with a slot (4.4 and newer) only of what that animates."""
    if not hasattr(action, "layers"):
        yield from action.fcurves
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if slot is None or bag.slot_handle == slot.handle:
                    yield from bag.fcurves


def _rna_path(struct: Any, name: str | None) -> str:
    try:
        return str(struct.path_from_id(name) if name else struct.path_from_id())
    except ValueError:  # it has none
        return ""


def weighted_meshes() -> set[Any]:
    """The meshes whose vertices have weights in vertex groups."""
    return {obj.data for obj in bpy.data.objects if obj.type == "MESH" and obj.vertex_groups}


ABSENT = "(absent)"


def difference(one: Content, other: Content) -> set[Path]:
    """The paths of all that differs, but for what moves by itself."""
    if one.values == other.values:
        return set()
    moved = one.moved | other.moved
    return {
        path
        for path in one.values.keys() | other.values.keys()
        if path not in moved and not same(one.values.get(path, ABSENT), other.values.get(path, ABSENT))
    }
