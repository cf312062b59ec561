"""Sentences in Blender's layouts, which do not break lines by themselves."""

import textwrap
from typing import Any

from bpy.types import Context, UILayout

LETTER = 6.2
"""The usual width of one, in pixels at a scale of 1."""
MARGIN = 80
"""Of a box with an icon, in pixels at a scale of 1."""


def wrapped(context: Context, text: str, *, margin: float = MARGIN) -> list[str]:
    """In lines that fit into the region."""
    assert context.region is not None
    assert context.preferences is not None
    room = context.region.width / context.preferences.system.ui_scale - margin
    width = max(16, int(room / LETTER))
    return [part for line in text.splitlines() for part in textwrap.wrap(line, width)]


def draw_text(layout: UILayout, context: Context, text: str, icon: Any = "NONE", *, margin: float = MARGIN) -> None:
    """Draw it, with an icon before its first line if one is given."""
    column = layout.column(align=True)
    column.scale_y = 0.85
    for line in wrapped(context, text, margin=margin):
        column.label(text=line, icon=icon, translate=False)
        icon = "NONE" if icon == "NONE" else "BLANK1"
