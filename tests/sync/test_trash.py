"""The trash keeps what is young, whatever else is in it and whatever the clock says."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage.sync import trash as module
from ggg_cloud_addon.cloud_storage.sync.trash import Trash

NOON = datetime(2026, 11, 30, 12)
MONTH = 30.0


class Clock:
    """The user's clock, which the test sets."""

    time = NOON

    @classmethod
    def now(cls) -> datetime:
        return cls.time

    strptime = datetime.strptime


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock.time = NOON
    monkeypatch.setattr(module, "datetime", Clock)


def throw(root: Path, **sizes: int) -> Trash:
    """A run that takes files of so many bytes out of the folder."""
    trash = Trash(root)
    for name, size in sizes.items():
        place = trash.place(f"{name}.blend")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(size))
    Clock.time += timedelta(seconds=1)
    return trash


def kept(root: Path) -> set[str]:
    return {path.stem for path in root.rglob("*.blend")}


def run(root: Path, *, days: float = MONTH, size: int = 100) -> None:
    """A later run that takes nothing out."""
    Trash(root).empty(days, size)


def test_what_is_older_than_its_time_is_removed(tmp_path: Path) -> None:
    throw(tmp_path, old=10)
    Clock.time += timedelta(days=20)
    throw(tmp_path, young=10)
    for _ in range(15):
        Clock.time += timedelta(days=1)
        run(tmp_path)
    assert kept(tmp_path) == {"young"}


def test_a_run_larger_than_the_trash_takes_nothing_young_along(tmp_path: Path) -> None:
    throw(tmp_path, small=10)
    throw(tmp_path, huge=1000, little=5)
    run(tmp_path)
    assert kept(tmp_path) == {"small", "huge", "little"}
    Clock.time += timedelta(days=2)
    throw(tmp_path, new=10)
    run(tmp_path)
    assert kept(tmp_path) == {"small", "little", "new"}


def test_a_full_trash_loses_the_oldest_first(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        throw(tmp_path, **{name: 60})
        Clock.time += timedelta(days=2)
    run(tmp_path, size=120)
    assert kept(tmp_path) == {"second", "third"}


def test_one_run_with_a_clock_that_is_ahead_removes_nothing(tmp_path: Path) -> None:
    throw(tmp_path, arm=10)
    Clock.time += timedelta(days=40)
    run(tmp_path)
    Clock.time = NOON + timedelta(hours=1)
    run(tmp_path)
    assert kept(tmp_path) == {"arm"}
    for _ in range(29):
        Clock.time += timedelta(days=1)
        run(tmp_path)
    assert kept(tmp_path) == {"arm"}


def test_a_clock_that_is_behind_removes_nothing(tmp_path: Path) -> None:
    throw(tmp_path, arm=10)
    Clock.time -= timedelta(days=4000)
    run(tmp_path, size=0)
    assert kept(tmp_path) == {"arm"}


def test_what_others_put_there_is_left_alone(tmp_path: Path) -> None:
    trash = throw(tmp_path, arm=10)
    other = trash.place("x").parent.with_name("notes")
    other.mkdir()
    (other / "mine.blend").touch()
    Clock.time += timedelta(days=4000)
    for _ in range(3):
        run(tmp_path)
        Clock.time += timedelta(days=2)
    assert kept(tmp_path) == {"mine"}
    assert os.listdir(other.parent) == ["notes"]
