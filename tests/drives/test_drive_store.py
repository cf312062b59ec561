"""The plain-folder store on drives as studios have them keeps every promise of the conformance suite."""

import os
from collections.abc import Iterable
from pathlib import Path

import conformance
import pytest
from conformance import ProviderConformance, put, read
from drive import Drive

from ggg_cloud_addon.cloud_storage.providers.base import IfMatch, Provider, list_all
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

RACES, ROUNDS = 10, 12
"""Fewer than on a disk, where a call takes a hundredth of the time."""
MANY = 1100
"""More than one page of a listing."""


class OnDrive(ProviderConformance):
    rounds = ROUNDS

    @pytest.fixture(autouse=True)
    def _not_so_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conformance, "RACES", RACES)
        monkeypatch.setattr(conformance, "MANY", MANY)

    @pytest.fixture
    def provider(self, drive: Drive) -> Provider:
        return FolderProvider(drive.root / "store")

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        assert isinstance(provider, FolderProvider)
        for name in names:
            path = provider.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


@pytest.mark.parametrize("drive", ["exFAT or macOS"], indirect=True)
class TestNoCaseNoLinksCoarseTimes(OnDrive):
    pass


@pytest.mark.parametrize("drive", ["SMB or NFS"], indirect=True)
class TestNoLocks(OnDrive):
    pass


@pytest.mark.parametrize("drive", ["mergerfs or Gluster"], indirect=True)
class TestLargeInodes(OnDrive):
    pass


@pytest.fixture
def store(drive: Drive) -> FolderProvider:
    return FolderProvider(drive.root / "store")


@pytest.mark.parametrize("drive", ["FUSE without locks"], indirect=True)
def test_a_store_that_cannot_lock_or_link_is_used_all_the_same(store: FolderProvider) -> None:
    store.check()
    etag = put(store, "arm.blend", b"one")
    put(store, "arm.blend", b"two", IfMatch(etag))
    store.delete("arm.blend")
    assert [read(store, "arm.blend", version_id=each.version_id) for each in store.versions("arm.blend")] == [
        b"two",
        b"one",
    ]


@pytest.mark.parametrize("drive", ["mergerfs or Gluster"], indirect=True)
@pytest.mark.parametrize(
    "when",
    [-(2**62) * 10**9, -5, 9_300_000_000 * 10**9, 300_000_000_000 * 10**9, 2**62 * 10**9],
    ids=["long before 1970", "before 1970", "2264", "year 11476", "the last"],
)
def test_no_time_of_one_file_keeps_the_others_from_being_listed(store: FolderProvider, when: int) -> None:
    put(store, "leg.blend", b"leg")
    path = store.root / "arm.blend"
    path.write_bytes(b"arm")
    os.utime(path, ns=(when, when))
    found = {info.key: info for info in list_all(store)}
    assert {*found} == {"arm.blend", "leg.blend"}
    assert store.head("arm.blend").etag == found["arm.blend"].etag
    assert read(store, "arm.blend") == b"arm"
    put(store, "arm.blend", b"new", IfMatch(found["arm.blend"].etag))
    assert [read(store, "arm.blend", version_id=each.version_id) for each in store.versions("arm.blend")] == [
        b"new",
        b"arm",
    ]


def test_the_store_was_on_the_drive(every_drive: Drive, tmp_path: Path) -> None:
    """What the tests above say of a drive is not said of a disk."""
    store = FolderProvider(every_drive.root / "store")
    every_drive.calls()
    (store.root / "arm.blend").parent.mkdir()
    (store.root / "arm.blend").write_bytes(b"arm")
    list_all(store)
    assert every_drive.calls().get("create", 0) >= 1
