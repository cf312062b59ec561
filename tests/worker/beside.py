"""What the tests of the worker share: looking at its process and its jobs."""

import os
import re
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.worker import client as client_module
from ggg_cloud_addon.worker.client import Job, WorkerClient

MAIN = Path(client_module.__file__).with_name("__main__.py")
LARGE = 1 << 30
"""Bytes: an upload of so many is under way for long enough to break into it."""
DEADLINE = 30
"""Seconds after which a test has failed that waits for something."""

MakeClient = Callable[..., WorkerClient]


def launcher(before: str, after: str = "") -> list[str]:
    """A Python command that runs code of the test around the worker, in its process."""
    run = "runpy.run_path(sys.argv[1], run_name='__main__')"
    return [sys.executable, "-c", f"import runpy, sys\n{before}\n{run}\n{after}"]


def content_of(store: FolderProvider) -> dict[str, Any]:
    """All that the store has: each key's content and history, and what is half-done."""
    found: dict[str, Any] = {
        info.key: ((store.root / info.key).read_bytes(), store.versions(info.key)) for info in store.list("").objects
    }
    return found | {"half-done": list(store.root.rglob("*.ggg_part"))}


def settings(folder: Path, **options: Any) -> dict[str, Any]:
    """The fields of a SyncConfig, as the sidebar sends them."""
    return {
        "local_dir": str(folder),
        "direction": "both",
        "delete_files": True,
        "overwrite": True,
        "file_patterns": ["*.blend"],
        "exclude_patterns": [],
        "conflict": "ask",
    } | options


def process_id(client: WorkerClient) -> int:
    assert client._worker is not None
    assert client._worker._process is not None
    return client._worker._process.pid


def wait_until(holds: Callable[[], object], job: Job) -> None:
    """Look often, as Blender does, while the job is under way."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert not job.ended, "it ended before"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def wait_until_moving(job: Job) -> None:
    wait_until(lambda: job.done, job)


def assert_ends(process: int) -> None:
    """Whose child it is does not matter."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([handle], [], [], DEADLINE)
    os.close(handle)
    assert ended, "the worker lives on"


def assert_is_sentence(text: str) -> None:
    assert re.fullmatch(r"[A-Z\"].*[.?]", text), text
    assert "Traceback" not in text
