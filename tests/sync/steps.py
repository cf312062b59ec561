"""Every step of a sync that changes or reads something, counted: to let something happen at one, or to die at it.

Steps are the requests to the store, the pieces of their bytes, and what Python's audit events tell of the disk.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ggg_cloud_addon.cloud_storage import files
from ggg_cloud_addon.cloud_storage.providers.base import Download, Source

EVENTS = {
    "open": "open",
    "os.link": "link",
    "os.listdir": "look",
    "os.mkdir": "make",
    "os.remove": "remove",
    "os.rename": "rename",
    "os.rmdir": "remove",
    "os.scandir": "look",
    "os.truncate": "open",
    "os.utime": "touch",
    "sqlite3.connect": "state",
}
REQUESTS = ("check", "list", "head", "get", "put", "delete", "erase")
KINDS = ("any", *sorted({*EVENTS.values()}), *REQUESTS, "bytes")


class Crash(BaseException):
    """The process died."""


class Steps:
    """Lets ``act`` happen at the n-th step of a kind, or a crash if there is no ``act``.

    A dead process does nothing any more: after the crash every further step fails too, so that no clean-up runs.
    """

    def __init__(self, kind: str, number: int, act: Callable[[str | None], object] | None, roots: list[Path]) -> None:
        """``act`` is told which file the step is about to replace; ``roots`` are the folders whose steps count."""
        self._kind = kind
        self._left = number
        self._act = act
        self._roots = tuple(f"{root}{os.sep}" for root in roots)
        self._muted = False
        self.fired = False
        self.dead = False

    def take(self, kind: str, replaces: str | None = None) -> None:
        """Called right before each step."""
        if self.dead:
            raise Crash
        if self._muted or self.fired or self._kind not in ("any", kind):
            return
        self._left -= 1
        if self._left > 0:
            return
        self.fired = True
        if self._act is None:
            self.dead = True
            raise Crash
        self._muted = True
        try:
            self._act(replaces)
        finally:
            self._muted = False

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """An audit event; locks are no step, as nothing hangs on the moment they are taken."""
        paths = [str(each) for each in arguments[:2]]
        if files._holding.locked() and not self.dead:
            return  # while a lock is taken nothing else of this process can happen, and nothing hangs on it
        if any(path.startswith(self._roots) for path in paths) and (self.dead or not paths[0].endswith("lock")):
            self.take(EVENTS[event], paths[1] if event == "os.rename" else None)


_listening: list[Steps] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _listening and event in EVENTS:
        _listening[-1].hear(event, arguments)


sys.addaudithook(_hear)  # for good: Python knows no way to take it back


@contextlib.contextmanager
def listening(steps: Steps) -> Iterator[None]:
    """Count the steps meanwhile."""
    _listening.append(steps)
    try:
        yield
    finally:
        _listening.pop()


class SteppedProvider:
    """Passes every call on, and tells ``steps``."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in REQUESTS:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._steps.take(name)
            answer = found(*arguments, **options)
            self._steps.take(name)
            return answer

        return call

    def put(self, key: str, source: Source, **options: Any) -> Any:
        self._steps.take("put")
        answer = self._inner.put(key, _SteppedSource(source, self._steps), **options)
        self._steps.take("put")
        return answer

    @contextlib.contextmanager
    def get(self, key: str, **options: Any) -> Iterator[Download]:
        self._steps.take("get")
        with self._inner.get(key, **options) as download:
            yield _SteppedDownload(download, self._steps)
        self._steps.take("get")


class _SteppedDownload:
    def __init__(self, inner: Download, steps: Steps) -> None:
        self.info = inner.info
        self._inner = inner
        self._steps = steps

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self._steps.take("bytes")
            yield chunk


class _SteppedSource:
    def __init__(self, inner: Source, steps: Steps) -> None:
        self.size = inner.size
        self.verify = inner.verify
        self._inner = inner
        self._steps = steps

    def open(self) -> BinaryIO:
        steps = self._steps
        reader = self._inner.open()
        read = reader.read

        class Reader:
            def __enter__(self) -> "Reader":
                return self

            def __exit__(self, *_: object) -> None:
                reader.close()

            def fileno(self) -> int:
                return reader.fileno()

            def read(self, size: int = -1) -> bytes:
                steps.take("bytes")
                return read(size)

        return Reader()  # type: ignore[return-value]
