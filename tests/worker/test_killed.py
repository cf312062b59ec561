"""Worker or Blender killed in the middle of a sync: nothing is lost, nobody is left over, and the next sync goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from beside import assert_ends, assert_is_sentence, content_of, process_id, settings, wait_until

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.worker.client import JobError, WorkerClient

FILES = {f"{number:03d}.blend": bytes([number]) * 200_000 for number in range(200)}
SECRET = "a-secret-that-nobody-may-see"

SYNC_AND_WAIT = """
import json, sys, time
from pathlib import Path
from ggg_cloud_addon.worker.client import WorkerClient

config, settings, log = json.loads(sys.argv[1])
client = WorkerClient([sys.executable], Path(log))
job = client.submit("sync", config, sync=settings, confirmed=[])
while job.items_done < 5 or not job.items:
    time.sleep(0.002)
print(client._worker._process.pid, flush=True)
job.wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for name, content in FILES.items():
        (made / name).write_bytes(content)
    return made


def assert_goes_on(client: WorkerClient, config: dict[str, Any], folder: Path, store: FolderProvider) -> None:
    """Nothing is lost, and the next sync makes both sides the same and leaves nothing half-done."""
    assert {path.name: path.read_bytes() for path in folder.glob("*.blend")} == FILES
    done = client.submit("sync", config, sync=settings(folder), confirmed=[]).wait()
    assert (done["state"], done["errors"], done["conflicts"], done["deletes"]) == ("done", {}, [], [])
    found = content_of(store)
    assert found.pop("half-done") == []
    assert {key: content for key, (content, _) in found.items()} == FILES
    assert {path.name: path.read_bytes() for path in folder.glob("*.blend")} == FILES
    assert list(folder.rglob("*.ggg_part*")) == []
    again = client.submit("sync", config, sync=settings(folder), confirmed=[]).wait()
    assert again["plan"] == []


def test_the_worker_is_killed(
    client: WorkerClient, config: dict[str, Any], folder: Path, store: FolderProvider
) -> None:
    job = client.submit("sync", config, sync=settings(folder), confirmed=[])
    wait_until(lambda: job.items and job.items_done >= 5, job)
    killed = process_id(client)
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(JobError, match="was killed") as caught:
        job.wait()
    assert_is_sentence(str(caught.value))
    assert_goes_on(client, config, folder, store)
    assert process_id(client) != killed


def test_blender_is_killed(
    client: WorkerClient, config: dict[str, Any], folder: Path, store: FolderProvider, tmp_path: Path
) -> None:
    arguments = json.dumps([config, settings(folder), str(tmp_path / "log")])
    with subprocess.Popen([sys.executable, "-c", SYNC_AND_WAIT, arguments], stdout=subprocess.PIPE) as blender:
        assert blender.stdout is not None
        worker = int(blender.stdout.readline())
        blender.kill()
    assert_ends(worker)
    assert_goes_on(client, config, folder, store)


def test_no_secret_is_in_what_others_can_see_of_the_worker(
    client: WorkerClient, aws_config: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    file = Path(aws_config["credentials_file"])
    file.write_text(json.dumps({"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": SECRET}))
    for verb, arguments in (("check", {}), ("list", {}), ("sync", {"sync": settings(folder)})):
        job = client.submit(verb, aws_config, **arguments)
        job.join()
        assert SECRET not in str((job._value, job._error))
    process = Path(f"/proc/{process_id(client)}")
    assert SECRET.encode() not in (process / "cmdline").read_bytes()
    assert SECRET.encode() not in (process / "environ").read_bytes()
    log = (tmp_path / "log" / "cloud_storage.log").read_text("utf-8")
    assert "failed" in log
    assert SECRET not in log
