"""What to do, as a pure function of three snapshots: local, remote, and last synced."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..errors import InvalidIdError
from ..names import check_component_id, fold, with_folders
from ..times import utc_from_ns
from .config import DEFAULT_MAX_DELETE, MIN_DELETES, SyncConfig
from .snapshot import Base, BaseFile, Local, LocalFile, Remote, RemoteFile, differing


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


@dataclass(frozen=True)
class Action:
    """One step of a plan."""

    kind: Kind
    path: str
    reason: str
    size: int = 0
    """Bytes that move."""
    can_choose: bool = False
    """Whether it is a conflict that a choice (:attr:`SyncConfig.choices`) solves; names that clash are not."""
    is_misnamed: bool = False
    """Whether it is skipped until a person renames it, as not every system can have such a path."""


def make_plan(
    local: Local,
    remote: Remote,
    base: Base,
    config: SyncConfig,
    *,
    in_the_way: Iterable[str] = (),
    is_older: bool = False,
) -> tuple[Action, ...]:
    """One action for each path that is not the same everywhere; deletes first, then the largest transfers.

    Args:
        in_the_way: files and links in the folder that take no part in the sync, and so may not be replaced.
        is_older: whether the store is in an older state than at the last sync. Then nothing is deleted, and what is
            there does not replace what this folder holds unless a person says so.
    """
    actions = []
    for path in differing(local, remote, base):
        decide = _decide_with_older_store if is_older else _decide
        action = decide(path, local.get(path), remote.get(path), base.get(path), config)
        actions.append(_allowed(_checked(action), path in local, path in remote, config))
    return tuple(
        sorted(
            _without_clashes(actions, local, remote, in_the_way),
            key=lambda each: (
                each.kind not in DELETES,
                -each.size,
                each.path,
            ),
        )
    )


def refused_deletes(
    plan: tuple[Action, ...],
    local: Local,
    remote: Remote,
    base: Base,
    config: SyncConfig,
    moved: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """The paths that the plan deletes, if they are more than one run may delete without being told to.

    Content whose SHA-256 is in ``moved`` comes back under another name, so it does not count (rclone #8685).
    """
    deletes = tuple(each.path for each in plan if each.kind in DELETES and base[each.path].sha256 not in moved)
    if config.max_delete is None:
        allowed = max(MIN_DELETES, DEFAULT_MAX_DELETE * len(base))
    else:
        allowed = config.max_delete * len(base)
    is_all_gone = not local or not remote  # a drive that is not there, a bucket made anew, a slip with "rm"
    return deletes if len(deletes) > allowed or (is_all_gone and config.max_delete != 1) else ()


def _decide(
    path: str, local: LocalFile | None, remote: RemoteFile | None, base: BaseFile | None, config: SyncConfig
) -> Action:
    if local is None and remote is None:
        return Action(Kind.FORGET, path, "deleted on both sides")
    if remote is None and local is not None:
        if base is None:
            return _upload(path, local, "new here")
        if local.sha256 != base.sha256:
            return _upload(path, local, "changed here, deleted there")
        if not base.observed:
            return _upload(path, local, "missing there since a sync that did not look at it")
        if config.direction == "upload" or config.choices.get(path) == "local":
            return _upload(path, local, "missing there")
        return Action(Kind.DELETE_LOCAL, path, "deleted there")
    if local is None and remote is not None:
        if base is None:
            return _download(path, remote, "new there")
        if _changed_there(remote, base):
            return _download(path, remote, "changed there, deleted here")
        if not base.observed:
            return _download(path, remote, "missing here since a sync that did not look at it")
        if config.direction == "download" or config.choices.get(path) == "remote":
            return _download(path, remote, "missing here")
        return Action(Kind.DELETE_REMOTE, path, "deleted here")
    assert local is not None
    assert remote is not None
    if local.sha256 is not None and local.sha256 == remote.sha256:
        return Action(Kind.REMEMBER, path, "the same on both sides")
    if base is not None:
        if not _changed_there(remote, base):
            is_same = local.sha256 == base.sha256  # only the object's ETag is new: it was touched, or the store copied
            return Action(Kind.REMEMBER, path, "touched there") if is_same else _upload(path, local, "changed here")
        if local.sha256 == base.sha256:
            return _download(path, remote, "changed there")
    return _resolve(path, local, remote, config)


def _decide_with_older_store(
    path: str, local: LocalFile | None, remote: RemoteFile | None, base: BaseFile | None, config: SyncConfig
) -> Action:
    """Nothing is known of who changed what, but that this folder has seen what is newer than the store."""
    if local is None or remote is None:
        if local is not None:
            return _upload(path, local, "missing in the older storage")
        if remote is not None:
            return _download(path, remote, "missing here")
        return Action(Kind.FORGET, path, "missing on both sides")
    if base is not None and not _changed_there(remote, base):
        return _decide(path, local, remote, base, config)
    if local.sha256 is not None and local.sha256 == remote.sha256:
        return Action(Kind.REMEMBER, path, "the same on both sides")
    action = _resolve(path, local, remote, config)
    if action.kind in (Kind.KEEP_BOTH, Kind.CONFLICT):  # to keep both would give the older content the name
        return Action(Kind.CONFLICT, path, "the storage is older than at the last sync", can_choose=True)
    return action


def _changed_there(remote: RemoteFile, base: BaseFile) -> bool:
    return remote.etag != base.etag and remote.sha256 != base.sha256


def _resolve(path: str, local: LocalFile, remote: RemoteFile, config: SyncConfig) -> Action:
    reason = "changed on both sides"
    policy = config.choices.get(path, config.conflict)
    if policy == "newer":
        written = utc_from_ns(local.fingerprint.mtime_ns)
        policy = "local" if written > remote.modified else "remote"
    if policy == "local":
        return _upload(path, local, f"{reason}, this side is kept")
    if policy == "remote":
        return _download(path, remote, f"{reason}, the other side is kept")
    if policy == "keep_both" and config.direction == "both":
        return Action(Kind.KEEP_BOTH, path, reason, local.fingerprint.size + remote.size)
    return Action(Kind.CONFLICT, path, reason, can_choose=True)


def _upload(path: str, local: LocalFile, reason: str) -> Action:
    return Action(Kind.UPLOAD, path, reason, local.fingerprint.size)


def _download(path: str, remote: RemoteFile, reason: str) -> Action:
    return Action(Kind.DOWNLOAD, path, reason, remote.size)


def _checked(action: Action) -> Action:
    """The action itself, or a skip if its path cannot be one on every system."""
    try:
        check_component_id(action.path)
    except InvalidIdError as error:
        return Action(Kind.SKIP, action.path, str(error), is_misnamed=True)
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
        return Action(Kind.CONFLICT, action.path, action.reason, can_choose=True)
    elif not overwrite and is_here and is_there and action.kind in (Kind.UPLOAD, Kind.DOWNLOAD):
        why = "overwriting is off"
    return action if why is None else Action(Kind.SKIP, action.path, f"{action.reason}, but {why}")


def _without_clashes(actions: list[Action], local: Local, remote: Remote, in_the_way: Iterable[str]) -> list[Action]:
    """Leave transfers to a person whose path cannot be beside another one that stays.

    On Windows and macOS two paths may be the same, and nowhere but in some stores can a file be a folder too.
    """
    placed = {each.path for each in actions if each.kind in PLACES}
    if not placed:
        return actions
    deleted = {each.path for each in actions if each.kind in DELETES}
    skipped = {each.path for each in actions if each.kind is Kind.SKIP}
    families: defaultdict[str, set[tuple[str, bool]]] = defaultdict(set)
    for path in local.keys() | remote.keys():
        if path not in deleted:
            for name in with_folders(path):
                families[fold(name)].add((name, name == path))
    fetched = {each.path for each in actions if each.kind in (Kind.DOWNLOAD, Kind.KEEP_BOTH)}
    hindered = {folder: path for path in in_the_way for folder in with_folders(path)} if fetched else {}

    def checked(action: Action) -> Action:
        if action.path not in placed:
            return action
        if action.path in fetched and action.path not in local:
            for name in with_folders(action.path):
                if (hindrance := hindered.get(name)) and (hindrance == name or name == action.path):
                    return Action(Kind.CONFLICT, action.path, _why_hindered(action.path, hindrance))
        for name in with_folders(action.path):
            for other, is_file in sorted(families[fold(name)]):
                if other != name:
                    if other in skipped and other not in local:
                        why = f'it was renamed here from "{other}", which stays in the storage as deletes are off'
                    else:
                        why = f'on Windows and macOS its path is the same as "{other}"; rename one'
                    return Action(Kind.CONFLICT, action.path, why)
                if is_file != (name == action.path):
                    why = f'"{name}" would be a file and a folder at once; rename one'
                    return Action(Kind.CONFLICT, action.path, why)
        return action

    return [checked(action) for action in actions]


def _why_hindered(path: str, hindrance: str) -> str:
    if hindrance.startswith(f"{path}/"):
        return f'a folder has its place here, with "{hindrance}" in it; rename or empty the folder'
    return f'"{hindrance}" has its place here and takes no part in the sync; rename or remove it'
