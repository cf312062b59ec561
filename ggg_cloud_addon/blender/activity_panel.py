"""The sidebar's last part: what goes on, and how the last jobs ended. Drawing only reads what is in memory."""

import bpy
from bpy.props import IntProperty
from bpy.types import Context, Operator

from .job import Returned, log_folder, runs, show
from .panel import SidebarPanel, draw_progress
from .text import draw_text
from .view import view

LOG_NAME = "cloud_storage.log"


class GGG_CLOUD_OT_cancel(Operator):
    """Stop it; nothing half-done stays behind"""

    bl_idname = "ggg_cloud.cancel"
    bl_label = "Cancel"

    number: IntProperty(  # type: ignore[valid-type]
        name="Job", description="0: all that is under way", options={"SKIP_SAVE"}
    )

    def execute(self, context: Context) -> Returned:
        """Ask those who do the work to stop."""
        for run in runs():
            if self.number in (0, run.number):
                run.cancel()
                run.look()
        show(context)
        return {"FINISHED"}


class GGG_CLOUD_OT_open_log(Operator):
    """Open the log, which has the details of every error"""

    bl_idname = "ggg_cloud.open_log"
    bl_label = "Open the Log"

    def execute(self, context: Context) -> Returned:
        """Show it in the system's own program for text; without a window only say where it is."""
        folder = log_folder()
        if folder is None or not (folder / LOG_NAME).exists():
            self.report({"INFO"}, "There is no log yet.")
            return {"CANCELLED"}
        self.report({"INFO"}, f'The log is "{folder / LOG_NAME}"')
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(folder / LOG_NAME))
        return {"FINISHED"}


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
    (GGG_CLOUD_OT_cancel, GGG_CLOUD_OT_open_log, GGG_CLOUD_PT_activity)
)
