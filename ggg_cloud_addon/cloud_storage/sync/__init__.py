"""Two-way sync of a folder with a store: scan -> plan -> apply, and the state between runs."""

from .config import SyncConfig
from .events import SyncEvent
from .result import SyncResult
from .synchronizer import StorageSynchronizer

__all__ = ["StorageSynchronizer", "SyncConfig", "SyncEvent", "SyncResult"]
