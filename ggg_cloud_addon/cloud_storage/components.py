"""What the engine tells about components: plain values, independent of any store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from .errors import StorageError


@dataclass(frozen=True)
class ComponentInfo:
    """One component as the store has it. A store that does not tell a value leaves it ``None``."""

    component_id: str
    """The object's key below the prefix."""
    size: int
    """Bytes."""
    modified: datetime
    """Aware, UTC."""
    etag: str
    """Changes with every change of the object; the token of conditional writes and deletes."""
    created: datetime | None = None
    """Aware, UTC."""
    version_id: str | None = None
    sha256: str | None = None
    """Of the content, in hex. A listing does not tell it; :meth:`CloudStorageManager.get_info` does."""
    tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ComponentVersion:
    """One version of a component, the current one or an older one."""

    component_id: str
    version_id: str
    size: int
    """Bytes."""
    modified: datetime
    """Aware, UTC: when this version was written."""
    is_current: bool


@dataclass(frozen=True)
class BatchResult:
    """What became of one item of a batch: ``info`` (``None`` for a delete) or ``error``."""

    component_id: str
    path: Path | None = None
    info: ComponentInfo | None = None
    error: StorageError | None = None

    @property
    def ok(self) -> bool:
        """Whether this item was done."""
        return self.error is None
