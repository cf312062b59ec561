"""Looking at a plain-folder store: which store it is, and what lies under a key."""

import os
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ..errors import StoreUnavailableError
from . import problems
from .base import ObjectInfo
from .folder_files import etag_of, file_stat, is_same, settled_stat, version_of
from .folder_records import Entry, Record, Records
from .folder_twins import Twins

TRIES = 20
"""How often something is looked at again that others change at the same time."""
STAMP_SECONDS = 1.0
"""How long a reader waits for the stamp of a put that has just swapped its file in."""
LOOK_SECONDS = 0.002
RECENT_NS = 10 * 10**9
"""A file that changed longer ago is not waiting for a stamp."""


class Look:
    """Reads, and writes nothing but the mark of a store that is new."""

    def __init__(self, root: Path, records: Records, twins: Twins) -> None:
        """Nothing is read yet."""
        self._root = root
        self._records = records
        self._twins = twins
        self._mark = ""
        """That of the store when it was first seen."""
        self._beginning = threading.Lock()

    def mark(self) -> str:
        """The store's mark; the first one that is seen is remembered."""
        mark = self._records.store_id()
        if mark and not self._mark:
            self._mark = mark
        return mark

    def begin(self) -> None:
        """Make the folder if it is not there, write to it, and give it its mark if it has none."""
        self._records.mark_store()
        self._mark = self._records.store_id()

    def expect_store(self) -> None:
        """Before and after everything that writes: a drive can go away at any moment.

        Raises:
            StoreUnavailableError: the folder is not the store any more that was seen first.
        """
        mark = self.mark()
        if not mark:
            with self._beginning:
                if not self._mark:  # nobody has written to it yet
                    self.begin()
            mark = self.mark()
        if mark != self._mark:
            raise StoreUnavailableError(
                f'The folder "{self._root}" does not hold the store any more that it held before; is the drive there?'
            )

    def at(self, key: str, path: Path) -> tuple[os.stat_result | None, Record, bool]:
        """The file as it is now, the record that goes with it, and whether that vouches for the file's bytes."""
        end = time.monotonic() + STAMP_SECONDS
        while True:
            stat = settled_stat(path)
            record = self._records.read(key)
            if stat is None:
                return None, record, False
            version = version_of(stat)
            if self._records.stamp(key) == etag_of(stat):
                return stat, record, True
            is_newest = record.entries[:1] == (record.find(version),)
            if time.monotonic() < end:
                if is_newest and abs(time.time_ns() - stat.st_ctime_ns) < RECENT_NS:
                    time.sleep(LOOK_SECONDS)
                    continue
                now = file_stat(path)
                if now is None or etag_of(now) != etag_of(stat):  # a put was in between
                    continue
            if record.find(version) is None and self._twins.owns(record, stat):
                return None, record, False
            return stat, record, False

    def find(self, key: str, path: Path, version_id: str | None) -> tuple[Path, ObjectInfo]:
        """The file of an object or of a version, and what is known of it."""
        for _ in range(TRIES):
            stat, record, is_ours = self.at(key, path)
            if stat is None and version_id is None:
                raise problems.not_found(key)
            if stat is not None and version_id in (None, version_of(stat)):
                return path, current_info(key, record, stat, is_ours=is_ours)
            assert version_id is not None
            kept = self._records.find_kept(record, version_id)
            if kept is not None:
                if its := file_stat(kept):  # else a put has just given it its name
                    return kept, object_info(key, record.find(version_id) or record.entry_of(its), etag_of(its))
            elif is_same(file_stat(path), stat) or stat is None:
                break  # else it may be the one that was just swapped in
        raise problems.no_version(key, version_id)


def current_info(key: str, record: Record, stat: os.stat_result, *, is_ours: bool) -> ObjectInfo:
    """What is known of the file that lies there."""
    entry = record.entry_of(stat)
    return object_info(key, entry if is_ours else replace(entry, sha256=None), etag_of(stat))


def object_info(key: str, entry: Entry, etag: str) -> ObjectInfo:
    """What is known of a version."""
    return ObjectInfo(
        key,
        entry.size,
        entry.modified,
        etag,
        version_id=entry.version_id,
        sha256=entry.sha256,
        created=datetime.fromisoformat(entry.created),
        metadata=entry.metadata,
    )
