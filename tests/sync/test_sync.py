"""Two users, two folders, one store: what one does reaches the other, and nothing is lost on the way."""

import contextlib
import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from users import User, at, history, kinds, objects_of, settle

from ggg_cloud_addon.cloud_storage import StorageSynchronizer, SyncConfig, files, transfers
from ggg_cloud_addon.cloud_storage.errors import (
    CancelledError,
    ConfigError,
    LocalFileError,
    MassDeleteError,
    StoreUnavailableError,
)
from ggg_cloud_addon.cloud_storage.providers.base import Page
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import snapshot
from ggg_cloud_addon.cloud_storage.sync.events import SyncEvent
from ggg_cloud_addon.cloud_storage.sync.plan import Kind

# -- plain life


def test_two_users_get_each_others_work(ann: User, bob: User) -> None:
    ann.save(arm=b"arm", robot__leg=b"leg")
    bob.save(head=b"head")
    ann.sync()
    bob.sync()
    ann.sync()
    assert ann.tree() == bob.tree() == {"arm.blend": b"arm", "head.blend": b"head", "robot/leg.blend": b"leg"}


def test_edits_and_deletes_reach_the_other(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"the new arm")
    bob.delete("leg")
    settle(ann, bob)
    assert bob.tree() == {"arm.blend": b"the new arm"}


def test_deleted_and_replaced_work_is_in_the_trash_or_the_versions(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("leg")
    ann.save(arm=b"the new arm")
    ann.sync()
    bob.sync()
    assert bob.trash() == [b"the arm", b"the leg"]
    assert history(ann, "leg") == [b"the leg"]
    assert history(ann, "arm") == [b"the new arm", b"the arm"]


def test_a_change_beats_a_delete(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("arm")
    bob.save(arm=b"changed by bob", leg=b"changed by bob too")
    bob.delete("leg")
    bob.sync()
    settle(ann, bob)
    assert ann.tree() == {"arm.blend": b"changed by bob"}


def test_a_second_run_asks_once_and_does_nothing(ann: User) -> None:
    ann.save(**{f"part_{number}": b"%d" % number for number in range(30)})
    ann.sync()
    ann.provider.calls.clear()
    result = ann.sync()
    assert (result.plan, result.ok) == ((), True)
    assert not {"head", "get", "put", "copy", "delete", "versions"} & ann.provider.calls.keys()
    assert ann.provider.calls["list"] == 1


def test_a_run_after_a_pull_asks_once_and_does_nothing(ann: User, bob: User, arm: bytes) -> None:
    bob.provider.calls.clear()
    assert bob.sync().plan == ()
    assert not {"head", "get", "put"} & bob.provider.calls.keys()


def test_a_touched_file_is_not_sent_again(ann: User, arm: bytes) -> None:
    os.utime(ann.path("arm"))
    assert ann.sync().plan == ()
    os.utime(ann.path("arm"), ns=(1, 1))
    assert ann.sync().plan == ()


def test_the_summary_says_what_was_done(ann: User, bob: User, arm: bytes) -> None:
    assert "nothing to do" in ann.sync().get_summary_string()
    ann.save(head=b"head")
    ann.delete("leg")
    said = ann.sync().get_summary_string()
    assert "1 uploaded" in said
    assert "1 deleted there" in said


def test_each_step_is_told(ann: User, bob: User, arm: bytes) -> None:
    ann.save(head=b"head")
    told: list[str] = []
    ann.sync(told.append)
    assert any("head.blend" in message for message in told)
    assert not any("arm.blend" in message for message in told)


# -- one way, no deletes, no overwriting


def test_uploading_changes_nothing_here(ann: User, bob: User, arm: bytes) -> None:
    bob.save(arm=b"the new arm", head=b"head")
    bob.delete("leg")
    bob.sync()
    ann.save(foot=b"foot")
    before = ann.tree()
    ann.sync(direction="upload")
    assert ann.tree() == before
    assert objects_of(ann)["foot.blend"] == b"foot"


def test_downloading_changes_nothing_there(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"the new arm", head=b"head")
    ann.delete("leg")
    bob.save(foot=b"foot")
    bob.sync()
    before = objects_of(ann)
    ann.sync(direction="download")
    assert objects_of(ann) == before
    assert ann.tree()["foot.blend"] == b"foot"
    assert ann.tree()["arm.blend"] == b"the new arm"


def test_with_overwriting_off_nothing_is_replaced(ann: User, bob: User, arm: bytes) -> None:
    bob.save(arm=b"by bob", leg=b"leg by bob")
    bob.sync()
    ann.save(arm=b"by ann")
    here, there = ann.tree(), objects_of(ann)
    ann.sync(overwrite=False)
    assert here.items() <= ann.tree().items()
    assert there.items() <= objects_of(ann).items()


# -- conflicts


def test_both_sides_of_a_conflict_are_kept_under_a_plain_name(ann: User, bob: User, quarrel: None) -> None:
    result = bob.sync()
    assert (result.errors, result.ok) == ({}, True)
    settle(ann, bob)
    assert ann.tree()["arm.blend"] == b"by ann"
    (copy,) = (name for name, content in ann.tree().items() if content == b"by bob")
    assert copy.startswith("arm (conflict, ")
    assert copy.endswith(").blend")
    assert len(ann.tree()) == 3


@pytest.mark.parametrize(
    ("policy", "winner"), [("local", b"by bob"), ("remote", b"by ann"), ("newer", b"by bob"), ("newer", b"by ann")]
)
def test_the_loser_of_a_conflict_is_kept_aside(ann: User, bob: User, quarrel: None, policy: str, winner: bytes) -> None:
    away = timedelta(hours=1) if winner == b"by bob" else -timedelta(hours=1)
    when = (datetime.now() + away).timestamp()
    os.utime(bob.path("arm"), (when, when))
    bob.sync(conflict=policy)
    settle(ann, bob)
    assert ann.tree()["arm.blend"] == winner
    loser = {b"by ann", b"by bob"} - {winner}
    assert loser <= {*bob.trash(), *history(bob, "arm")}


def test_two_losers_in_one_second_are_both_kept(ann: User, bob: User, quarrel: None) -> None:
    for number in range(3):
        ann.save(arm=b"by ann %d" % number)
        ann.sync(conflict="local")
        bob.save(arm=b"by bob %d" % number)
        bob.sync(conflict="remote")
    assert {b"by bob 0", b"by bob 1", b"by bob 2"} <= {*bob.trash()}


def test_asking_leaves_both_sides_alone(ann: User, bob: User, quarrel: None) -> None:
    result = bob.sync(conflict="ask")
    assert [action.path for action in result.conflicts] == ["arm.blend"]
    assert not result.ok
    assert "arm.blend" in result.get_summary_string()
    assert (bob.tree()["arm.blend"], objects_of(bob)["arm.blend"]) == (b"by bob", b"by ann")


def test_the_same_edit_on_both_sides_is_no_conflict(ann: User, bob: User, quarrel: None) -> None:
    bob.save(arm=b"by ann")
    bob.sync()
    assert len(bob.tree()) == 2
    assert bob.sync().plan == ()


def test_a_conflict_that_cannot_be_solved_now_makes_no_copies(
    ann: User, bob: User, quarrel: None, store: FolderProvider
) -> None:
    bob.sync(lambda message: (store.root / "models" / "arm.blend").touch() if "keep both" in message else None)
    assert {*bob.tree()} == {"arm.blend", "leg.blend"}
    assert bob.tree()["arm.blend"] == b"by bob"


# -- somebody is faster


def test_a_file_saved_again_before_its_upload_goes_up_as_it_is(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"by ann")
    ann.sync(at("upload", lambda: ann.save(arm=b"by ann, later")))
    settle(ann, bob)
    assert bob.tree()["arm.blend"] == b"by ann, later"


def test_a_file_deleted_before_its_upload_is_an_error_of_its_own(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"by ann", head=b"by ann, the larger one")
    result = ann.sync(at("upload", lambda: ann.delete("arm", "head")))
    assert {*result.errors} == {"arm.blend", "head.blend"}
    assert objects_of(ann)["arm.blend"] == b"the arm"


def test_an_object_gone_between_list_and_compare_does_not_stop_the_others(
    ann: User, bob: User, quarrel: None, store: FolderProvider
) -> None:
    bob.save(head=b"head")
    bob.provider.before["head"] = (store.root / "models" / "arm.blend").unlink
    bob.sync()
    assert objects_of(bob)["head.blend"] == b"head"
    assert b"by bob" in bob.tree().values()


def test_one_folder_is_synced_by_one_at_a_time(ann: User, arm: bytes) -> None:
    ann.save(arm=b"new")
    refused: list[str] = []

    def again() -> None:
        with pytest.raises(LocalFileError) as caught:
            ann.sync()
        refused.append(str(caught.value))

    ann.sync(at("upload", again))
    assert "Another sync" in refused[0]
    assert ann.sync().plan == ()


# -- objects that others made


def test_an_object_of_another_tool_is_read_once_to_compare(ann: User, bob: User, store: FolderProvider) -> None:
    (store.root / "models").mkdir(parents=True)
    (store.root / "models" / "arm.blend").write_bytes(b"the arm")
    (store.root / "models" / "leg.blend").write_bytes(b"the leg")
    ann.save(arm=b"the arm", leg=b"my  leg")
    ann.sync()
    assert {*ann.tree().values()} == {b"the arm", b"the leg", b"my  leg"}
    ann.provider.calls.clear()
    assert ann.sync().plan == ()
    assert not {"head", "get"} & ann.provider.calls.keys()


def test_an_object_edited_by_hand_is_not_taken_for_the_pushed_one(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    (store.root / "models" / "arm.blend").write_bytes(b"BY HAND")
    shutil.rmtree(ann.folder / ".ggg_cloud")
    result = ann.sync()
    assert (Kind.REMEMBER, "arm.blend") not in kinds(result)
    assert b"the arm" in ann.tree().values()


def test_files_with_names_that_are_not_unicode_are_skipped(ann: User, arm: bytes) -> None:
    (ann.folder / os.fsdecode(b"\xff.blend")).write_bytes(b"x")
    ann.save(head=b"head")
    result = ann.sync()
    assert objects_of(ann)["head.blend"] == b"head"
    assert (len(result.skipped), result.ok) == (1, False)
    result.get_summary_string().encode()


# -- nothing is deleted by mistake


def test_a_mass_delete_needs_a_person(ann: User, bob: User) -> None:
    ann.save(**{f"part_{number}": b"%d" % number for number in range(20)})
    settle(ann, bob)
    ann.delete(*(f"part_{number}" for number in range(12)))
    before = objects_of(ann)
    with pytest.raises(MassDeleteError, match="12 of 20"):
        ann.sync()
    assert objects_of(ann) == before
    ann.sync(max_delete=1)
    assert len(objects_of(ann)) == 8


def test_filters_say_what_takes_part(ann: User) -> None:
    ann.save(arm=b"arm", drafts__arm=b"draft")
    (ann.folder / "arm.blend1").write_bytes(b"backup")
    (ann.folder / "ARM.FBX").write_bytes(b"fbx")
    ann.sync(exclude_patterns=["drafts/*"])
    assert {*objects_of(ann)} == {"arm.blend", "ARM.FBX"}


def test_a_folder_replaced_by_a_link_deletes_nothing(ann: User, bob: User, tmp_path: Path) -> None:
    ann.save(big__arm=b"arm", leg=b"leg")
    settle(ann, bob)
    (ann.folder / "big").rename(tmp_path / "other disk")
    (ann.folder / "big").symlink_to(tmp_path / "other disk")
    with pytest.raises(LocalFileError, match="is a link now"):
        ann.sync()
    assert "big/arm.blend" in objects_of(ann)


def test_links_are_not_followed_out_of_the_folder(ann: User, bob: User, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bob.save(robot__arm=b"arm")
    bob.sync()
    ann.folder.mkdir()
    (ann.folder / "robot").symlink_to(outside)
    result = ann.sync()
    assert [(each.path, each.can_choose) for each in result.conflicts] == [("robot/arm.blend", False)]
    assert '"robot"' in result.get_summary_string()
    assert list(outside.iterdir()) == []


def test_a_file_that_becomes_a_link_meanwhile_is_not_sent(ann: User, tmp_path: Path) -> None:
    secret = tmp_path / "secret.blend"
    secret.write_bytes(b"secret")
    ann.save(arm=b"arm")

    def make_a_link(line: str) -> None:
        if line.startswith("upload"):
            ann.delete("arm")
            ann.path("arm").symlink_to(secret)

    assert {*ann.sync(make_a_link).errors} == {"arm.blend"}
    assert objects_of(ann) == {}


# -- trouble on the way


def test_one_file_that_fails_does_not_stop_the_others(ann: User, bob: User, arm: bytes) -> None:
    bob.save(arm=b"by bob", leg=b"leg by bob", head=b"head")
    bob.sync()
    leg = bob.provider.inner.root / "models" / "leg.blend"
    result = ann.sync(at("download: leg", lambda: leg.write_bytes(b"another tool's leg")))
    assert {*result.errors} == {"leg.blend"}
    assert "leg.blend" in result.get_summary_string()
    assert ann.tree()["head.blend"] == b"head"


def test_a_folder_where_a_file_has_to_go_needs_a_person(ann: User, bob: User, arm: bytes) -> None:
    bob.save(leg=b"leg by bob", head=b"head")
    bob.sync()
    ann.path("head").mkdir()
    (ann.path("head") / "notes.txt").touch()
    result = ann.sync()
    assert [(each.path, each.can_choose) for each in result.conflicts] == [("head.blend", False)]
    assert 'a folder has its place here, with "head.blend/notes.txt" in it' in result.get_summary_string()
    assert ann.tree()["leg.blend"] == b"leg by bob"


def test_a_folder_takes_the_place_of_a_file_that_was_deleted(ann: User, bob: User, arm: bytes) -> None:
    bob.delete("arm")
    bob.save(**{"arm.blend/upper": b"upper arm"})
    settle(bob, ann)
    assert {*ann.tree()} == {"arm.blend/upper.blend", "leg.blend"}


def test_an_empty_folder_is_not_in_the_way_of_a_file_of_its_name(ann: User, bob: User) -> None:
    ann.save(head=b"head")
    ann.sync()
    bob.path("head").mkdir(parents=True)
    settle(ann, bob)


def test_a_sync_that_is_stopped_while_it_compares_reads_no_more(ann: User) -> None:
    names = {f"part{number}": b"ann" for number in range(500)}
    ann.save(**names)
    for name in names:  # by another tool, so that only reading both can tell
        ann.provider.check()
        (ann.provider.root / "models").mkdir(exist_ok=True)
        (ann.provider.root / "models" / f"{name}.blend").write_bytes(b"bob")

    def stop(event: SyncEvent) -> None:
        if ann.provider.calls["get"]:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        StorageSynchronizer(ann.manager, SyncConfig(local_dir=ann.folder)).synchronize(on_event=stop)
    assert ann.provider.calls["get"] < 400


def test_a_stopped_sync_goes_on_where_it_was(ann: User, bob: User) -> None:
    ann.save(**{f"part_{number}": b"%d" % number for number in range(5)})
    told: list[str] = []

    def stop(message: str) -> None:
        told.append(message)
        if len(told) == 4:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        ann.sync(stop)
    done = len(objects_of(ann))
    assert done <= 2
    assert len(ann.sync().done) == 5 - done


@pytest.mark.parametrize("seed", range(4))
def test_on_a_bad_day_nothing_is_lost(ann: User, bob: User, store: FolderProvider, tmp_path: Path, seed: int) -> None:
    """Random edits by two users, every fifth request fails; no sync makes any content vanish."""
    chance = random.Random(seed)
    users = [ann, bob]
    for user in users:
        user.options["max_delete"] = 1

    def every_content() -> set[bytes]:
        return {
            content
            for path in tmp_path.rglob("*")
            if path.is_file() and (content := path.read_bytes()).startswith(b"content")
        }

    for number in range(40):
        user = chance.choice(users)
        name = chance.choice(["arm", "leg", "robot__head"])
        if chance.random() < 0.25 and user.path(name).exists():
            user.delete(name)
        else:
            user.save(**{name: b"content %d" % number})
        if chance.random() < 0.5:
            before = every_content()
            user.provider = FaultyProvider(store, error_rate=0.2, seed=chance.randrange(1000))
            with contextlib.suppress(StoreUnavailableError):
                user.sync()
            assert before <= every_content()
    before = every_content()
    for user in users:
        user.provider = store
    settle(ann, bob)
    assert before <= every_content()
    assert not list(tmp_path.rglob("*.ggg_part*"))


def test_a_drive_that_goes_away_while_it_is_listed_deletes_nothing(ann: User) -> None:
    ann.save(arm=b"arm", leg=b"leg")
    ann.sync()

    class Unplugged(FolderProvider):
        def list(self, prefix: str = "", *, token: str | None = None) -> Page:
            self.root.rename(self.root.with_name("elsewhere"))
            return super().list(prefix, token=token)

    with pytest.raises(StoreUnavailableError, match="went away"):
        User(ann.folder, Unplugged(ann.provider.root)).sync()
    assert (ann.folder / "arm.blend").read_bytes() == b"arm"


def test_a_killed_sync_does_not_make_a_folder_forget_its_store(ann: User, tmp_path: Path) -> None:
    ann.save(arm=b"arm")
    ann.sync()
    database = ann.folder / ".ggg_cloud" / "state.db"
    with contextlib.closing(sqlite3.connect(database)) as half:  # what SQLite leaves when it is killed
        half.execute("PRAGMA cache_size = 1")
        rows = ((f"{number}.blend",) for number in range(2000))
        half.executemany("INSERT INTO files SELECT ?, 1, 1, 1, 1, 1, hex(zeroblob(32)), 'etag', 1", rows)
        for path in database.parent.glob("state.db*"):
            shutil.copy(path, tmp_path)
        half.rollback()
    for path in tmp_path.glob("state.db*"):
        shutil.copy(path, database.parent)
    shutil.rmtree(ann.provider.root)  # the drive is not there
    with pytest.raises(StoreUnavailableError, match="is not in the folder"):
        ann.sync()
    assert not ann.provider.root.exists()


def test_a_folder_inside_the_store_is_not_synced_with_it(ann: User) -> None:
    ann.save(arm=b"arm")
    ann.sync()
    with pytest.raises(ConfigError, match="lies in a plain-folder store"):
        User(ann.provider.root / "work", ann.provider).sync()


def test_a_look_beside_a_running_sync_sees_what_was_saved_last(ann: User) -> None:
    """Whose journal comes and goes meanwhile, and must be neither needed nor missed."""
    ann.save(arm=b"arm")
    ann.sync()
    with contextlib.closing(sqlite3.connect(ann.folder / ".ggg_cloud" / "state.db")) as running:
        running.execute("UPDATE files SET etag = 'not saved yet'")
        (ann.folder / ".ggg_cloud" / "state.db-gone").symlink_to("gone by now")
        assert ann.sync(dry_run=True).plan == ()


def test_a_store_inside_the_folder_is_not_synced_into_itself(ann: User) -> None:
    ann.save(arm=b"arm")
    inside = User(ann.folder, FolderProvider(ann.folder / "shared" / "store"))
    inside.provider.check()
    with pytest.raises(ConfigError, match=r'store" lies in'):
        inside.sync()


def test_a_folder_that_cannot_be_looked_at_is_told_in_a_sentence(ann: User) -> None:
    with pytest.raises(LocalFileError, match="cannot be read"):
        User(ann.folder / ("x" * 300), ann.provider).sync()


def test_a_state_that_is_locked_is_not_thrown_away(ann: User) -> None:
    ann.save(arm=b"arm")
    ann.sync()
    state = ann.folder / ".ggg_cloud" / "state.db"
    with contextlib.closing(sqlite3.connect(state)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LocalFileError, match="locked"):
            ann.sync()
    assert ann.sync().plan == ()


def test_what_a_killed_run_left_is_swept_by_one_that_has_nothing_to_do(ann: User, bob: User, arm: bytes) -> None:
    (ann.folder / ".ggg_cloud" / "tmp" / ".arm.blend.0123456789ab.ggg_part").write_bytes(b"the a")
    assert ann.sync().plan == ()
    assert not list(ann.folder.rglob("*.ggg_part*"))


def test_the_state_tells_of_no_file_whose_name_is_not_on_the_disk(
    ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut it would be missing, which looks as if it had been deleted here."""
    settle(ann, bob)
    ann.save(robot__head=b"new")
    ann.sync()
    flushed: list[Path] = []

    def refuse(folder: Path) -> None:
        flushed.append(folder)
        raise OSError(errno.EIO, "The disk is broken")

    monkeypatch.setattr(files, "flush_folder", refuse)
    with pytest.raises(LocalFileError):
        bob.sync()
    monkeypatch.undo()
    assert set(flushed) == {bob.path("robot__head").parent}
    assert [each.kind for each in bob.sync().plan] == [Kind.REMEMBER]


def test_an_edit_right_after_a_file_arrived_is_noticed(
    ann: User, bob: User, arm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same size and time, before the sync looks at the file again; however long that takes."""
    monkeypatch.setattr(snapshot, "TICK_NS", 0)
    move = transfers.move_into_place

    def move_and_edit(part: Path, target: Path, moved: Callable[[Path], object]) -> None:
        move(part, target, moved)
        if target == bob.path("arm"):
            before = target.stat()
            with target.open("r+b") as file:
                file.write(b"by bob")
            os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))

    ann.save(arm=b"by ann")
    ann.sync()
    monkeypatch.setattr(transfers, "move_into_place", move_and_edit)
    bob.sync()
    monkeypatch.undo()
    settle(ann, bob)
    assert objects_of(ann)["arm.blend"] == b"by bob"


def test_an_edit_right_after_a_file_was_stored_is_noticed(
    ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the sync looks at the file again; however long that takes."""
    monkeypatch.setattr(snapshot, "TICK_NS", 0)
    put = FolderProvider.put

    def put_and_edit(*arguments: Any, **options: Any) -> Any:
        stored = put(*arguments, **options)
        ann.save(arm=b"edited")
        return stored

    ann.save(arm=b"stored")
    monkeypatch.setattr(FolderProvider, "put", put_and_edit)
    ann.sync()
    monkeypatch.undo()
    settle(ann, bob)
    assert objects_of(ann)["arm.blend"] == b"edited"


def test_the_name_of_a_copy_is_not_one_that_takes_no_part(ann: User, bob: User, quarrel: None) -> None:
    bob.sync()
    (taken,) = (name for name in objects_of(bob) if "conflict" in name)
    ann.save(arm=b"by ann again")
    ann.sync(file_patterns=["arm.blend"])
    bob.save(arm=b"by bob again")
    bob.path(taken.removesuffix(".blend")).unlink()
    assert bob.sync(file_patterns=["arm.blend"]).ok
    assert objects_of(bob)[taken] == b"by bob"
