"""A store that comes back from a backup, goes away in the middle of a sync, or is empty all at once."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from memory_store import S3, MemoryProvider
from users import User, at, history, objects_of, settle

from ggg_cloud_addon.cloud_storage.errors import AccessDeniedError, MassDeleteError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.plan import Kind


@pytest.fixture
def restored(ann: User, bob: User, arm: bytes, store: FolderProvider, tmp_path: Path) -> None:
    """The store is again what it was before ann changed the arm, added a head, and both synced."""
    shutil.copytree(store.root, tmp_path / "backup", copy_function=shutil.copy2)
    ann.save(arm=b"newer arm", head=b"head")
    settle(ann, bob)
    shutil.rmtree(store.root)
    shutil.copytree(tmp_path / "backup", store.root, copy_function=shutil.copy2)


def test_newer_work_is_not_rolled_back(ann: User, bob: User, restored: None) -> None:
    result = ann.sync()
    assert ann.tree() == {"arm.blend": b"newer arm", "head.blend": b"head", "leg.blend": b"the leg"}
    assert objects_of(ann)["head.blend"] == b"head"
    assert [(each.path, each.can_choose) for each in result.conflicts] == [("arm.blend", True)]
    assert "restored from a backup" in result.get_summary_string()


def test_a_person_decides_who_is_right(ann: User, bob: User, restored: None) -> None:
    for _ in range(2):  # until somebody decides nothing changes
        assert not ann.sync().ok
    assert ann.sync(conflict="local").ok
    assert objects_of(ann)["arm.blend"] == b"newer arm"
    assert history(ann, "arm") == [b"newer arm", b"the arm"]
    assert bob.sync().ok  # what he has is there again, so nobody asks him
    settle(ann, bob)
    assert bob.tree() == {"arm.blend": b"newer arm", "head.blend": b"head", "leg.blend": b"the leg"}
    bob.delete("leg")  # what is deleted from now on is
    settle(bob, ann)
    assert "leg.blend" not in bob.tree()


def test_a_store_is_older_as_long_as_the_settings_keep_something_from_it(ann: User, bob: User, restored: None) -> None:
    assert ann.sync(conflict="local", overwrite=False).ok
    ann.sync()
    assert ann.tree()["arm.blend"] == b"newer arm"


def test_where_no_marker_can_be_left_a_sync_is_an_ordinary_one(ann: User, bob: User, arm: bytes) -> None:
    """As with no right to write there."""

    def refuse() -> None:
        raise AccessDeniedError("No.")

    shutil.rmtree(ann.folder / ".ggg_cloud")
    ann.save(arm=b"new arm")
    ann.provider.before["put"] = lambda: ann.provider.before.update(put=refuse)  # at the second one, the marker's
    assert ann.sync(conflict="local").ok
    bob.sync()
    bob.delete("leg")
    bob.sync()
    assert not ann.sync().store_is_older
    assert ann.tree() == {"arm.blend": b"new arm"}


def test_the_older_state_can_be_chosen(ann: User, bob: User, restored: None) -> None:
    ann.sync(choices={"arm.blend": "remote"})
    settle(ann)
    assert ann.tree()["arm.blend"] == b"the arm"
    assert b"newer arm" in ann.trash()


def test_deletes_that_are_due_wait_while_the_store_is_older(ann: User, bob: User, restored: None) -> None:
    ann.delete("leg")
    ann.sync()
    assert objects_of(ann)["leg.blend"] == b"the leg"


def test_a_restored_store_whose_changes_this_folder_has_not_seen_is_an_ordinary_one(
    ann: User, bob: User, arm: bytes, store: FolderProvider, tmp_path: Path
) -> None:
    shutil.copytree(store.root, tmp_path / "backup", copy_function=shutil.copy2)
    bob.save(arm=b"by bob")
    bob.sync()
    shutil.rmtree(store.root)
    shutil.copytree(tmp_path / "backup", store.root, copy_function=shutil.copy2)
    assert {each.kind for each in ann.sync().plan} == {Kind.REMEMBER}


def test_an_older_state_is_no_older_store(ann: User, bob: User, arm: bytes) -> None:
    """As where somebody puts back a backup of his own folder."""
    state = ann.folder / ".ggg_cloud" / "state.db"
    before = state.read_bytes()
    for number in range(3):
        ann.save(arm=b"%d" % number)
        ann.sync()
    state.write_bytes(before)
    ann.delete("leg")
    result = ann.sync()
    assert not result.store_is_older
    assert "leg.blend" not in objects_of(ann)


def test_an_older_state_leaves_a_newer_marker(
    ann: User, bob: User, arm: bytes, store: FolderProvider, tmp_path: Path
) -> None:
    """Else a backup of the store with a marker of the lost state would not look older than what came after it."""
    state = ann.folder / ".ggg_cloud" / "state.db"
    before = state.read_bytes()
    for number in range(3):
        ann.save(arm=b"%d" % number)
        ann.sync()
    shutil.copytree(store.root, tmp_path / "backup", copy_function=shutil.copy2)
    state.write_bytes(before)
    ann.save(arm=b"newest", head=b"head")
    ann.sync(conflict="local")
    shutil.rmtree(store.root)
    shutil.copytree(tmp_path / "backup", store.root, copy_function=shutil.copy2)
    assert ann.sync().store_is_older
    assert ann.tree()["arm.blend"] == b"newest"


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_run_that_dies_while_it_leaves_its_marker_makes_no_older_store(
    ann: User, bob: User, arm: bytes, left: int
) -> None:
    for number in range(left):
        ann.save(arm=b"%d" % number)
        ann.sync()

    def die() -> None:
        raise KeyboardInterrupt

    ann.save(arm=b"new arm")
    ann.provider.before["put"] = lambda: ann.provider.before.update(put=die)  # at the second one, the marker's
    with pytest.raises(KeyboardInterrupt):
        ann.sync()
    ann.delete("leg")
    assert not ann.sync().store_is_older
    settle(ann, bob)


def test_each_folder_has_few_markers(ann: User, bob: User, arm: bytes, store: FolderProvider) -> None:
    for number in range(3):
        ann.save(arm=b"%d" % number)
        settle(ann, bob)
    markers = [path.relative_to(store.root / "models") for path in (store.root / "models/.ggg_cloud").rglob("*")]
    assert len([path for path in markers if (store.root / "models" / path).is_file()]) == 4
    assert not [info for info in ann.manager.list_components() if ".ggg_cloud" in info.component_id]


# -- everything is gone


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("options", [{}, {"max_delete": 0}, {"max_delete": 0.99}], ids=str)
def test_that_a_side_is_empty_is_a_question(
    ann: User, bob: User, arm: bytes, store: FolderProvider, side: str, options: dict[str, float]
) -> None:
    if side == "here":
        ann.delete("arm", "leg")
    else:
        for path in (store.root / "models").glob("*.blend"):
            path.unlink()
    before = (ann.tree(), objects_of(ann))
    with pytest.raises(MassDeleteError, match=f"as the {'folder' if side == 'here' else 'storage'} is empty now"):
        ann.sync(**options)
    assert (ann.tree(), objects_of(ann)) == before
    assert ann.sync(max_delete=1).ok
    assert (ann.tree(), objects_of(ann)) == ({}, {})


def test_a_bucket_made_anew_empties_no_folder(ann: User, arm: bytes, store: FolderProvider) -> None:
    mark = (store.root / ".ggg_store" / "id").read_bytes()  # as a bucket's name, it is the same again
    shutil.rmtree(store.root)
    store.check()
    (store.root / ".ggg_store" / "id").write_bytes(mark)
    ann.provider = FolderProvider(store.root)
    with pytest.raises(MassDeleteError):
        ann.sync()
    assert len(ann.tree()) == 2
    (store.root / "models").mkdir()
    (store.root / "models" / "new.blend").write_bytes(b"by a colleague, into the new one")
    assert ann.sync().ok
    assert len(ann.tree()) == len(objects_of(ann)) == 3


# -- it goes away


def test_a_store_that_goes_away_after_the_listing_gets_nothing(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    """What is then in its place, as the empty folder under a mount, is not taken for it."""
    ann.save(head=b"head", leg=b"new leg")
    away = store.root.with_name("away")

    def unmount() -> None:
        store.root.rename(away)
        store.root.mkdir()

    with contextlib.suppress(StoreUnavailableError):
        assert not ann.sync(at("upload", unmount)).ok
    assert not [path for path in store.root.rglob("*") if path.is_file()]
    store.root.rmdir()
    away.rename(store.root)
    settle(ann, bob)
    assert bob.tree() == {"arm.blend": arm, "head.blend": b"head", "leg.blend": b"new leg"}


def test_what_went_into_another_store_is_not_remembered_as_stored(ann: User, arm: bytes, store: FolderProvider) -> None:
    ann.save(head=b"head")
    away = store.root.with_name("away")

    def mount_another() -> None:
        store.root.rename(away)
        FolderProvider(store.root).check()

    with contextlib.suppress(StoreUnavailableError):
        assert not ann.sync(at("upload", mount_another)).ok
    shutil.rmtree(store.root)
    away.rename(store.root)
    result = ann.sync()
    assert [(each.kind, each.path) for each in result.done] == [(Kind.UPLOAD, "head.blend")]


def test_a_conflict_copy_that_went_into_another_store_is_kept(tmp_path: Path) -> None:
    """It is a file that the plan did not name."""
    store = MemoryProvider(S3)
    ann, bob = User(tmp_path / "ann", store), User(tmp_path / "bob", store)
    ann.save(arm=b"by ann")
    ann.sync()
    bob.save(arm=b"by bob")
    bob.sync(conflict="ask")
    identity, content = store.identity, store.backup()

    def make_anew() -> None:  # a bucket of the same name
        store.identity = "another"

    with pytest.raises(StoreUnavailableError):
        bob.sync(at("keep both", make_anew))
    store.identity = identity
    store.restore(content)
    bob.sync()
    assert b"by bob" in bob.tree().values()


def test_a_download_leaves_nothing_there(ann: User, bob: User, arm: bytes, store: FolderProvider) -> None:
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    carl = User(bob.folder.with_name("carl"), bob.provider)
    assert len(carl.sync(direction="download").done) == 2
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_without_the_right_to_erase_the_marker_goes_on(
    ann: User, arm: bytes, store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FolderProvider, key: str) -> None:
        raise AccessDeniedError("You may not.")

    monkeypatch.setattr(FolderProvider, "erase", refuse)
    for number in range(3):
        ann.save(arm=b"%d" % number)
        ann.sync()
    numbers = [json.loads(path.read_bytes())["number"] for path in (store.root / "models/.ggg_cloud").rglob("[01]")]
    assert max(numbers) == 4
