"""Two-way sync of a folder with a store: scan -> plan -> apply, and the state between runs."""

from .config import SyncConfig
from .events import SyncEvent
from .result import SyncResult
from .status import Status, compare
from .synchronizer import StorageSynchronizer

__all__ = ["Status", "StorageSynchronizer", "SyncConfig", "SyncEvent", "SyncResult", "compare"]
