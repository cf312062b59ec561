"""Changing what lies under a key of a plain-folder store, beside other programs that do the same and take no lock."""

import contextlib
import os
import stat as kinds
from collections.abc import Mapping
from dataclasses import dataclass, replace
from errno import EXDEV
from pathlib import Path

from ..errors import StoreUnavailableError, UnsupportedError
from ..files import copied, flush_folder, hash_file, link_or_copy
from ..times import utc_from_ns
from . import problems
from .base import Condition, IfAbsent, IfMatch, ObjectInfo
from .folder_files import etag_of, file_stat, is_same, version_of
from .folder_look import TRIES, Look, object_info
from .folder_records import Entry, Record, Records
from .folder_shared import Shared
from .folder_swap import MeanwhileError, exchange, rename_new, swap
from .folder_twins import Twins

SMALL = 1 << 20
"""Bytes up to which replaced content is read again before it is called the version that it should be: between our last
look and the swap somebody may have edited it and set its mtime back, and the swap itself changes the ctime."""


@dataclass
class _Placing:
    """New content on its way to become the object."""

    key: str
    path: Path
    ours: os.stat_result
    link: Path
    """Its name as a version, where there are hard links."""
    new: Path
    """Its name that takes part in the swap."""
    was_there: bool = False
    """Whether it was the object for a moment: somebody may have read it, or write into it, so it stays a version."""


class Changes:
    """Puts and deletes. Whoever calls holds the key's lock."""

    def __init__(self, root: Path, shared: Shared, records: Records, twins: Twins, look: Look) -> None:
        """Nothing is read or written yet."""
        self._root = root
        self._shared = shared
        self._records = records
        self._twins = twins
        self._look = look
        self._across: set[Path] = set()
        """Folders on another file system than the versions."""

    def _compared(self, key: str, path: Path, condition: Condition) -> tuple[os.stat_result | None, Record, bool]:
        """What :meth:`.Look.at` finds, if it may be replaced."""
        self._look.expect_store()
        stat, record, is_ours = self._look.at(key, path)
        if isinstance(condition, IfAbsent) and stat is not None:
            raise problems.already_there(key)
        if isinstance(condition, IfMatch) and not _matches(condition.etag, path, stat, record, is_ours=is_ours):
            raise problems.changed(key)
        return stat, record, is_ours

    def commit(
        self,
        key: str,
        path: Path,
        part: Path,
        sha256: str,
        metadata: Mapping[str, str],
        condition: Condition,
    ) -> ObjectInfo:
        """Make ``part`` the object, or a copy of it made beside the key's file if that is on another file system."""
        if path.parent not in self._across:
            try:
                return self._commit(key, path, part, sha256, metadata, condition)
            except OSError as error:
                if error.errno != EXDEV:
                    raise
            self._across.add(path.parent)
        self._make_parent(key, path)
        self._records.bring(key, path)  # what a killed process left
        with copied(part, path.parent) as part_beside:
            return self._commit(key, path, part_beside, sha256, metadata, condition)

    def _commit(
        self,
        key: str,
        path: Path,
        part: Path,
        sha256: str,
        metadata: Mapping[str, str],
        condition: Condition,
    ) -> ObjectInfo:
        is_beside = part.parent == path.parent
        stat, former, is_ours = self._compared(key, path, condition)
        if stat is None or not former.entries:  # else this very name was stored before
            self._twins.refuse(key, path)
        self._make_parent(key, path)
        self._shared.give_content(part, stat)
        version = self._records.make_unique(part, former, stat)
        created = former.entry_of(stat).created if stat else utc_from_ns(part.lstat().st_mtime_ns).isoformat()
        entry = Entry(version, sha256, created, metadata)
        link = self._records.version_path(key, version)
        new = self._records.name_beside(key, path) if is_beside else self._records.new_name(key, version)
        placing = _Placing(key, path, part.lstat(), link, new)
        try:
            self._records.write(replace(former, entries=(entry, *former.entries), is_deleted=False))
            with contextlib.suppress(OSError):  # the file system has no hard links
                os.link(part, placing.link)
            part.rename(placing.new)  # no sweep may take what the swap leaves under this name
            caught, is_known = self._swapped(placing, stat, is_ours, condition)
        except BaseException:
            if not placing.was_there:
                if is_same(file_stat(link), placing.ours):
                    link.unlink()
                if is_same(file_stat(new), placing.ours):
                    new.replace(part)  # the caller removes it, or places it in another way
            if is_beside:
                self._records.bring(key, path)
            record = former.with_entry(entry) if placing.was_there else former
            self._restore(record, stat)
            raise
        with contextlib.suppress(OSError):  # there is no link
            # FUSE drives answer with a ctime from before the swap if somebody looked at the same time; after this not.
            placing.link.chmod(placing.ours.st_mode & 0o777)
        placed = file_stat(placing.link) or file_stat(path)
        etag = etag_of(placed if placed is not None and is_same(placed, placing.ours) else placing.ours)
        self._records.write_stamp(key, etag)
        flush_folder(path.parent)
        self._look.expect_store()
        tidied = self._records.tidied(former, placing.ours, caught if is_known else None)
        if tidied.entries != former.entries:
            self._records.write(replace(tidied, entries=(entry, *tidied.entries), is_deleted=False))
        return object_info(key, entry, etag)

    def _swapped(
        self, placing: _Placing, stat: os.stat_result | None, is_ours: bool, condition: Condition
    ) -> tuple[Path | None, bool]:
        """Swap the new content in for what was compared (``stat``).

        The answer is where that lies now, and whether the record knows it. Without a condition anything else that lies
        there by then is replaced just so.
        """
        key, path, new = placing.key, placing.path, placing.new
        for _ in range(TRIES):
            try:
                self._make_parent(key, path)
                if stat is None:
                    self._place(new, path)
                    return None, False
                aside = self._records.version_path(key, version_of(stat))
                if not is_same(file_stat(aside), stat):
                    aside = self._records.new_name(key, version_of(stat))
                caught = swap(new, path, stat, aside, self._records.tmp())
                is_it = caught == aside or is_same(file_stat(caught), stat)
                if is_it or condition is None:
                    if caught.parent == path.parent:
                        self._records.bring(key, path, stat)
                        caught = aside
                    return caught, is_it and is_ours and stat.st_size > SMALL
                placing.was_there = True
                _swap_back(placing)
            except MeanwhileError:
                pass
            stat, _, is_ours = self._compared(key, path, condition)
        raise StoreUnavailableError(f'"{key}" is being written to all the time; try again later.')

    def _place(self, new: Path, path: Path) -> None:
        try:
            rename_new(new, path)
        except FileExistsError:
            mode = path.lstat().st_mode if os.path.lexists(path) else kinds.S_IFREG
            if kinds.S_ISREG(mode) or kinds.S_ISDIR(mode):
                raise MeanwhileError from None
            new.replace(path)  # a link is no object
        except FileNotFoundError:
            if file_stat(new) is None:
                raise
            raise MeanwhileError from None  # a delete pruned the empty folder in between

    def _make_parent(self, key: str, path: Path) -> None:
        if path.is_dir():
            raise UnsupportedError(f'"{key}" cannot be stored: a folder has that name; choose another ID.')
        try:
            self._shared.make(path.parent, self._root)
        except (NotADirectoryError, FileExistsError) as error:
            raise UnsupportedError(
                f'"{key}" cannot be stored: a part of it is a file in the store; choose another ID.'
            ) from error

    def remove(self, key: str, path: Path, condition: Condition) -> None:
        """Move the file to its versions."""
        for _ in range(TRIES):
            stat, record, is_ours = self._compared(key, path, condition)
            if stat is None:
                raise problems.not_found(key)
            aside = self._records.new_name(key, version_of(stat))
            is_known = is_ours and stat.st_size > SMALL
            if not record.find(version_of(stat)):
                record = record.with_entry(record.entry_of(stat))
            self._records.write(replace(record, is_deleted=True))
            try:
                caught = self._take(key, path, aside)
            except FileNotFoundError:
                self._records.write(record)
                continue
            is_it = is_same(file_stat(caught), stat)
            if condition is None or is_it:
                self._look.expect_store()
                if caught != aside:
                    self._records.bring(key, path, stat)
                tidied = self._records.tidied(record, None, aside if is_it and is_known else None)
                if tidied.entries != record.entries:
                    self._records.write(replace(tidied, is_deleted=True))
                flush_folder(aside.parent)
                return
            with contextlib.suppress(FileExistsError):  # what came meanwhile is newer, and this one a version
                rename_new(caught, path)
            if caught != aside:
                self._records.bring(key, path)
            self._restore(record, stat)
        raise StoreUnavailableError(f'"{key}" is being written to all the time; try again later.')

    def _take(self, key: str, path: Path, aside: Path) -> Path:
        """Take the file from its name, and tell where it lies now: at ``aside``, or if that is on another file system
        and has a copy of it, beside its name."""
        try:
            path.rename(aside)
        except OSError as error:
            if error.errno != EXDEV:
                raise
        else:
            return aside
        self._records.bring(key, path)
        link_or_copy(path, aside, self._records.tmp())
        return path.rename(self._records.name_beside(key, path))

    def _restore(self, record: Record, current: os.stat_result | None) -> None:
        """Put back the record from before a change that did not happen."""
        record = self._records.tidied(record, current)
        if record.entries or self._records.kept(record):
            self._records.write(record)
        else:
            self._records.forget(record.key)

    def prune(self, path: Path) -> None:
        """Remove the folders above that are empty."""
        for parent in path.relative_to(self._root).parents[:-1]:
            try:
                (self._root / parent).rmdir()
            except OSError:  # not empty: somebody else's files, or a put that came between
                break


def _matches(etag: str, path: Path, stat: os.stat_result | None, record: Record, *, is_ours: bool) -> bool:
    """Whether the file is what the caller knows by this ETag; one of up to 0.5.1 is a version ID.

    A copy of the store, a backup that makes hard links and a change of permissions alter inode or ctime. Then the bytes
    decide.
    """
    if stat is None:
        return False
    if etag == etag_of(stat):
        return True
    version = version_of(stat)
    if etag != version and not etag.startswith(f"{version}."):
        return False
    entry = record.find(version)
    return entry is not None and entry.sha256 is not None and (is_ours or hash_file(path) == entry.sha256)


def _swap_back(placing: _Placing) -> None:
    """Undo an exchange that caught what the caller does not know. Whatever is newest stays the object."""
    with contextlib.suppress(FileNotFoundError):  # the other program is in a save, and brings its own content
        exchange(placing.new, placing.path)
        if not is_same(file_stat(placing.new), placing.ours):
            exchange(placing.new, placing.path)
