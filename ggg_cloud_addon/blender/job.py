"""How an operator's work runs: in other processes, beside a Blender that stays responsive."""

import itertools
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Literal, Protocol

import bpy
from bpy.types import Context, Event, Operator, Timer

from ..worker.client import CANCELLED, Job, JobError, WorkerClient
from .scene import SceneError
from .scene.convert import Picture
from .shown import counted, shown_seconds, shown_size
from .user_files import user_folder
from .view import view

TICK_SECONDS = 0.1
SILENT_SECONDS = 5
"""After so long without a byte the sidebar says so."""

Returned = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
"""What Blender wants back from an operator."""


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

_numbers = itertools.count(1)


class Run:
    """An operator's work under way, and what the sidebar shows of it."""

    def __init__(self, label: str, steps: Steps) -> None:
        """Nothing is begun yet."""
        self.number = next(_numbers)
        """Tells it from the others."""
        self.label = label
        self.lines: tuple[str, ...] = ()
        """What is done right now, how far it is, or that nothing moves."""
        self.factor = 0.0
        """The share of the bytes that moved, 0 to 1."""
        self.cancelled = False
        self.timer: Timer | None = None
        """In a window: by which it goes on."""
        self._steps = steps
        self._step: Step | None = None
        self._done = (0, 0)
        """Bytes and files."""
        self._begun = self._moved = 0.0
        """When the step began, and when it last moved a byte."""

    @property
    def waits(self) -> bool:
        """Whether the step under way has not ended."""
        return self._step is not None and not self._step.ended

    def join(self) -> None:
        """Wait until the step under way ended."""
        if self._step is not None:
            self._step.join()

    def advance(self) -> None:
        """Begin the next step.

        Raises:
            StopIteration: there is none; its value is the message.
            SceneError, JobError, OSError: it failed or was cancelled.
        """
        # A job that is cancelled says itself whether that came in time; without its picture, what is stored is stored.
        if not self.cancelled or isinstance(self._step, Job | Picture):
            self._step = next(self._steps)
        if self.cancelled:
            self.cancel()
            raise JobError(CANCELLED)
        self._done, self._begun = (0, 0), time.monotonic()
        self._moved = self._begun

    def cancel(self) -> None:
        """Make it end soon."""
        self.cancelled = True
        if self._step is not None:
            self._step.cancel()

    def close(self) -> None:
        """Forget the steps that are left, and clean up after those that were."""
        self._steps.close()

    def look(self) -> bool:
        """Bring up to date what is shown; whether anything of it changed."""
        before, now, job = (self.lines, self.factor), time.monotonic(), self._step
        if self.cancelled:
            self.lines = ("Cancelling",)
        elif isinstance(job, Picture):
            self.lines = ("It is stored; making its picture, beside Blender",)
        elif not isinstance(job, Job):
            self.lines = ("Preparing it, beside Blender",)
        else:
            if (job.done, job.items_done) != self._done:
                self._done, self._moved = (job.done, job.items_done), now
            name = job.text or job.request.arguments.get("component_id", "")
            how_far = self._how_far(job, now)
            self.lines = tuple(line for line in (name, *how_far) if line)
            self.factor = job.done / job.total if job.total else 0.0
        return before != (self.lines, self.factor)

    def _how_far(self, job: Job, now: float) -> tuple[str, ...]:
        if now - self._moved >= SILENT_SECONDS:
            return (f"Nothing has moved for {now - self._moved:.0f} s",)
        if not job.total and not job.items:
            return (f"{counted(job.items_done, 'file')} looked at",) if job.items_done else ()
        lines = []
        if job.total:
            lines.append(f"{shown_size(job.done)} of {shown_size(job.total)}")
        if job.items:
            lines.append(f"{job.items_done:,} of {counted(job.items, 'file')}")
        seconds = now - self._begun
        if job.done and seconds >= 1:
            rate = job.done / seconds
            lines.append(f"{shown_size(rate)}/s, {shown_seconds((job.total - job.done) / rate)} left")
        return tuple(lines)


_clients: list[WorkerClient] = []
_runs: list[Run] = []
_status: list[str | None] = [None]
"""What the status bar shows of us."""


def runs() -> tuple[Run, ...]:
    """What operators wait for in a window, the first to begin first."""
    return tuple(_runs)


def worker() -> WorkerClient:
    """The one worker of this Blender."""
    if not _clients:
        _clients.append(WorkerClient([sys.executable, *getattr(bpy.app, "python_args", ())], log_folder()))
    return _clients[0]


def stop_worker() -> None:
    """End the worker if there is one, and what is under way."""
    while _runs:
        run = _runs[-1]
        run.cancel()
        _forget(bpy.context, run)
    while _clients:
        _clients.pop().stop()


def log_folder() -> Path | None:
    """Where the worker writes its log; ``None`` for the user's own log folder."""
    try:
        return user_folder()
    except OSError:  # it cannot be written
        return None


class WorkerOperator(Operator):
    """An operator whose work is done by other processes.

    From a button it is modal with a timer; from a script, or in background, where there is no event loop, it goes
    straight through and raises what goes wrong. Subclasses say what its steps are.
    """

    _in_window = False
    _pops_up = True
    """Whether a failure pops up in a window; the sidebar tells it anyway."""
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
        run = self._run = Run(self.bl_label, self.steps(context))
        returned = self._advance(context, run)
        if self._in_window and not returned:
            manager = context.window_manager
            assert manager is not None
            run.timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
            manager.modal_handler_add(self)
            _runs.append(run)
            run.look()
            show(context)
            return {"RUNNING_MODAL"}
        while not returned:
            run.join()
            returned = self._advance(context, run)
        return returned

    def modal(self, context: Context, event: Event) -> Returned:
        """Look how it goes, at each tick of the timer."""
        run = self._run
        assert run is not None
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            returned = None if run.waits else self._advance(context, run)
        except BaseException:  # a fault of ours must not leave it busy for ever
            view.tell(f"{self.bl_label} failed by a fault of GGG Cloud; Blender's console says which.", icon="ERROR")
            _forget(context, run)
            raise
        if returned:
            _forget(context, run)
            return returned
        if run.look():
            show(context)
        return {"PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        """Blender takes the window away, or opens another file in it; or the file browser is left."""
        run = self._run
        if run is None:
            return
        run.cancel()
        _forget(context, run)
        self._end(
            context,
            f"{self.bl_label} was cancelled, as another file was opened or the window closed.",
            icon="CANCEL",
        )

    def _advance(self, context: Context, run: Run) -> Returned | None:
        """Begin the next step; answers if that was all."""
        try:
            run.advance()
        except StopIteration as end:
            return self._end(context, end.value)
        except (SceneError, JobError, OSError) as error:
            self._end(context, str(error), icon="CANCEL" if run.cancelled else "ERROR")
            return {"CANCELLED"}
        return None

    def _end(self, context: Context, message: str, *, icon: str = "CHECKMARK") -> Returned:
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        view.tell(message, icon=icon)
        show(context)
        if icon != "ERROR":
            self.report({"INFO"}, message)
        elif self._pops_up or not self._in_window:
            self.report({"ERROR"}, message)  # raises in a script
        else:
            self.report({"WARNING"}, message)
        return {"FINISHED"}


def _forget(context: Context, run: Run) -> None:
    """Take a job that is over, well or not, out of the window."""
    assert context.window_manager is not None
    if run.timer is not None:
        context.window_manager.event_timer_remove(run.timer)
        run.timer = None
    run.close()
    if run in _runs:  # stop_worker() may have been before
        _runs.remove(run)
    show(context)


def show(context: Context) -> None:
    """Draw the sidebars and the status bar again, and not the scenes beside them, which may take long."""
    manager = context.window_manager
    assert manager is not None
    for window in manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) == ("VIEW_3D", "UI"):
                    region.tag_redraw()
    _show_status(context, "    ".join(f"GGG Cloud: {run.label} {run.factor:.0%}" for run in _runs) or None)


def _show_status(context: Context, text: str | None) -> None:
    """Show it in the status bar of every workspace, as the user may change over; only if it is new."""
    if _status == [text]:
        return
    _status[:] = [text]
    assert context.window_manager is not None
    for window in context.window_manager.windows:
        for workspace in bpy.data.workspaces:
            with context.temp_override(window=window, workspace=workspace):  # the call ignores what it is called on
                workspace.status_text_set(text)
