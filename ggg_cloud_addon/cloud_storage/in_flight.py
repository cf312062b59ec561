"""How much runs at once: a few large transfers, which fill a line, or many small ones, which wait for answers."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

UNIT = 1 << 20
"""Bytes."""


class InFlight:
    """Two budgets in one: transfers, and the bytes that they have in memory."""

    def __init__(self, concurrency: int) -> None:
        """``concurrency`` large transfers may run at once, or its square of those up to :data:`UNIT`."""
        self._largest = concurrency
        self.threads = concurrency * concurrency
        """As many as can run at once."""
        self._free = self.threads
        self._changed = threading.Condition()

    def weigh(self, size: int) -> int:
        """How much of the budget a transfer of so many bytes takes."""
        return min(max(1, -(-size // UNIT)), self._largest)

    def take(self, size: int, *, wait: bool = True) -> bool:
        """Take that much; whether there was so much left."""
        weight = self.weigh(size)
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._free >= weight)
            if self._free < weight:
                return False
            self._free -= weight
            return True

    def give_back(self, size: int) -> None:
        """A transfer that took it has ended."""
        with self._changed:
            self._free += self.weigh(size)
            self._changed.notify_all()

    def map(self, job: Callable[[Item], Result], items: Iterable[tuple[Item, int]]) -> list[Result]:
        """Do a job for each ``(item, bytes)``, as many at once as there is room for; the answers in order."""
        with ThreadPoolExecutor(self.threads) as pool:
            running: list[Future[Result]] = []
            for item, size in items:
                self.take(size)
                running.append(pool.submit(job, item))
                running[-1].add_done_callback(lambda _, size=size: self.give_back(size))  # type: ignore[misc]
            return [each.result() for each in running]
