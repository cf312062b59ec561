"""The engine's front: components in, components out."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from .components import BatchResult, ComponentInfo, ComponentVersion
from .config import CloudStorageConfig
from .errors import AccessDeniedError, InvalidIdError, ObjectNotFoundError, StorageError
from .files import BytesSource, FileSource, FoldersToFlush, flush_folder, hash_file, parts_in, translated
from .in_flight import InFlight, Steps, all_at_once, most_at_once
from .metadata import check_metadata
from .names import check_component_id, check_key, preview_of
from .providers import open_bucket, open_provider
from .providers.base import Bucket, Condition, ObjectInfo, Provider, list_all, putting
from .transfers import Progress, adding_up, downloading

log = logging.getLogger(__name__)

Item = TypeVar("Item")

DAY = 24 * 3600
"""Seconds."""
MAX_PREVIEW = 1 << 20
"""Bytes; a PNG of 256 x 256 pixels takes at most a quarter of it. What is larger was put there by somebody else."""


class CloudStorageManager:
    """Components in one storage. Thread-safe; keeps nothing open between calls.

    Every method but :meth:`authenticate` and the batches raises a :class:`~.errors.StorageError` whose text is one
    sentence for a person.

    What is stored, deleted or restored takes the place of whatever is there, unless a condition says what that has to
    be: :class:`~.providers.base.IfAbsent`, or :class:`~.providers.base.IfMatch` with the ETag that the caller knows.
    """

    def __init__(self, config: CloudStorageConfig, provider: Provider | None = None) -> None:
        """Use the storage of ``config``; ``provider`` takes the place of the one that it names.

        Raises:
            ConfigError: this release has no such provider.
        """
        self.config = config
        self.provider = provider or open_provider(config)
        self.authentication_error: str | None = None
        """Why the last :meth:`authenticate` said no."""

    def authenticate(self) -> bool:
        """Ask the store whether it can be used; if not, ``authentication_error`` says why."""
        try:
            self.provider.check()
        except StorageError as error:
            self.authentication_error = str(error)
            log.exception("No access to %s", self.provider.location)
            return False
        self.authentication_error = None
        return True

    def upload_component(
        self,
        path: str | Path,
        component_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = None,
        preview: bytes | None = None,
        progress: Progress | None = None,
    ) -> ComponentInfo:
        """Store a file as a component: whole, or not at all.

        Args:
            metadata: keys of ``a-z``, ``0-9`` and ``_``; 2 KB with the values at most (:mod:`.metadata` has ours).
            condition: only if it is absent, or still has an ETag.
            preview: a PNG of at most 256 pixels a side, stored after the component; if that fails, the log says so.

        Raises:
            LocalFileError: there is no such file, or it cannot be read.
            PreconditionFailedError: the condition does not hold.
        """
        return all_at_once(self._uploading(path, component_id, metadata, condition, preview, progress))

    def _uploading(
        self,
        path: str | Path,
        component_id: str,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = None,
        preview: bytes | None = None,
        progress: Progress | None = None,
    ) -> Steps[ComponentInfo]:
        key = self.key_of(component_id)
        check_metadata(metadata or {})
        source = FileSource(Path(path))
        begun = time.monotonic()
        info = yield from putting(
            self.provider,
            key,
            source,
            condition=condition,
            metadata=metadata,
            on_bytes=adding_up(progress, source.size),
        )
        log.info("Pushed %s, %d bytes in %.2f s", key, info.size, time.monotonic() - begun)
        if preview is not None:
            self.put_preview(component_id, preview)
        return self._component(info)

    def download_component(
        self,
        component_id: str,
        path: str | Path,
        *,
        version_id: str | None = None,
        overwrite: bool = True,
        progress: Progress | None = None,
    ) -> ComponentInfo:
        """Fetch a component into a file, whose folder is made and whose old content stays until the new one is whole.

        Args:
            overwrite: whether a file with other content may be replaced.

        Raises:
            LocalFileError: the file cannot be written, or may not be overwritten.
            ObjectNotFoundError: there is no such component or version.
            IntegrityError: the stored bytes are not the ones that were pushed.
        """
        return all_at_once(self._downloading(component_id, path, version_id, progress, overwrite=overwrite))

    def _downloading(
        self,
        component_id: str,
        path: str | Path,
        version_id: str | None = None,
        progress: Progress | None = None,
        *,
        overwrite: bool = True,
        moved: Callable[[Path], object] = flush_folder,
    ) -> Steps[ComponentInfo]:
        key = self.key_of(component_id)
        begun = time.monotonic()
        info = yield from downloading(
            self.provider,
            key,
            Path(path),
            version_id=version_id,
            overwrite=overwrite,
            progress=progress,
            moved=moved,
        )
        log.info("Pulled %s, %d bytes in %.2f s", key, info.size, time.monotonic() - begun)
        return self._component(info)

    def list_components(self) -> list[ComponentInfo]:
        """All components below the prefix, in the order of their IDs; without SHA-256 and metadata."""
        found = [self._component(info) for info in list_all(self.provider, self.key_prefix)]
        return sorted(found, key=lambda each: each.component_id.encode())

    def list_folder(self, folder: str) -> list[str]:
        """The IDs that begin with ``folder``, which ends with ``/`` or is empty for all."""
        prefix = self.key_prefix + folder
        return [info.key.removeprefix(self.key_prefix) for info in list_all(self.provider, prefix)]

    def get_info(self, component_id: str, *, version_id: str | None = None) -> ComponentInfo:
        """Everything that the store knows of one component."""
        return self._component(self.provider.head(self.key_of(component_id), version_id=version_id))

    def holds(self, component_id: str, path: str | Path) -> bool:
        """Whether the store shows that a component is this very file. ``False`` also where it cannot tell."""
        info, path = self.provider.head(self.key_of(component_id)), Path(path)
        with translated(path):
            return info.size == path.stat().st_size and self.provider.vouches_for(info, path, hash_file(path))

    def get_metadata(self, component_id: str) -> Mapping[str, str]:
        """What was stored with the component in ``upload_component(metadata=...)``."""
        return self.get_info(component_id).metadata

    def get_preview(self, component_id: str) -> bytes | None:
        """The PNG that was stored with a component; ``None`` if there is none, or not for these credentials."""
        key = self._preview_key(component_id)
        if key is None:
            return None
        try:
            with self.provider.get(key) as download:
                return None if download.info.size > MAX_PREVIEW else b"".join(download)
        except (ObjectNotFoundError, AccessDeniedError):  # S3 calls missing forbidden to those who may not list
            return None

    def delete_component(self, component_id: str, *, condition: Condition = None) -> None:
        """Delete a component and its preview; where the store keeps versions, its content stays among them."""
        key = self.key_of(component_id)
        self.provider.delete(key, condition=condition)
        log.info("Deleted %s", key)
        self._delete_previews([component_id])

    def list_versions(self, component_id: str) -> list[ComponentVersion]:
        """The history of a component, also of a deleted one, newest first."""
        return [
            ComponentVersion(component_id, each.version_id, each.size, each.modified, each.is_current)
            for each in self.provider.versions(self.key_of(component_id))
        ]

    def restore_version(self, component_id: str, version_id: str, *, condition: Condition = None) -> ComponentInfo:
        """Make an older version the current one; what was current stays in the history.

        Args:
            condition: only if the component is absent (it was deleted), or still has an ETag.

        Raises:
            PreconditionFailedError: the condition does not hold.
        """
        key = self.key_of(component_id)
        info = self.provider.copy(key, key, version_id=version_id, condition=condition)
        log.info("Restored %s to its version %s", key, version_id)
        return self._component(info)

    def upload_components(
        self,
        items: Iterable[tuple[str | Path, str]],
        *,
        conditions: Mapping[str, Condition] | None = None,
        describe: Callable[[Path], tuple[Mapping[str, str], bytes | None]] | None = None,
    ) -> list[BatchResult]:
        """Upload ``(path, component_id)`` pairs side by side; one that fails does not stop the others.

        Args:
            conditions: of each component ID, as in :meth:`upload_component`; one without is replaced unseen.
            describe: gives metadata and preview of each file, as :func:`.blends.describe`.
        """

        def upload(item: tuple[str | Path, str]) -> Steps[BatchResult]:
            path, component_id = item
            try:
                metadata, preview = describe(Path(path)) if describe else ({}, None)
                info = yield from self._uploading(
                    path, component_id, metadata, (conditions or {}).get(component_id), preview
                )
            except StorageError as error:
                return _failed(component_id, error, Path(path))
            return BatchResult(component_id, Path(path), info)

        return self._side_by_side(upload, [(item, _size_of(item[0])) for item in items])

    def download_components(self, items: Iterable[tuple[str, str | Path]]) -> list[BatchResult]:
        """Download ``(component_id, path)`` pairs side by side; one that fails does not stop the others."""

        def download(item: tuple[str, str | Path]) -> Steps[BatchResult]:
            component_id, path = item
            try:
                info = yield from self._downloading(component_id, path, moved=folders.add)
            except StorageError as error:
                return _failed(component_id, error, Path(path))
            return BatchResult(component_id, Path(path), info)

        wanted, folders = list(items), FoldersToFlush()
        with contextlib.ExitStack() as locks:
            for folder in {Path(path).parent for _, path in wanted}:
                if folder.is_dir():
                    locks.enter_context(parts_in(folder))
            results = self._side_by_side(download, [(item, 0) for item in wanted])
        folders.flush()
        return results

    def delete_components(
        self, component_ids: Iterable[str], *, conditions: Mapping[str, Condition] | None = None
    ) -> list[BatchResult]:
        """Delete components, many with one request; one that fails does not stop the others.

        Args:
            conditions: of each component ID, as in :meth:`delete_component`; such a one takes a request of its own.
        """
        wanted = list(component_ids)
        results: dict[str, BatchResult] = {}
        keys: dict[str, str] = {}
        for component_id in wanted:
            try:
                keys[component_id] = self.key_of(component_id)
            except StorageError as error:
                results[component_id] = _failed(component_id, error)
        guarded = {each: condition for each in keys if (condition := (conditions or {}).get(each)) is not None}
        answers = dict(zip(guarded, self._delete_guarded(keys, guarded), strict=True))
        others = [each for each in keys if each not in guarded]
        answers |= zip(others, self.provider.delete_many([keys[each] for each in others]), strict=True)
        for component_id, answer in answers.items():
            if answer is None:
                log.info("Deleted %s", keys[component_id])
                results[component_id] = BatchResult(component_id)
            else:
                results[component_id] = _failed(component_id, answer)
        self._delete_previews([component_id for component_id in keys if results[component_id].ok])
        return [results[component_id] for component_id in wanted]

    def _delete_guarded(
        self, keys: Mapping[str, str], conditions: Mapping[str, Condition]
    ) -> Iterator[StorageError | None]:
        """Delete components on a condition each; for each why it was not deleted."""

        def delete(component_id: str) -> StorageError | None:
            try:
                self.provider.delete(keys[component_id], condition=conditions[component_id])
            except StorageError as error:
                return error
            return None

        if not conditions:
            return
        with ThreadPoolExecutor(min(len(conditions), most_at_once(self.max_concurrency))) as pool:
            yield from pool.map(delete, conditions)

    def share_link(self, component_id: str, seconds: int = DAY, *, version_id: str | None = None) -> str:
        """A link by which anybody may read the component for so long; keep it as secret as the component.

        Raises:
            ConfigError: longer than the store allows (S3: seven days).
            ObjectNotFoundError: there is no such component or version.
            UnsupportedError: the store has no links, as a plain folder.
        """
        key = self.key_of(component_id)
        link = self.provider.share_link(key, seconds, version_id=version_id)
        log.info("Shared %s for %d s", key, seconds)
        return link

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket or container itself: create it, see what is set, switch versions on, delete it.

        Raises:
            UnsupportedError: the storage is a plain folder.
        """
        return open_bucket(self.config)

    def key_of(self, component_id: str) -> str:
        """The object's key.

        Raises:
            InvalidIdError: the ID could not be a file on every system.
        """
        check_component_id(component_id)
        return check_component_id(self.key_prefix + component_id)

    @property
    def max_concurrency(self) -> int:
        """How many large transfers run side by side."""
        return self.config.max_concurrency

    @property
    def key_prefix(self) -> str:
        """What every key begins with: the prefix and a ``/``, or nothing."""
        prefix = self.config.prefix.strip("/")
        return f"{prefix}/" if prefix else ""

    def _preview_key(self, component_id: str) -> str | None:
        """``None`` if an ID is so long that with the folder before it there is no room for a preview."""
        self.key_of(component_id)
        with contextlib.suppress(InvalidIdError):
            return check_key(self.key_prefix + preview_of(component_id))
        return None

    def put_preview(self, component_id: str, preview: bytes) -> None:
        """Store a PNG of at most 256 pixels a side beside a component; if that fails, the log says so."""
        key = self._preview_key(component_id)
        if key is None:
            return
        try:
            self.provider.put(key, BytesSource(preview))
        except StorageError:
            log.warning("%s has no preview", component_id, exc_info=True)

    def _delete_previews(self, component_ids: Iterable[str]) -> None:
        """As many as can be: one that stays harms nobody, and most components have none."""
        keys = [key for each in component_ids if (key := self._preview_key(each)) is not None]
        try:
            answers = self.provider.delete_many(keys)
        except StorageError:
            log.warning("The previews of deleted components stay", exc_info=True)
            return
        for key, answer in zip(keys, answers, strict=True):
            if not isinstance(answer, ObjectNotFoundError | None):
                log.warning("%s stays", key, exc_info=answer)

    def _component(self, info: ObjectInfo) -> ComponentInfo:
        return ComponentInfo(
            component_id=info.key.removeprefix(self.key_prefix),
            size=info.size,
            created=info.created,
            modified=info.modified,
            etag=info.etag,
            version_id=info.version_id,
            sha256=info.sha256,
            tier=info.tier,
            metadata=info.metadata,
        )

    def _side_by_side(
        self, job: Callable[[Item], Steps[BatchResult]], items: Sequence[tuple[Item, int]]
    ) -> list[BatchResult]:
        """The results of the items, each with its bytes, in order."""
        results: dict[int, BatchResult] = {}
        errors: list[BaseException] = []

        def do(number: int) -> Steps[None]:
            if errors:
                return
            try:
                results[number] = yield from job(items[number][0])
            except BaseException as error:  # noqa: BLE001  # raised below
                errors.append(error)

        sizes = ((number, size) for number, (_, size) in enumerate(items))
        with ThreadPoolExecutor(most_at_once(self.max_concurrency)) as pool:
            running = InFlight(pool, self.max_concurrency, sizes, do)
            try:
                running.wait()
            finally:
                running.stop()
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(items))]


def _failed(component_id: str, error: StorageError, path: Path | None = None) -> BatchResult:
    log.error("%s failed", component_id, exc_info=error)
    return BatchResult(component_id, path, error=error)


def _size_of(path: str | Path) -> int:
    """Bytes; 0 for what is not there, which the upload itself says."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
