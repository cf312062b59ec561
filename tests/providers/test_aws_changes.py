"""A new version of a large object on S3: only what changed is sent, and the result is that of an ordinary upload."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conformance import METADATA, MIB, BytesSource, put, sha256
from fault_proxy import FaultProxy
from servers import Server, rclone_server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import (
    CancelledError,
    PreconditionFailedError,
    SourceChangedError,
)
from ggg_cloud_addon.cloud_storage.providers import aws_changes
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.base import IfMatch

AwsConfig = Callable[..., CloudStorageConfig]

KEY = "arm.blend"
OLD = random.Random(7).randbytes(48 * MIB)
EDITED = OLD[:1000] + b"inserted" + OLD[1000 : 20 * MIB] + b"changed" + OLD[20 * MIB + 7 :] + b"appended"
"""Changes near the begin, in the middle, and at the end, which costs a part of 5 MiB for each but the last."""


class Wire:
    """The bytes of bodies that went to the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = 0
        body = aws_changes_body()
        read = body.read

        def counted(this: object, size: int | None = -1) -> bytes:
            content: bytes = read(this, size)
            self.sent += len(content)
            return content

        monkeypatch.setattr(body, "read", counted)


def aws_changes_body() -> type:
    from ggg_cloud_addon.cloud_storage.providers.streams import Body

    return Body


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    with FaultProxy(moto.url) as proxy:
        yield proxy


@pytest.fixture
def config(
    moto: Server, proxy: FaultProxy, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch
) -> CloudStorageConfig:
    AwsBucket(aws_config(moto)).create()
    monkeypatch.setattr(aws_changes, "FAST", 1 << 50)  # as over a slow line
    return aws_config(moto, endpoint_url=proxy.url, max_concurrency=2)


@pytest.fixture
def provider(config: CloudStorageConfig) -> AwsProvider:
    """That has stored the former content, and knows what the server can do."""
    provider = AwsProvider(config)
    assert provider.capabilities.versions
    put(provider, KEY, OLD)
    return provider


@pytest.fixture
def stored(moto: Server, bucket_name: str) -> Callable[[], bytes]:
    """What lies in the bucket, as a client sees it that is not ours."""
    client = moto.client()
    return lambda: bytes(client.get_object(Bucket=bucket_name, Key=KEY)["Body"].read())


def unfinished(moto: Server, bucket_name: str) -> list[object]:
    return list(moto.client().list_multipart_uploads(Bucket=bucket_name).get("Uploads", ()))


def copies(proxy: FaultProxy) -> int:
    """The copied parts have no body, so that only the bytes that are sent tell them apart; their number is known."""
    return sum(request.method == "PUT" and "partNumber=" in request.path for request in proxy.requests)


@pytest.mark.parametrize("name", ["this process", "another process"])
def test_only_what_changed_is_sent(
    provider: AwsProvider, config: CloudStorageConfig, wire: Wire, stored: Callable[[], bytes], name: str
) -> None:
    if name == "another process":
        provider = AwsProvider(config)
    moved: list[int] = []
    info = provider.put(KEY, BytesSource(EDITED), metadata=METADATA, on_bytes=moved.append)
    assert wire.sent < 11 * MIB
    assert stored() == EDITED
    assert (info.size, info.sha256, sum(moved)) == (len(EDITED), sha256(EDITED), len(EDITED))
    assert (info, dict(info.metadata)) == (provider.head(KEY), METADATA)
    assert {each.size for each in provider.versions(KEY)} == {len(OLD), len(EDITED)}


def test_the_next_version_is_sent_as_changes_of_this_one(
    provider: AwsProvider, wire: Wire, stored: Callable[[], bytes]
) -> None:
    for content in (EDITED, EDITED[:30_000_000] + b"again" + EDITED[30_000_000:], EDITED):
        wire.sent = 0
        put(provider, KEY, content)
        assert wire.sent < 11 * MIB
        assert stored() == content


def test_over_a_fast_line_nothing_is_cut_and_all_is_sent(
    provider: AwsProvider, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(aws_changes, "FAST", 0)
    put(provider, "leg.blend", OLD)
    wire.sent = 0
    put(provider, "leg.blend", EDITED)
    assert wire.sent == len(EDITED)


@pytest.mark.parametrize("way", ["replaced", "deleted", "put back"])
def test_what_somebody_else_stored_meanwhile_is_not_built_upon(
    provider: AwsProvider, moto: Server, bucket_name: str, stored: Callable[[], bytes], way: str
) -> None:
    client = moto.client()
    if way == "deleted":
        client.delete_object(Bucket=bucket_name, Key=KEY)
    else:
        client.put_object(Bucket=bucket_name, Key=KEY, Body=OLD[::-1])
    if way == "put back":
        client.put_object(Bucket=bucket_name, Key=KEY, Body=OLD)
    assert provider.put(KEY, BytesSource(EDITED)).sha256 == sha256(EDITED)
    assert stored() == EDITED


@pytest.mark.parametrize("condition", [None, "match"])
def test_what_somebody_else_stores_in_the_middle_is_not_built_upon(
    provider: AwsProvider,
    moto: Server,
    bucket_name: str,
    stored: Callable[[], bytes],
    monkeypatch: pytest.MonkeyPatch,
    condition: str | None,
) -> None:
    etag = provider.head(KEY).etag
    other = OLD[::-1]
    plan = aws_changes.plan

    def plan_and_replace(*arguments: object) -> object:
        moto.client().put_object(Bucket=bucket_name, Key=KEY, Body=other)
        return plan(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(aws_changes, "plan", plan_and_replace)
    if condition is None:
        assert provider.put(KEY, BytesSource(EDITED)).sha256 == sha256(EDITED)
        assert stored() == EDITED
    else:
        with pytest.raises(PreconditionFailedError):
            provider.put(KEY, BytesSource(EDITED), condition=IfMatch(etag))
        assert stored() == other
    assert unfinished(moto, bucket_name) == []


FAULTS: dict[str, Callable[[FaultProxy], object]] = {
    "cut every few megabytes": lambda proxy: proxy.cut_every(5 * MIB),
    "busy": lambda proxy: proxy.answer(503, times=3, path="partNumber="),
    "a copy that is refused": lambda proxy: proxy.answer(403, path="partNumber=2"),
    "a copy that the server cannot make": lambda proxy: proxy.answer(501, path="partNumber=2"),
    "an answer to a copy is lost": lambda proxy: proxy.lose_answer(path="partNumber=2"),
    "the last answer is lost": lambda proxy: proxy.lose_answer(method="POST", path="uploadId="),
    "the parts cannot be put together": lambda proxy: proxy.answer(400, method="POST", path="uploadId="),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_result_is_the_same_under_faults(
    provider: AwsProvider,
    proxy: FaultProxy,
    moto: Server,
    bucket_name: str,
    stored: Callable[[], bytes],
    fault: Callable[[FaultProxy], object],
) -> None:
    fault(proxy)
    moved: list[int] = []
    info = provider.put(KEY, BytesSource(EDITED), condition=IfMatch(provider.head(KEY).etag), on_bytes=moved.append)
    assert proxy.faults
    assert stored() == EDITED
    assert (info.sha256, sum(moved)) == (sha256(EDITED), len(EDITED))
    assert unfinished(moto, bucket_name) == []


def test_a_server_that_copies_something_else_is_found_out(
    provider: AwsProvider, wire: Wire, stored: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``rclone serve s3``, which takes the request for an empty part."""

    def break_range(params: dict[str, object], **_: object) -> None:
        params["headers"]["x-amz-copy-source-range"] = "bytes=0-5999999"  # type: ignore[index]

    provider._s3.slow.meta.events.register("before-call.s3.UploadPartCopy", break_range)
    info = provider.put(KEY, BytesSource(EDITED))
    assert (stored(), info.sha256) == (EDITED, sha256(EDITED))
    wire.sent = 0
    put(provider, KEY, OLD)
    assert wire.sent == len(OLD)  # it is not tried again


def test_rclones_server_gets_all_of_it(
    tmp_path: Path, aws_config: AwsConfig, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_changes, "FAST", 1 << 50)
    folder = tmp_path / "served"
    (folder / bucket_name).mkdir(parents=True)
    with rclone_server(folder) as server:
        provider = AwsProvider(aws_config(server))
        put(provider, KEY, OLD)
        put(provider, KEY, EDITED)
        assert (folder / bucket_name / KEY).read_bytes() == EDITED


def test_a_cancelled_one_leaves_the_old(
    provider: AwsProvider, moto: Server, bucket_name: str, stored: Callable[[], bytes]
) -> None:
    def stop(count: int) -> None:
        if count:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        provider.put(KEY, BytesSource(EDITED), on_bytes=stop)
    assert stored() == OLD
    assert unfinished(moto, bucket_name) == []


def test_one_is_cancelled_while_it_is_cut(provider: AwsProvider, wire: Wire) -> None:
    def stop(count: int) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        provider.put(KEY, BytesSource(EDITED), on_bytes=stop)
    assert wire.sent == 0


def test_a_source_that_changes_is_not_stored(provider: AwsProvider, stored: Callable[[], bytes]) -> None:
    class Changing(BytesSource):
        def verify(self) -> None:
            raise SourceChangedError("It was written to.")

    with pytest.raises(SourceChangedError):
        provider.put(KEY, Changing(EDITED))
    assert stored() == OLD


def test_amazon_is_asked_to_check_the_whole(
    provider: AwsProvider, stored: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests as they go to Amazon's own; the server here takes the checksum and does not compare it."""
    asked: dict[str, dict[str, object]] = {}

    def note(params: dict[str, object], model: object, **_: object) -> None:
        asked[model.name] = dict(params["headers"])  # type: ignore[attr-defined,call-overload]

    for client in (provider._s3.client, provider._s3.slow):
        client.meta.events.register("before-call.s3", note)
    monkeypatch.setattr(type(provider._s3), "is_amazon", property(lambda s3: True))
    provider.put(KEY, BytesSource(EDITED))
    assert asked["CreateMultipartUpload"]["x-amz-checksum-type"] == "FULL_OBJECT"
    assert asked["CompleteMultipartUpload"]["x-amz-checksum-type"] == "FULL_OBJECT"
    assert "x-amz-checksum-crc32" in asked["CompleteMultipartUpload"]
    assert stored() == EDITED


def test_without_the_cutter_all_is_sent(
    provider: AwsProvider, wire: Wire, monkeypatch: pytest.MonkeyPatch, stored: Callable[[], bytes]
) -> None:
    monkeypatch.setattr(aws_changes, "can_cut", lambda: False)
    put(provider, KEY, EDITED)
    assert (wire.sent, stored()) == (len(EDITED), EDITED)
