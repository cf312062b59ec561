"""The SHA-256 of files and objects, taken where a decision hangs on it."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from ..errors import LocalFileError, ObjectNotFoundError, PreconditionFailedError
from ..files import hash_file, translated
from ..providers.base import ObjectInfo, Provider
from .scan import ENTRIES, Found
from .snapshot import Base, Local, Remote, RemoteFile, differing


class Comparer:
    """Compares the two sides by content, several files at once."""

    def __init__(self, provider: Provider, prefix: str, root: Path, pool: Executor) -> None:
        """``pool`` does the reading."""
        self._provider = provider
        self._prefix = prefix
        self._root = root
        self._pool = pool

    def fill_in(self, local: Local, remote: Remote, base: Base, found: Found, on_file: Callable[[], object]) -> None:
        """Fill in the SHA-256 of objects that may be the same as the file, or as what was synced last.

        A file that cannot be read leaves both snapshots and joins ``found.unreadable``. ``on_file`` is called for each
        file; what it raises (to cancel) ends it.
        """
        unsure = [path for path in differing(local, remote, base) if _may_be_known(path, local, remote, base)]
        for begin in range(0, len(unsure), ENTRIES):  # not all at once: a first sync may have 100,000
            some = unsure[begin : begin + ENTRIES]
            compared = self._pool.map(lambda path: self._compare(path, local, remote[path], base), some)
            for path, (mine, theirs) in zip(some, compared, strict=True):
                on_file()
                if isinstance(mine, LocalFileError):
                    found.unreadable[path] = mine
                    continue
                if path in local:
                    local[path] = replace(local[path], sha256=mine)
                remote[path] = replace(remote[path], sha256=theirs)

    def arriving(self, paths: Iterable[str], local: Local, remote: Remote) -> frozenset[str]:
        """The SHA-256 of what is new on either side: to tell a rename from a delete."""

        def hashes(path: str) -> Iterator[str | None]:
            with contextlib.suppress(LocalFileError):
                if path in local:
                    yield self._local_sha256(path)
            if path in remote:
                yield self._remote_sha256(path, remote[path])

        found = self._pool.map(lambda path: [*hashes(path)], sorted(paths))
        return frozenset(each for hashed in found for each in hashed if each is not None)

    def _compare(
        self, path: str, local: Local, there: RemoteFile, base: Base
    ) -> tuple[str | LocalFileError | None, str | None]:
        """The SHA-256 of the file, or why it cannot be read; and that of the object."""
        mine = None
        if path in local:
            try:
                mine = local[path].sha256 or self._local_sha256(path)
            except LocalFileError as error:
                return error, None
        return mine, self._remote_sha256(path, there, mine, base[path].sha256 if path in base else None)

    def _local_sha256(self, path: str) -> str | None:
        """``None`` if it is gone by now."""
        target = self._root / path
        with translated(target), contextlib.suppress(FileNotFoundError):
            return hash_file(target)
        return None

    def _remote_sha256(
        self, path: str, there: RemoteFile, mine: str | None = None, known: str | None = None
    ) -> str | None:
        """``None`` if the object is gone or another one by now. ``mine`` is the file's, ``known`` that of the last
        sync."""
        key = self._prefix + path
        with contextlib.suppress(ObjectNotFoundError, PreconditionFailedError):
            listed = ObjectInfo(key, there.size, there.modified, there.etag, md5=there.md5)
            with contextlib.suppress(LocalFileError):  # the file is gone by now, or cannot be read any more
                if mine is not None and self._provider.vouches_for(listed, self._root / path, mine):
                    return mine
            info = self._provider.head(key)
            if info.etag != there.etag:
                return None
            # What was stored with the object may be stale, as other tools keep metadata when they replace the bytes.
            # That it is new content does no harm if it is wrong; that it is the file's, or still what was synced last,
            # needs the bytes.
            if info.sha256 is not None and mine is not None and info.sha256 not in (mine, known):
                return info.sha256
            digest = hashlib.sha256()
            with self._provider.get(key, if_match=there.etag) as download:
                for chunk in download:
                    digest.update(chunk)
            return digest.hexdigest()
        return None


def _may_be_known(path: str, local: Local, remote: Remote, base: Base) -> bool:
    """Whether the object, by its size, may hold what the file holds or what was synced last."""
    here, there, known = local.get(path), remote.get(path), base.get(path)
    if there is None or (known is not None and there.etag == known.etag):
        return False
    sizes = {each.size for each in (here and here.fingerprint, known and known.fingerprint) if each}
    return there.size in sizes
