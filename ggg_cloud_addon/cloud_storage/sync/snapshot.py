"""The snapshots that a plan is made of: the folder, the store, and what both held at the last sync."""

import os
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

TICK_NS = 50_000_000
"""Two changes within one tick of a system's clock (4 to 16 ms) get the same time."""
COARSE_TICK_NS = 2_000_000_000
"""The same where the file system keeps whole seconds; FAT keeps every other one."""


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
    md5: str | None = None
    """Of the content, where the listing tells it (:attr:`~..providers.base.ObjectInfo.md5`)."""


@dataclass(frozen=True, slots=True)
class BaseFile:
    """What both sides held when they were last the same."""

    fingerprint: Fingerprint
    sha256: str
    etag: str
    observed: bool = True
    """Whether the last sync looked at this path. It does not look at what the patterns leave out or a folder hides
    that cannot be read; what disappeared meanwhile was not deleted as far as the sync can know."""


Local = dict[str, LocalFile]
"""By relative path with ``/``, as everywhere in a sync."""
Remote = dict[str, RemoteFile]
Base = dict[str, BaseFile]


def differing(local: Local, remote: Remote, base: Base) -> list[str]:
    """The paths that are not known to be the same on both sides; of 100,000 mostly few."""
    found = []
    for path, known in base.items():
        here, there = local.get(path), remote.get(path)
        if here is None or there is None or here.sha256 != known.sha256 or there.etag != known.etag:
            found.append(path)
    return found + list((local.keys() | remote.keys()) - base.keys())
