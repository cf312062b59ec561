"""Files of a plain-folder store as the file system gives them: which of them are objects, and what tells them apart."""

import os
import stat as kinds
import time
from collections.abc import Iterator
from pathlib import Path

from ..files import is_link, is_part
from ..names import RESERVED_FOLDERS, SYSTEM_FOLDERS

SAVE_SECONDS = 1.0
"""How long a file that Blender is saving is waited for; the two renames of a save take milliseconds."""
LOOK_SECONDS = 0.01
LOOKS = 3
"""How often a file has to be absent, with none beside it that is to become it, before it counts as absent."""
SCANS = 3
"""How often a folder is read that changes while it is read: then a file may be missed that was renamed."""


def version_of(stat: os.stat_result) -> str:
    """The version ID of a file: mtime and size, which stay the same on every machine and in a copy of the store."""
    return f"{stat.st_mtime_ns:x}.{stat.st_size:x}"


def etag_of(stat: os.stat_result) -> str:
    """The ETag of a file: version ID, inode and ctime. An edit that keeps the size and sets the mtime back shows, too.

    It misses such an edit only within one tick of the file system's clock after the last change (up to 10 ms on Linux
    before 6.13; later ones count finer), and where the file system keeps no ctime.
    """
    return f"{version_of(stat)}.{stat.st_ino:x}.{stat.st_ctime_ns:x}"


def is_same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Whether both are the same file with the same content; a rename or a link in between changes the ctime."""
    if one is None or other is None:
        return False
    return (one.st_dev, one.st_ino, version_of(one)) == (other.st_dev, other.st_ino, version_of(other))


def file_stat(path: Path | str) -> os.stat_result | None:
    """The stat of an ordinary file; ``None`` for anything else, links too."""
    try:
        stat = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat if kinds.S_ISREG(stat.st_mode) else None


def settled_stat(path: Path | str, seconds: float = SAVE_SECONDS) -> os.stat_result | None:
    """The same, but a file that is being saved is waited for.

    Blender renames ``x.blend`` to ``x.blend1`` and then ``x.blend@`` to ``x.blend``: in between there is none.
    """
    end = time.monotonic() + seconds
    looks = 0
    while (stat := file_stat(path)) is None:
        if os.path.lexists(f"{path}@"):
            if time.monotonic() > end:
                return None
            time.sleep(LOOK_SECONDS)
        elif (looks := looks + 1) == LOOKS:  # a save may have ended, and another begun, between the two looks
            return None
    return stat


def walk(root: Path, prefix: str, after: str, unreadable: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Keys that begin with ``prefix`` and come after ``after``, in order; other folders are not read.

    What is below the prefix and cannot be read is added to ``unreadable``, a folder with a ``/`` at the end.
    """
    patience = [SAVE_SECONDS]
    folders = [iter(_children(root, "", patience))]
    while folders:
        for key in folders[-1]:
            try:
                if key.endswith("/"):
                    may_match = key.startswith(prefix) or prefix.startswith(key)
                    if may_match and (key > after or after.startswith(key)):
                        folders.append(iter(_children(root, key, patience)))
                        break
                elif key > after and key.startswith(prefix):
                    stat = _patient_stat(f"{root}{os.sep}{key}", patience)
                    if stat is not None:
                        yield key, stat
            except OSError:
                if prefix.startswith(key):
                    raise
                unreadable.append(key)
        else:
            folders.pop()


def _children(root: Path, folder: str, patience: list[float]) -> list[str]:
    """The keys in a folder, in order; folders end with a slash. What is being saved is waited for.

    ``patience`` holds the seconds that the walk may still wait in all: Blender's ``x.blend@`` can be a left-over.
    """
    found = [
        folder + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
        for entry in _entries(root / folder)
        if entry.name not in RESERVED_FOLDERS
        and (folder or entry.name not in SYSTEM_FOLDERS)
        and not is_part(entry.name)
        and not is_link(entry)
    ]
    for key in {key[:-1] for key in found if key.endswith("@")}.difference(found):
        if _patient_stat(f"{root}{os.sep}{key}", patience):
            found.append(key)
    return sorted(found)


def _patient_stat(path: str, patience: list[float]) -> os.stat_result | None:
    stat = file_stat(path)
    if stat is None:
        begun = time.monotonic()
        stat = settled_stat(path, patience[0])
        patience[0] -= time.monotonic() - begun
    return stat


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    entries: list[os.DirEntry[str]] = []
    try:
        for _ in range(SCANS):
            before = folder.stat().st_mtime_ns
            with os.scandir(folder) as scan:
                entries = list(scan)
            if folder.stat().st_mtime_ns == before:
                break
    except FileNotFoundError:  # a delete pruned this folder: only its own absence may count as empty
        return []
    return entries
