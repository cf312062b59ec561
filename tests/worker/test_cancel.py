"""A job that is cancelled ends soon, whatever the store does; other jobs and the next one go on."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beside import MakeClient, assert_ends, assert_is_sentence, launcher, process_id, settings, wait_until_moving
from fault_proxy import FaultProxy

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers import open_bucket
from ggg_cloud_addon.worker.client import Job, JobError, WorkerClient

Config = dict[str, Any]
HANGS = 60
"""Seconds: far longer than a test may take."""
LARGE = 24 << 20


def assert_cancels(job: Job) -> None:
    job.cancel()
    with pytest.raises(JobError, match=r"^It was cancelled; .*\.$"):
        job.wait()


@pytest.fixture(params=["aws", "azure"])
def cloud(request: pytest.FixtureRequest) -> Config:
    config: Config = request.getfixturevalue(f"{request.param}_config")
    open_bucket(CloudStorageConfig(**config)).create()
    return config


@pytest.fixture
def proxy(cloud: Config, request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    """In front of the cloud, whose settings lead through it."""
    server = request.getfixturevalue("moto" if cloud["provider"] == "aws" else "azurite")
    with FaultProxy(server.url) as proxy:
        if cloud["provider"] == "aws":
            cloud["endpoint_url"] = proxy.url
        else:
            file = Path(cloud["credentials_file"])
            file.write_text(json.dumps({"connection_string": server.connection_string.replace(server.url, proxy.url)}))
        yield proxy


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "large.blend"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


def ids(config: Config) -> list[str]:
    return [each.component_id for each in CloudStorageManager(CloudStorageConfig(**config)).list_components()]


class TestStalls:
    """The server stands still, and the network's own deadline is a minute away."""

    def test_an_upload(self, client: WorkerClient, cloud: Config, proxy: FaultProxy, large_file: Path) -> None:
        stall = proxy.stall(HANGS, times=99, method="PUT")
        job = client.submit("upload", cloud, path=str(large_file), component_id="large.blend")
        assert stall.begun.wait(HANGS)
        assert_cancels(job)
        proxy.heal()
        assert ids(cloud) == []

    def test_a_download(self, client: WorkerClient, cloud: Config, proxy: FaultProxy, large_file: Path) -> None:
        CloudStorageManager(CloudStorageConfig(**cloud)).upload_component(large_file, "large.blend")
        stall = proxy.stall(HANGS, times=99, method="GET", path=r"large")
        target = large_file.with_name("new") / "pulled.blend"
        job = client.submit("download", cloud, component_id="large.blend", path=str(target), overwrite=False)
        assert stall.begun.wait(HANGS)
        assert_cancels(job)
        proxy.heal()
        assert not target.exists()
        # The next worker removes what the killed one left.
        client.submit("download", cloud, component_id="large.blend", path=str(target), overwrite=False).wait()
        assert [path.name for path in target.parent.iterdir()] == ["pulled.blend"]

    @pytest.mark.parametrize("verb", ["list", "sync"])
    def test_a_listing(
        self, client: WorkerClient, cloud: Config, proxy: FaultProxy, large_file: Path, verb: str
    ) -> None:
        stall = proxy.stall(HANGS, times=99, method="GET")
        sync = settings(large_file.parent)
        job = client.submit(verb, cloud, **({"sync": sync} if verb == "sync" else {"folder": sync}))
        assert stall.begun.wait(HANGS)
        assert_cancels(job)
        proxy.heal()
        assert ids(cloud) == []

    def test_a_sync_whose_files_all_stand_still(
        self, client: WorkerClient, cloud: Config, proxy: FaultProxy, tmp_path: Path
    ) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        for number in range(20):
            (folder / f"{number}.blend").write_bytes(b"part")
        stall = proxy.stall(HANGS, times=99, method="PUT", path=r"\.blend")
        job = client.submit("sync", cloud, sync=settings(folder), confirmed=[])
        assert stall.begun.wait(HANGS)
        assert_cancels(job)
        proxy.heal()
        done = client.submit("sync", cloud, sync=settings(folder), confirmed=[]).wait()
        assert (done["state"], done["errors"], done["conflicts"]) == ("done", {}, [])
        assert len(ids(cloud)) == 20


def test_jobs_beside_one_that_stalls_are_begun_again_where_that_is_safe(
    client: WorkerClient, config: Config, tmp_path: Path, small_file: Path, release: Callable[[], None]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.blend").write_bytes(small_file.read_bytes())
    hanging = client.submit("upload", config, path=str(small_file), component_id="0.blend")
    again = client.submit("sync", config, sync=settings(folder))
    once = client.submit("upload", config, path=str(small_file), component_id="0.blend")  # somebody may push in between
    wait_until_moving(hanging)  # now it waits for the store
    killed = process_id(client)
    assert_cancels(hanging)
    assert_ends(killed)
    release()
    assert again.wait()["state"] == "done"
    with pytest.raises(JobError, match="another job that was cancelled") as caught:
        once.wait()
    assert_is_sentence(str(caught.value))
    assert [row[0] for row in client.submit("list", config).wait()["rows"]] == ["1.blend"]
    assert process_id(client) != killed


def test_a_job_that_ends_by_itself_takes_no_other_down(
    client: WorkerClient, config: Config, tmp_path: Path, small_file: Path
) -> None:
    large = tmp_path / "large.blend"
    with large.open("wb") as file:
        file.truncate(1 << 28)
    cancelled, beside = (client.submit("upload", config, path=str(large), component_id=f"{n}.blend") for n in range(2))
    wait_until_moving(cancelled)
    wait_until_moving(beside)
    before = process_id(client)
    assert_cancels(cancelled)
    beside.wait()
    assert process_id(client) == before


def test_a_job_that_is_cancelled_while_the_worker_starts_is_never_begun(
    make_client: MakeClient, config: Config, small_file: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    client = make_client(*launcher(f"open({str(gate)!r}).close()"))
    arm, leg = (
        client.submit("upload", config, path=str(small_file), component_id=f"{name}.blend") for name in ("arm", "leg")
    )
    assert_cancels(arm)
    gate.write_text("")  # only now does the worker go on
    leg.wait()
    assert [row[0] for row in client.submit("list", config).wait()["rows"]] == ["leg.blend"]


@pytest.mark.parametrize("times", [1, 3])
def test_cancel_is_one_cancel_however_often_it_is_pressed(
    client: WorkerClient, config: Config, small_file: Path, release: Callable[[], None], times: int
) -> None:
    job = client.submit("upload", config, path=str(small_file), component_id="arm.blend")
    wait_until_moving(job)
    for _ in range(times):
        job.cancel()
    with pytest.raises(JobError, match="cancelled"):
        job.wait()
    job.cancel()
