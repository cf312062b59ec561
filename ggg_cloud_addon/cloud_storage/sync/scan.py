"""What is there: the folder, the store, and where both hold something new, whether it is the same."""

import contextlib
import hashlib
import os
import queue
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ..errors import LocalFileError, ObjectNotFoundError, PreconditionFailedError
from ..files import hash_file, is_link, is_part, translated
from ..names import RESERVED_FOLDERS, STORE_FOLDER, SYSTEM_FOLDERS, with_folders
from ..providers.base import ObjectInfo, Provider
from .config import SyncConfig

TICK_NS = 50_000_000
"""Two changes within one tick of a system's clock (4 to 16 ms) get the same time."""
COARSE_TICK_NS = 2_000_000_000
"""The same where the file system keeps whole seconds; FAT keeps every other one."""
ENTRIES = 1000
"""So many files and objects are seen between two calls of ``seen``, and are compared at a time."""

Seen = Callable[[int], None]
"""Called with the number of entries seen since the last call; what it raises (to cancel) ends the scan."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """While it holds, a file's content is taken to be the same.

    The ctime shows an edit that kept the size and put the mtime back (aws-cli #406). A file that was moved into place
    got a new ctime by the move, which cannot be told from an edit's, so it is not known (``None``) until the next scan.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None
    settled: bool = field(default=True, compare=False)
    """Whether the file had been left alone for a tick when it was looked at. Where not, an edit may have come after
    the look and within the same tick, so the file is read again (Git: "racy git"). So is what was moved into place."""

    @classmethod
    def of(cls, stat: os.stat_result, *, looked_ns: int | None = None, moved: bool = False) -> "Fingerprint":
        """The fingerprint of a file, or of one that is about to be moved into place.

        Args:
            looked_ns: when ``stat`` was taken, in nanoseconds since 1970; now if left out.
        """
        by_edits = stat.st_mtime_ns if os.name == "nt" else stat.st_ctime_ns  # Windows: when it was made
        age = (looked_ns or time.time_ns()) - by_edits
        settled = not moved and age > (TICK_NS if by_edits % 1_000_000_000 else COARSE_TICK_NS)
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino, None if moved else stat.st_ctime_ns, settled)

    def holds(self, seen: "Fingerprint") -> bool:
        """Whether the file that is ``seen`` now still is the one that was remembered."""
        return self.settled and seen == (self if self.ctime_ns is not None else replace(self, ctime_ns=seen.ctime_ns))


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file in the synced folder."""

    fingerprint: Fingerprint
    sha256: str | None = None
    """In hex; ``None`` where nothing hangs on it."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object in the store."""

    etag: str
    size: int
    modified: datetime
    sha256: str | None = None
    """In hex; ``None`` where nothing hangs on it."""


@dataclass(frozen=True, slots=True)
class BaseFile:
    """What both sides held when they were last the same."""

    fingerprint: Fingerprint
    sha256: str
    etag: str


Entry = tuple[str, Fingerprint | None]
"""A file in the folder, or a link."""
Local = dict[str, LocalFile]
Remote = dict[str, RemoteFile]
Base = dict[str, BaseFile]


def walk(config: SyncConfig, seen: Seen) -> list[Entry]:
    """The folder's files by relative path with ``/``, each with its fingerprint, and links with none.

    Raises:
        LocalFileError: a folder cannot be read or is a store itself; then nothing is known of the rest, and what is
            not known must not count as deleted.
    """
    root = Path(config.local_dir)
    found: list[Entry] = []
    with translated(root):
        if root.exists():  # not in a dry run made before the first run
            for entry in _walk(root, ""):
                found.append(entry)
                if len(found) % ENTRIES == 0:
                    seen(ENTRIES)
    return found


def scan_local(config: SyncConfig, entries: Iterable[Entry], base: Base, remote: Remote) -> Local:
    """The files that take part, of all that a :func:`walk` found; links are not followed.

    A file is hashed only if it was in the last sync and its fingerprint does not hold any more. Some file systems list
    a name in another Unicode form than it was given (HFS+, some network drives): such a file keeps the path by which
    the last sync or the store knows it.

    Raises:
        LocalFileError: a file cannot be read, or was replaced by a link.
    """
    root = Path(config.local_dir)
    found: Local = {}
    strange: dict[str, Fingerprint] = {}
    synced: set[str] = set()
    with translated(root):
        for path, fingerprint in entries:
            if fingerprint is None:
                synced = synced or {name for known in base for name in with_folders(known)}
                if path in synced:
                    raise LocalFileError(
                        f'"{path}" was synced and is a link now, which a sync does not follow; put it back.'
                    )
                continue
            if path in base or path in remote or (path.isascii() and config.takes(path)):  # both hold what takes part
                found[path] = _local_file(root, path, fingerprint, base)
            elif not path.isascii() and config.takes(path):
                strange[path] = fingerprint
        if strange:
            spelled = {unicodedata.normalize("NFC", path): path for path in base.keys() | remote.keys()}
            for path, fingerprint in strange.items():
                known = spelled.get(unicodedata.normalize("NFC", path), path)
                if known in found or not _is_same_file(root / known, fingerprint):
                    known = path
                found[known] = _local_file(root, known, fingerprint, base)
    return found


def _local_file(root: Path, path: str, fingerprint: Fingerprint, base: Base) -> LocalFile:
    known = base.get(path)
    if known is None:
        return LocalFile(fingerprint)
    if known.fingerprint.holds(fingerprint):
        return LocalFile(fingerprint, known.sha256)
    return LocalFile(fingerprint, hash_file(root / path))


def _is_same_file(path: Path, fingerprint: Fingerprint) -> bool:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return Fingerprint.of(os.lstat(path)) == fingerprint
    return False


def _walk(root: Path, folder: str) -> Iterator[Entry]:
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = folder + entry.name
            if entry.is_file(follow_symlinks=False):
                if not is_part(entry.name):
                    try:
                        yield path, Fingerprint.of(os.lstat(entry.path))  # entry.stat() knows no inode on Windows
                    except FileNotFoundError:  # Blender's "x.blend@", renamed since
                        continue
            elif is_link(entry):
                yield path, None
            elif entry.is_dir(follow_symlinks=False):
                if entry.name == STORE_FOLDER:  # each run would store again, one level deeper, what the last one stored
                    raise LocalFileError(
                        f'"{root / folder}" is a plain-folder store and cannot be synced as a part of "{root}"; move '
                        "one out of the other."
                    )
                if entry.name not in RESERVED_FOLDERS and (folder or entry.name not in SYSTEM_FOLDERS):
                    yield from _walk(root, path + "/")


@contextlib.contextmanager
def listing_ahead(provider: Provider, prefix: str, pool: Executor) -> Iterator[Iterator[ObjectInfo]]:
    """What :func:`~..providers.base.list_all` gives, listed by a thread of the pool that does not wait to be asked."""
    pages: queue.SimpleQueue[tuple[ObjectInfo, ...] | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def list_pages() -> None:
        try:
            token = None
            while not stopped.is_set():
                page = provider.list(prefix, token=token)
                pages.put(page.objects)
                token = page.next_token
                if token is None:
                    break
            pages.put(None)
        except BaseException as error:  # noqa: BLE001  # raised where the objects are taken
            pages.put(error)

    def objects() -> Iterator[ObjectInfo]:
        while (page := pages.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield from page

    pool.submit(list_pages)
    try:
        yield objects()
    finally:
        stopped.set()


def scan_remote(objects: Iterable[ObjectInfo], prefix: str, config: SyncConfig, seen: Seen, known: Base) -> Remote:
    """The store's objects by component ID, from one listing; ``known`` are some that take part.

    Raises:
        StorageError: a page of the listing failed; half a listing is none.
    """
    found: Remote = {}
    for number, info in enumerate(objects, 1):
        if number % ENTRIES == 0:
            seen(ENTRIES)
        if (path := info.key.removeprefix(prefix)) in known or config.takes(path):
            found[path] = RemoteFile(info.etag, info.size, info.modified)
    return found


def differing(local: Local, remote: Remote, base: Base) -> list[str]:
    """The paths that are not known to be the same on both sides; of 100,000 mostly few."""
    found = []
    for path, known in base.items():
        here, there = local.get(path), remote.get(path)
        if here is None or there is None or here.sha256 != known.sha256 or there.etag != known.etag:
            found.append(path)
    return found + list((local.keys() | remote.keys()) - base.keys())


class Comparer:
    """Takes the SHA-256 of files and objects, several at once, where a decision hangs on it."""

    def __init__(self, provider: Provider, prefix: str, root: Path, pool: Executor) -> None:
        """``pool`` does the reading."""
        self._provider = provider
        self._prefix = prefix
        self._root = root
        self._pool = pool

    def fill_in(self, local: Local, remote: Remote, base: Base, on_file: Callable[[], object]) -> None:
        """Fill in the SHA-256 of both sides where both hold something new of one size, for the plan to compare.

        ``on_file`` is called for each; what it raises (to cancel) ends it.
        """
        unsure = []
        for path in differing(local, remote, base):
            here, there, known = local.get(path), remote.get(path), base.get(path)
            if here is None or there is None:
                continue
            news_here = known is None or here.sha256 != known.sha256
            news_there = known is None or there.etag != known.etag
            if news_here and news_there and here.fingerprint.size == there.size:
                unsure.append(path)
        for begin in range(0, len(unsure), ENTRIES):  # not all at once: a first sync may have 100,000
            some = unsure[begin : begin + ENTRIES]
            here_too = self._pool.map(self._local_sha256, some)
            there_too = self._pool.map(self._remote_sha256, some, [remote[path].etag for path in some])
            for path, mine, theirs in zip(some, here_too, there_too, strict=True):
                on_file()
                local[path] = replace(local[path], sha256=mine)
                remote[path] = replace(remote[path], sha256=theirs)

    def arriving(self, paths: set[str], local: Local, remote: Remote) -> frozenset[str]:
        """The SHA-256 of what is new on either side: to tell a rename from a delete."""
        there = sorted(paths & remote.keys())
        hashes = {
            *self._pool.map(self._local_sha256, paths & local.keys()),
            *self._pool.map(self._remote_sha256, there, [remote[path].etag for path in there]),
        }
        return frozenset(each for each in hashes if each is not None)

    def _local_sha256(self, path: str) -> str | None:
        """``None`` if it is gone by now."""
        target = self._root / path
        with translated(target), contextlib.suppress(FileNotFoundError):
            return hash_file(target)
        return None

    def _remote_sha256(self, path: str, etag: str) -> str | None:
        """``None`` if it is gone or another one by now."""
        key = self._prefix + path
        with contextlib.suppress(ObjectNotFoundError, PreconditionFailedError):
            info = self._provider.head(key)
            if info.etag == etag and info.sha256 is not None:
                return info.sha256
            digest = hashlib.sha256()  # another tool put it there: its bytes have to be read once
            with self._provider.get(key, if_match=etag) as download:
                for chunk in download:
                    digest.update(chunk)
            return digest.hexdigest()
        return None
