"""Actions side by side, told and remembered by one thread."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from ..errors import CancelledError, StorageError
from ..in_flight import InFlight
from .apply import Applier, Known
from .events import Began, Ended, Moved, OnEvent
from .plan import SILENT, Action
from .result import SyncResult
from .state import State

log = logging.getLogger(__name__)


class Runner:
    """Carries out actions in a pool; callbacks, state and result are touched by the calling thread alone."""

    def __init__(
        self,
        applier: Applier,
        pool: Executor,
        in_flight: InFlight,
        state: State,
        result: SyncResult,
        say: Callable[[str], object],
        tell: OnEvent,
    ) -> None:
        """``in_flight`` says how many actions run at once; each one's end goes into ``state`` and ``result``."""
        self._applier = applier
        self._pool = pool
        self._in_flight = in_flight
        self._state = state
        self._result = result
        self._say = say
        self._tell = tell
        self._stopped = threading.Event()
        self._running = 0
        self._news: queue.SimpleQueue[Moved | tuple[Ended, Known] | BaseException] = queue.SimpleQueue()

    def run(self, actions: list[Action]) -> None:
        """Carry them out; what fails for one does not stop the others.

        Raises:
            CancelledError: a callback stopped it; so do what runs in the pool.
        """
        waiting = deque(actions)
        try:
            while True:
                while waiting and self._in_flight.take(waiting[0].size, wait=False):
                    self._begin(waiting.popleft())
                if not self._running:
                    return
                self._tell(self._next())
        except BaseException:
            self._stopped.set()
            while self._running:  # what is done in spite of that is remembered
                self._next()
            raise

    def _begin(self, action: Action) -> None:
        if action.kind not in SILENT:
            self._say(f"{action.kind.value}: {action.path} ({action.reason})")
        self._tell(Began(action))
        self._pool.submit(self._apply, action)
        self._running += 1

    def _next(self) -> Moved | Ended:
        """Wait for news from the pool; an end goes into the state and the result."""
        news = self._news.get()
        if isinstance(news, Moved):
            return news
        self._running -= 1
        if isinstance(news, BaseException):
            raise news
        ended, known = news
        for path, file in known.items():
            self._state.remember(path, file)
        if ended.error is None:
            self._result.done.append(ended.action)
        else:
            self._result.errors[ended.action.path] = ended.error
        return ended

    def _apply(self, action: Action) -> None:
        """In the pool."""
        news: tuple[Ended, Known] | BaseException
        try:
            news = Ended(action), self._applier.apply(action, partial(self._progress, action))
        except StorageError as error:
            log.warning("Sync of %s failed", action.path, exc_info=error)
            news = Ended(action, error), {}
        except BaseException as error:  # noqa: BLE001  # the calling thread raises it
            news = error
        self._in_flight.give_back(action.size)
        self._news.put(news)

    def _progress(self, action: Action, done: int, size: int) -> None:
        if self._stopped.is_set():
            raise CancelledError("The sync was stopped.")
        self._news.put(Moved(action, done, size))
