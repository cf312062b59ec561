"""The sidebar tab. It only reads what is in memory."""

import textwrap

import bpy
from bpy.types import Context, Panel, UILayout, UIList

from .connections import preferences_of
from .preferences import draw_storage
from .properties import state_of


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
        """One line: ID and size."""
        row = layout.split(factor=0.65)
        row.label(text=item.name, translate=False)  # type: ignore[attr-defined]
        right = row.row()
        right.alignment = "RIGHT"
        right.label(text=item.size, translate=False)  # type: ignore[attr-defined]


class _SidebarPanel(Panel):
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "GGG Cloud"


class GGG_CLOUD_PT_components(_SidebarPanel):
    """What is in the storage, and pulling it."""

    bl_idname = "GGG_CLOUD_PT_components"
    bl_label = "Components"

    def draw(self, context: Context) -> None:
        """Draw the list and what can be done with it."""
        state = state_of(context)
        layout = self.layout
        assert layout is not None
        row = layout.row()
        row.template_list(
            "GGG_CLOUD_UL_components", "", state, "components", state, "active_index", rows=6, sort_lock=True
        )
        row.column().operator("ggg_cloud.refresh", text="", icon="FILE_REFRESH")
        chosen = ""
        if 0 <= state.active_index < len(state.components):
            component = state.components[state.active_index]
            chosen = component.name
            layout.label(text=f"Stored {component.modified}", icon="TIME", translate=False)
        elif state.is_listed:
            layout.label(text="Nothing is stored yet", icon="INFO")
        else:
            layout.label(text="Refresh to see what is there", icon="INFO")
        # Not disabled while a job runs: Blender would show the button under the mouse so until the mouse leaves it.
        row = layout.row(align=True)
        row.enabled = bool(chosen)
        row.operator("ggg_cloud.pull", text="Pull", icon="IMPORT").component_id = chosen
        linked = row.row(align=True)
        linked.enabled = chosen.lower().endswith(".blend")
        link = linked.operator("ggg_cloud.pull", text="Pull as Link", icon="LINKED")
        link.component_id = chosen
        link.link = True


class GGG_CLOUD_PT_push(_SidebarPanel):
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
        push = column.operator("ggg_cloud.export_upload", text="Push", icon="EXPORT")
        push.component_id = state.component_name
        push.source = state.source
        push.file_format = state.file_format
        column.operator("ggg_cloud.push", text="Push a File...", icon="FILEBROWSER")


class GGG_CLOUD_PT_activity(_SidebarPanel):
    """How the job goes, or how the last one went; below the buttons, so that they keep their places."""

    bl_idname = "GGG_CLOUD_PT_activity"
    bl_label = "Activity"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Once there was a job."""
        state = state_of(context)
        return bool(state.job_label or state.last_message)

    def draw(self, context: Context) -> None:
        """Draw the progress with a button to cancel, or the last message."""
        state = state_of(context)
        assert self.layout is not None
        column = self.layout.column(align=True)
        if state.job_label:
            row = column.row(align=True)
            row.progress(factor=state.job_progress, text=f"{state.job_label} {state.job_progress:.0%}")
            row.operator("ggg_cloud.cancel", text="", icon="CANCEL")
            for line in _wrapped(context, state.job_text):
                column.label(text=line, translate=False)
            return
        column.alert = state.last_failed
        first, *rest = _wrapped(context, state.last_message) or [""]
        column.label(text=first, icon="ERROR" if state.last_failed else "CHECKMARK", translate=False)
        for line in rest:
            column.label(text=line, icon="BLANK1", translate=False)


class GGG_CLOUD_PT_storage(_SidebarPanel):
    """Where the components are."""

    bl_idname = "GGG_CLOUD_PT_storage"
    bl_label = "Storage"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own way to declare it

    def draw(self, context: Context) -> None:
        """Draw the settings of the preferences page."""
        preferences = preferences_of(context)
        assert self.layout is not None
        if preferences is None:
            self.layout.label(text="Enable GGG Cloud in the preferences to change it")
        else:
            draw_storage(self.layout, preferences)


def _wrapped(context: Context, text: str) -> list[str]:
    """In lines that fit into the sidebar; its letters are about 6 pixels wide."""
    assert context.region is not None
    assert context.preferences is not None
    room = context.region.width / context.preferences.system.ui_scale - 70
    width = max(16, int(room / 6))
    return [part for line in text.splitlines() for part in textwrap.wrap(line, width)]


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (
        GGG_CLOUD_UL_components,
        GGG_CLOUD_PT_components,
        GGG_CLOUD_PT_push,
        GGG_CLOUD_PT_activity,
        GGG_CLOUD_PT_storage,
    )
)
