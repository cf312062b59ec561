"""The engine's front on the clouds: real servers, nothing changed but the endpoint."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from servers import AzureServer, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.files import hash_file

SNIPPET = """
import sys
from ggg_cloud_addon.cloud_storage import *
PROVIDER, ENDPOINT = sys.argv[1:]
def progress_callback(message: str): assert isinstance(message, str)

config = CloudStorageConfig(provider=PROVIDER, credentials_file="aws_credentials.json",
                            bucket_name="model-components", prefix="models",
                            encryption=True, public_access=False, endpoint_url=ENDPOINT)
manager = CloudStorageManager(config)
if manager.authenticate():
    manager.upload_component("path/to/component.blend", "component_id")
    listed = manager.list_components()                       # -> list of ComponentInfo
    manager.download_component("component_id", "download/path.blend")
    manager.delete_component("component_id")

sync_config = SyncConfig(local_dir="agent_outputs", direction="both", delete_files=True, overwrite=True,
                         file_patterns=["*.blend", "*.fbx", "*.stl", "*.gltf"])
result = StorageSynchronizer(manager, sync_config).synchronize(progress_callback)   # callback(message: str)
print(result.get_summary_string())
print([each.component_id for each in listed], [each.component_id for each in manager.list_components()])
"""
RunChild = Callable[..., subprocess.CompletedProcess[str]]
CLOUDS = ("aws", "azure")
LARGE = 300_000_000
FEW_MB = 5_000_000


def endpoint_and_keys(provider: str, request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """A server's address, and what stands in a credentials file for it."""
    if provider == "aws":
        server: Server = request.getfixturevalue("moto")
        return server.url, {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
    azurite: AzureServer = request.getfixturevalue("azurite")
    return azurite.account_url, {"connection_string": azurite.connection_string}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("provider", CLOUDS)
def test_the_promised_snippet_runs_on_a_cloud(
    request: pytest.FixtureRequest, tmp_path: Path, run_child: RunChild, provider: str
) -> None:
    endpoint, keys = endpoint_and_keys(provider, request)
    credentials = tmp_path / "aws_credentials.json"
    credentials.write_text(json.dumps(keys))
    for name in ("path/to/component.blend", "agent_outputs/arm.blend", "agent_outputs/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"a model")
    settings = {"provider": provider, "endpoint_url": endpoint, "credentials_file": credentials}
    CloudStorageManager(CloudStorageConfig(bucket_name="model-components", **settings)).bucket.create()

    child = run_child(SNIPPET, provider, endpoint, cwd=tmp_path)

    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.splitlines() == ["Sync: 1 uploaded.", "['component_id'] ['arm.blend']"]
    assert (tmp_path / "download" / "path.blend").read_bytes() == b"a model"


@pytest.mark.parametrize("provider", CLOUDS)
def test_a_large_file_arrives_whole_over_a_line_that_breaks_every_few_megabytes(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket_name: str,
    provider: str,
) -> None:
    source, target = tmp_path / "large.blend", tmp_path / "pulled.blend"
    source.write_bytes(os.urandom(LARGE))
    if provider == "aws":
        server: Server = request.getfixturevalue("rclone_s3")  # moto reads all of an object for each range of it
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        url, path = server.url, ""
    else:
        azurite: AzureServer = request.getfixturevalue("azurite")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
        url, path = azurite.url, f"/{azurite.account_name}"
    config = CloudStorageConfig(provider=provider, bucket_name=bucket_name, endpoint_url=f"{url}{path}")
    if provider == "aws":
        server.client().create_bucket(Bucket=bucket_name)
    else:
        CloudStorageManager(config).bucket.create()
    with FaultProxy(url) as proxy:
        manager = CloudStorageManager(replace(config, endpoint_url=f"{proxy.url}{path}"))
        proxy.cut_every(FEW_MB, seed=1)

        pushed = manager.upload_component(source, "large.blend")
        cuts_up = proxy.faults
        pulled = manager.download_component("large.blend", target)

    assert cuts_up > LARGE / FEW_MB / 2
    assert proxy.faults - cuts_up > LARGE / FEW_MB / 2
    assert pushed.sha256 == pulled.sha256 == hash_file(source) == hash_file(target)
