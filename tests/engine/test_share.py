"""``ggg-cloud share`` on real stores: the link works, ends, and is told to nobody but stdout."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servers import AzureServer, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider

COMMAND = "import sys; from ggg_cloud_addon.cli import main; sys.exit(main())"
Share = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=["moto_open", "azurite"])
def config(
    request: pytest.FixtureRequest, tmp_path: Path, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> CloudStorageConfig:
    """A bucket or a container with two versions of a component, as far as it keeps those."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    server: Server | AzureServer = request.getfixturevalue(request.param)
    keys = {"aws_access_key_id": "anybody", "aws_secret_access_key": "anything"}
    if isinstance(server, AzureServer):
        keys = {"account_name": server.account_name, "account_key": server.account_key}
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(keys))
    file.chmod(0o600)
    config = CloudStorageConfig(
        provider="azure" if isinstance(server, AzureServer) else "aws",
        bucket_name=bucket_name,
        prefix="models",
        endpoint_url=server.account_url if isinstance(server, AzureServer) else server.url,
        credentials_file=file,
    )
    manager = CloudStorageManager(config)
    manager.bucket.create()
    for content in (b"old", b"new"):
        (tmp_path / "arm.blend").write_bytes(content)
        manager.upload_component(tmp_path / "arm.blend", "robot/arm 1.blend")
    return config


@pytest.fixture
def share(config: CloudStorageConfig, tmp_path: Path) -> Share:
    def share(*arguments: str) -> subprocess.CompletedProcess[str]:
        where = {"provider": config.provider, "bucket": config.bucket_name, "prefix": config.prefix}
        where |= {"endpoint-url": str(config.endpoint_url), "credentials-file": str(config.credentials_file)}
        options = [f"--{name}={value}" for name, value in where.items()]
        line = [sys.executable, "-c", COMMAND, "share", *options, *arguments]
        return subprocess.run(line, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True)

    return share


def fetch(link: str) -> bytes:
    with urllib.request.urlopen(link) as answer:
        return bytes(answer.read())


def test_anybody_can_fetch_the_link(share: Share, tmp_path: Path) -> None:
    shared = share("robot/arm 1.blend")
    assert (shared.returncode, shared.stderr) == (0, "")
    (link,) = shared.stdout.splitlines()
    assert fetch(link) == b"new"
    (log,) = tmp_path.rglob("cloud_storage.log")
    assert "robot/arm 1.blend" in log.read_text()
    assert "ignature=" not in log.read_text()
    assert "sig=" not in log.read_text()


def test_the_document_says_when_it_ends(share: Share) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    document = json.loads(share("robot/arm 1.blend", "--hours", "3", "--json").stdout)
    assert list(document) == ["component_id", "link", "ends"]
    assert document["component_id"] == "robot/arm 1.blend"
    ends = datetime.fromisoformat(document["ends"])
    assert timedelta(hours=3) <= ends - before < timedelta(hours=3, minutes=1)
    assert "10800" in document["link"] or f"se={ends:%Y-%m-%dT%H}" in document["link"]
    assert fetch(document["link"]) == b"new"


def test_an_older_version_can_be_shared(share: Share, config: CloudStorageConfig) -> None:
    manager = CloudStorageManager(config)
    if config.provider == "azure":  # Azurite keeps no versions but snapshots
        assert isinstance(manager.provider, AzureProvider)
        version, content = manager.provider.snapshot("models/robot/arm 1.blend"), b"new"
        manager.upload_component(__file__, "robot/arm 1.blend")
    else:
        version, content = manager.list_versions("robot/arm 1.blend")[-1].version_id, b"old"
    shared = share("robot/arm 1.blend", "--version-id", version)
    assert fetch(shared.stdout.strip()) == content


def test_what_cannot_be_shared_is_one_sentence(share: Share, config: CloudStorageConfig) -> None:
    cases = [(("gone.blend",), 1, '"models/gone.blend"'), (("robot/arm 1.blend", "--hours=0"), 2, "--hours")]
    cases += [(("../arm.blend",), 2, '"../arm.blend"'), (("robot/arm 1.blend", "--version-id=none"), 1, '"none"')]
    if config.provider == "aws":
        cases += [(("robot/arm 1.blend", "--hours=169"), 2, "seven days")]
    for arguments, code, named in cases:
        answer = share(*arguments)
        assert (answer.returncode, answer.stdout) == (code, "")
        assert named in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
