"""Which components a push makes: one, or of a robot one for each link."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import bpy
from bpy.types import Collection, Object, Scene

from . import SceneError
from .export import chosen_objects
from .operator_presets import find_preset

Content = Sequence[Object] | Collection | Scene

_WITH_MESH = ("MESH", "CURVE", "SURFACE", "META", "FONT")


def parts_of(content: Content, component_id: str, preset: str) -> list[tuple[str, int | None]]:
    """The ID of each component that becomes of this, and which part it is, see :func:`part_of`.

    With a preset for single objects, `robot.stl` becomes `robot/NAME.stl` for each object with a surface. Raises
    SceneError if there is none, or there is nothing to push.
    """
    path = PurePosixPath(component_id)
    suffix = path.suffix.lower()
    if not preset or not find_preset(preset, suffix).by_object:
        return [(component_id, None)]
    objects = [each for each in chosen_objects(content, suffix) if each.type in _WITH_MESH]
    if not objects:
        raise SceneError(f'There is no mesh for the preset "{preset}": choose objects with a surface.')
    folder = path.with_suffix("")
    parts: list[tuple[str, int | None]] = [
        (f"{folder}/{each.name.replace('/', '_')}{path.suffix}", each.session_uid) for each in objects
    ]
    for name, count in Counter(each.casefold() for each, _ in parts).items():
        if count > 1:
            raise SceneError(f'{count} objects would become "{name}": rename them.')
    return parts


def part_of(content: Content, part: int | None) -> Content:
    """The part that is pushed next. An undo, or the user, may have replaced or removed objects meanwhile."""
    if part is None:
        return content
    found = [each for each in bpy.data.objects if each.session_uid == part]
    if not found:
        raise SceneError("An object was deleted before it was pushed: push again.")
    return found
