"""The sidebar tab: the connection, the components, pushing, and what goes on. It only reads what is in memory."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import bpy
from bpy.types import Context, Menu, Panel, UILayout, UIList

from .connections import active_connection, preferences_of
from .job import Run, runs
from .preferences import ICONS
from .previews import icon_of
from .properties import draw_export_options, state_of
from .scene.export_options import LOST, OPTIONS_OF
from .text import draw_text, wrapped
from .user_files import ADDON
from .view import ONLY_HERE, SHOWN_ROWS, STATUSES, view

KIND_ICONS: Mapping[str, Any] = {
    ".blend": "BLENDER",
    ".fbx": "MESH_MONKEY",
    ".gltf": "MESH_UVSPHERE",
    ".glb": "MESH_UVSPHERE",
    ".stl": "MESH_CUBE",
    ".obj": "MESH_ICOSPHERE",
    ".ply": "OUTLINER_OB_POINTCLOUD",
    ".usdz": "MESH_TORUS",
    ".usdc": "MESH_TORUS",
    ".usda": "MESH_TORUS",
    ".usd": "MESH_TORUS",
}
WIDE = 400
"""Pixels of the sidebar from which on the list shows the whole ID."""


class SidebarPanel(Panel):
    """A panel in the tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "GGG Cloud"


class GGG_CLOUD_MT_connections(Menu):
    """The connections to choose from."""

    bl_idname = "GGG_CLOUD_MT_connections"
    bl_label = "Connections"

    def draw(self, context: Context) -> None:
        """Draw one line for each."""
        preferences = preferences_of(context)
        assert self.layout is not None
        for index, each in enumerate(preferences.connections if preferences else ()):
            choose = self.layout.operator(
                "ggg_cloud.connection_choose", text=each.name, icon=ICONS[each.provider], translate=False
            )
            choose.index = index


class GGG_CLOUD_PT_connection(SidebarPanel):
    """Where the components are."""

    bl_idname = "GGG_CLOUD_PT_connection"
    bl_label = "Connection"

    def draw(self, context: Context) -> None:
        """Draw the connection in use, and the way to its settings."""
        connection = active_connection(context)
        assert self.layout is not None
        if connection is None:
            self.layout.label(text="Enable GGG Cloud in the preferences first", icon="INFO")
            return
        row = self.layout.row(align=True)
        row.menu("GGG_CLOUD_MT_connections", text=connection.name, icon=ICONS[connection.provider])
        row.operator("preferences.addon_show", text="", icon="PREFERENCES").module = ADDON
        self._draw_status(context, self.layout)

    @staticmethod
    def _draw_status(context: Context, layout: UILayout) -> None:
        """One line, whatever goes on, so that nothing below it moves; the whole story is in the activity panel."""
        row = layout.row(align=True)
        if runs():
            draw_progress(row, runs()[0])
        elif view.messages:
            message = view.messages[0]
            row.alert = message.icon == "ERROR"
            first, *more = wrapped(context, message.text)
            row.label(text=f"{first}..." if more else first, icon=message.icon, translate=False)
        else:
            row.label(text="Ready", icon="BLANK1")


class GGG_CLOUD_UL_components(UIList):
    """The components in the storage."""

    def draw_item(
        self,
        context: Context,
        layout: UILayout,
        data: object,
        item: object,
        icon: int | None,
        active_data: object,
        active_property: str | None,
        index: int | None = 0,
        flt_flag: int | None = 0,
    ) -> None:
        """One line: status, ID, size and age."""
        row = layout.split(factor=0.57)
        name: str = item.name  # type: ignore[attr-defined]
        assert context.region is not None
        assert context.preferences is not None
        is_wide = context.region.width > WIDE * context.preferences.system.ui_scale
        left = row.row(align=True)
        left.label(text="", icon=STATUSES[item.status][1])  # type: ignore[attr-defined]
        path = PurePosixPath(name)
        text, picture = name if is_wide else path.stem, icon_of(name)
        if picture:
            left.label(text=text, icon_value=picture, translate=False)
        else:
            left.label(text=text, icon=KIND_ICONS.get(path.suffix.lower(), "FILE"), translate=False)
        right = row.row()
        right.alignment = "RIGHT"
        right.label(text=item.size, translate=False)  # type: ignore[attr-defined]
        right.label(text=item.age, translate=False)  # type: ignore[attr-defined]

    def draw_filter(self, context: Context, layout: UILayout) -> None:
        """Nothing: the search is above the list."""


class GGG_CLOUD_PT_components(SidebarPanel):
    """What is in the storage, and pulling it."""

    bl_idname = "GGG_CLOUD_PT_components"
    bl_label = "Components"

    def draw(self, context: Context) -> None:
        """Draw the list and what can be done with it."""
        state, layout = state_of(context), self.layout
        assert layout is not None
        row = layout.row(align=True)
        row.prop(state, "search", text="", icon="VIEWZOOM", placeholder="Search")
        row.prop(state, "only_differences", text="", icon="FILTER")
        row.operator("ggg_cloud.refresh", text="", icon="FILE_REFRESH")
        layout.template_list(
            "GGG_CLOUD_UL_components", "", state, "components", state, "active_index", rows=6, sort_lock=True
        )
        chosen = ""
        if 0 <= state.active_index < len(state.components):
            chosen = state.components[state.active_index].name
            about, icon = STATUSES[state.components[state.active_index].status]
            column = layout.column(align=True)
            draw_text(column, context, chosen)
            if about:
                column.label(text=about, icon=icon)
            if view.matching > SHOWN_ROWS:
                column.label(text=f"{SHOWN_ROWS:,} of {view.matching:,} shown; search for more", translate=False)
        elif view.is_listed:
            text = "No component has these words" if state.search else "Nothing is stored yet"
            layout.label(text=text if not state.only_differences else "No differences", icon="INFO")
        else:
            layout.label(text="Refresh to see what is there", icon="INFO")
        here = [each for each in view.in_file if each.component_id == chosen]
        if any(each.storage == "newer" for each in here):
            row = layout.row(align=True)
            row.label(text="Newer than in this file", icon="TRIA_DOWN")
            row.operator("ggg_cloud.update", text="Update", icon="FILE_REFRESH").component_id = chosen
        is_stored = bool(chosen) and state.components[state.active_index].status not in ONLY_HERE
        self._draw_buttons(layout, chosen, is_stored)

    @staticmethod
    def _draw_buttons(layout: UILayout, chosen: str, is_stored: bool) -> None:
        # Not disabled while a job runs: Blender would show the button under the mouse so until the mouse leaves it.
        row = layout.row(align=True)
        row.enabled = is_stored
        row.operator("ggg_cloud.pull", text="Pull", icon="IMPORT").component_id = chosen
        linked = row.row(align=True)
        linked.enabled = chosen.lower().endswith(".blend")
        link = linked.operator("ggg_cloud.pull", text="Link", icon="LINKED")
        link.component_id = chosen
        link.link = True
        posed = linked.operator("ggg_cloud.pull", text="", icon="LIBRARY_DATA_OVERRIDE")
        posed.component_id = chosen
        posed.link = posed.override = True
        row.operator("ggg_cloud.details", text="", icon="INFO").component_id = chosen
        row.operator("ggg_cloud.delete", text="", icon="TRASH").component_id = chosen


class GGG_CLOUD_PT_push(SidebarPanel):
    """Pushing out of the open scene."""

    bl_idname = "GGG_CLOUD_PT_push"
    bl_label = "Push"

    def draw(self, context: Context) -> None:
        """Draw what is pushed, as what, and the button."""
        state = state_of(context)
        layout = self.layout
        assert layout is not None
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(state, "source")
        column.prop(state, "file_format")
        column.prop(state, "component_name", placeholder="As what is pushed")
        column = layout.column()
        if LOST[state.file_format]:
            draw_text(column, context, LOST[state.file_format], "INFO")
        push = column.operator("ggg_cloud.export_upload", text="Push", icon="EXPORT")
        push.component_id = state.component_name
        push.source = state.source
        push.file_format = state.file_format
        for name in (*OPTIONS_OF[state.file_format], "comment"):
            setattr(push, name, getattr(state, name))
        column.operator("ggg_cloud.push", text="Push a File...", icon="FILEBROWSER")


class GGG_CLOUD_PT_push_options(SidebarPanel):
    """How it is written."""

    bl_idname = "GGG_CLOUD_PT_push_options"
    bl_label = "Options"
    bl_parent_id = "GGG_CLOUD_PT_push"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own way to declare it

    def draw(self, context: Context) -> None:
        """Draw what the format has a use for."""
        assert self.layout is not None
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        draw_export_options(column, state_of(context), state_of(context).file_format)


def draw_progress(row: UILayout, run: Run) -> None:
    """Draw how far a job is, with a button to cancel it."""
    row.progress(factor=run.factor, text=f"{run.label} {run.factor:.0%}")
    row.operator("ggg_cloud.cancel", text="", icon="CANCEL").number = run.number


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (
        GGG_CLOUD_MT_connections,
        GGG_CLOUD_PT_connection,
        GGG_CLOUD_UL_components,
        GGG_CLOUD_PT_components,
        GGG_CLOUD_PT_push,
        GGG_CLOUD_PT_push_options,
    )
)
