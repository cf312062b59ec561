"""The check of a synced folder: it finds what no sync would see, and changes nothing."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import AccessDeniedError, CancelledError
from ggg_cloud_addon.cloud_storage.providers.base import ObjectInfo
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.snapshot import Fingerprint
from ggg_cloud_addon.cloud_storage.sync.verify import verify

NAMES = ("arm.blend", "robot/leg.blend", "robot/hand.stl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    return folder


@pytest.fixture
def synced(folder: Path, manager: CloudStorageManager) -> Path:
    StorageSynchronizer(manager, SyncConfig(local_dir=folder)).synchronize()
    StorageSynchronizer(manager, SyncConfig(local_dir=folder)).synchronize()  # now every file has settled
    return folder


def found(manager: CloudStorageManager, folder: Path) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in verify(manager, SyncConfig(local_dir=folder)).findings]


def everything(*folders: Path) -> dict[Path, tuple[bytes | None, int]]:
    return {
        path: (None if path.is_dir() else path.read_bytes(), path.stat().st_mtime_ns)
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


def put_back(path: Path, content: bytes) -> None:
    """Change the bytes as a bad disk does."""
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def stored(store: FolderProvider, name: str) -> Path:
    return store.root / "models" / name


def test_after_a_sync_all_is_well(synced: Path, manager: CloudStorageManager) -> None:
    verdict = verify(manager, SyncConfig(local_dir=synced))
    assert (verdict.files, verdict.findings) == (3, ())


def test_it_writes_nothing(synced: Path, store: FolderProvider, manager: CloudStorageManager, tmp_path: Path) -> None:
    (synced / "new.blend").write_bytes(b"new")
    before = everything(synced, store.root)
    assert found(manager, synced) == [("only here", "new.blend")]
    assert everything(synced, store.root) == before
    fresh, empty = tmp_path / "fresh", FolderProvider(tmp_path / "nowhere")
    fresh.mkdir()
    (fresh / "arm.blend").write_bytes(b"arm")
    nowhere = CloudStorageManager(manager.config, empty)
    assert found(nowhere, fresh) == [("only here", "arm.blend")]
    assert os.listdir(fresh) == ["arm.blend"]
    assert not empty.root.exists()


Act = Callable[[Path, CloudStorageManager], object]

ACTS: dict[str, tuple[Act, list[tuple[str, str]]]] = {
    "edited": (lambda synced, manager: (synced / "arm.blend").write_bytes(b"mine"), [("changed", "arm.blend")]),
    "pushed": (
        lambda synced, manager: manager.upload_component(synced / "robot/hand.stl", "arm.blend"),
        [("changed", "arm.blend")],
    ),
    "deleted here": (lambda synced, manager: (synced / "arm.blend").unlink(), [("only there", "arm.blend")]),
    "deleted there": (lambda synced, manager: manager.delete_component("arm.blend"), [("only here", "arm.blend")]),
    "deleted twice": (
        lambda synced, manager: ((synced / "arm.blend").unlink(), manager.delete_component("arm.blend")),
        [("gone", "arm.blend")],
    ),
    "a twin": (
        lambda synced, manager: (synced / "ARM.blend").write_bytes(b"twin"),
        [("clash", "ARM.blend"), ("only here", "ARM.blend")],
    ),
    "a twin folder": (
        lambda synced, manager: (
            manager.upload_component(synced / "arm.blend", "robot/x.blend")
            and (synced / "robot").rename(synced / "Robot")
        ),
        [
            ("only here", "Robot/hand.stl"),
            ("only here", "Robot/leg.blend"),
            ("clash", "Robot"),
            ("only there", "robot/hand.stl"),
            ("only there", "robot/leg.blend"),
            ("only there", "robot/x.blend"),
        ],
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_is_not_as_it_should_be_is_found(synced: Path, manager: CloudStorageManager, act: str) -> None:
    do, expected = ACTS[act]
    do(synced, manager)
    assert sorted(found(manager, synced)) == sorted(expected)


def test_what_cannot_be_read_is_told_and_does_not_stop_the_rest(synced: Path, manager: CloudStorageManager) -> None:
    class Refusing(FolderProvider):
        def get(self, key: str, **options: Any) -> Any:
            if key.endswith("arm.blend"):
                raise AccessDeniedError("You may not.")
            return super().get(key, **options)

    (synced / "robot/leg.blend").write_bytes(b"mine")
    assert isinstance(manager.provider, FolderProvider)
    refusing = CloudStorageManager(manager.config, Refusing(manager.provider.root))
    assert found(refusing, synced) == [("unreadable", "arm.blend"), ("changed", "robot/leg.blend")]


def test_content_that_changed_without_a_trace_is_found(
    synced: Path, manager: CloudStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fingerprint, "holds", lambda self, seen: self.mtime_ns == seen.mtime_ns)  # no ctime here
    put_back(synced / "arm.blend", b"ARM.BLEND" * 100)
    result = StorageSynchronizer(manager, SyncConfig(local_dir=synced)).synchronize()
    assert not result.done, "no sync sees it"
    assert found(manager, synced) == [("differs", "arm.blend")]


class Rotten(FolderProvider):
    """A store whose disk gives other bytes than were stored."""

    @contextlib.contextmanager
    def get(self, key: str, **options: Any) -> Iterator[Any]:
        with super().get(key, **options) as download:
            yield RottenDownload(download.info) if key.endswith("arm.blend") else download


@dataclass
class RottenDownload:
    info: ObjectInfo

    def __iter__(self) -> Iterator[bytes]:
        yield b"rotten"


def test_an_object_that_was_damaged_is_found(synced: Path, store: FolderProvider, manager: CloudStorageManager) -> None:
    rotten = CloudStorageManager(manager.config, Rotten(store.root))
    (finding,) = verify(rotten, SyncConfig(local_dir=synced)).findings
    assert (finding.kind, finding.path) == ("damaged", "arm.blend")
    assert "push it again from here" in finding.sentence
    (synced / "arm.blend").unlink()
    assert found(rotten, synced) == [("damaged", "arm.blend"), ("only there", "arm.blend")]


def test_names_that_cannot_be_stored_and_files_that_are_folders_are_told(
    folder: Path, store: FolderProvider, manager: CloudStorageManager
) -> None:
    (folder / "con.blend").write_bytes(b"x")
    (folder / "robot2.blend").mkdir()
    (folder / "robot2.blend" / "x.blend").write_bytes(b"x")
    stored(store, "robot2.blend").parent.mkdir(parents=True)
    stored(store, "robot2.blend").write_bytes(b"x")
    assert {("name", "con.blend"), ("clash", "robot2.blend")} <= set(found(manager, folder))


def test_what_was_synced_with_other_patterns_is_looked_at_too(folder: Path, manager: CloudStorageManager) -> None:
    (folder / "wood.png").write_bytes(b"png")
    config = SyncConfig(local_dir=folder, file_patterns=("*.blend", "*.png"))
    StorageSynchronizer(manager, config).synchronize()
    (folder / "wood.png").write_bytes(b"edited")
    (folder / "other.png").write_bytes(b"takes no part")
    assert found(manager, folder) == [("only here", "robot/hand.stl"), ("changed", "wood.png")]


def test_progress_counts_the_bytes_of_both_sides_and_stops_it(synced: Path, manager: CloudStorageManager) -> None:
    steps: list[tuple[int, int]] = []
    verify(manager, SyncConfig(local_dir=synced), lambda done, total: steps.append((done, total)))
    size = 2 * sum((synced / name).stat().st_size for name in NAMES)
    assert steps[-1] == (size, size)

    def stop(done: int, total: int) -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        verify(manager, SyncConfig(local_dir=synced), stop)
