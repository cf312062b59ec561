"""The decorator that simulates a bad day: nothing of its own at rate 0, determined by its seed above."""

import collections
import time
from collections.abc import Callable, Iterable

import pytest
from conformance import BIG, BytesSource, ProviderConformance, keys, put, read

from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.providers.base import Provider
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


class TestConformanceWithoutFaults(ProviderConformance):
    rounds = 8

    @pytest.fixture
    def provider(self, store: FolderProvider) -> Provider:
        return FaultyProvider(store, error_rate=0)

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        assert isinstance(provider, FaultyProvider)
        assert isinstance(provider.inner, FolderProvider)
        for name in names:
            path = provider.inner.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except StoreUnavailableError:
        return "failed"
    return "done"


def outcomes(store: FolderProvider, seed: int) -> list[tuple[str, bool]]:
    """For each put what it said, and whether it was done."""
    faulty = FaultyProvider(store, error_rate=0.5, seed=seed)
    told = []
    for number in range(60):
        key = f"{seed}/{number}"
        said = outcome(lambda key=key: put(faulty, key, b"x"))
        told.append((said, key in keys(store, key)))
    return told


def test_the_seed_decides(store: FolderProvider) -> None:
    other = FolderProvider(store.root.with_name("other"))
    assert outcomes(store, 1) == outcomes(other, 1)
    assert outcomes(store, 2) != outcomes(store, 3)


def test_a_fault_comes_before_or_after_the_deed(store: FolderProvider) -> None:
    told = outcomes(store, 1)
    assert set(told) == {("done", True), ("failed", False), ("failed", True)}
    assert 15 < sum(said == "failed" for said, _ in told) < 45


def test_a_lost_answer_to_a_delete_is_a_done_delete(store: FolderProvider) -> None:
    faulty = FaultyProvider(store, error_rate=1, seed=1)
    left = set()
    for number in range(20):
        put(store, f"{number}", b"x")
        with pytest.raises(StoreUnavailableError):
            faulty.delete(f"{number}")
        left.add(f"{number}" in keys(store))
    assert left == {True, False}


def test_a_download_breaks_off_before_or_in_the_middle(store: FolderProvider) -> None:
    put(store, "arm.blend", BIG)
    faulty = FaultyProvider(store, error_rate=1, seed=1)
    arrived = set()
    for _ in range(20):
        got = bytearray()
        with pytest.raises(StoreUnavailableError), faulty.get("arm.blend") as download:
            collections.deque(map(got.extend, download), 0)
        assert BIG.startswith(got)
        arrived.add(0 < len(got) < len(BIG))
    assert arrived == {True, False}


def test_an_upload_can_break_off_in_the_middle(store: FolderProvider) -> None:
    faulty = FaultyProvider(store, error_rate=1, seed=1)
    moved = set()
    for number in range(40):
        counts: list[int] = []
        with pytest.raises(StoreUnavailableError):
            faulty.put(f"{number}", BytesSource(BIG), on_bytes=counts.append)
        moved.add(0 < sum(counts) < len(BIG))
    assert True in moved


def test_every_verb_can_fail(store: FolderProvider) -> None:
    put(store, "arm.blend", b"arm")
    faulty = FaultyProvider(store, error_rate=1, seed=1)
    for ask in (
        faulty.check,
        faulty.list,
        lambda: faulty.head("arm.blend"),
        lambda: read(faulty, "arm.blend"),
        lambda: put(faulty, "leg.blend", b"leg"),
        lambda: faulty.copy("arm.blend", "copy.blend"),
        lambda: faulty.versions("arm.blend"),
        lambda: faulty.delete("arm.blend"),
    ):
        with pytest.raises(StoreUnavailableError, match=r"^The connection .*\.$"):
            ask()


def test_true_errors_come_through(store: FolderProvider) -> None:
    faulty = FaultyProvider(store, error_rate=0)
    with pytest.raises(ObjectNotFoundError):
        faulty.head("nothing")


def test_each_request_is_late(store: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    slow = FaultyProvider(store, latency=0.25)
    put(slow, "arm.blend", BIG)
    read(slow, "arm.blend")
    slow.list()
    assert waited == [0.25, 0.25, 0.25]
