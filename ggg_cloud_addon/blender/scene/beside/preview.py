"""A picture of the scene that is open in the Blender beside: a small one, for lists."""

import contextlib
import math
from pathlib import Path
from typing import Any

import bpy
from mathutils import Matrix, Vector

PIXELS = 256
SAMPLES = 32
SECONDS = 20
"""So long it may take at most."""
MAX_VERTICES = 5_000_000
"""Of more no picture is made: the memory for it may not be there."""
FROM = Vector((0.9, -1.3, 0.8)).normalized()
"""From where the camera looks at the middle."""
FIELD_OF_VIEW = math.radians(30)


def render(path: Path) -> None:
    """Write a PNG; none where there is nothing to see. The open file is changed for that."""
    scene: Any = bpy.context.scene  # the stubs do not know Cycles
    corners, vertices = _seen()
    if not corners or vertices > MAX_VERTICES:
        return
    _light_up(scene)
    _look_at(scene, corners)
    render = scene.render
    render.engine = "CYCLES"  # on the processor: it needs no display
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.time_limit = SECONDS
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False  # not every build can denoise
    scene.cycles.texture_limit_render = "512"
    # Freestyle runs Python that is in the file, and OSL writes files, whether the user lets scripts run or not.
    scene.cycles.shading_system = render.use_freestyle = False
    render.use_simplify = True
    render.simplify_subdivision_render = 1
    render.resolution_x = render.resolution_y = PIXELS
    render.resolution_percentage = 100
    render.film_transparent = True
    render.use_compositing = render.use_sequencer = render.use_border = False
    if hasattr(render.image_settings, "media_type"):  # Blender 5: a scene whose output is a movie offers no PNG
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
    render.filepath = str(path)
    with contextlib.suppress(RuntimeError):  # a component without a picture is better than none
        bpy.ops.render.render(write_still=True)


def _seen() -> tuple[list[Vector], int]:
    """The corners of the boxes around all that is rendered, in the world, and the number of vertices."""
    corners: list[Vector] = []
    vertices = 0
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        obj = instance.object
        if obj.type in ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME"):
            matrix = instance.matrix_world.copy()
            corners += [matrix @ Vector(corner) for corner in obj.bound_box]
            vertices += len(obj.data.vertices) if obj.type == "MESH" else 0
    return corners, vertices


def _look_at(scene: bpy.types.Scene, corners: list[Vector]) -> None:
    low, high = (Vector([side(corner[axis] for corner in corners) for axis in range(3)]) for side in (min, max))
    middle = (low + high) / 2
    radius = max((high - low).length / 2, 1e-4)
    camera = bpy.data.cameras.new("Preview")
    camera.angle = FIELD_OF_VIEW
    distance = 0.9 * radius / math.sin(FIELD_OF_VIEW / 2)
    camera.clip_start, camera.clip_end = distance / 100, distance * 10
    obj = bpy.data.objects.new("Preview", camera)
    scene.collection.objects.link(obj)
    obj.matrix_world = Matrix.Translation(middle + FROM * distance) @ FROM.to_track_quat("Z", "Y").to_matrix().to_4x4()
    scene.camera = obj


def _light_up(scene: bpy.types.Scene) -> None:
    """An even light, and a sun from over the camera's left shoulder, in place of those of the scene."""
    for obj in scene.objects:
        if obj.type == "LIGHT":
            obj.hide_render = True
    world = bpy.data.worlds.new("Preview")
    if hasattr(world, "use_nodes"):
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.35, 0.35, 0.35, 1)
    scene.world = world
    sun: Any = bpy.data.lights.new("Preview", "SUN")
    sun.energy = 2
    lamp = bpy.data.objects.new("Preview", sun)
    lamp.rotation_euler = (math.radians(40), math.radians(-10), math.radians(-10))
    scene.collection.objects.link(lamp)
