"""How an operator's work runs: in other processes, one after the other, beside a Blender that stays responsive."""

import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import bpy
from bpy.types import Context, Event, Operator

from ..worker.client import Job, JobError, WorkerClient
from .properties import shown_size, state_of
from .scene import SceneError
from .user_files import user_folder

TICK_SECONDS = 0.2
SILENT_SECONDS = 5
"""After so long without a byte the sidebar says so."""

Returned = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
"""What Blender wants back from an operator."""

CANCELLED = "It was cancelled; nothing was changed."


class Step(Protocol):
    """What another process does: a job of the worker, or a conversion."""

    @property
    def ended(self) -> bool:
        """Whether it is through, well or not."""

    def join(self) -> None:
        """Wait until it ended."""

    def cancel(self) -> None:
        """Make it end soon."""


Steps = Generator[Step, None, str]
"""Goes on when the step that it yielded ended; returns what to tell the user."""


@dataclass
class Run:
    """An operator's work under way, and what was seen of it."""

    steps: Steps
    step: Step | None = None
    cancelled: bool = False
    done: int = 0
    begun: float = 0.0
    moved: float = 0.0
    """When the step began, and when it last moved a byte."""

    def advance(self) -> None:
        """Begin the next step.

        Raises:
            StopIteration: there is none; its value is the message.
            SceneError, JobError, OSError: it failed or was cancelled.
        """
        # A job that is cancelled says itself whether that came in time.
        if not self.cancelled or isinstance(self.step, Job):
            self.step = next(self.steps)
        if self.cancelled:
            self.cancel()
            raise JobError(CANCELLED)
        self.done, self.begun = 0, time.monotonic()
        self.moved = self.begun

    def cancel(self) -> None:
        """Make it end soon."""
        self.cancelled = True
        if self.step is not None:
            self.step.cancel()


_clients: list[WorkerClient] = []
_running: list[Run] = []
"""What an operator waits for in a window."""


def worker() -> WorkerClient:
    """The one worker of this Blender."""
    if not _clients:
        _clients.append(WorkerClient([sys.executable, *getattr(bpy.app, "python_args", ())], _log_folder()))
    return _clients[0]


def stop_worker() -> None:
    """End the worker if there is one, and what is under way."""
    while _running:
        run = _running.pop()
        run.cancel()
        run.steps.close()
    while _clients:
        _clients.pop().stop()
    for manager in bpy.data.window_managers:
        manager.ggg_cloud.job_label = ""  # type: ignore[attr-defined]


def _log_folder() -> Path | None:
    try:
        return user_folder()
    except OSError:  # it cannot be written: the user's own log folder serves
        return None


class WorkerOperator(Operator):
    """An operator whose work is done by other processes.

    From a button it is modal with a timer; from a script, or in background, where there is no event loop, it goes
    straight through and raises what goes wrong. Subclasses say what its steps are.
    """

    _in_window = False
    _run: Run | None = None
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def scratch(self) -> Path:
        """A folder for the files of this run, removed when it ends."""
        if self._scratch is None:
            # The worker may still have a file in it open when it is removed, which Windows refuses.
            self._scratch = tempfile.TemporaryDirectory(prefix="ggg_cloud_", ignore_cleanup_errors=True)
        return Path(self._scratch.name)

    def steps(self, context: Context) -> Steps:
        """The work. What is between the steps is done in Blender, and has to be quick.

        Raises:
            SceneError: the scene cannot give or take it.
            JobError: the worker could not do it.
        """
        raise NotImplementedError

    def invoke(self, context: Context, event: Event) -> Returned:
        """Begin from a button."""
        self._in_window = not bpy.app.background
        return self.execute(context)

    def execute(self, context: Context) -> Returned:
        """Begin; from a script also end."""
        if self._in_window and _running:
            self.report({"WARNING"}, "GGG Cloud is still busy; wait for it or cancel it.")
            return {"CANCELLED"}
        run = Run(self.steps(context))
        returned = self._advance(context, run)
        if self._in_window and not returned:
            manager = context.window_manager
            assert manager is not None
            self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
            manager.modal_handler_add(self)
            self._run = run
            _running.append(run)
            state_of(context).job_label = self.bl_label
            self._show_progress(context, run)
            return {"RUNNING_MODAL"}
        while not returned:
            assert run.step is not None
            run.step.join()
            returned = self._advance(context, run)
        return returned

    def modal(self, context: Context, event: Event) -> Returned:
        """Look how it goes, at each tick of the timer."""
        run = self._run
        assert run is not None
        assert run.step is not None
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            returned = self._advance(context, run) if run.step.ended else None
        except BaseException:  # a fault of ours must not leave it busy for ever
            self._leave(context)
            raise
        if returned:
            self._leave(context)
            return returned
        self._show_progress(context, run)
        return {"PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        """Blender takes the window away, or opens another file in it; or the file browser is left."""
        if self._run is None:
            return
        self._run.cancel()
        self._leave(context)
        self._end(context, f"{self.bl_label} was cancelled, as another file was opened or the window closed.")

    def _advance(self, context: Context, run: Run) -> Returned | None:
        """Begin the next step; answers if that was all."""
        try:
            run.advance()
        except StopIteration as end:
            return self._end(context, end.value)
        except (SceneError, JobError, OSError) as error:
            self._end(context, str(error), failed=not run.cancelled)
            return {"CANCELLED"}
        return None

    def _leave(self, context: Context) -> None:
        assert context.window_manager is not None
        context.window_manager.event_timer_remove(self._timer)
        for run in _running:
            run.steps.close()
        _running.clear()
        state_of(context).job_label = ""
        _redraw(context)

    def _show_progress(self, context: Context, run: Run) -> None:
        now, job, total = time.monotonic(), run.step, 0
        if not isinstance(job, Job):
            text = "Converting it, beside Blender"
        else:
            text = job.request.arguments.get("component_id", "")
            done, total = job.done, job.total
            if done != run.done:
                run.done, run.moved = done, now
            if now - run.moved >= SILENT_SECONDS:
                text += f"\nNothing has moved for {now - run.moved:.0f} s"
            elif total:
                text += f"\n{shown_size(done)} of {shown_size(total)}, {shown_size(done / (now - run.begun))}/s"
        state = state_of(context)
        if text != state.job_text:
            state.job_text = text
            state.job_progress = run.done / total if total else 0.0
            _redraw(context)

    def _end(self, context: Context, message: str, *, failed: bool = False) -> Returned:
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        state = state_of(context)
        state.last_message = message
        state.last_failed = failed
        _redraw(context)
        self.report({"ERROR" if failed else "INFO"}, message)  # an ERROR raises in a script
        return {"FINISHED"}


def cancel_running(context: Context) -> None:
    """Cancel what is under way."""
    for run in _running:
        run.cancel()
        state_of(context).job_label = "Cancelling"
    _redraw(context)


def _redraw(context: Context) -> None:
    """Draw the sidebars again, and not the scenes beside them, which may take long."""
    assert context.window_manager is not None
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) == ("VIEW_3D", "UI"):
                    region.tag_redraw()
