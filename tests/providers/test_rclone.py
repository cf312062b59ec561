"""A server that speaks S3 and is not Amazon's, as users bring them, and the tools that others use."""

import os
import subprocess
import sysconfig
from collections.abc import Callable
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
from servers import REGION, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError, PreconditionFailedError, UnsupportedError
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.base import BucketFacts, IfAbsent, Provider

AwsConfig = Callable[..., CloudStorageConfig]
Tool = Callable[[Server, str, str], None]

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


def aws_cli(server: Server, source: str, target: str) -> None:
    """Copy with Amazon's own command; ``s3:`` stands before what is in the store."""
    run([SCRIPTS / "aws", "s3", "cp", "--quiet", "--endpoint-url", server.url], source, target, "s3://", server)


def rclone(server: Server, source: str, target: str) -> None:
    """Copy with rclone."""
    remote = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": server.url}
    remote |= {"ACCESS_KEY_ID": server.access_key, "SECRET_ACCESS_KEY": server.secret_key}
    variables = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}
    command = [
        SCRIPTS / "rclone",
        "copyto",
        "--config",
        os.devnull,
        "--s3-upload-cutoff",
        "8Mi",
        "--s3-no-check-bucket",
    ]
    run(command, source, target, "store:", server, **variables)


def run(command: list[str | Path], source: str, target: str, store: str, server: Server, **variables: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    ends = [each.replace("s3:", store, 1) for each in (source, target)]
    environment = os.environ | keys | {"AWS_DEFAULT_REGION": REGION} | variables
    done = subprocess.run([*command, *ends], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=["moto", "rclone_s3"])
def server(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def shared(server: Server, aws_config: AwsConfig, bucket_name: str) -> CloudStorageManager:
    server.client().create_bucket(Bucket=bucket_name)
    return CloudStorageManager(aws_config(server, prefix="models"))


CONTENTS = {"small": b"BLENDER-v500", "in parts": (LARGE + LARGE)[: 20 * MIB]}


@pytest.mark.parametrize("tool", [aws_cli, rclone], ids=["aws", "rclone"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_other_tools_read_what_we_push(
    shared: CloudStorageManager, server: Server, bucket_name: str, tmp_path: Path, tool: Tool, content: bytes
) -> None:
    (tmp_path / "arm.blend").write_bytes(content)
    shared.upload_component(tmp_path / "arm.blend", "robot/arm é.blend", metadata={"author": "Zoë"})
    tool(server, f"s3:{bucket_name}/models/robot/arm é.blend", str(tmp_path / "read.blend"))
    assert (tmp_path / "read.blend").read_bytes() == content


@pytest.mark.parametrize("tool", [aws_cli, rclone], ids=["aws", "rclone"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_what_other_tools_put_there_is_listed_pulled_and_synced(
    shared: CloudStorageManager, server: Server, bucket_name: str, tmp_path: Path, tool: Tool, content: bytes
) -> None:
    (tmp_path / "arm.blend").write_bytes(content)
    tool(server, str(tmp_path / "arm.blend"), f"s3:{bucket_name}/models/robot/arm é.blend")
    (listed,) = shared.list_components()
    assert (listed.component_id, listed.size) == ("robot/arm é.blend", len(content))
    pulled = shared.download_component("robot/arm é.blend", tmp_path / "pulled.blend")
    assert pulled.sha256 == sha256(content)
    folder = tmp_path / "synced"
    synchronizer = StorageSynchronizer(shared, SyncConfig(local_dir=str(folder)))
    assert synchronizer.synchronize().errors == {}
    assert (folder / "robot/arm é.blend").read_bytes() == content
    assert synchronizer.synchronize().plan == ()
    tool(server, __file__, f"s3:{bucket_name}/models/robot/arm é.blend")
    assert synchronizer.synchronize().errors == {}
    assert (folder / "robot/arm é.blend").read_bytes() == Path(__file__).read_bytes()
