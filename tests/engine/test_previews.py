"""A component's picture beside it: there when it is asked for, and in nobody's way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageManager, StorageSynchronizer, SyncConfig, SyncResult
from ggg_cloud_addon.cloud_storage.errors import InvalidIdError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.manager import MAX_PREVIEW
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import compare

WriteFile = Callable[[str, bytes], Path]
PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture
def arm(write: WriteFile) -> Path:
    return write("arm.blend", b"the arm")


def test_a_preview_goes_with_the_component(manager: CloudStorageManager, store: FolderProvider, arm: Path) -> None:
    manager.upload_component(arm, "robot/arm.blend", preview=PNG)
    assert manager.get_preview("robot/arm.blend") == PNG
    assert (store.root / "models" / ".ggg_previews" / "robot" / "arm.blend.png").read_bytes() == PNG
    assert [each.component_id for each in manager.list_components()] == ["robot/arm.blend"]


def test_a_component_without_one_has_none(manager: CloudStorageManager, arm: Path) -> None:
    manager.upload_component(arm, "arm.blend")
    assert manager.get_preview("arm.blend") is None
    assert manager.get_preview("nothing.blend") is None
    with pytest.raises(InvalidIdError):
        manager.get_preview("../arm.blend")


@pytest.mark.parametrize("delete", [lambda manager, name: manager.delete_component(name),
                                    lambda manager, name: manager.delete_components([name, "nothing.blend"])],
                         ids=["one", "a batch"])  # fmt: skip
def test_a_deleted_component_leaves_no_preview(
    manager: CloudStorageManager, store: FolderProvider, arm: Path, delete: Callable[[CloudStorageManager, str], Any]
) -> None:
    manager.upload_component(arm, "arm.blend", preview=PNG)
    delete(manager, "arm.blend")
    assert manager.get_preview("arm.blend") is None
    assert not list(store.root.rglob("*.png"))


def test_a_push_does_not_fail_for_its_preview(
    manager: CloudStorageManager, arm: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put = manager.provider.put

    def refuse(key: str, source: Any, **options: Any) -> Any:
        if key.endswith(".png"):
            raise StoreUnavailableError("No.")
        return put(key, source, **options)

    monkeypatch.setattr(manager.provider, "put", refuse)
    assert manager.upload_component(arm, "arm.blend", preview=PNG).size == len(b"the arm")
    assert "arm.blend has no preview" in caplog.text


@pytest.mark.parametrize("name", ["a" * 249 + ".blend", "/".join(["a" * 201] * 5)])
def test_a_name_that_leaves_no_room_for_a_preview_can_be_pushed(
    manager: CloudStorageManager, arm: Path, name: str
) -> None:
    manager.upload_component(arm, name, preview=PNG)
    assert manager.get_preview(name) is None
    manager.delete_component(name)


def test_what_is_too_large_for_a_preview_is_none(manager: CloudStorageManager, arm: Path) -> None:
    manager.upload_component(arm, "arm.blend", preview=b"x" * (MAX_PREVIEW + 1))
    assert manager.get_preview("arm.blend") is None


@pytest.mark.parametrize("patterns", [("*",), ("*.png",)])
def test_a_sync_does_not_see_previews(
    manager: CloudStorageManager, arm: Path, tmp_path: Path, patterns: tuple[str, ...]
) -> None:
    manager.upload_component(arm, "arm.blend", preview=PNG)
    folder = tmp_path / "folder"
    for name in (".ggg_previews/leg.blend.png", "robot/.ggg_previews/x.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"mine")
    config = SyncConfig(local_dir=folder, file_patterns=patterns, delete_files=True)

    def sync() -> SyncResult:
        return StorageSynchronizer(manager, config).synchronize()

    for _ in range(2):
        result = sync()
        assert (result.ok, result.skipped, {each.path for each in result.plan} - {"arm.blend"}) == (True, [], set())
    assert [each.path for each in compare(manager, config, lambda count: None)] == ["arm.blend"]
    assert manager.get_preview("arm.blend") == PNG
    assert (folder / ".ggg_previews" / "leg.blend.png").read_bytes() == b"mine"
