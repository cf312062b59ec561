"""The sidebar's last part: what goes on, and how the last jobs ended. It only reads what is in memory."""

import bpy
from bpy.types import Context

from .job import runs
from .panel import SidebarPanel, draw_progress
from .text import draw_text
from .view import view


class GGG_CLOUD_PT_activity(SidebarPanel):
    """What goes on, and how the last jobs ended; below the buttons, so that they keep their places."""

    bl_idname = "GGG_CLOUD_PT_activity"
    bl_label = "Activity"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Once there was a job."""
        return bool(runs() or view.messages)

    def draw(self, context: Context) -> None:
        """Draw each job's progress with a button to cancel it, then the last messages."""
        layout = self.layout
        assert layout is not None
        for run in runs():
            column = layout.column(align=True)
            draw_progress(column.row(align=True), run)
            for line in run.lines:
                draw_text(column, context, line)
        for message in view.messages:
            column = layout.column()
            column.alert = message.icon == "ERROR"
            draw_text(column, context, message.text, message.icon)
        layout.operator("ggg_cloud.open_log", icon="TEXT")


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_PT_activity,)
)
