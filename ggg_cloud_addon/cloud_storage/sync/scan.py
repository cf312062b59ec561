"""The folder as it is now: its files, and what in it could not be read."""

import contextlib
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, LocalFileError, StorageError
from ..files import hash_file, is_link, is_part, translated
from ..names import RESERVED_FOLDERS, STORE_FOLDER, SYSTEM_FOLDERS, with_folders
from .config import SyncConfig
from .snapshot import Base, Fingerprint, Local, LocalFile, Remote

ENTRIES = 1000
"""So many files and objects are seen between two calls of ``seen``."""

Seen = Callable[[int], None]
"""Called with the number of entries seen since the last call; what it raises (to cancel) ends the scan."""


@dataclass
class Found:
    """What lies in the folder, whether it takes part in the sync or not."""

    files: dict[str, Fingerprint] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    """Symbolic links and junctions, which are not followed."""
    unreadable: dict[str, StorageError] = field(default_factory=dict)
    """Files, and folders with a ``/`` at the end, on either side: nothing is known of what is in them, so nothing in
    them may count as deleted."""

    def is_hidden(self, path: str) -> bool:
        """Whether a path cannot be read, or lies in a folder that cannot."""
        return path in self.unreadable or any(f"{folder}/" in self.unreadable for folder in with_folders(path)[:-1])

    def drop_hidden(self, snapshot: dict[str, Any]) -> None:
        """Take out of a snapshot what cannot be read here."""
        if self.unreadable:
            for path in [each for each in snapshot if self.is_hidden(each)]:
                del snapshot[path]


def walk(root: Path, seen: Seen) -> Found:
    """Everything in a folder, but for what GGG Cloud keeps there for itself.

    Raises:
        LocalFileError: the folder itself cannot be read.
        ConfigError: a store lies in it.
    """
    found = Found()
    with translated(root):
        if not root.exists():  # in a dry run made before the first run
            return found
        os.scandir(root).close()
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                folders += reversed([*_look_at(root, folder, entries, found, seen)])
        except (FileNotFoundError, NotADirectoryError):  # deleted since it was listed
            continue
        except OSError as error:
            if not folder:  # nothing would be left to compare
                raise _unreadable(root, error) from error
            found.unreadable[folder] = _unreadable(root / folder, error)
    return found


def _look_at(root: Path, folder: str, entries: Iterator[os.DirEntry[str]], found: Found, seen: Seen) -> Iterator[str]:
    """Note the files of one folder; the answer is its folders."""
    for entry in entries:
        path = folder + entry.name
        if entry.is_file(follow_symlinks=False):
            if is_part(entry.name):
                continue
            try:
                found.files[path] = Fingerprint.of(os.lstat(entry.path))  # entry.stat() knows no inode on Windows
            except FileNotFoundError:  # Blender's "x.blend@", renamed since
                continue
            except OSError as error:
                found.unreadable[path] = _unreadable(root / path, error)
            if len(found.files) % ENTRIES == 0:
                seen(ENTRIES)
        elif is_link(entry):
            found.links.add(path)
        elif entry.is_dir(follow_symlinks=False):
            if entry.name == STORE_FOLDER:  # each run would store again, one level deeper, what the last one stored
                raise ConfigError(
                    f'"{root / folder}" is a plain-folder store and cannot be synced as a part of "{root}"; move '
                    "one out of the other."
                )
            if entry.name not in RESERVED_FOLDERS and (folder or entry.name not in SYSTEM_FOLDERS):
                yield f"{path}/"


def scan_local(config: SyncConfig, found: Found, base: Base, remote: Remote) -> Local:
    """The files that take part in the sync, of all that a :func:`walk` found; links are not followed.

    A file is hashed only if it was in the last sync and its fingerprint does not hold any more; one that cannot be
    read joins ``found.unreadable``. Some file systems list a name in another Unicode form than it was given (HFS+,
    some network drives): such a file keeps the path by which the last sync or the store knows it.

    Raises:
        LocalFileError: something that was synced was replaced by a link.
    """
    root = Path(config.local_dir)
    if found.links:
        synced = {name for known in base for name in with_folders(known)}
        for path in sorted(found.links & synced):
            raise LocalFileError(f'"{path}" was synced and is a link now, which a sync does not follow; put it back.')
    local: Local = {}
    strange: dict[str, Fingerprint] = {}

    def add(path: str, fingerprint: Fingerprint) -> None:
        try:
            local[path] = _local_file(root, path, fingerprint, base)
        except FileNotFoundError:  # deleted since it was listed
            return
        except OSError as error:
            found.unreadable[path] = _unreadable(root / path, error)

    for path, fingerprint in found.files.items():
        if path in base or path in remote or (path.isascii() and config.takes(path)):  # both hold what takes part
            add(path, fingerprint)
        elif not path.isascii() and config.takes(path):
            strange[path] = fingerprint
    if strange:
        spelled = {unicodedata.normalize("NFC", path): path for path in base.keys() | remote.keys()}
        for path, fingerprint in strange.items():
            known = spelled.get(unicodedata.normalize("NFC", path), path)
            is_known = known not in local and _is_same_file(root / known, fingerprint)
            add(known if is_known else path, fingerprint)
    return local


def _local_file(root: Path, path: str, fingerprint: Fingerprint, base: Base) -> LocalFile:
    known = base.get(path)
    if known is None:
        return LocalFile(fingerprint)
    if known.fingerprint.holds(fingerprint):
        return LocalFile(fingerprint, known.sha256)
    return LocalFile(fingerprint, hash_file(root / path))


def _is_same_file(path: Path, fingerprint: Fingerprint) -> bool:
    with contextlib.suppress(OSError):
        return Fingerprint.of(os.lstat(path)) == fingerprint
    return False


def _unreadable(path: Path, error: OSError) -> LocalFileError:
    return LocalFileError(f'"{path}" cannot be read ({error.strerror or error}); it was left out of the sync.')
