"""A limit to the bytes per second that go to and from a cloud."""

import threading
import time
from collections.abc import Callable

STEP = 0.05
"""Seconds: the longest that one piece takes of the limit, and the most that one who comes late makes up for."""


class Rate:
    """A clock on which the time of every byte is booked, one behind the other. Thread-safe.

    Who has had his piece books the next one behind all others', so connections side by side take turns, and none waits
    for longer than a piece of each: short enough for a server, for the progress and for cancelling.
    """

    def __init__(
        self,
        limit: int | None,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """``limit`` is bytes per second, ``None`` for none; the clock gives seconds, and ``wait`` takes them."""
        self._limit = limit
        self._monotonic = monotonic
        self._wait = wait
        self._lock = threading.Lock()
        self._booked = monotonic()

    def piece(self, size: int) -> int:
        """How many bytes to move at a time, of ``size`` that could be."""
        return size if self._limit is None else min(size, max(1, int(self._limit * STEP)))

    def take(self, count: int) -> None:
        """Wait for as long as so many bytes may take, behind all that is booked before."""
        if self._limit is None or not count:
            return
        with self._lock:
            now = self._monotonic()
            self._booked = end = max(self._booked, now - STEP) + count / self._limit
        if end > now:
            self._wait(end - now)
