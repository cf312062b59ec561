"""What the plain-folder store knows of its keys beside the files: see :mod:`.folder` for where it lies."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import IntegrityError, StoreUnavailableError
from ..files import flush_to_disk, move_into_place, part_file, sweep_parts
from ..names import fold

EPOCH = datetime.fromtimestamp(0, UTC)
LOCK_SECONDS = 60
"""How long a writer waits for another that holds the key; each holds it for milliseconds."""


@dataclass(frozen=True)
class Entry:
    """One version of a key. Its ETag, made of mtime and size, is its version ID."""

    etag: str
    sha256: str | None
    created: str
    """When the key came to be, in ISO format."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.etag.split(".")[1], 16)

    @property
    def modified(self) -> datetime:
        """The file's mtime, aware, UTC."""
        return etag_time(self.etag)


@dataclass(frozen=True)
class Record:
    """The versions of a key, newest first. The one whose ETag is the file's is the current one."""

    key: str
    entries: tuple[Entry, ...] = ()

    def find(self, etag: str | None) -> Entry | None:
        """The version with this ETag."""
        return next((entry for entry in self.entries if entry.etag == etag), None)


def etag_of(stat: os.stat_result) -> str:
    """The ETag of a file: any change shows in it, and a listing needs no record to tell it."""
    return f"{stat.st_mtime_ns:x}.{stat.st_size:x}"


def etag_time(etag: str) -> datetime:
    """The mtime in an ETag, aware, UTC."""
    return EPOCH + timedelta(microseconds=int(etag.split(".")[0], 16) // 1000)


class Records:
    """The records, the former versions' files, and the locks."""

    def __init__(self, private: Path) -> None:
        """``private`` is the store's own folder; it is made when something is written."""
        self._private = private
        self._sweep = threading.Lock()
        self._swept = False

    def _home(self, key: str) -> Path:
        """The key's own folder; the folders of twins (:func:`~..names.fold`) lie side by side."""
        folded = _hash(fold(key))
        return self._private / "objects" / folded[:2] / folded[2:] / _hash(key)

    def tmp(self) -> Path:
        """Where content arrives; swept once in a provider's life of what killed processes left there."""
        folder = self._private / "tmp"
        with self._sweep:
            folder.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                sweep_parts(folder)
                self._swept = True
        return folder

    def store_id(self) -> str:
        """The store's mark; empty before :meth:`mark_store`."""
        try:
            return (self._private / "id").read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def mark_store(self) -> None:
        """Give the store a mark that no other one has, unless it has its own already."""
        with part_file(self.tmp(), "id") as part:
            part.write_text(uuid.uuid4().hex, encoding="ascii")
            with self.lock(""):
                if not self.store_id():
                    os.replace(part, self._private / "id")

    def version_path(self, key: str, version_id: str) -> Path:
        """Where the content of a version lies once it was replaced or deleted."""
        return self._home(key) / version_id

    def twins(self, key: str) -> Iterator[str]:
        """Other keys, stored now or once, that are the same file on Windows or macOS."""
        for path in self._home(key).parent.glob("*/record.json"):
            with contextlib.suppress(FileNotFoundError):
                other = _load(path).key
                if other != key:
                    yield other

    def read(self, key: str) -> Record:
        """The record of a key; an empty one if there is none.

        Raises:
            IntegrityError: it cannot be read.
        """
        try:
            return _load(self._home(key) / "record.json")
        except FileNotFoundError:
            return Record(key)

    def entry_of(self, record: Record, stat: os.stat_result) -> Entry:
        """The entry of the file that lies there now.

        A file that no put made is a new one without a SHA-256, or it lies where a put's file lay until it was changed
        by hand. That one still has to have the SHA-256 that was stored: so a copy of the whole store (other mtimes,
        same bytes) is good, and what was damaged or edited in place is not passed on as if it were what somebody
        pushed.
        """
        etag = etag_of(stat)
        known = record.find(etag)
        if known is not None:
            return known
        last = record.entries[0] if record.entries else None
        if (
            last is None or self.version_path(record.key, last.etag).exists()
        ):  # replaced or deleted: nothing to do with it
            return Entry(etag, None, etag_time(etag).isoformat())
        return Entry(etag, last.sha256, last.created, last.metadata)

    def with_file(self, record: Record, stat: os.stat_result) -> Record:
        """The record with an entry for the file that lies there, before that file is replaced or deleted.

        What no put made gets one without a SHA-256, so that it can be had back as the version it becomes.
        """
        etag = etag_of(stat)
        if record.find(etag):
            return record
        return Record(record.key, (Entry(etag, None, self.entry_of(record, stat).created), *record.entries))

    def write(self, record: Record) -> None:
        """Replace the record, whole."""
        home = self._home(record.key)
        home.mkdir(parents=True, exist_ok=True)
        stored = {"key": record.key, "versions": [asdict(entry) for entry in record.entries]}
        with part_file(self.tmp(), "record") as part:
            with part.open("wb") as writer:
                writer.write(json.dumps(stored, ensure_ascii=False).encode())
                flush_to_disk(writer)
            move_into_place(part, home / "record.json")

    def forget(self, key: str) -> None:
        """Remove all that is known and kept of a key."""
        home = self._home(key)
        with contextlib.suppress(OSError):  # never was there; or what is above is not empty
            shutil.rmtree(home)
            home.parent.rmdir()
            home.parent.parent.rmdir()

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the key, against other threads and processes, while it is compared and swapped.

        Raises:
            StoreUnavailableError: somebody else has held it for a minute.
        """
        folder = self._private / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        # 256 locks serve all keys: few files, and two writers of different keys hardly ever meet.
        lock = FileLock(folder / f"{_hash(fold(key))[:2]}.lock", poll_interval=0.005)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise StoreUnavailableError(
                f'"{key}" has been held by another writer for {LOCK_SECONDS} s; try again.'
            ) from None
        try:
            yield
        finally:
            lock.release()


def _load(path: Path) -> Record:
    content = path.read_bytes()
    try:
        stored = json.loads(content)
        return Record(stored["key"], tuple(Entry(**entry) for entry in stored["versions"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f'A record of the store is damaged; move "{path}" away, and its file counts as a new one.'
        ) from error


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]  # short, as paths on Windows are; 80 bits
