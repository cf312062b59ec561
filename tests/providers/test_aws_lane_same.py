"""The fast lane to real servers: they take what it signs, and give it what they give boto3."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conformance import BIG, LARGE, BytesSource, put, read, sha256
from servers import Certificate, Server, moto_server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import StorageError
from ggg_cloud_addon.cloud_storage.providers import aws_client, streams
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.aws_client import S3
from ggg_cloud_addon.cloud_storage.providers.aws_lane import Lane
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent, Provider, list_all
from ggg_cloud_addon.cloud_storage.providers.fast_lane import FAILURES

AwsConfig = Callable[..., CloudStorageConfig]

KEYS = [
    "arm.blend",
    "old robots/arm of robot.blend",
    "a+b%20c&d=e#f@g!.blend",
    "Größe/腕 🤖.blend",
    "it's [this] {one} (2), ~$^`;.blend",
    "two//slashes.blend",
    "a?b=c.blend",
    "..arm/.blend",
    "tab\there.blend",
]


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_client, "ATTEMPTS", 2)
    monkeypatch.setattr(streams, "TRIES", 2)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def closed(provider: AwsProvider) -> AwsProvider:
    """Another one for the same bucket, by boto3 alone."""
    other = AwsProvider(provider._config)
    lane = other._s3._lane
    assert lane is not None
    for _ in range(FAILURES):
        lane.failed()
    return other


@pytest.fixture
def provider(moto: Server, aws_config: AwsConfig) -> AwsProvider:
    AwsBucket(aws_config(moto)).create()
    return AwsProvider(aws_config(moto))


def test_what_transfers_and_listings_consist_of_needs_no_boto3(provider: AwsProvider) -> None:
    put(provider, "arm.blend", BIG)
    assert read(provider, "arm.blend") == BIG
    assert provider.head("arm.blend").size == len(BIG)
    assert [each.key for each in provider.list().objects] == ["arm.blend"]
    assert provider._s3._made == {}


def test_the_parts_of_an_upload_go_by_the_lane(provider: AwsProvider) -> None:
    sent: list[str] = []
    for client in (provider._s3.client, provider._s3.slow, provider._s3.single):
        client.meta.events.register(
            "before-send.s3", lambda request, **_: sent.append(f"{request.method} {request.url}")
        )
    put(provider, "arm.blend", LARGE)
    assert [each for each in sent if "partNumber" in each] == []
    assert [each for each in sent if each.startswith("POST")] != []
    assert sha256(read(closed(provider), "arm.blend")) == sha256(LARGE)


METADATA = {"note": "a, b; c=d", "spaces": "two  spaces,   three", "ends": " x  ", "name": "Zoë 手 🤖"}


@pytest.mark.parametrize("key", KEYS)
def test_signatures_hold_for_every_name(provider: AwsProvider, key: str) -> None:
    other = closed(provider)
    for writer in (provider, other):
        made = writer.put(key, BytesSource(key.encode()), metadata=METADATA)
        seen = provider.head(key)
        assert seen == other.head(key)
        assert (seen.etag, dict(seen.metadata), seen.sha256) == (made.etag, METADATA, made.sha256)
        assert read(provider, key) == read(other, key) == key.encode()
        assert list(list_all(provider, key)) == list(list_all(other, key)) != []
    assert provider._s3._made == {}


@pytest.mark.parametrize("key", [key for key in KEYS if "//" not in key and "\t" not in key])
def test_signatures_hold_on_another_server(rclone_s3: Server, aws_config: AwsConfig, key: str) -> None:
    AwsBucket(aws_config(rclone_s3)).create()
    provider = AwsProvider(aws_config(rclone_s3))
    put(provider, key, b"arm")
    assert read(provider, key) == b"arm"
    assert read(closed(provider), key) == b"arm"
    assert [each.key for each in list_all(provider, key)] == [key]
    assert provider._s3._lane is not None
    assert provider._s3._lane._failures == 0


def test_a_listing_of_several_pages_is_the_same(provider: AwsProvider) -> None:
    names = [f"{number:04} of+{number % 7}%/é.blend" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: put(provider, name, name.encode()), names))
    other = closed(provider)
    first_page = provider.list()
    assert first_page.next_token
    assert len(first_page.objects) == 1000
    found = list(list_all(provider))
    assert found == list(list_all(other))
    assert [each.key for each in found] == sorted(names, key=str.encode)
    assert list(list_all(provider, "0007 ")) == list(list_all(other, "0007 "))
    assert list(list_all(provider, "nothing")) == []


CASES: dict[str, tuple[dict[str, Any], bytes]] = {
    "plain": ({}, b"arm"),
    "empty": ({}, b""),
    "without encryption": ({"encryption": False}, b"arm"),
    "with a key": ({"kms_key_id": "arn:aws:kms:us-east-1:123456789012:key/6d4f8cf2-1c3b-4c7a-9a3e-0a1f3a3b3c3d"}, b"a"),
    "storage class": ({"storage_tier": "STANDARD_IA"}, b"arm"),
    "public": ({"public_access": True}, b"arm"),
    "in parts": ({}, LARGE),
}


@pytest.mark.parametrize(("settings", "content"), CASES.values(), ids=CASES.keys())
def test_objects_are_the_same_by_either_way(
    moto: Server, aws_config: AwsConfig, bucket_name: str, settings: dict[str, Any], content: bytes
) -> None:
    config = aws_config(moto, **settings)
    AwsBucket(config).create()
    by_lane, client = AwsProvider(config), moto.client()
    writers = (by_lane, closed(by_lane))
    stored = []
    for writer in writers:
        made = writer.put("arm.blend", BytesSource(content), metadata=METADATA)
        heads = [reader.head("arm.blend") for reader in writers]
        assert heads[0] == heads[1] == replace(made, modified=heads[0].modified, created=heads[0].created)
        old = [reader.head("arm.blend", version_id=made.version_id) for reader in writers]
        assert old[0] == old[1] == heads[0]
        for start in {0, len(content) // 2, len(content)}:
            assert {read(reader, "arm.blend", start=start) for reader in writers} == {content[start:]}
            assert {read(each, "arm.blend", version_id=made.version_id, start=start) for each in writers} == {
                content[start:]
            }
        seen = client.head_object(Bucket=bucket_name, Key="arm.blend", ChecksumMode="ENABLED")
        grants = None
        if content != LARGE:  # moto answers 500 where it was in parts
            grants = client.get_object_acl(Bucket=bucket_name, Key="arm.blend")["Grants"]
        changing = ("ResponseMetadata", "VersionId", "LastModified")
        stored.append((grants, {name: value for name, value in seen.items() if name not in changing}))
    assert stored[0] == stored[1]


def test_what_is_not_there_is_missing_by_either_way(provider: AwsProvider) -> None:
    put(provider, "arm.blend", b"arm")
    other = closed(provider)

    def said(act: Callable[[Provider], object], reader: Provider) -> tuple[type[StorageError], str]:
        with pytest.raises(StorageError) as caught:
            act(reader)
        return caught.type, str(caught.value)

    acts: list[Callable[[Provider], object]] = [
        lambda each: each.head("leg.blend"),
        lambda each: read(each, "leg.blend"),
        lambda each: each.head("arm.blend", version_id="6d4f8cf2-1c3b-4c7a-9a3e-0a1f3a3b3c3d"),
        lambda each: read(each, "arm.blend", version_id="6d4f8cf2-1c3b-4c7a-9a3e-0a1f3a3b3c3d"),
        lambda each: put(each, "arm.blend", b"arm", IfAbsent()),
        lambda each: contextlib.ExitStack().enter_context(each.get("arm.blend", if_match='"other"')),
    ]
    for act in acts:
        assert said(act, provider) == said(act, other)


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with moto_server(certificate=Certificate.self_signed(tmp_path_factory.mktemp("tls"))) as server:
        yield server


@pytest.mark.parametrize("content", [b"arm", LARGE], ids=["small", "in parts"])
def test_tls_with_a_certificate_of_ones_own(over_tls: Server, aws_config: AwsConfig, content: bytes) -> None:
    config = aws_config(over_tls, ca_bundle=over_tls.ca_bundle)
    AwsBucket(config).create()
    provider = AwsProvider(config)
    put(provider, "arm.blend", content)
    assert sha256(read(provider, "arm.blend")) == sha256(read(closed(provider), "arm.blend")) == sha256(content)
    assert provider._s3._lane is not None
    assert provider._s3._lane._failures == 0


@pytest.mark.usefixtures("short_patience")
def test_tls_with_another_certificate_is_refused_in_the_same_words(
    over_tls: Server, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch, wrong_bundle: Path | None
) -> None:
    said = []
    for is_open in (True, False):
        monkeypatch.setattr(Lane, "is_open", is_open)
        if not is_open:
            monkeypatch.setattr(S3, "_lane", None)
        with pytest.raises(StorageError) as caught:
            AwsProvider(aws_config(over_tls, ca_bundle=wrong_bundle)).list()
        said.append((caught.type, str(caught.value)))
    assert said[0] == said[1]
