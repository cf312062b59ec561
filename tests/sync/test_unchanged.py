"""A sync that finds nothing changed asks for one listing and nothing else, as seen at the store."""

from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from same_files import PREFIX, fill, put_all, remember
from servers import AzureServer, Server
from users import Watched

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


def find_nothing_changed(manager: CloudStorageManager, folder: Path) -> None:
    result = StorageSynchronizer(manager, SyncConfig(local_dir=folder, delete_files=True)).synchronize()
    assert (result.plan, result.ok) == ((), True)


@pytest.fixture(autouse=True)
def _credentials(rclone_s3: Server, azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "synced"


def test_on_a_folder(folder: Path, store: FolderProvider) -> None:
    fill(folder, 2500)
    fill(store.root / PREFIX, 2500)
    watched = Watched(store)
    manager = CloudStorageManager(CloudStorageConfig(root="unused", prefix=PREFIX), watched)  # type: ignore[arg-type]
    remember(manager, folder)
    watched.calls.clear()
    find_nothing_changed(manager, folder)
    assert watched.calls == {"list": 3, "tidy": 1}


@pytest.mark.parametrize(("server", "count", "pages"), [("rclone_s3", 2500, 3), ("moto_open", 1100, 2)])
def test_on_s3(
    folder: Path, bucket_name: str, server: str, count: int, pages: int, request: pytest.FixtureRequest
) -> None:
    s3: Server = request.getfixturevalue(server)
    client = s3.client(max_pool_connections=16)
    client.create_bucket(Bucket=bucket_name)
    fill(folder, count)
    put_all(lambda key, body: client.put_object(Bucket=bucket_name, Key=key, Body=body), count)
    with FaultProxy(s3.url) as proxy:
        config = CloudStorageConfig(
            provider="aws", bucket_name=bucket_name, prefix=PREFIX, endpoint_url=proxy.url, region="us-east-1"
        )
        remember(CloudStorageManager(config), folder)
        proxy.requests.clear()
        find_nothing_changed(CloudStorageManager(config), folder)
    assert [(each.method, "list-type=2" in each.path) for each in proxy.requests] == [("GET", True)] * pages


def test_on_azure(folder: Path, bucket_name: str, azurite: AzureServer) -> None:
    container = azurite.client().create_container(bucket_name)
    fill(folder, 1100)
    put_all(container.upload_blob, 1100)
    with FaultProxy(azurite.url) as proxy:
        url = f"{proxy.url}/{azurite.account_name}"
        config = CloudStorageConfig(provider="azure", bucket_name=bucket_name, prefix=PREFIX, endpoint_url=url)
        remember(CloudStorageManager(config), folder)
        proxy.requests.clear()
        find_nothing_changed(CloudStorageManager(config), folder)
    assert [(each.method, "comp=list" in each.path) for each in proxy.requests] == [("GET", True)]
