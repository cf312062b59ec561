"""A small picture of what is in the open file, made of points in a moment: it needs no renderer and no display."""

import math
import time
from collections.abc import Collection, Iterator
from typing import Any

import bpy
import numpy as np
from bpy.types import Material, Object
from mathutils import Matrix
from numpy.typing import NDArray

from .preview import FIELD_OF_VIEW, FROM, PIXELS

Array = NDArray[Any]

SECONDS = 2
"""So long it looks for what there is to see."""
MAX_TRIANGLES = 300_000
"""So many it draws in about half a second. Where there are more they are smaller than a pixel, and some will do."""
POINTS = 4
"""So many are drawn for each pixel of a triangle, so that no holes stay."""
LIGHT = np.array((-0.4, 0.6, 0.7)) / math.hypot(0.4, 0.6, 0.7)
"""Where it comes from, as the camera sees it."""
AMBIENT = 0.35
GREY = (0.8, 0.8, 0.8)
_SURFACES = ("MESH", "CURVE", "SURFACE", "META", "FONT")


def sketch(objects: Collection[Object]) -> Array | None:
    """The pixels (RGBA, the lowest row first) of what these objects show; `None` if that is nothing."""
    found = [*_triangles(objects)]
    if not found:
        return None
    corners = _seen(_some(np.concatenate([each for each, _ in found])))
    colours = _some(np.concatenate([each for _, each in found]))
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    is_flat = lengths > 0
    corners, colours = corners[is_flat], colours[is_flat]
    normals = normals[is_flat] / lengths[is_flat, None]
    normals *= np.where((normals * corners[:, 0]).sum(axis=1) > 0, -1, 1)[:, None]  # both sides of a face show
    shades = AMBIENT + (1 - AMBIENT) * np.clip(normals @ LIGHT, 0, 1)
    return _drawn(corners, (colours * shades[:, None]) ** (1 / 2.2))


def _triangles(objects: Collection[Object]) -> Iterator[tuple[Array, Array]]:
    """The corners of triangles in the world, and their colours."""
    end = time.monotonic() + SECONDS
    known: dict[int, tuple[Array, Array]] = {}
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        obj: Any = instance.object
        owner: Any = instance.parent if instance.is_instance else obj
        if owner.original not in objects or obj.type not in _SURFACES or time.monotonic() > end:
            continue
        pointer = obj.data.as_pointer()
        if pointer not in known:
            known[pointer] = _of_mesh(obj.data if obj.type == "MESH" else obj.to_mesh())
        corners, slots = known[pointer]
        if len(corners):
            matrix = np.array(instance.matrix_world, np.float32)
            palette = np.array([_colour(slot.material) for slot in obj.material_slots] or [GREY], np.float32)
            yield corners @ matrix[:3, :3].T + matrix[:3, 3], palette[np.minimum(slots, len(palette) - 1)]


def _of_mesh(mesh: Any) -> tuple[Array, Array]:
    mesh.calc_loop_triangles()
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    vertices = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", vertices)
    slots = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("material_index", slots)
    return points.reshape(-1, 3)[_some(vertices.reshape(-1, 3))], _some(slots)


def _some(triangles: Array) -> Array:
    return triangles[:: len(triangles) // MAX_TRIANGLES + 1]


def _colour(material: Material | None) -> tuple[float, ...]:
    if material is None:
        return GREY
    nodes: Any = material.node_tree.nodes if material.node_tree else ()
    for node in nodes:
        if node.type == "BSDF_PRINCIPLED" and not node.inputs["Base Color"].is_linked:
            return tuple(node.inputs["Base Color"].default_value[:3])
    return tuple(material.diffuse_color[:3])


def _seen(corners: Array) -> Array:
    """The same, as a camera sees it that looks at the middle from where that of the other picture does."""
    points = corners.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-4)
    eye = Matrix.Translation(FROM * (0.9 * radius / math.sin(FIELD_OF_VIEW / 2)))
    view = np.array((eye @ FROM.to_track_quat("Z", "Y").to_matrix().to_4x4()).inverted())
    return np.asarray((corners - (low + high) / 2) @ view[:3, :3].T + view[:3, 3])


def _drawn(corners: Array, colours: Array) -> Array:
    """Put points all over the triangles, the farthest first."""
    near = -1 / corners[..., 2]
    spots = (corners[..., :2] * near[..., None] / math.tan(FIELD_OF_VIEW / 2) + 1) * (PIXELS / 2)
    first, second = spots[:, 1] - spots[:, 0], spots[:, 2] - spots[:, 0]
    sizes = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    counts = np.ceil(np.minimum(sizes, PIXELS * PIXELS) * POINTS).astype(int)
    which = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Evenly spread over each triangle: http://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences
    u, v = (0.5 + number * 0.7548776662466927) % 1, (0.5 + number * 0.5698402909980532) % 1
    outside = u + v > 1
    u[outside], v[outside] = 1 - u[outside], 1 - v[outside]
    places = spots[which, 0] + u[:, None] * first[which] + v[:, None] * second[which]
    depths = near[which, 0] + u * (near[which, 1] - near[which, 0]) + v * (near[which, 2] - near[which, 0])
    x, y = places.astype(int).T
    inside = (x >= 0) & (x < PIXELS) & (y >= 0) & (y < PIXELS)
    order = np.argsort(depths[inside], kind="stable")
    picture = np.zeros((PIXELS * PIXELS, 4), np.float32)
    target = (y[inside] * PIXELS + x[inside])[order]
    picture[target, :3] = colours[which[inside][order]]
    picture[target, 3] = 1
    return picture.ravel()
