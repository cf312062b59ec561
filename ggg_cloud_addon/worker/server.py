"""The worker's own side: reads requests, runs each as a job of the engine, says how it goes."""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..cloud_storage import CloudStorageConfig, CloudStorageManager, ComponentInfo, StorageError
from ..cloud_storage.errors import CancelledError, LocalFileError
from ..cloud_storage.log import default_log_folder, start_log
from .messages import Failed, Finished, Message, Progress, Request, decode, encode

log = logging.getLogger(__name__)

JOBS_AT_ONCE = 4
PROGRESS_SECONDS = 0.05
"""At most so often Blender hears of one job's bytes."""
LAST_SECONDS = 2
"""So long the jobs may take to end when Blender is gone; a store that does not answer keeps no process alive."""


def serve(log_folder: str | None) -> None:
    """Serve the requests on stdin until it closes, which is also what the death of Blender does."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    with contextlib.suppress(LocalFileError):  # a log that cannot be written is no reason not to work
        start_log(Path(log_folder) if log_folder else default_log_folder())
    server = _Server(replies)
    pool = ThreadPoolExecutor(JOBS_AT_ONCE)
    for line in sys.stdin.buffer:
        try:
            request = decode(line)
        except ValueError:
            log.exception("Not a request")
            continue
        if not isinstance(request, Request):
            log.error("Not a request: %r", request)
        elif request.verb == "cancel":
            server.cancelled.add(request.id)
        else:
            pool.submit(server.run, request)
    server.closed.set()
    end = threading.Timer(LAST_SECONDS, os._exit, (1,))
    end.daemon = True
    end.start()
    pool.shutdown(cancel_futures=True)


class _Server:
    def __init__(self, replies: BinaryIO) -> None:
        self.cancelled: set[int] = set()
        self.closed = threading.Event()
        self._replies = replies
        self._writing = threading.Lock()

    def run(self, request: Request) -> None:
        """Do one job and answer it, whatever happens."""
        reply: Message
        try:
            reply = Finished(request.id, self._answer(request))
        except StorageError as error:
            log.exception("Job %d (%s) failed", request.id, request.verb)
            reply = Failed(request.id, str(error))
        except Exception:
            log.exception("Job %d (%s) failed by a fault of GGG Cloud", request.id, request.verb)
            reply = Failed(request.id, "GGG Cloud has a fault here; the log says which. Please report it.")
        self.cancelled.discard(request.id)
        self._say(reply)

    def _answer(self, request: Request) -> Any:
        self._stop_if_cancelled(request.id)  # while it stood in line
        manager = CloudStorageManager(CloudStorageConfig.from_dict(request.config))
        verbs: dict[str, Callable[..., Any]] = {
            "upload": self._upload,
            "download": self._download,
            "list": self._list,
        }
        return verbs[request.verb](manager, request.id, **request.arguments)

    def _upload(self, manager: CloudStorageManager, job: int, path: str, component_id: str) -> dict[str, Any]:
        return _plain(manager.upload_component(path, component_id, progress=self._progress(job)))

    def _download(
        self, manager: CloudStorageManager, job: int, component_id: str, path: str, overwrite: bool
    ) -> dict[str, Any]:
        progress = self._progress(job)
        return _plain(manager.download_component(component_id, path, overwrite=overwrite, progress=progress))

    def _list(self, manager: CloudStorageManager, job: int) -> list[dict[str, Any]]:
        return [_plain(info) for info in manager.list_components()]

    def _progress(self, job: int) -> Callable[[int, int], None]:
        said = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal said
            self._stop_if_cancelled(job)
            now = time.monotonic()
            if now - said >= PROGRESS_SECONDS:
                said = now
                self._say(Progress(job, done, total))

        return progress

    def _stop_if_cancelled(self, job: int) -> None:
        if job in self.cancelled or self.closed.is_set():
            raise CancelledError("It was cancelled; nothing was changed.")

    def _say(self, message: Message) -> None:
        with self._writing:
            try:
                self._replies.write(encode(message))
                self._replies.flush()
            except BrokenPipeError:  # Blender is gone; stdin is about to say so too
                self.closed.set()


def _plain(info: ComponentInfo) -> dict[str, Any]:
    """A ComponentInfo as JSON can hold it: times as seconds since 1970, UTC."""
    values = asdict(info)
    for name in ("created", "modified"):
        if values[name] is not None:
            values[name] = values[name].timestamp()
    return values
