"""Carrying out a plan: a condition on every remote write, a second look at every local file."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from stat import S_ISDIR

from pathvalidate import sanitize_filename

from ..errors import LocalFileError, ObjectNotFoundError, PreconditionFailedError, SourceChangedError
from ..files import FileSource, keep, keep_as, move_away, translated
from ..in_flight import Steps, all_at_once
from ..names import MAX_KEY_BYTES, MAX_NAME_BYTES, check_component_id, fold
from ..providers.base import IfAbsent, IfMatch, Provider, putting
from ..transfers import Progress, adding_up, downloading
from .plan import DELETES, Action, Kind
from .snapshot import Base, BaseFile, Fingerprint, Local, Remote
from .state import TMP_FOLDER
from .trash import Trash

SAVE_SECONDS = 2.0
"""A file that a program is saving may be absent for a moment: Blender renames ``x.blend`` to ``x.blend1``, then
``x.blend@`` to ``x.blend``. Only what is absent for longer counts as deleted."""

TICK_SECONDS = 0.05

Known = dict[str, BaseFile | None]
"""What both sides hold now, by path; ``None`` if neither holds it."""


class Applier:
    """Carries out the actions of one plan, several at once; one for each path."""

    def __init__(
        self,
        provider: Provider,
        prefix: str,
        root: Path,
        local: Local,
        remote: Remote,
        base: Base,
        trash: Trash,
        moved: Callable[[Path], object],
        expect_folder: Callable[[], object],
    ) -> None:
        """``local``, ``remote`` and ``base`` are the snapshots that the plan was made of; ``moved`` is as for
        :func:`~..transfers.downloading`, and ``expect_folder`` is :meth:`.state.State.expect_folder`."""
        self._provider = provider
        self._prefix = prefix
        self._root = root
        self._local = local
        self._remote = remote
        self._base = base
        self._tmp = root / TMP_FOLDER
        self._trash = trash
        self._moved = moved
        self._expect_folder = expect_folder
        self._real_root = os.path.realpath(root)
        self._steps: dict[Kind, Callable[[str, Progress], Steps[Known]]] = {
            Kind.UPLOAD: self._upload,
            Kind.DOWNLOAD: self._download,
            Kind.DELETE_REMOTE: self._delete_remote,
            Kind.DELETE_LOCAL: self._delete_local,
            Kind.KEEP_BOTH: self._keep_both,
            Kind.REMEMBER: self._remember,
            Kind.FORGET: self._forget,
        }

    def apply(self, action: Action, progress: Progress) -> Steps[Known]:
        """Do one action; what comes of it is for the state.

        Raises:
            PreconditionFailedError: the object changed since the plan was made.
            SourceChangedError: the file changed since the plan was made.
            StorageError: it could not be done; both sides hold what they held.
        """
        with translated(self._root / action.path):
            return (yield from self._steps[action.kind](action.path, progress))

    def outwait_saves(self, plan: Iterable[Action], looked: float, tick: Callable[[], object]) -> None:
        """Before a plan that deletes, wait until what is absent has been so for longer than a save takes.

        Args:
            looked: when both sides were looked at, by the monotonic clock.
            tick: called now and then; what it raises (to cancel) ends it.
        """
        if any(each.kind in DELETES or (each.path in self._base and each.path not in self._local) for each in plan):
            while (left := looked + SAVE_SECONDS - time.monotonic()) > 0:
                tick()
                time.sleep(min(left, TICK_SECONDS))

    def _upload(self, path: str, progress: Progress) -> Steps[Known]:
        remote = self._remote.get(path)
        if remote is not None:
            self._keep_remote(path, remote.etag)
        return self._send(path, IfMatch(remote.etag) if remote else IfAbsent(), progress)

    def _send(self, path: str, condition: IfAbsent | IfMatch, progress: Progress) -> Steps[Known]:
        source = FileSource(self._target(path))
        on_bytes = adding_up(progress, source.size)
        info = yield from putting(self._provider, self._prefix + path, source, condition=condition, on_bytes=on_bytes)
        assert info.sha256 is not None
        fingerprint = Fingerprint.of(source.stat, looked_ns=source.looked_ns)
        return {path: BaseFile(fingerprint, info.sha256, info.etag)}

    def _download(self, path: str, progress: Progress) -> Steps[Known]:
        def keep_in_trash() -> None:
            keep(self._target(path), self._trash.place(path), self._tmp)

        return self._fetch(path, keep_in_trash, progress)

    def _fetch(self, path: str, keep_old: Callable[[], object], progress: Progress) -> Steps[Known]:
        """Put the remote content into the file's place, whose own content is kept before."""
        target = self._target(path)
        with contextlib.suppress(OSError):  # an empty folder gives way; a file, or a folder with anything in it, stays
            target.rmdir()
        arrived: list[Fingerprint] = []

        def keep_what_is_there(part: Path) -> None:
            self._look_again(path)
            if path in self._local:
                keep_old()
                self._look_again(path, but_ctime=True)  # a copy takes its time, and a link changes the ctime
            self._expect_folder()
            # Of the part, not of the target after the move: that may be edited by then.
            arrived.append(Fingerprint.of(part.stat(), moved=True))

        info = yield from downloading(
            self._provider,
            self._prefix + path,
            target,
            if_match=self._remote[path].etag,
            progress=progress,
            tmp=self._tmp,
            before_replace=keep_what_is_there,
            moved=self._moved,
        )
        self._expect_folder()
        assert info.sha256 is not None
        return {path: BaseFile(arrived[0], info.sha256, info.etag)}

    def _delete_remote(self, path: str, progress: Progress) -> Steps[Known]:
        yield from ()
        etag = self._remote[path].etag
        self._keep_remote(path, etag)
        self._look_again(path)
        self._provider.delete(self._prefix + path, condition=IfMatch(etag))
        return {path: None}

    def _delete_local(self, path: str, progress: Progress) -> Steps[Known]:
        yield from ()
        was_renamed = fold(path) in self._folded  # in case only; a store that ignores case would find the new name
        if not was_renamed and self._is_stored(path):
            raise PreconditionFailedError(f'"{path}" came back in the store during the sync; the next run looks again.')
        move_away(self._target(path), self._trash.place(path), self._tmp, lambda: self._look_again(path))
        for folder in Path(path).parents[:-1]:
            try:
                (self._root / folder).rmdir()
            except OSError:  # not empty
                break
        return {path: None}

    @cached_property
    def _folded(self) -> frozenset[str]:
        """The listed paths as a system sees them that ignores case."""
        return frozenset(map(fold, self._remote))

    def _keep_both(self, path: str, progress: Progress) -> Steps[Known]:
        copies: list[str] = []
        known = yield from self._fetch(path, lambda: copies.append(self._keep_as_conflict(path)), progress)
        return known | (yield from self._send(copies[0], IfAbsent(), progress))

    def _forget(self, path: str, progress: Progress) -> Steps[Known]:
        yield from ()
        return {path: None}

    def _remember(self, path: str, progress: Progress) -> Steps[Known]:
        yield from ()
        local = self._local[path]
        assert local.sha256 is not None
        return {path: BaseFile(local.fingerprint, local.sha256, self._remote[path].etag)}

    def _target(self, path: str) -> Path:
        """The file of a path, which may not be a link, nor lie behind one that leads out of the folder."""
        target = self._root / check_component_id(path)
        if target.is_symlink() or (
            "/" in path and not Path(os.path.realpath(target.parent)).is_relative_to(self._real_root)
        ):
            raise LocalFileError(
                f'"{path}" is a link, or behind one that leads out of "{self._root}"; it was left alone.'
            )
        return target

    def _look_again(self, path: str, *, but_ctime: bool = False) -> None:
        """Raise SourceChangedError unless the local file is still what the scan saw."""
        seen = None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            stat = os.lstat(self._root / path)
            if not S_ISDIR(stat.st_mode):  # a folder may have taken the place of a deleted file
                seen = Fingerprint.of(stat)
        if seen is None:
            self._expect_folder()
        planned = self._local[path].fingerprint if path in self._local else None
        if but_ctime and planned is not None and seen is not None:
            planned = replace(planned, ctime_ns=seen.ctime_ns)
        if planned is None and seen is not None and self._is_a_twin(path):
            seen = None
        if seen != planned:
            raise SourceChangedError(f'"{path}" was changed here during the sync; the next run looks again.')
        if planned is None and path in self._base and self._is_being_saved(path):
            raise SourceChangedError(f'"{path}" is being saved; the next run looks again.')

    def _is_a_twin(self, path: str) -> bool:
        """Whether a name that is not there finds another one, on a system that ignores case or Unicode form."""
        target = self._root / path
        return target.name not in os.listdir(target.parent)

    def _is_being_saved(self, path: str) -> bool:
        """Whether the files beside an absent one say that Blender is replacing it right now."""
        target = self._root / path
        if os.path.lexists(f"{target}@"):
            return True
        try:
            renamed_ns = os.lstat(f"{target}1").st_ctime_ns
        except OSError:
            return False
        return abs(time.time_ns() - renamed_ns) < SAVE_SECONDS * 1e9  # a clock that was set back is no save

    def _keep_remote(self, path: str, etag: str) -> None:
        """Keep content in the trash that a store without versions would lose."""
        if not self._provider.capabilities.versions:
            kept = self._trash.place(path)
            all_at_once(downloading(self._provider, self._prefix + path, kept, if_match=etag, tmp=self._tmp))

    def _is_stored(self, path: str) -> bool:
        """Also where it takes no part in this sync, or somebody stored it since the listing."""
        with contextlib.suppress(ObjectNotFoundError):
            self._provider.head(self._prefix + path)
            return True
        return False

    def _keep_as_conflict(self, path: str) -> str:
        """Keep the file as ``arm (conflict, HOST, 2026-11-22 14-05).blend``, numbered if that is taken on either side.

        A long name is cut, for the whole to stay within what file systems and keys can hold.
        """
        folder, slash, name = path.rpartition("/")
        stem, suffix = Path(name).stem, Path(name).suffix
        about = f"conflict, {sanitize_filename(socket.gethostname())}, {datetime.now():%Y-%m-%d %H-%M}"
        number = 1
        while True:
            ending = f" ({about}{f', {number}' if number > 1 else ''}){suffix}"
            room = min(MAX_NAME_BYTES, MAX_KEY_BYTES - len((self._prefix + folder + slash).encode())) - len(
                ending.encode()
            )
            copy = folder + slash + stem.encode()[:room].decode(errors="ignore") + ending
            if not self._is_stored(copy):
                with contextlib.suppress(FileExistsError):
                    keep_as(self._target(path), self._target(copy), self._tmp)
                    return copy
            number += 1
