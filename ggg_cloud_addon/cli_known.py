"""The command replaces and removes only what its user knows; anything else takes ``--force``."""

import argparse
import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .cloud_storage import BatchResult, CloudStorageManager, ComponentInfo, StorageError
from .cloud_storage.errors import AccessDeniedError, ObjectNotFoundError, PreconditionFailedError
from .cloud_storage.known import Known
from .cloud_storage.metadata import AUTHOR
from .cloud_storage.names import STATE_FOLDER
from .cloud_storage.providers.base import Condition, IfAbsent, IfMatch
from .cloud_storage.sync.state import DATABASE, known_etags
from .cloud_storage.transfers import LARGE

LOOKS = 8
"""Components that are looked at side by side."""
AUTHOR_WIDTH = 60
"""Letters of an author's name, which may be anything."""
LOST = (PreconditionFailedError, ObjectNotFoundError)
"""What a store answers where a condition does not hold."""
NOT_MADE_FROM_IT = "this file was not made from it; pull it first, or push over it with --force"
NOT_SEEN = 'you have not seen that version; look at it with "ggg-cloud info", or {} it with --force'


@dataclass(frozen=True)
class Push:
    """A file to be pushed."""

    path: Path
    """Whose content is sent."""
    component_id: str
    file: Path | None
    """What the user edits: the same file, the scene that it was exported from, or ``None`` for one without a name."""


@dataclass(frozen=True)
class _Item:
    """A component that is to be replaced or removed."""

    component_id: str
    known: Sequence[str]
    """The ETags of the versions that may be; the likeliest first."""
    refusal: str
    """Why no other may, and what to do."""
    path: Path | None = None
    """What is to take its place."""
    may_be_absent: bool = True


Act = Callable[[Sequence[str], Mapping[str, Condition]], list[BatchResult]]
"""Does it to components by ID, each on a condition."""


class Guard:
    """Pushes, deletes and restores on the condition that the store still has what the user knows.

    It is a storage for :mod:`.cloud_storage.blends.beside`, too.
    """

    def __init__(self, manager: CloudStorageManager, args: argparse.Namespace) -> None:
        """``args`` may say ``--force``, ``--if-absent`` or ``--if-match``."""
        self._manager = manager
        self._known = Known(f"{manager.provider.location} {manager.key_prefix}")
        self._is_forced = bool(getattr(args, "force", False))
        self._condition: Condition = None
        """What the user has asked for."""
        if getattr(args, "if_absent", False):
            self._condition = IfAbsent()
        elif (etag := getattr(args, "if_match", None)) is not None:
            self._condition = IfMatch(etag.strip('"'))

    def push(self, pushes: Sequence[Push], upload: Act) -> tuple[list[BatchResult], set[str]]:
        """Push files; the second answer are the IDs that were there with the same content, and were left alone."""
        same: set[str] = set()
        if self._is_forced or self._condition:
            results = self._on_condition([each.component_id for each in pushes], upload)
        else:
            results, same = self._guarded(self._items(pushes), upload)
        done = [(result.info, push.file) for result, push in zip(results, pushes, strict=True) if result.info]
        self._known.remember_pushes((info, file) for info, file in done if info.component_id not in same)
        for info, file in done:
            if info.component_id in same:
                self._known.remember_pull(info, *([file] if file else []))
        return results, same

    def delete(self, component_ids: Sequence[str]) -> list[BatchResult]:
        """Delete components."""

        def delete(ids: Sequence[str], conditions: Mapping[str, Condition]) -> list[BatchResult]:
            return self._manager.delete_components(ids, conditions=conditions)

        if self._is_forced or self._condition:
            return self._on_condition(component_ids, delete)
        unique = dict.fromkeys(component_ids)
        items = [_Item(each, self._seen(each), NOT_SEEN.format("delete"), may_be_absent=False) for each in unique]
        results = {each.component_id: each for each in self._guarded(items, delete)[0]}
        return [results[each] for each in component_ids]

    def restore(self, component_id: str, version_id: str) -> ComponentInfo:
        """Go back to a version.

        Raises:
            StorageError: it cannot be done.
        """

        def restored(condition: Condition) -> ComponentInfo:
            return self._manager.restore_version(component_id, version_id, condition=condition)

        restore = one_by_one(restored)
        if self._is_forced or self._condition:
            (result,) = self._on_condition([component_id], restore)
        else:
            item = _Item(component_id, self._seen(component_id), NOT_SEEN.format("restore over"))
            (result,), _ = self._guarded([item], restore)
        info = info_of(result)
        self._known.remember_pushes([(info, None)])
        return info

    def remember_pull(self, info: ComponentInfo, *files: Path, is_current: bool) -> None:
        """See :class:`.cloud_storage.known.Known`."""
        self._known.remember_pull(info, *files, is_current=is_current)

    def remember_shown(self, shown: Iterable[ComponentInfo]) -> None:
        """The user was shown these."""
        self._known.remember_shown((each.component_id, each.etag) for each in shown)

    def remember_synced(self, folder: Path, paths: Iterable[str]) -> None:
        """A sync has brought these paths to the store or from there."""
        self._known.remember_shown(known_etags(folder, self._sync_store, paths).items())

    # -- a storage for what a .blend file needs

    def holds(self, component_id: str, path: Path) -> bool:
        """See :class:`.cloud_storage.CloudStorageManager`."""
        return self._manager.holds(component_id, path)

    def list_folder(self, folder: str) -> list[str]:
        """See :class:`.cloud_storage.CloudStorageManager`."""
        return self._manager.list_folder(folder)

    def upload_component(self, path: Path, component_id: str) -> ComponentInfo:
        """See :class:`.cloud_storage.CloudStorageManager`; guarded as a push is.

        Raises:
            PreconditionFailedError: the user does not know what is there.
        """

        def uploaded(condition: Condition) -> ComponentInfo:
            return self._manager.upload_component(path, component_id, condition=condition)

        asked, self._condition = self._condition, None  # which is about the file that needs this one
        try:
            (result,), _ = self.push([Push(path, component_id, path)], one_by_one(uploaded))
        finally:
            self._condition = asked
        return info_of(result)

    def download_component(self, component_id: str, path: Path, *, overwrite: bool) -> ComponentInfo:
        """See :class:`.cloud_storage.CloudStorageManager`."""
        info = self._manager.download_component(component_id, path, overwrite=overwrite)
        self._known.remember_pull(info, path)
        return info

    # --

    def _on_condition(self, component_ids: Sequence[str], act: Act) -> list[BatchResult]:
        return act(component_ids, dict.fromkeys(component_ids, self._condition))

    def _guarded(self, items: Sequence[_Item], act: Act) -> tuple[list[BatchResult], set[str]]:
        """Do it on the likeliest condition. Where that does not hold, look what is there, and try on that once.

        A large file is not sent to be refused: there the look comes first, and where nothing is known as well.
        """
        results: dict[str, BatchResult] = {}
        conditions = {item.component_id: _likeliest(item) for item in items}
        same: set[str] = set()

        def look_and_do(looked_at: Sequence[_Item], to_do: Sequence[_Item]) -> None:
            with ThreadPoolExecutor(LOOKS) as pool:
                for item, found in zip(looked_at, pool.map(self._looked, looked_at), strict=True):
                    if isinstance(found, BatchResult):
                        results[item.component_id] = found
                        same.update([item.component_id] * found.ok)
                    else:
                        conditions[item.component_id] = found
            ids = [each.component_id for each in to_do if each.component_id not in results]
            if ids:
                results.update(zip(ids, act(ids, conditions), strict=True))

        unsure = [item for item in items if _looks_first(item)]
        look_and_do(unsure, items)
        lost = [item for item in items if item not in unsure and isinstance(results[item.component_id].error, LOST)]
        for item in lost:
            del results[item.component_id]
        look_and_do(lost, lost)
        return [results[item.component_id] for item in items], same

    def _looked(self, item: _Item) -> Condition | BatchResult:
        """On what condition it may be done to what is there now; or why not, or that it is there already."""
        try:
            found = self._look(item)
        except StorageError as error:
            return BatchResult(item.component_id, item.path, error=error)
        return BatchResult(item.component_id, item.path, found) if isinstance(found, ComponentInfo) else found

    def _look(self, item: _Item) -> Condition | ComponentInfo:
        try:
            info = self._manager.get_info(item.component_id)
        except ObjectNotFoundError:
            if not item.may_be_absent:
                raise
            return IfAbsent()
        except AccessDeniedError:  # S3 says so of what is missing to those who may write and not list
            if item.path is None:
                raise
            return _likeliest(item)
        if info.etag in item.known:
            return IfMatch(info.etag)
        if item.path is not None and self.holds(item.component_id, item.path):
            return info
        raise PreconditionFailedError(_refusal(info, item.refusal))

    def _items(self, pushes: Sequence[Push]) -> list[_Item]:
        synced = self._synced(pushes)
        items = []
        for each in pushes:
            known = [self._known.of_file(each.component_id, each.file) if each.file else None]
            known += [synced[each.component_id]] if each.component_id in synced else []
            if not any(known):
                known = [self._known.pushed(each.component_id)]
            etags = [etag for etag in known if etag]
            items.append(_Item(each.component_id, etags, NOT_MADE_FROM_IT, each.path))
        return items

    def _seen(self, component_id: str) -> list[str]:
        known = (self._known.seen(component_id), self._known.pushed(component_id))
        return [each for each in known if each]

    def _synced(self, pushes: Iterable[Push]) -> dict[str, str]:
        """The ETags, by component ID, that files had at the last sync of the folder they lie in, with this store."""
        wanted: defaultdict[Path, list[str]] = defaultdict(list)
        for each in pushes:
            if each.file is not None:
                real = Path(os.path.realpath(each.file))
                folder = _synced_folder(real.parent)
                if folder and real.relative_to(folder).as_posix() == each.component_id:
                    wanted[folder].append(each.component_id)
        found: dict[str, str] = {}
        for folder, paths in wanted.items():
            found |= known_etags(folder, self._sync_store, paths)
        return found

    @functools.cached_property
    def _sync_store(self) -> str:
        """As a sync's state has it: a folder without a mark, which may only be read, goes by its place."""
        provider = self._manager.provider
        return f"{provider.identity or provider.location} {self._manager.key_prefix}"


def info_of(result: BatchResult) -> ComponentInfo:
    """What was stored.

    Raises:
        StorageError: nothing was.
    """
    if result.error is not None:
        raise result.error
    assert result.info is not None
    return result.info


def one_by_one(do: Callable[[Condition], ComponentInfo]) -> Act:
    """For a single component: what is done to it on a condition, as an act on several."""

    def act(component_ids: Sequence[str], conditions: Mapping[str, Condition]) -> list[BatchResult]:
        results = []
        for each in component_ids:
            try:
                results.append(BatchResult(each, info=do(conditions[each])))
            except StorageError as error:
                results.append(BatchResult(each, error=error))
        return results

    return act


def _likeliest(item: _Item) -> Condition:
    return IfMatch(item.known[0]) if item.known else IfAbsent()


def _looks_first(item: _Item) -> bool:
    if item.path is None:
        return not item.known
    return _size(item.path) > LARGE


def _size(path: Path) -> int:
    """Bytes; -1 for what is not there, which the push itself says."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


@functools.cache
def _synced_folder(folder: Path) -> Path | None:
    """The synced folder that a folder lies in, or is."""
    return next((each for each in (folder, *folder.parents) if (each / STATE_FOLDER / DATABASE).is_file()), None)


def _refusal(info: ComponentInfo, why: str) -> str:
    author = "".join(each for each in info.metadata.get(AUTHOR, "") if each.isprintable()).strip()
    who = f"pushed by {author[:AUTHOR_WIDTH]}" if author else "stored"
    return f'"{info.component_id}" was {who} on {info.modified.astimezone():%Y-%m-%d %H:%M}, and {why}.'
