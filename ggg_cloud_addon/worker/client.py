"""Blender's side of the worker: starts it late, gives it jobs, and knows how they go. No job is ever waited for here
unless the caller asks to."""

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from .messages import Failed, Finished, Part, Progress, Request, add_part, decode, encode

WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
"""No console, and Blender's window goes first where both want the processor."""
STOP_SECONDS = 5
"""So long the worker may take to end its transfers before it is killed."""
CANCEL_SECONDS = 0.7
"""So long a job may take to end by itself when it is cancelled; on a network that stalls none does."""
KILL_SECONDS = 0.2
"""So long a killed process is waited for."""
AGAIN = ("about", "check", "details", "download", "list", "sync")
"""What may be done again from its beginning, whether or not it was done before. An upload may not: it would replace
what somebody else pushed in between."""
CANCELLED = "It was cancelled; what was under way is done whole or not at all."
MAX_ERRORS = 4096
"""So many bytes of what a worker that died has said are looked at: the last ones."""
BREATH_SECONDS = 0.0005
"""The pause after each part of a long answer, in which Blender's main thread goes on."""


STALLED = (
    "It was stopped with another job that was cancelled and did not end, as the storage does not answer; try again."
)


class JobError(Exception):
    """The job failed; the text is one sentence for a person."""

    def __init__(self, sentence: str, kind: str = "") -> None:
        """``kind`` is that of :class:`.messages.Failed`."""
        super().__init__(sentence)
        self.kind = kind


class Job:
    """One request under way. Its fields are only read here and written by the client's threads."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.done = 0
        """Bytes moved so far."""
        self.total = 0
        """Bytes in all; 0 while nothing is known."""
        self.text = ""
        """The file under way, if it is one of several."""
        self.items_done = 0
        """Files done; while ``items`` is 0, those that a sync has seen so far."""
        self.items = 0
        """Files in all; 0 where it is one, or not known yet."""
        self.cancelled = False
        """Whether somebody asked for that; it may have been too late."""
        self.worker: _Worker | None = None
        """Where it is under way."""
        self._ended = threading.Event()
        self._parts: list[Part] = []
        self._value: Any = None
        self._error: str | None = None
        self._error_kind = ""

    @property
    def ended(self) -> bool:
        """Whether :meth:`wait` would return at once."""
        return self._ended.is_set()

    def join(self) -> None:
        """Wait until it ended, well or not."""
        self._ended.wait()

    def wait(self) -> Any:
        """The job's answer, when it has one.

        Raises:
            JobError: it failed or was cancelled, or the worker cannot be started.
        """
        self.join()
        if self._error is not None:
            raise JobError(self._error, self._error_kind)
        return self._value

    def cancel(self) -> None:
        """Make it end within a second; unless that comes too late, with a JobError."""
        if not self.cancelled and not self.ended:
            self.cancelled = True
            if self.worker is not None:
                self.worker.cancel(self)

    def begin(self, worker: "_Worker") -> None:
        """Called when it is given to a worker, maybe to another one than before."""
        self.worker = worker
        self._parts.clear()
        self.take(Progress(self.request.id, 0, 0))

    def take(self, message: Progress | Part) -> None:
        """Called by the client's reading thread."""
        if isinstance(message, Part):
            self._parts.append(message)
            time.sleep(BREATH_SECONDS)
        else:
            self.done, self.total, self.text = message.done, message.total, message.text
            self.items_done, self.items = message.items_done, message.items

    def end(self, *, value: Any = None, error: str | None = None, kind: str = "") -> None:
        """Called by the client's threads."""
        for part in self._parts:
            add_part(value, part)
        self._value = value
        self._error = error
        self._error_kind = kind
        self._ended.set()


class WorkerClient:
    """The worker process: started by the first job, started again after it died, ended by :meth:`stop`."""

    def __init__(self, python: Sequence[str], log_folder: Path | None) -> None:
        """``python`` is the command of the interpreter; nothing is started yet."""
        self._python = tuple(python)
        self._log_folder = log_folder
        self._ids = itertools.count(1)
        self._worker: _Worker | None = None
        self._lock = threading.Lock()
        """Of the worker: jobs are also given to it again, by a thread of a former one."""

    def submit(self, verb: str, config: dict[str, Any], **arguments: Any) -> Job:
        """Give the worker a job (see :class:`.messages.Request`) and return at once."""
        job = Job(Request(next(self._ids), verb, config, arguments))
        with self._lock:
            self._give(job)
        return job

    def stop(self) -> None:
        """End the worker; jobs under way are cancelled."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def _give(self, job: Job) -> None:
        while self._worker is None or self._worker.is_gone or not self._worker.take(job):
            self._worker = _Worker(self._python, self._log_folder, self._give_again)

    def _give_again(self, job: Job) -> bool:
        """Give it to the next worker, unless this client was stopped."""
        with self._lock:
            if self._worker is None:
                return False
            self._give(job)
        return True


class _Worker:
    """One life of the worker process, from start to end, and the jobs in it.

    A thread starts the process and reads from it, another writes to it, so that a process that is slow to start or to
    read never keeps Blender waiting.
    """

    def __init__(self, python: Sequence[str], log_folder: Path | None, give_again: Callable[[Job], bool]) -> None:
        """``give_again`` takes the jobs of others when this one is killed for a job that was cancelled."""
        self._give_again = give_again
        self._command = [*python, str(Path(__file__).with_name("__main__.py"))]
        self._settings = {"sys_path": sys.path, "log_folder": str(log_folder) if log_folder else None}
        self._jobs: dict[int, Job] = {}
        self._unsent: set[int] = set()
        """Those of them that the process does not know yet: the first ones, until it is up."""
        self._outbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Of the jobs and of the fields below."""
        self._gone = False
        self._killed_for: str | None = None
        """Why it was killed, if it was from here."""
        self._process: subprocess.Popen[bytes] | None = None
        self._life = threading.Thread(target=self._live, name="GGG Cloud worker", daemon=True)
        self._life.start()

    @property
    def is_gone(self) -> bool:
        """Whether it takes no more jobs."""
        return self._gone or (self._process is not None and self._process.poll() is not None)

    def take(self, job: Job) -> bool:
        """Take a job, unless the process has just ended."""
        with self._lock:
            if self._gone:
                return False
            self._jobs[job.request.id] = job
            self._unsent.add(job.request.id)
        job.begin(self)
        self._outbox.put(job.request)
        if job.cancelled:  # while it went over from a worker that was killed, which was told so in vain
            self.cancel(job)
        return True

    def cancel(self, job: Job) -> None:
        """Ask for the job's end, and see to it; what the process was not told yet it never hears of."""
        with self._lock:
            unsent = job.request.id in self._unsent
            if unsent:
                self._forget(job.request.id)
        if unsent:
            job.end(error=CANCELLED)
            return
        self._outbox.put(Request(job.request.id, "cancel"))
        timer = threading.Timer(CANCEL_SECONDS, self._end_by_force, (job,))
        timer.daemon = True
        timer.start()

    def stop(self) -> None:
        """Close its stdin, by which it ends; kill it if it does not."""
        self._outbox.put(None)
        self._life.join(STOP_SECONDS)
        if self._life.is_alive():
            self._kill("The worker beside Blender was stopped while this was under way; try again.")

    def _end_by_force(self, job: Job) -> None:
        """All writes of the engine are whole or not at all, so its process may be killed at any moment."""
        if not job.ended:
            self._kill(STALLED)

    def _kill(self, why: str) -> None:
        with self._lock:
            self._gone = True
            self._killed_for = why
            process = self._process
        if process is not None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a drive that hangs can keep it alive
                process.wait(KILL_SECONDS)
        self._end_jobs(why)

    def _live(self) -> None:
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # Ctrl-C in Blender's terminal is Blender's to handle
                    creationflags=WINDOWS_FLAGS,
                )
            except OSError as error:
                self._end_jobs(f"The worker beside Blender cannot be started: {error}.")
                return
            with self._lock:
                self._process = process
                if self._gone:
                    process.kill()
            assert process.stdin is not None
            assert process.stdout is not None
            writer = threading.Thread(target=self._write, args=(process.stdin,), name="GGG Cloud requests", daemon=True)
            with contextlib.suppress(OSError):  # it died; the next line knows
                process.stdin.write(json.dumps(self._settings).encode() + b"\n")
                process.stdin.flush()
            with process.stdout:
                process.stdout.readline()  # says that it is up
                writer.start()
                for line in process.stdout:
                    self._take(line)
            code = process.wait()
            self._outbox.put(None)
            writer.join()
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - MAX_ERRORS))
            said = errors.read().decode(errors="replace").strip().splitlines()
        how = f"was killed (signal {-code})" if code < 0 else f"stopped (exit code {code})"
        why = f": {said[-1].rstrip('.')}" if said else ""
        self._end_jobs(self._killed_for or f"The worker beside Blender {how}{why}; try again to restart it.")

    def _write(self, stdin: BinaryIO) -> None:
        with contextlib.suppress(OSError):  # it died; the reading thread knows
            while (request := self._outbox.get()) is not None:
                with self._lock:
                    self._unsent.discard(request.id)
                    if request.id not in self._jobs:  # it ended meanwhile
                        continue
                stdin.write(encode(request))
                stdin.flush()
        with contextlib.suppress(OSError):  # it died with a message on the way
            stdin.close()

    def _take(self, line: bytes) -> None:
        try:
            message = decode(line)
        except ValueError:  # the last line of a worker that was killed while it wrote
            return
        job = self._jobs.get(message.id)
        if job is None:
            return
        if isinstance(message, Progress | Part):
            job.take(message)
        elif isinstance(message, Finished | Failed):
            with self._lock:
                self._forget(message.id)
            if isinstance(message, Finished):
                job.end(value=message.value)
            else:
                job.end(error=message.sentence, kind=message.kind)

    def _forget(self, job_id: int) -> None:
        self._jobs.pop(job_id, None)
        self._unsent.discard(job_id)

    def _end_jobs(self, why: str) -> None:
        with self._lock:
            self._gone = True
            jobs, self._jobs = self._jobs, {}
            self._unsent.clear()
        for job in jobs.values():
            if job.cancelled:
                job.end(error=CANCELLED)
            elif not (self._killed_for == STALLED and job.request.verb in AGAIN and self._give_again(job)):
                job.end(error=why)
