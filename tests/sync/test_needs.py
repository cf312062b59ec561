"""What a sync says of the .blend files that it uploads: whether the other side gets all that they need."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageManager, StorageSynchronizer, SyncConfig, SyncResult
from ggg_cloud_addon.cloud_storage.errors import CancelledError
from ggg_cloud_addon.cloud_storage.sync import whole
from ggg_cloud_addon.cloud_storage.sync.events import LooksInto

ALL = ("*",)
TEXTURES = "Tëxtures [1]"


@pytest.fixture
def folder(blends: Path, tmp_path: Path) -> Path:
    """With one .blend file that needs a library, which needs a texture."""
    made = tmp_path / "folder"
    made.mkdir()
    for name in ("library.blend", "deep.blend"):
        shutil.copy(blends / name, made)
    shutil.copytree(blends / TEXTURES, made / TEXTURES)
    return made


@pytest.fixture
def sync(manager: CloudStorageManager, folder: Path) -> Callable[..., SyncResult]:
    def sync(**options: Any) -> SyncResult:
        on_event = options.pop("on_event", None)
        config = SyncConfig(local_dir=folder, **options)
        return StorageSynchronizer(manager, config).synchronize(on_event=on_event)

    return sync


def test_nothing_is_said_of_what_arrives_whole(sync: Callable[..., SyncResult]) -> None:
    assert sync(file_patterns=ALL).notes == ()


def test_what_is_missing_is_said_once_and_only_of_what_was_uploaded(
    sync: Callable[..., SyncResult], folder: Path
) -> None:
    (folder / TEXTURES / "deep.png").unlink()
    for options in ({"dry_run": True}, {}):
        result = sync(file_patterns=ALL, **options)
        (said,) = result.notes
        assert f'"{TEXTURES}/deep.png", which "deep.blend" needs, is missing' in said
        assert f"Note: {said}" in result.get_summary_string()
        assert result.ok
    assert sync(file_patterns=ALL).notes == ()


def test_what_the_patterns_leave_out_is_said(sync: Callable[..., SyncResult]) -> None:
    said = sync().notes
    assert len(said) == 2
    assert any(
        each.startswith('"deep.blend" needs 1 file beside it') and 'let "*.png" take part' in each for each in said
    )


def test_what_lies_outside_is_said(blends: Path, folder: Path, manager: CloudStorageManager) -> None:
    shutil.copytree(blends / "inner", folder / "inner")
    config = SyncConfig(local_dir=folder / "inner", file_patterns=ALL)
    (said,) = StorageSynchronizer(manager, config).synchronize().notes
    assert f'"{folder / TEXTURES}/wood.png", which "outside.blend" needs, lies outside of the folder' in said


def test_catalogues_and_the_parts_of_a_gltf_take_part() -> None:
    config = SyncConfig(local_dir=".")
    for path in ("blender_assets.cats.txt", "props/blender_assets.cats.txt", "arm.gltf", "arm.bin"):
        assert config.takes(path)
    for path in ("render.0001.png", "notes.txt"):
        assert not config.takes(path)


def test_there_are_never_many_notes(
    sync: Callable[..., SyncResult], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "MAX_NOTES", 2)
    for name in "abc":
        shutil.copy(folder / "deep.blend", folder / f"{name}.blend")
    said = sync().notes
    assert len(said) == 2
    assert said[1].startswith("And 4 more")


def test_looking_into_files_ends(sync: Callable[..., SyncResult], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MAX_SECONDS", -1)
    (said,) = sync().notes
    assert said.startswith("2 of 2 files were not looked into")


def test_it_can_be_stopped_when_all_is_done(sync: Callable[..., SyncResult]) -> None:
    def stop(event: object) -> None:
        if isinstance(event, LooksInto):
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        sync(on_event=stop)
    assert sync().done == []


def test_only_an_uploaded_blend_file_brings_the_tracer_in(
    blends: Path, tmp_path: Path, run_child: Callable[..., Any]
) -> None:
    code = (
        "import sys; from ggg_cloud_addon.cloud_storage import *;"
        "manager = CloudStorageManager(CloudStorageConfig(root=sys.argv[2]));"
        "StorageSynchronizer(manager, SyncConfig(local_dir=sys.argv[1])).synchronize();"
        "print('blender_asset_tracer' in sys.modules)"
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "arm.fbx").write_bytes(b"x")
    (folder / "fake.blend").write_bytes(b"x")
    said = []
    for _ in range(2):
        child = run_child(code, folder, tmp_path / "store")
        said.append((child.stdout, child.stderr))
        shutil.copy(blends / "alone.blend", folder)
    assert said == [("False\n", ""), ("True\n", "")]
