"""One run of a sync."""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..errors import AccessDeniedError, ConfigError, LocalFileError, MassDeleteError, StoreUnavailableError
from ..files import FoldersToFlush, parts_in, translated
from ..in_flight import most_at_once
from ..names import STATE_FOLDER, STORE_FOLDER
from ..providers.base import Provider, list_pages
from . import marker
from .apply import Applier
from .config import SyncConfig
from .events import Looked, OnEvent, Planned
from .hashing import Comparer
from .listing import listing_ahead, scan_remote
from .plan import DELETES, WAITING, Action, Kind, make_plan, refused_deletes
from .result import ALLOW_DELETES, SyncResult
from .runner import Runner
from .scan import Found, scan_local, walk
from .snapshot import Base, Local, Remote
from .state import DATABASE, TMP_FOLDER, State, last_store, open_state
from .trash import Trash
from .whole import notes

log = logging.getLogger(__name__)

SHOWN_DELETES = 10


class Storage(Protocol):
    """What a sync needs of a :class:`~..manager.CloudStorageManager`."""

    provider: Provider

    @property
    def key_prefix(self) -> str:
        """All keys begin with it."""

    @property
    def max_concurrency(self) -> int:
        """How many large transfers run side by side."""


class StorageSynchronizer:
    """Keeps a folder and a store the same."""

    def __init__(self, manager: Storage, config: SyncConfig) -> None:
        """Nothing is read or written yet."""
        self._provider = manager.provider
        self._prefix = manager.key_prefix
        self._jobs = manager.max_concurrency
        self._config = config
        self._root = Path(config.local_dir)

    def synchronize(
        self,
        progress_callback: Callable[[str], object] | None = None,
        *,
        on_event: OnEvent | None = None,
        approve: Callable[[SyncResult], bool] | None = None,
    ) -> SyncResult:
        """Scan both sides, plan, and carry the plan out. What fails for one path does not stop the others.

        Both callbacks are called in this thread, and stop the sync with a CancelledError that they raise.

        Args:
            progress_callback: called with a line for each step.
            on_event: called with what happens, for a program to show.
            approve: called with what would be done; if it says no, nothing is, and the result is that of a dry run.

        Raises:
            CancelledError: it was stopped; what was done stays done, and the next run goes on.
            MassDeleteError: the plan deletes more than ``max_delete`` allows; nothing was done.
            LocalFileError: the folder cannot be read, or another sync of it runs.
            StorageError: the store cannot be listed; nothing was done.
        """
        say = progress_callback or (lambda message: None)
        tell = on_event or (lambda event: None)
        location, identity = self._provider.location, self._get_ready()
        folders, dry_run = FoldersToFlush(), self._config.dry_run
        with (
            open_state(self._root, f"{identity} {self._prefix}", location, folders.flush, read_only=dry_run) as state,
            ThreadPoolExecutor(most_at_once(self._jobs)) as pool,
            ThreadPoolExecutor(self._jobs) as readers,
            contextlib.ExitStack() as ending,
        ):
            # Else a sync that is stopped would first read all that it meant to compare.
            ending.callback(readers.shutdown, wait=False, cancel_futures=True)
            if not dry_run:
                with translated(self._root):
                    ending.enter_context(parts_in(self._root / TMP_FOLDER))
            say(f"Looking at {self._root} and {location}")
            known = state.load()
            # To ask a store what it can do may take a write, and a dry run makes none.
            ask = not known and not dry_run
            promises = readers.submit(lambda: self._provider.capabilities.missing_promises(location)) if ask else None
            base = {path: file for path, file in known.items() if self._config.takes(path)}
            comparer = Comparer(self._provider, self._prefix, self._root, readers)
            found, local, remote = self._look(base, identity, tell, readers)
            state.expect_folder()  # a drive that went away looks like an empty folder
            looked = time.monotonic()  # not before: a long listing must not count as waiting for a save to end
            missing = promises.result() if promises else ()
            for sentence in missing:
                say(sentence)
            comparer.fill_in(local, remote, base, found, lambda: tell(Looked(len(local) + len(remote))))
            for snapshot in (local, remote, base):
                found.drop_hidden(snapshot)
            self._remember_what_was_seen(state, known, local, remote, base)
            is_older = _has_news_there(remote, base) and marker.is_missing(self._provider, self._prefix, state)
            plan = make_plan(
                local,
                remote,
                base,
                self._config,
                in_the_way=(found.files.keys() | found.links) - local.keys(),
                is_older=is_older,
            )
            tell(Planned(plan))
            refused = self._refused(plan, local, remote, base, comparer)
            result = SyncResult(
                plan, dry_run, refused, local=local, remote=remote, missing_promises=missing, store_is_older=is_older
            )
            result.errors.update(found.unreadable)
            if dry_run:
                result.notes = notes(plan, self._config, tell)
                return result
            if refused:
                raise _mass_delete(refused, local, remote, base)
            if approve is not None and not approve(replace(result, dry_run=True)):
                return replace(result, dry_run=True)
            trash = Trash(self._root, state.clock(datetime.now()))
            applier = Applier(
                self._provider,
                self._prefix,
                self._root,
                local,
                remote,
                base,
                trash,
                folders.add,
                state.expect_folder,
            )
            applier.outwait_saves(plan, looked, lambda: tell(Looked(len(local) + len(remote))))
            runner = Runner(applier, pool, self._jobs, state, result, say, tell)
            runner.run([each for each in plan if each.kind in DELETES])  # their places may be taken by what arrives
            runner.run([each for each in plan if each.kind not in (*DELETES, *WAITING)])
            self._finish(state, result, identity, runner.remembered, is_older=is_older)
            if result.done or result.errors:  # else nothing came into the trash either
                with translated(self._root):
                    trash.empty(self._config.trash_days, self._config.trash_size)
        result.notes = notes(result.done, self._config, tell)
        log.info("Synced %s: %s", self._root, result.get_summary_string())
        return result

    def _get_ready(self) -> str:
        """Refuse what cannot be synced, and make the folder and the store, whose identity this is."""
        root = self._root
        with translated(root):
            if root.exists() and not root.is_dir():
                raise LocalFileError(f'"{root}" is a file; name the folder to sync.')
            self._refuse_the_store_itself()
        last = last_store(root)
        is_first = last is None or last.location != self._provider.location
        if not self._config.dry_run and is_first:  # later the listing tells as much, and is asked for anyway
            try:
                self._provider.check()
            except AccessDeniedError:
                if self._config.direction != "download":  # which takes no right to write; the listing shows the rest
                    raise
        identity = self._identity()
        was_marked = last is not None and not last.store.startswith(self._provider.location)
        if not self._provider.identity and not is_first and was_marked:
            raise StoreUnavailableError(
                f'The store that "{root}" was synced with is not in the {self._provider.location} any more; connect '
                f'its drive, or if a new store is to begin there, delete "{root / STATE_FOLDER / DATABASE}".'
            )
        if not self._config.dry_run:
            with translated(root):
                root.mkdir(parents=True, exist_ok=True)
        return identity

    def _identity(self) -> str:
        """Of the store; a folder that may only be read, and so got no mark of its own, goes by its place."""
        return self._provider.identity or (self._provider.location if self._config.direction == "download" else "")

    def _refuse_the_store_itself(self) -> None:
        """A folder that is synced with what lies in it, or with what it lies in, would fill itself up."""
        root, store = Path(os.path.realpath(self._root)), self._provider.local_folder
        if any((folder / STORE_FOLDER).exists() for folder in (root, *root.parents)):
            raise ConfigError(f'"{self._root}" lies in a plain-folder store itself; choose another folder to sync.')
        if store is not None:
            store = Path(os.path.realpath(store))
            if root.is_relative_to(store):
                raise ConfigError(f'"{self._root}" lies in the store "{store}"; choose another folder to sync.')
            if store.is_relative_to(root):
                raise ConfigError(f'The store "{store}" lies in "{self._root}"; choose another folder to sync.')

    def _remember_what_was_seen(self, state: State, known: Base, local: Local, remote: Remote, base: Base) -> None:
        """Note which files are only touched, and which this sync does not look at."""
        for path, was in known.items():
            found = local.get(path) if path in base else None
            if path not in base:
                if was.observed:
                    state.remember(path, replace(was, observed=False))
            elif found is not None and found.sha256 == was.sha256:
                observed = was.observed or path in remote
                if observed != was.observed or not was.fingerprint.holds(found.fingerprint):
                    state.remember(path, replace(was, fingerprint=found.fingerprint, observed=observed))

    def _finish(self, state: State, result: SyncResult, identity: str, remembered: set[str], *, is_older: bool) -> None:
        """See that all that was done went into this very store, and leave it a marker.

        Raises:
            StoreUnavailableError: it did not.
        """
        if result.done and self._identity() != identity:
            for path in remembered:
                state.remember(path, None)  # the next run compares it anew
            raise StoreUnavailableError(
                f"{self._provider.location} went away during the sync, so it is not known what was stored; connect it "
                "again and sync once more."
            )
        changes_there = self._config.direction != "download"  # else not even a marker is left there
        if changes_there and result.done and (not is_older or (result.ok and not result.skipped)):
            marker.leave(self._provider, self._prefix, state)
        self._provider.tidy()

    def _look(self, base: Base, identity: str, tell: OnEvent, readers: Executor) -> tuple[Found, Local, Remote]:
        entries = 0

        def seen(count: int) -> None:
            nonlocal entries
            entries += count
            tell(Looked(entries))

        with contextlib.ExitStack() as listing:
            if self._jobs > 1:
                pages = listing.enter_context(listing_ahead(self._provider, self._prefix, readers))
            else:
                pages = list_pages(self._provider, self._prefix)
            found = walk(self._root, seen)
            remote = scan_remote(pages, self._prefix, self._config, seen, base, found)
        if self._identity() != identity:  # a drive that went away looks like an empty store
            raise StoreUnavailableError(
                f"{self._provider.location} went away while it was listed; nothing was done. Connect it again."
            )
        return found, scan_local(self._config, found, base, remote), remote

    def _refused(
        self, plan: tuple[Action, ...], local: Local, remote: Remote, base: Base, comparer: Comparer
    ) -> tuple[str, ...]:
        """The deletes of the plan if they are too many; renames, which need hashes, are told apart only then."""
        if not refused_deletes(plan, local, remote, base, self._config):
            return ()
        arriving = {each.path for each in plan if each.kind in (Kind.UPLOAD, Kind.DOWNLOAD)} - base.keys()
        moved = comparer.arriving(arriving, local, remote)
        return refused_deletes(plan, local, remote, base, self._config, moved)


def _has_news_there(remote: Remote, base: Base) -> bool:
    """Whether the store lacks something that it held at the last sync, or holds it changed. An empty one is a question
    of its own (:func:`~.plan.refused_deletes`)."""
    return bool(remote) and any(path not in remote or remote[path].etag != was.etag for path, was in base.items())


def _mass_delete(paths: tuple[str, ...], local: Local, remote: Remote, base: Base) -> MassDeleteError:
    shown = ", ".join(paths[:SHOWN_DELETES]) + (", ..." if len(paths) > SHOWN_DELETES else "")
    why = "more than one sync may"
    if not local or not remote:
        why = f"as {'the folder' if not local else 'the storage'} is empty now, which it was not at the last sync"
    error = MassDeleteError(
        f"{len(paths)} of {len(base)} files would be deleted ({shown}), {why}; nothing was done. {ALLOW_DELETES}"
    )
    error.paths = paths
    return error
