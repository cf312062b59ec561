"""Which multipart uploads this machine has begun: so that one that was killed is resumed, or aborted.

S3 keeps the parts of an unfinished upload, and bills them, until somebody aborts it. It does not tell whose it is or
whether its writer is alive. So each upload has a record here, and a lock that its process holds while it lives.
"""

import contextlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from ..config import APP
from ..files import translated

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """One unfinished upload of this machine's."""

    store: str
    key: str
    content: str
    """The SHA-256 of the whole content, or the ETag of what is copied: with the same part size, equal parts."""
    part_size: int
    """0: no content, but a question for the server about its conditions."""
    options: str
    """What the object is made with besides its content."""
    upload_id: str | None = None
    """``None`` while the store has not answered yet."""


class UnfinishedUploads:
    """The records of one store's uploads."""

    def __init__(self, store: str, folder: Path | None = None) -> None:
        """``store`` tells the bucket from all others; ``folder`` is the user's own folder for state by default."""
        self._store = store
        self._folder = folder or Path(platformdirs.user_state_dir(APP, appauthor=False)) / "uploads"

    @contextlib.contextmanager
    def hold(self, key: str, content: str, part_size: int, options: Mapping[str, Any]) -> Iterator["Record"]:
        """The record of an upload of this content, with these options, to this key: a dead process's, or a new one.

        Raises:
            LocalFileError: the folder cannot be written.
        """
        wanted = Upload(self._store, key, content, part_size, json.dumps(options, sort_keys=True))
        with translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        for record in self.dead():
            # One without an ID cannot be gone on with; it is ended with the other dead ones.
            if record.upload.upload_id and replace(record.upload, upload_id=None) == wanted:
                with record:
                    yield record
                return
        with Record(self._folder / f"{uuid.uuid4().hex}.json", wanted) as record:
            record.save(wanted)
            yield record

    def dead(self) -> Iterator["Record"]:
        """The records whose process is gone; each is held while the caller has it."""
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(Timeout, OSError, ValueError, TypeError):  # alive, gone meanwhile, or torn
                record = Record.claim(path)
                if record.upload.store == self._store:
                    yield record
                record.release()


class Record:
    """The file of one upload, with its lock held."""

    def __init__(self, path: Path, upload: Upload) -> None:
        """Take the lock of a new record, which no other process knows yet."""
        self.upload = upload
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"), thread_local=False)
        self._lock.acquire(timeout=0)

    @classmethod
    def claim(cls, path: Path) -> "Record":
        """Take over the record of a process that is gone.

        Raises:
            Timeout: it is not gone.
            OSError, ValueError, TypeError: it cannot be read.
        """
        record = cls(path, Upload("", "", "", 0, ""))
        try:
            record.upload = Upload(**json.loads(path.read_text(encoding="utf-8")))
        except BaseException:
            record.release()
            raise
        return record

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    @property
    def begun(self) -> float:
        """When it was written, in seconds since the epoch."""
        return self._path.stat().st_mtime

    @property
    def is_kept(self) -> bool:
        """Whether there may be an upload to end."""
        return self._path.exists()

    def save(self, upload: Upload) -> None:
        """Write it down."""
        with translated(self._path):
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(asdict(upload)), encoding="utf-8")
            part.replace(self._path)
        self.upload = upload

    def remove(self) -> None:
        """The upload has ended."""
        with translated(self._path):
            self._path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()
        if not self._path.exists():
            with contextlib.suppress(OSError):
                self._path.with_suffix(".lock").unlink(missing_ok=True)
