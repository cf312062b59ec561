"""What the worker can do: one function for each verb. Answers are plain JSON; times are seconds since 1970."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from ..cloud_storage import CloudStorageManager, ComponentInfo, StorageSynchronizer, SyncConfig, SyncResult
from ..cloud_storage.blends import describe, lacking, needs, pull_beside, push_beside
from ..cloud_storage.check import check_storage
from ..cloud_storage.errors import UnsupportedError
from ..cloud_storage.files import translated
from ..cloud_storage.metadata import can_open, version_of
from ..cloud_storage.providers.base import IfAbsent, IfMatch
from ..cloud_storage.sync import compare
from ..cloud_storage.sync.events import Looked, SyncEvent, Totals
from ..cloud_storage.sync.plan import DELETES, SILENT, Action
from ..cloud_storage.sync.result import STORE_IS_OLDER
from ..cloud_storage.times import utc_from_ns
from .about import fetch_all, fetch_preview
from .harmless import MAX_KEY, MAX_VERSIONS, is_shown, shown_metadata, shown_sentences, shown_text

Plain = Any
"""What JSON can hold."""


class Teller(Protocol):
    """Tells Blender how far a job is."""

    def __call__(self, done: int, total: int, text: str = "", items_done: int = 0, items: int = 0) -> None:
        """See :class:`.messages.Progress`.

        Raises:
            CancelledError: the job was cancelled.
        """

    def stop_if_cancelled(self) -> None:
        """Raise the same, where there is nothing to tell."""


def _list(manager: CloudStorageManager, tell: Teller, folder: dict[str, Any] | None = None) -> Plain:
    """Every component; with a synced ``folder`` (fields of SyncConfig) also what is only there, and how they stand."""
    if folder is None:
        rows = [
            [each.component_id, each.size, each.modified.timestamp(), "", each.etag]
            for each in manager.list_components()
            if is_shown(each.component_id)  # no other ID is of a component that could be pulled
        ]
    else:
        found = compare(manager, SyncConfig(**folder), _Seen(tell))
        rows = [[each.path, each.size, each.modified, each.status, each.etag] for each in found if is_shown(each.path)]
    return {"location": manager.provider.location, "rows": rows}


def _upload(
    manager: CloudStorageManager,
    tell: Teller,
    path: str,
    component_id: str,
    metadata: dict[str, str] | None = None,
    condition: str | None = None,
    beside: bool = False,
) -> Plain:
    """Push a file; the answer's ``missing`` says in sentences what it needs and leaves behind.

    Args:
        beside: what it needs and what lies in its folder or below goes too, as components of its own.
        metadata: to be stored with it; without, the file is asked for it, for its picture, and for what it needs.
        condition: ``"absent"``, or the ETag that the component still has.
    """
    picture, missing = None, []
    if metadata is None:
        metadata, picture = describe(Path(path))
        missing = needs(Path(path), Path(path).parent if beside else None)
        tell.stop_if_cancelled()
    if beside:
        push_beside(manager, Path(path), component_id, tell.stop_if_cancelled)
    info = manager.upload_component(
        path,
        component_id,
        metadata=metadata,
        condition=IfAbsent() if condition == "absent" else IfMatch(condition) if condition else None,
        preview=picture,
        progress=tell,
    )
    return _plain(info) | {"missing": shown_sentences(missing)}


def _download(
    manager: CloudStorageManager,
    tell: Teller,
    component_id: str,
    path: str,
    overwrite: bool,
    version_id: str | None = None,
    blender: tuple[int, int] | None = None,
    beside: bool = False,
) -> Plain:
    """Download to a file; the answer's ``lacking`` counts what it needs and does not have beside it.

    Args:
        blender: nothing is fetched that this series of Blender cannot open.
        beside: what it needs and the storage has beside it comes too, so nothing is counted.
    """
    if blender is not None:
        saved_by = version_of(manager.get_info(component_id, version_id=version_id).metadata)
        if saved_by is not None and not can_open((blender[0], blender[1]), saved_by):
            raise UnsupportedError(
                f'"{component_id}" was saved by Blender {saved_by[0]}.{saved_by[1]}, which this Blender cannot open: '
                "pull it in a newer one, or an older version of it here."
            )
    info = manager.download_component(component_id, path, version_id=version_id, overwrite=overwrite, progress=tell)
    if beside:
        pull_beside(manager, component_id, Path(path), tell.stop_if_cancelled)
    return _plain(info) | {"lacking": 0 if beside else lacking(manager, component_id, Path(path))}


def _delete(manager: CloudStorageManager, tell: Teller, component_ids: list[str]) -> Plain:
    return [
        [each.component_id, None if each.error is None else str(each.error)]
        for each in manager.delete_components(component_ids)
    ]


def _check(manager: CloudStorageManager, tell: Teller, create: bool = False, keep_versions: bool = False) -> Plain:
    findings = check_storage(manager, create=create, keep_versions=keep_versions)
    return [asdict(each) | {"sentence": shown_text(each.sentence)} for each in findings]


def _versions(manager: CloudStorageManager, tell: Teller, component_id: str) -> Plain:
    """Newest first."""
    return [
        [each.version_id, each.size, each.modified.timestamp(), each.is_current]
        for each in manager.list_versions(component_id)[:MAX_VERSIONS]
    ]


def _details(manager: CloudStorageManager, tell: Teller, component_id: str, folder: str) -> Plain:
    """All about one component: what the store knows, its history, and its preview as a file in ``folder``."""
    info = manager.get_info(component_id)
    tell.stop_if_cancelled()
    try:
        versions = _versions(manager, tell, component_id)
    except UnsupportedError:
        versions = []
    tell.stop_if_cancelled()
    return {
        "info": _plain(info),
        "versions": versions,
        "preview": fetch_preview(manager, component_id, info.etag, Path(folder)),
    }


def _about(manager: CloudStorageManager, tell: Teller, items: list[tuple[str, str]], folder: str) -> Plain:
    """Preview and metadata of many components, see :mod:`.about`."""
    return fetch_all(manager, items, Path(folder), tell.stop_if_cancelled)


def _put_preview(manager: CloudStorageManager, tell: Teller, component_id: str, path: str) -> Plain:
    """Store a picture (PNG) of a component that is there already."""
    with translated(Path(path)):
        picture = Path(path).read_bytes()
    manager.put_preview(component_id, picture)


def _restore(manager: CloudStorageManager, tell: Teller, component_id: str, version_id: str) -> Plain:
    return _plain(manager.restore_version(component_id, version_id))


def _sync(
    manager: CloudStorageManager,
    tell: Teller,
    sync: dict[str, Any],
    confirmed: list[str] | None = None,
    choices: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Plain:
    """Sync a folder. With ``confirmed``, the paths that a person agreed to delete, nothing else is ever deleted:
    should the plan delete more, then nothing is done and the answer's state is ``confirm``. Without, no person is
    asked, and a mass delete is an error."""
    config = SyncConfig(**sync, choices=choices or {}, dry_run=dry_run)
    if confirmed is not None:
        config = replace(config, max_delete=1)

    def approve(result: SyncResult) -> bool:
        return confirmed is None or set(_deletes(result)) <= set(confirmed)

    totals = Totals()

    def on_event(event: SyncEvent) -> None:
        totals.add(event)
        seen = event.entries if isinstance(event, Looked) else totals.ended
        tell(totals.done, totals.total, totals.path, seen, totals.actions)

    result = StorageSynchronizer(manager, config).synchronize(on_event=on_event, approve=approve)
    state = "planned" if dry_run else "confirm" if result.dry_run else "done"
    return {
        "state": state,
        "summary": result.get_summary_string(),
        "plan": [
            [each.kind.value, shown_text(each.path), each.size, shown_text(each.reason)]
            for each in result.plan
            if each.kind not in SILENT
        ],
        "conflicts": [_conflict(each, result) for each in result.conflicts],
        "errors": {path: shown_text(str(error)) for path, error in result.errors.items()},
        "deletes": _deletes(result),
        "notes": shown_sentences(
            [*result.missing_promises, *([STORE_IS_OLDER] if result.store_is_older else ()), *result.notes]
        ),
    }


Verb = Callable[..., Plain]

VERBS: dict[str, Verb] = {
    "list": _list,
    "details": _details,
    "about": _about,
    "upload": _upload,
    "put_preview": _put_preview,
    "download": _download,
    "delete": _delete,
    "check": _check,
    "restore": _restore,
    "sync": _sync,
}
"""Called with the manager, a Teller and the request's arguments; raise StorageError."""


class _Seen:
    """Tells how many files and objects a scan has seen."""

    def __init__(self, tell: Teller) -> None:
        self._tell = tell
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count += count
        self._tell(0, 0, items_done=self._count)


def _deletes(result: SyncResult) -> list[str]:
    return [each.path for each in result.plan if each.kind in DELETES]


def _conflict(action: Action, result: SyncResult) -> Plain:
    here, there = result.local.get(action.path), result.remote.get(action.path)
    return {
        "path": action.path,
        "reason": shown_text(action.reason),
        "here": here and [here.fingerprint.size, utc_from_ns(here.fingerprint.mtime_ns).timestamp()],
        "there": there and [there.size, there.modified.timestamp()],
        "can_choose": action.can_choose,
    }


def _plain(info: ComponentInfo) -> dict[str, Any]:
    """A ComponentInfo as JSON can hold it."""
    values = asdict(info) | {"metadata": shown_metadata(info.metadata)}
    values["sha256"] = info.sha256 and shown_text(info.sha256, MAX_KEY)  # where it is metadata, anybody's word
    for name in ("created", "modified"):
        if values[name] is not None:
            values[name] = values[name].timestamp()
    return values
