"""Renames that do not lose what another program writes in the same moment.

A folder of the store may lie on another file system than ``.ggg_store`` (a disk mounted there, a btrfs subvolume): no
rename leads across. There the new content is first copied beside the file that it replaces, and what is replaced is
copied to the versions before.
"""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ..files import link_or_copy, replace
from .folder_files import etag_of, file_stat, is_same

AT_FDCWD = -100
"""<fcntl.h>: a path is relative to the working directory."""
NO_REPLACE, EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
"""macOS <stdio.h>: RENAME_EXCL, RENAME_SWAP; Linux <linux/fs.h>: RENAME_NOREPLACE, RENAME_EXCHANGE."""
UNKNOWN = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY})
"""What the file system answers that cannot do it (NFS, SMB and FUSE mostly)."""


class MeanwhileError(Exception):
    """The path holds something else than it was compared with; nothing was done."""


def rename_new(source: Path, target: Path) -> None:
    """Rename to a name that nobody has.

    Where neither the system's call for it nor hard links exist, a file that another program makes between the look
    and the rename is lost.

    Raises:
        FileExistsError: somebody has it.
    """
    if _rename(source, target, NO_REPLACE):
        return
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)  # on Windows this refuses a name that is taken
    else:
        source.unlink()


def exchange(one: Path, other: Path) -> bool:
    """Let two files swap their names in one step; ``False`` where the system or the file system cannot."""
    return _rename(one, other, EXCHANGE)


def swap(new: Path, path: Path, there: os.stat_result, aside: Path, tmp: Path) -> Path:
    """Let ``new`` take the place of ``path``, and tell where what was there lies now: it may be newer than ``there``.

    With an exchange nothing can be lost. Without one ``there`` is kept as ``aside`` first, if it is not that already,
    and what another program renames to ``path`` between our last look at it and our rename, the next system call, is
    lost; where there are no hard links, so is what it writes into the file then. Where ``new`` lies beside ``path``,
    ``there`` is kept as ``aside`` in any case: what an exchange catches is on another file system than the versions.

    Raises:
        MeanwhileError: ``path`` does not hold ``there`` any more.
    """
    _expect(path, etag_of(there))
    is_beside = new.parent == path.parent
    is_kept = is_same(file_stat(aside), there)
    try:
        if not is_beside and exchange(new, path):
            return new
        if is_kept:
            _expect(path, etag_of(there))
        else:
            link_or_copy(path, aside, tmp)
            if not is_same(file_stat(path), there):  # a link changes the ctime
                raise MeanwhileError
        if is_beside and exchange(new, path):
            return new
        replace(new, path)
    except FileNotFoundError:
        if file_stat(new) is None:
            raise
        raise MeanwhileError from None
    except OSError:
        if not is_kept and is_same(file_stat(path), there):
            aside.unlink(missing_ok=True)
        raise
    return aside


def _expect(path: Path, etag: str) -> None:
    now = file_stat(path)
    if now is None or etag_of(now) != etag:
        raise MeanwhileError


def _rename(source: Path, target: Path, how: int) -> bool:
    call = _system_call()
    if call is None:
        return False
    sys.audit("os.rename", source, target, -1, -1)  # as for every other rename
    if call(os.fsencode(source), os.fsencode(target), how) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


@cache
def _system_call() -> Callable[[bytes, bytes, int], int] | None:
    """The rename with flags: ``renameat2`` (Linux), ``renamex_np`` (macOS)."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # an old or another C library, Windows
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            plain = library.renamex_np
            return lambda source, target, how: int(plain(source, target, how))
        at = library.renameat2
        return lambda source, target, how: int(at(AT_FDCWD, source, AT_FDCWD, target, how))
    return None
