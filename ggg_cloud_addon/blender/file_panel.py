"""The sidebar's part about the components in the open file. It only reads what is in memory."""

import bpy
from bpy.types import Context, UILayout

from .panel import SidebarPanel
from .shown import counted
from .text import draw_text
from .view import InFile, Refused, Undecided, view

SHOWN = 12
"""Components; the rest is counted."""
SHOWN_CHANGES = 3
"""Names of what was changed in one."""


class GGG_CLOUD_PT_file(SidebarPanel):
    """The components in this file: what is newer in the storage, what was changed here."""

    bl_idname = "GGG_CLOUD_PT_file"
    bl_label = "In This File"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """With components in it, or something that was refused."""
        return bool(view.in_file or view.refused or view.undecided)

    def draw(self, context: Context) -> None:
        """Draw a line for each component with its buttons, and what can be done about it."""
        layout = self.layout
        assert layout is not None
        if view.refused is not None:
            _draw_refused(context, layout, view.refused)
        if view.undecided is not None:
            _draw_undecided(context, layout, view.undecided)
        for each in view.in_file[:SHOWN]:
            _draw_component(context, layout, each)
        if len(view.in_file) > SHOWN:
            layout.label(text=f"and {counted(len(view.in_file) - SHOWN, 'more component')}", icon="BLANK1")


def _draw_component(context: Context, layout: UILayout, each: InFile) -> None:
    box = layout.box()
    row = box.row(align=True)
    row.label(text=each.collection, icon="LINKED" if each.is_linked else "OUTLINER_COLLECTION", translate=False)
    buttons = row.row(align=True)
    buttons.alignment = "RIGHT"
    update = buttons.row(align=True)
    update.enabled = each.storage != "gone"
    update.operator("ggg_cloud.update", text="Update", icon="FILE_REFRESH").component_id = each.component_id
    back = buttons.row(align=True)
    back.enabled = not each.is_linked
    push = back.operator("ggg_cloud.export_upload", text="Push", icon="EXPORT")
    push.source, push.collection, push.component_id = "COLLECTION", each.collection, each.component_id
    column = box.column(align=True)
    column.label(text=each.component_id, icon="BLANK1", translate=False)
    if each.storage == "newer":
        column.label(text="Newer version available", icon="TRIA_DOWN")
    elif each.storage == "gone":
        column.label(text="No longer in the storage", icon="TRASH")
    if each.changed is None:
        row = column.row()
        row.label(text="Changes here not looked for", icon="BLANK1")
        row.operator("ggg_cloud.look", text="", icon="VIEWZOOM")
    elif each.changed:
        names = ", ".join(each.changed[:SHOWN_CHANGES])
        more = f" and {len(each.changed) - SHOWN_CHANGES} more" if len(each.changed) > SHOWN_CHANGES else ""
        draw_text(column, context, f"Changed here: {names}{more}", "TRIA_UP")


def _draw_refused(context: Context, layout: UILayout, refused: Refused) -> None:
    box = layout.box()
    box.alert = True
    draw_text(box, context, refused.text, "ERROR")
    row = box.row(align=True)
    if refused.is_newer and any(each.component_id == refused.component_id for each in view.in_file):
        row.operator("ggg_cloud.update", text="Update", icon="FILE_REFRESH").component_id = refused.component_id
    push = row.operator("ggg_cloud.export_upload", text=refused.button, icon="EXPORT")
    for name, value in refused.settings.items():
        setattr(push, name, value)


def _draw_undecided(context: Context, layout: UILayout, undecided: Undecided) -> None:
    box = layout.box()
    box.alert = True
    draw_text(box, context, undecided.text, "ERROR")
    row = box.row(align=True)
    for side, label in (("MINE", "Keep Mine"), ("THEIRS", "Take Theirs")):
        update = row.operator("ggg_cloud.update", text=label)
        update.conflict = side
        for name, value in undecided.settings.items():
            setattr(update, name, value)


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_PT_file,)
)
