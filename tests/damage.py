"""A broken disk under a plain-folder store."""

import os
from pathlib import Path

from ggg_cloud_addon.cloud_storage.providers.folder_files import etag_of


def damage(root: Path, key: str, content: bytes) -> None:
    """Give a component other bytes of the same size, as if nothing else had changed.

    A disk would leave the ctime alone. Here it moves on, and the stamp of the store with it.
    """
    path = root / key
    before = path.stat()
    assert before.st_size == len(content)
    (stamp,) = [each for each in root.rglob("stamp") if each.read_text() == f"{etag_of(before)}\n"]
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    stamp.write_text(f"{etag_of(path.stat())}\n")
