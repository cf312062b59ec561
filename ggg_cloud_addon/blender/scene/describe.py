"""What is told of a component beside its content."""

import getpass
from collections.abc import Sequence

import bpy
from bpy.types import Object
from mathutils import Vector

from .closure import Closure

WITH_SURFACE = ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME", "LATTICE")

_UNTOLD = ("scenes", "libraries")
"""Not what a component is made of."""


def describe(objects: Sequence[Object], closure: Closure | None, *, comment: str) -> dict[str, str]:
    """The metadata of a component with these objects: counts, the box around them in metres, units, who and with what.

    With the closure, if a file holds all of that, there is a count of each kind of datablock, by the names that they
    have in ``bpy.data``. Reads what Blender has worked out already, so it is quick.
    """
    bpy.ops.ed.flush_edits()  # what is being edited or sculpted counts as it is now
    scene = bpy.context.scene
    assert scene is not None
    units = scene.unit_settings
    meshes = [obj.data for obj in objects if isinstance(obj.data, bpy.types.Mesh)]
    materials = {slot.material for obj in objects for slot in obj.material_slots if slot.material}
    told = {
        "blender": bpy.app.version_string.split()[0],
        "objects": str(len(objects)),
        "vertices": str(sum(len(mesh.vertices) for mesh in meshes)),
        "materials": str(len(materials)),
        **{kind: str(number) for kind, number in (closure.kinds() if closure else {}).items() if kind not in _UNTOLD},
        "units": f"{units.system} {units.scale_length:g}",
        "author": user_name(),
        "comment": comment,
    }
    corners = [obj.matrix_world @ Vector(c) for obj in objects if obj.type in WITH_SURFACE for c in obj.bound_box]
    if corners:
        sides = [max(each[axis] for each in corners) - min(each[axis] for each in corners) for axis in range(3)]
        told["bounds"] = " ".join(f"{side * units.scale_length:.4g}" for side in sides)
    return {key: value for key, value in told.items() if value}


def user_name() -> str:
    """Who works here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a system that knows no name
        return ""
