"""The servers that the tools are measured on: buckets to fill, to look into, and to throw away."""

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from contenders import Cloud
from servers import REGION, AzureServer, Server, azurite_server, rclone_server
from slow_line import slow_line

from ggg_cloud_addon.cloud_storage.names import STATE_FOLDER

SOURCE = "source"
"""The bucket that downloads come from."""


class Store(Protocol):
    """A server with buckets."""

    def create(self, bucket: str) -> None:
        """Make an empty bucket."""

    def drop(self, bucket: str) -> None:
        """Throw a bucket away."""

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Put one object there."""

    def check(self, bucket: str, folder: Path) -> None:
        """End the benchmark if a bucket has not just what a folder has."""

    def cloud(self, bucket: str) -> Cloud:
        """What a client has to know."""


class RcloneStore:
    """``rclone serve s3``: a bucket is a folder."""

    def __init__(self, server: Server, served: Path, url: str) -> None:
        """``url`` is for the clients that are measured."""
        self._client = server.client()
        self._served = served
        self._url = url
        self._variables = {
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "RCLONE_S3_PROVIDER": "Rclone",
            "RCLONE_S3_ENDPOINT": url,
            "RCLONE_S3_ACCESS_KEY_ID": server.access_key,
            "RCLONE_S3_SECRET_ACCESS_KEY": server.secret_key,
        }

    def create(self, bucket: str) -> None:
        """Through the server, which would see a new folder only after some time."""
        self._client.create_bucket(Bucket=bucket)

    def drop(self, bucket: str) -> None:
        """The folder; its name is not used again."""
        shutil.rmtree(self._served / bucket)

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Put one object there."""
        self._client.put_object(Bucket=bucket, Key=name, Body=content)

    def check(self, bucket: str, folder: Path) -> None:
        """Compare the two folders."""
        check_same(self._served / bucket, folder)

    def cloud(self, bucket: str) -> Cloud:
        """What a client has to know."""
        return Cloud("aws", self._url, bucket, self._variables)


class AzuriteStore:
    """Azurite, which keeps everything in memory."""

    def __init__(self, server: AzureServer) -> None:
        self._client = server.client()
        self._url = server.account_url
        self._variables = {
            "AZURE_STORAGE_CONNECTION_STRING": server.connection_string,
            "RCLONE_AZUREBLOB_ACCOUNT": server.account_name,
            "RCLONE_AZUREBLOB_KEY": server.account_key,
            "RCLONE_AZUREBLOB_ENDPOINT": server.account_url,
        }

    def create(self, bucket: str) -> None:
        """Make an empty container."""
        self._client.create_container(bucket)

    def drop(self, bucket: str) -> None:
        """Delete a container."""
        self._client.delete_container(bucket)

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Put one blob there."""
        self._client.get_blob_client(bucket, name).upload_blob(content, overwrite=True)

    def check(self, bucket: str, folder: Path) -> None:
        """Read every blob."""
        container, names = self._client.get_container_client(bucket), relative_files(folder)
        if sorted(container.list_blob_names()) != names:
            raise SystemExit(f"Other blobs than files have arrived in {bucket}.")

        def is_same(name: str) -> bool:
            return bool(container.download_blob(name).readall() == (folder / name).read_bytes())

        with ThreadPoolExecutor(8) as pool:
            if wrong := [name for name, same in zip(names, pool.map(is_same, names), strict=True) if not same]:
                raise SystemExit(f"{wrong[0]} has arrived with other bytes, and {len(wrong) - 1} more.")

    def cloud(self, bucket: str) -> Cloud:
        """What a client has to know."""
        return Cloud("azure", self._url, bucket, self._variables)


@contextlib.contextmanager
def open_store(provider: str, served: Path, *, slow: bool) -> Iterator[Store]:
    """Start a server, whose bucket SOURCE has the files in its folder in ``served``.

    ``slow`` puts the slow line before a server for ``"aws"``.
    """
    if provider == "azure":
        with azurite_server() as azurite:
            store = AzuriteStore(azurite)
            store.create(SOURCE)
            for name in relative_files(served / SOURCE):
                store.put(SOURCE, name, (served / SOURCE / name).read_bytes())
            yield store
        return
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(rclone_server(served))
        url = stack.enter_context(slow_line(server.url)) if slow else server.url
        yield RcloneStore(server, served, url)


def relative_files(root: Path) -> list[str]:
    """The files in a folder, but those that our sync keeps for itself, sorted."""
    found = []
    for folder, folders, names in os.walk(root):
        if STATE_FOLDER in folders:
            folders.remove(STATE_FOLDER)
        found += [Path(folder, name).relative_to(root).as_posix() for name in names]
    return sorted(found)


def check_same(left: Path, right: Path) -> None:
    """End the benchmark if two folders do not have the same files with the same bytes."""
    names = relative_files(left)
    if names != relative_files(right):
        raise SystemExit(f"{left.name} and {right.name} do not have the same files.")
    filecmp.clear_cache()
    _, different, errors = filecmp.cmpfiles(left, right, names, shallow=False)
    if wrong := different + errors:
        raise SystemExit(f"{wrong[0]} is not the same in {left.name} and {right.name}, and {len(wrong) - 1} more.")
