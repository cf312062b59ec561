"""How a folder and a store stand to each other, at a glance: one listing, and no request for a single object."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..providers.base import list_pages
from ..times import utc_from_ns
from .config import SyncConfig
from .listing import scan_remote
from .plan import Action, Kind, make_plan
from .scan import Seen, scan_local, walk
from .snapshot import Base, Local, Remote
from .state import open_state
from .synchronizer import Storage


@dataclass(frozen=True)
class Status:
    """One component."""

    path: str
    """Its ID."""
    size: int
    """Bytes; of the object, or of the file where there is no object."""
    modified: float
    """When that was written, in seconds since 1970."""
    status: str
    """``"same"``, ``"here"`` or ``"there"`` (only on that side), ``"newer_here"``, ``"newer_there"``, ``"both"``
    (changed on both sides), ``"deleted_here"``, ``"deleted_there"``, ``"problem"`` (its name cannot be synced), or
    ``""`` where only reading both could tell, or the path takes no part in the sync."""
    etag: str = ""
    """Of the object; empty where there is none."""


def compare(storage: Storage, config: SyncConfig, seen: Seen) -> list[Status]:
    """Every component of the store and every file that takes part in the sync, in the order of their paths.

    Raises:
        LocalFileError: the folder cannot be read.
        StorageError: the store cannot be listed.
    """
    provider, prefix = storage.provider, storage.key_prefix
    everything = replace(config, file_patterns=("*",), exclude_patterns=())
    found = walk(Path(config.local_dir), seen)
    listed = scan_remote(list_pages(provider, prefix), prefix, everything, seen, {}, found)
    store = f"{provider.identity or provider.location} {prefix}"
    with open_state(Path(config.local_dir), store, provider.location, read_only=True) as state:
        # At a glance: a sync reads what has not settled, here its size and times are enough.
        base = {
            path: replace(file, fingerprint=replace(file.fingerprint, settled=True))
            for path, file in state.load().items()
            if config.takes(path)
        }
    remote = {path: file for path, file in listed.items() if config.takes(path)}
    local = scan_local(config, found, base, remote)
    for snapshot in (local, remote, base):
        found.drop_hidden(snapshot)
    return sorted(
        _statuses(local, remote, base, listed, config), key=lambda each: each.path.encode(errors="surrogateescape")
    )


def _statuses(local: Local, remote: Remote, base: Base, listed: Remote, config: SyncConfig) -> Iterator[Status]:
    free = replace(config, direction="both", delete_files=True, overwrite=True, conflict="ask", choices={})
    actions = {each.path: each for each in make_plan(local, remote, base, free)}
    for path in local.keys() | listed.keys():
        takes_part = path in local or path in remote
        status = _status(actions.get(path), path, local, remote, base) if takes_part else ""
        if path in listed:
            yield Status(path, listed[path].size, listed[path].modified.timestamp(), status, listed[path].etag)
        else:
            seen = local[path].fingerprint
            yield Status(path, seen.size, utc_from_ns(seen.mtime_ns).timestamp(), status)


def _status(action: Action | None, path: str, local: Local, remote: Remote, base: Base) -> str:
    if action is None:
        return "same"
    if action.can_choose:
        unread = path not in base and local[path].fingerprint.size == remote[path].size
        return "" if unread else "both"
    if action.kind is Kind.UPLOAD:
        return "newer_here" if path in remote else "here"
    if action.kind is Kind.DOWNLOAD:
        return "newer_there" if path in local else "there"
    if action.kind is Kind.DELETE_LOCAL:
        return "deleted_there"
    if action.kind is Kind.DELETE_REMOTE:
        return "deleted_here"
    return "problem"
