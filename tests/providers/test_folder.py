"""The plain-folder store: the conformance suite, and what only a folder promises."""

import errno
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from by_hand import contents, drop, edit_unseen, left_over, pull
from conformance import BytesSource, ProviderConformance, keys, put, read, sha256
from damage import damage

from ggg_cloud_addon.cloud_storage.errors import (
    IntegrityError,
    InvalidIdError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
)
from ggg_cloud_addon.cloud_storage.files import FileSource, part_file
from ggg_cloud_addon.cloud_storage.providers import folder, folder_changes
from ggg_cloud_addon.cloud_storage.providers.base import CHUNK, IfAbsent, IfMatch, Provider, list_all
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


class TestConformance(ProviderConformance):
    @pytest.fixture
    def provider(self, store: FolderProvider) -> Provider:
        return store

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        assert isinstance(provider, FolderProvider)
        for name in names:
            drop(provider, name, b"x")


# -- ordinary files


def test_a_file_that_another_program_writes_into_is_not_read_half_old_half_new(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "CHUNK", 4)
    path = drop(store, "arm.blend", b"old old ")
    with store.get("arm.blend") as download:
        chunks = iter(download)
        assert next(chunks) == b"old "
        path.write_bytes(b"new new ")
        with pytest.raises(PreconditionFailedError):
            next(chunks)


def test_an_object_is_an_ordinary_file_of_its_name(store: FolderProvider) -> None:
    put(store, "robot/arm é.blend", b"BLENDER")
    assert (store.root / "robot" / "arm é.blend").read_bytes() == b"BLENDER"
    assert [path.name for path in store.root.iterdir() if not path.name.startswith(".")] == ["robot"]


def test_a_file_laid_in_by_hand_is_an_object(store: FolderProvider, tmp_path: Path) -> None:
    drop(store, "robot/arm.blend", b"BLENDER")
    (listed,) = store.list().objects
    assert (listed.key, listed.size) == ("robot/arm.blend", 7)
    assert store.head("robot/arm.blend").sha256 is None
    assert pull(store, "robot/arm.blend", tmp_path / "pulled") == b"BLENDER"
    assert contents(store, "robot/arm.blend") == [b"BLENDER"]
    put(store, "robot/arm.blend", b"new", IfMatch(listed.etag))
    assert contents(store, "robot/arm.blend") == [b"new", b"BLENDER"]


def test_a_file_laid_in_after_a_delete_is_a_new_object(store: FolderProvider, tmp_path: Path) -> None:
    put(store, "arm.blend", b"old")
    store.delete("arm.blend")
    drop(store, "arm.blend", b"laid in by hand")
    assert pull(store, "arm.blend", tmp_path / "pulled") == b"laid in by hand"


def test_a_deleted_file_of_the_hand_is_kept_too(store: FolderProvider) -> None:
    drop(store, "arm.blend", b"by hand")
    store.delete("arm.blend")
    assert contents(store, "arm.blend") == [b"by hand"]


def test_a_file_removed_by_hand_is_not_found(store: FolderProvider) -> None:
    put(store, "arm.blend", b"arm")
    (store.root / "arm.blend").unlink()
    assert keys(store) == []
    with pytest.raises(ObjectNotFoundError):
        store.head("arm.blend")
    put(store, "arm.blend", b"new", IfAbsent())
    assert read(store, "arm.blend") == b"new"


def test_a_store_restored_from_a_backup_is_good(store: FolderProvider, tmp_path: Path) -> None:
    put(store, "arm.blend", b"old")
    put(store, "arm.blend", b"BLENDER")
    os.utime(store.root / "arm.blend", ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
    assert pull(store, "arm.blend", tmp_path / "pulled") == b"BLENDER"


@pytest.mark.parametrize("when", [-5, 0, 1, 4_000_000_000 * 10**9], ids=["before 1970", "1970", "just after", "2096"])
def test_any_time_of_a_file_will_do(store: FolderProvider, when: int) -> None:
    path = drop(store, "arm.blend", b"arm")
    os.utime(path, ns=(when, when))
    (listed,) = store.list().objects
    assert listed.etag == store.head("arm.blend").etag
    put(store, "arm.blend", b"new", IfMatch(listed.etag))
    assert contents(store, "arm.blend") == [b"new", b"arm"]


# -- damage


@pytest.mark.parametrize("damaged", [b"CLENDER-v", bytes(9)], ids=["flipped", "zeros"])
def test_damage_is_caught_and_not_pulled(store: FolderProvider, tmp_path: Path, damaged: bytes) -> None:
    """The disk gives other bytes than were written, and nothing in the file's numbers tells."""
    put(store, "arm.blend", b"BLENDER-v")
    damage(store.root, "arm.blend", damaged)
    target = tmp_path / "pulled.blend"
    target.write_bytes(b"mine")
    with pytest.raises(IntegrityError, match=r'^"arm\.blend" .*\.$'):
        pull(store, "arm.blend", target)
    assert target.read_bytes() == b"mine"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("edited", "same_time"),
    [(b"BLENDER-x", True), (b"BLENDER-v and more", False), (b"CLENDER-v", False), (b"", False), (b"BLEND", False)],
    ids=["same size and time", "appended", "same size", "emptied", "cut"],
)
def test_what_was_edited_by_hand_is_the_component(
    store: FolderProvider, tmp_path: Path, edited: bytes, same_time: bool
) -> None:
    pushed = store.put("arm.blend", BytesSource(b"BLENDER-v"), metadata={"author": "ann"})
    path = store.root / "arm.blend"
    if same_time:
        edit_unseen(path, edited)
    else:
        path.write_bytes(edited)
    head = store.head("arm.blend")
    assert (head.sha256, head.size, head.metadata, head.created) == (
        None,
        len(edited),
        {"author": "ann"},
        pushed.created,
    )
    assert pull(store, "arm.blend", tmp_path / "pulled.blend") == edited
    (listed,) = store.list().objects
    assert listed.etag == head.etag != pushed.etag
    put(store, "arm.blend", b"new", IfMatch(listed.etag))
    assert contents(store, "arm.blend") == [b"new", edited]


def test_a_damaged_version_is_not_restored(store: FolderProvider) -> None:
    old = store.put("arm.blend", BytesSource(b"old"))
    put(store, "arm.blend", b"new")
    (kept,) = (store.root / ".ggg_store" / "objects").rglob(str(old.version_id))
    edit_unseen(kept, b"bad")
    with pytest.raises(IntegrityError):
        store.copy("arm.blend", "arm.blend", version_id=old.version_id)
    assert read(store, "arm.blend") == b"new"


def test_an_edit_by_hand_stays_reachable_when_it_is_pushed_over(store: FolderProvider) -> None:
    put(store, "arm.blend", b"pushed")
    drop(store, "arm.blend", b"edited by hand")
    put(store, "arm.blend", b"pushed again")
    assert contents(store, "arm.blend") == [b"pushed again", b"edited by hand"]
    by_hand = store.versions("arm.blend")[1]
    store.copy("arm.blend", "arm.blend", version_id=by_hand.version_id)
    assert read(store, "arm.blend") == b"edited by hand"


def test_an_edit_by_hand_loses_to_no_known_etag(store: FolderProvider) -> None:
    etag = put(store, "arm.blend", b"pushed")
    drop(store, "arm.blend", b"edited by hand")
    for act in (
        lambda: put(store, "arm.blend", b"new", IfMatch(etag)),
        lambda: store.delete("arm.blend", condition=IfMatch(etag)),
    ):
        with pytest.raises(PreconditionFailedError):
            act()
    assert read(store, "arm.blend") == b"edited by hand"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\0" * 64, b"{", b"\xff\xfe\xfa", b"[]", b"null", b'{"key": "arm.blend"}', b'{"key": 1, "versions": [{}]}']
    + [json.dumps({"key": "arm.blend", "versions": [entry]}).encode() for entry in (None, 7, {"etag": 7}, {"x": "y"})],
)
def test_a_damaged_record_is_said_and_the_file_stays(store: FolderProvider, damaged: bytes) -> None:
    put(store, "arm.blend", b"arm")
    put(store, "leg.blend", b"a leg")
    (record,) = (
        path for path in store.root.rglob("record.json") if json.loads(path.read_bytes())["key"] == "arm.blend"
    )
    record.write_bytes(damaged)
    assert keys(store) == ["arm.blend", "leg.blend"]
    for act in (
        store.head,
        store.versions,
        store.delete,
        lambda key: put(store, key, b"new"),
        lambda k: read(store, k),
    ):
        with pytest.raises(IntegrityError, match=r"record\.json"):
            act("arm.blend")
    assert (store.root / "arm.blend").read_bytes() == b"arm"
    assert read(store, "leg.blend") == b"a leg"
    record.unlink()
    assert read(store, "arm.blend") == b"arm"


def test_a_file_gone_between_list_and_get_is_not_found(store: FolderProvider, tmp_path: Path) -> None:
    drop(store, "arm.blend", b"arm")
    (listed,) = store.list().objects
    (store.root / "arm.blend").unlink()
    with pytest.raises(ObjectNotFoundError):
        pull(store, listed.key, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


# -- the folder itself


@pytest.mark.parametrize(
    "key",
    [
        "../out",
        "a/../../out",
        "/out",
        "",
        ".",
        "a//b",
        "a/",
        "a\0b",
        "a\\b",
        "C:/out",
        "CON",
        "aux.blend",
        "a.",
        "a ",
        ".ggg_store/tmp/x",
        ".GGG_Store/x",
        "a/.ggg_store/x",
        "\ud800",
        "x" * 256,
    ],
)
def test_a_key_that_is_no_safe_file_is_refused(store: FolderProvider, tmp_path: Path, key: str) -> None:
    put(store, "arm.blend", b"arm")
    for act in (
        lambda: put(store, key, b"x"),
        lambda: store.copy("arm.blend", key),
        lambda: store.copy(key, "copy"),
        lambda: store.head(key),
        lambda: read(store, key),
        lambda: store.delete(key),
        lambda: store.versions(key),
    ):
        with pytest.raises(InvalidIdError):
            act()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert sorted(path.name for path in store.root.iterdir()) == [".ggg_store", "arm.blend"]


def test_what_can_be_stored_is_listed(store: FolderProvider) -> None:
    names = [".arm.ggg_part", ".arm.ggg_part.lock", "arm.ggg_part", "x/.ggg_part", ".ggg_store2", "a/tmp"]
    stored = []
    for name in names:
        try:
            put(store, name, b"x")
        except InvalidIdError:
            continue
        stored.append(name)
    assert sorted(keys(store)) == sorted(stored)


def test_links_lead_nowhere(store: FolderProvider, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.blend").write_bytes(b"secret")
    put(store, "arm.blend", b"arm")
    (store.root / "folder").symlink_to(outside)
    (store.root / "file.blend").symlink_to(outside / "secret.blend")
    assert keys(store) == ["arm.blend"]
    for act in (
        lambda: read(store, "folder/secret.blend"),
        lambda: read(store, "file.blend"),
        lambda: put(store, "folder/new.blend", b"x"),
        lambda: store.delete("folder/secret.blend"),
        lambda: store.copy("arm.blend", "folder/deep/new.blend"),
    ):
        with pytest.raises((InvalidIdError, ObjectNotFoundError)):
            act()
    put(store, "file.blend", b"x")
    assert [path.name for path in outside.rglob("*")] == ["secret.blend"]
    assert (outside / "secret.blend").read_bytes() == b"secret"


def test_folders_go_with_their_last_object(store: FolderProvider) -> None:
    put(store, "robot/left/arm.blend", b"arm")
    put(store, "robot/leg.blend", b"leg")
    store.delete("robot/left/arm.blend")
    assert not (store.root / "robot" / "left").exists()
    store.delete("robot/leg.blend")
    assert not (store.root / "robot").exists()
    assert store.root.exists()


def test_a_folder_with_somebodys_file_stays(store: FolderProvider) -> None:
    put(store, "robot/left/arm.blend", b"arm")
    (store.root / "robot" / "left" / "link").symlink_to("nowhere")
    store.delete("robot/left/arm.blend")
    assert (store.root / "robot" / "left" / "link").is_symlink()


@pytest.mark.parametrize("left", [True, False], ids=["empty folder", "no folder"])
def test_what_an_unmounted_drive_leaves_is_another_store(store: FolderProvider, left: bool) -> None:
    store.check()
    before = store.identity
    store.check()
    assert before == store.identity == FolderProvider(store.root).identity != ""
    shutil.rmtree(store.root)
    if left:
        store.root.mkdir()
    assert store.identity != before
    store.check()
    assert store.identity != before


def test_a_file_in_the_place_of_the_root_is_said(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    store = FolderProvider(tmp_path / "store")
    for act in (store.check, lambda: put(store, "arm.blend", b"x"), store.list):
        with pytest.raises(StorageError, match=r"\.$|\?$"):
            act()


# -- left-overs


def test_a_failed_put_leaves_no_file(store: FolderProvider) -> None:
    put(store, "arm.blend", b"arm")
    with pytest.raises(PreconditionFailedError):
        put(store, "arm.blend", b"new", IfAbsent())
    assert left_over(store.root) == []
    assert list((store.root / ".ggg_store" / "tmp").iterdir()) == []


def test_parts_of_a_dead_process_are_swept_of_a_living_one_not(store: FolderProvider) -> None:
    put(store, "arm.blend", b"arm")
    tmp = store.root / ".ggg_store" / "tmp"
    (tmp / ".put.0123456789ab.ggg_part").write_bytes(b"dead")
    (tmp / ".put.0123456789ab.ggg_part.lock").touch()
    (tmp / ".put.ba9876543210.ggg_part").write_bytes(b"dead, its lock gone")
    with part_file(tmp, "put") as living:
        living.write_bytes(b"alive")
        put(FolderProvider(store.root), "leg.blend", b"leg")
        token = living.stem.rpartition(".")[2]
        assert sorted(left_over(store.root)) == sorted([living.name, f".{token}.ggg_part.lock"])
    assert left_over(store.root) == []


def test_a_put_whose_part_was_taken_away_fails(store: FolderProvider) -> None:
    class Swept(BytesSource):
        def verify(self) -> None:
            for part in (store.root / ".ggg_store" / "tmp").glob("*.ggg_part"):
                part.unlink()

    with pytest.raises(StorageError):
        store.put("arm.blend", Swept(b"arm"))
    assert keys(store) == []


def test_a_commit_whose_content_is_taken_away_fails(store: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(source: Path, target: Path) -> None:
        source.unlink(missing_ok=True)
        calls.append(target)
        assert len(calls) < 10, "it tries for ever"
        renamed(source, target)

    calls: list[Path] = []
    renamed = folder_changes.rename_new
    monkeypatch.setattr(folder_changes, "rename_new", taken)
    with pytest.raises(StorageError):
        put(store, "arm.blend", b"arm")
    assert calls == [store.root / "arm.blend"]
    assert keys(store) == []
    with pytest.raises(ObjectNotFoundError):
        store.versions("arm.blend")


# -- other processes


def take_turns(root: Path, number: int, barrier: object, wins: object) -> None:
    """Race for 100 new objects and 100 changes; runs in a process of its own."""
    store = FolderProvider(root)
    for turn in range(100):
        etags = []
        for condition in (IfAbsent(), None):
            barrier.wait(30)  # type: ignore[attr-defined]
            try:
                put(store, f"{turn}", b"%d" % number, condition or IfMatch(etags[0]))
                wins.put((turn, condition is None, number))  # type: ignore[attr-defined]
            except PreconditionFailedError:
                pass
            barrier.wait(30)  # type: ignore[attr-defined]
            etags.append(store.head(f"{turn}").etag)


def test_of_two_processes_exactly_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, wins = context.Barrier(2), context.SimpleQueue()
    racers = [context.Process(target=take_turns, args=(tmp_path / "store", number, barrier, wins)) for number in (0, 1)]
    for racer in racers:
        racer.start()
    won = []
    while any(racer.is_alive() for racer in racers) or not wins.empty():
        if wins.empty():
            racers[0].join(0.01)
        else:
            won.append(wins.get())
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert sorted((turn, is_change) for turn, is_change, _ in won) == [
        (t, c) for t in range(100) for c in (False, True)
    ]
    store = FolderProvider(tmp_path / "store")
    assert all(read(store, f"{turn}") == b"%d" % number for turn, is_change, number in won if is_change)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


AS_NOBODY = """
import os, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageError
from ggg_cloud_addon.cloud_storage.providers import folder, folder_changes
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
manager = CloudStorageManager(CloudStorageConfig(root=sys.argv[1]))
print(manager.authenticate(), manager.authentication_error)
for act in (
    lambda: manager.upload_component(Path(sys.argv[1]) / "arm.blend", "leg.blend"),
    lambda: manager.delete_component("arm.blend"),
    lambda: manager.download_component("arm.blend", Path(sys.argv[1]) / "pulled.blend"),
    lambda: manager.restore_version("arm.blend", manager.list_versions("arm.blend")[0].version_id),
    manager.list_components,
):
    try:
        act()
        print("done")
    except StorageError as error:
        print(isinstance(error, PermissionError), type(error).__name__, error)
"""


def test_a_folder_that_may_only_be_read_says_so(open_folder: Path, run_child: object) -> None:
    store = FolderProvider(open_folder)
    put(store, "arm.blend", b"arm")
    for path in [open_folder, *open_folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    child = run_child(AS_NOBODY, open_folder)  # type: ignore[operator]
    for path in [open_folder, *open_folder.rglob("*")]:
        path.chmod(0o755)
    assert child.returncode == 0, child.stderr
    check, push, delete, pull_in, restore, listing = child.stdout.splitlines()
    assert check.startswith("False")
    assert "check your rights" in check
    for line in (push, delete, restore):
        assert line.startswith("True AccessDeniedError")
    assert "LocalFileError" in pull_in
    assert listing == "done"
    assert keys(store) == ["arm.blend"]


FULL = """
import resource, signal, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageError
root, source, target = map(Path, sys.argv[1:])
manager = CloudStorageManager(CloudStorageConfig(root=root))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
for act in (
    lambda: manager.upload_component(source, "arm.blend"),
    lambda: manager.upload_component(source, "new/leg.blend"),
    lambda: manager.download_component("big.blend", target),
):
    try:
        act()
    except StorageError as error:
        print(type(error).__name__, error)
"""


def test_a_full_disk_changes_nothing_on_either_side(tmp_path: Path, run_child: object) -> None:
    store = FolderProvider(tmp_path / "store")
    put(store, "arm.blend", b"old")
    put(store, "big.blend", bytes(3 << 20))
    (tmp_path / "source.blend").write_bytes(bytes(3 << 20))
    (tmp_path / "target.blend").write_bytes(b"mine")
    child = run_child(FULL, store.root, tmp_path / "source.blend", tmp_path / "target.blend")  # type: ignore[operator]
    assert child.returncode == 0, child.stderr
    assert [line.split()[0] for line in child.stdout.splitlines()] == ["StoreFullError"] * 3
    assert all("room" in line for line in child.stdout.splitlines())
    assert keys(store) == ["arm.blend", "big.blend"]
    assert contents(store, "arm.blend") == [b"old"]
    assert (tmp_path / "target.blend").read_bytes() == b"mine"
    assert left_over(tmp_path) == []
    assert not (store.root / "new").exists()


# -- what a review found


def test_a_folder_that_differs_in_case_only_is_refused(store: FolderProvider) -> None:
    put(store, "Robot/base.blend", b"base")
    with pytest.raises(InvalidIdError, match="Robot"):
        put(store, "robot/arm.blend", b"arm")
    put(store, "Robot/arm.blend", b"arm")


def test_content_laid_in_with_the_time_and_size_of_a_former_version_is_kept(store: FolderProvider) -> None:
    put(store, "arm.blend", b"one")
    when = (store.root / "arm.blend").stat().st_mtime_ns
    put(store, "arm.blend", b"two")
    path = drop(store, "arm.blend", b"ONE")
    os.utime(path, ns=(when, when))
    store.delete("arm.blend")
    assert {b"one", b"ONE"} <= set(contents(store, "arm.blend"))


def test_a_listing_reads_each_folder_once(store: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2500):
        drop(store, f"{number % 2}/{number}.blend", b"x")
    scanned = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(Path(path)) or scandir(path))
    assert len(list(list_all(store))) == 2500
    assert scanned == [store.root, store.root / "0", store.root / "1"]


def test_listings_side_by_side_are_complete(store: FolderProvider) -> None:
    for number in range(2500):
        drop(store, f"{number}.blend", b"x")
    one_after_the_other = [info.key for info in list_all(store)]
    both = zip(list_all(store), list_all(store), strict=True)
    assert [(one.key, other.key) for one, other in both] == [(key, key) for key in one_after_the_other]
    page = store.list()
    assert store.list(token=page.next_token) == store.list(token=page.next_token)  # asked for again


# -- what the system can do


def test_a_folder_that_is_pruned_while_a_put_makes_it_is_made_again(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there for the mkdir, and has gone for the look at what is there."""
    (store.root / "goes").mkdir(parents=True)
    made = os.mkdir

    def prune(path: str, *arguments: int) -> None:
        try:
            made(path, *arguments)
        except FileExistsError:
            if Path(path) == store.root / "goes":
                monkeypatch.undo()
                Path(path).rmdir()
            raise

    monkeypatch.setattr(os, "mkdir", prune)
    put(store, "goes/arm.blend", b"arm")
    assert read(store, "goes/arm.blend") == b"arm"


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="Linux has it")
@pytest.mark.parametrize("refuses", ["never", "at first", "in the middle", "half", "spoils"])
def test_content_that_the_system_copies_is_the_same(
    store: FolderProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    content = os.urandom(5 * CHUNK + 77)
    arm = tmp_path / "arm.blend"
    arm.write_bytes(content)
    copy, copied = os.copy_file_range, list[int]()

    def copy_some(source: int, target: int, count: int, *at: int) -> int:
        if refuses == "at first" or (refuses == "in the middle" and len(copied) == 2):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        copied.append(copy(source, target, count // 3 if refuses == "half" else count, *at))
        if refuses == "spoils":  # as OpenZFS 2.2.0 did
            os.pwrite(target, bytes(100), at[1])
        return copied[-1]

    monkeypatch.setattr(os, "copy_file_range", copy_some)
    moved: list[int] = []
    info = store.put("arm.blend", FileSource(arm), on_bytes=moved.append)
    assert (read(store, "arm.blend"), info.sha256, sum(moved)) == (content, sha256(content), len(content))
    whole = {"at first": 0, "in the middle": 2 * CHUNK, "half": CHUNK // 3, "spoils": CHUNK}
    assert sum(copied) == whole.get(refuses, len(content))
    assert read(store, store.copy("arm.blend", "leg.blend").key) == content
