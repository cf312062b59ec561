"""The plain folder beside other programs, which take no lock of ours: nothing that they write is lost."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from by_hand import contents, drop, edit_unseen, save
from conformance import BytesSource, ProviderConformance, keys, put, read, sha256

from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError, PreconditionFailedError
from ggg_cloud_addon.cloud_storage.providers import folder_swap
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent, IfMatch, Provider, list_all
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

KEY = "robot/arm.blend"
SYSTEMS = ["exchange", "links only", "exchange only", "neither"]
Edit = Callable[[Path, bytes], None]


def limit(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Play a file system that has no rename with flags (NFS, SMB, FUSE), no hard links (FAT), or neither."""
    if "exchange" not in system:
        monkeypatch.setattr(folder_swap, "_system_call", lambda: None)
    if system in ("exchange only", "neither"):

        def no_links(*arguments: object, **options: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    limit(monkeypatch, request.param)
    return str(request.param)


class TestConformanceWithoutExchangeAndLinks(ProviderConformance):
    rounds = 40

    @pytest.fixture
    def provider(self, store: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> Provider:
        limit(monkeypatch, "neither")
        return store


@pytest.fixture
def at_the_swap(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen after our last look at the file, and before the system call that replaces it."""

    def arrange(act: Callable[[], object]) -> None:
        todo = [act]

        def first(call: Callable[..., object]) -> Callable[..., object]:
            def after(*arguments: object) -> object:
                if todo:
                    todo.pop()()
                return call(*arguments)

            return after

        monkeypatch.setattr(folder_swap, "_rename", first(folder_swap._rename))

    return arrange


def write_in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("edit", [save, write_in_place], ids=["saved", "in place"])
@pytest.mark.parametrize("conditional", [True, False])
def test_what_comes_between_compare_and_swap_is_kept(
    store: FolderProvider, at_the_swap: Callable[[Callable[[], object]], None], edit: Edit, conditional: bool
) -> None:
    etag = put(store, KEY, b"pushed")
    at_the_swap(lambda: edit(store.root / KEY, b"edited by hand"))
    if conditional:
        with pytest.raises(PreconditionFailedError):
            put(store, KEY, b"pushed again", IfMatch(etag))
        assert read(store, KEY) == b"edited by hand"
        assert edit is write_in_place or b"pushed" in contents(store, KEY)
    else:
        put(store, KEY, b"pushed again")
        assert contents(store, KEY)[:2] == [b"pushed again", b"edited by hand"]
    assert [path.name for path in (store.root / "robot").iterdir()] == ["arm.blend"]


def test_of_two_edits_around_a_swap_the_newest_stays(store: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """One comes before the exchange, the other before we exchange back."""
    etag = put(store, KEY, b"pushed")
    edits = [b"one", b"two"]
    rename = folder_swap._rename

    def edited(*arguments: object) -> bool:
        if edits:
            save(store.root / KEY, edits.pop(0))
        return rename(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_swap, "_rename", edited)
    with pytest.raises(PreconditionFailedError):
        put(store, KEY, b"pushed again", IfMatch(etag))
    assert read(store, KEY) == b"two"
    assert b"one" in contents(store, KEY)


def test_a_file_that_comes_where_none_was_is_not_replaced(store: FolderProvider, system: str) -> None:
    class Slow(BytesSource):
        def verify(self) -> None:
            drop(store, KEY, b"laid in by hand")

    with pytest.raises(PreconditionFailedError):
        store.put(KEY, Slow(b"pushed"), condition=IfAbsent())
    assert read(store, KEY) == b"laid in by hand"
    store.put(KEY, Slow(b"pushed"))
    assert contents(store, KEY) == [b"pushed", b"laid in by hand"]


def test_a_file_that_comes_at_the_very_moment_is_not_replaced(
    store: FolderProvider, at_the_swap: Callable[[Callable[[], object]], None]
) -> None:
    store.check()
    at_the_swap(lambda: drop(store, KEY, b"laid in by hand"))
    with pytest.raises(PreconditionFailedError):
        put(store, KEY, b"pushed", IfAbsent())
    assert contents(store, KEY) == [b"laid in by hand"]


@pytest.mark.parametrize("conditional", [True, False])
def test_an_edit_at_a_delete_is_kept(store: FolderProvider, monkeypatch: pytest.MonkeyPatch, conditional: bool) -> None:
    etag = put(store, KEY, b"pushed")
    rename = Path.rename

    def edited(path: Path, target: Path) -> Path:
        if path == store.root / KEY:
            save(path, b"edited by hand")
            monkeypatch.undo()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", edited)
    if conditional:
        with pytest.raises(PreconditionFailedError):
            store.delete(KEY, condition=IfMatch(etag))
        assert read(store, KEY) == b"edited by hand"
    else:
        store.delete(KEY)
        assert keys(store) == []
    assert b"edited by hand" in contents(store, KEY)


# -- what was pushed


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_what_was_pushed_survives_a_save_over_it(store: FolderProvider) -> None:
    put(store, KEY, b"pushed")
    save(store.root / KEY, b"saved over it")
    assert contents(store, KEY) == [b"saved over it", b"pushed"]
    assert [each.is_current for each in store.versions(KEY)] == [True, False]
    (store.root / KEY).unlink()
    assert contents(store, KEY) == [b"pushed"]


def test_what_is_written_through_a_handle_into_a_replaced_file_is_a_version(store: FolderProvider, system: str) -> None:
    first = store.put(KEY, BytesSource(b"pushed"))
    with (store.root / KEY).open("r+b") as handle:
        put(store, KEY, b"pushed again")
        handle.write(b"by the open handle")
    if system == "neither":  # what was replaced is a copy, and the file itself is gone
        assert contents(store, KEY) == [b"pushed again", b"pushed"]
        return
    assert sorted(contents(store, KEY)) == [b"by the open handle", b"pushed again"]
    with pytest.raises(ObjectNotFoundError):  # not delivered as what was pushed
        store.head(KEY, version_id=first.version_id)
    put(store, KEY, b"pushed once more")
    assert sorted(contents(store, KEY)) == [b"by the open handle", b"pushed again", b"pushed once more"]


def test_a_version_is_found_that_gets_its_name_while_its_folder_is_read(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing may then show neither the old name nor the new one (POSIX, "readdir")."""
    old, _ = (store.put(KEY, BytesSource(content)) for content in (b"old", b"new"))
    (kept,) = store.root.rglob(f"{old.version_id}")
    caught = kept.rename(kept.with_name(f"{kept.name}.0123abcd"))

    def listed(folder: Path, listdir: Callable[[Path], list[str]] = os.listdir) -> list[str]:
        names = [each for each in listdir(folder) if each != caught.name]
        caught.rename(kept)
        monkeypatch.undo()
        return names

    monkeypatch.setattr(os, "listdir", listed)
    assert read(store, KEY, version_id=old.version_id) == b"old"


@pytest.mark.parametrize("edit", [save, edit_unseen, write_in_place], ids=["saved", "unseen", "in place"])
def test_an_edit_is_a_version_of_its_own_whatever_its_time(store: FolderProvider, system: str, edit: Edit) -> None:
    etag = put(store, KEY, b"push 1")
    edit(store.root / KEY, b"hand 1")
    head = store.head(KEY)
    assert (head.sha256, head.etag != etag) == (None, True)
    with pytest.raises(PreconditionFailedError):
        put(store, KEY, b"push 2", IfMatch(etag))
    with pytest.raises(PreconditionFailedError):
        store.delete(KEY, condition=IfMatch(etag))
    put(store, KEY, b"push 2", IfMatch(head.etag))
    assert contents(store, KEY)[:2] == [b"push 2", b"hand 1"]
    edit(store.root / KEY, b"hand 2")
    store.delete(KEY)
    assert {b"hand 1", b"hand 2"} <= set(contents(store, KEY))
    edit_again = drop(store, KEY, b"hand 3")
    assert read(store, KEY) == edit_again.read_bytes()


def test_foreign_content_is_told_once(store: FolderProvider, caplog: pytest.LogCaptureFixture) -> None:
    put(store, KEY, b"pushed")
    save(store.root / KEY, b"edited by hand")
    for number in range(3):
        store.head(KEY)
        put(store, KEY, b"pushed %d" % number)
    (told,) = [each for each in caplog.messages if "another program" in each]
    assert f'"{KEY}"' in told


# -- other numbers, the same bytes


@pytest.mark.parametrize("change", ["permissions", "hard link", "copied", "touched"])
def test_a_condition_holds_where_only_inode_or_ctime_are_new(
    store: FolderProvider, tmp_path: Path, change: str
) -> None:
    info = store.put(KEY, BytesSource(b"pushed"), metadata={"author": "ann"})
    path = store.root / KEY
    if change == "permissions":
        path.chmod(0o600)
    elif change == "hard link":
        os.link(path, tmp_path / "a backup's")
    elif change == "copied":
        shutil.copytree(store.root, tmp_path / "copy")
        store = FolderProvider(tmp_path / "copy")
    else:
        edit_unseen(path, b"pushed")
    head = store.head(KEY)
    assert head.etag != info.etag
    assert (head.sha256, head.version_id, head.created) == (None, info.version_id, info.created)
    assert head.metadata == {"author": "ann"}
    put(store, KEY, b"new", IfMatch(info.etag))
    (_, old) = store.versions(KEY)
    assert store.head(KEY, version_id=old.version_id).sha256 == sha256(b"pushed")


def test_a_store_copied_without_its_times_keeps_its_history(store: FolderProvider, tmp_path: Path) -> None:
    infos = [store.put(KEY, BytesSource(b"version %d" % number)) for number in range(3)]
    shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = FolderProvider(tmp_path / "copy")
    assert [read(copy, KEY, version_id=each.version_id) for each in infos] == [b"version %d" % n for n in range(3)]
    put(copy, KEY, b"new")
    assert contents(copy, KEY)[0] == b"new"
    assert {b"version %d" % number for number in range(3)} <= set(contents(copy, KEY))
    assert copy.head(KEY, version_id=infos[0].version_id).sha256 == sha256(b"version 0")


@pytest.mark.parametrize("edited", [False, True])
def test_a_store_of_an_older_release_goes_on(store: FolderProvider, edited: bool) -> None:
    """Up to 0.5.1 there were no stamps, only replaced content was kept, and the ETag was the version ID."""
    old, now = (store.put(KEY, BytesSource(content), metadata={"n": "1"}) for content in (b"old", b"now"))
    (record,) = (store.root / ".ggg_store").rglob("record.json")
    stored = json.loads(record.read_bytes())
    record.write_text(json.dumps({"key": stored["key"], "versions": stored["versions"]}))
    record.with_name("stamp").unlink()
    record.with_name(str(now.version_id)).unlink()
    store = FolderProvider(store.root)
    head = store.head(KEY)
    assert (head.version_id, head.sha256, head.metadata) == (now.version_id, None, {"n": "1"})
    if edited:
        edit_unseen(store.root / KEY, b"new")
        with pytest.raises(PreconditionFailedError):
            put(store, KEY, b"newer", IfMatch(str(now.version_id)))
        put(store, KEY, b"newer")
        assert contents(store, KEY) == [b"newer", b"new", b"old"]
        return
    put(store, KEY, b"new", IfMatch(str(now.version_id)))
    assert contents(store, KEY) == [b"new", b"now", b"old"]
    assert store.head(KEY, version_id=old.version_id).sha256 == sha256(b"old")


# -- races with real processes

WRITER = """
import os, random, sys, time
from ggg_cloud_addon.cloud_storage.providers.folder_swap import exchange
path, count = sys.argv[1], int(sys.argv[2])
chance = random.Random(1)

def is_push(file):
    return os.pread(file.fileno(), 4, 0) == b"push"

def wait_for_push():  # until its last work was replaced by one
    while True:
        try:
            with open(path, "rb") as file:
                if is_push(file):
                    return
        except FileNotFoundError:
            pass
        time.sleep(0.0005)

def note_own(replaced):  # a push that was undone had let us go on too early, and we replaced our own last work
    with open(replaced, "rb") as file:
        if not is_push(file):
            print("own", file.read().decode(), flush=True)

for number in range(count):
    how = ("saved", "in place", "unseen", "Blender")[number % 4]
    content = f"hand {how} {number}".ljust(64).encode()
    is_written = False
    while not is_written:
        wait_for_push()
        time.sleep(chance.random() * 0.01)
        if how in ("saved", "Blender"):
            with open(path + "@", "wb") as file:
                file.write(content)
            if how == "Blender":
                os.replace(path, path + "1")
                os.replace(path + "@", path)
                note_own(path + "1")
            else:
                exchange(path + "@", path)  # what a rename over it replaces, and we can look at
                note_own(path + "@")
                os.unlink(path + "@")
            is_written = True
        else:
            with open(path, "r+b") as file:
                before = os.fstat(file.fileno())
                if is_push(file):
                    os.pwrite(file.fileno(), content, 0)
                    is_written = True
                    if how == "unseen":
                        os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
    print(content.decode(), flush=True)
"""


def test_of_many_writes_beside_our_pushes_each_is_reachable(store: FolderProvider) -> None:
    """Of 1,000 such writes 0.5.1 lost 595. Two pushes of three know the ETag, as a sync does."""
    count = int(os.environ.get("GGG_CLOUD_WRITES", "50"))
    put(store, KEY, b"push".ljust(64))
    command = [sys.executable, "-c", WRITER, str(store.root / KEY), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for number in range(1_000_000):
            if writer.poll() is not None:
                break
            with contextlib.suppress(PreconditionFailedError, ObjectNotFoundError):
                condition = IfMatch(store.head(KEY).etag) if number % 3 else None
                put(store, KEY, f"push {number}".ljust(64).encode(), condition)
        assert writer.stdout is not None
        lines = writer.stdout.read().splitlines()
    written = {line.encode() for line in lines if not line.startswith("own ")}
    assert (writer.returncode, len(written)) == (0, count)
    kept = {*contents(store, KEY), (store.root / f"{KEY}1").read_bytes()}
    replaced_by_itself = {line.removeprefix("own ").encode() for line in lines if line.startswith("own ")}
    assert written - kept - replaced_by_itself == set()


BLENDER = """
import os, sys
path = sys.argv[1]
for number in range(int(sys.argv[2])):
    with open(path + "@", "wb") as file:
        file.write(b"saved %d" % number)
    os.replace(path, path + "1")
    os.replace(path + "@", path)
print("done")
"""


def test_a_component_that_blender_saves_is_always_there(store: FolderProvider) -> None:
    drop(store, KEY, b"begin")
    command = [sys.executable, "-c", BLENDER, str(store.root / KEY), "2000"]
    looks = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as blender:
        while blender.poll() is None:
            assert store.head(KEY).size >= 5
            assert KEY in keys(store)
            assert read_any(store, KEY).startswith((b"begin", b"saved"))
            looks += 1
        assert blender.stdout is not None
        assert blender.stdout.read() == "done\n"
    assert looks > 10
    assert read(store, KEY) == b"saved 1999"


def read_any(store: FolderProvider, key: str) -> bytes:
    while True:
        with contextlib.suppress(PreconditionFailedError):
            return read(store, key)


@pytest.fixture
def saving(store: FolderProvider) -> Iterator[None]:
    """Blender in the middle of a save, which it ends a moment later."""
    path = store.root / KEY
    drop(store, KEY, b"before")
    drop(store, f"{KEY}@", b"saved")
    path.replace(path.with_name(f"{path.name}1"))
    ending = threading.Timer(0.15, lambda: path.with_name(f"{path.name}@").replace(path))
    ending.start()
    yield
    ending.join()


@pytest.mark.usefixtures("saving")
@pytest.mark.parametrize(
    "look",
    [
        lambda store: store.head(KEY),
        lambda store: read(store, KEY),
        lambda store: store.versions(KEY),
        lambda store: store.delete(KEY),
        lambda store: keys(store).index(KEY),
    ],
    ids=["head", "get", "versions", "delete", "list"],
)
def test_a_save_is_waited_for(store: FolderProvider, look: Callable[[FolderProvider], object]) -> None:
    look(store)


@pytest.mark.usefixtures("saving")
def test_a_push_waits_for_a_save_and_loses_to_it(store: FolderProvider) -> None:
    with pytest.raises(PreconditionFailedError):
        put(store, KEY, b"pushed", IfAbsent())
    assert read(store, KEY) == b"saved"


def test_what_blender_left_half_done_is_not_waited_for_again_and_again(store: FolderProvider) -> None:
    for number in range(20):
        drop(store, f"{number}/arm.blend@", b"from a Blender that crashed")
    begun = time.monotonic()
    assert len(list(list_all(store))) == 20
    assert time.monotonic() - begun < 3


def test_a_swap_at_random_moments_of_a_reader_is_one_whole_content(store: FolderProvider, system: str) -> None:
    """And of a reader on a system where the swap takes several steps the key is never absent."""
    put(store, KEY, b"push 0")
    stop = threading.Event()
    problems: list[object] = []

    def look() -> None:
        while not stop.is_set():
            try:
                content = (store.root / KEY).read_bytes()
            except FileNotFoundError as error:
                problems.append(error)
            else:
                if not content.startswith(b"push"):
                    problems.append(content)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(60):
        put(store, KEY, b"push %d" % random.Random(number).randrange(1000))
    stop.set()
    reader.join()
    assert problems == []


def test_an_empty_folder_that_another_program_left_is_no_twin(store: FolderProvider) -> None:
    put(store, "robot/arm.blend", b"arm")
    (store.root / "robot" / "arm.blend").unlink()
    put(store, "Robot/arm.blend", b"arm")
    assert [info.key for info in store.list().objects] == ["Robot/arm.blend"]


@pytest.mark.parametrize("act", ["put", "delete"])
@pytest.mark.parametrize("system", ["exchange", "links only"])
def test_a_link_that_a_crash_left_is_in_nobodys_way(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch, system: str, act: str
) -> None:
    """A rename to another link of the same file does nothing (POSIX)."""
    limit(monkeypatch, system)
    put(store, KEY, b"pushed")
    save(store.root / KEY, b"by hand")
    (home,) = (path.parent for path in store.root.rglob("record.json"))
    for left in ("0.old", "0123abcd"):
        os.link(store.root / KEY, home / f"{store.head(KEY).version_id}.{left}")
    if act == "put":
        put(store, KEY, b"new", IfMatch(store.head(KEY).etag))
        assert contents(store, KEY) == [b"new", b"by hand", b"pushed"]
    else:
        store.delete(KEY)
        assert keys(store) == []
        assert contents(store, KEY) == [b"by hand", b"pushed"]
    assert {path.name for path in home.iterdir()} == {
        "record.json",
        "stamp",
        *(each.version_id for each in store.versions(KEY)),
    }
