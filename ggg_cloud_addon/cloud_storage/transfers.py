"""Objects to files: whole, checked, or not at all."""

import contextlib
import functools
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from .errors import IntegrityError, LocalFileError, StoreUnavailableError
from .files import flush_folder, flush_to_disk, hash_file, move_into_place, part_file, sweep_parts, translated
from .in_flight import Steps
from .providers.base import Download, ObjectInfo, OnBytes, Provider, getting

log = logging.getLogger(__name__)

LARGE = 16 << 20
"""Bytes above which content is hashed by a thread of its own."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all. Raise CancelledError in it to stop the transfer."""


def adding_up(progress: Progress | None, total: int) -> OnBytes | None:
    """Tell ``progress`` the sum of what a provider reports piece by piece."""
    if progress is None:
        return None
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return on_bytes


def downloading(
    provider: Provider,
    key: str,
    target: Path,
    *,
    version_id: str | None = None,
    if_match: str | None = None,
    overwrite: bool = True,
    progress: Progress | None = None,
    tmp: Path | None = None,
    before_replace: Callable[[Path], None] | None = None,
    moved: Callable[[Path], object] = flush_folder,
) -> Steps[ObjectInfo]:
    """Fetch an object into ``target``, by way of a temporary file; what comes of it has its SHA-256.

    Args:
        overwrite: whether a target with other content may be replaced.
        tmp: a folder on the target's file system for the temporary file, instead of the target's own.
        before_replace: called with the file that holds the checked content, right before it takes the target's
            place; what it raises leaves the target as it is.
        moved: sees to it that a power cut does not take the file's name out of this folder again.

    Raises:
        IntegrityError: the bytes do not have the SHA-256 that was stored with the object, and the store does not vouch
            for them.
        LocalFileError: the target is a directory or cannot be written.
        StorageError: what the provider raises.
    """
    with translated(target):
        if target.is_dir():
            raise LocalFileError(f'"{target}" is a directory; name the file to write.')
        asked = getting(provider, key, target, version_id=version_id, if_match=if_match)
        yield
        with asked as download:
            folder = tmp or target.parent
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
            _sweep_once(folder)
            with part_file(folder, target.name) as part:
                sha256 = _receive(provider, download, part, progress)
                if not overwrite and target.exists() and hash_file(target) != sha256:
                    raise LocalFileError(
                        f'"{target}" is there already with other content, so "{key}" was not pulled over it; move it '
                        "away, choose another place, or allow overwriting."
                    )
                if before_replace is not None:
                    before_replace(part)
                move_into_place(part, target, moved)
    return download.info if sha256 == download.info.sha256 else replace(download.info, sha256=sha256)


def _receive(provider: Provider, download: Download, part: Path, progress: Progress | None) -> str:
    """Write what arrives into ``part``, and return its SHA-256 if it is what the store holds."""
    info = download.info
    on_bytes = adding_up(progress, info.size)
    digest = hashlib.sha256()
    arrived = 0
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(part.open("wb"))
        # To hash a large one takes longer than all else.
        beside = stack.enter_context(ThreadPoolExecutor(1)) if info.size > LARGE else None
        hashed: Future[None] | None = None
        for chunk in download:
            if beside is None:
                digest.update(chunk)
            else:
                if hashed is not None:
                    hashed.result()
                hashed = beside.submit(digest.update, chunk)
            writer.write(chunk)
            arrived += len(chunk)
            if on_bytes is not None:
                on_bytes(len(chunk))
        if hashed is not None:
            hashed.result()
        flush_to_disk(writer)
    sha256 = digest.hexdigest()
    if info.sha256 not in (None, sha256):
        if not provider.vouches_for(info, part, sha256):
            raise IntegrityError(
                f'"{info.key}" was changed or damaged in the store after it was pushed (its SHA-256 differs), so it '
                "was not pulled; restore an older version of it or push it again."
            )
        log.info("Another tool wrote %s and kept the metadata: its SHA-256 is %s now", info.key, sha256)
    if arrived != info.size:
        raise StoreUnavailableError(f'Only {arrived} of the {info.size} bytes of "{info.key}" arrived; try again.')
    return sha256


@functools.cache
def _sweep_once(folder: Path) -> None:
    """Remove what killed processes left in a folder; once in this process's life, as folders can be large."""
    sweep_parts(folder)
