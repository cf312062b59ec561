"""What to do, as a pure function of three snapshots: local, remote, and last synced."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from ..errors import InvalidIdError
from ..names import check_component_id, fold, with_folders
from .config import MIN_DELETES, SyncConfig
from .scan import Base, BaseFile, Local, LocalFile, Remote, RemoteFile, differing


class Kind(Enum):
    """What is done with one path."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    DELETE_REMOTE = "delete there"
    DELETE_LOCAL = "delete here"
    KEEP_BOTH = "keep both"
    """The local file gets a conflict copy's name, the remote one takes its place."""
    REMEMBER = "already the same"
    FORGET = "gone on both sides"
    CONFLICT = "conflict"
    """Left alone until a person decides."""
    SKIP = "skip"


DELETES = (Kind.DELETE_LOCAL, Kind.DELETE_REMOTE)
PLACES = (Kind.UPLOAD, Kind.DOWNLOAD, Kind.KEEP_BOTH)
"""Something comes to lie under the path, here or there."""
SILENT = (Kind.REMEMBER, Kind.FORGET)
"""Of no interest to anybody: nothing changes on either side."""
WAITING = (Kind.CONFLICT, Kind.SKIP)
"""Nothing is done."""
CHANGED_ON_BOTH = "changed on both sides"


@dataclass(frozen=True)
class Action:
    """One step of a plan."""

    kind: Kind
    path: str
    reason: str
    size: int = 0
    """Bytes that move."""

    @property
    def can_choose(self) -> bool:
        """Whether it is a conflict that a choice (:attr:`SyncConfig.choices`) solves; names that clash are not."""
        return self.kind is Kind.CONFLICT and self.reason == CHANGED_ON_BOTH


def make_plan(local: Local, remote: Remote, base: Base, config: SyncConfig) -> tuple[Action, ...]:
    """One action for each path that is not the same everywhere; deletes first, then the largest transfers."""
    actions = []
    for path in differing(local, remote, base):
        action = _decide(path, local.get(path), remote.get(path), base.get(path), config)
        actions.append(_allowed(_checked(action), path in local, path in remote, config))
    return tuple(
        sorted(
            _without_clashes(actions, local, remote),
            key=lambda each: (
                each.kind not in DELETES,
                -each.size,
                each.path,
            ),
        )
    )


def refused_deletes(
    plan: tuple[Action, ...], base: Base, config: SyncConfig, moved: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The paths that the plan deletes, if they are more than one run may delete.

    Content whose SHA-256 is in ``moved`` comes back under another name, so it does not count (rclone #8685).
    """
    deletes = tuple(each.path for each in plan if each.kind in DELETES and base[each.path].sha256 not in moved)
    return deletes if len(deletes) > max(MIN_DELETES, config.max_delete * len(base)) else ()


def _decide(
    path: str, local: LocalFile | None, remote: RemoteFile | None, base: BaseFile | None, config: SyncConfig
) -> Action:
    if local is None and remote is None:
        return Action(Kind.FORGET, path, "deleted on both sides")
    if remote is None and local is not None:
        if base is None:
            return _upload(path, local, "new here")
        if local.sha256 == base.sha256:
            return Action(Kind.DELETE_LOCAL, path, "deleted there")
        return _upload(path, local, "changed here, deleted there")
    if local is None and remote is not None:
        if base is None:
            return _download(path, remote, "new there")
        if remote.etag == base.etag:
            return Action(Kind.DELETE_REMOTE, path, "deleted here")
        return _download(path, remote, "changed there, deleted here")
    assert local is not None
    assert remote is not None
    if base is not None:
        if remote.etag == base.etag:
            return _upload(path, local, "changed here")
        if local.sha256 == base.sha256:
            return _download(path, remote, "changed there")
    if local.sha256 is not None and local.sha256 == remote.sha256:
        return Action(Kind.REMEMBER, path, "the same on both sides")
    return _resolve(path, local, remote, config)


def _resolve(path: str, local: LocalFile, remote: RemoteFile, config: SyncConfig) -> Action:
    policy = config.choices.get(path, config.conflict)
    if policy == "newer":
        written = datetime.fromtimestamp(local.fingerprint.mtime_ns / 1e9, UTC)
        policy = "local" if written > remote.modified else "remote"
    if policy == "local":
        return _upload(path, local, f"{CHANGED_ON_BOTH}, this side is kept")
    if policy == "remote":
        return _download(path, remote, f"{CHANGED_ON_BOTH}, the other side is kept")
    if policy == "keep_both" and config.direction == "both":
        return Action(Kind.KEEP_BOTH, path, CHANGED_ON_BOTH, local.fingerprint.size + remote.size)
    return Action(Kind.CONFLICT, path, CHANGED_ON_BOTH)


def _upload(path: str, local: LocalFile, reason: str) -> Action:
    return Action(Kind.UPLOAD, path, reason, local.fingerprint.size)


def _download(path: str, remote: RemoteFile, reason: str) -> Action:
    return Action(Kind.DOWNLOAD, path, reason, remote.size)


def _checked(action: Action) -> Action:
    """The action itself, or a skip if its path cannot be one on every system."""
    try:
        check_component_id(action.path)
    except InvalidIdError as error:
        return Action(Kind.SKIP, action.path, str(error))
    return action


def _allowed(action: Action, is_here: bool, is_there: bool, config: SyncConfig) -> Action:
    """The action itself, or a skip with the setting that forbids it."""
    why = None
    overwrite = config.overwrite or action.path in config.choices
    if config.direction == "upload" and action.kind in (Kind.DOWNLOAD, Kind.DELETE_LOCAL):
        why = "only uploads are made"
    elif config.direction == "download" and action.kind in (Kind.UPLOAD, Kind.DELETE_REMOTE):
        why = "only downloads are made"
    elif not config.delete_files and action.kind in DELETES:
        why = "deletes are off"
    elif not overwrite and action.kind is Kind.KEEP_BOTH:
        return Action(Kind.CONFLICT, action.path, action.reason)
    elif not overwrite and is_here and is_there and action.kind in (Kind.UPLOAD, Kind.DOWNLOAD):
        why = "overwriting is off"
    return action if why is None else Action(Kind.SKIP, action.path, f"{action.reason}, but {why}")


def _without_clashes(actions: list[Action], local: Local, remote: Remote) -> list[Action]:
    """Leave transfers to a person whose path cannot be beside another one that stays.

    On Windows and macOS two paths may be the same, and nowhere but in some stores can a file be a folder too.
    """
    placed = {each.path for each in actions if each.kind in PLACES}
    if not placed:
        return actions
    deleted = {each.path for each in actions if each.kind in DELETES}
    families: defaultdict[str, set[tuple[str, bool]]] = defaultdict(set)
    for path in local.keys() | remote.keys():
        if path not in deleted:
            for name in with_folders(path):
                families[fold(name)].add((name, name == path))

    def checked(action: Action) -> Action:
        if action.path not in placed:
            return action
        for name in with_folders(action.path):
            for other, is_file in sorted(families[fold(name)]):
                if other != name:
                    why = f'on Windows and macOS its path is the same as "{other}"; rename one'
                    return Action(Kind.CONFLICT, action.path, why)
                if is_file != (name == action.path):
                    why = f'"{name}" would be a file and a folder at once; rename one'
                    return Action(Kind.CONFLICT, action.path, why)
        return action

    return [checked(action) for action in actions]
