"""What a sync tells while it runs, always from the thread that called it."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import StorageError
from .plan import SILENT, WAITING, Action


@dataclass(frozen=True)
class Looked:
    """The sync looks at the folder and the store."""

    entries: int
    """Files and objects seen so far."""


@dataclass(frozen=True)
class Planned:
    """It knows what to do."""

    plan: tuple[Action, ...]


@dataclass(frozen=True)
class Began:
    """An action begins; several run side by side."""

    action: Action


@dataclass(frozen=True)
class Moved:
    """Bytes of an action went up or came down."""

    action: Action
    done: int
    size: int
    """In all. Keeping both sides of a conflict moves one file each way, one after the other."""


@dataclass(frozen=True)
class Ended:
    """An action is done, or failed."""

    action: Action
    error: StorageError | None = None


@dataclass(frozen=True)
class LooksInto:
    """When all is done, the sync looks into a .blend file for what it needs."""

    path: str


SyncEvent = Looked | Planned | Began | Moved | Ended | LooksInto
OnEvent = Callable[[SyncEvent], object]
"""Raise CancelledError in it to stop the sync."""


class Totals:
    """Adds up what a sync tells: bytes and actions of those that do something."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self.done = self.total = 0
        """Bytes."""
        self.ended = self.actions = 0
        self._moved: dict[Action, int] = {}
        """Bytes, of the actions under way."""

    @property
    def path(self) -> str:
        """Of the action that began first of those under way; empty if none is."""
        return next((each.path for each in self._moved), "")

    def add(self, event: SyncEvent) -> None:
        """Take what was told into account."""
        if isinstance(event, Planned):
            actions = [each for each in event.plan if each.kind not in (*WAITING, *SILENT)]
            self.actions = len(actions)
            self.total = sum(each.size for each in actions)
        elif isinstance(event, Began):
            self._moved[event.action] = 0
        elif isinstance(event, Moved):
            self._move(event.action, event.done)
        elif isinstance(event, Ended):
            self._move(event.action, event.action.size)
            del self._moved[event.action]
            self.ended += event.action.kind not in SILENT

    def _move(self, action: Action, done: int) -> None:
        self.done += done - self._moved[action]
        self._moved[action] = done
