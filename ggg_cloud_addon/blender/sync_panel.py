"""The sidebar's part about the folder that is kept in sync. It only reads what is in memory."""

from collections.abc import Mapping
from typing import Any

import bpy
from bpy.types import Context, UILayout

from .connections import active_connection
from .panel import SidebarPanel
from .shown import counted, shown_ago, shown_size
from .sync_operators import CHOICES
from .text import draw_text
from .view import view

SHOWN = 8
"""Lines of each kind; the rest is counted."""
SHOWN_DELETES = 40
"""So many more of what a person is asked to agree to."""
ACTIONS: Mapping[str, Any] = {
    "upload": "EXPORT",
    "download": "IMPORT",
    "delete there": "TRASH",
    "delete here": "TRASH",
    "keep both": "DUPLICATE",
    "conflict": "ERROR",
    "skip": "CANCEL",
}
"""What a plan does, with Blender's icon for it."""


class GGG_CLOUD_PT_sync(SidebarPanel):
    """The folder, its preview, and what waits for a person."""

    bl_idname = "GGG_CLOUD_PT_sync"
    bl_label = "Folder in Sync"

    def draw(self, context: Context) -> None:
        """Draw the folder with its buttons, then what came of them."""
        layout, connection = self.layout, active_connection(context)
        assert layout is not None
        if connection is None:
            layout.label(text="Enable GGG Cloud in the preferences first", icon="INFO")
            return
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(connection, "sync_folder", text="Folder", placeholder="Choose a folder")
        if not connection.sync_folder:
            return
        column.prop(connection, "direction")
        column.prop(connection, "delete_files")
        row = layout.row(align=True)
        row.operator("ggg_cloud.sync", text="Preview", icon="VIEWZOOM").dry_run = True
        row.operator("ggg_cloud.sync", text="Sync", icon="FILE_REFRESH")
        row.operator("ggg_cloud.asset_library_add", text="", icon="ASSET_MANAGER")
        if view.outcome is not None:
            _draw_outcome(context, layout, view.outcome)


class GGG_CLOUD_PT_sync_patterns(SidebarPanel):
    """Which files take part."""

    bl_idname = "GGG_CLOUD_PT_sync_patterns"
    bl_label = "Which Files"
    bl_parent_id = "GGG_CLOUD_PT_sync"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own way to declare it

    @classmethod
    def poll(cls, context: Context) -> bool:
        """With a folder."""
        connection = active_connection(context)
        return bool(connection and connection.sync_folder)

    def draw(self, context: Context) -> None:
        """Draw the patterns."""
        layout, connection = self.layout, active_connection(context)
        assert layout is not None
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(connection, "include", placeholder="All models")
        layout.prop(connection, "exclude", placeholder="None")


def _draw_outcome(context: Context, layout: UILayout, outcome: dict[str, Any]) -> None:
    if outcome["state"] == "confirm":
        _draw_deletes(layout, outcome["deletes"])
    elif outcome["state"] == "planned":
        _draw_plan(context, layout, outcome)
    for conflict in outcome["conflicts"][:SHOWN]:
        _draw_conflict(context, layout, conflict)
    _draw_rest(layout, len(outcome["conflicts"]), "conflict")
    for sentence in list(outcome["errors"].values())[:SHOWN]:
        draw_text(layout.box(), context, sentence, "ERROR")
    _draw_rest(layout, len(outcome["errors"]), "failure")
    for sentence in outcome["notes"]:
        draw_text(layout.box(), context, sentence, "INFO")


def _draw_deletes(layout: UILayout, deletes: list[str]) -> None:
    box = layout.box()
    box.alert = True
    box.label(text=f"{counted(len(deletes), 'file')} would be deleted", icon="TRASH")
    column = box.column(align=True)
    for path in deletes[:SHOWN_DELETES]:
        column.label(text=path, icon="BLANK1", translate=False)
    _draw_rest(column, len(deletes), "file", SHOWN_DELETES)
    box.operator("ggg_cloud.sync", text="Delete Them and Sync").deletes = True


def _draw_plan(context: Context, layout: UILayout, outcome: dict[str, Any]) -> None:
    box = layout.box()
    draw_text(box, context, outcome["summary"].partition("\n")[0], "INFO")
    plan = [step for step in outcome["plan"] if step[0] in ACTIONS]
    column = box.column(align=True)
    for action, path, size, _ in plan[:SHOWN]:
        row = column.split(factor=0.75)
        row.label(text=path, icon=ACTIONS[action], translate=False)
        right = row.row()
        right.alignment = "RIGHT"
        right.label(text=shown_size(size) if size else action.rpartition(" ")[2], translate=False)
    _draw_rest(column, len(plan), "file")


def _draw_conflict(context: Context, layout: UILayout, conflict: dict[str, Any]) -> None:
    box = layout.box()
    box.label(text=conflict["path"], icon="ERROR", translate=False)
    if not conflict["can_choose"]:
        draw_text(box, context, conflict["reason"], "BLANK1")
        return
    column = box.column(align=True)
    for name, side in (("Mine", conflict["here"]), ("Theirs", conflict["there"])):
        what = f"{shown_size(side[0])}, saved {shown_ago(side[1])}" if side else "deleted"
        column.label(text=f"{name}: {what}", icon="BLANK1", translate=False)
    row = box.row(align=True)
    for choice, label, _ in CHOICES:
        button = row.operator("ggg_cloud.resolve", text=label)
        button.path = conflict["path"]
        button.choice = choice


def _draw_rest(layout: UILayout, number: int, noun: str, shown: int = SHOWN) -> None:
    if number > shown:
        layout.label(text=f"and {counted(number - shown, f'more {noun}')}", icon="BLANK1")


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_PT_sync, GGG_CLOUD_PT_sync_patterns)
)
