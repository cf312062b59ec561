"""What people and other programs do in a plain-folder store, without asking it."""

import os
from pathlib import Path

from conformance import read

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


def drop(store: FolderProvider, key: str, content: bytes) -> Path:
    """Lay a file into the store by hand."""
    path = store.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def save(path: Path, content: bytes) -> None:
    """Save as most editors do: beside, then over it."""
    beside = path.with_name(f"{path.name}@")
    beside.write_bytes(content)
    beside.replace(path)


def edit_unseen(path: Path, content: bytes) -> None:
    """Other bytes under the old mtime."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def pull(store: FolderProvider, key: str, target: Path) -> bytes:
    CloudStorageManager(CloudStorageConfig(root=store.root), store).download_component(key, target)
    return target.read_bytes()


def contents(store: FolderProvider, key: str) -> list[bytes]:
    return [read(store, key, version_id=each.version_id) for each in store.versions(key)]


def left_over(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*.ggg_part*")]
