"""The store as it is now: its objects, by one listing."""

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

from ..providers.base import ObjectInfo, Provider
from .config import SyncConfig
from .scan import ENTRIES, Seen
from .snapshot import Base, Remote, RemoteFile


@contextlib.contextmanager
def listing_ahead(provider: Provider, prefix: str, pool: Executor) -> Iterator[Iterator[ObjectInfo]]:
    """What :func:`~..providers.base.list_all` gives, listed by a thread of the pool that does not wait to be asked."""
    pages: queue.SimpleQueue[tuple[ObjectInfo, ...] | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def list_pages() -> None:
        try:
            token = None
            while not stopped.is_set():
                page = provider.list(prefix, token=token)
                pages.put(page.objects)
                token = page.next_token
                if token is None:
                    break
            pages.put(None)
        except BaseException as error:  # noqa: BLE001  # raised where the objects are taken
            pages.put(error)

    def objects() -> Iterator[ObjectInfo]:
        while (page := pages.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield from page

    pool.submit(list_pages)
    try:
        yield objects()
    finally:
        stopped.set()


def scan_remote(objects: Iterable[ObjectInfo], prefix: str, config: SyncConfig, seen: Seen, known: Base) -> Remote:
    """The store's objects by component ID, from one listing; ``known`` are some that take part.

    Raises:
        StorageError: a page of the listing failed; half a listing is none.
    """
    found: Remote = {}
    for number, info in enumerate(objects, 1):
        if number % ENTRIES == 0:
            seen(ENTRIES)
        if (path := info.key.removeprefix(prefix)) in known or config.takes(path):
            found[path] = RemoteFile(info.etag, info.size, info.modified, md5=info.md5)
    return found
