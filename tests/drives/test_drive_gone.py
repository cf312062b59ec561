"""A drive that goes away at any moment of a sync with deletes: nothing is deleted for it, and nothing is lost.

Not at its very first call: a folder that is gone before the run has begun is an empty one, as a new one is.

More moments: ``GGG_CLOUD_UNMOUNTS=100 python -m pytest tests/drives/test_drive_gone.py`` (so many for each way and
place).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeDrive, empty, fresh
from day import EVENING, is_evening, kept, lies, sync_in_child, work
from drive import Drive
from users import User, objects_of, settle

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

MOMENTS = int(os.environ.get("GGG_CLOUD_UNMOUNTS", "7"))
PLACES = ("store", "store in a folder of it", "folder", "folder in a folder of it")
"""What lies on the drive; the rest lies on a disk."""
CALLS: dict[str, int] = {}
"""By place: see :func:`calls`."""


@pytest.fixture
def drive(make_drive: MakeDrive) -> Iterator[Drive]:
    yield from fresh(make_drive("plain"))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_users(place: str, drive: Drive, disk: Path) -> tuple[User, User]:
    """Ann's folder or the store lies on the drive; bob's folder does not."""
    on_drive = drive.root / "studio" if place.endswith("of it") else drive.root
    store = FolderProvider(on_drive if place.startswith("store") else disk / "store")
    ann, bob = (User(disk / name, store) for name in ("ann", "bob"))
    if place.startswith("folder"):
        ann.folder = on_drive
    return ann, bob


@pytest.fixture
def calls(place: str, drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls of the drive a run makes that nothing happens to."""
    if place not in CALLS:
        ann, bob = make_users(place, drive, tmp_path_factory.mktemp("rehearsal"))
        work(ann, bob)
        drive.calls()
        sync_in_child(ann)
        CALLS[place] = sum(drive.calls().values())
        settle(ann, bob)
        assert is_evening(ann.tree())
        empty(drive)
    return CALLS[place]


@pytest.mark.parametrize("how", ["lazy", "gone", "dead"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_drive_that_goes_away_takes_nothing_with_it(
    place: str, drive: Drive, calls: int, tmp_path: Path, how: str, moment: int
) -> None:
    ann, bob = make_users(place, drive, tmp_path)
    work(ann, bob)
    before = kept(drive.backing, tmp_path)
    drive.vanish(calls * (moment + 1) // (MOMENTS + 1), how)
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
