"""What every test of the engine may use."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

pytest.register_assert_rewrite("conformance")

WriteFile = Callable[[str, bytes], Path]
RunChild = Callable[..., subprocess.CompletedProcess[str]]


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


@pytest.fixture
def run_child() -> RunChild:
    """Run Python code in a process of its own, with these arguments."""

    def run(code: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, **options)

    return run
