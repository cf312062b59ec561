"""What every test of the engine may use."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

pytest.register_assert_rewrite("conformance")

WriteFile = Callable[[str, bytes], Path]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process wrote survives its own death without fsync, which only takes time here."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def store(tmp_path: Path) -> FolderProvider:
    """A plain-folder store of its own."""
    return FolderProvider(tmp_path / "store")


@pytest.fixture
def manager(store: FolderProvider) -> CloudStorageManager:
    """A manager of that store, with a prefix as in a studio."""
    return CloudStorageManager(CloudStorageConfig(root=store.root, prefix="models"), store)


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Make a local file with these bytes, its folder too."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write
