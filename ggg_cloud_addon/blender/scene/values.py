"""What is in a datablock, value by value: all that RNA lets one write, and what only Blender's tools make of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import bpy
import numpy as np
from bpy.types import ID

Path = tuple[Any, ...]
"""Names of properties, keys of items (:class:`Item`) and names of custom properties (:class:`Custom`)."""
Values = Mapping[Path, Any]
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


class Content(NamedTuple):
    """What is in a datablock."""

    values: dict[Path, Any]
    moved: frozenset[Path]
    """Which an animation or a driver sets anew with each frame."""


ORDER = Item("")
"""Below the path of a collection: the keys and types of its items. Below that of a struct: that there is one."""

LEFT_OUT = {
    **dict.fromkeys(
        ("rna_type", "bl_rna", "id_data", "original", "is_evaluated", "preview", "users", "tag", "session_uid"),
        "Blender's own book-keeping",
    ),
    **dict.fromkeys(
        ("library", "library_weak_reference", "override_library", "persistent_uid", "is_runtime_data", "id_root"),
        "Blender's own book-keeping",
    ),
    **dict.fromkeys(("use_fake_user", "use_extra_user"), "says whether this file keeps it, not what it is"),
    **dict.fromkeys(
        ("action_slot_handle", "action_slot_handle_tweak_storage", "action_suitable_slots", "action_tweak_storage"),
        "follows from the action and its slot",
    ),
    "shape_keys": "is a part of its mesh, curve or lattice",
    "ui_mode": "how the sidebar is folded",
    "execution_time": "is measured",
}
"""Properties of all types, and why they are no content."""

LEFT_OUT_OF = {
    **dict.fromkeys(("ID.name", "ID.name_full"), "the user's, in each file"),
    **dict.fromkeys(
        ("Object.matrix_world", "Object.matrix_local", "Object.matrix_basis", "Object.dimensions", "Object.bound_box"),
        "follows from location, rotation, scale and parent",
    ),
    **dict.fromkeys(("Object.active_material", "Object.active_shape_key"), "is one of those that are looked at"),
    **dict.fromkeys(("PoseBone.matrix", "PoseBone.matrix_basis", "PoseBone.matrix_channel"), "follows from the others"),
    **dict.fromkeys(
        ("PoseBone.bone", "PoseBone.parent", "PoseBone.child", "Bone.parent", "Bone.children", "Bone.collections"),
        "follows from the armature",
    ),
    **dict.fromkeys(("PoseBone.bbone_custom_handle_start", "PoseBone.bbone_custom_handle_end"), "is the armature's"),
    **dict.fromkeys(("Armature.edit_bones", "Armature.collections", "BoneCollection.children"), "is told otherwise"),
    **dict.fromkeys(
        ("Mesh.vertices", "Mesh.edges", "Mesh.loops", "Mesh.polygons", "Mesh.attributes", "Mesh.color_attributes")
        + ("Mesh.vertex_colors", "Mesh.skin_vertices", "Mesh.vertex_normals", "Mesh.polygon_normals")
        + ("Mesh.corner_normals", "Mesh.loop_triangles", "Mesh.loop_triangle_polygons", "MeshUVLoopLayer.data")
        + ("MeshUVLoopLayer.uv", "MeshUVLoopLayer.vertex_selection", "MeshUVLoopLayer.edge_selection")
        + ("MeshUVLoopLayer.pin", "Mesh.texture_mesh", "Mesh.uv_layer_clone", "Mesh.uv_layer_stencil"),
        "is the mesh's geometry",
    ),
    **dict.fromkeys(
        ("Curves.points", "Curves.curves", "Curves.position_data", "Curves.normals", "Curves.curve_offset_data"),
        "is its attributes",
    ),
    **dict.fromkeys(("PointCloud.points", "GreasePencilDrawing.color_attributes"), "is its attributes"),
    **dict.fromkeys(("Attribute.name", "ByteColorAttributeValue.color_srgb", "FloatColorAttributeValue.color_srgb"), ""),
    **dict.fromkeys(("Collection.objects", "Collection.children"), "is looked at by name, see update"),
    **dict.fromkeys(
        ("Collection.all_objects", "Collection.collection_objects", "Collection.collection_children"),
        "follows from its objects and children",
    ),
    **dict.fromkeys(("Collection.exporters", "Collection.active_exporter_index"), "only operators can make one"),
    **dict.fromkeys(("ShapeKey.data", "ShapeKey.points"), "is told otherwise"),
    **dict.fromkeys(("Key.user", "Key.reference_key", "ShapeKey.frame"), "follows from the others"),
    **dict.fromkeys(("Node.internal_links", "Node.location_absolute", "Node.dimensions"), "follows from the others"),
    **dict.fromkeys(("NodeSocket.node", "NodeTree.links", "NodeTree.view_center"), "is told otherwise"),
    **dict.fromkeys(("NodeTreeInterfaceItem.parent", "NodeTreeInterfacePanel.interface_items"), "follows from the order"),
    **dict.fromkeys(("NodeTreeInterface.active", "NodeTreeInterface.active_index"), "is chosen"),
    **dict.fromkeys(("NodesModifier.node_warnings", "NodesModifierBake.node", "NodesModifierBake.data_blocks"), "of nodes and bakes"),
    **dict.fromkeys(
        ("ParticleSystem.particles", "ParticleSystem.child_particles", "ParticleSystem.active_particle_target"),
        "is simulated",
    ),
    **dict.fromkeys(("ParticleSystemModifier.particle_system", "ClothModifier.solver_result"), "is told otherwise"),
    **dict.fromkeys(("PointCache.point_caches", "PointCache.index", "PointCache.filepath"), "is a cache"),
    **dict.fromkeys(("Object.motion_path", "PoseBone.motion_path"), "is a cache"),
    **dict.fromkeys(("FCurve.select", "FCurve.is_valid", "DriverVariable.is_name_valid", "Driver.is_valid"), "is no content"),
    **dict.fromkeys(("Action.fcurves", "Action.groups", "Action.id_root"), "is in its layers"),
    **dict.fromkeys(("Action.frame_range", "Action.curve_frame_range", "ActionChannelbag.slot"), "follows from its curves"),
    **dict.fromkeys(("ActionGroup.channels", "ActionSlot.target_id_type", "ActionSlot.active"), "is told otherwise"),
    **dict.fromkeys(
        ("NlaStrip.frame_start_ui", "NlaStrip.frame_end_ui", "NlaStrip.frame_start_raw", "NlaStrip.frame_end_raw"),
        "follows from the others",
    ),
    **dict.fromkeys(
        ("Image.pixels", "Image.filepath_raw", "Image.render_slots", "Image.packed_file", "Image.packed_files")
        + ("Image.bindcode", "Sound.packed_file", "VectorFont.packed_file", "Volume.packed_file", "Volume.grids"),
        "is told by its bytes",
    ),
    **dict.fromkeys(("Material.texture_paint_images", "Material.texture_paint_slots"), "follows from its nodes"),
    **dict.fromkeys(("TextCurve.edit_format", "TextCurve.has_selection"), "is what is being edited"),
    **dict.fromkeys(("Text.current_line", "Text.select_end_line", "Text.is_dirty"), "is where the cursor is"),
    **dict.fromkeys(("CacheFile.object_paths", "CacheFile.layers"), "is in the file"),
}
"""Properties of one type and those derived from it, and why they are no content or told in another way."""
if bpy.app.version >= (5, 0, 0):
    LEFT_OUT_OF |= dict.fromkeys(("Material.use_nodes", "World.use_nodes", "Scene.use_nodes"), "says nothing any more")
_OURS = "ggg_cloud"
FILES = ("FILE_PATH", "DIR_PATH")
_OWNED = {"asset_data", "drawing"}
"""Pointers that can be set and all the same hold what they point to."""
_OF_SCENES = ("animation_data", "camera", "timeline_markers", "rigidbody_world", "world")
"""A scene is no part of a component; this may use parts. Blender 4.2 crashes on some of the rest."""
_IN_STEPS = {"ColorRampElement", "CurveMapPoint", "CurveProfilePoint", "MaterialSlot", "VertexGroup", "UDIMTile"}
"""Items of which each value is told, and not one digest of all."""


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
        if kind is bpy.types.Scene and not each.is_runtime and name not in _OF_SCENES:
            continue
        if each.type == "COLLECTION":
            table = _table(each.fixed_type)
            found["tables" if table else "lists"].append((name, table) if table else name)
        elif each.type == "POINTER":
            of = getattr(bpy.types, each.fixed_type.identifier, None)
            if of is not None and issubclass(of, ID) and name != "node_tree" or name == "node_tree" and not each.is_readonly:
                found["datablocks"].append(name)
            elif each.is_readonly or name in _OWNED:
                found["structs"].append(name)
            else:
                found["inner"].append(name)
        elif not each.is_readonly:
            kind_of = "arrays" if getattr(each, "is_array", False) else "paths" if each.subtype in FILES else "plain"
            found[kind_of].append(name)
    return Plan(**{field: tuple(each) for field, each in found.items()} | {"kinds": kinds})


def _table(kind: Any) -> tuple[tuple[str, str, int], ...]:
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
            found[*path, name] = _file_path(getattr(struct, name), struct.id_data)
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
            value = getattr(struct, name)
            if value is not None:
                (self.datablock if isinstance(value, ID) else self.struct)(value, (*path, name))
        for name, columns in plan.tables:
            found[*path, name] = digest_of(getattr(struct, name), columns)
        for name in plan.lists:
            self._list(getattr(struct, name), (*path, name))
        for special in map(_SPECIAL.get, plan.kinds):
            if special:
                for name, value in special(struct, self):
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


def _file_path(written: str, owner: Any) -> FilePath:
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


def digest_of(elements: Any, columns: Iterable[tuple[str, str, int]]) -> Any:
    """How many there are, and what they hold together."""
    count, found = len(elements), hashlib.sha256()
    for name, kind, length in columns if count else ():
        if kind in ("FLOAT", "INT", "BOOLEAN"):
            values = np.empty(count * max(1, length), {"FLOAT": np.float32, "INT": np.int32, "BOOLEAN": np.bool_}[kind])
            elements.foreach_get(name, values)
            found.update(values.tobytes())
        else:
            found.update(repr([getattr(each, name) for each in elements]).encode(errors="surrogatepass"))
    return count, found.hexdigest()[:32]


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
_CHOSEN = (".select", ".hide", ".vs.", ".es.", ".uv_select")
"""How attributes begin that hold what is selected or hidden."""


def array(elements: Any, name: str, width: int, kind: Any) -> bytes:
    """The values of one property of all elements."""
    values = np.empty(len(elements) * width, kind)
    elements.foreach_get(name, values)
    return values.tobytes()


def _geometry(mesh: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    found = hashlib.sha256()
    for elements, name, width, kind in (
        (mesh.vertices, "co", 3, np.float32),
        (mesh.edges, "vertices", 2, np.int32),
        (mesh.polygons, "loop_start", 1, np.int32),
        (mesh.loops, "vertex_index", 1, np.int32),
    ):
        found.update(array(elements, name, width, kind))
    for each in sorted(mesh.attributes, key=lambda each: str(each.name)):
        if each.data_type in ARRAYS and not each.name.startswith(_CHOSEN):
            values = array(each.data, *ARRAYS[each.data_type])
            if any(values) or each.is_required or not is_dropped_when_zero(each.name):
                found.update(f"{each.name} {each.domain}".encode(errors="surrogatepass") + values)
    if walk.weighted:
        weights = [(each.group, each.weight) for vertex in mesh.vertices for each in vertex.groups]
        found.update(np.array(weights, np.float32).tobytes())
    if mesh.has_custom_normals and "custom_normal" not in mesh.attributes:  # before Blender 5
        found.update(array(mesh.corner_normals, "vector", 3, np.float32))
    yield "geometry", (len(mesh.vertices), found.hexdigest()[:32])


def is_dropped_when_zero(name: str) -> bool:
    """Whether edit mode drops a built-in attribute that says nothing."""
    return name in ("sharp_face", "sharp_edge", "material_index", "freestyle_edge", "freestyle_face", "uv_seam") or (
        name.startswith(("crease_", "bevel_weight_"))
    )


def _rest(armature: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    yield "rest", tuple(
        (
            bone.name,
            bone.parent.name if bone.parent else "",
            bone.use_connect,
            rounded(frozen(bone.matrix_local, None)),
            rounded(bone.length),
            tuple(sorted(each.name for each in bone.collections)),
        )
        for bone in armature.bones
    )


def _shape(key: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    points = key.data
    if not len(points) or isinstance(points[0], bpy.types.ShapeKeyPoint):
        yield "shape", (len(points), hashlib.sha256(array(points, "co", 3, np.float32)).hexdigest()[:32])
    else:  # a curve's, of which there may be two types
        yield "shape", tuple(frozen(getattr(each, name), None) for each in points for name, _, _ in _table(each.bl_rna))


def _strands(curves: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    if len(curves.curves):
        yield "strands", hashlib.sha256(array(curves.curve_offset_data, "value", 1, np.int32)).hexdigest()[:32]


def _links(tree: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    yield "wires", frozenset(
        (link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier, link.is_muted)
        for link in tree.links
    )


def _packed(datablock: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    files = getattr(datablock, "packed_files", None)
    if files is None:
        files = [each for each in [getattr(datablock, "packed_file", None)] if each]
    else:
        files = [each.packed_file for each in files if each.packed_file]
    yield "packed", tuple(hashlib.sha256(each.data).hexdigest()[:32] for each in files if each.data)


def _painted(image: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    if image.is_dirty and image.has_data:
        values: Any = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(values)
        yield "painted", hashlib.sha256(values.tobytes()).hexdigest()[:32]


def _combed(system: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    if system.is_edited and system.settings and system.settings.type == "HAIR":
        hairs = [[tuple(key.co_local) for key in each.hair_keys] for each in system.particles]
        yield "hair", hashlib.sha256(repr(hairs).encode()).hexdigest()[:32]


def _sculpted(modifier: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    if modifier.total_levels:  # RNA shows nothing of what is sculpted on them, so it equals no other
        yield "sculpted", Unknown()


class Unknown:
    """Nothing is equal to it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Never."""
        return False


def _members(bones: Any, walk: _Walk) -> Iterator[tuple[str, Any]]:
    del walk
    yield "members", tuple(sorted(each.name for each in bones.bones))


_SPECIAL: dict[str, Callable[[Any, _Walk], Iterator[tuple[str, Any]]]] = {
    "Mesh": _geometry,
    "Armature": _rest,
    "Curves": _strands,
    "ShapeKey": _shape,
    "NodeTree": _links,
    "Image": lambda image, walk: iter((*_packed(image, walk), *_painted(image, walk))),
    "Sound": _packed,
    "VectorFont": _packed,
    "Volume": _packed,
    "ParticleSystem": _combed,
    "MultiresModifier": _sculpted,
    "BoneCollection": _members,
}
"""What RNA does not let one write and Blender's tools do."""


def rounded(value: Any) -> Any:
    """Six significant digits: Blender computes some values anew when it opens a file."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return tuple(rounded(each) for each in value) if isinstance(value, tuple) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, but for what a float loses."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= 1e-6 * max(abs(one), abs(other)) or one != one and other != other
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


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
