"""How much runs at once: a few large transfers, which fill a line, or many small ones, which wait for answers."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")

UNIT = 1 << 20
"""Bytes of a transfer that counts as a small one."""
WORK = 0.0004
"""Seconds of CPU for a small transfer. One that takes so many times longer waits, and so many others can run meanwhile;
with more the threads only take the interpreter's lock from each other."""
FEW = 2
"""Small transfers at once where nothing is to be waited for."""
FORGET = 1.02
"""So much longer the shortest time is taken to be after each small transfer, as a line may change."""


def most_at_once(concurrency: int) -> int:
    """The threads that :class:`InFlight` needs."""
    return concurrency * concurrency


class InFlight(Generic[Item]):
    """A run of transfers. Its threads take one after the other by themselves, so that nobody has to be woken for each.

    ``concurrency`` large ones run at once, or up to its square of small ones, as the line's latency asks; what lies
    between takes its share by its bytes, which may be in memory.
    """

    def __init__(
        self,
        pool: Executor,
        concurrency: int,
        items: Iterable[tuple[Item, int]],
        job: Callable[[Item], object],
    ) -> None:
        """Begin with ``job(item)`` for each ``(item, bytes)``; jobs raise nothing.

        ``pool`` has :func:`most_at_once` threads. It may take time to get at the next item.
        """
        self._pool = pool
        self._concurrency = concurrency
        self._items = iter(items)
        self._job = job
        self._taking = threading.Lock()
        self._room = threading.Condition()
        self._free = self._most = most_at_once(concurrency)
        self._threads = 0
        self._shortest = 0.0
        self._has_ended = threading.Event()
        with self._room:
            self._grow(concurrency)

    @property
    def at_once(self) -> int:
        """How many run now, or could."""
        return self._threads

    def stop(self) -> None:
        """Begin nothing more."""
        with self._taking:
            self._items = iter(())

    def wait(self) -> None:
        """Until all have ended."""
        self._has_ended.wait()

    def _run(self) -> None:
        while True:
            with self._taking:
                item, size = next(self._items, (None, -1))
            if item is None:
                break
            weight = min(max(1, -(-size // UNIT)), self._concurrency)
            self._take(weight)
            begun = time.perf_counter()
            self._job(item)
            if self._give_back(weight, time.perf_counter() - begun):
                return
        with self._room:
            self._threads -= 1
            if self._threads:
                return
        self._has_ended.set()

    def _take(self, weight: int) -> None:
        with self._room:
            if weight > 1:
                self._grow(self._concurrency)
            while self._free < weight:
                self._room.wait()
            self._free -= weight

    def _give_back(self, weight: int, seconds: float) -> bool:
        """Whether this thread is one too many."""
        with self._room:
            self._free += weight
            self._room.notify_all()
            if weight > 1:
                return False
            self._shortest = min(seconds, self._shortest * FORGET) if self._shortest else seconds
            wanted = min(max(FEW, int(self._shortest / WORK)), self._most)
            if self._threads > wanted:
                self._threads -= 1
                return True
            self._grow(wanted)
            return False

    def _grow(self, wanted: int) -> None:
        while self._threads < wanted:
            self._threads += 1
            self._pool.submit(self._run)
