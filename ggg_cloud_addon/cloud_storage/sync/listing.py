"""The store as it is now: its objects, by one listing."""

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

from ..errors import StoreUnavailableError
from ..providers.base import Page, Provider
from .config import SyncConfig
from .scan import ENTRIES, Found, Seen
from .snapshot import Base, Remote, RemoteFile


@contextlib.contextmanager
def listing_ahead(provider: Provider, prefix: str, pool: Executor) -> Iterator[Iterator[Page]]:
    """What :func:`~..providers.base.list_pages` gives, listed by a thread of the pool that never waits to be asked."""
    pages: queue.SimpleQueue[Page | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()

    def list_pages() -> None:
        try:
            token = None
            while not stopped.is_set():
                page = provider.list(prefix, token=token)
                pages.put(page)
                token = page.next_token
                if token is None:
                    break
        except BaseException as error:  # noqa: BLE001  # raised where the pages are taken
            pages.put(error)

    def taken() -> Iterator[Page]:
        token: str | None = ""
        while token is not None:
            page = pages.get()
            if isinstance(page, BaseException):
                raise page
            yield page
            token = page.next_token

    pool.submit(list_pages)
    try:
        yield taken()
    finally:
        stopped.set()


def scan_remote(
    pages: Iterable[Page], prefix: str, config: SyncConfig, seen: Seen, known: Base, found: Found
) -> Remote:
    """The store's objects by component ID, from one listing; ``known`` are some that take part.

    What the store could not look at joins ``found.unreadable``.

    Raises:
        StorageError: a page of the listing failed; half a listing is none.
    """
    remote: Remote = {}
    number = 0
    for page in pages:
        for info in page.objects:
            number += 1
            if number % ENTRIES == 0:
                seen(ENTRIES)
            if (path := info.key.removeprefix(prefix)) in known or config.takes(path):
                remote[path] = RemoteFile(info.etag, info.size, info.modified, md5=info.md5)
        for key in page.unreadable:
            path = key.removeprefix(prefix)
            found.unreadable[path] = StoreUnavailableError(
                f'"{path}" cannot be read in the store; it was left out of the sync.'
            )
    return remote
