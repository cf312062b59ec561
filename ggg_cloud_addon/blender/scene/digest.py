"""Whether the content of a datablock is still what it was: a digest of what an artist makes of it.

What is animated, posed, selected or folded is left out, and how a datablock is called here.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.types import ID

from .frozen import ARRAYS, FILES, array
from .made_by_tools import is_dropped_when_zero
from .values import curves_of, custom_properties, file_path

NameOf = Callable[[ID], str]
"""What a datablock that another one uses is called in the component's file."""

FORM = 2
"""Another one cannot be compared, and neither can that of another Blender, which tells of other properties."""
_STATE = (
    {"rna_type", "name", "id_data", "original", "preview", "asset_data", "animation_data", "library", "bl_rna"}
    | {"library_weak_reference", "override_library", "users", "tag", "session_uid", "use_fake_user", "use_extra_user"}
    | {"execution_time", "persistent_uid", "location_absolute", "dimensions", "view_center", "ui_mode", "ui_expand"}
    | {"node", "from_node", "to_node", "from_socket", "to_socket", "internal_links", "links", "color_tag", "warnings"}
    | {"filepath_raw", "bindcode", "texture_mesh", "shape_keys", "edit_bones", "id_root", "use_nodes", "enabled"}
)
_STATE_BEGINS = ("show_", "active", "is_", "select", "hide", "use_pin", "bl_")
_NODE_LAYOUT = {"location", "width", "height", "parent", "color", "use_custom_color"}
_DEEPEST = 64
"""So deep groups of custom properties may lie in each other; Python takes no more than a thousand of anything."""
_ROUND = 6
"""Significant digits: Blender computes some values anew when it opens a file."""


def digest(
    datablock: Any,
    name_of: NameOf,
    extra: object = (),
    record: Mapping[str, Any] | None = None,
    *,
    weighted: bool,
) -> str:
    """The digest of all that is in it and in `extra`; it costs a look at every vertex.

    Of an object only the modifiers and constraints that `record` names, see :mod:`.provenance`. With `weighted`,
    also what a mesh's vertices weigh in vertex groups.
    """
    found = hashlib.sha256()
    with _as_left(datablock) as seen:
        for each in _content(seen, name_of, record or {}, weighted=weighted):
            found.update(each if isinstance(each, bytes) else repr(each).encode(errors="surrogatepass"))
    found.update(repr(extra).encode(errors="surrogatepass"))
    return f"{FORM}:{bpy.app.version[0]}.{bpy.app.version[1]}:{found.hexdigest()[:32]}"


@contextlib.contextmanager
def _as_left(datablock: Any) -> Iterator[Any]:
    """Give a mesh that is in edit mode as it will be when that is left: it hides what is in it meanwhile."""
    if not (isinstance(datablock, bpy.types.Mesh) and datablock.is_editmode):
        yield datablock
        return
    bpy.ops.ed.flush_edits()
    copy = datablock.copy()
    try:
        yield copy
    finally:
        bpy.data.meshes.remove(copy)


def _content(datablock: Any, name_of: NameOf, record: Mapping[str, Any], *, weighted: bool) -> Iterator[object]:
    yield type(datablock).__name__
    animation = _animation(datablock)
    if not isinstance(datablock, bpy.types.Object):  # of which the record tells
        yield animation[0]
    if isinstance(datablock, bpy.types.Mesh):
        yield from _mesh(datablock, weighted=weighted)
    elif isinstance(datablock, bpy.types.Action):
        for curve in curves_of(datablock):
            values = np.empty(len(curve.keyframe_points) * 2, np.float32)
            curve.keyframe_points.foreach_get("co", values)
            yield from (curve.data_path, curve.array_index, values.tobytes())
    elif isinstance(datablock, bpy.types.Image):
        yield from (datablock.source, list(datablock.size), datablock.is_dirty, datablock.colorspace_settings.name)
        files: Any = datablock.packed_files  # the stubs take the bytes for text
        yield from (hashlib.sha256(each.packed_file.data).digest() for each in files)
        yield datablock.packed_file is not None or Path(file_path(datablock.filepath, datablock)).name
    elif isinstance(datablock, bpy.types.Object):
        yield from _object(datablock, name_of, animation[1], record)
    elif not isinstance(datablock, bpy.types.Collection):  # of which its extra tells
        if isinstance(datablock, bpy.types.Armature):
            yield [(bone.name, _plain(bone.matrix_local), _plain(bone.length)) for bone in datablock.bones]
        if hasattr(datablock, "attributes"):
            yield from _attributes(datablock)
        yield _struct(datablock, name_of, animation[1], frozenset())
    yield from _shape_keys(datablock)


def _animation(datablock: Any) -> tuple[object, Collection[str]]:
    """What animates it, and the paths of all that this moves."""
    data = getattr(datablock, "animation_data", None)
    if data is None:
        return None, ()
    drivers = [
        (each.data_path, each.array_index, each.driver.type, each.driver.expression, _variables(each.driver))
        for each in data.drivers
    ]
    moved = {each.data_path for each in data.drivers}
    if data.action:
        moved |= {each.data_path for each in curves_of(data.action, getattr(data, "action_slot", None))}
    return drivers, moved


def _variables(driver: Any) -> object:
    return [
        (each.name, each.type, [(target.data_path, target.transform_type) for target in each.targets])
        for each in driver.variables
    ]


def _mesh(mesh: Any, *, weighted: bool) -> Iterator[object]:
    for elements, name, width, kind in (
        (mesh.vertices, "co", 3, np.float32),
        (mesh.edges, "vertices", 2, np.int32),
        (mesh.polygons, "loop_start", 1, np.int32),
        (mesh.loops, "vertex_index", 1, np.int32),
    ):
        yield array(elements, name, width, kind)
    yield from _attributes(mesh)
    if weighted:
        weights = [(each.group, each.weight) for vertex in mesh.vertices for each in vertex.groups]
        yield np.array(weights, np.float32).tobytes()
    yield from ((each.name, each.active_render) for each in mesh.uv_layers)
    yield [(key, _plain(value)) for key, value in custom_properties(mesh).items()]


def _attributes(data: Any) -> Iterator[object]:
    for each in sorted(data.attributes, key=lambda each: str(each.name)):
        if each.data_type in ARRAYS and not each.name.startswith("."):  # which is selection and the like
            values = array(each.data, *ARRAYS[each.data_type])
            if any(values) or not is_dropped_when_zero(each.name):
                yield from (each.name, each.domain, values)


def _shape_keys(datablock: Any) -> Iterator[object]:
    keys = getattr(datablock, "shape_keys", None)
    for each in keys.key_blocks if keys else ():
        yield from (each.name, each.relative_key.name, each.vertex_group)
        yield array(each.data, "co", 3, np.float32)


def _object(obj: Any, name_of: NameOf, moved: Collection[str], record: Mapping[str, Any]) -> Iterator[object]:
    def stack(structs: Any, names: Iterable[str]) -> object:
        own = set(names)
        return [
            (each.name, each.type, _struct(each, name_of, moved, frozenset())) for each in structs if each.name in own
        ]

    yield stack(obj.modifiers, record["modifiers"])
    yield stack(obj.constraints, record["constraints"])
    yield [each.name for each in obj.vertex_groups]
    for bone, names in sorted(record["bones"].items()):
        if obj.pose and bone in obj.pose.bones:
            yield (bone, stack(obj.pose.bones[bone].constraints, names))


def _struct(struct: Any, name_of: NameOf, moved: Collection[str], inside: frozenset[int]) -> object:
    """All properties of a struct and what lies in it; `inside` which others it lies."""
    pointer = struct.as_pointer()
    if pointer in inside:
        return None
    inside |= {pointer}
    found: dict[str, object] = {}
    skipped = _NODE_LAYOUT if isinstance(struct, bpy.types.Node) else ()
    for each in struct.bl_rna.properties:
        name = each.identifier
        if name in _STATE or name in skipped or name.startswith(_STATE_BEGINS) or each.is_runtime:
            continue
        if moved and _path(struct, name) in moved:
            continue
        value = getattr(struct, name, None)
        if each.type == "COLLECTION":
            found[name] = [
                name_of(item) if isinstance(item, ID) else (_name(item), _struct(item, name_of, moved, inside))
                for item in value or ()
                if item is not None
            ]
        elif each.type == "POINTER":
            if isinstance(value, ID) and not value.is_embedded_data:
                found[name] = name_of(value)
            elif value is not None:
                found[name] = _struct(value, name_of, moved, inside)
        elif not each.is_readonly:
            # Where a file is, saving writes otherwise.
            found[name] = (
                Path(file_path(value, struct.id_data)).name if each.subtype in FILES and value else _plain(value)
            )
    if isinstance(struct, bpy.types.NodeTree):
        found["links"] = sorted(
            (link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier)
            for link in struct.links
        )
    for key, value in custom_properties(struct).items():
        if not (moved and f'{_path(struct, None)}["{key}"]' in moved):
            found[f'["{key}"]'] = name_of(value) if isinstance(value, ID) else _plain(value)
    return found


def _name(item: Any) -> str:
    """By what it is found, as ``name`` itself is left out: here a datablock may be called otherwise."""
    return str(getattr(item, "name", ""))


def _path(struct: Any, name: str | None) -> str:
    try:
        return str(struct.path_from_id(name) if name else struct.path_from_id())
    except ValueError:  # it has none
        return ""


def _plain(value: Any) -> object:
    if isinstance(value, float):
        return f"{value:.{_ROUND}g}"
    if isinstance(value, str | int | bool | bytes | type(None)):
        return value
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, ID):
        return type(value).__name__
    if hasattr(value, "to_dict"):
        return type(value).__name__ if _is_too_deep(value) else repr(value.to_dict())
    return [_plain(each) for each in value] if hasattr(value, "__len__") else str(type(value))


def _is_too_deep(group: Any) -> bool:
    """Whether no person and no add-on made it: a foreign file may hold anything."""
    level = [group]
    for _ in range(_DEEPEST):
        level = [each for one in level for each in one.values() if hasattr(each, "to_dict")]
    return bool(level)
