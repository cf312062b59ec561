"""One run of a sync."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ..errors import LocalFileError, MassDeleteError, StorageError, StoreUnavailableError
from ..files import translated
from ..names import STORE_FOLDER
from ..providers.base import Provider
from .apply import Applier
from .config import SyncConfig
from .plan import Kind, make_plan, refused_deletes
from .result import SyncResult
from .scan import compare_contents, hash_arriving, scan_local, scan_remote
from .state import open_state

log = logging.getLogger(__name__)

SHOWN_DELETES = 10


class Storage(Protocol):
    """What a sync needs of a :class:`~..manager.CloudStorageManager`."""

    provider: Provider

    @property
    def key_prefix(self) -> str:
        """All keys begin with it."""


class StorageSynchronizer:
    """Keeps a folder and a store the same."""

    def __init__(self, manager: Storage, config: SyncConfig) -> None:
        """Nothing is read or written yet."""
        self._provider = manager.provider
        self._prefix = manager.key_prefix
        self._config = config

    def synchronize(self, progress_callback: Callable[[str], None] | None = None) -> SyncResult:
        """Scan both sides, plan, and carry the plan out. What fails for one path does not stop the others.

        Args:
            progress_callback: called with a line for each step.

        Raises:
            MassDeleteError: the plan deletes more than ``max_delete`` allows; nothing was done.
            LocalFileError: the folder cannot be read, or another sync of it runs.
            StorageError: the store cannot be listed; nothing was done.
        """
        say = progress_callback or (lambda message: None)
        root = Path(self._config.local_dir)
        if root.exists() and not root.is_dir():
            raise LocalFileError(f'"{root}" is a file; name the folder to sync.')
        if any((folder / STORE_FOLDER).exists() for folder in (root.absolute(), *root.absolute().parents)):
            raise LocalFileError(f'"{root}" lies in a plain-folder store itself; choose another folder to sync.')
        if not self._config.dry_run:
            self._provider.check()
            with translated(root):
                root.mkdir(parents=True, exist_ok=True)
        identity = self._provider.identity
        with open_state(root, f"{identity} {self._prefix}", read_only=self._config.dry_run) as state:
            say(f"Looking at {root} and {self._provider.location}")
            known = state.load()
            if not known:
                for sentence in self._provider.capabilities.missing_promises(self._provider.location):
                    say(sentence)
            base = {path: file for path, file in known.items() if self._config.takes(path)}
            remote = scan_remote(self._provider, self._prefix, self._config)
            if self._provider.identity != identity:  # a drive that went away looks like an empty store
                raise StoreUnavailableError(
                    f"{self._provider.location} went away while it was listed; nothing was done. Connect it again."
                )
            local = scan_local(self._config, base)
            for path in local.keys() & base.keys():
                if local[path].sha256 == base[path].sha256 and local[path].fingerprint != base[path].fingerprint:
                    state.remember(path, replace(base[path], fingerprint=local[path].fingerprint))
            compare_contents(local, remote, base, self._provider, self._prefix, root)
            plan = make_plan(local, remote, base, self._config)
            result = SyncResult(plan, dry_run=self._config.dry_run)
            if self._config.dry_run:
                return result
            refused = refused_deletes(plan, base, self._config)
            if refused:
                arriving = {each.path for each in plan if each.kind in (Kind.UPLOAD, Kind.DOWNLOAD)} - base.keys()
                moved = hash_arriving(arriving, local, remote, self._provider, self._prefix, root)
                refused = refused_deletes(plan, base, self._config, moved)
            if refused:
                shown = ", ".join(refused[:SHOWN_DELETES]) + (", ..." if len(refused) > SHOWN_DELETES else "")
                raise MassDeleteError(
                    f"{len(refused)} of {len(base)} files would be deleted ({shown}), more than one sync may; "
                    "nothing was done. If that is meant, raise max_delete for one run."
                )
            applier = Applier(self._provider, self._prefix, root, local, remote, state)
            for action in plan:
                if action.kind in (Kind.SKIP, Kind.CONFLICT):
                    continue
                if action.kind not in (Kind.REMEMBER, Kind.FORGET):
                    say(f"{action.kind.value}: {action.path} ({action.reason})")
                try:
                    applier.apply(action)
                except StorageError as error:
                    log.exception("Sync of %s failed", action.path)
                    result.errors[action.path] = error
                else:
                    result.done.append(action)
        log.info("Synced %s: %s", root, result.get_summary_string())
        return result
