"""What the tests of the clouds' providers share."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import botocore.loaders
import pytest
from servers import AzureServer, Certificate, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig

AwsConfig = Callable[..., CloudStorageConfig]
Configure = Callable[..., CloudStorageConfig]

# Each provider and each bucket reads the SDK's description of S3 anew, which is most of a small test's time.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder for what has to be known by the next run; of this test alone."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture(params=["another one", "none", "missing", "junk"])
def wrong_bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """A setting ``ca_bundle`` by which no server with a certificate of its own is trusted."""
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    return {
        "another one": Certificate.self_signed(tmp_path).certificate,
        "none": None,
        "missing": tmp_path / "missing.pem",
        "junk": junk,
    }[request.param]


@pytest.fixture
def aws_config(tmp_path: Path, bucket_name: str) -> AwsConfig:
    """The settings for a bucket on a server, with a credentials file."""

    def config(server: Server, **settings: object) -> CloudStorageConfig:
        file = tmp_path / f"{server.access_key}.json"
        file.write_text(
            json.dumps({"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key})
        )
        file.chmod(0o600)
        given = {"bucket_name": bucket_name, "endpoint_url": server.url, "credentials_file": file}
        return CloudStorageConfig(provider="aws", **(given | settings))

    return config


@pytest.fixture
def configure(tmp_path: Path, azurite: AzureServer, bucket_name: str) -> Configure:
    """The settings for a container on Azurite, with a credentials file of account name and key."""

    def configure(**settings: object) -> CloudStorageConfig:
        file = tmp_path / "azure.json"
        file.write_text(json.dumps({"account_name": azurite.account_name, "account_key": azurite.account_key}))
        file.chmod(0o600)
        given = {"bucket_name": bucket_name, "endpoint_url": azurite.account_url, "credentials_file": file}
        return CloudStorageConfig(provider="azure", **(given | settings))

    return configure
