"""Rigid bodies move in the world of a scene: in one without, or if that does not know them, they stand still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import bpy
from bpy.types import Collection, Object, Scene

_SETTINGS = ("enabled", "time_scale", "substeps_per_frame", "solver_iterations", "use_split_impulse")
_NAMES = {"collection": "RigidBodyWorld", "constraints": "RigidBodyConstraints"}
"""As Blender calls them."""
_FRAMES = ("frame_start", "frame_end")


def world_settings(scene: Scene) -> dict[str, Any]:
    """What rigid bodies obey in a scene; nothing if it has no world for them."""
    world = scene.rigidbody_world
    if world is None:
        return {}
    return {name: getattr(world, name) for name in _SETTINGS} | {
        name: getattr(world.point_cache, name) for name in _FRAMES
    }


def add_rigid_bodies(scene: Scene, objects: Iterable[Object], settings: Mapping[str, Any]) -> list[Collection]:
    """Have the rigid bodies among the objects move in a scene; if it has no world yet, it gets one of these settings.

    Returns the collections that were made for them.
    """
    among = list(objects)
    wanted = {
        "collection": [obj for obj in among if obj.rigid_body],
        "constraints": [obj for obj in among if obj.rigid_body_constraint],
    }
    if not any(wanted.values()):
        return []
    is_new = scene.rigidbody_world is None
    if is_new:
        with bpy.context.temp_override(scene=scene):
            bpy.ops.rigidbody.world_add()
    world: Any = scene.rigidbody_world
    for name, value in settings.items() if is_new else ():
        setattr(world.point_cache if name in _FRAMES else world, name, value)
    made = []
    for place, found in wanted.items():
        if found and getattr(world, place) is None:
            made.append(bpy.data.collections.new(_NAMES[place]))
            setattr(world, place, made[-1])
        for obj in set(found).difference(getattr(world, place).objects if found else ()):
            getattr(world, place).objects.link(obj)
    return made
