"""What the storage knows of one component: asked for by a button, and shown below the list."""

from collections.abc import Generator
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Context, UILayout

from .connections import storage_config
from .in_file import look_at_file
from .job import Step, Steps, WorkerOperator, worker
from .operators import show_component
from .panel import SidebarPanel
from .previews import PICTURE_SCALE, icon_of, preview_folder
from .properties import state_of
from .shown import counted, newer_blender, shown_ago, shown_metadata, shown_size
from .text import draw_text
from .view import Details, Version, view

SHOWN_VERSIONS = 8


class GGG_CLOUD_OT_details(WorkerOperator):
    """Show what is known of the component, and its versions"""

    bl_idname = "ggg_cloud.details"
    bl_label = "Details"

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def steps(self, context: Context) -> Steps:
        """Ask for it."""
        versions = yield from _ask_for_details(storage_config(context), self.component_id)
        return f'"{self.component_id}" has {counted(versions, "version")}'


class GGG_CLOUD_OT_restore(WorkerOperator):
    """Make this version the current one; what is current now stays in the history"""

    bl_idname = "ggg_cloud.restore"
    bl_label = "Restore"

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    version_id: StringProperty(name="Version", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def steps(self, context: Context) -> Steps:
        """Restore it, and show the new history."""
        config, storage = storage_config(context), view.storage
        job = worker().submit("restore", config, component_id=self.component_id, version_id=self.version_id)
        yield job
        info = job.wait()
        if view.storage == storage:
            show_component(context, info)
            look_at_file(context)
            yield from _ask_for_details(config, self.component_id)
        return f'Restored "{self.component_id}"'


def _ask_for_details(config: dict[str, Any], component_id: str) -> Generator[Step, None, int]:
    """Show them; how many versions there are."""
    storage = view.storage
    job = worker().submit("details", config, component_id=component_id, folder=str(preview_folder()))
    yield job
    found = job.wait()
    versions = tuple(Version(*row) for row in found["versions"])
    if view.storage == storage:
        view.details = Details(component_id, found["info"]["metadata"], versions)
        view.metadata[component_id] = view.details.metadata
        if found["preview"]:
            view.previews[component_id] = found["preview"]
    return len(versions)


class GGG_CLOUD_PT_details(SidebarPanel):
    """What is known of the chosen component."""

    bl_idname = "GGG_CLOUD_PT_details"
    bl_label = "Details"
    bl_parent_id = "GGG_CLOUD_PT_components"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Once they were asked for."""
        state = state_of(context)
        chosen = 0 <= state.active_index < len(state.components) and state.components[state.active_index].name
        return view.details is not None and view.details.component_id == chosen

    def draw(self, context: Context) -> None:
        """Draw its picture, what was stored with it, and its versions."""
        details, layout = view.details, self.layout
        assert details is not None
        assert layout is not None
        picture = icon_of(details.component_id)
        if picture:
            layout.template_icon(picture, scale=PICTURE_SCALE)
        column = layout.column(align=True)
        for line in shown_metadata(details.metadata):
            draw_text(column, context, line)
        newer = newer_blender(details.metadata)
        if newer:
            draw_text(layout, context, newer, "ERROR")
        _draw_versions(layout, details)


def _draw_versions(layout: UILayout, details: Details) -> None:
    box = layout.box()
    box.label(text=counted(len(details.versions), "version"), icon="RECOVER_LAST")
    column = box.column(align=True)
    for version in details.versions[:SHOWN_VERSIONS]:
        row = column.row(align=True)
        row.label(text=f"{shown_ago(version.modified)}", translate=False)
        row.label(text=shown_size(version.size), translate=False)
        buttons = row.row(align=True)
        buttons.alignment = "RIGHT"
        if version.is_current:
            buttons.label(text="current")
            continue
        for button in (
            buttons.operator("ggg_cloud.pull", text="", icon="IMPORT"),
            buttons.operator("ggg_cloud.restore", text="", icon="LOOP_BACK"),
        ):
            button.component_id, button.version_id = details.component_id, version.version_id
    if len(details.versions) > SHOWN_VERSIONS:
        column.label(text=f"and {counted(len(details.versions) - SHOWN_VERSIONS, 'older one')}")


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_OT_details, GGG_CLOUD_OT_restore, GGG_CLOUD_PT_details)
)
