"""Blender's side of the worker: starts it late, gives it jobs, and knows how they go. No job is ever waited for here
unless the caller asks to."""

import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .messages import Failed, Finished, Progress, Request, decode, encode

STOP_SECONDS = 5
"""So long the worker may take to end its transfers before it is killed."""


class JobError(Exception):
    """The job failed; the text is one sentence for a person."""


class Job:
    """One request under way. Its fields are only read here and written by the client's reading thread."""

    def __init__(self, client: "WorkerClient", request: Request) -> None:
        self.done = 0
        """Bytes moved so far."""
        self.total = 0
        """Bytes in all; 0 while nothing is known."""
        self.request = request
        self._client = client
        self._ended = threading.Event()
        self._value: Any = None
        self._error: str | None = None

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
            JobError: it failed or was cancelled.
        """
        self.join()
        if self._error is not None:
            raise JobError(self._error)
        return self._value

    def cancel(self) -> None:
        """Ask the worker to stop it; unless that comes too late, it then ends with a JobError."""
        self._client.send(Request(self.request.id, "cancel"))

    def end(self, *, value: Any = None, error: str | None = None) -> None:
        """Called by the client's reading thread."""
        self._value = value
        self._error = error
        self._ended.set()


class WorkerClient:
    """The worker process: started by the first job, started again after it died, ended by :meth:`stop`."""

    def __init__(self, python: Sequence[str], log_folder: Path | None) -> None:
        """``python`` is the command of the interpreter; nothing is started yet."""
        self._python = tuple(python)
        self._log_folder = log_folder
        self._ids = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._jobs: dict[int, Job] = {}
        self._writing = threading.Lock()

    def submit(self, verb: str, config: dict[str, Any], **arguments: Any) -> Job:
        """Give the worker a job (see :class:`.messages.Request`) and return at once.

        Raises:
            JobError: the worker cannot be started.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        job = Job(self, Request(next(self._ids), verb, config, arguments))
        self._jobs[job.request.id] = job
        self.send(job.request)
        return job

    def send(self, request: Request) -> None:
        """Write a request; if the worker is dead, this ends its job."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._writing:
            try:
                process.stdin.write(encode(request))
                process.stdin.flush()
            except (OSError, ValueError):
                with contextlib.suppress(OSError):
                    process.stdin.close()  # with what it could not write
                job = self._jobs.pop(request.id, None)
                if job is not None:
                    job.end(error="The worker beside Blender stopped; try again to restart it.")

    def stop(self) -> None:
        """End the worker; jobs under way are cancelled."""
        process, self._process = self._process, None
        if process is None:
            return
        with self._writing:
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # it died with a message on the way
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()

    def _start(self) -> None:
        if self._reader is not None:
            self._reader.join()  # so that it ends the former worker's jobs only
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - the reading thread closes it
        try:
            self._process = subprocess.Popen(
                [*self._python, str(Path(__file__).with_name("__main__.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in Blender's terminal is Blender's to handle
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            errors.close()
            raise JobError(f"The worker beside Blender cannot be started: {error}.") from error
        settings = {"sys_path": sys.path, "log_folder": str(self._log_folder) if self._log_folder else None}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        self._reader = threading.Thread(target=self._read, args=(self._process, errors), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes], errors: Any) -> None:
        """Hand the worker's messages to their jobs; when it ends, end what it has not ended."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._take(line)
        code = process.wait()
        with errors:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
        why = f": {said[-1]}" if said else ""
        for job in list(self._jobs.values()):
            self._jobs.pop(job.request.id, None)
            job.end(error=f"The worker beside Blender stopped (exit code {code}){why}; try again to restart it.")

    def _take(self, line: bytes) -> None:
        try:
            message = decode(line)
        except ValueError:  # the last line of a worker that was killed while it wrote
            return
        job = self._jobs.get(message.id)
        if job is None:
            return
        if isinstance(message, Progress):
            job.done, job.total = message.done, message.total
        elif isinstance(message, Finished | Failed):
            self._jobs.pop(message.id, None)
            if isinstance(message, Finished):
                job.end(value=message.value)
            else:
                job.end(error=message.sentence)
