"""A server that speaks S3 and is not Amazon's, as users bring them, and the tools that others use."""

import functools
import os
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from conformance import (
    LARGE,
    PlainConformance,
    keys,
    put,
    race,
    read,
    sha256,
)
from fault_proxy import FaultProxy
from servers import REGION, AzureServer, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError, PreconditionFailedError, UnsupportedError
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.base import BucketFacts, IfAbsent, Provider

AwsConfig = Callable[..., CloudStorageConfig]
Store = Server | AzureServer
Tool = Callable[[Store, str, str], None]

SCRIPTS = Path(sysconfig.get_path("scripts"))
MIB = 1 << 20


@pytest.fixture
def provider(rclone_s3: Server, aws_config: AwsConfig, bucket_name: str) -> AwsProvider:
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    return AwsProvider(aws_config(rclone_s3))


class TestConformance(PlainConformance):
    @pytest.fixture
    def provider(self, provider: AwsProvider) -> Provider:
        return provider


# -- what it cannot promise


def test_what_it_cannot_promise_is_said(provider: AwsProvider) -> None:
    capabilities = provider.capabilities
    assert (capabilities.conditional_writes, capabilities.versions) == (False, False)
    sentences = capabilities.missing_promises(provider.location)
    assert len(sentences) == 2
    assert all(provider.location in each for each in sentences)


def test_the_first_sync_says_it(
    rclone_s3: Server, aws_config: AwsConfig, provider: AwsProvider, tmp_path: Path
) -> None:
    (tmp_path / "synced").mkdir()
    (tmp_path / "synced" / "arm.blend").write_bytes(b"arm")
    config = SyncConfig(local_dir=str(tmp_path / "synced"))
    runs: list[list[str]] = [[], []]
    for said in runs:
        manager = CloudStorageManager(aws_config(rclone_s3))
        result = StorageSynchronizer(manager, config).synchronize(said.append)
        assert result.errors == {}
        assert [each for each in said if each in result.missing_promises] == list(result.missing_promises)
    first, second = (sum("ignores the conditions of a write" in each for each in said) for said in runs)
    assert (first, second) == (1, 0)


@pytest.mark.parametrize("prefix", ["", "models/robots"])
def test_it_is_asked_once_and_nothing_is_left_behind(
    rclone_s3: Server, aws_config: AwsConfig, bucket_name: str, prefix: str
) -> None:
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(rclone_s3.url) as proxy:
        provider = AwsProvider(aws_config(rclone_s3, endpoint_url=proxy.url, prefix=prefix))
        assert not provider.capabilities.conditional_writes
        asked = len(proxy.requests)
        assert all(
            request.path.startswith((f"/{bucket_name}/{prefix}", f"/{bucket_name}?")) for request in proxy.requests
        )
        assert not provider.capabilities.conditional_writes
        assert len(proxy.requests) == asked < 25
        put(provider, "arm.blend", b"arm", IfAbsent())
        assert [(each.method, each.path) for each in proxy.requests[asked:]] == [
            ("HEAD", f"/{bucket_name}/arm.blend"),
            ("PUT", f"/{bucket_name}/arm.blend"),
        ]
    found = rclone_s3.client().list_objects_v2(Bucket=bucket_name)["Contents"]
    assert [each["Key"] for each in found] == ["arm.blend"]


def test_many_transfers_that_begin_at_once_ask_it_once(
    rclone_s3: Server, aws_config: AwsConfig, bucket_name: str
) -> None:
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(rclone_s3.url) as proxy:
        provider = AwsProvider(aws_config(rclone_s3, endpoint_url=proxy.url))
        _, errors = race(lambda racer: put(provider, f"{racer}.blend", b"arm", IfAbsent()), 8)
        assert errors == []
        assert sum(".ggg_store" in each.path and each.path.endswith("?uploads") for each in proxy.requests) == 2


def test_a_version_that_is_asked_for_is_never_another_content(provider: AwsProvider) -> None:
    put(provider, "arm.blend", b"arm")
    for ask in (
        lambda: provider.head("arm.blend", version_id="1"),
        lambda: read(provider, "arm.blend", version_id="1"),
        lambda: provider.copy("arm.blend", "copy.blend", version_id="1"),
        lambda: provider.share_link("arm.blend", 60, version_id="1"),
    ):
        with pytest.raises((ObjectNotFoundError, UnsupportedError), match=r'"arm\.blend"'):
            ask()
    with pytest.raises(UnsupportedError):
        provider.versions("arm.blend")
    assert keys(provider) == ["arm.blend"]


def test_a_read_that_goes_on_is_never_of_another_object(
    rclone_s3: Server, aws_config: AwsConfig, bucket_name: str
) -> None:
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(rclone_s3.url) as proxy:
        provider = AwsProvider(aws_config(rclone_s3, endpoint_url=proxy.url))
        put(provider, "arm.blend", LARGE)
        proxy.truncate(method="GET", path="arm.blend")
        with provider.get("arm.blend") as download:
            chunks = iter(download)
            next(chunks)
            rclone_s3.client().put_object(Bucket=bucket_name, Key="arm.blend", Body=LARGE[::-1])
            with pytest.raises(PreconditionFailedError):
                list(chunks)


def test_the_bucket_is_managed_as_far_as_it_goes(rclone_s3: Server, aws_config: AwsConfig, bucket_name: str) -> None:
    bucket = AwsBucket(aws_config(rclone_s3))
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    assert bucket_name in bucket.names()
    assert bucket.facts() == BucketFacts("us-east-1", keeps_versions=False)
    with pytest.raises(UnsupportedError):
        bucket.keep_versions()
    bucket.delete()
    assert bucket_name not in bucket.names()


def test_an_object_is_an_ordinary_file_of_the_server(
    provider: AwsProvider, rclone_s3: Server, bucket_name: str
) -> None:
    put(provider, "robot/arm é.blend", LARGE)
    assert rclone_s3.client().get_object(Bucket=bucket_name, Key="robot/arm é.blend")["Body"].read() == LARGE


# -- the tools that others use


def aws_cli(server: Store, source: str, target: str) -> None:
    """Copy with Amazon's own command."""
    assert isinstance(server, Server)
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    command = [SCRIPTS / "aws", "s3", "cp", "--quiet", "--endpoint-url", server.url]
    run(command, source, target, "s3://", keys | {"AWS_DEFAULT_REGION": REGION})


def rclone(server: Store, source: str, target: str) -> None:
    """Copy with rclone."""
    if isinstance(server, AzureServer):
        remote = {"TYPE": "azureblob", "ACCOUNT": server.account_name, "KEY": server.account_key}
        remote |= {"ENDPOINT": server.account_url, "CHUNK_SIZE": "4Mi", "NO_CHECK_CONTAINER": "true"}
    else:
        remote = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": server.url, "NO_CHECK_BUCKET": "true"}
        remote |= {"ACCESS_KEY_ID": server.access_key, "SECRET_ACCESS_KEY": server.secret_key, "UPLOAD_CUTOFF": "8Mi"}
    variables = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}
    run([SCRIPTS / "rclone", "copyto", "--config", os.devnull], source, target, "store:", variables)


def run(command: list[str | Path], source: str, target: str, store: str, variables: Mapping[str, str]) -> None:
    ends = [each.replace("store:", store, 1) for each in (source, target)]
    done = subprocess.run(
        [*command, *ends], env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


TOOLS: dict[str, tuple[str, Tool]] = {
    "aws with moto": ("moto", aws_cli),
    "rclone with moto": ("moto", rclone),
    "aws with rclone": ("rclone_s3", aws_cli),
    "rclone with rclone": ("rclone_s3", rclone),
    "rclone with Azurite": ("azurite", rclone),
}


@pytest.fixture(params=TOOLS.values(), ids=TOOLS.keys())
def tool(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Copies from and to a store, whose paths begin with ``store:``."""
    _, copy = request.param
    return functools.partial(copy, request.getfixturevalue("server"))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Store:
    name, _ = request.node.callspec.params["tool"]
    server: Store = request.getfixturevalue(name)
    return server


@pytest.fixture
def shared(
    server: Store, aws_config: AwsConfig, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> CloudStorageManager:
    """Our side of the same store."""
    if isinstance(server, AzureServer):
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", server.connection_string)
        server.client().create_container(bucket_name)
        return CloudStorageManager(CloudStorageConfig(provider="azure", bucket_name=bucket_name, prefix="models"))
    server.client().create_bucket(Bucket=bucket_name)
    return CloudStorageManager(aws_config(server, prefix="models"))


CONTENTS = {"small": b"BLENDER-v500", "in parts": (LARGE + LARGE)[: 20 * MIB]}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_other_tools_read_what_we_push(
    shared: CloudStorageManager, bucket_name: str, tmp_path: Path, tool: Callable[[str, str], None], content: bytes
) -> None:
    (tmp_path / "arm.blend").write_bytes(content)
    shared.upload_component(tmp_path / "arm.blend", "robot/arm é.blend", metadata={"author": "Zoë"})
    tool(f"store:{bucket_name}/models/robot/arm é.blend", str(tmp_path / "read.blend"))
    assert (tmp_path / "read.blend").read_bytes() == content


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_what_other_tools_put_there_is_listed_pulled_and_synced(
    shared: CloudStorageManager, bucket_name: str, tmp_path: Path, tool: Callable[[str, str], None], content: bytes
) -> None:
    (tmp_path / "arm.blend").write_bytes(content)
    tool(str(tmp_path / "arm.blend"), f"store:{bucket_name}/models/robot/arm é.blend")
    (listed,) = shared.list_components()
    assert (listed.component_id, listed.size) == ("robot/arm é.blend", len(content))
    pulled = shared.download_component("robot/arm é.blend", tmp_path / "pulled.blend")
    assert pulled.sha256 == sha256(content)
    folder = tmp_path / "synced"
    synchronizer = StorageSynchronizer(shared, SyncConfig(local_dir=str(folder)))
    assert synchronizer.synchronize().errors == {}
    assert (folder / "robot/arm é.blend").read_bytes() == content
    assert synchronizer.synchronize().plan == ()
    tool(__file__, f"store:{bucket_name}/models/robot/arm é.blend")
    assert synchronizer.synchronize().errors == {}
    assert (folder / "robot/arm é.blend").read_bytes() == Path(__file__).read_bytes()
