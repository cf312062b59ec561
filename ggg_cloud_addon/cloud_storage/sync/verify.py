"""Whether a synced folder, the store and the state of the sync agree, by content. It looks, and changes nothing."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CancelledError, InvalidIdError, StorageError
from ..files import translated
from ..names import check_component_id, fold, with_folders
from ..providers.base import CHUNK, Provider, list_pages
from ..transfers import Progress
from .config import SyncConfig
from .listing import scan_remote
from .scan import scan_local, walk
from .snapshot import BaseFile, Local, LocalFile, Remote, RemoteFile
from .state import open_state
from .synchronizer import Storage


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    kind: str
    """``"differs"`` (although nothing shows a change), ``"changed"`` (since the last sync, or never synced), ``"only
    here"``, ``"only there"``, ``"damaged"`` (in the store), ``"gone"`` (on both sides), ``"name"`` (of a file that can
    never be stored), ``"clash"`` (of two names) or ``"unreadable"``."""
    path: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What was found."""

    files: int
    """Paths that were looked at."""
    findings: tuple[Finding, ...]
    """In the order of their paths; none if all is well."""


@dataclass(frozen=True)
class _Content:
    """What one side holds under a path."""

    sha256: str | None
    stored: str | None = None
    """The SHA-256 that was stored with the object."""
    error: str | None = None
    """Why it cannot be read, in a sentence."""


def verify(storage: Storage, config: SyncConfig, progress: Progress | None = None) -> Verdict:
    """Read every file and every object that takes part in the sync, or did in the last one, and compare them.

    Args:
        config: what takes part; neither its folder nor the store is written to.
        progress: called in this thread.

    Raises:
        LocalFileError: the folder or the state cannot be read.
        StorageError: the store cannot be listed.
    """
    provider, prefix, root = storage.provider, storage.key_prefix, Path(config.local_dir)
    everything = replace(config, file_patterns=("*",), exclude_patterns=())
    store = f"{provider.identity or provider.location} {prefix}"
    with open_state(root, store, provider.location, read_only=True) as state:
        base = state.load()

    def taken(paths: Iterable[str]) -> set[str]:
        return {path for path in paths if path in base or config.takes(path)}

    found = walk(root, _unseen)
    remote = scan_remote(list_pages(provider, prefix), prefix, everything, _unseen, {}, found)
    local = scan_local(everything, found, {}, remote)
    for snapshot in (local, remote, base):
        found.drop_hidden(snapshot)
    paths = taken(local) | taken(remote) | base.keys()
    local = {path: file for path, file in local.items() if path in paths}
    remote = {path: file for path, file in remote.items() if path in paths}
    findings = [Finding("unreadable", path, str(error)) for path, error in found.unreadable.items()]
    findings += _names(local, remote)
    with _Reader(provider, prefix, root, storage.max_concurrency) as reader:
        contents = reader.read(local, remote, progress)
        for path in paths:
            here, there = contents.get((path, True)), contents.get((path, False))
            findings += _compared(path, here, there, local.get(path), remote.get(path), base.get(path))
    ordered = sorted(findings, key=lambda each: (each.path.encode(errors="surrogateescape"), each.kind))
    return Verdict(len(paths), tuple(ordered))


class _Reader:
    """Reads both sides, several files and objects at once."""

    def __init__(self, provider: Provider, prefix: str, root: Path, jobs: int) -> None:
        self._provider = provider
        self._prefix = prefix
        self._root = root
        self._pool = ThreadPoolExecutor(jobs)
        self._stopped = threading.Event()

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def read(self, local: Local, remote: Remote, progress: Progress | None) -> dict[tuple[str, bool], _Content]:
        """The content of each path, here (``True``) and there."""
        jobs: dict[tuple[str, bool], tuple[int, Future[_Content]]] = {}
        for path in sorted(local.keys() | remote.keys()):
            if (file := local.get(path)) is not None:
                jobs[path, True] = file.fingerprint.size, self._pool.submit(self._tried, self._here, path)
            if (found := remote.get(path)) is not None:
                jobs[path, False] = found.size, self._pool.submit(self._tried, self._there, path, found.etag)
        done, total = 0, sum(size for size, _ in jobs.values())
        contents = {}
        for place, (size, job) in jobs.items():
            contents[place] = job.result()
            done += size
            if progress is not None:
                progress(done, total)
        return contents

    def _tried(self, read: Callable[..., _Content], *arguments: str) -> _Content:
        try:
            return read(*arguments)
        except StorageError as error:
            return _Content(None, error=str(error))

    def _here(self, path: str) -> _Content:
        file = self._root / path
        with translated(file), file.open("rb") as reader:
            return _Content(self._sha256(iter(lambda: reader.read(CHUNK), b"")))

    def _there(self, path: str, etag: str) -> _Content:
        with self._provider.get(self._prefix + path, if_match=etag) as download:
            return _Content(self._sha256(download), download.info.sha256)

    def _sha256(self, chunks: Iterable[bytes]) -> str:
        digest = hashlib.sha256()
        for chunk in chunks:
            if self._stopped.is_set():
                raise CancelledError("The check was stopped.")
            digest.update(chunk)
        return digest.hexdigest()


def _unseen(count: int) -> None:
    """Nobody watches the scan."""


def _compared(
    path: str,
    here: _Content | None,
    there: _Content | None,
    file: LocalFile | None,
    found: RemoteFile | None,
    known: BaseFile | None,
) -> Iterator[Finding]:
    for side in (here, there):
        if side is not None and side.error is not None:
            yield Finding("unreadable", path, side.error)
    if there is not None and there.error is None and there.stored not in (None, there.sha256):
        mend = "push it again from here" if here and here.sha256 == there.stored else "restore an older version of it"
        yield Finding(
            "damaged",
            path,
            f'"{path}" is damaged in the store, or another tool wrote it and kept the metadata: its bytes do not have '
            f"the SHA-256 that is stored with them; {mend}.",
        )
    elif here and there and file and found and not (here.error or there.error) and here.sha256 != there.sha256:
        yield _difference(path, here, there, file, found, known)
    if here is None and there is None:
        yield Finding("gone", path, f'"{path}" is on neither side any more, and the sync still knows it; sync again.')
    elif there is None:
        why = "was synced and is not in the store any more" if known else "is only here"
        yield Finding("only here", path, f'"{path}" {why}.')
    elif here is None:
        why = "was synced and is not here any more" if known else "is only in the store"
        yield Finding("only there", path, f'"{path}" {why}.')


def _difference(
    path: str, here: _Content, there: _Content, file: LocalFile, found: RemoteFile, known: BaseFile | None
) -> Finding:
    if known is None:
        return Finding("changed", path, f'"{path}" has other content here than in the store, and was never synced.')
    if here.sha256 != known.sha256 and known.fingerprint.holds(file.fingerprint):
        return Finding(
            "differs",
            path,
            f'"{path}" has other content here than at the last sync, though its size and times say that it is the '
            "same, so no sync will see that; compare it with the one in the store.",
        )
    if there.sha256 != known.sha256 and known.etag == found.etag:
        return Finding(
            "differs",
            path,
            f'"{path}" has other content in the store than at the last sync, though the store says that it is the '
            "same, so no sync will see that; compare it with the one here.",
        )
    sides = [side for side, content in (("here", here), ("in the store", there)) if content.sha256 != known.sha256]
    return Finding("changed", path, f'"{path}" was changed {" and ".join(sides)} since the last sync.')


def _names(local: Local, remote: Remote) -> Iterator[Finding]:
    """Names that a sync cannot take: of one file, or of two together."""
    spelled: defaultdict[str, set[str]] = defaultdict(set)
    folders: set[str] = set()
    files = local.keys() | remote.keys()
    for path in files:
        try:
            check_component_id(path)
        except InvalidIdError as error:
            yield Finding("name", path, str(error))
            continue
        names = with_folders(path)
        folders.update(names[:-1])
        for name in names:
            spelled[fold(name)].add(name)
    for twins in spelled.values():
        first, *others = sorted(twins)
        if others and len(spelled.get(fold(first.rpartition("/")[0]), ())) < 2:  # else their folders are told
            listed = " and ".join(f'"{each}"' for each in (first, *others))
            yield Finding("clash", first, f"{listed} are one path on Windows and macOS; rename one.")
    for path in files & folders:
        yield Finding("clash", path, f'"{path}" is a file and a folder at once; rename one.')
