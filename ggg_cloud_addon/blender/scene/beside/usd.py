"""What Blender's importer of USD leaves undone."""

from typing import Any

import bpy
from mathutils import Matrix, Quaternion

MAX_FRAMES = 10_000
"""So many become keys at most, whatever the file says of its length."""


def settle(scale: float) -> None:
    """Make what was imported independent of its file, and multiply its lengths.

    The importer leaves animation in the file, which goes away: that of objects becomes keys, that of single vertices
    is lost. Its own scale has no effect on what Blender exported (4.2 to 5.0), as that has a root that is left out.
    """
    for obj in [*bpy.data.objects]:
        # The folder in which Blender's exporter keeps materials; an empty is made of it.
        if obj.type == "EMPTY" and obj.name == "_materials" and not (obj.parent or obj.children):
            bpy.data.objects.remove(obj)
    larger = Matrix.Scale(scale, 4)
    for obj in _key_transforms(larger):
        if obj.parent is None:
            obj.matrix_basis = larger @ obj.matrix_basis


def _key_transforms(larger: Matrix) -> list[Any]:
    """Key what the file moves, and return all other objects."""
    scene: Any = bpy.context.scene
    objects: list[Any] = [*bpy.data.objects]  # the stubs know what all constraints have
    moved = {each: list[Matrix]() for each in objects if any(one.type == "TRANSFORM_CACHE" for one in each.constraints)}
    frames = range(scene.frame_start, scene.frame_end + 1)[:MAX_FRAMES] if moved else ()
    for frame in frames:
        scene.frame_set(frame)
        for obj, way in moved.items():
            above = obj.parent.matrix_world.inverted_safe() if obj.parent else larger
            way.append(above @ obj.matrix_world)
    for obj, way in moved.items():
        for constraint in [*obj.constraints]:
            obj.constraints.remove(constraint)
        obj.rotation_mode = "QUATERNION"
        before = Quaternion()
        for frame, matrix in zip(frames, way, strict=True):
            obj.matrix_local = matrix
            obj.rotation_quaternion.make_compatible(before)
            before = obj.rotation_quaternion.copy()
            for path in ("location", "rotation_quaternion", "scale"):
                obj.keyframe_insert(path, frame=frame)
    for obj in objects:
        for modifier in [each for each in obj.modifiers if each.type == "MESH_SEQUENCE_CACHE"]:
            obj.modifiers.remove(modifier)
    return [each for each in objects if each not in moved]
