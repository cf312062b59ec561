"""How an operator's work runs: as one job of the worker, beside a Blender that stays responsive."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Context, Event, Operator

from ..worker.client import Job, JobError, WorkerClient
from .preferences import ADDON
from .properties import state_of
from .scene import SceneError

TICK_SECONDS = 0.1

_clients: list[WorkerClient] = []


def worker() -> WorkerClient:
    """The one worker of this Blender."""
    if not _clients:
        _clients.append(WorkerClient([sys.executable, *getattr(bpy.app, "python_args", ())], _log_folder()))
    return _clients[0]


def stop_worker() -> None:
    """End the worker if there is one."""
    while _clients:
        _clients.pop().stop()


def _log_folder() -> Path | None:
    try:
        return Path(bpy.utils.extension_path_user(ADDON, path="", create=True))
    except ValueError:  # not run as an extension: the user's own log folder serves
        return None


class WorkerOperator(Operator):
    """An operator whose work is one job.

    From a button it is modal with a timer; from a script, or in background, where there is no event loop, it goes
    straight through and raises what goes wrong. Subclasses say how it begins and ends.
    """

    _in_window = False
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def scratch(self) -> Path:
        """A folder for the files of this job, removed when it ends."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ggg_cloud_")
        return Path(self._scratch.name)

    def begin(self, context: Context) -> Job:
        """Give the worker its job.

        Raises:
            SceneError: the scene has nothing to do it with.
        """
        raise NotImplementedError

    def finish(self, context: Context, value: Any) -> str:
        """Use the job's answer; returns what to tell the user.

        Raises:
            SceneError: the scene cannot take it.
        """
        raise NotImplementedError

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Begin from a button."""
        self._in_window = not bpy.app.background
        return self.execute(context)

    def execute(self, context: Context) -> set[str]:
        """Begin; from a script also end."""
        state = state_of(context)
        if state.job_label:
            return self._end(context, "GGG Cloud is still busy; wait for it or cancel it.", failed=True)
        try:
            self._job = self.begin(context)
            if not self._in_window:
                return self._end(context, self.finish(context, self._job.wait()))
        except (SceneError, JobError) as error:
            return self._end(context, str(error), failed=True)
        state.job_label = self.bl_label
        state.job_progress = 0.0
        self._timer = context.window_manager.event_timer_add(TICK_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        _running.append(self._job)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        """Look how the job goes, at each tick of the timer."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        state = state_of(context)
        if not self._job.ended:
            progress = self._job.done / self._job.total if self._job.total else 0.0
            if progress != state.job_progress:
                state.job_progress = progress
                _redraw(context)
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        _running.remove(self._job)
        state.job_label = ""
        try:
            return self._end(context, self.finish(context, self._job.wait()))
        except (SceneError, JobError) as error:
            return self._end(context, str(error), failed=True)

    def _end(self, context: Context, message: str, *, failed: bool = False) -> set[str]:
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        state = state_of(context)
        state.last_message = message
        state.last_failed = failed
        _redraw(context)
        self.report({"ERROR" if failed else "INFO"}, message)  # an ERROR raises in a script
        return {"CANCELLED" if failed else "FINISHED"}


_running: list[Job] = []


def cancel_running() -> None:
    """Cancel the job under way."""
    for job in _running:
        job.cancel()


def _redraw(context: Context) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
