"""The sidebar tab. It only reads what is in memory."""

import textwrap

import bpy
from bpy.types import Context, Panel, UILayout, UIList

from .preferences import draw_storage, preferences_of
from .properties import GGGCloudState, state_of


class GGG_CLOUD_UL_components(UIList):
    """The components in the storage."""

    def draw_item(
        self,
        context: Context,
        layout: UILayout,
        data: object,
        item: object,
        icon: int,
        active_data: object,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        """One line: ID, size, time."""
        row = layout.split(factor=0.5)
        row.label(text=item.name, translate=False)  # type: ignore[attr-defined]
        right = row.row()
        right.alignment = "RIGHT"
        right.label(text=f"{item.size}   {item.modified}", translate=False)  # type: ignore[attr-defined]


class _GGGCloudPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "GGG Cloud"


class GGG_CLOUD_PT_components(_GGGCloudPanel, Panel):
    """What is in the storage, and pulling it."""

    bl_idname = "GGG_CLOUD_PT_components"
    bl_label = "Components"

    def draw(self, context: Context) -> None:
        """Draw the list and what can be done with it."""
        state = state_of(context)
        layout = self.layout
        row = layout.row()
        row.template_list(
            "GGG_CLOUD_UL_components", "", state, "components", state, "active_index", rows=5, sort_lock=True
        )
        row.column().operator("ggg_cloud.refresh", text="", icon="FILE_REFRESH")
        chosen = None
        if 0 <= state.active_index < len(state.components):
            chosen = state.components[state.active_index].name
        elif not state.is_listed:
            layout.label(text="Refresh to see what is there", icon="INFO")
        row = layout.row(align=True)
        row.enabled = chosen is not None and not state.job_label
        row.operator("ggg_cloud.pull", text="Pull", icon="IMPORT").component_id = chosen or ""
        linked = row.row(align=True)
        linked.enabled = chosen is not None and chosen.lower().endswith(".blend")
        link = linked.operator("ggg_cloud.pull", text="Pull as Link", icon="LINK_BLEND")
        link.component_id = chosen or ""
        link.link = True
        _draw_job(layout, state)


class GGG_CLOUD_PT_push(_GGGCloudPanel, Panel):
    """Pushing out of the open scene."""

    bl_idname = "GGG_CLOUD_PT_push"
    bl_label = "Push"

    def draw(self, context: Context) -> None:
        """Draw what is pushed, as what, and the button."""
        state = state_of(context)
        layout = self.layout
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(state, "source")
        column.prop(state, "file_format")
        column.prop(state, "component_name", placeholder="As what is pushed")
        column = layout.column()
        column.enabled = not state.job_label
        push = column.operator("ggg_cloud.export_upload", text="Push", icon="EXPORT")
        push.component_id = state.component_name
        push.source = state.source
        push.file_format = state.file_format
        column.operator("ggg_cloud.push", text="Push a File...", icon="FILE")


class GGG_CLOUD_PT_storage(_GGGCloudPanel, Panel):
    """Where the components are."""

    bl_idname = "GGG_CLOUD_PT_storage"
    bl_label = "Storage"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own way to declare it

    def draw(self, context: Context) -> None:
        """Draw the settings of the preferences page."""
        preferences = preferences_of(context)
        if preferences is None:
            self.layout.label(text="Enable GGG Cloud in the preferences to change it")
        else:
            draw_storage(self.layout, preferences)


def _draw_job(layout: UILayout, state: GGGCloudState) -> None:
    if state.job_label:
        row = layout.row(align=True)
        row.progress(factor=state.job_progress, text=f"{state.job_label} {state.job_progress:.0%}")
        row.operator("ggg_cloud.cancel", text="", icon="CANCEL")
    elif state.last_message:
        column = layout.column(align=True)
        column.alert = state.last_failed
        for number, line in enumerate(_wrapped(state.last_message)):
            column.label(text=line, icon=("ERROR" if state.last_failed else "CHECKMARK") if number == 0 else "BLANK1")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width=46)


CLASSES = (GGG_CLOUD_UL_components, GGG_CLOUD_PT_components, GGG_CLOUD_PT_push, GGG_CLOUD_PT_storage)


def register() -> None:
    """Add the panels."""
    for each in CLASSES:
        bpy.utils.register_class(each)


def unregister() -> None:
    """Remove them."""
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
