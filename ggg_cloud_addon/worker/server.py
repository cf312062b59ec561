"""The worker's own side: reads requests, runs each as a job of the engine, says how it goes."""

import contextlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from ..cloud_storage import CloudStorageConfig, CloudStorageManager, StorageError
from ..cloud_storage.errors import CancelledError, LocalFileError, SdkError
from ..cloud_storage.log import default_log_folder, start_log
from .bundled import advice
from .harmless import shown_text
from .messages import Failed, Message, Progress, Request, answer, decode, encode
from .verbs import VERBS

log = logging.getLogger(__name__)

JOBS_AT_ONCE = 4
PROGRESS_SECONDS = 0.05
"""At most so often Blender hears how far one job is."""
NICENESS = 5
"""Blender's window goes first where both want the processor."""
LAST_SECONDS = 2
"""So long the jobs may take to end when Blender is gone; a store that does not answer keeps no process alive."""


def serve(log_folder: str | None) -> None:
    """Serve the requests on stdin until it closes, which is also what the death of Blender does."""
    if sys.platform != "win32":  # there Blender's side starts it so
        os.nice(NICENESS)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    with contextlib.suppress(LocalFileError):  # a log that cannot be written is no reason not to work
        start_log(Path(log_folder) if log_folder else default_log_folder())
    with contextlib.suppress(BrokenPipeError):  # Blender is gone; stdin says so too
        replies.write(b"\n")  # it is up, see messages.py
        replies.flush()
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
        try:
            value = self._answer(request)
            for message in answer(request.id, value):
                self._say(message)
        except StorageError as error:
            log.exception("Job %d (%s) failed", request.id, request.verb)
            sentence = (isinstance(error, SdkError) and advice()) or str(error)
            self._say(Failed(request.id, shown_text(sentence), type(error).__name__))
        except Exception:
            log.exception("Job %d (%s) failed by a fault of GGG Cloud", request.id, request.verb)
            fault = "GGG Cloud has a fault here; the log says which. Please report it."
            self._say(Failed(request.id, advice() or fault))
        self.cancelled.discard(request.id)

    def _answer(self, request: Request) -> Any:
        tell = _Teller(self, request)
        tell.stop_if_cancelled()  # while it stood in line
        manager = CloudStorageManager(CloudStorageConfig.from_dict(request.config))
        return VERBS[request.verb](manager, tell, **request.arguments)

    def say_progress(self, progress: Progress) -> None:
        """Tell Blender."""
        self._say(progress)

    def _say(self, message: Message) -> None:
        with self._writing:
            try:
                self._replies.write(encode(message))
                self._replies.flush()
            except BrokenPipeError:  # Blender is gone; stdin is about to say so too
                self.closed.set()


class _Teller:
    """Tells how far one job is, now and then (:class:`.verbs.Teller`)."""

    def __init__(self, server: _Server, request: Request) -> None:
        self._server = server
        self._request = request
        self._said = 0.0

    def __call__(self, done: int, total: int, text: str = "", items_done: int = 0, items: int = 0) -> None:
        self.stop_if_cancelled()
        now = time.monotonic()
        if now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self._server.say_progress(Progress(self._request.id, done, total, shown_text(text), items_done, items))

    def stop_if_cancelled(self) -> None:
        """Raise CancelledError if Blender does not want the job any more, or is gone."""
        if self._request.id in self._server.cancelled or self._server.closed.is_set():
            sync = self._request.verb == "sync"
            what = "what was done stays done, and the next sync goes on" if sync else "nothing was changed"
            raise CancelledError(f"It was cancelled; {what}.")
