"""Workers, and what they work on."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from servers import AzureServer, Server

pytest.register_assert_rewrite("beside")

from beside import DEADLINE, LARGE, MakeClient  # noqa: E402

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider  # noqa: E402
from ggg_cloud_addon.worker.client import WorkerClient  # noqa: E402


@pytest.fixture(autouse=True)
def _fails_instead_of_hanging() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("it hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(DEADLINE)
    yield
    signal.alarm(0)


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    """Clients whose workers end with the test; ``python`` is another command to run the worker with."""
    made: list[WorkerClient] = []

    def make(*python: str, log_folder: Path | None = None) -> WorkerClient:
        made.append(WorkerClient(python or [sys.executable], log_folder or tmp_path / "log"))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def client(make_client: MakeClient) -> WorkerClient:
    """One whose worker is not started yet."""
    return make_client()


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def worker(log_folder: Path) -> Iterator[WorkerClient]:
    """One that serves many tests, as it serves an artist all day."""
    client = WorkerClient([sys.executable], log_folder)
    yield client
    client.stop()


@pytest.fixture
def config(store: FolderProvider) -> dict[str, Any]:
    return {"root": str(store.root)}


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.blend"
    path.write_bytes(b"small")
    return path


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "large.blend"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


@pytest.fixture
def release(store: FolderProvider) -> Iterator[Callable[[], None]]:
    """Nothing can be stored until this is called: the locks that the store documents are held."""
    with contextlib.ExitStack() as stack:
        folder = store.root / ".ggg_store" / "locks"
        store.check()  # a store that is new is marked before anything else, and that takes a lock too
        for number in range(256):
            stack.enter_context(FileLock(folder / f"{number:02x}.lock"))
        yield stack.close


@pytest.fixture(autouse=True, scope="session")
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The user's folder for what the next run has to know, for all workers started here."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def aws_config(moto: Server, tmp_path: Path, bucket_name: str) -> dict[str, Any]:
    """Of a bucket on S3 that is not made yet."""
    file = tmp_path / "aws_credentials.json"
    file.write_text(json.dumps({"aws_access_key_id": moto.access_key, "aws_secret_access_key": moto.secret_key}))
    file.chmod(0o600)
    return {"provider": "aws", "endpoint_url": moto.url, "bucket_name": bucket_name, "credentials_file": str(file)}


@pytest.fixture
def azure_config(azurite: AzureServer, tmp_path: Path, bucket_name: str) -> dict[str, Any]:
    """Of a container on Azure that is not made yet."""
    file = tmp_path / "azure_credentials.json"
    file.write_text(json.dumps({"connection_string": azurite.connection_string}))
    file.chmod(0o600)
    return {"provider": "azure", "bucket_name": bucket_name, "credentials_file": str(file)}
