"""Local files: read as they are, written whole or not at all."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from ggg_cloud_addon.cloud_storage import files
from ggg_cloud_addon.cloud_storage.errors import LocalFileError, SourceChangedError
from ggg_cloud_addon.cloud_storage.files import (
    FileSource,
    FoldersToFlush,
    is_part,
    link_or_copy,
    part_file,
    sweep_parts,
)
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    path = tmp_path / "arm.blend"
    path.write_bytes(b"the arm")
    return path


def test_a_source_can_be_read_twice(arm: Path) -> None:
    source = FileSource(arm)
    for _ in range(2):
        with source.open() as reader:
            assert reader.read() == b"the arm"
    source.verify()
    assert source.size == 7


def test_no_file_no_source(tmp_path: Path) -> None:
    for path, word in ((tmp_path / "missing", "does not exist"), (tmp_path, "is a directory")):
        with pytest.raises(LocalFileError, match=word):
            FileSource(path)


def test_a_source_that_is_gone_cannot_be_opened(arm: Path) -> None:
    source = FileSource(arm)
    arm.unlink()
    with pytest.raises(LocalFileError):
        source.open()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def edit_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"THE")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def save_anew(path: Path) -> None:
    before = path.stat()
    beside = path.with_suffix(".blend@")
    beside.write_bytes(b"THE ARM")
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
    beside.replace(path)


def once(act: Callable[[], object]) -> Callable[[int], None]:
    todo = [act]

    def on_bytes(count: int) -> None:
        if todo:
            todo.pop()()

    return on_bytes


@pytest.mark.parametrize("change", [grow, edit_in_place, save_anew, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_changed_while_it_is_uploaded_is_not_stored(
    store: FolderProvider, arm: Path, change: Callable[[Path], object]
) -> None:
    """Aws-cli #5103."""
    with pytest.raises(SourceChangedError, match="written to"):
        store.put("arm.blend", FileSource(arm), on_bytes=once(lambda: change(arm)))
    assert store.list().objects == ()


def test_links_that_come_and_go_during_an_upload_are_no_edit(store: FolderProvider, arm: Path, tmp_path: Path) -> None:
    """A sync that was killed left a file and its conflict copy linked; the next one uploads the copy, and beside that
    keeps the file under a further name and replaces it."""
    kept = arm.with_name("kept.blend")
    os.link(arm, kept)

    def keep_and_replace() -> None:
        os.link(arm, arm.with_name("kept 2.blend"))
        arm.with_name("new.blend").write_bytes(b"new")
        os.replace(arm.with_name("new.blend"), arm)

    store.put("arm.blend", FileSource(kept), on_bytes=once(keep_and_replace))
    assert store.head("arm.blend").size == kept.stat().st_size


def test_a_file_that_keeps_growing_is_given_up(store: FolderProvider, arm: Path) -> None:
    read = []

    def grow_again(count: int) -> None:
        read.append(count)
        assert len(read) < 50, "it reads for ever"
        grow(arm)

    with pytest.raises(SourceChangedError):
        store.put("arm.blend", FileSource(arm), on_bytes=grow_again)


def test_a_part_lies_beside_and_is_gone_after(tmp_path: Path) -> None:
    with part_file(tmp_path, "arm.blend") as part:
        assert part.parent == tmp_path
        assert is_part(part.name)
        part.write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_gone_after_an_error_too(tmp_path: Path) -> None:
    def break_off() -> None:
        with part_file(tmp_path, "arm.blend") as part:
            part.write_bytes(b"x")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_was_moved_away_stays(tmp_path: Path) -> None:
    with part_file(tmp_path, "arm.blend") as part:
        part.write_bytes(b"x")
        part.replace(tmp_path / "arm.blend")
    assert [path.name for path in tmp_path.iterdir()] == ["arm.blend"]


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "🤖" * 63])
def test_the_longest_name_has_a_part(tmp_path: Path, name: str) -> None:
    with part_file(tmp_path, name) as part:
        part.write_bytes(b"x")


def test_parts_of_one_name_do_not_meet(tmp_path: Path) -> None:
    with part_file(tmp_path, "arm") as one, part_file(tmp_path, "arm") as other:
        assert one != other


@pytest.mark.parametrize("name", ["arm.blend", "arm.ggg_part", ".arm.part", ".ggg_partner", ".arm.lock", ".ggg_part.x"])
def test_a_users_file_is_no_part(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    sweep_parts(tmp_path)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_sweeping_takes_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    for name in (".a.000000000000.ggg_part", ".b.000000000000.ggg_part.lock", ".c.000000000000.ggg_part"):
        (tmp_path / name).write_bytes(b"dead")
    (tmp_path / ".c.000000000000.ggg_part.lock").touch()
    with part_file(tmp_path, "arm") as living:
        living.write_bytes(b"alive")
        sweep_parts(tmp_path)
        assert living.read_bytes() == b"alive"
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_sweeping_a_missing_folder_is_nothing(tmp_path: Path) -> None:
    sweep_parts(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_a_part_whose_lock_a_sweeper_takes_first_is_still_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweeper may look at the new lock file just before its owner locks it."""
    opened = os.open
    sweeper: list[FileLock] = []

    def sweep_first(path: object, *arguments: object, **options: object) -> int:
        if str(path).endswith(".ggg_part.lock") and not sweeper:
            sweeper.append(FileLock(str(path)))
            sweeper[0].acquire(timeout=0)
            monkeypatch.undo()
            descriptor = opened(path, *arguments[:0], os.O_RDWR | os.O_CREAT, 0o644)  # type: ignore[call-overload]
            os.close(descriptor)
            sweeper[0].release()
        return opened(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", sweep_first)
    with part_file(tmp_path, "arm") as part:
        part.write_bytes(b"x")
    assert [path for path in tmp_path.iterdir() if is_part(path.name)] == []


def test_a_folder_that_could_not_be_flushed_is_still_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, flushed = FoldersToFlush(), list[Path]()
    folders.add(tmp_path)

    def refuse(folder: Path) -> None:
        raise OSError(errno.EIO, "The disk is broken")

    for flush, error in ((refuse, pytest.raises(LocalFileError)), (flushed.append, contextlib.nullcontext())):
        monkeypatch.setattr(files, "flush_folder", flush)
        with error:
            folders.flush()
    folders.flush()
    assert flushed == [tmp_path]


def test_content_is_kept_without_hard_links_too(arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*arguments: object, **options: object) -> None:
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    link_or_copy(arm, tmp_path / "deep" / "kept", tmp_path)
    assert (tmp_path / "deep" / "kept").read_bytes() == b"the arm"
    assert (tmp_path / "deep" / "kept").stat().st_mtime_ns == arm.stat().st_mtime_ns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arm.blend", "deep"]


def test_bytes_are_on_the_disk_before_they_get_their_name(
    store: FolderProvider, arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ggg_cloud_addon.cloud_storage.in_flight import all_at_once
    from ggg_cloud_addon.cloud_storage.transfers import downloading

    done: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: done.append(f"fsync {os.fstat(fd).st_ino}"))

    def note(source: Path, target: Path) -> None:
        done.append(f"replace {Path(source).stat().st_ino}")
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    store.put("arm.blend", FileSource(arm))
    all_at_once(downloading(store, "arm.blend", tmp_path / "pulled.blend"))
    named = [each.split()[1] for each in done if each.startswith("replace")]
    assert len(named) >= 3
    for inode in named:
        assert done.index(f"fsync {inode}") < done.index(f"replace {inode}")
