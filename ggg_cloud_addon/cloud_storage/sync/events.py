"""What a sync tells while it runs, always from the thread that called it."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import StorageError
from .plan import Action


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


SyncEvent = Looked | Planned | Began | Moved | Ended
OnEvent = Callable[[SyncEvent], object]
"""Raise CancelledError in it to stop the sync."""
