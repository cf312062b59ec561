"""A scene of our own, in which Blender's exporters and importers work without touching the user's."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterator

import bpy

from . import SceneError


@contextlib.contextmanager
def temporary_scene(name: str) -> Iterator[bpy.types.Scene]:
    """Give an empty scene with the units and the frames of the current one, and remove it at the end."""
    user = bpy.context.scene
    assert user is not None
    scene = bpy.data.scenes.new(name)
    try:
        scene.unit_settings.system = user.unit_settings.system
        scene.unit_settings.scale_length = user.unit_settings.scale_length
        scene.render.fps = user.render.fps
        scene.render.fps_base = user.render.fps_base
        scene.frame_start, scene.frame_end = user.frame_start, user.frame_end
        scene.frame_current, scene.frame_subframe = user.frame_current, user.frame_subframe
        yield scene
    finally:
        bpy.data.scenes.remove(scene)


def main_window() -> bpy.types.Window:
    """Return the current window; in a timer's context, which has none, the first."""
    return bpy.context.window or bpy.context.window_manager.windows[0]


@contextlib.contextmanager
def shown(scene: bpy.types.Scene) -> Iterator[None]:
    """Make `scene` the one that operators work on, then show the user's again; their prints go nowhere.

    An override of `scene` alone does not do: `context.selected_objects` and `active_object` are those of the
    window's scene, and the glTF exporter itself assigns `window.scene`.
    """
    window = main_window()
    user, user_layer = window.scene, window.view_layer
    # A 3D view that looks through the scene's camera leaves the camera when the scene has none.
    scene.camera = user.camera
    window.scene = scene
    try:
        # Without an area: a 3D view in local view would hide all that is not in it.
        with (
            bpy.context.temp_override(
                window=window, area=None, region=None, scene=scene, view_layer=scene.view_layers[0]
            ),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            yield
    finally:
        scene.camera = None
        window.scene = user
        window.view_layer = user_layer


def run(operator: bpy.ops._BPyOpsSubModOp, doing: str, **options: object) -> None:
    """Call `operator`; raise `SceneError` "Blender cannot <doing>: <its last words>" when it fails."""
    try:
        result = operator(**options)
    except (RuntimeError, TypeError) as error:
        # An operator written in Python that fails puts its whole traceback into the text.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise SceneError(f"Blender cannot {doing}: {lines[-1] if lines else 'no reason given'}") from error
    if "FINISHED" not in result:
        raise SceneError(f"Blender cannot {doing}: no reason given")


@contextlib.contextmanager
def object_mode(objects: Collection[bpy.types.Object]) -> Iterator[None]:
    """Leave edit mode when any of `objects` is in it, and return to it at the end."""
    layer = main_window().view_layer
    editing = [obj for obj in layer.objects if obj.mode == "EDIT"]
    if not any(obj in objects for obj in editing):
        yield
        return
    with bpy.context.temp_override(window=main_window()):
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        # Blender takes all selected objects into edit mode, also those that were not in it.
        selected = list(layer.objects.selected)
        for obj in selected:
            obj.select_set(obj in editing, view_layer=layer)
        with bpy.context.temp_override(window=main_window()):
            bpy.ops.object.mode_set(mode="EDIT")
        for obj in selected:
            obj.select_set(True, view_layer=layer)
