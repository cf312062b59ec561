"""Actions side by side, told and remembered by one thread."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from ..errors import CancelledError, StorageError
from ..in_flight import UNIT, InFlight, Steps, most_at_once
from .apply import Applier, Known
from .events import Began, Ended, Moved, OnEvent
from .plan import SILENT, Action
from .result import SyncResult
from .state import State

log = logging.getLogger(__name__)

NAP = 0.01
"""Seconds. To be woken for each of many small files takes as long as the file, as does the fight for the interpreter's
lock; so where the pool has enough to do the news are left to gather."""


class Runner:
    """Carries out actions in a pool; callbacks, state and result are touched by the calling thread alone."""

    def __init__(
        self,
        applier: Applier,
        pool: Executor,
        concurrency: int,
        state: State,
        result: SyncResult,
        say: Callable[[str], object],
        tell: OnEvent,
    ) -> None:
        """``concurrency`` is as for :class:`~..in_flight.InFlight`; each action's end goes into state and result."""
        self._applier = applier
        self._pool = pool
        self._concurrency = concurrency
        self._state = state
        self._result = result
        self._say = say
        self._tell = tell
        self.remembered: set[str] = set()
        """The paths whose place in the state was set."""
        self._stopped = threading.Event()
        self._begun = 0
        self._ready: queue.SimpleQueue[tuple[Action, int] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[Moved | tuple[Ended, Known] | BaseException] = queue.SimpleQueue()

    def run(self, actions: list[Action]) -> None:
        """Carry them out; what fails for one does not stop the others.

        Raises:
            CancelledError: a callback stopped it; so do what runs in the pool.
        """
        to_do = iter(self._ready.get, None)
        running = InFlight(self._pool, self._concurrency, to_do, self._apply, lambda: not self._ready.empty())
        waiting, most = deque(actions), most_at_once(self._concurrency)
        try:
            while True:
                # A few more than can run, or the pool's threads would have to wait for this one.
                enough = 2 * running.at_once if self._concurrency > 1 else 1
                while waiting and self._begun < (enough if waiting[0].size > UNIT else max(enough, most)):
                    self._begin(waiting.popleft())
                if not self._begun:
                    return
                if self._begun > 2 * enough:
                    time.sleep(NAP)
                self._tell(self._next())
                while not self._news.empty():
                    self._tell(self._next())
        except BaseException:
            self._stopped.set()
            while self._begun:  # what is done in spite of that is remembered
                self._next()
            raise
        finally:
            self._ready.put(None)
            running.wait()

    def _begin(self, action: Action) -> None:
        if action.kind not in SILENT:
            self._say(f"{action.kind.value}: {action.path} ({action.reason})")
        self._tell(Began(action))
        self._begun += 1
        self._ready.put((action, action.size))

    def _next(self) -> Moved | Ended:
        """Wait for news from the pool; an end goes into the state and the result."""
        news = self._news.get()
        if isinstance(news, Moved):
            return news
        self._begun -= 1
        if isinstance(news, BaseException):
            raise news
        ended, known = news
        for path, file in known.items():
            self._state.remember(path, file)
            self.remembered.add(path)
        if ended.error is None:
            self._result.done.append(ended.action)
        else:
            self._result.errors[ended.action.path] = ended.error
        return ended

    def _apply(self, action: Action) -> Steps[None]:
        """In the pool."""
        try:
            if self._stopped.is_set():
                raise _stopped()
            known = yield from self._applier.apply(action, partial(self._progress, action))
            self._news.put((Ended(action), known))
        except StorageError as error:
            log.warning("Sync of %s failed", action.path, exc_info=error)
            self._news.put((Ended(action, error), {}))
        except BaseException as error:  # noqa: BLE001  # the calling thread raises it
            self._news.put(error)

    def _progress(self, action: Action, done: int, size: int) -> None:
        if self._stopped.is_set():
            raise _stopped()
        self._news.put(Moved(action, done, size))


def _stopped() -> CancelledError:
    return CancelledError("The sync was stopped.")
