"""What the plain-folder store knows of its keys beside the files: see :mod:`.folder` for where it lies."""

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from ..errors import IntegrityError, StoreUnavailableError
from ..files import (
    CAUGHT,
    PART_SUFFIX,
    flush_folder,
    flush_to_disk,
    hash_file,
    move_away,
    part_file,
    sweep_parts,
    take_lock,
)
from ..files import replace as replace_file
from ..names import fold
from ..times import utc_from_ns
from .folder_files import file_stat, is_same, version_of
from .folder_shared import Shared

log = logging.getLogger(__name__)

LOCK_SECONDS = 60
"""How long a writer waits for another that holds the key; each holds it for milliseconds."""
SCANS = 5
"""How often a key's folder is read that a put changes at the same time."""
RECORD, STAMP = "record.json", "stamp"
VERSION_ID = re.compile(r"-?[0-9a-f]{1,32}\.[0-9a-f]{1,16}")
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One version of a key. Its ID is made of mtime and size."""

    version_id: str
    sha256: str | None
    """``None`` for what another program wrote."""
    created: str
    """When the key came to be, in ISO format."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.version_id.split(".")[1], 16)

    @property
    def mtime_ns(self) -> int:
        """The file's mtime."""
        return int(self.version_id.split(".")[0], 16)

    @property
    def modified(self) -> datetime:
        """The same, aware, UTC."""
        return utc_from_ns(self.mtime_ns)


@dataclass(frozen=True)
class Record:
    """The versions of a key, newest first. The one whose ID is the file's is the current one."""

    key: str
    entries: tuple[Entry, ...] = ()
    is_deleted: bool = False
    """Whether the last thing that we did to the key was a delete: what lies there then is a new object."""

    def find(self, version_id: str | None) -> Entry | None:
        """The version with this ID."""
        return next((entry for entry in self.entries if entry.version_id == version_id), None)

    def entry_of(self, stat: os.stat_result) -> Entry:
        """The entry of the file that lies there now; if another program wrote it, one that continues the last."""
        version = version_of(stat)
        if known := self.find(version):
            return known
        if not self.entries or self.is_deleted:
            return Entry(version, None, utc_from_ns(stat.st_mtime_ns).isoformat())
        return Entry(version, None, self.entries[0].created, self.entries[0].metadata)

    def with_entry(self, entry: Entry) -> "Record":
        """The record with this version in front; it must have none with this ID."""
        return replace(self, entries=(entry, *self.entries))


class Records:
    """The records, the former versions' files, and the locks."""

    def __init__(self, private: Path, shared: Shared) -> None:
        """``private`` is the store's own folder, which only :meth:`mark_store` makes."""
        self._private = private
        self._shared = shared
        self._sweep = threading.Lock()
        self._swept = False

    def home(self, key: str) -> Path:
        """The key's own folder; the folders of twins (:func:`~..names.fold`) lie side by side."""
        folded = _hash(fold(key))
        return self._private / "objects" / folded[:2] / folded[2:] / _hash(key)

    def tmp(self) -> Path:
        """Where content arrives; swept once in a provider's life of what killed processes left there."""
        folder = self._private / "tmp"
        with self._sweep:
            self._shared.make(folder, self._private)
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
        """Give the store a mark that no other one has, unless it has its own already; nothing else makes its folder."""
        self._shared.make_root()
        self._shared.make(self._private, self._private.parent)
        with part_file(self.tmp(), "id") as part:
            with part.open("wb") as writer:
                writer.write(uuid.uuid4().hex.encode())
                flush_to_disk(writer)
            self._shared.give(part)
            with self.lock(""):
                if not self.store_id():
                    replace_file(part, self._private / "id")

    def twins(self, key: str) -> Iterator[Record]:
        """Records of other keys, stored now or once, that are the same file on Windows or macOS."""
        for path in self.home(key).parent.glob(f"*/{RECORD}"):
            with contextlib.suppress(FileNotFoundError):
                other = self._load(path)
                if other.key != key:
                    yield other

    def read(self, key: str) -> Record:
        """The record of a key; an empty one if there is none.

        Raises:
            IntegrityError: it cannot be read.
        """
        try:
            return self._load(self.home(key) / RECORD)
        except FileNotFoundError:
            return Record(key)

    def write(self, record: Record) -> None:
        """Replace the record, whole."""
        home = self.home(record.key)
        self._shared.make(home, self._private)
        versions = [
            {"etag": each.version_id, "sha256": each.sha256, "created": each.created, "metadata": dict(each.metadata)}
            for each in record.entries
        ]
        stored = {"key": record.key, "versions": versions, "deleted": record.is_deleted}
        with part_file(self.tmp(), "record") as part:
            with part.open("wb") as writer:
                writer.write(json.dumps(stored, ensure_ascii=False).encode())
                flush_to_disk(writer)
            self._shared.give(part)
            replace_file(part, home / RECORD)
            flush_folder(home)

    def stamp(self, key: str) -> str | None:
        """The ETag of the file as the last put left it. While the file has it, the record vouches for its bytes."""
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            stamp = (self.home(key) / STAMP).read_text(encoding="ascii")
            if stamp.endswith("\n"):  # else it is being written, or a power cut came between
                return stamp[:-1]
        return None

    def write_stamp(self, key: str, etag: str) -> None:
        """Note how a put left the file. Nothing is flushed: without a stamp a reader looks at the bytes themselves."""
        path = self.home(key) / STAMP
        with contextlib.suppress(PermissionError):  # the file of a user whose store knew no stamps of others
            is_new = not path.exists()
            path.write_text(f"{etag}\n", encoding="ascii")
            if is_new:
                self._shared.give(path)

    def version_path(self, key: str, version_id: str) -> Path:
        """Where the content of a version lies, from before it became the object where there are hard links."""
        return self.home(key) / version_id

    def new_name(self, key: str, version_id: str) -> Path:
        """A name beside it that no crash has left: a rename to another link of the same file would do nothing."""
        return self.home(key) / f"{version_id}.{secrets.token_hex(4)}"

    def name_beside(self, key: str, path: Path) -> Path:
        """A name beside the key's own file (``path``), for where no rename leads from there to the versions."""
        return path.with_name(f"{self._caught(key)}{secrets.token_hex(4)}{PART_SUFFIX}")

    def bring(self, key: str, path: Path, kept: os.stat_result | None = None) -> None:
        """Move all that has such a name to the versions, by a copy, but of ``kept`` there is one.

        The caller holds the lock, so that no other swap of the key is under way.
        """
        sweep_parts(path.parent)
        for caught in path.parent.glob(f"{self._caught(key)}*{PART_SUFFIX}"):
            stat = file_stat(caught)
            if is_same(stat, kept):
                flush_folder(self.home(key))  # the copy must survive a power cut
                caught.unlink()
            elif stat is not None:
                self._shared.make(self.home(key), self._private)
                move_away(caught, self.new_name(key, version_of(stat)), self.tmp(), lambda: None)

    def _caught(self, key: str) -> str:
        return f"{CAUGHT}{_hash(key)}."

    def find_kept(self, record: Record, version_id: str) -> Path | None:
        """The file of a version."""
        # A folder that is read while a put gives a file in it its name may show neither the old nor the new name.
        return (
            self._named(record.key, version_id)
            or self.kept(record).get(version_id)
            or self._named(record.key, version_id)
        )

    def _named(self, key: str, version_id: str) -> Path | None:
        """The file of a version, if it has its name."""
        path = self.version_path(key, version_id)
        stat = file_stat(path)
        return path if stat is not None and version_of(stat) == version_id else None

    def kept(self, record: Record) -> dict[str, Path]:
        """The files of the versions by ID."""
        found: dict[str, Path] = {}
        for path, version, _ in self._files(record):
            if version not in found or path.name == version:
                found[version] = path
        return found

    def tidied(self, record: Record, current: os.stat_result | None, known: Path | None = None) -> Record:
        """Give what lies in the key's folder its name and its entry, and drop entries whose content is gone.

        That is what a swap caught or a crash left, and what was written to through a handle or a link after it was
        kept. The caller holds the lock.

        Args:
            current: the file that is the object.
            known: a file that is known to be what the entry with its ID says.
        """
        there = {version_of(current)} if current else set()
        for path, version, stat in self._files(record):
            if path.name == version and (version in there or record.find(version)):
                if version_of(stat) != version:
                    with contextlib.suppress(OSError):
                        os.utime(path, ns=(time.time_ns(), int(version.split(".")[0], 16)))
            else:
                record, version = self._keep(record, path, current, is_known=path == known)
            there.add(version)
        return replace(record, entries=tuple(each for each in record.entries if each.version_id in there))

    def _files(self, record: Record) -> list[tuple[Path, str, os.stat_result]]:
        """The files in the key's folder, each with the ID of the version that it really is."""
        with contextlib.suppress(FileNotFoundError):
            for _ in range(SCANS):
                names = [each for each in os.listdir(self.home(record.key)) if each not in (RECORD, STAMP)]
                stats = [(path, file_stat(path)) for path in map(self.home(record.key).joinpath, names)]
                found = [(path, _identify(record, path, stat), stat) for path, stat in stats if stat is not None]
                if len(found) == len(names):
                    return found  # else a put has just given one of them its name
            return found
        return []

    def _keep(
        self, record: Record, path: Path, current: os.stat_result | None, *, is_known: bool
    ) -> tuple[Record, str]:
        """Make a file in the key's folder a version by its own ID; the answer has the ID too."""
        stat = path.lstat()  # now: another name of this file may have been kept apart before
        version = version_of(stat)
        entry, place = record.find(version), self.version_path(record.key, version)
        sha256 = None
        try:
            if entry is not None and not is_known:
                sha256, is_known = self._compare(entry, place, path)
                entry = entry if is_known else None
            is_taken = record.find(version) is not entry or (entry is None and _is_twin(stat, current))
            if is_taken or not (_is_free(place, path) or hash_file(place) == hash_file(path)):
                # Other bytes with the time and size of another version: a file system's clock can be coarse.
                path = self._with_own_time(path, record, current)
                version = version_of(path.lstat())
                place = self.version_path(record.key, version)
                if entry is not None:
                    record = record.with_entry(replace(entry, version_id=version))
        except PermissionError:  # another user's private file stays where it is until its owner comes
            return record, version
        if path != place:
            if place.exists():  # with the same bytes; a rename to another link of a file does nothing (POSIX)
                path.unlink()
            else:
                replace_file(path, place)
        if entry is None:
            record = record.with_entry(replace(record.entry_of(place.lstat()), sha256=sha256))
            log.warning(
                '"%s" was changed in the store by another program; what it wrote is kept as the version %s.',
                record.key,
                version,
            )
        return record, version

    def _compare(self, entry: Entry, place: Path, path: Path) -> tuple[str | None, bool]:
        """The SHA-256 of a file, if it was taken, and whether the file is the version of that entry."""
        if entry.sha256 is not None:
            sha256 = hash_file(path)
            return sha256, sha256 == entry.sha256
        return None, _is_free(place, path) or hash_file(place) == hash_file(path)

    def _with_own_time(self, path: Path, record: Record, current: os.stat_result | None) -> Path:
        """Move a file's mtime on, so that it is a version of its own; of another user's file a copy is made."""
        try:
            self.make_unique(path, record, current)
        except PermissionError:
            copy = path.with_name(f"{path.name}.copy")
            shutil.copyfile(path, copy)
            self._shared.give_content(copy, path.lstat())
            self.make_unique(copy, record, current)
            path.unlink()
            return copy
        return path

    def make_unique(self, path: Path, record: Record, current: os.stat_result | None) -> str:
        """Move the mtime on until no other version has this ID, nor the current file: clocks can be coarse."""
        now = time.time_ns()
        steps = (1_000_000, 2_000_000_000)  # ns; FAT keeps 2 s
        tries = len(record.entries) + 3
        mtime = path.lstat().st_mtime_ns
        for begin in (mtime, now):  # where the mtime is the last one that can be, only an earlier one helps
            for step in steps:
                for number in range(tries):
                    version = version_of(path.lstat())
                    is_taken = record.find(version) is not None or (current and version == version_of(current))
                    if not is_taken and _is_free(self.version_path(record.key, version), path):
                        return version
                    with contextlib.suppress(OverflowError):
                        os.utime(path, ns=(now, begin + (number + 1) * step))
        raise StoreUnavailableError("The store's folder keeps no times, so changes could not be told apart.")

    def forget(self, key: str) -> None:
        """Remove all that is known and kept of a key."""
        home = self.home(key)
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
        self._shared.make(folder, self._private)
        # 256 locks serve all keys: few files, and two writers of different keys hardly ever meet.
        try:
            lock = take_lock(folder / f"{_hash(fold(key))[:2]}.lock", LOCK_SECONDS, self._shared.file_mode)
        except Timeout:
            raise StoreUnavailableError(
                f'"{key}" has been held by another writer for {LOCK_SECONDS} s; try again.'
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _load(self, path: Path) -> Record:
        content = path.read_bytes()
        try:
            stored = json.loads(content)
            key = stored["key"]
            entries = tuple(_entry(each) for each in stored["versions"])
            is_deleted = stored.get("deleted")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IntegrityError(
                f'A record of the store is damaged; move "{path}" away, and its file counts as a new one.'
            ) from error
        if is_deleted is None:  # up to 0.5.1 only what was replaced or deleted was kept
            is_deleted = bool(entries) and path.with_name(entries[0].version_id).exists()
        return Record(key, entries, is_deleted)


def _entry(stored: Mapping[str, Any]) -> Entry:
    """One version out of a record, which anybody who shares the folder may have written.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none of ours.
    """
    entry = Entry(stored["etag"], stored["sha256"], stored["created"], stored["metadata"])
    datetime.fromisoformat(entry.created)
    texts = [*entry.metadata, *entry.metadata.values()]
    if not (
        VERSION_ID.fullmatch(entry.version_id)
        and (entry.sha256 is None or SHA256.fullmatch(entry.sha256))
        and all(isinstance(each, str) for each in texts)
    ):
        raise ValueError("Not as it is written here")
    return entry


def _is_twin(stat: os.stat_result, other: os.stat_result | None) -> bool:
    """Whether both are different files with one ID."""
    return other is not None and version_of(stat) == version_of(other) and not os.path.samestat(stat, other)


def _is_free(place: Path, path: Path) -> bool:
    """Whether a name is nobody's, or one of this file's own."""
    stat = file_stat(place)
    return stat is None or os.path.samestat(stat, path.lstat())


def _identify(record: Record, path: Path, stat: os.stat_result) -> str:
    """The ID by a kept file's own mtime and size, unless only its mtime was lost when the store was copied."""
    version = version_of(stat)
    entry = record.find(path.name) if path.name != version else None
    if entry is not None and entry.size == stat.st_size and entry.sha256 in (None, hash_file(path)):
        return path.name
    return version


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]  # short, as paths on Windows are; 80 bits
