"""What every test of the engine may use."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import AzureServer, Server, azurite_server, moto_server, rclone_server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

pytest.register_assert_rewrite("by_hand", "conformance", "users")

# No test, and no process that it starts, finds the developer's own stores.
for _name in [each for each in os.environ if each.upper().startswith(("AWS_", "AZURE_"))]:
    del os.environ[_name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# A run in a shell's background ignores Ctrl+C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"127.0.0.1,localhost,{os.environ.get('no_proxy', '')}"

WriteFile = Callable[[str, bytes], Path]
RunChild = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process wrote survives its own death without fsync, which only takes time here."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def store(tmp_path: Path) -> FolderProvider:
    """A plain-folder store of its own."""
    return FolderProvider(tmp_path / "store")


@pytest.fixture
def manager(store: FolderProvider) -> CloudStorageManager:
    """A manager of that store, with a prefix as in a studio."""
    return CloudStorageManager(CloudStorageConfig(root=store.root, prefix="models"), store)


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Make a local file with these bytes, its folder too."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def run_child() -> RunChild:
    """Run Python code in a process of its own, with these arguments."""

    def run(code: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, **options)

    return run


@pytest.fixture(scope="session")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of .blend files as Blender writes them, with what they need: see make_blends.py."""
    pytest.importorskip("bpy")
    folder = tmp_path_factory.mktemp("blends") / "Größe"
    maker = Path(__file__).with_name("make_blends.py")
    done = subprocess.run([sys.executable, maker, folder], capture_output=True, text=True, timeout=120)
    assert (folder / "alone.blend").exists(), done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def moto() -> Iterator[Server]:
    """S3 that knows its users: see :func:`servers.moto_server`."""
    with moto_server(signatures=True) as server:
        yield server


@pytest.fixture(scope="session")
def moto_open() -> Iterator[Server]:
    """S3 that takes any key, and presigned and anonymous requests."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3-compatible server as users bring them: no conditions, no versions."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzureServer]:
    """Azure's blob store."""
    with azurite_server() as server:
        yield server


@pytest.fixture
def bucket_name() -> str:
    """A name that no other test uses, good for a bucket and for a container."""
    return f"test-{uuid.uuid4().hex}"
