"""The engine: components in storage, without Blender.

.. code-block:: python

    config = CloudStorageConfig(provider="mock", root="store")
    manager = CloudStorageManager(config)
    if manager.authenticate():
        manager.upload_component("arm.blend", "robot/arm.blend")
"""

import logging

from .components import BatchResult, ComponentInfo, ComponentVersion
from .config import CloudStorageConfig
from .errors import StorageError
from .manager import CloudStorageManager
from .providers.base import IfAbsent, IfMatch
from .sync import StorageSynchronizer, SyncConfig, SyncResult

# A library is silent unless its program starts a log (see log.start_log).
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "BatchResult",
    "CloudStorageConfig",
    "CloudStorageManager",
    "ComponentInfo",
    "ComponentVersion",
    "IfAbsent",
    "IfMatch",
    "StorageError",
    "StorageSynchronizer",
    "SyncConfig",
    "SyncResult",
]
