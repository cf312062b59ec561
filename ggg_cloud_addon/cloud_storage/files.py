"""Files on this machine: read for an upload, written whole or not at all."""

import contextlib
import errno
import hashlib
import io
import itertools
import os
import secrets
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import BaseFileLock, FileLock, LockOptions, SoftFileLease, Timeout

from .errors import LocalFileError, SourceChangedError, StorageError, StoreFullError

JUNCTION = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT (Microsoft, "Reparse Point Tags")."""
SWEEP_SECONDS = 10
"""A sweep holds a part's lock for milliseconds."""
BUSY_SECONDS = (0.02, 0.1, 0.3, 0.6)
"""Waits between the tries to replace a file that another program has open."""
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.ENOTTY})
"""What ``flock`` fails with on drives that have no file locks."""
LEASE = ".lease"
"""Begins the name of the file that stands for a lock there."""
PART_SUFFIX = ".ggg_part"
"""Ends the name of a file that is still being written; :func:`sweep_parts` removes what a crash left."""
CAUGHT = ".caught."
"""Begins the name of a part that may hold what another program wrote: no sweep removes it."""


class FileSource:
    """A file as the source of an upload (:class:`~.providers.base.Source`)."""

    def __init__(self, path: Path) -> None:
        """Look at the file.

        Raises:
            LocalFileError: it is not there, is a directory, or may not be read.
        """
        self.path = path
        with translated(path):
            self.looked_ns = time.time_ns()
            """When ``stat`` was taken, in nanoseconds since 1970."""
            try:
                self.stat = path.stat()
            except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it
                raise LocalFileError(f'The file "{path}" does not exist; check the path.') from None
            if stat.S_ISDIR(self.stat.st_mode):
                raise LocalFileError(f'"{path}" is a directory; name a file to upload.')
            if not stat.S_ISREG(self.stat.st_mode):
                raise LocalFileError(f'The file "{path}" does not exist; check the path.')
        self.size = self.stat.st_size

    def open(self) -> BinaryIO:
        """A fresh reader from the first byte."""
        with translated(self.path):
            return self.path.open("rb")

    def verify(self) -> None:
        """Raise SourceChangedError unless size, times and inode are what they were at the start."""
        with contextlib.suppress(FileNotFoundError):
            if _is_same(self.path.stat(), self.stat):
                return
        raise SourceChangedError(
            f'"{self.path}" was written to while it was uploaded, so nothing was stored; try again.'
        )


class BytesSource:
    """Bytes in memory as the source of an upload."""

    def __init__(self, content: bytes) -> None:
        """These bytes, which nobody changes."""
        self._content = content
        self.size = len(content)

    def open(self) -> BinaryIO:
        """A fresh reader from the first byte."""
        return io.BytesIO(self._content)

    def verify(self) -> None:
        """They are what they were."""


def _is_same(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether nobody wrote to the file. The ctime shows an edit that put the mtime back, but a hard link that was made
    or removed changes it too, and beside the upload a sync may do both."""
    if (now.st_size, now.st_mtime_ns, now.st_ino) != (before.st_size, before.st_mtime_ns, before.st_ino):
        return False
    return now.st_ctime_ns == before.st_ctime_ns or now.st_nlink > 1 or now.st_nlink != before.st_nlink


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the system's errors about ``path`` into sentences (LocalFileError, StoreFullError)."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if is_full(error):
            raise StoreFullError(f'There is no room to write "{path}"; free some space.') from error
        raise LocalFileError(
            f'"{path}" cannot be read or written ({error.strerror or error}); check that it is there and your rights.'
        ) from error


def is_full(error: OSError) -> bool:
    """Whether the error says that there is no room: disk, quota, or the file system's largest file."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def part_file(folder: Path, name: str) -> Iterator[Path]:
    """A path in ``folder`` to write to and then move away with :func:`os.replace`.

    What is still there at the end is removed. While the process lives a lock in the folder tells
    :func:`sweep_parts` in other processes to leave it alone; a killed process's lock is free at once.
    """
    # The name is cut so that it stays within the 255 bytes that file systems allow.
    short = name.encode()[:180].decode(errors="ignore")
    with parts_in(folder) as token:
        path = folder / f".{short}.{next(_numbers):x}.{token}{PART_SUFFIX}"
        try:
            yield path
        finally:
            # On Windows what somebody else has open cannot be removed; the next sweep does it.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def take_lock(path: Path, seconds: float, mode: int | None = None) -> BaseFileLock:
    """Hold a file's lock against other threads, processes and machines, until its ``release`` is called.

    On a drive without ``flock`` a file beside it is the lock. Its holder touches it all the time, so that others see
    when the holder has died.

    Args:
        mode: permissions of the lock's file, if it is made now.

    Raises:
        Timeout: somebody else has held it for so many seconds.
    """
    options: LockOptions = {"poll_interval": 0.005, "thread_local": False}
    if mode is not None:
        options["mode"] = mode | 0o600
    lock: BaseFileLock = FileLock(path, **options | {"fallback_to_soft": False})
    try:
        lock.acquire(timeout=seconds)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        lock = SoftFileLease(path.with_name(LEASE + path.name), **options)
        lock.acquire(timeout=seconds)
    return lock


_numbers = itertools.count()
_holding = threading.Lock()
_held: dict[Path, tuple[str, BaseFileLock, list[None]]] = {}
"""By folder: the token of this process's parts there, its lock, and an entry for each part."""


@contextlib.contextmanager
def parts_in(folder: Path) -> Iterator[str]:
    """Hold one lock for all the parts that this process has in a folder; the answer is what their names end with.

    Who writes many there holds it meanwhile: to take it for each is a good part of what a small file costs.
    """
    with _holding:
        if folder not in _held:
            token = secrets.token_hex(6)  # another one each time: a sweep may still have the last one's lock
            _held[folder] = token, take_lock(folder / f".{token}{PART_SUFFIX}.lock", SWEEP_SECONDS), []
        token, lock, parts = _held[folder]
        parts.append(None)
    try:
        yield token
    finally:
        with _holding:
            parts.pop()
            if not parts:
                del _held[folder]
                lock.release()
                with contextlib.suppress(OSError):
                    (folder / f".{token}{PART_SUFFIX}.lock").unlink(missing_ok=True)


def is_link(entry: os.DirEntry[str]) -> bool:
    """Whether it is a symbolic link, or a junction (Windows); asks the disk nothing, so that it never fails."""
    if sys.platform == "win32" and entry.stat(follow_symlinks=False).st_reparse_tag == JUNCTION:
        return True
    return entry.is_symlink()


def flush_folder(folder: Path) -> None:
    """Make the names in it survive a power cut, where the system knows how to."""
    if os.name != "posix":  # Windows cannot open a folder, and needs no such thing
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES):  # some network drives
            raise


class FoldersToFlush:
    """Folders into which files were moved, to be flushed once for many of them. Thread-safe."""

    def __init__(self) -> None:
        """None yet."""
        self._folders: set[Path] = set()

    def add(self, folder: Path) -> None:
        """One more."""
        self._folders.add(folder)

    def flush(self) -> None:
        """Make the names in all of them survive a power cut, also in those added by others meanwhile.

        Raises:
            LocalFileError: the disk refuses.
        """
        with contextlib.suppress(KeyError):
            while True:
                folder = self._folders.pop()
                try:
                    with translated(folder):
                        flush_folder(folder)
                except BaseException:
                    self._folders.add(folder)
                    raise


def replace(part: Path, target: Path) -> None:
    """Rename ``part`` to ``target`` in one step.

    On Windows a file that somebody reads cannot be replaced: this waits a little for the reader.
    """
    for seconds in BUSY_SECONDS:
        try:
            os.replace(part, target)
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(seconds)
    os.replace(part, target)


def move_into_place(part: Path, target: Path, moved: Callable[[Path], object] = flush_folder) -> None:
    """Rename ``part`` to ``target`` in one step; a file that it replaces leaves it its permissions.

    The rename survives a power cut, or once ``moved`` has seen to it. A target on another file system (a disk or a
    share mounted inside the folder) is replaced by a copy made beside it.
    """
    with contextlib.suppress(OSError):  # there is no target, or its system has no such permissions
        before = target.lstat().st_mode
        if stat.S_ISREG(before) and (before ^ part.stat().st_mode) & 0o777:
            part.chmod(before & 0o777)
    try:
        replace(part, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        sweep_parts(target.parent)
        with copied(part, target.parent) as near:
            replace(near, target)
    moved(target.parent)


def is_part(name: str) -> bool:
    """Whether a file name is that of a part file or of its lock."""
    return name.startswith(".") and name.removesuffix(".lock").endswith(PART_SUFFIX)


def sweep_parts(folder: Path) -> None:
    """Remove the part files in ``folder`` whose process is gone."""
    for path in folder.glob(f".*{PART_SUFFIX}*"):
        if path.name.startswith((LEASE, CAUGHT)):  # a lease goes with the lock that it stands for
            continue
        is_lock = path.suffix == ".lock"
        lock_file = path if is_lock else folder / f".{path.stem.rpartition('.')[2]}{PART_SUFFIX}.lock"
        # Another process may sweep the same folder, or the folder may not be writable: then it stays.
        with contextlib.suppress(Timeout, OSError):
            lock = take_lock(lock_file, 0)
            if not is_lock:
                path.unlink(missing_ok=True)
            lock.release()
            lock_file.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def flush_to_disk(stream: BinaryIO) -> None:
    """Make the written bytes survive a power cut, before a rename makes them the file."""
    stream.flush()
    os.fsync(stream.fileno())


def link_or_copy(source: Path, target: Path, tmp: Path) -> None:
    """Keep the content of ``source`` as ``target`` too: a hard link, or where there is none a copy made in ``tmp``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # exFAT and some network drives have no hard links
        with copied(source, tmp) as part:
            os.replace(part, target)


def keep(source: Path, target: Path, tmp: Path) -> None:
    """Keep the content of ``source`` as ``target`` too, before ``source`` is replaced.

    A file that has other names (hard links) is copied, as it may still be edited in place under one of those.
    """
    if source.lstat().st_nlink == 1:
        link_or_copy(source, target, tmp)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        with copied(source, tmp) as part:
            os.replace(part, target)


def keep_as(source: Path, target: Path, tmp: Path) -> None:
    """The same for a name that somebody else may take at the same time.

    Raises:
        FileExistsError: there is a ``target``, which is left as it is.
    """
    if source.lstat().st_nlink == 1:
        try:
            os.link(source, target)
            return
        except FileExistsError:
            raise
        except OSError:  # exFAT and some network drives have no hard links
            pass
    with copied(source, tmp) as part:
        target.open("xb").close()  # from here on the name is ours
        move_into_place(part, target)


def move_away(source: Path, target: Path, tmp: Path, check: Callable[[], object]) -> None:
    """Move a file to ``target``: by a rename, or where :func:`keep` would copy, or ``target`` lies on another file
    system, by a copy. ``check`` is called right before ``source`` is gone; what it raises leaves it where it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.lstat().st_nlink == 1:
        check()
        try:
            os.replace(source, target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    with copied(source, tmp) as part:
        check()
        os.replace(part, target)
        source.unlink()


@contextlib.contextmanager
def copied(source: Path, folder: Path) -> Iterator[Path]:
    """A part in ``folder`` with the content, times and permissions of ``source``."""
    with part_file(folder, "version") as part:
        shutil.copyfile(source, part)
        with part.open("r+b") as writer:  # what it is a copy of may be gone next
            flush_to_disk(writer)
        shutil.copystat(source, part)
        yield part
