"""What RNA does not let one write and Blender's tools make: geometry, wires, pictures, hair."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import bpy
import numpy as np

from .frozen import ARRAYS, array, frozen, rounded, table_of

_CHOSEN = (".select", ".hide", ".vs.", ".es.", ".uv_select")
"""How attributes begin that hold what is selected or hidden."""


def _geometry(mesh: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
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
    if weighted:
        weights = [(each.group, each.weight) for vertex in mesh.vertices for each in vertex.groups]
        found.update(np.array(weights, np.float32).tobytes())
    if mesh.has_custom_normals and "custom_normal" not in mesh.attributes:  # before Blender 5
        found.update(array(mesh.corner_normals, "vector", 3, np.float32))
    yield "geometry", (len(mesh.vertices), found.hexdigest()[:32])


def is_dropped_when_zero(name: str) -> bool:
    """Whether edit mode drops a built-in attribute that says nothing."""
    return name in ("sharp_face", "sharp_edge", "material_index", "freestyle_edge", "freestyle_face", "uv_seam") or (
        name.startswith(("crease_", "bevel_weight_", ".pn."))
    )


def _rest(armature: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    yield (
        "rest",
        tuple(
            (
                bone.name,
                bone.parent.name if bone.parent else "",
                bone.use_connect,
                rounded(frozen(bone.matrix_local, None)),
                rounded(bone.length),
                tuple(sorted(each.name for each in bone.collections)),
            )
            for bone in armature.bones
        ),
    )


def _shape(key: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    points = key.data
    if not len(points) or isinstance(points[0], bpy.types.ShapeKeyPoint):
        yield "shape", (len(points), hashlib.sha256(array(points, "co", 3, np.float32)).hexdigest()[:32])
    else:  # a curve's, of which there may be two types
        yield (
            "shape",
            tuple(frozen(getattr(each, name), None) for each in points for name, _, _ in table_of(each.bl_rna)),
        )


def _strands(curves: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    if len(curves.curves):
        yield "strands", hashlib.sha256(array(curves.curve_offset_data, "value", 1, np.int32)).hexdigest()[:32]


def _links(tree: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    yield (
        "wires",
        frozenset(
            (
                link.from_node.name,
                link.from_socket.identifier,
                link.to_node.name,
                link.to_socket.identifier,
                link.is_muted,
            )
            for link in tree.links
        ),
    )


def _packed(datablock: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    files = getattr(datablock, "packed_files", None)
    if files is None:
        files = [each for each in [getattr(datablock, "packed_file", None)] if each]
    else:
        files = [each.packed_file for each in files if each.packed_file]
    yield "packed", tuple(hashlib.sha256(each.data).hexdigest()[:32] for each in files if each.data)


def _painted(image: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    if image.is_dirty and image.has_data:
        values: Any = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(values)
        yield "painted", hashlib.sha256(values.tobytes()).hexdigest()[:32]


def _combed(system: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    if system.is_edited and system.settings and system.settings.type == "HAIR":
        hairs = [[tuple(key.co_local) for key in each.hair_keys] for each in system.particles]
        yield "hair", hashlib.sha256(repr(hairs).encode()).hexdigest()[:32]


def _sculpted(modifier: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    if modifier.total_levels:  # RNA shows nothing of what is sculpted on them, so it equals no other
        yield "sculpted", Unknown()


class Unknown:
    """Nothing is equal to it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Never."""
        return False


def _members(bones: Any, weighted: bool) -> Iterator[tuple[str, Any]]:
    del weighted
    yield "members", tuple(sorted(each.name for each in bones.bones))


SPECIAL: dict[str, Callable[[Any, bool], Iterator[tuple[str, Any]]]] = {
    "Mesh": _geometry,
    "Armature": _rest,
    "Curves": _strands,
    "ShapeKey": _shape,
    "NodeTree": _links,
    "Image": lambda image, weighted: iter((*_packed(image, weighted), *_painted(image, weighted))),
    "Sound": _packed,
    "VectorFont": _packed,
    "Volume": _packed,
    "ParticleSystem": _combed,
    "MultiresModifier": _sculpted,
    "BoneCollection": _members,
}
"""What RNA does not let one write and Blender's tools do."""
