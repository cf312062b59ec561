"""Folders and stores as studios have them: with what cannot be read, links, disks inside, odd numbers, deep trees."""

import contextlib
import errno
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from memory_store import KINDS as MEMORY_STORES
from memory_store import MemoryProvider
from users import User, Watched, at, objects_of, settle

from ggg_cloud_addon.cloud_storage import SyncConfig
from ggg_cloud_addon.cloud_storage.errors import ConfigError, LocalFileError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.plan import Kind
from ggg_cloud_addon.cloud_storage.sync.snapshot import BaseFile, Fingerprint
from ggg_cloud_addon.cloud_storage.sync.state import open_state
from ggg_cloud_addon.cloud_storage.sync.status import compare

NOBODY = 65534


def statuses(user: User) -> dict[str, str]:
    return {each.path: each.status for each in compare(user.manager, SyncConfig(local_dir=user.folder), lambda n: None)}


# -- what cannot be read


@pytest.fixture
def as_nobody() -> Iterator[User]:
    """A user with few rights, in a folder of his own, in sync with a store."""
    with tempfile.TemporaryDirectory() as folder:
        user = User(Path(folder, "work"), Watched(FolderProvider(Path(folder, "store"))))
        user.save(arm=b"arm", robot__leg=b"leg", robot__head=b"head", robot__hand__palm=b"palm")
        user.sync()  # which loads all modules that nobody may not load
        with contextlib.ExitStack() as stack:
            if os.geteuid() == 0:
                for path in (Path(folder), *Path(folder).rglob("*")):
                    os.chown(path, NOBODY, NOBODY)
                os.seteuid(NOBODY)
                stack.callback(os.seteuid, 0)
            yield user
            for each in (user.folder / "robot", user.provider.inner.root / "models" / "robot"):
                each.chmod(0o755)


def test_a_file_that_cannot_be_read_costs_that_file_only(as_nobody: User) -> None:
    as_nobody.save(robot__leg=b"new leg", arm=b"new arm", fresh=b"fresh")
    for name in ("robot__leg", "fresh"):
        as_nobody.path(name).chmod(0)
    result = as_nobody.sync()
    assert {*result.errors} == {"robot/leg.blend", "fresh.blend"}
    assert str(as_nobody.path("robot__leg")) in str(result.errors["robot/leg.blend"])
    assert objects_of(as_nobody)["arm.blend"] == b"new arm"
    assert objects_of(as_nobody)["robot/leg.blend"] == b"leg"
    as_nobody.path("robot__leg").chmod(0o644)
    as_nobody.sync()
    assert objects_of(as_nobody)["robot/leg.blend"] == b"new leg"


def test_nothing_in_a_folder_that_cannot_be_read_counts_as_deleted(as_nobody: User) -> None:
    as_nobody.save(arm=b"new arm")
    (as_nobody.folder / "robot").chmod(0)
    result = as_nobody.sync(max_delete=1)
    assert {*result.errors} == {"robot/"}
    assert str(as_nobody.folder / "robot") in str(result.errors["robot/"])
    assert objects_of(as_nobody)["arm.blend"] == b"new arm"
    assert len(objects_of(as_nobody)) == 4
    assert "deleted_here" not in statuses(as_nobody).values()


def test_what_vanished_in_a_folder_that_could_not_be_read_was_not_deleted(as_nobody: User) -> None:
    (as_nobody.folder / "robot").chmod(0)
    as_nobody.sync()
    (as_nobody.folder / "robot").chmod(0o755)
    as_nobody.delete("robot__leg")
    as_nobody.sync()
    assert as_nobody.tree()["robot/leg.blend"] == objects_of(as_nobody)["robot/leg.blend"] == b"leg"


def test_a_listing_of_the_folder_that_breaks_off_stops_the_sync(
    ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network drive: what was not listed is not known to be missing."""
    real = os.scandir

    class BreaksOff:
        def __init__(self, folder: Path) -> None:
            self._entries = real(folder)
            self.close = self._entries.close

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            first = next(self._entries)
            return (self._fail() if number else first for number in range(2))

        def __exit__(self, *_: object) -> None:
            self.close()

        def _fail(self) -> os.DirEntry[str]:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "scandir", lambda folder: BreaksOff(folder) if Path(folder) == ann.folder else real(folder))
    with pytest.raises(LocalFileError, match="Input/output error"):
        ann.sync(max_delete=1)
    assert len(objects_of(ann)) == 2


def test_a_share_that_may_only_be_read_can_be_downloaded(as_nobody: User) -> None:
    """Also one that was never synced with, and so has no mark."""
    share = as_nobody.provider.inner.root
    shutil.rmtree(share / ".ggg_store")
    for path in [share, *share.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    other = User(as_nobody.folder.with_name("other"), Watched(FolderProvider(share)))
    try:
        for _ in range(2):
            assert other.sync(direction="download").ok
        assert other.tree() == as_nobody.tree()
        assert other.sync(direction="download").plan == ()
        other.save(arm=b"edited here")
        assert statuses(other)["arm.blend"] == "newer_here"
    finally:
        for path in [share, *share.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


# -- links, and folders in each other


def test_a_folder_in_the_store_under_a_linked_name_is_refused(ann: User, tmp_path: Path) -> None:
    """Each run would store what the last one stored, one level deeper."""
    ann.save(arm=b"arm")
    ann.sync()
    link = tmp_path / "link"
    link.symlink_to(ann.provider.root / "models", target_is_directory=True)
    with pytest.raises(ConfigError, match="choose another folder"):
        User(link, ann.provider).sync()
    assert {*objects_of(ann)} == {"arm.blend"}


@pytest.mark.parametrize("below", ["", "store", "a/store"])
def test_a_folder_is_not_made_a_store_before_it_is_refused(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "A"
    (folder / below).mkdir(parents=True)
    (folder / "arm.blend").write_bytes(b"arm")
    with pytest.raises(ConfigError):
        User(folder, FolderProvider(folder / below)).sync()
    assert not [*tmp_path.rglob(".ggg_*")]
    other = User(folder, FolderProvider(tmp_path / "store"))
    assert other.sync().ok


def test_a_file_with_other_names_is_copied_into_the_trash(ann: User, bob: User, arm: bytes, tmp_path: Path) -> None:
    """Else an edit in place under another name would change what is kept."""
    os.link(bob.path("arm"), tmp_path / "arm elsewhere")
    os.link(bob.path("leg"), tmp_path / "leg elsewhere")
    ann.save(arm=b"new arm", head=b"head")
    ann.delete("leg")
    ann.sync()
    bob.sync()
    assert {*bob.tree()} == {"arm.blend", "head.blend"}
    for name in ("arm", "leg"):
        (tmp_path / f"{name} elsewhere").write_bytes(b"edited in place")
    assert bob.trash() == [b"the arm", b"the leg"]


def test_a_conflict_copy_of_a_file_with_other_names_is_its_own(
    ann: User, bob: User, quarrel: None, tmp_path: Path
) -> None:
    os.link(bob.path("arm"), tmp_path / "elsewhere")
    bob.sync()
    (tmp_path / "elsewhere").write_bytes(b"edited in place")
    assert {*bob.tree().values()} == {b"by ann", b"by bob", b"the leg"}


def test_a_file_with_other_names_that_is_edited_while_it_is_copied_away_stays(
    ann: User, bob: User, arm: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(bob.path("arm"), tmp_path / "elsewhere")
    ann.delete("arm")
    ann.sync()
    copy = shutil.copyfile

    def copy_and_edit(source: Path, target: Path) -> None:
        copy(source, target)
        (tmp_path / "elsewhere").write_bytes(b"edited in place")

    monkeypatch.setattr(shutil, "copyfile", copy_and_edit)
    assert {*bob.sync().errors} == {"arm.blend"}
    assert bob.tree()["arm.blend"] == b"edited in place"


def test_without_hard_links_a_conflict_copy_takes_no_name_that_is_taken(
    ann: User, bob: User, quarrel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a file that takes no part in the sync, or came after the plan."""

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    taken = []
    for minutes in range(3):
        when = datetime.now() + timedelta(minutes=minutes)
        taken.append(f"arm (conflict, {socket.gethostname()}, {when:%Y-%m-%d %H-%M})")

    def take() -> None:
        for name in taken:
            bob.path(name).write_bytes(b"taken")

    bob.sync(at("keep both", take))
    assert [bob.path(name).read_bytes() for name in taken] == [b"taken"] * 3
    assert {b"by ann", b"by bob"} <= {*bob.tree().values()}


def test_a_file_that_is_replaced_keeps_its_permissions(ann: User, bob: User, arm: bytes) -> None:
    bob.path("arm").chmod(0o600)
    ann.save(arm=b"new arm")
    settle(ann, bob)
    assert bob.path("arm").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_download_left_in_the_folder_takes_no_part(ann: User, arm: bytes) -> None:
    """It lies there only where a part of the folder is on another file system."""
    (ann.folder / ".version.1.0123456789ab.ggg_part").touch()
    result = ann.sync(file_patterns=["*"])
    assert (result.plan, result.ok) == ((), True)


# -- numbers


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**63 - 1, -1, -(2**62), 0])
def test_the_state_holds_every_number_that_a_file_system_may_give(tmp_path: Path, number: int) -> None:
    file = BaseFile(Fingerprint(1, number, number % 2**64, number), "0" * 64, "etag")
    with open_state(tmp_path, "store", "place") as state:
        state.remember("a.blend", file)
    with open_state(tmp_path, "store", "place") as state:
        assert state.load() == {"a.blend": file}


FAR = datetime(2261, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("seconds", [FAR, -FAR, 2**31, 0, -1])
def test_a_time_that_is_far_off_is_a_time(ann: User, bob: User, arm: bytes, seconds: float) -> None:
    for path in (ann.path("arm"), bob.path("leg")):
        os.utime(path, (seconds, seconds))
    ann.save(leg=b"new leg")
    settle(ann, bob)
    assert bob.tree() == {"arm.blend": arm, "leg.blend": b"new leg"}
    bob.save(leg=b"by bob")
    ann.save(leg=b"by ann")
    for user in (ann, bob):
        os.utime(user.path("leg"), (seconds, seconds))
        user.sync(conflict="newer")
    settle(ann, bob)


# -- deep and wide


@pytest.fixture
def deep(ann: User) -> Iterator[Path]:
    """A folder of ann's that Python itself cannot remove again."""
    yield ann.folder
    subprocess.run(["rm", "-rf", ann.folder], check=True)


def test_a_tree_a_thousand_folders_deep_is_no_trouble(ann: User, bob: User, deep: Path) -> None:
    """A key has at most 1,024 bytes; what lies deeper is named and left alone."""
    ann.save(arm=b"arm")
    place = deep
    for depth in range(1000):
        place /= "d"
        place.mkdir()
        if depth in (400, 999):
            (place / "x.blend").write_bytes(b"%d" % depth)
    result = ann.sync()
    assert [each.path.count("/") for each in result.skipped] == [1000]
    assert (result.errors, result.ok) == ({}, False)
    bob.sync()
    assert {len(path) for path in bob.tree()} == {len("arm.blend"), 401 * 2 + len("x.blend")}


# -- one way


def test_a_backup_sends_again_what_the_store_lost(ann: User, arm: bytes, store: FolderProvider) -> None:
    (store.root / "models" / "arm.blend").unlink()
    assert ann.sync(direction="upload", delete_files=False).ok
    assert objects_of(ann)["arm.blend"] == arm
    store.delete("models/leg.blend")
    assert ann.sync(direction="upload").ok
    assert objects_of(ann)["leg.blend"] == b"the leg"


def test_a_mirror_fetches_again_what_it_lost(ann: User, arm: bytes) -> None:
    ann.delete("arm")
    assert ann.sync(direction="download").ok
    assert ann.tree()["arm.blend"] == arm


@pytest.mark.parametrize("side", ["here", "there"])
def test_what_one_side_lost_is_named_and_sent_again_by_choice(
    ann: User, arm: bytes, store: FolderProvider, side: str
) -> None:
    if side == "here":
        ann.delete("arm")
    else:
        store.delete("models/arm.blend")
    result = ann.sync(delete_files=False)
    assert f"arm.blend: deleted {side}, but deletes are off" in result.get_summary_string()
    ann.sync(delete_files=False, choices={"arm.blend": "local" if side == "there" else "remote"})
    assert ann.tree() == objects_of(ann) == {"arm.blend": arm, "leg.blend": b"the leg"}


def test_a_rename_of_case_without_deletes_says_what_is_in_the_way(ann: User, arm: bytes) -> None:
    ann.path("arm").rename(ann.path("Arm"))
    said = ann.sync(delete_files=False).get_summary_string()
    assert 'Arm.blend: it was renamed here from "arm.blend", which stays in the storage as deletes are off' in said
    assert "rename one" not in said


# -- what is touched, and not changed


def test_a_store_that_was_touched_or_copied_is_not_fetched_again(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    for path in (store.root / "models").glob("*.blend"):
        path.write_bytes(path.read_bytes())
    result = ann.sync()
    assert {each.kind for each in result.plan} == {Kind.REMEMBER}
    assert ann.trash() == []
    ann.provider.calls.clear()
    assert ann.sync().plan == ()
    assert not {"get", "head"} & ann.provider.calls.keys()


def test_a_delete_here_is_one_although_the_store_was_touched(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    ann.delete("arm")
    os.utime(store.root / "models" / "arm.blend")
    ann.sync()
    assert {*objects_of(ann)} == {"leg.blend"}


def test_an_edit_here_is_one_although_the_store_was_touched(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    ann.save(arm=b"new arm")
    os.utime(store.root / "models" / "arm.blend")
    assert [(each.kind, each.path) for each in ann.sync().plan] == [(Kind.UPLOAD, "arm.blend")]


@pytest.mark.parametrize("kind", MEMORY_STORES)
def test_an_object_that_was_replaced_under_its_old_metadata_is_a_change(tmp_path: Path, kind: str) -> None:
    """The SHA-256 in it says that nothing changed there, so that an edit here would replace it without a question."""
    store = MemoryProvider(MEMORY_STORES[kind])
    ann = User(tmp_path / "ann", store)
    ann.save(arm=b"the arm")
    ann.sync()
    store.rewrite("models/arm.blend", b"by tool")
    ann.save(arm=b"new arm")
    assert [(each.kind, each.path) for each in ann.sync().plan] == [(Kind.KEEP_BOTH, "arm.blend")]


@pytest.fixture
def former(ann: User, bob: User, arm: bytes) -> None:
    """The state of ann's folder is one of the former release."""
    with contextlib.closing(sqlite3.connect(ann.folder / ".ggg_cloud" / "state.db")) as database:
        database.executescript(
            "CREATE TABLE old (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER,"
            " ctime_ns INTEGER, settled INTEGER, sha256 TEXT, etag TEXT) WITHOUT ROWID;"
            "INSERT INTO old SELECT path, size, mtime_ns, inode, ctime_ns, settled, sha256, etag FROM files;"
            "DROP TABLE files; ALTER TABLE old RENAME TO files;"
            "CREATE TABLE was AS SELECT 2 AS schema, store, location FROM about;"
            "DROP TABLE about; ALTER TABLE was RENAME TO about;"
        )


def test_the_state_of_the_former_release_is_taken_over(ann: User, former: None) -> None:
    """Else an edit of one side would look as if both had changed, and a delete would be undone."""
    ann.save(arm=b"new arm")
    ann.delete("leg")
    result = ann.sync()
    assert {(each.kind, each.path) for each in result.plan} == {
        (Kind.UPLOAD, "arm.blend"),
        (Kind.DELETE_REMOTE, "leg.blend"),
    }
    assert ann.sync().plan == ()


def test_a_folder_of_the_former_release_knows_that_its_store_is_not_there(ann: User, former: None) -> None:
    root = ann.provider.inner.root
    root.rename(root.with_name("away"))
    ann.provider = FolderProvider(root)
    with pytest.raises(StoreUnavailableError, match="is not in"):
        ann.sync()
    assert not root.exists()
