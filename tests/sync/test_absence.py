"""What is not there for a moment was not deleted: Blender renames ``x.blend`` to ``x.blend1``, then ``x.blend@`` to
``x.blend``, and between both there is no ``x.blend``."""

import os
import threading
import time
from collections.abc import Callable

import pytest
from users import User, at, objects_of, settle

from ggg_cloud_addon.cloud_storage import StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import PreconditionFailedError, SourceChangedError
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import apply
from ggg_cloud_addon.cloud_storage.sync.events import Planned, SyncEvent


class Save:
    """Blender saving the arm, in its two steps; long ago it saved it last."""

    def __init__(self, user: User, content: bytes) -> None:
        self._blend = user.path("arm")
        self._blend.with_suffix(".blend@").write_bytes(content)

    def begin(self) -> None:
        self._blend.rename(self._blend.with_suffix(".blend1"))

    def end(self) -> None:
        self._blend.with_suffix(".blend@").rename(self._blend)
        self._blend.with_suffix(".blend1").unlink()  # which takes no part in the sync


def test_a_sync_in_the_middle_of_a_save_deletes_nothing(ann: User, bob: User, arm: bytes) -> None:
    save = Save(ann, b"saved")
    save.begin()
    result = ann.sync()
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    assert "is being saved" in str(result.errors["arm.blend"])
    assert objects_of(ann)["arm.blend"] == arm
    save.end()
    settle(ann, bob)
    assert bob.tree()["arm.blend"] == b"saved"


def test_a_save_that_ends_before_the_delete_is_seen(ann: User, arm: bytes) -> None:
    save = Save(ann, b"saved")
    save.begin()
    result = ann.sync(at("delete there", save.end))
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    assert objects_of(ann)["arm.blend"] == arm
    assert ann.sync().ok
    assert objects_of(ann)["arm.blend"] == b"saved"


def test_a_backup_made_right_now_says_that_a_save_is_under_way(
    ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a program that writes its new file under a name of its own."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0.3)
    renamed = ann.path("arm").with_suffix(".blend1")
    result = ann.sync(at("delete there", lambda: os.utime(renamed)))  # a rename that comes late: it has this ctime too
    assert result.plan == ()
    ann.path("arm").rename(renamed)
    result = ann.sync(at("delete there", lambda: os.utime(renamed)))
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    assert objects_of(ann)["arm.blend"] == arm


def test_an_old_backup_is_no_sign_of_a_save(ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes from the future, as it was made before somebody set the clock back."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0.1)
    now = time.time_ns
    for name, days in (("arm", 10), ("leg", -10)):
        ann.path(name).rename(ann.path(name).with_suffix(".blend1"))
        monkeypatch.setattr(time, "time_ns", lambda days=days: now() + days * 86_400 * 10**9)
        assert ann.sync(max_delete=1).ok
        assert f"{name}.blend" not in objects_of(ann)


def test_what_comes_back_within_the_time_of_a_save_was_not_deleted(
    ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "SAVE_SECONDS", 60)
    elsewhere = ann.folder / "elsewhere"
    ann.path("arm").rename(elsewhere)

    def come_back(event: SyncEvent) -> None:
        if isinstance(event, Planned):
            monkeypatch.setattr(apply, "SAVE_SECONDS", 0.2)
            elsewhere.rename(ann.path("arm"))

    config = SyncConfig(local_dir=ann.folder, delete_files=True)
    result = StorageSynchronizer(ann.manager, config).synchronize(on_event=come_back)
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    assert objects_of(ann)["arm.blend"] == arm


def test_a_delete_waits_for_longer_than_a_save_takes(ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0.3)
    ann.delete("arm")
    begun = time.monotonic()
    assert ann.sync().ok
    assert time.monotonic() - begun >= 0.3
    assert "arm.blend" not in objects_of(ann)


def test_what_others_changed_waits_too_where_the_file_is_absent(
    ann: User, bob: User, arm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob.save(arm=b"by bob")
    bob.sync()
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0.3)
    ann.delete("arm")
    begun = time.monotonic()
    assert ann.sync().ok
    assert time.monotonic() - begun >= 0.3
    assert ann.tree()["arm.blend"] == b"by bob"


def test_what_is_new_does_not_wait(ann: User, bob: User, arm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    bob.save(head=b"head")
    bob.sync()
    monkeypatch.setattr(apply, "SAVE_SECONDS", 20)
    ann.path("head").with_suffix(".blend@").touch()  # nor does it matter what lies beside
    begun = time.monotonic()
    assert ann.sync().ok
    assert time.monotonic() - begun < 15
    assert ann.tree()["head.blend"] == b"head"


def test_a_long_listing_does_not_count_as_waiting(ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else where it takes longer than a save, a file is looked for again right after it was seen to be absent."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0.3)
    ann.delete("arm")
    times: list[float] = []

    def take_long() -> None:
        time.sleep(0.4)
        times.append(time.monotonic())

    ann.provider.before["list"] = take_long
    ann.provider.before["delete"] = lambda: times.append(time.monotonic())
    assert ann.sync().ok
    listed, deleted = times
    assert deleted - listed >= 0.3


def test_a_sync_that_waits_can_be_cancelled(ann: User, arm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "SAVE_SECONDS", 600)
    ann.delete("arm")
    waits = threading.Event()

    def stop(event: SyncEvent) -> None:
        if waits.is_set():
            raise KeyboardInterrupt
        if isinstance(event, Planned):
            waits.set()

    with pytest.raises(KeyboardInterrupt):
        StorageSynchronizer(ann.manager, SyncConfig(local_dir=ann.folder, delete_files=True)).synchronize(on_event=stop)


def test_what_others_changed_does_not_come_into_the_middle_of_a_save(ann: User, bob: User, arm: bytes) -> None:
    """The save would replace it, and the next sync take that for an edit of it."""
    bob.save(arm=b"by bob")
    bob.sync()
    save = Save(ann, b"by ann")
    save.begin()
    assert isinstance(ann.sync().errors["arm.blend"], SourceChangedError)
    save.end()
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*bob.tree().values()}


@pytest.mark.parametrize("when", ["before the delete", "before it is decided"])
def test_an_object_that_comes_back_deletes_nothing_here(
    ann: User, bob: User, arm: bytes, store: FolderProvider, when: str
) -> None:
    """As where another tool replaces it by a delete and a write."""
    there = store.root / "models" / "arm.blend"
    there.rename(there.with_suffix(".away"))

    def come_back() -> None:
        there.with_suffix(".away").rename(there)

    say: Callable[[str], None] | None = None
    if when == "before the delete":
        say = at("delete here", come_back)
    else:
        ann.provider.before["head"] = come_back
    result = ann.sync(say)
    assert isinstance(result.errors["arm.blend"], PreconditionFailedError)
    assert ann.tree()["arm.blend"] == arm
    settle(ann, bob)


def test_a_folder_in_the_place_of_a_file_is_a_delete_of_the_file(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("arm")
    ann.path("arm").mkdir()
    (ann.path("arm") / "notes.txt").touch()
    assert ann.sync().ok
    assert {*objects_of(ann)} == {"leg.blend"}
