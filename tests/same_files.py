"""Many small files that a folder and a store both have, and a state that says so."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ggg_cloud_addon.cloud_storage import CloudStorageManager, SyncConfig
from ggg_cloud_addon.cloud_storage.files import hash_file
from ggg_cloud_addon.cloud_storage.providers.base import list_pages
from ggg_cloud_addon.cloud_storage.sync.listing import scan_remote
from ggg_cloud_addon.cloud_storage.sync.scan import scan_local, walk
from ggg_cloud_addon.cloud_storage.sync.snapshot import BaseFile
from ggg_cloud_addon.cloud_storage.sync.state import open_state

PREFIX = "models"
PER_FOLDER = 250


def names(count: int) -> Iterator[str]:
    """Paths as a studio has them."""
    return (f"set_{number // PER_FOLDER:03}/props/part_{number:06}.blend" for number in range(count))


def fill(root: Path, count: int) -> None:
    """Write the files."""
    for name in names(count):
        path = root / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        path.write_bytes(_content(name))


def put_all(put: Callable[[str, bytes], object], count: int) -> None:
    """Put them into a server that keeps no files of its own."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: put(f"{PREFIX}/{name}", _content(name)), names(count)))


def remember(manager: CloudStorageManager, folder: Path) -> None:
    """Write the state that a first sync leaves, without its two requests for each file."""
    provider, prefix = manager.provider, manager.key_prefix
    provider.check()
    config = SyncConfig(local_dir=folder)
    with open_state(folder, f"{provider.identity} {prefix}", provider.location) as state:
        found = walk(folder, lambda count: None)
        remote = scan_remote(list_pages(provider, prefix), prefix, config, lambda count: None, {}, found)
        local = scan_local(config, found, {}, remote)
        for path, there in remote.items():
            state.remember(path, BaseFile(local[path].fingerprint, hash_file(folder / path), there.etag))


def _content(name: str) -> bytes:
    return f"The content of {name}.".encode()
