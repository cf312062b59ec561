"""A drive that goes away at any moment of a sync with deletes: nothing is deleted for it, and nothing is lost.

More moments: ``GGG_CLOUD_UNMOUNTS=100 python -m pytest tests/drives/test_drive_gone.py`` (so many for each way and
place).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeDrive, fresh
from day import EVENING, is_evening, kept, lies, sync_in_child, work
from drive import Drive
from users import User, objects_of, settle

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

MOMENTS = int(os.environ.get("GGG_CLOUD_UNMOUNTS", "7"))
PLACES = ("store", "store in a folder of it", "folder", "folder in a folder of it")
"""What lies on the drive; the rest lies on a disk."""
CALLS: dict[str, int] = {}
"""By place: how many calls of the drive a run makes that nothing happens to."""


@pytest.fixture
def drive(make_drive: MakeDrive) -> Iterator[Drive]:
    yield from fresh(make_drive("plain"))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def users(place: str, drive: Drive, tmp_path: Path) -> tuple[User, User]:
    """Ann's folder or the store lies on the drive; bob's folder does not."""
    on_drive = drive.root / "studio" if place.endswith("of it") else drive.root
    store = FolderProvider(on_drive if place.startswith("store") else tmp_path / "store")
    ann, bob = (User(folder, store) for folder in (tmp_path / "ann", tmp_path / "bob"))
    if place.startswith("folder"):
        ann.folder = on_drive
    return ann, bob


def calls_of_a_run(place: str, drive: Drive, ann: User, bob: User) -> int:
    """How many calls a whole run makes."""
    if place not in CALLS:
        work(ann, bob)
        drive.calls()
        sync_in_child(ann)
        CALLS[place] = sum(drive.calls().values())
        settle(ann, bob)
        assert is_evening(ann.tree())
    return CALLS[place]


def test_a_day_that_nothing_happens_on_ends_as_expected(place: str, drive: Drive, users: tuple[User, User]) -> None:
    assert calls_of_a_run(place, drive, *users) > 50


@pytest.mark.parametrize("how", ["lazy", "gone", "dead"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_drive_that_goes_away_takes_nothing_with_it(
    place: str, drive: Drive, users: tuple[User, User], tmp_path: Path, how: str, moment: int
) -> None:
    if place not in CALLS:
        pytest.skip("a day that nothing happens on has to be seen before")
    ann, bob = users
    work(ann, bob)
    before = kept(drive.backing, tmp_path)
    drive.vanish(CALLS[place] * moment // MOMENTS, how)
    told = sync_in_child(ann)
    drive.unmount()
    drive.calm()
    if place.startswith("store"):  # of the folder nobody can tell that it is not a new one
        assert sync_in_child(ann) == []
    assert before <= kept(drive.backing, tmp_path)
    drive.mount()
    assert lies(told, ann.tree(), objects_of(ann)) == []
    sync_in_child(ann)
    assert before <= kept(drive.backing, tmp_path)
    settle(ann, bob)
    assert before <= kept(drive.backing, tmp_path)
    assert is_evening(bob.tree()), {name: bob.tree().get(name) for name in EVENING}
    assert objects_of(bob) == bob.tree()
