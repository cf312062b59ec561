"""The trash keeps what is young, whatever else is in it and whatever the clock says."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from memory_store import KINDS, MemoryProvider
from users import User

from ggg_cloud_addon.cloud_storage.sync.state import open_state
from ggg_cloud_addon.cloud_storage.sync.trash import Trash

NOON = datetime(2026, 11, 30, 12)
MONTH = 30.0


class Times:
    """The user's clock, which the test sets, and a folder's trash and state."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = NOON

    def throw(self, **sizes: int) -> Trash:
        """A run that takes files of so many bytes out of the folder."""
        with open_state(self.root, "store", "place") as state:
            trash = Trash(self.root, state.clock(self.now))
        for name, size in sizes.items():
            place = trash.place(f"{name}.blend")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(bytes(size))
        self.now += timedelta(seconds=1)
        return trash

    def run(self, *, days: float = MONTH, size: int = 100) -> set[str]:
        """A later run that takes nothing out; the answer is what is in the trash then."""
        self.throw().empty(days, size)
        return self.kept()

    def run_daily(self, count: int) -> set[str]:
        for _ in range(count):
            self.now += timedelta(days=1)
            self.run()
        return self.kept()

    def kept(self) -> set[str]:
        return {path.stem for path in self.root.rglob("*.blend")}


@pytest.fixture
def times(tmp_path: Path) -> Times:
    """A clock that has been steady for some days."""
    times = Times(tmp_path)
    times.run_daily(4)
    return times


def test_what_is_older_than_its_time_is_removed(times: Times) -> None:
    times.throw(old=10)
    times.run_daily(20)
    times.throw(young=10)
    assert times.run_daily(9) == {"old", "young"}
    assert times.run_daily(2) == {"young"}
    assert times.run_daily(20) == set()


def test_a_run_larger_than_the_trash_takes_nothing_young_along(times: Times) -> None:
    times.throw(small=10)
    times.throw(huge=1000, little=5)
    assert times.run() == {"small", "huge", "little"}
    times.now += timedelta(days=2)
    times.throw(new=10)
    assert times.run() == {"small", "little", "new"}


def test_a_full_trash_loses_the_oldest_first(times: Times) -> None:
    for name in ("first", "second", "third"):
        times.throw(**{name: 60})
        times.now += timedelta(days=2)
    assert times.run(size=120) == {"second", "third"}


def test_what_a_run_takes_out_itself_pushes_nothing_out(times: Times) -> None:
    times.throw(old=60)
    times.now += timedelta(days=2)
    times.throw(huge=1000).empty(MONTH, 100)
    assert times.kept() == {"old", "huge"}


@pytest.mark.parametrize("days", [40, 4000, -40, -4000, 0])
def test_a_run_with_a_wrong_clock_removes_nothing(times: Times, days: float) -> None:
    times.throw(before=10)
    times.now += timedelta(days)
    times.throw(then=10)
    assert times.run() == {"before", "then"}
    times.now -= timedelta(days)
    times.throw(after=10)
    assert times.run_daily(29) == {"before", "then", "after"}
    assert "before" not in times.run_daily(3)


def test_no_run_puts_its_files_among_those_of_another_one(times: Times) -> None:
    times.now += timedelta(days=40)
    first = times.throw(arm=10)
    times.now -= timedelta(days=40)
    assert first.place("arm.blend") != times.throw(arm=20).place("arm.blend")
    assert len([*times.root.rglob("arm.blend")]) == 2


def test_a_wrong_clock_after_the_state_was_lost_removes_nothing(times: Times) -> None:
    times.throw(arm=10)
    (times.root / ".ggg_cloud" / "state.db").unlink()
    times.now += timedelta(days=40)
    assert times.run() == {"arm"}


def test_after_a_long_time_without_a_sync_the_trash_is_emptied_some_days_later(times: Times) -> None:
    times.throw(arm=10)
    times.now += timedelta(days=100)
    assert times.run() == {"arm"}
    assert times.run_daily(4) == set()


def test_what_others_put_there_is_left_alone(times: Times) -> None:
    other = times.throw(arm=10).place("x").parent.with_name("notes")
    other.mkdir()
    (other / "mine.blend").touch()
    assert times.run_daily(40) == {"mine"}
    assert os.listdir(other.parent) == ["notes"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_store_without_versions_would_lose_is_in_the_trash(tmp_path: Path, kind: str) -> None:
    store = MemoryProvider(KINDS[kind])
    ann = User(tmp_path / "ann", store)
    ann.save(arm=b"arm", leg=b"leg")
    ann.sync()
    ann.save(arm=b"new arm")
    ann.delete("leg")
    ann.sync()
    assert ann.trash() == ([] if store.kind.versions else [b"arm", b"leg"])
