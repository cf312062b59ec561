"""A decorator that makes any provider as slow and unreliable as a bad day of a real one."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..errors import StorageError, StoreUnavailableError
from .base import (
    Capabilities,
    Condition,
    Download,
    ObjectInfo,
    ObjectVersion,
    OnBytes,
    Page,
    Provider,
    Source,
)

Answer = TypeVar("Answer")


class FaultyProvider:
    """Passes every call on to ``inner``, late, and sometimes fails it.

    A failing call fails in one of three ways, as with real stores: before anything was done; after it was done, with
    the answer lost; or, for transfers, in the middle of the bytes.
    """

    def __init__(self, inner: Provider, *, latency: float = 0.0, error_rate: float = 0.0, seed: int = 0) -> None:
        """Simulate ``latency`` (seconds for each request) and a share of failing requests (0 to 1)."""
        self.inner = inner
        self.latency = latency
        self.error_rate = error_rate
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        """That of the store behind it."""
        return self.inner.location

    @property
    def identity(self) -> str:
        """That of the store behind it."""
        return self.inner.identity

    @property
    def local_folder(self) -> Path | None:
        """That of the store behind it."""
        return self.inner.local_folder

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store behind it."""
        return self.inner.capabilities

    def check(self) -> None:
        """See :meth:`~.base.Provider.check`."""
        self._call(self.inner.check)

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        """See :meth:`~.base.Provider.list`."""
        return self._call(lambda: self.inner.list(prefix, token=token))

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """See :meth:`~.base.Provider.head`."""
        return self._call(lambda: self.inner.head(key, version_id=version_id))

    @contextmanager
    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> Iterator[Download]:
        """See :meth:`~.base.Provider.get`; a cut comes after the first chunk."""
        fault = self._fault()
        if fault == "before":
            raise _broken()
        with self.inner.get(key, version_id=version_id, if_match=if_match, start=start) as download:
            yield _CutDownload(download) if fault else download

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        """See :meth:`~.base.Provider.put`."""
        fault = self._fault(("before", "middle", "after"))

        def cut(count: int) -> None:
            if on_bytes is not None:
                on_bytes(count)
            raise _broken()

        if fault == "before":
            raise _broken()
        report = cut if fault == "middle" else on_bytes
        info = self.inner.put(key, source, condition=condition, metadata=metadata, on_bytes=report)
        if fault is not None:
            raise _broken()
        return info

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        """See :meth:`~.base.Provider.copy`."""
        return self._call(lambda: self.inner.copy(key, target, version_id=version_id, condition=condition))

    def delete(self, key: str, *, condition: Condition = None) -> None:
        """See :meth:`~.base.Provider.delete`."""
        self._call(lambda: self.inner.delete(key, condition=condition))

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        """See :meth:`~.base.Provider.delete_many`; fails as a whole."""
        return self._call(lambda: self.inner.delete_many(keys))

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """See :meth:`~.base.Provider.vouches_for`."""
        return self._call(lambda: self.inner.vouches_for(info, path, sha256))

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """See :meth:`~.base.Provider.versions`."""
        return self._call(lambda: self.inner.versions(key))

    def erase(self, key: str) -> None:
        """See :meth:`~.base.Provider.erase`."""
        self._call(lambda: self.inner.erase(key))

    def tidy(self) -> None:
        """See :meth:`~.base.Provider.tidy`; it never fails."""
        self.inner.tidy()

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        """See :meth:`~.base.Provider.share_link`."""
        return self._call(lambda: self.inner.share_link(key, seconds, version_id=version_id))

    def _fault(self, kinds: Sequence[str] = ("before", "after")) -> str | None:
        time.sleep(self.latency)
        with self._lock:
            if self._random.random() >= self.error_rate:
                return None
            return self._random.choice(kinds)

    def _call(self, request: Callable[[], Answer]) -> Answer:
        fault = self._fault()
        if fault == "before":
            raise _broken()
        answer = request()
        if fault == "after":
            raise _broken()
        return answer


class _CutDownload:
    def __init__(self, inner: Download) -> None:
        self.info = inner.info
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            yield chunk[: len(chunk) // 2]
            raise _broken()
        raise _broken()


def _broken() -> StoreUnavailableError:
    return StoreUnavailableError("The connection to the store broke (simulated); try again.")
