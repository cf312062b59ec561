"""Carrying out a plan: a condition on every remote write, a second look at every local file."""

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ..errors import LocalFileError, SourceChangedError
from ..files import FileSource, link_or_copy, translated
from ..names import STATE_FOLDER, check_component_id
from ..providers.base import IfAbsent, IfMatch, Provider
from ..transfers import download_file
from .plan import Action, Kind
from .scan import BaseFile, Fingerprint, Local, Remote
from .state import TMP_FOLDER, State


class Applier:
    """Carries out the actions of one plan."""

    def __init__(self, provider: Provider, prefix: str, root: Path, local: Local, remote: Remote, state: State) -> None:
        """``local`` and ``remote`` are the snapshots that the plan was made of."""
        self._provider = provider
        self._prefix = prefix
        self._root = root
        self._local = local
        self._remote = remote
        self._state = state
        self._tmp = root / TMP_FOLDER
        self._trash = root / STATE_FOLDER / "trash" / datetime.now().strftime("%Y-%m-%d %H-%M-%S.%f")

    def apply(self, action: Action) -> None:
        """Do one action.

        Raises:
            PreconditionFailedError: the object changed since the plan was made.
            SourceChangedError: the file changed since the plan was made.
            StorageError: it could not be done; both sides hold what they held.
        """
        steps: dict[Kind, Callable[[str], None]] = {
            Kind.UPLOAD: self._upload,
            Kind.DOWNLOAD: self._download,
            Kind.DELETE_REMOTE: self._delete_remote,
            Kind.DELETE_LOCAL: self._delete_local,
            Kind.KEEP_BOTH: self._keep_both,
            Kind.REMEMBER: self._remember,
            Kind.FORGET: self._state.forget,
        }
        with translated(self._root / action.path):
            steps[action.kind](action.path)

    def _upload(self, path: str) -> None:
        remote = self._remote.get(path)
        if remote is not None and not self._provider.capabilities.versions:
            self._fetch_to_trash(path, remote.etag)
        self._send(path, IfMatch(remote.etag) if remote else IfAbsent())

    def _send(self, path: str, condition: IfAbsent | IfMatch) -> None:
        source = FileSource(self._target(path))
        info = self._provider.put(self._prefix + path, source, condition=condition)
        assert info.sha256 is not None
        self._state.remember(path, BaseFile(Fingerprint.of(source.stat), info.sha256, info.etag))

    def _download(self, path: str) -> None:
        self._fetch(path, keep_as=self._trash / path)

    def _fetch(self, path: str, *, keep_as: Path) -> None:
        """Put the remote content into the file's place, which is kept under another name."""
        target = self._target(path)
        arrived: list[Fingerprint] = []

        def keep_what_is_there(part: Path) -> None:
            self._look_again(path)
            if path in self._local:
                link_or_copy(target, keep_as, self._tmp)
                self._look_again(path, but_ctime=True)  # a copy takes its time, and a link changes the ctime
            # Of the part, not of the target after the move: that may be edited by then.
            arrived.append(Fingerprint.of(part.stat(), moved=True))

        info = download_file(
            self._provider,
            self._prefix + path,
            target,
            if_match=self._remote[path].etag,
            tmp=self._tmp,
            before_replace=keep_what_is_there,
        )
        assert info.sha256 is not None
        # The move gave the file a new ctime. If more is new, somebody edited it since: that is for the next run.
        now = Fingerprint.of(target.lstat())
        seen = now if arrived[0].holds(now) else arrived[0]
        self._state.remember(path, BaseFile(seen, info.sha256, info.etag))

    def _delete_remote(self, path: str) -> None:
        etag = self._remote[path].etag
        if not self._provider.capabilities.versions:
            self._fetch_to_trash(path, etag)
        self._provider.delete(self._prefix + path, condition=IfMatch(etag))
        self._state.forget(path)

    def _delete_local(self, path: str) -> None:
        (self._trash / path).parent.mkdir(parents=True, exist_ok=True)
        self._look_again(path)
        os.replace(self._target(path), self._trash / path)
        self._state.forget(path)

    def _keep_both(self, path: str) -> None:
        copy = self._name_conflict_copy(path)
        self._fetch(path, keep_as=self._target(copy))
        self._send(copy, IfAbsent())

    def _remember(self, path: str) -> None:
        local = self._local[path]
        assert local.sha256 is not None
        self._state.remember(path, BaseFile(local.fingerprint, local.sha256, self._remote[path].etag))

    def _target(self, path: str) -> Path:
        """The file of a path, which may not lie behind a link that leads out of the folder."""
        target = self._root / check_component_id(path)
        if not Path(os.path.realpath(target.parent)).is_relative_to(os.path.realpath(self._root)):
            raise LocalFileError(f'"{path}" lies behind a link that leads out of "{self._root}"; it was left alone.')
        return target

    def _look_again(self, path: str, *, but_ctime: bool = False) -> None:
        """Raise SourceChangedError unless the local file is still what the scan saw."""
        seen = None
        with contextlib.suppress(FileNotFoundError):
            seen = Fingerprint.of(os.lstat(self._root / path))
        planned = self._local[path].fingerprint if path in self._local else None
        if but_ctime and planned is not None and seen is not None:
            planned = replace(planned, ctime_ns=seen.ctime_ns)
        if seen != planned:
            raise SourceChangedError(f'"{path}" was changed here during the sync; the next run looks again.')

    def _fetch_to_trash(self, path: str, etag: str) -> None:
        """Keep content that the store, having no versions, would lose."""
        download_file(self._provider, self._prefix + path, self._trash / path, if_match=etag, tmp=self._tmp)

    def _name_conflict_copy(self, path: str) -> str:
        """``arm (conflict, HOST, 2026-11-22 14-05).blend``, numbered if that is taken on either side."""
        folder, _, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        if not stem:
            stem, dot, suffix = name, "", ""
        about = f"conflict, {socket.gethostname()}, {datetime.now():%Y-%m-%d %H-%M}"
        number = 1
        while True:
            counted = about if number == 1 else f"{about}, {number}"
            copy = f"{folder}{'/' if folder else ''}{stem} ({counted}){dot}{suffix}"
            if copy not in self._remote and not os.path.lexists(self._root / copy):
                return check_component_id(copy)
            number += 1
