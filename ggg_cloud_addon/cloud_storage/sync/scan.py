"""What is there: the folder, the store, and where both hold something new, whether it is the same."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..errors import LocalFileError, ObjectNotFoundError, PreconditionFailedError
from ..files import hash_file, is_link, is_part, translated
from ..names import RESERVED_FOLDERS, SYSTEM_FOLDERS
from ..providers.base import Provider, list_all
from .config import SyncConfig


@dataclass(frozen=True)
class Fingerprint:
    """While it holds, a file's content is taken to be the same.

    The ctime shows an edit that kept the size and put the mtime back (aws-cli #406). A file that was just moved into
    place gets a new ctime by the move, so it is not known (``None``) until the next scan.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None

    @classmethod
    def of(cls, stat: os.stat_result, *, moved: bool = False) -> "Fingerprint":
        """The fingerprint of a file, or of one that is about to be moved into place."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino, None if moved else stat.st_ctime_ns)

    def holds(self, seen: "Fingerprint") -> bool:
        """Whether the file that is ``seen`` now still is the one that was remembered."""
        return seen == (self if self.ctime_ns is not None else replace(self, ctime_ns=seen.ctime_ns))


@dataclass(frozen=True)
class LocalFile:
    """A file in the synced folder."""

    fingerprint: Fingerprint
    sha256: str | None = None
    """In hex; ``None`` where nothing hangs on it."""


@dataclass(frozen=True)
class RemoteFile:
    """An object in the store."""

    etag: str
    size: int
    modified: datetime
    sha256: str | None = None
    """In hex; ``None`` where nothing hangs on it."""


@dataclass(frozen=True)
class BaseFile:
    """What both sides held when they were last the same."""

    fingerprint: Fingerprint
    sha256: str
    etag: str


Local = dict[str, LocalFile]
Remote = dict[str, RemoteFile]
Base = dict[str, BaseFile]


def scan_local(config: SyncConfig, base: Base) -> Local:
    """The folder's files by relative path with ``/``; links are not followed.

    A file is hashed only if it was in the last sync and its fingerprint does not hold any more.

    Raises:
        LocalFileError: a folder or file cannot be read, or was replaced by a link; then nothing is known of the rest,
            and what is not known must not count as deleted.
    """
    root = Path(config.local_dir)
    found: Local = {}
    if not root.exists():  # a dry run made before the first run
        return found
    with translated(root):
        for path, stat in _walk(root, ""):
            if stat is None:
                if any(f"{known}/".startswith(f"{path}/") for known in base):
                    raise LocalFileError(
                        f'"{path}" was synced and is a link now, which a sync does not follow; put it back.'
                    )
                continue
            if not config.takes(path):
                continue
            fingerprint = Fingerprint.of(stat)
            known = base.get(path)
            if known is None:
                found[path] = LocalFile(fingerprint)
            elif known.fingerprint.holds(fingerprint):
                found[path] = LocalFile(fingerprint, known.sha256)
            else:
                found[path] = LocalFile(fingerprint, hash_file(root / path))
    return found


def _walk(root: Path, folder: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Files with their stat, and links with none."""
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = folder + entry.name
            if is_link(entry):
                yield path, None
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in RESERVED_FOLDERS and (folder or entry.name not in SYSTEM_FOLDERS):
                    yield from _walk(root, path + "/")
            elif entry.is_file(follow_symlinks=False) and not is_part(entry.name):
                with contextlib.suppress(FileNotFoundError):  # Blender's "x.blend@", renamed since
                    yield path, os.lstat(entry.path)  # entry.stat() knows no inode on Windows


def scan_remote(provider: Provider, prefix: str, config: SyncConfig) -> Remote:
    """The store's objects by component ID, from one listing.

    Raises:
        StorageError: a page of the listing failed; half a listing is none.
    """
    return {
        path: RemoteFile(info.etag, info.size, info.modified)
        for info in list_all(provider, prefix)
        if config.takes(path := info.key.removeprefix(prefix))
    }


def compare_contents(local: Local, remote: Remote, base: Base, provider: Provider, prefix: str, root: Path) -> None:
    """Fill in the SHA-256 of both sides where both hold something new of one size, for the plan to compare."""
    for path in local.keys() & remote.keys():
        here, there, known = local[path], remote[path], base.get(path)
        news_here = known is None or here.sha256 != known.sha256
        news_there = known is None or there.etag != known.etag
        if news_here and news_there and here.fingerprint.size == there.size:
            local[path] = replace(here, sha256=_local_sha256(root / path))
            remote[path] = replace(there, sha256=_remote_sha256(provider, prefix + path, there.etag))


def hash_arriving(
    paths: set[str], local: Local, remote: Remote, provider: Provider, prefix: str, root: Path
) -> frozenset[str]:
    """The SHA-256 of what is new on either side: to tell a rename from a delete."""
    hashes = {_local_sha256(root / path) for path in paths & local.keys()}
    hashes |= {_remote_sha256(provider, prefix + path, remote[path].etag) for path in paths & remote.keys()}
    return frozenset(each for each in hashes if each is not None)


def _local_sha256(path: Path) -> str | None:
    """``None`` if it is gone by now."""
    with translated(path), contextlib.suppress(FileNotFoundError):
        return hash_file(path)
    return None


def _remote_sha256(provider: Provider, key: str, etag: str) -> str | None:
    """``None`` if it is gone or another one by now."""
    with contextlib.suppress(ObjectNotFoundError, PreconditionFailedError):
        info = provider.head(key)
        if info.etag == etag and info.sha256 is not None:
            return info.sha256
        digest = hashlib.sha256()  # another tool put it there: its bytes have to be read once
        with provider.get(key, if_match=etag) as download:
            for chunk in download:
                digest.update(chunk)
        return digest.hexdigest()
    return None
