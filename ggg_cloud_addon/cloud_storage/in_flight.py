"""How much runs at once: a few large transfers, which fill a line, or many small ones, which wait for answers."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Steps = Generator[None, None, Result]
"""A transfer. It yields where it has asked and would wait for the answer; never, if it does not ask ahead."""

UNIT = 1 << 20
"""Bytes of a transfer that counts as a small one."""
WORK = 0.0004
"""Seconds of CPU for a small transfer. One that takes so many times longer waits, and so many others can run meanwhile;
with more the threads only take the interpreter's lock from each other."""
FEW = 2
"""Small transfers at once where nothing is to be waited for."""
AHEAD = 16
"""There, so many are asked for by one thread before it waits for the first: alone it has the interpreter's lock without
asking for it, which is a third of what a small file costs. The next ones are asked for when half of them have come,
eight in a row: each request by itself would wake a server beside us, which on two cores takes our processor away."""
LATELY = 40
"""Small transfers whose shortest time says how long a line makes one wait; it may change."""

BUSY = 0.7
"""CPU seconds a second, which small transfers take where they wait for nothing but each other."""
LOOK = 0.01
"""Seconds over which that is measured."""
END = object()
"""What comes after the last step."""


def most_at_once(concurrency: int) -> int:
    """The threads that :class:`InFlight` needs."""
    return concurrency * concurrency


def all_at_once(steps: Steps[Result]) -> Result:
    """What they come to, with nothing done in between."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


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
        job: Callable[[Item], Steps[Any]],
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin with ``job(item)`` for each ``(item, bytes)``; jobs raise nothing.

        ``pool`` has :func:`most_at_once` threads. It may take time to get at the next item, unless ``is_ready``.
        """
        self._pool = pool
        self._concurrency = concurrency
        self._items = iter(items)
        self._is_ready = is_ready
        self._job = job
        self._taking = threading.Lock()
        self._room = threading.Condition()
        self._free = self._most = most_at_once(concurrency)
        self._threads = self._leaving = 0
        self._wanted = concurrency
        self._ahead = 1
        self._seconds: deque[float] = deque(maxlen=LATELY)
        self._limit = self._most
        self._looked, self._cpu = time.perf_counter(), 0.0
        self._has_ended = threading.Event()
        with self._room:
            self._grow(concurrency)

    @property
    def at_once(self) -> int:
        """How many run now, or could."""
        return self._threads * self._ahead

    def stop(self) -> None:
        """Begin nothing more."""
        with self._taking:
            self._items = iter(())

    def wait(self) -> None:
        """Until all have ended."""
        self._has_ended.wait()

    def _run(self) -> None:
        begun: deque[_Transfer] = deque()
        asked: deque[float] = deque(maxlen=AHEAD)
        is_leaving = False
        while True:
            is_low = len(begun) <= self._ahead // 2
            while not is_leaving and (not begun or (is_low and begun[-1].is_begun and len(begun) < self._ahead)):
                transfer = self._next(wait=not begun)
                if transfer is None:
                    break
                begun.append(transfer)
                if transfer.weight == 1 and self._take(1, wait=len(begun) == 1):
                    transfer.begin()  # else it is begun when all before it have ended
            if not begun:
                break
            transfer = begun.popleft()
            if not transfer.is_begun:
                self._take(transfer.weight)
            transfer.end()
            asked.append(transfer.seconds)
            # Of those that were asked ahead only one waits.
            seconds = max(asked) if transfer.asked_ahead else transfer.seconds
            self._give_back(transfer, seconds)
            is_leaving = is_leaving or (transfer.weight == 1 and self._leaves())
        with self._room:
            self._threads -= 1
            self._leaving -= is_leaving
            if self._threads:
                return
        self._has_ended.set()

    def _next(self, *, wait: bool) -> "_Transfer | None":
        if not self._taking.acquire(blocking=wait):
            return None
        try:
            if not wait and not self._is_ready():
                return None
            item, size = next(self._items, (None, -1))
        finally:
            self._taking.release()
        if item is None:
            return None
        return _Transfer(self._job(item), min(max(1, -(-size // UNIT)), self._concurrency))

    def _take(self, weight: int, *, wait: bool = True) -> bool:
        with self._room:
            if weight > 1:
                self._grow(self._concurrency)
            while self._free < weight:
                if not wait:
                    return False
                self._room.wait()
            self._free -= weight
            return True

    def _give_back(self, transfer: "_Transfer", seconds: float) -> None:
        with self._room:
            self._free += transfer.weight
            self._room.notify_all()
            if transfer.weight > 1:
                return
            self._seconds.append(seconds)
            self._cpu += transfer.cpu
            self._look()
            self._wanted = min(max(FEW, min(int(min(self._seconds) / WORK), self._limit)), self._most)
            self._ahead = 1
            if self._wanted == FEW and transfer.asked_ahead:
                self._wanted, self._ahead = 1, AHEAD
            self._grow(self._wanted)

    def _look(self) -> None:
        """Set a limit where the threads wait for each other, which takes time too, and not for answers."""
        now = time.perf_counter()
        if now - self._looked > LOOK:
            is_busy = self._cpu > BUSY * (now - self._looked)
            self._limit = self._threads * 3 // 4 if is_busy else self._most
            self._looked, self._cpu = now, 0.0

    def _leaves(self) -> bool:
        """Whether this thread is one too many; it ends what it has begun, and takes no more."""
        with self._room:
            if self._threads - self._leaving <= self._wanted:
                return False
            self._leaving += 1
            return True

    def _grow(self, wanted: int) -> None:
        while self._threads - self._leaving < wanted:
            self._threads += 1
            self._pool.submit(self._run)


class _Transfer:
    def __init__(self, steps: Steps[Any], weight: int) -> None:
        self._steps = steps
        self.weight = weight
        self.is_begun = False
        self.asked_ahead = False
        self.seconds = self.cpu = 0.0
        """Seconds in which its thread did nothing else, and those of the CPU."""

    def begin(self) -> None:
        """Up to where it would wait."""
        self.is_begun = True
        self.asked_ahead = self._advance() is not END

    def end(self) -> None:
        """All of it."""
        while self._advance() is not END:
            pass

    def _advance(self) -> object:
        """One step; :data:`END` behind the last one."""
        began, cpu = time.perf_counter(), time.thread_time()
        step = next(self._steps, END)
        self.seconds += time.perf_counter() - began
        self.cpu += time.thread_time() - cpu
        return step
