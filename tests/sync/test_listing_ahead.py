"""A sync lists the store while it walks the folder: the same as one after the other, and both end together."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from users import User, objects

from ggg_cloud_addon.cloud_storage.errors import ConfigError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.names import STORE_FOLDER
from ggg_cloud_addon.cloud_storage.providers.base import Page, list_all
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.listing import listing_ahead

PER_PAGE = 2
SOON = 20.0
"""Seconds."""


class Paged(FolderProvider):
    """Short pages, one of which may be bad."""

    bad_page = 0
    asked = 0

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        self.asked += 1
        number = int(token or 0)
        if number + 1 == self.bad_page:
            raise StoreUnavailableError("The connection broke; try again.")
        everything = super().list(prefix).objects
        end = (number + 1) * PER_PAGE
        return Page(everything[end - PER_PAGE : end], str(number + 1) if end < len(everything) else None)


class Endless(FolderProvider):
    """One page after the other, as long as the test takes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun, self.last = threading.Event(), time.monotonic() + SOON
        self.reached_the_end = False

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        self.begun.set()
        self.reached_the_end = time.monotonic() > self.last
        return Page((), None if self.reached_the_end else "more")


@pytest.fixture
def seven(ann: User) -> User:
    """Seven files, in sync: four pages."""
    ann.save(**{f"arm_{number}": f"arm {number}".encode() for number in range(7)})
    ann.sync()
    return ann


def paged(user: User) -> Paged:
    return Paged(user.provider.inner.root)


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


def test_it_gives_what_a_listing_gives(seven: User, pool: ThreadPoolExecutor) -> None:
    for prefix in ("models/", "models/arm_3", "nothing/"):
        with listing_ahead(paged(seven), prefix, pool) as found:
            assert [info for page in found for info in page.objects] == list(list_all(seven.provider, prefix))


def test_it_lists_without_being_asked(seven: User, pool: ThreadPoolExecutor) -> None:
    provider = paged(seven)
    with listing_ahead(provider, "models/", pool) as found:
        pool.shutdown(wait=True)
        assert provider.asked == 4
        assert sum(len(page.objects) for page in found) == 7


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_an_error_of_a_page_reaches_who_takes_its_objects(seven: User, pool: ThreadPoolExecutor, page: int) -> None:
    provider = paged(seven)
    provider.bad_page = page
    taken = []
    with listing_ahead(provider, "models/", pool) as found, pytest.raises(StoreUnavailableError, match="broke"):
        taken.extend(info.key for each in found for info in each.objects)
    assert (len(taken), provider.asked) in ((0, page), (PER_PAGE * (page - 1), page))


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_half_a_listing_deletes_nothing(seven: User, page: int) -> None:
    here, there = seven.tree(), objects(seven.provider.inner)
    provider = paged(seven)
    provider.bad_page = page
    with pytest.raises(StoreUnavailableError, match="broke"):
        User(seven.folder, provider).sync(max_delete=1.0)
    assert (seven.tree(), objects(seven.provider.inner)) == (here, there)
    provider.bad_page = 0
    assert User(seven.folder, provider).sync().done == []


def test_short_pages_sync_as_long_ones(seven: User, bob: User) -> None:
    User(bob.folder, paged(seven)).sync()
    assert bob.tree() == seven.tree()


def test_a_walk_that_fails_ends_the_listing(seven: User) -> None:
    """The sync would wait for its end in vain."""
    provider = Endless(seven.provider.inner.root)
    (seven.folder / "lib" / STORE_FOLDER).mkdir(parents=True)
    with pytest.raises(ConfigError, match="plain-folder store"):
        User(seven.folder, provider).sync()
    assert not provider.reached_the_end


def test_who_takes_no_more_objects_ends_the_listing(seven: User, pool: ThreadPoolExecutor) -> None:
    provider = Endless(seven.provider.inner.root)
    with listing_ahead(provider, "models/", pool):
        assert provider.begun.wait(SOON)
    pool.shutdown(wait=True)
    assert not provider.reached_the_end
