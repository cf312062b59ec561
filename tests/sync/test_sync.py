"""Two users, two folders, one store: what one does reaches the other, and nothing is lost on the way."""

import contextlib
import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
    SyncResult,
)
from ggg_cloud_addon.cloud_storage.errors import (
    CancelledError,
    LocalFileError,
    MassDeleteError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    StoreUnavailableError,
)
from ggg_cloud_addon.cloud_storage.providers import folder as folder_store
from ggg_cloud_addon.cloud_storage.providers.base import Page
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.plan import Kind

Tree = dict[str, bytes]


class Watched:
    """A store that counts what is asked of it, and lets something happen before a request."""

    def __init__(self, inner: FolderProvider) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            self.before.pop(name, lambda: None)()
            return found(*arguments, **options)

        return call


@dataclass
class User:
    """An artist with a folder that is synced with the store."""

    folder: Path
    provider: Any
    options: dict[str, Any] = field(default_factory=lambda: {"delete_files": True})

    @property
    def manager(self) -> CloudStorageManager:
        return CloudStorageManager(CloudStorageConfig(root="unused", prefix="models"), self.provider)

    def sync(self, say: Callable[[str], None] | None = None, **options: Any) -> SyncResult:
        config = SyncConfig(local_dir=self.folder, **self.options | options)
        return StorageSynchronizer(self.manager, config).synchronize(say)

    def save(self, **files: bytes) -> None:
        """Save as Blender does: beside, then in place; ``a__b`` is a/b.blend."""
        for name, content in files.items():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".blend@")
            beside.write_bytes(content)
            beside.replace(path)

    def path(self, name: str) -> Path:
        return self.folder / f"{name.replace('__', '/')}.blend"

    def delete(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink()

    def tree(self) -> Tree:
        return tree(self.folder)

    def trash(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in (self.folder / ".ggg_cloud" / "trash").rglob("*.blend"))


def tree(folder: Path, *, hidden: bool = False) -> Tree:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (hidden or ".ggg_" not in path.as_posix().removeprefix(folder.as_posix()))
    }


@pytest.fixture
def ann(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "ann", Watched(store))


@pytest.fixture
def bob(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "bob", Watched(store))


@pytest.fixture
def arm(ann: User, bob: User) -> bytes:
    """Both have ``arm.blend`` and ``leg.blend``, in sync."""
    ann.save(arm=b"the arm", leg=b"the leg")
    ann.sync()
    bob.sync()
    return b"the arm"


def objects(store: FolderProvider) -> Tree:
    return tree(store.root / "models") if (store.root / "models").exists() else {}


def settle(*users: User) -> None:
    """Sync until nobody has anything to do."""
    for _ in range(4):
        if not sum(len(user.sync().done) for user in users):
            break
    else:
        raise AssertionError("They never come to rest.")
    assert all(user.tree() == users[0].tree() == objects_of(user) for user in users)


def objects_of(user: User) -> Tree:
    provider = user.provider
    while not isinstance(provider, FolderProvider):
        provider = provider.inner
    return objects(provider)


def history(user: User, name: str) -> list[bytes]:
    found = []
    for each in user.manager.list_versions(f"{name}.blend"):
        target = user.folder.with_name("pulled")
        user.manager.download_component(f"{name}.blend", target, version_id=each.version_id)
        found.append(target.read_bytes())
    return found


def kinds(result: SyncResult) -> list[tuple[Kind, str]]:
    return [(action.kind, action.path) for action in result.done]


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


def test_a_delete_is_not_undone(ann: User, bob: User, arm: bytes) -> None:
    """Rclone #9939."""
    ann.delete("leg")
    for _ in range(2):
        ann.sync(delete_files=False)
        assert "leg.blend" not in ann.tree()
    settle(ann, bob)
    assert "leg.blend" not in bob.tree()


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


@pytest.fixture
def quarrel(ann: User, bob: User, arm: bytes) -> None:
    """Both changed the arm; ann's is in the store."""
    ann.save(arm=b"by ann")
    ann.sync()
    bob.save(arm=b"by bob")


def test_both_sides_of_a_conflict_are_kept_under_a_plain_name(ann: User, bob: User, quarrel: None) -> None:
    result = bob.sync()
    assert (result.errors, result.ok) == ({}, True)
    settle(ann, bob)
    assert ann.tree()["arm.blend"] == b"by ann"
    (copy,) = (name for name, content in ann.tree().items() if content == b"by bob")
    assert copy.startswith("arm (conflict, ")
    assert copy.endswith(").blend")
    assert len(ann.tree()) == 3


def test_a_taken_name_of_a_conflict_copy_is_numbered(ann: User, bob: User, quarrel: None) -> None:
    """Rclone's --conflict-loser pathname."""
    bob.sync()
    for number in range(3):
        ann.sync()
        ann.save(arm=b"by ann %d" % number)
        ann.sync()
        bob.save(arm=b"by bob %d" % number)
        bob.sync()
    settle(ann, bob)
    expected = {b"by bob", b"by bob 0", b"by bob 1", b"by bob 2", b"by ann 2", b"the leg"}
    assert {*ann.tree().values()} == expected


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


def at(word: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A progress callback that does something once, at the first message that begins so."""
    todo = [act]

    def say(message: str) -> None:
        if message.startswith(word) and todo:
            todo.pop()()

    return say


def test_an_object_replaced_after_the_plan_is_not_overwritten(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"by ann")
    bob.save(arm=b"by bob")
    result = ann.sync(at("upload", bob.sync))
    assert isinstance(result.errors["arm.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*ann.tree().values()}


def test_an_object_made_after_the_plan_is_not_overwritten(ann: User, bob: User, arm: bytes) -> None:
    ann.save(head=b"by ann")
    bob.save(head=b"by bob")
    result = ann.sync(at("upload", bob.sync))
    assert isinstance(result.errors["head.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*ann.tree().values()}


def test_an_object_changed_after_the_plan_is_not_deleted(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("arm")
    bob.save(arm=b"by bob")
    result = ann.sync(at("delete there", bob.sync))
    assert isinstance(result.errors["arm.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert ann.tree()["arm.blend"] == b"by bob"


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "replaced"])
def test_an_object_that_changes_before_its_download_waits_for_the_next_run(
    ann: User, bob: User, arm: bytes, deleted: bool
) -> None:
    bob.save(arm=b"by bob")
    bob.sync()
    if deleted:
        bob.delete("arm")
    else:
        bob.save(arm=b"by bob again")
    result = ann.sync(at("download", bob.sync))
    assert "arm.blend" in result.errors
    assert ann.tree()["arm.blend"] == b"the arm"
    settle(ann, bob)
    assert ann.tree().get("arm.blend") == (None if deleted else b"by bob again")


@pytest.mark.parametrize("there_already", [True, False], ids=["edited", "made"])
def test_a_file_saved_after_the_plan_is_not_overwritten(ann: User, bob: User, arm: bytes, there_already: bool) -> None:
    name = "arm" if there_already else "head"
    bob.save(**{name: b"by bob"})
    bob.sync()
    result = ann.sync(at("download", lambda: ann.save(**{name: b"by ann"})))
    assert isinstance(result.errors[f"{name}.blend"], SourceChangedError)
    assert ann.tree()[f"{name}.blend"] == b"by ann"
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*bob.tree().values()}


def test_a_file_saved_after_the_plan_is_not_deleted(ann: User, bob: User, arm: bytes) -> None:
    bob.delete("arm")
    bob.sync()
    result = ann.sync(at("delete here", lambda: ann.save(arm=b"by ann")))
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    settle(ann, bob)
    assert bob.tree()["arm.blend"] == b"by ann"


def test_a_file_saved_in_the_middle_of_its_delete_is_somewhere(
    ann: User, bob: User, arm: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob.delete("arm")
    bob.sync()
    saved = [arm]

    def after_a_save(deed: Callable[..., None]) -> Callable[..., None]:
        def act(path: Any, *arguments: Any, **options: Any) -> None:
            if Path(path) == ann.path("arm"):
                saved.append(b"saved %d" % len(saved))
                ann.save(arm=saved[-1])
            deed(path, *arguments, **options)

        return act

    for name in ("link", "replace", "rename", "unlink"):
        monkeypatch.setattr(os, name, after_a_save(getattr(os, name)))
    ann.sync()
    assert saved[-1] in tree(ann.folder, hidden=True).values()


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


def test_two_clients_at_once_lose_nothing(ann: User, bob: User) -> None:
    for number in range(8):
        ann.save(arm=b"by ann %d" % number, **{f"ann_{number}": b"ann's own %d" % number})
        bob.save(arm=b"by bob %d" % number, **{f"bob_{number}": b"bob's own %d" % number})
        threads = [threading.Thread(target=user.sync) for user in (ann, bob)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        settle(ann, bob)
        assert {b"by ann %d" % number, b"by bob %d" % number} <= {*ann.tree().values()}


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


# -- edits that hide


@pytest.mark.parametrize("runs", [0, 1])
@pytest.mark.parametrize("who", ["ann", "bob"])
def test_an_edit_of_the_same_size_and_time_is_noticed(ann: User, bob: User, arm: bytes, who: str, runs: int) -> None:
    """Aws-cli #406. Ann pushed the file, bob pulled it."""
    user = {"ann": ann, "bob": bob}[who]
    for _ in range(runs):
        user.sync()
    before = user.path("arm").stat()
    with user.path("arm").open("r+b") as file:
        file.write(b"THE ARM")
    os.utime(user.path("arm"), ns=(before.st_atime_ns, before.st_mtime_ns))
    settle(ann, bob)
    assert objects_of(ann)["arm.blend"] == b"THE ARM"


@pytest.mark.parametrize("when", [1, 10**9, 5_000_000_000 * 10**9 // 2], ids=["1970", "whole seconds", "the future"])
def test_the_clock_does_not_matter(ann: User, bob: User, arm: bytes, when: int) -> None:
    """Aws-cli #5216."""
    ann.save(arm=b"new arm", head=b"head")
    for name in ("arm", "head"):
        os.utime(ann.path(name), ns=(when, when))
    settle(ann, bob)
    bob.save(arm=b"and newer")
    settle(ann, bob)
    assert ann.tree() == {"arm.blend": b"and newer", "head.blend": b"head", "leg.blend": b"the leg"}


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


@pytest.mark.parametrize(
    "name", ["CON.blend", "a.ggg_part/../x.blend", "dot./x.blend", "back\\slash.blend", "c:d.blend"]
)
def test_an_object_whose_name_no_system_likes_is_skipped_and_said(
    ann: User, store: FolderProvider, tmp_path: Path, name: str
) -> None:
    (store.root / "models" / name).parent.mkdir(parents=True, exist_ok=True)
    (store.root / "models" / "a.ggg_part").mkdir(exist_ok=True)
    (store.root / "models" / name).write_bytes(b"x")
    ann.save(arm=b"arm")
    result = ann.sync()
    assert objects_of(ann)["arm.blend"] == b"arm"
    assert {*ann.tree()} <= {"arm.blend", "x.blend"}
    if "x.blend" not in ann.tree():
        assert [action.path for action in result.skipped] == [name]


def test_files_with_names_that_are_not_unicode_are_skipped(ann: User, arm: bytes) -> None:
    (ann.folder / os.fsdecode(b"\xff.blend")).write_bytes(b"x")
    ann.save(head=b"head")
    result = ann.sync()
    assert objects_of(ann)["head.blend"] == b"head"
    assert len(result.skipped) == 1
    result.get_summary_string().encode()


# -- names


def test_a_name_that_only_changes_its_case_is_renamed(ann: User, bob: User, arm: bytes) -> None:
    """Syncthing #1787."""
    ann.path("arm").rename(ann.path("Arm"))
    settle(ann, bob)
    assert {*bob.tree()} == {"Arm.blend", "leg.blend"}


def test_names_of_one_look_are_never_one_file(ann: User, bob: User) -> None:
    ann.save(**{"é": b"composed"})
    bob.save(**{"e\u0301": b"decomposed"})
    for _ in range(2):
        ann.sync()
        bob.sync()
    assert ann.tree() == {"é.blend": b"composed"}
    assert bob.tree() == {"e\u0301.blend": b"decomposed"}
    assert bob.sync().conflicts


def test_renaming_a_folder_is_no_mass_delete(ann: User, bob: User) -> None:
    """Rclone #8685."""
    ann.save(**{f"old__{number}": b"part %d" % number for number in range(20)})
    settle(ann, bob)
    (ann.folder / "old").rename(ann.folder / "new")
    settle(ann, bob)
    assert {*bob.tree()} == {f"new/{number}.blend" for number in range(20)}


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


@pytest.mark.parametrize("left", [True, False], ids=["empty folder", "no folder"])
def test_an_unmounted_store_deletes_nothing(ann: User, arm: bytes, store: FolderProvider, left: bool) -> None:
    shutil.move(store.root, store.root.with_name("drive"))
    if left:
        store.root.mkdir()
    before = ann.tree()
    with contextlib.suppress(StorageError):
        ann.sync()
    assert ann.tree() == before
    shutil.rmtree(store.root, ignore_errors=True)
    shutil.move(store.root.with_name("drive"), store.root)
    ann.sync()
    assert ann.tree() == before == objects_of(ann)


def test_a_moved_synced_folder_deletes_nothing(ann: User, arm: bytes) -> None:
    ann.folder.rename(ann.folder.with_name("elsewhere"))
    ann.sync()
    assert {*objects_of(ann)} == {*ann.tree()} == {"arm.blend", "leg.blend"}


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_a_listing_that_fails_deletes_nothing(
    ann: User, bob: User, store: FolderProvider, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """s5cmd #695; the listing takes several requests."""
    monkeypatch.setattr(folder_store, "PAGE_SIZE", 2)
    ann.save(**{f"part_{number}": b"%d" % number for number in range(8)})
    ann.sync()
    before = ann.tree()
    failed = 0
    for seed in range(20):
        ann.provider = FaultyProvider(store, error_rate=rate, seed=seed)
        try:
            ann.sync()
        except StoreUnavailableError:
            failed += 1
        assert ann.tree() == before == objects(store)
    assert failed > 5


@pytest.mark.parametrize("how", ["lost", "empty", "torn", "garbage", "other tables", "of another store"])
def test_without_its_memory_a_sync_deletes_nothing(ann: User, bob: User, arm: bytes, tmp_path: Path, how: str) -> None:
    ann.save(**{f"part_{number}": b"%d" % number for number in range(100)})
    settle(ann, bob)
    bob.delete("arm")
    bob.sync()
    state = ann.folder / ".ggg_cloud" / "state.db"
    if how == "lost":
        shutil.rmtree(state.parent)
    elif how == "of another store":
        ann.provider = FolderProvider(tmp_path / "other store")
    else:
        whole = state.read_bytes()
        middle = len(whole) // 2
        state.write_bytes(
            {
                "empty": b"",
                "torn": whole[:middle],
                "garbage": whole[:middle] + random.Random(1).randbytes(len(whole) - middle),
                "other tables": whole.replace(b"mtime_ns", b"mtime_us"),
            }[how]
        )
    ann.delete("leg")
    ann.sync()
    assert "arm.blend" in ann.tree()
    assert len(ann.tree()) >= 101
    assert ann.sync().plan == ()


def test_narrower_filters_delete_nothing(ann: User, bob: User, arm: bytes) -> None:
    """Rclone bisync: to a sync whose filters changed the others look deleted."""
    before = ann.tree()
    for options in ({"file_patterns": ["*.fbx"]}, {"exclude_patterns": ["leg*"]}, {"file_patterns": []}, {}):
        ann.sync(**options)
        assert ann.tree() == before == objects_of(ann)


def test_narrower_filters_forget_nothing(ann: User, bob: User, arm: bytes) -> None:
    ann.sync(exclude_patterns=["leg*"])
    ann.delete("leg")
    ann.sync(exclude_patterns=["leg*"])
    assert "leg.blend" in objects_of(ann)
    ann.sync()
    assert "leg.blend" not in objects_of(ann)
    assert "leg.blend" not in ann.tree()


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
    assert "robot/arm.blend" in result.errors
    assert list(outside.iterdir()) == []


# -- a dry run


@pytest.mark.parametrize("first", [True, False], ids=["the first run", "a later run"])
def test_a_dry_run_writes_nothing_at_all(ann: User, bob: User, tmp_path: Path, first: bool) -> None:
    """Rclone 1.64."""
    bob.save(arm=b"by bob", leg=b"leg")
    bob.sync()
    if not first:
        ann.sync()
        ann.save(arm=b"by ann", head=b"head")
        ann.delete("leg")
        bob.save(arm=b"by bob again")
        bob.sync()
    before = {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in tmp_path.rglob("*")}
    result = ann.sync(dry_run=True)
    after = {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in tmp_path.rglob("*")}
    assert after == before
    assert result.done == []
    assert "Would be done" in result.get_summary_string()
    assert {action.path for action in result.plan} == {"arm.blend", "leg.blend"} | (set() if first else {"head.blend"})


def test_a_dry_run_with_another_store_keeps_the_memory(ann: User, bob: User, arm: bytes, tmp_path: Path) -> None:
    right = ann.provider
    ann.provider = FolderProvider(tmp_path / "other store")
    ann.sync(dry_run=True)
    ann.provider = right
    ann.delete("leg")
    ann.sync()
    assert "leg.blend" not in ann.tree()


# -- trouble on the way


def test_one_file_that_fails_does_not_stop_the_others(ann: User, bob: User, arm: bytes) -> None:
    bob.save(arm=b"by bob", leg=b"leg by bob", head=b"head")
    bob.sync()
    ann.path("head").mkdir()
    (ann.path("head") / "x").touch()
    result = ann.sync()
    assert {*result.errors} == {"head.blend"}
    assert "head.blend" in result.get_summary_string()
    assert ann.tree()["leg.blend"] == b"leg by bob"


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


def test_a_download_that_breaks_off_leaves_no_newer_file(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    """AzCopy #999."""
    bob.save(arm=b"by bob" * 1_000_000)
    bob.sync()
    before = ann.path("arm").stat()
    ann.provider.before["get"] = lambda: (_ for _ in ()).throw(StoreUnavailableError("It broke."))
    assert {*ann.sync().errors} == {"arm.blend"}
    assert ann.path("arm").stat() == before
    settle(ann, bob)


@pytest.mark.parametrize("seed", range(4))
def test_on_a_bad_day_nothing_is_lost(ann: User, bob: User, store: FolderProvider, tmp_path: Path, seed: int) -> None:
    """Random edits by two users, every fifth request fails; no sync makes any content vanish."""
    chance = random.Random(seed)
    users = [ann, bob]

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


def test_a_folder_inside_the_store_is_not_synced_with_it(ann: User) -> None:
    ann.save(arm=b"arm")
    ann.sync()
    with pytest.raises(LocalFileError, match="lies in a plain-folder store"):
        User(ann.provider.root / "work", ann.provider).sync()


def test_a_state_that_is_locked_is_not_thrown_away(ann: User) -> None:
    ann.save(arm=b"arm")
    ann.sync()
    state = ann.folder / ".ggg_cloud" / "state.db"
    with contextlib.closing(sqlite3.connect(state)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LocalFileError, match="locked"):
            ann.sync()
    assert ann.sync().plan == ()


def test_a_save_while_the_old_content_is_copied_aside_is_kept(
    ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.save(arm=b"one")
    settle(ann, bob)
    ann.save(arm=b"two")
    ann.sync()
    copy = shutil.copy2

    def link(*_: Any) -> None:
        raise OSError("a drive without hard links")

    def copy_slowly(source: Path, target: Path) -> None:
        copy(source, target)
        if Path(source) == bob.path("arm"):
            bob.save(arm=b"three!")

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(shutil, "copy2", copy_slowly)
    assert isinstance(bob.sync().errors["arm.blend"], SourceChangedError)
    assert bob.path("arm").read_bytes() == b"three!"
