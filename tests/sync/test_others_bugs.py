"""Where other tools lost data: each test has its origin in its name, a project and the number of its issue."""

import contextlib
import os
import random
import shutil
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from servers import Server
from users import Tree, User, at, objects, objects_of, settle, tree

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, files
from ggg_cloud_addon.cloud_storage.errors import (
    MassDeleteError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    StoreUnavailableError,
)
from ggg_cloud_addon.cloud_storage.providers import folder as folder_store
from ggg_cloud_addon.cloud_storage.providers.base import ObjectInfo, Page, Provider, Source, list_all
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import scan, synchronizer
from ggg_cloud_addon.cloud_storage.sync.plan import Kind


@pytest.fixture
def s3(moto: Server, bucket_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """An S3 server with a bucket, behind a bad network."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.secret_key)
    moto.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(moto.url) as proxy:
        yield proxy


@pytest.fixture
def cloud(s3: FaultProxy, bucket_name: str) -> Provider:
    config = CloudStorageConfig(provider="aws", bucket_name=bucket_name, prefix="models", endpoint_url=s3.url)
    return CloudStorageManager(config).provider


@pytest.fixture
def put_by_others(moto: Server, bucket_name: str) -> Callable[[str], None]:
    """Make an object with this key, as a tool that has no rules for names."""
    client = moto.client()
    return lambda key: client.put_object(Bucket=bucket_name, Key=f"models/{key}", Body=b"x")


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_s5cmd_695_a_listing_error_with_delete_deletes_nothing(
    ann: User, bob: User, store: FolderProvider, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """The listing takes several requests."""
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


def test_s5cmd_695_a_listing_cut_off_after_a_page_deletes_nothing(
    ann: User, store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_store, "PAGE_SIZE", 5)
    ann.save(**{f"part_{number}": b"%d" % number for number in range(8)})
    ann.sync()
    before = ann.tree()

    class CutOff(FolderProvider):
        def list(self, prefix: str = "", *, token: str | None = None) -> Page:
            if token is not None:
                raise StoreUnavailableError("The connection broke.")
            return super().list(prefix, token=token)

    with pytest.raises(StoreUnavailableError):
        User(ann.folder, CutOff(store.root)).sync()
    assert ann.tree() == before == objects(store)


def test_s5cmd_695_a_listing_cut_off_in_a_page_deletes_nothing(ann: User, cloud: Provider, s3: FaultProxy) -> None:
    ann.provider = cloud
    ann.save(**{f"part_{number}": b"%d" % number for number in range(8)})
    ann.sync()
    before = ann.tree()
    s3.truncate(times=100, method="GET", path="list-type=2(?!.*max-keys)")
    asked = len(s3.requests)
    with pytest.raises(StoreUnavailableError):
        ann.sync()
    assert s3.faults
    assert ann.tree() == before
    assert {request.method for request in s3.requests[asked:]} == {"GET"}


def content_of(provider: Provider) -> Tree:
    found = {}
    for each in list_all(provider, "models/"):
        with provider.get(each.key) as download:
            found[each.key.removeprefix("models/")] = b"".join(download)
    return found


@pytest.mark.parametrize("side", ["here", "there"])
def test_rclone_bisync_an_empty_side_deletes_nothing_unasked(ann: User, store: FolderProvider, side: str) -> None:
    ann.save(**{f"part_{number}": b"%d" % number for number in range(12)})
    ann.sync()
    before = ann.tree()
    for path in (ann.folder if side == "here" else store.root / "models").glob("*.blend"):
        path.unlink()
    with pytest.raises(MassDeleteError, match="12 of 12"):
        ann.sync()
    assert (objects(store) if side == "here" else ann.tree()) == before


@pytest.mark.parametrize("left", [True, False], ids=["empty folder", "no folder"])
def test_rclone_bisync_a_store_that_is_not_mounted_deletes_nothing(
    ann: User, arm: bytes, store: FolderProvider, left: bool
) -> None:
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


def test_rclone_bisync_a_synced_folder_that_is_gone_deletes_nothing(ann: User, arm: bytes) -> None:
    ann.folder.rename(ann.folder.with_name("elsewhere"))
    ann.sync()
    assert {*objects_of(ann)} == {*ann.tree()} == {"arm.blend", "leg.blend"}


def test_rclone_bisync_narrower_filters_delete_nothing(ann: User, bob: User, arm: bytes) -> None:
    """Rclone bisync: to a sync whose filters changed the others look deleted."""
    before = ann.tree()
    for options in ({"file_patterns": ["*.fbx"]}, {"exclude_patterns": ["leg*"]}, {"file_patterns": []}, {}):
        ann.sync(**options)
        assert ann.tree() == before == objects_of(ann)


def test_rclone_bisync_what_vanished_while_it_was_left_out_was_not_deleted(ann: User, bob: User, arm: bytes) -> None:
    """A folder is left out and deleted to free the disk, and one sync is run without the pattern."""
    ann.delete("leg")
    ann.sync(exclude_patterns=["leg*"])
    ann.sync()
    assert ann.tree() == objects_of(ann) == {"arm.blend": arm, "leg.blend": b"the leg"}
    ann.delete("leg")
    settle(ann, bob)
    assert bob.tree() == {"arm.blend": arm}


def test_rclone_bisync_what_vanished_there_while_it_was_left_out_is_sent_again(
    ann: User, bob: User, arm: bytes
) -> None:
    bob.delete("leg")
    bob.sync()
    ann.sync(exclude_patterns=["leg*"])
    ann.sync()
    assert objects_of(ann) == ann.tree() == {"arm.blend": arm, "leg.blend": b"the leg"}


def test_rclone_bisync_edits_made_while_it_was_left_out_are_ordinary_ones(ann: User, bob: User, arm: bytes) -> None:
    ann.sync(exclude_patterns=["leg*"])
    ann.save(leg=b"edited")
    result = ann.sync()
    assert [(each.kind, each.path) for each in result.plan] == [(Kind.UPLOAD, "leg.blend")]


def test_syncthing_1787_case_only_rename(ann: User, bob: User, arm: bytes) -> None:
    ann.path("arm").rename(ann.path("Arm"))
    settle(ann, bob)
    assert {*bob.tree()} == {"Arm.blend", "leg.blend"}


def test_unison_unicode_names_of_two_forms_are_never_one_file(ann: User, bob: User) -> None:
    ann.save(**{"é": b"composed"})
    bob.save(**{"e\u0301": b"decomposed"})
    for _ in range(2):
        ann.sync()
        bob.sync()
    assert ann.tree() == {"é.blend": b"composed"}
    assert bob.tree() == {"e\u0301.blend": b"decomposed"}
    assert bob.sync().conflicts


@pytest.fixture
def decomposing(monkeypatch: pytest.MonkeyPatch) -> None:
    """List names in NFD, as HFS+ does; by the form in which they were made they are found, there as here."""
    walk = scan.walk

    def listed(root: Path, seen: scan.Seen) -> scan.Found:
        found = walk(root, seen)
        return scan.Found({unicodedata.normalize("NFD", path): each for path, each in found.files.items()})

    monkeypatch.setattr(synchronizer, "walk", listed)


def test_unison_unicode_a_name_that_is_listed_in_another_form_is_no_other_file(bob: User, decomposing: None) -> None:
    composed = bob.provider.inner.root / "models" / "Bär" / "ü.blend"
    composed.parent.mkdir(parents=True)
    composed.write_bytes(b"by ann")
    bob.sync()
    assert bob.sync().plan == ()
    bob.save(**{"Bär__ü": b"edited"})
    assert [(each.kind, each.path) for each in bob.sync().done] == [(Kind.UPLOAD, "Bär/ü.blend")]
    bob.delete("Bär__ü")
    assert [(each.kind, each.path) for each in bob.sync(max_delete=1).done] == [(Kind.DELETE_REMOTE, "Bär/ü.blend")]
    assert objects_of(bob) == {}


@pytest.mark.parametrize(
    "name",
    ["CON.blend", "com1.fbx.blend", "dot./x.blend", "space /x.blend", "back\\slash.blend", "c:d.blend", "what?.blend"],
)
@pytest.mark.parametrize("side", ["here", "there"])
def test_windows_names_that_it_cannot_have_are_skipped_and_said(
    ann: User, bob: User, store: FolderProvider, side: str, name: str
) -> None:
    ann.save(arm=b"arm")
    path = (ann.folder if side == "here" else store.root / "models") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    result = ann.sync()
    assert [action.path for action in result.skipped] == [name]
    assert name in result.get_summary_string()
    assert objects_of(ann).keys() | ann.tree().keys() == {"arm.blend", name}
    bob.sync()
    assert {*bob.tree()} == {"arm.blend"}


def test_windows_names_a_path_of_more_than_260_characters_goes_both_ways(ann: User, bob: User) -> None:
    long = "__".join(["a folder of forty characters, more or less"] * 8)
    ann.save(**{long: b"by ann"})
    settle(ann, bob)
    bob.save(**{long: b"by bob"})
    settle(ann, bob)
    assert ann.path(long).read_bytes() == b"by bob"
    assert len(str(ann.path(long).relative_to(ann.folder))) > 260


@pytest.mark.parametrize(
    "key",
    [
        "../evil.blend", "a/../../../evil.blend", "/evil.blend", "//host/evil.blend", "a//evil.blend", "./evil.blend",
        "..\\evil.blend", "C:\\evil.blend", "C:evil.blend", "nul\0evil.blend", ".ggg_cloud/evil.blend",
    ],
)  # fmt: skip
def test_aws_cli_keys_that_lead_out_of_the_folder_are_skipped_and_said(
    ann: User, cloud: Provider, put_by_others: Callable[[str], None], tmp_path: Path, key: str
) -> None:
    put_by_others(key)
    put_by_others("arm.blend")
    ann.provider = cloud
    result = ann.sync()
    assert {path.name for path in tmp_path.rglob("*.blend")} == {"arm.blend"}
    assert not Path("/evil.blend").exists()
    assert ".ggg_cloud" in key or [action.path for action in result.skipped] == [key]
    result.get_summary_string().encode()


def test_s3_a_folder_and_a_file_at_one_key_wait_for_a_person(
    ann: User, cloud: Provider, put_by_others: Callable[[str], None]
) -> None:
    for key in ("robot.blend", "robot.blend/arm.blend", "leg.blend"):
        put_by_others(key)
    ann.provider = cloud
    result = ann.sync()
    assert {action.path for action in result.conflicts} == {"robot.blend", "robot.blend/arm.blend"}
    assert "a file and a folder at once" in result.get_summary_string()
    assert {*ann.tree()} == {"leg.blend"}
    assert ann.sync().done == []
    assert {*content_of(cloud)} == {"robot.blend", "robot.blend/arm.blend", "leg.blend"}


@pytest.mark.parametrize("file_is", ["here", "there"])
def test_s3_a_folder_on_one_side_and_a_file_on_the_other_wait_for_a_person(ann: User, bob: User, file_is: str) -> None:
    ann.save(**{"robot": b"a file"} if file_is == "here" else {"robot.blend__arm": b"in a folder"})
    bob.save(**{"robot": b"a file"} if file_is == "there" else {"robot.blend__arm": b"in a folder"})
    bob.sync()
    before = ann.tree(), bob.tree()
    assert len(ann.sync().conflicts) == 2
    assert (ann.tree(), bob.tree()) == before
    assert objects_of(ann) == bob.tree()


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("there_already", [True, False], ids=["replace", "create"])
def test_aws_s3_a_refused_write_is_told_and_the_others_go_on(
    ann: User, cloud: Provider, s3: FaultProxy, status: int, there_already: bool
) -> None:
    """A 409 may pass, so it is tried again for a while; a 412 is a lost race."""
    ann.provider = cloud
    ann.save(**({"arm": b"old"} if there_already else {"head": b"head"}))
    ann.sync()
    ann.save(arm=b"new", leg=b"leg")
    s3.answer(status, times=3 if status == 412 else 100, method="PUT", path="arm.blend")
    result = ann.sync()
    assert {*result.errors} == {"arm.blend"}
    assert content_of(cloud).get("arm.blend") == (b"old" if there_already else None)
    assert content_of(cloud)["leg.blend"] == b"leg"
    s3.heal()
    ann.sync()
    assert ann.tree() == content_of(cloud)
    assert ann.path("arm").read_bytes() == b"new"


def test_rclone_conflict_loser_pathname_a_taken_name_of_a_conflict_copy_is_numbered(
    ann: User, bob: User, quarrel: None
) -> None:
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


def test_rclone_conflict_loser_pathname_a_name_that_is_taken_there_is_numbered_too(
    ann: User, bob: User, quarrel: None
) -> None:
    for minutes in range(3):
        when = datetime.now() + timedelta(minutes=minutes)
        ann.save(**{f"arm (conflict, {socket.gethostname()}, {when:%Y-%m-%d %H-%M})": b"taken %d" % minutes})
    ann.sync()
    assert bob.sync().errors == {}
    settle(ann, bob)
    assert {b"by ann", b"by bob", b"taken 0", b"taken 1", b"taken 2"} <= {*ann.tree().values()}


@pytest.mark.parametrize("there_already", [True, False], ids=["edited", "made"])
def test_syncthing_3742_a_file_saved_after_the_plan_is_not_overwritten(
    ann: User, bob: User, arm: bytes, there_already: bool
) -> None:
    name = "arm" if there_already else "head"
    bob.save(**{name: b"by bob"})
    bob.sync()
    result = ann.sync(at("download", lambda: ann.save(**{name: b"by ann"})))
    assert isinstance(result.errors[f"{name}.blend"], SourceChangedError)
    assert ann.tree()[f"{name}.blend"] == b"by ann"
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*bob.tree().values()}


def test_unison_664_a_write_of_the_same_size_right_after_a_sync_beats_a_delete(
    ann: User, bob: User, arm: bytes
) -> None:
    bob.delete("arm")
    ann.path("arm").write_bytes(b"THE ARM")
    settle(ann, bob)
    assert ann.path("arm").read_bytes() == b"THE ARM"


@pytest.mark.parametrize("hidden", [False, True], ids=["", "with the old mtime"])
def test_aws_cli_5103_edited_while_uploaded_same_size(ann: User, store: FolderProvider, hidden: bool) -> None:
    """No object ever is half old, half new."""
    old, new = b"a" * 3_000_000, b"b" * 3_000_000
    before: list[os.stat_result] = []

    def edit(count: int) -> None:
        if not before:
            before.append(ann.path("arm").stat())
            with ann.path("arm").open("r+b") as file:
                file.write(new)
            if hidden:
                os.utime(ann.path("arm"), ns=(before[0].st_atime_ns, before[0].st_mtime_ns))

    class Slow(FolderProvider):
        def put(self, key: str, source: Source, **options: Any) -> ObjectInfo:
            return super().put(key, source, **options | {"on_bytes": edit})

    ann.save(arm=old)
    result = User(ann.folder, Slow(store.root)).sync()
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    assert objects(store) == {}
    ann.sync()
    assert objects(store) == {"arm.blend": new}


def test_unison_664_a_file_saved_after_the_plan_is_not_deleted(ann: User, bob: User, arm: bytes) -> None:
    bob.delete("arm")
    bob.sync()
    result = ann.sync(at("delete here", lambda: ann.save(arm=b"by ann")))
    assert isinstance(result.errors["arm.blend"], SourceChangedError)
    settle(ann, bob)
    assert bob.tree()["arm.blend"] == b"by ann"


def test_unison_664_a_file_saved_in_the_middle_of_its_delete_is_somewhere(
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


def test_syncthing_3742_a_save_while_the_old_content_is_copied_aside_is_kept(
    ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.save(arm=b"one")
    settle(ann, bob)
    ann.save(arm=b"two")
    ann.sync()
    copy = files.copied

    def link(*_: Any) -> None:
        raise OSError("a drive without hard links")

    @contextlib.contextmanager
    def copy_slowly(source: Path, folder: Path) -> Iterator[Path]:
        with copy(source, folder) as part:
            if source == bob.path("arm"):
                bob.save(arm=b"three!")
            yield part

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(files, "copied", copy_slowly)
    assert isinstance(bob.sync().errors["arm.blend"], SourceChangedError)
    assert bob.path("arm").read_bytes() == b"three!"


def test_syncthing_3742_an_object_replaced_after_the_plan_is_not_overwritten(ann: User, bob: User, arm: bytes) -> None:
    ann.save(arm=b"by ann")
    bob.save(arm=b"by bob")
    result = ann.sync(at("upload", bob.sync))
    assert isinstance(result.errors["arm.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*ann.tree().values()}


def test_syncthing_3742_an_object_made_after_the_plan_is_not_overwritten(ann: User, bob: User, arm: bytes) -> None:
    ann.save(head=b"by ann")
    bob.save(head=b"by bob")
    result = ann.sync(at("upload", bob.sync))
    assert isinstance(result.errors["head.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert {b"by ann", b"by bob"} <= {*ann.tree().values()}


def test_unison_664_an_object_changed_after_the_plan_is_not_deleted(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("arm")
    bob.save(arm=b"by bob")
    result = ann.sync(at("delete there", bob.sync))
    assert isinstance(result.errors["arm.blend"], PreconditionFailedError)
    settle(ann, bob)
    assert ann.tree()["arm.blend"] == b"by bob"


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "replaced"])
def test_syncthing_3742_an_object_that_changes_before_its_download_waits_for_the_next_run(
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


@pytest.mark.parametrize("how", ["lost", "empty", "torn", "garbage", "other tables", "of another store"])
def test_unison_without_its_memory_a_sync_deletes_nothing(
    ann: User, bob: User, arm: bytes, tmp_path: Path, how: str
) -> None:
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


@pytest.mark.parametrize("when", [1, 10**9, 5_000_000_000 * 10**9 // 2], ids=["1970", "whole seconds", "the future"])
def test_aws_cli_5216_the_clock_does_not_matter(ann: User, bob: User, arm: bytes, when: int) -> None:
    ann.save(arm=b"new arm", head=b"head")
    for name in ("arm", "head"):
        os.utime(ann.path(name), ns=(when, when))
    settle(ann, bob)
    bob.save(arm=b"and newer")
    settle(ann, bob)
    assert ann.tree() == {"arm.blend": b"and newer", "head.blend": b"head", "leg.blend": b"the leg"}


@pytest.mark.parametrize("runs", [0, 1])
@pytest.mark.parametrize("who", ["ann", "bob"])
def test_aws_cli_406_an_edit_of_the_same_size_and_time_is_noticed(
    ann: User, bob: User, arm: bytes, who: str, runs: int
) -> None:
    """Ann pushed the file, bob pulled it."""
    user = {"ann": ann, "bob": bob}[who]
    for _ in range(runs):
        user.sync()
    before = user.path("arm").stat()
    with user.path("arm").open("r+b") as file:
        file.write(b"THE ARM")
    os.utime(user.path("arm"), ns=(before.st_atime_ns, before.st_mtime_ns))
    settle(ann, bob)
    assert objects_of(ann)["arm.blend"] == b"THE ARM"


def test_rclone_8685_renaming_a_folder_is_no_mass_delete(ann: User, bob: User) -> None:
    ann.save(**{f"old__{number}": b"part %d" % number for number in range(20)})
    settle(ann, bob)
    (ann.folder / "old").rename(ann.folder / "new")
    settle(ann, bob)
    assert {*bob.tree()} == {f"new/{number}.blend" for number in range(20)}


def test_rclone_bisync_two_clients_at_once_lose_nothing(ann: User, bob: User) -> None:
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


@pytest.mark.parametrize("first", [True, False], ids=["the first run", "a later run"])
def test_rclone_1_64_a_dry_run_writes_nothing_at_all(ann: User, bob: User, tmp_path: Path, first: bool) -> None:
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


def test_rclone_1_64_a_dry_run_with_another_store_keeps_the_memory(
    ann: User, bob: User, arm: bytes, tmp_path: Path
) -> None:
    right = ann.provider
    ann.provider = FolderProvider(tmp_path / "other store")
    ann.sync(dry_run=True)
    ann.provider = right
    ann.delete("leg")
    ann.sync()
    assert "leg.blend" not in ann.tree()


def test_azcopy_999_a_download_that_breaks_off_leaves_no_newer_file(
    ann: User, bob: User, arm: bytes, store: FolderProvider
) -> None:
    bob.save(arm=b"by bob" * 1_000_000)
    bob.sync()
    before = ann.path("arm").stat()

    def break_off() -> None:
        raise StoreUnavailableError("It broke.")

    result = ann.sync(at("download", lambda: ann.provider.before.update(get=break_off)))
    assert {*result.errors} == {"arm.blend"}
    assert ann.path("arm").stat() == before
    settle(ann, bob)


def test_rclone_9939_a_delete_is_not_silently_undone(ann: User, bob: User, arm: bytes) -> None:
    ann.delete("leg")
    for _ in range(2):
        ann.sync(delete_files=False)
        assert "leg.blend" not in ann.tree()
    settle(ann, bob)
    assert "leg.blend" not in bob.tree()
