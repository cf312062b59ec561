"""Mark what is pushed for Blender's asset browser, in the file that is written for that and nowhere else."""

import sys
from typing import Any

from bpy.types import Object

from ..assets import mark_as_ours
from ..closure import objects_in
from .preview import PIXELS
from .sketch import sketch

_NO_ASSETS = ("LIGHT", "CAMERA")
"""Objects that are part of how a scene looks."""


def mark(scene: Any, options: dict[str, Any]) -> bool:
    """Mark the component: the collections at the top of the scene, or the objects if there are none.

    What its author has marked himself stays as it is. Returns whether a picture was given to one: only a file that is
    saved holds it.
    """
    pictured = False
    for each in _tops(scene):
        if each.asset_data or each.library:
            continue
        mark_as_ours(each, author=options["author"], description=options["comment"], tags=options["tags"])
        if options["picture"]:
            pictured |= _give_picture(each)
    return pictured


def _tops(scene: Any) -> list[Any]:
    collections = [each for each in scene.collection.children if objects_in(each)]
    return collections or [each for each in scene.collection.objects if not each.parent and each.type not in _NO_ASSETS]


def _give_picture(datablock: Any) -> bool:
    inside = [datablock, *datablock.children_recursive] if isinstance(datablock, Object) else objects_in(datablock)
    try:
        pixels = sketch(set(inside))
    except Exception as fault:  # noqa: BLE001 - whatever a picture meets, it must not cost the push
        print(f"No picture of {datablock.name}: {fault}", file=sys.stderr)
        return False
    if pixels is None:
        return False
    preview = datablock.preview_ensure()
    preview.image_size = (PIXELS, PIXELS)
    preview.image_pixels_float.foreach_set(pixels)
    return True
