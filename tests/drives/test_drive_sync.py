"""Two users and a store on drives as studios have them: the scenarios of a local disk, and what only such drives do."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeDrive, fresh
from day import is_evening, kept, sync_in_child, work
from drive import Drive
from test_sync import (  # noqa: F401  # run here too
    test_a_change_beats_a_delete,
    test_a_file_deleted_before_its_upload_is_an_error_of_its_own,
    test_a_file_saved_again_before_its_upload_goes_up_as_it_is,
    test_a_second_run_asks_once_and_does_nothing,
    test_a_stopped_sync_goes_on_where_it_was,
    test_an_empty_folder_is_not_in_the_way_of_a_file_of_its_name,
    test_an_object_of_another_tool_is_read_once_to_compare,
    test_asking_leaves_both_sides_alone,
    test_both_sides_of_a_conflict_are_kept_under_a_plain_name,
    test_deleted_and_replaced_work_is_in_the_trash_or_the_versions,
    test_downloading_changes_nothing_there,
    test_edits_and_deletes_reach_the_other,
    test_one_folder_is_synced_by_one_at_a_time,
    test_the_same_edit_on_both_sides_is_no_conflict,
    test_two_losers_in_one_second_are_both_kept,
    test_two_users_get_each_others_work,
    test_uploading_changes_nothing_here,
    test_with_overwriting_off_nothing_is_replaced,
)
from test_sync import test_on_a_bad_day_nothing_is_lost as bad_day
from users import User, history, objects_of, settle

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

PLACES = [
    ("exFAT or macOS", "all"),
    ("SMB or NFS", "store"),
    ("SMB or NFS", "folders"),
    ("FUSE without locks", "all"),
    ("mergerfs or Gluster", "all"),
]
"""Which drive, and what lies on it; the rest lies on a disk."""
CALLS = 1200
"""About so many calls one run of a day makes."""


def name_of(place: tuple[str, str]) -> str:
    return f"{place[1]} on {place[0]}"


def on(drive: str, *what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", [(drive, each) for each in what], indirect=True, ids=name_of)


@pytest.fixture(params=PLACES, ids=name_of)
def place(request: pytest.FixtureRequest, make_drive: MakeDrive) -> Iterator[tuple[Path, str]]:
    drive, what = make_drive(request.param[0]), request.param[1]
    for _ in fresh(drive):
        yield drive.root, what


@pytest.fixture
def tmp_path(place: tuple[Path, str], tmp_path: Path) -> Path:
    """Where the scenarios have their folders."""
    return tmp_path if place[1] == "store" else place[0]


@pytest.fixture
def store(place: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> FolderProvider:
    on_drive = place[1] in ("store", "all")
    return FolderProvider((place[0] if on_drive else tmp_path_factory.mktemp("disk")) / "store")


def test_on_a_bad_day_nothing_is_lost(ann: User, bob: User, store: FolderProvider, tmp_path: Path) -> None:
    bad_day(ann, bob, store, tmp_path, seed=1)


# -- spelling

ignoring_case = on("exFAT or macOS", "all")


@on("exFAT or macOS", "all", "folders", "store")
def test_a_case_only_rename_reaches_the_other(ann: User, bob: User, arm: bytes) -> None:
    ann.path("arm").rename(ann.path("Arm"))
    settle(ann, bob)
    assert ann.tree() == bob.tree() == {"Arm.blend": b"the arm", "leg.blend": b"the leg"}


@ignoring_case
def test_a_case_only_rename_with_an_edit_loses_neither_side(ann: User, bob: User, quarrel: None) -> None:
    bob.path("arm").rename(bob.path("ARM"))
    settle_all(ann, bob)
    assert {b"by ann", b"by bob"} <= everything(ann, bob)


@ignoring_case
def test_a_case_only_rename_of_a_folder_loses_nothing(ann: User, bob: User) -> None:
    ann.save(robot__arm=b"arm", robot__leg=b"leg")
    settle(ann, bob)
    (ann.folder / "robot").rename(ann.folder / "Robot")
    settle_all(ann, bob)
    for user in (ann, bob):
        assert sorted(user.tree().values()) == [b"arm", b"leg"]


@ignoring_case
def test_two_spellings_of_one_name_by_two_users_lose_neither(ann: User, bob: User) -> None:
    ann.save(arm=b"by ann")
    ann.sync()
    bob.save(ARM=b"by bob")
    settle_all(ann, bob)
    assert {b"by ann", b"by bob"} <= everything(ann, bob)
    assert b"by bob" in bob.tree().values()


@ignoring_case
def test_two_forms_of_one_name_are_one_file(ann: User, bob: User) -> None:
    ann.save(**{"Gru\u0308n": b"by ann"})
    ann.sync()
    bob.save(**{"Gr\u00fcn": b"by ann"})
    settle_all(ann, bob)
    assert [*ann.tree().values()] == [*bob.tree().values()] == [b"by ann"]


def settle_all(*users: User) -> None:
    """Sync until nobody has anything to do; names that clash may wait for a person."""
    for _ in range(4):
        if not sum(len(user.sync().done) for user in users):
            return
    raise AssertionError("They never come to rest.")


def everything(*users: User) -> set[bytes]:
    """All content that can be had: files, trash, objects and versions."""
    found = {content for user in users for content in (*user.tree().values(), *user.trash())}
    found |= {*objects_of(users[0]).values()}
    kept = (users[0].provider.root / ".ggg_store" / "objects").rglob("*")
    return found | {path.read_bytes() for path in kept if path.is_file() and path.name != "record.json"}


# -- times


@on("exFAT or macOS", "all", "folders")
def test_an_edit_in_place_within_one_step_of_the_clock_is_noticed(ann: User, bob: User, arm: bytes) -> None:
    """Of the same size, so that neither size, time nor inode tells it."""
    ann.path("arm").write_bytes(b"THE ARM")
    settle(ann, bob)
    assert bob.tree()["arm.blend"] == b"THE ARM"


@on("exFAT or macOS", "all")
def test_versions_of_one_step_of_the_clock_are_kept_apart(ann: User) -> None:
    contents = [b"arm %d" % number for number in range(5)]
    for content in contents:
        ann.save(arm=content)
        ann.sync()
    assert history(ann, "arm") == contents[::-1]


@on("mergerfs or Gluster", "all", "folders")
@pytest.mark.parametrize(
    "when", [-5 * 10**9, 9_300_000_000 * 10**9, 300_000_000_000 * 10**9], ids=["1969", "2264", "year 11476"]
)
def test_a_file_of_any_time_is_synced_and_known_again(ann: User, bob: User, when: int) -> None:
    ann.save(arm=b"arm", leg=b"leg")
    os.utime(ann.path("arm"), ns=(when, when))
    settle(ann, bob)
    assert ann.sync().plan == bob.sync().plan == ()
    ann.path("arm").write_bytes(b"edited")
    os.utime(ann.path("arm"), ns=(when, when))
    settle(ann, bob)
    assert {*bob.tree()} == {"arm.blend", "leg.blend"}  # an edit, no conflict
    assert bob.tree()["arm.blend"] == b"edited"


@on("mergerfs or Gluster", "store")
def test_an_object_of_the_year_11476_stops_nobody(ann: User, bob: User, arm: bytes, store: FolderProvider) -> None:
    path = store.root / "models" / "head.blend"
    path.write_bytes(b"head")
    os.utime(path, ns=(0, 300_000_000_000 * 10**9))
    settle(ann, bob)
    assert bob.tree()["head.blend"] == b"head"
    assert {each.component_id for each in ann.manager.list_components()} == {"arm.blend", "head.blend", "leg.blend"}


# -- what cannot be read

unreadable = pytest.mark.parametrize(
    ("call", "name", "number"),
    [
        ("open", "arm.blend", errno.EACCES),
        ("open", "arm.blend", errno.EIO),
        ("lookup", "arm.blend", errno.EIO),
        ("opendir", "robot", errno.EACCES),
        ("lookup", "robot", errno.EIO),
    ],
    ids=["file refused", "file broken", "file not even seen", "folder refused", "folder broken"],
)


@pytest.fixture
def robots(ann: User, bob: User) -> None:
    for number in range(12):
        ann.save(**{f"part_{number}": b"part %d" % number})
    ann.save(robot__arm=b"arm", robot__leg=b"leg")
    settle(ann, bob)


@unreadable
@on("plain", "folders")
def test_what_cannot_be_read_here_costs_that_alone(
    ann: User, bob: User, robots: None, make_drive: MakeDrive, call: str, name: str, number: int
) -> None:
    ann.save(head=b"head", part_1=b"edited")
    ann.path("robot__arm").write_bytes(b"edited too")
    forgotten(make_drive("plain"))
    make_drive("plain").fail(call, name=name, error=number)
    result = ann.sync()
    make_drive("plain").calm()
    bob.sync()
    assert bob.tree()["head.blend"] == b"head"
    assert bob.tree()["part_1.blend"] == b"edited"
    assert objects_of(bob)["robot/arm.blend"] == b"arm"
    assert objects_of(bob)["robot/leg.blend"] == b"leg"
    assert "robot" in result.get_summary_string()
    settle(ann, bob)
    assert bob.tree()["robot/arm.blend"] == b"edited too"


@unreadable
@on("plain", "store")
def test_what_cannot_be_read_in_the_store_costs_that_alone(
    ann: User, bob: User, robots: None, make_drive: MakeDrive, call: str, name: str, number: int
) -> None:
    bob.save(robot__arm=b"edited too", head=b"head")
    bob.sync()
    forgotten(make_drive("plain"))
    make_drive("plain").fail(call, name=name, error=number)
    ann.sync()
    make_drive("plain").calm()
    assert ann.tree()["head.blend"] == b"head"
    assert ann.tree()["robot/leg.blend"] == b"leg"
    assert ann.tree()["robot/arm.blend"] == b"arm"
    settle(ann, bob)
    assert ann.tree()["robot/arm.blend"] == b"edited too"


def forgotten(drive: Drive) -> None:
    """Have the kernel forget what it knows of it, so that it has to ask."""
    drive.unmount()
    drive.mount()


# -- any call fails


@on("plain", "all")
@pytest.mark.parametrize("share", range(20))
def test_a_call_that_fails_loses_nothing_and_the_next_run_goes_on(
    ann: User, bob: User, tmp_path: Path, make_drive: MakeDrive, share: int
) -> None:
    drive = make_drive("plain")
    work(ann, bob)
    before = kept(tmp_path)
    drive.fail("any", error=errno.EIO, after=CALLS * share // 20, times=1)
    sync_in_child(ann)
    drive.calm()
    assert before <= kept(tmp_path)
    settle(ann, bob)
    assert before <= kept(tmp_path)
    assert is_evening(bob.tree())
