"""One run of a sync."""

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ..errors import LocalFileError, MassDeleteError, StoreUnavailableError
from ..files import FoldersToFlush, parts_in, translated
from ..in_flight import most_at_once
from ..names import STATE_FOLDER, STORE_FOLDER
from ..providers.base import Provider, list_all
from .apply import Applier
from .config import SyncConfig
from .events import Looked, OnEvent, Planned
from .plan import DELETES, WAITING, Action, Kind, make_plan, refused_deletes
from .result import ALLOW_DELETES, SyncResult
from .runner import Runner
from .scan import Base, Comparer, Local, Remote, listing_ahead, scan_local, scan_remote, walk
from .state import DATABASE, TMP_FOLDER, last_location, open_state
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
                ending.enter_context(parts_in(self._root / TMP_FOLDER))
            say(f"Looking at {self._root} and {location}")
            known = state.load()
            # To ask a store what it can do may take a write, and a dry run makes none.
            ask = not known and not dry_run
            promises = readers.submit(lambda: self._provider.capabilities.missing_promises(location)) if ask else None
            base = {path: file for path, file in known.items() if self._config.takes(path)}
            comparer = Comparer(self._provider, self._prefix, self._root, readers)
            local, remote = self._look(base, identity, tell, readers)
            missing = promises.result() if promises else ()
            for sentence in missing:
                say(sentence)
            for path in local.keys() & base.keys():
                found, was = local[path], base[path]
                if found.sha256 == was.sha256 and not was.fingerprint.holds(found.fingerprint):
                    state.remember(path, replace(was, fingerprint=found.fingerprint))
            comparer.fill_in(local, remote, base, lambda: tell(Looked(len(local) + len(remote))))
            plan = make_plan(local, remote, base, self._config)
            tell(Planned(plan))
            refused = self._refused(plan, local, remote, base, comparer)
            result = SyncResult(plan, dry_run, refused, local=local, remote=remote, missing_promises=missing)
            if dry_run:
                result.notes = notes(plan, self._config, tell)
                return result
            if refused:
                raise _mass_delete(refused, len(base))
            if approve is not None and not approve(replace(result, dry_run=True)):
                return replace(result, dry_run=True)
            trash = Trash(self._root)
            applier = Applier(self._provider, self._prefix, self._root, local, remote, trash, folders.add)
            runner = Runner(applier, pool, self._jobs, state, result, say, tell)
            runner.run([each for each in plan if each.kind in DELETES])  # their places may be taken by what arrives
            runner.run([each for each in plan if each.kind not in (*DELETES, *WAITING)])
            self._provider.tidy()
            if result.done or result.errors:  # else nothing came into the trash either
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
            if any((folder / STORE_FOLDER).exists() for folder in (root.absolute(), *root.absolute().parents)):
                raise LocalFileError(f'"{root}" lies in a plain-folder store itself; choose another folder to sync.')
        is_first = last_location(root) != self._provider.location
        if not self._config.dry_run and is_first:  # later the listing tells as much, and is asked for anyway
            self._provider.check()
        identity = self._provider.identity
        if not identity and not is_first:
            raise StoreUnavailableError(
                f'The store that "{root}" was synced with is not in the {self._provider.location} any more; connect '
                f'its drive, or if a new store is to begin there, delete "{root / STATE_FOLDER / DATABASE}".'
            )
        if not self._config.dry_run:
            with translated(root):
                root.mkdir(parents=True, exist_ok=True)
        return identity

    def _look(self, base: Base, identity: str, tell: OnEvent, readers: Executor) -> tuple[Local, Remote]:
        entries = 0

        def seen(count: int) -> None:
            nonlocal entries
            entries += count
            tell(Looked(entries))

        with contextlib.ExitStack() as listing:
            if self._jobs > 1:
                objects = listing.enter_context(listing_ahead(self._provider, self._prefix, readers))
            else:
                objects = list_all(self._provider, self._prefix)
            found = walk(self._config, seen)
            remote = scan_remote(objects, self._prefix, self._config, seen, base)
        if self._provider.identity != identity:  # a drive that went away looks like an empty store
            raise StoreUnavailableError(
                f"{self._provider.location} went away while it was listed; nothing was done. Connect it again."
            )
        return scan_local(self._config, found, base, remote), remote

    def _refused(
        self, plan: tuple[Action, ...], local: Local, remote: Remote, base: Base, comparer: Comparer
    ) -> tuple[str, ...]:
        """The deletes of the plan if they are too many; renames, which need hashes, are told apart only then."""
        if not refused_deletes(plan, base, self._config):
            return ()
        arriving = {each.path for each in plan if each.kind in (Kind.UPLOAD, Kind.DOWNLOAD)} - base.keys()
        moved = comparer.arriving(arriving, local, remote)
        return refused_deletes(plan, base, self._config, moved)


def _mass_delete(paths: tuple[str, ...], known: int) -> MassDeleteError:
    shown = ", ".join(paths[:SHOWN_DELETES]) + (", ..." if len(paths) > SHOWN_DELETES else "")
    error = MassDeleteError(
        f"{len(paths)} of {known} files would be deleted ({shown}), more than one sync may; "
        f"nothing was done. {ALLOW_DELETES}"
    )
    error.paths = paths
    return error
