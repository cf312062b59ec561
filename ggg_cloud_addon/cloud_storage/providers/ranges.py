"""Large objects are read by ranges, several at once: one connection to a cloud is slower than most lines."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from ..errors import CancelledError
from .base import ObjectInfo
from .streams import Fetch, late, resumed

RANGE = 8 << 20
"""Bytes of one."""
MOST = 4
"""Ranges of one object that are fetched ahead."""


class Ahead:
    """What all downloads of a provider may fetch before it is asked for."""

    def __init__(self, pool: ThreadPoolExecutor, ranges: int) -> None:
        """``ranges`` bounds the memory: so many times :data:`RANGE` lie in it at most."""
        self.pool = pool
        self.slots = threading.Semaphore(ranges)


class RangedDownload:
    """An object that is being read, over as many connections as it takes."""

    def __init__(
        self,
        info: ObjectInfo,
        start: int,
        stop: int,
        first: Iterator[bytes],
        first_stop: int,
        fetch: Fetch,
        ahead: Ahead,
    ) -> None:
        """``first`` is on its way already, up to ``first_stop``; ``fetch`` gives the others, of the same ETag.

        Both raise StoreUnavailableError for a broken connection.
        """
        self.info = info
        self._start = start
        self._stop = stop
        self._first = first
        self._first_stop = min(first_stop, stop)
        self._fetch = fetch
        self._ahead = ahead
        self._waiting: deque[_Range] = deque()

    def __iter__(self) -> Iterator[bytes]:
        asked = self._ask(self._first_stop)
        yield from resumed(self.info.key, self._start, self._first_stop, self._first, self._fetch)
        while self._waiting or asked < self._stop:
            if self._waiting:
                yield from self._waiting[0]
                self._waiting.popleft().close()
            else:  # all slots are other downloads'
                begin, asked = asked, min(asked + RANGE, self._stop)
                yield from resumed(self.info.key, begin, asked, late(self._fetch, begin, asked), self._fetch)
            asked = self._ask(asked)

    def close(self) -> None:
        """Fetch nothing more."""
        for each in self._waiting:
            each.close()

    def _ask(self, asked: int) -> int:
        """Begin to fetch what there is room for; the answer is how far."""
        while asked < self._stop and len(self._waiting) < MOST and self._ahead.slots.acquire(blocking=False):
            stop = min(asked + RANGE, self._stop)
            self._waiting.append(_Range(self.info.key, asked, stop, self._fetch, self._ahead))
            asked = stop
        return asked


class _Range:
    """One that is fetched by a thread of the pool, and read by another while it comes."""

    def __init__(self, key: str, start: int, stop: int, fetch: Fetch, ahead: Ahead) -> None:
        self._key = key
        self._start = start
        self._stop = stop
        self._fetch = fetch
        self._chunks: SimpleQueue[bytes | None] = SimpleQueue()
        self._closed = threading.Event()
        self._job = ahead.pool.submit(self._run)
        self._job.add_done_callback(lambda job: ahead.slots.release())

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._chunks.get()) is not None:
            yield chunk
        self._job.result()

    def close(self) -> None:
        """It is not read any more."""
        self._closed.set()
        if self._job.cancel():
            self._chunks.put(None)

    def _run(self) -> None:
        try:
            first = self._ask(self._start, self._stop)
            for chunk in resumed(self._key, self._start, self._stop, first, self._ask, self._closed.wait):
                self._chunks.put(chunk)
                if self._closed.is_set():
                    return
        finally:
            self._chunks.put(None)

    def _ask(self, start: int, stop: int) -> Iterator[bytes]:
        """Nobody is asked for what nobody reads any more."""
        if self._closed.is_set():
            raise CancelledError(f'The download of "{self._key}" was stopped.')
        yield from self._fetch(start, stop)
