"""A store in memory that plays each kind of store that users have; it passes the conformance suite like a real one."""

import hashlib
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ggg_cloud_addon.cloud_storage.errors import StorageError, StoreUnavailableError, UnsupportedError
from ggg_cloud_addon.cloud_storage.files import translated
from ggg_cloud_addon.cloud_storage.names import check_key, is_reserved
from ggg_cloud_addon.cloud_storage.providers import problems
from ggg_cloud_addon.cloud_storage.providers.base import (
    CHUNK,
    Capabilities,
    Condition,
    IfAbsent,
    IfMatch,
    ObjectInfo,
    ObjectVersion,
    OnBytes,
    Page,
    Source,
)


@dataclass(frozen=True)
class Kind:
    """What a store is like."""

    versions: bool
    keys_below_keys: bool = True
    etag_of_content: bool = False
    """The ETag is the content's MD5, as on S3: the same bytes again have the same one. Else each write has its own."""
    page_size: int = 100
    chunk: int = CHUNK
    """Bytes that are read from a source, and given to a reader, at a time."""


S3 = Kind(versions=True, etag_of_content=True)
S3_WITHOUT_VERSIONS = Kind(versions=False, etag_of_content=True)
AZURE = Kind(versions=True)
AZURE_WITHOUT_VERSIONS = Kind(versions=False)
LIKE_A_FILE_SYSTEM = Kind(versions=True, keys_below_keys=False)
KINDS = {
    "S3": S3,
    "S3 without versions": S3_WITHOUT_VERSIONS,
    "Azure": AZURE,
    "Azure without versions": AZURE_WITHOUT_VERSIONS,
    "like a file system": LIKE_A_FILE_SYSTEM,
}


@dataclass(frozen=True)
class Stored:
    """One version of a key."""

    info: ObjectInfo
    content: bytes


@dataclass
class History:
    """All that a key was, newest last."""

    stored: list[Stored] = field(default_factory=list)
    is_there: bool = False


class MemoryDownload:
    """An object that is being read."""

    def __init__(self, info: ObjectInfo, content: bytes, chunk: int) -> None:
        self.info = info
        self._content = content
        self._chunk = chunk

    def __iter__(self) -> Iterator[bytes]:
        for begin in range(0, len(self._content), self._chunk):
            yield self._content[begin : begin + self._chunk]


class MemoryProvider:
    """An object store without a disk or a network."""

    local_folder = None

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.capabilities = Capabilities(
            conditional_writes=True, versions=kind.versions, keys_below_keys=kind.keys_below_keys, links=False
        )
        self.location = f"memory ({'with' if kind.versions else 'without'} versions)"
        self.identity = f"memory {uuid.uuid4()}"
        self._keys: dict[str, History] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """It is there."""

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        with self._lock:
            found = sorted(
                (
                    key
                    for key, history in self._keys.items()
                    if history.is_there and key.startswith(prefix) and not is_reserved(key)
                ),
                key=str.encode,
            )
            left = [key for key in found if token is None or key.encode() > token.encode()]
            shown = left[: self.kind.page_size]
            objects = tuple(_as_listed(self._keys[key].stored[-1].info) for key in shown)
        return Page(objects, next_token=shown[-1] if len(left) > len(shown) else None)

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        with self._lock:
            return self._find(key, version_id).info

    @contextmanager
    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> Iterator[MemoryDownload]:
        with self._lock:
            found = self._find(key, version_id)
        if if_match is not None and found.info.etag != if_match:
            raise problems.changed(key)
        yield MemoryDownload(found.info, found.content[start:], self.kind.chunk)

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        check_key(key)
        content = b""
        try:
            with source.open() as reader:
                while chunk := reader.read(self.kind.chunk):
                    content += chunk
                    if on_bytes is not None:
                        on_bytes(len(chunk))
        except StorageError:
            raise
        except OSError as error:
            raise StoreUnavailableError(f'"{key}" was not stored, as its source cannot be read.') from error
        source.verify()
        with self._lock:
            self._hold(key, condition)
            return self._store(key, content, hashlib.sha256(content).hexdigest(), metadata or {})

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        check_key(target)
        with self._lock:
            found = self._find(key, version_id)
            self._hold(target, condition)
            return self._store(target, found.content, found.info.sha256, found.info.metadata)

    def delete(self, key: str, *, condition: Condition = None) -> None:
        with self._lock:
            if isinstance(condition, IfMatch):
                self._hold(key, condition)
            self._find(key, None)
            self._hold(key, condition)
            self._keys[key].is_there = False
            if not self.kind.versions:
                del self._keys[key]

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        def delete(key: str) -> StorageError | None:
            try:
                self.delete(key)
            except StorageError as error:
                return error
            return None

        return [delete(key) for key in keys]

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """By the ETag, if it is of the content; else it cannot tell."""
        with translated(path):
            return self.kind.etag_of_content and info.etag == _md5(path.read_bytes())

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        if not self.kind.versions:
            raise UnsupportedError(f'The store keeps no versions of "{key}".')
        with self._lock:
            history = self._keys.get(key)
            if history is None:
                raise problems.not_found(key)
            current = history.stored[-1] if history.is_there else None
            return tuple(
                ObjectVersion(
                    key, str(each.info.version_id), each.info.size, each.info.modified, is_current=each is current
                )
                for each in reversed(history.stored)
            )

    def erase(self, key: str) -> None:
        with self._lock:
            self._keys.pop(key, None)

    def tidy(self) -> None:
        """Nothing is ever left unfinished."""

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        self.head(key, version_id=version_id)
        raise UnsupportedError(f'"{key}" cannot be shared from memory.')

    # -- what another tool does

    def lay(self, key: str, content: bytes) -> None:
        """Store it as another tool does: under no condition, and with no SHA-256 of ours."""
        with self._lock:
            self._store(key, content, None, {})

    def rewrite(self, key: str, content: bytes) -> None:
        """Store it as another tool does that keeps the metadata, and so the SHA-256 of the former content."""
        with self._lock:
            former = self._find(key, None).info
            self._store(key, content, former.sha256, former.metadata)

    def contents(self) -> dict[str, bytes]:
        """What is there now."""
        with self._lock:
            return {
                key: history.stored[-1].content
                for key, history in self._keys.items()
                if history.is_there and not is_reserved(key)
            }

    def reachable(self) -> Iterator[bytes]:
        """All that can be had, former versions too."""
        with self._lock:
            kept = [history for key, history in self._keys.items() if not is_reserved(key)]
            return iter([each.content for history in kept for each in history.stored])

    def backup(self) -> dict[str, History]:
        """All that is there, former versions too."""
        with self._lock:
            return {key: History([*history.stored], history.is_there) for key, history in self._keys.items()}

    def restore(self, backup: dict[str, History]) -> None:
        """Be again what it was."""
        with self._lock:
            self._keys = {key: History([*history.stored], history.is_there) for key, history in backup.items()}

    # -- under the lock

    def _find(self, key: str, version_id: str | None) -> Stored:
        history = self._keys.get(key, History())
        if version_id is None:
            if not history.is_there:
                raise problems.not_found(key)
            return history.stored[-1]
        for each in history.stored:
            if each.info.version_id == version_id:
                return each
        raise problems.no_version(key, version_id)

    def _hold(self, key: str, condition: Condition) -> None:
        history = self._keys.get(key, History())
        if isinstance(condition, IfAbsent) and history.is_there:
            raise problems.already_there(key)
        if isinstance(condition, IfMatch) and (not history.is_there or history.stored[-1].info.etag != condition.etag):
            raise problems.changed(key)

    def _store(self, key: str, content: bytes, sha256: str | None, metadata: Mapping[str, str]) -> ObjectInfo:
        if not self.kind.keys_below_keys:
            self._refuse_folder(key)
        self._writes += 1
        now = datetime.now(UTC)
        history = self._keys.setdefault(key, History())
        info = ObjectInfo(
            key,
            len(content),
            now,
            etag=_md5(content) if self.kind.etag_of_content else f"0x{self._writes:X}",
            version_id=f"version {self._writes}" if self.kind.versions else None,
            sha256=sha256,
            created=history.stored[0].info.created if history.is_there else now,
            metadata=dict(metadata),
        )
        if not self.kind.versions:
            history.stored.clear()
        history.stored.append(Stored(info, content))
        history.is_there = True
        return info

    def _refuse_folder(self, key: str) -> None:
        for other, history in self._keys.items():
            if history.is_there and (other.startswith(f"{key}/") or key.startswith(f"{other}/")):
                raise UnsupportedError(f'"{key}" cannot be stored: "{other}" is in its way; choose another ID.')


def _md5(content: bytes) -> str:
    # usedforsecurity: S3's own ETag, not a signature.
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _as_listed(info: ObjectInfo) -> ObjectInfo:
    return replace(info, version_id=None, sha256=None, created=None, metadata={})
