"""S3: the conformance suite on a server that knows its users, and what only S3 promises."""

import json
import logging
import multiprocessing
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import conformance
import pytest
from conformance import (
    BIG,
    LARGE,
    METADATA,
    MIB,
    BytesSource,
    ProviderConformance,
    is_one_sentence_on,
    keys,
    put,
    race,
    read,
    sha256,
    state,
)
from fault_proxy import FaultProxy
from servers import Server, user_with_policy

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
)
from ggg_cloud_addon.cloud_storage.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConfigError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UnsupportedError,
)
from ggg_cloud_addon.cloud_storage.providers import aws, aws_client, aws_upload
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.aws_lane import Lane
from ggg_cloud_addon.cloud_storage.providers.base import BucketFacts, IfAbsent, IfMatch, Provider

AwsConfig = Callable[..., CloudStorageConfig]

EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/6d4f8cf2-1c3b-4c7a-9a3e-0a1f3a3b3c3d"


@pytest.fixture
def provider(moto: Server, aws_config: AwsConfig) -> AwsProvider:
    AwsBucket(aws_config(moto)).create()
    return AwsProvider(aws_config(moto))


@pytest.fixture
def plain(moto: Server) -> Any:
    """What a client that is not ours sees."""
    return moto.client()


def unfinished(client: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


class TestConformance(ProviderConformance):
    @pytest.fixture
    def provider(self, moto: Server, aws_config: AwsConfig, caplog: pytest.LogCaptureFixture) -> Iterator[Provider]:
        config = aws_config(moto)
        AwsBucket(config).create()
        caplog.set_level(logging.DEBUG, aws_client.__name__)
        provider = AwsProvider(config)
        yield provider
        assert unfinished(moto.client(), config.bucket_name) == []
        assert provider._s3._lane is not None
        assert provider._s3._lane.is_open
        assert not [said for said in caplog.get_records("call") if "no answer" in said.getMessage()]


class TestConformanceByBoto3Alone(ProviderConformance):
    """Nobody above the provider can tell whether the fast lane served, which is closed here.

    The two long listings are left out; test_aws_lane.py compares one.
    """

    rounds = 12
    test_pages_together_are_complete = None  # type: ignore[assignment]
    test_a_listing_during_deletes_has_all_that_stays_once = None  # type: ignore[assignment]

    @pytest.fixture
    def provider(self, moto: Server, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
        monkeypatch.setattr(Lane, "is_open", False)
        monkeypatch.setattr(conformance, "RACES", 20)
        config = aws_config(moto)
        AwsBucket(config).create()
        yield AwsProvider(config)
        assert unfinished(moto.client(), config.bucket_name) == []


# -- what the store was asked for, read back from it


def store_it(provider: Provider, way: str) -> str:
    """Make an object in each way that there is; the answer is its key."""
    put(provider, "arm.blend", LARGE if way == "in parts" else b"arm")
    if way.startswith("copied"):
        provider.copy("arm.blend", "copy.blend")
        return "copy.blend"
    return "arm.blend"


@pytest.fixture(params=["whole", "in parts", "copied", "copied in parts"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "copied in parts":
        monkeypatch.setattr(aws_upload, "COPY_SIZE", 1)
    return str(request.param)


def test_what_is_stored_is_encrypted_with_the_stores_key(
    moto: Server, aws_config: AwsConfig, plain: Any, way: str
) -> None:
    config = aws_config(moto)
    AwsBucket(config).create()
    key = store_it(AwsProvider(config), way)
    assert plain.head_object(Bucket=config.bucket_name, Key=key)["ServerSideEncryption"] == "AES256"


def test_what_is_stored_is_encrypted_with_the_key_in_the_settings(
    moto: Server, aws_config: AwsConfig, plain: Any, way: str
) -> None:
    config = aws_config(moto, kms_key_id=KMS_KEY)
    AwsBucket(config).create()
    key = store_it(AwsProvider(config), way)
    head = plain.head_object(Bucket=config.bucket_name, Key=key)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)


def test_no_encryption_is_asked_for_where_it_is_switched_off(
    moto: Server, aws_config: AwsConfig, plain: Any, way: str
) -> None:
    config = aws_config(moto, encryption=False)
    AwsBucket(config).create()
    key = store_it(AwsProvider(config), way)
    assert "ServerSideEncryption" not in plain.head_object(Bucket=config.bucket_name, Key=key)


def may_everybody_read(plain: Any, bucket: str, key: str) -> bool:
    grants = plain.get_object_acl(Bucket=bucket, Key=key)["Grants"]
    return ("READ", EVERYBODY) in [(grant["Permission"], grant["Grantee"].get("URI")) for grant in grants]


def test_everybody_may_read_what_is_to_be_public(moto: Server, aws_config: AwsConfig, plain: Any, way: str) -> None:
    config = aws_config(moto, public_access=True)
    AwsBucket(config).create()
    key = store_it(AwsProvider(config), way)
    assert may_everybody_read(plain, config.bucket_name, key)


def test_nobody_else_may_read_what_is_not_to_be_public(provider: AwsProvider, plain: Any, bucket_name: str) -> None:
    put(provider, "arm.blend", b"arm")
    assert not may_everybody_read(plain, bucket_name, "arm.blend")


def test_what_is_stored_has_the_storage_class_of_the_settings(
    moto: Server, aws_config: AwsConfig, plain: Any, way: str
) -> None:
    config = aws_config(moto, storage_tier="standard_ia")
    AwsBucket(config).create()
    provider = AwsProvider(config)
    key = store_it(provider, way)
    assert plain.head_object(Bucket=config.bucket_name, Key=key)["StorageClass"] == "STANDARD_IA"
    assert {each.tier for each in provider.list().objects} == {provider.head(key).tier} == {"STANDARD_IA"}


def test_an_unknown_storage_class_is_said(moto: Server, aws_config: AwsConfig) -> None:
    AwsBucket(aws_config(moto)).create()
    with pytest.raises(ConfigError, match="storage_tier"):
        put(AwsProvider(aws_config(moto, storage_tier="COLD")), "arm.blend", b"arm")


def test_the_object_is_the_file_itself(provider: AwsProvider, plain: Any, bucket_name: str, way: str) -> None:
    key = store_it(provider, way)
    got = plain.get_object(Bucket=bucket_name, Key=key)
    assert got["Body"].read() == (LARGE if way == "in parts" else b"arm")
    assert got["Metadata"] == {"ggg-sha256": sha256(LARGE if way == "in parts" else b"arm")}


# -- a bucket without versions


@pytest.fixture
def forgetful(moto: Server, aws_config: AwsConfig, plain: Any, bucket_name: str) -> AwsProvider:
    plain.create_bucket(Bucket=bucket_name)
    return AwsProvider(aws_config(moto))


def test_a_bucket_without_versions_says_so(forgetful: AwsProvider) -> None:
    assert not forgetful.capabilities.versions
    info = forgetful.put("arm.blend", BytesSource(b"arm"))
    assert info.version_id is forgetful.head("arm.blend").version_id is None
    with pytest.raises(UnsupportedError) as caught:
        forgetful.versions("arm.blend")
    assert is_one_sentence_on(caught.value, "arm.blend")
    assert "--keep-versions" in str(caught.value)


def test_a_bucket_without_versions_does_all_the_rest(forgetful: AwsProvider) -> None:
    etag = put(forgetful, "arm.blend", b"old", IfAbsent())
    put(forgetful, "arm.blend", LARGE, IfMatch(etag))
    with pytest.raises(PreconditionFailedError):
        put(forgetful, "arm.blend", b"late", IfMatch(etag))
    forgetful.copy("arm.blend", "copy.blend", condition=IfAbsent())
    forgetful.delete("arm.blend")
    assert read(forgetful, "copy.blend") == LARGE
    forgetful.erase("copy.blend")
    assert keys(forgetful) == []


def test_an_object_from_before_the_versions_is_the_oldest(
    forgetful: AwsProvider, moto: Server, aws_config: AwsConfig
) -> None:
    put(forgetful, "arm.blend", b"old")
    AwsBucket(aws_config(moto)).keep_versions()
    provider = AwsProvider(aws_config(moto))
    assert provider.capabilities.versions
    put(provider, "arm.blend", b"new")
    history = provider.versions("arm.blend")
    assert [read(provider, "arm.blend", version_id=each.version_id) for each in history] == [b"new", b"old"]
    provider.copy("arm.blend", "arm.blend", version_id=history[1].version_id)
    assert read(provider, "arm.blend") == b"old"


# -- links


@pytest.fixture
def shared(moto_open: Server, aws_config: AwsConfig) -> AwsProvider:
    """Where links are opened: the server that knows its users answers 500 to them."""
    AwsBucket(aws_config(moto_open)).create()
    return AwsProvider(aws_config(moto_open))


def fetch(link: str) -> bytes:
    with urllib.request.urlopen(link, timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("key", ["arm.blend", "Größe/a+b%20c&d=e#f@g!.blend"])
def test_a_link_is_opened_without_credentials(
    shared: AwsProvider, key: str, bucket_name: str, moto_open: Server
) -> None:
    put(shared, key, BIG)
    link = shared.share_link(key, 3600)
    assert "X-Amz-Expires=3600" in link
    assert fetch(link) == BIG
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(link.split("?")[0])


def test_a_link_leads_to_one_version(shared: AwsProvider) -> None:
    old = shared.put("arm.blend", BytesSource(b"old"))
    put(shared, "arm.blend", b"new")
    assert fetch(shared.share_link("arm.blend", 60, version_id=old.version_id)) == b"old"
    assert fetch(shared.share_link("arm.blend", 60)) == b"new"


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_a_link_of_no_time_or_too_long_is_refused(shared: AwsProvider, seconds: int) -> None:
    put(shared, "arm.blend", b"arm")
    assert "X-Amz-Expires=604800" in shared.share_link("arm.blend", 7 * 24 * 3600)
    with pytest.raises(ConfigError, match="seven days"):
        shared.share_link("arm.blend", seconds)


# -- the bucket itself


def test_a_bucket_whose_answer_is_lost_is_made(moto: Server, aws_config: AwsConfig, bucket_name: str) -> None:
    with FaultProxy(moto.url) as proxy:
        bucket = AwsBucket(aws_config(moto, endpoint_url=proxy.url, region="eu-central-1"))
        proxy.lose_answer(method="PUT", path=f"{bucket_name}$")
        bucket.create()
        assert proxy.faults == 1
        assert bucket_name in bucket.names()


def test_a_bucket_is_made_in_its_region_with_versions_and_closed(
    moto: Server, aws_config: AwsConfig, plain: Any, bucket_name: str
) -> None:
    config = aws_config(moto, region="eu-central-1")
    bucket = AwsBucket(config)
    bucket.create()
    assert plain.get_bucket_location(Bucket=bucket_name)["LocationConstraint"] == "eu-central-1"
    assert plain.get_bucket_versioning(Bucket=bucket_name)["Status"] == "Enabled"
    blocks = plain.get_public_access_block(Bucket=bucket_name)["PublicAccessBlockConfiguration"]
    assert set(blocks.values()) == {True}
    assert len(blocks) == 4
    assert bucket.facts() == BucketFacts(
        region="eu-central-1",
        keeps_versions=True,
        is_public=False,
        encryption=bucket.facts().encryption,
        unfinished_uploads=0,
    )
    put(AwsProvider(config), "arm.blend", b"arm")
    assert bucket_name in bucket.names()


def test_what_is_really_set_is_told(moto: Server, aws_config: AwsConfig, plain: Any, bucket_name: str) -> None:
    plain.create_bucket(Bucket=bucket_name, ACL="public-read")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KMS_KEY}}
    plain.put_bucket_encryption(Bucket=bucket_name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    bucket = AwsBucket(aws_config(moto))
    assert bucket.facts() == BucketFacts("us-east-1", False, True, "aws:kms", 0)
    bucket.block_public_access()
    bucket.keep_versions()
    assert bucket.facts() == BucketFacts("us-east-1", True, False, "aws:kms", 0)


def test_a_bucket_that_a_policy_opens_is_public(
    moto: Server, aws_config: AwsConfig, plain: Any, bucket_name: str
) -> None:
    AwsBucket(aws_config(moto)).create()
    plain.delete_public_access_block(Bucket=bucket_name)
    arn = f"arn:aws:s3:::{bucket_name}/*"
    rule = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    plain.put_bucket_policy(Bucket=bucket_name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
    assert AwsBucket(aws_config(moto)).facts().is_public in (True, None)


def test_a_public_bucket_is_public_only_where_it_was_asked_for(
    moto: Server, aws_config: AwsConfig, plain: Any, bucket_name: str
) -> None:
    AwsBucket(aws_config(moto, public_access=True)).create()
    with pytest.raises(plain.exceptions.ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        plain.get_public_access_block(Bucket=bucket_name)
    owner = plain.get_bucket_ownership_controls(Bucket=bucket_name)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerPreferred"}]


def test_a_bucket_is_made_once(moto: Server, aws_config: AwsConfig, bucket_name: str) -> None:
    AwsBucket(aws_config(moto)).create()
    put(AwsProvider(aws_config(moto)), "arm.blend", b"arm")
    with pytest.raises(PreconditionFailedError) as caught:
        AwsBucket(aws_config(moto)).create()
    assert is_one_sentence_on(caught.value, bucket_name)
    assert keys(AwsProvider(aws_config(moto))) == ["arm.blend"]


def test_a_bucket_with_anything_in_it_is_not_deleted(moto: Server, aws_config: AwsConfig, bucket_name: str) -> None:
    bucket, provider = AwsBucket(aws_config(moto)), AwsProvider(aws_config(moto))
    bucket.create()
    put(provider, "arm.blend", b"arm")
    provider.delete("arm.blend")
    with pytest.raises(PreconditionFailedError) as caught:
        bucket.delete()
    assert is_one_sentence_on(caught.value, bucket_name)
    provider.erase("arm.blend")
    bucket.delete()
    assert bucket_name not in bucket.names()


def test_a_bucket_that_is_not_there_is_never_an_empty_one(
    moto: Server, aws_config: AwsConfig, bucket_name: str
) -> None:
    bucket, provider = AwsBucket(aws_config(moto)), AwsProvider(aws_config(moto))
    for ask in (
        bucket.facts,
        bucket.delete,
        bucket.keep_versions,
        bucket.block_public_access,
        provider.check,
        provider.list,
        lambda: provider.head("arm.blend"),
        lambda: read(provider, "arm.blend"),
        lambda: put(provider, "arm.blend", b"arm"),
        lambda: put(provider, "arm.blend", b"arm", IfAbsent()),
        lambda: put(provider, "arm.blend", LARGE),
        lambda: provider.delete("arm.blend"),
        lambda: provider.copy("arm.blend", "copy.blend"),
        lambda: provider.erase("arm.blend"),
        lambda: provider.versions("arm.blend"),
        lambda: provider.share_link("arm.blend", 60),
        lambda: provider.capabilities,
    ):
        with pytest.raises(BucketNotFoundError) as caught:
            ask()
        assert is_one_sentence_on(caught.value, bucket_name)
    (answer,) = provider.delete_many(["arm.blend"])
    assert isinstance(answer, BucketNotFoundError)


def test_uploads_that_nobody_finished_are_counted_after_a_day(
    moto: Server, rclone_s3: Server, aws_config: AwsConfig, bucket_name: str
) -> None:
    for server, count in ((moto, 1), (rclone_s3, 0)):  # moto says of all that they began in 2010
        server.client().create_bucket(Bucket=bucket_name)
        server.client().create_multipart_upload(Bucket=bucket_name, Key="arm.blend")
        assert AwsBucket(aws_config(server)).facts().unfinished_uploads == count


# -- listings


def test_folder_markers_and_our_own_keys_are_no_components(provider: AwsProvider, plain: Any, bucket_name: str) -> None:
    for key in ("robot/", "robot/left/", ".ggg_store/x", "robot/.ggg_cloud/state.db", "robot/arm.blend", "ggg_store/x"):
        plain.put_object(Bucket=bucket_name, Key=key, Body=b"")
    assert keys(provider) == ["ggg_store/x", "robot/arm.blend"]


def test_more_deletes_than_one_request_takes(provider: AwsProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "DELETE_AT_ONCE", 3)
    names = [f"{number}.blend" for number in range(8)]
    for name in names:
        put(provider, name, b"x")
    answers = provider.delete_many([*names, "never was"])
    assert answers[:-1] == [None] * 8
    assert isinstance(answers[-1], ObjectNotFoundError)
    assert keys(provider) == []


def test_a_refused_delete_of_many_is_said_of_each(moto: Server, provider: AwsProvider, aws_config: AwsConfig) -> None:
    from dataclasses import replace

    put(provider, "a", b"x")
    put(provider, "b", b"x")
    everything_but = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
    ]
    key, secret = user_with_policy(moto, {"Version": "2012-10-17", "Statement": everything_but})
    reader = AwsProvider(aws_config(replace(moto, access_key=key, secret_key=secret)))
    answers = reader.delete_many(["a", "never was", "b"])
    assert [type(each) for each in answers] == [AccessDeniedError, ObjectNotFoundError, AccessDeniedError]
    assert keys(provider) == ["a", "b"]


# -- copies that take more than one request


@pytest.fixture
def short_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_upload, "COPY_SIZE", 5 * MIB)
    monkeypatch.setattr(aws_upload, "COPY_PART_SIZE", 6 * MIB)


@pytest.mark.usefixtures("short_copies")
def test_a_long_copy_is_whole_and_keeps_its_conditions(provider: AwsProvider, plain: Any, bucket_name: str) -> None:
    source = provider.put("arm.blend", BytesSource(LARGE), metadata=METADATA)
    answer = provider.copy("arm.blend", "copy.blend", condition=IfAbsent())
    assert answer == provider.head("copy.blend")
    assert (answer.sha256, dict(answer.metadata)) == (sha256(LARGE), METADATA)
    assert read(provider, "copy.blend") == LARGE
    before = state(provider, "copy.blend")
    for condition in (IfAbsent(), IfMatch(source.etag + "x")):
        with pytest.raises(PreconditionFailedError) as caught:
            provider.copy("arm.blend", "copy.blend", condition=condition)
        assert is_one_sentence_on(caught.value, "copy.blend")
    with pytest.raises(PreconditionFailedError):
        provider.copy("arm.blend", "new.blend", condition=IfMatch(source.etag))
    assert state(provider, "copy.blend") == before
    provider.copy("arm.blend", "copy.blend", condition=IfMatch(answer.etag))
    assert unfinished(plain, bucket_name) == []


@pytest.mark.usefixtures("short_copies")
def test_a_long_version_is_restored(provider: AwsProvider) -> None:
    old = provider.put("arm.blend", BytesSource(LARGE))
    new = put(provider, "arm.blend", b"new")
    provider.copy("arm.blend", "arm.blend", version_id=old.version_id, condition=IfMatch(new))
    assert read(provider, "arm.blend") == LARGE


# -- what others put there


def test_what_other_tools_put_there_is_listed_pulled_and_synced(
    moto: Server, provider: AwsProvider, aws_config: AwsConfig, plain: Any, bucket_name: str, tmp_path: Path
) -> None:
    from boto3.s3.transfer import TransferConfig

    plain.put_object(Bucket=bucket_name, Key="models/robot/arm.blend", Body=b"BLENDER arm")
    (tmp_path / "leg").write_bytes(LARGE)
    in_parts = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=6 * MIB)
    plain.upload_file(str(tmp_path / "leg"), bucket_name, "models/leg.blend", Config=in_parts)
    manager = CloudStorageManager(aws_config(moto, prefix="models"))
    assert [each.component_id for each in manager.list_components()] == ["leg.blend", "robot/arm.blend"]
    assert manager.get_info("leg.blend").sha256 is None
    assert manager.download_component("leg.blend", tmp_path / "pulled.blend").sha256 == sha256(LARGE)
    assert (tmp_path / "pulled.blend").read_bytes() == LARGE

    folder = tmp_path / "synced"
    synchronizer = StorageSynchronizer(manager, SyncConfig(local_dir=str(folder), delete_files=True))
    first = synchronizer.synchronize()
    assert (first.errors, len(first.done)) == ({}, 2)
    assert (folder / "robot/arm.blend").read_bytes() == b"BLENDER arm"
    assert synchronizer.synchronize().plan == ()
    plain.put_object(Bucket=bucket_name, Key="models/robot/arm.blend", Body=b"BLENDER arm 2")
    plain.delete_object(Bucket=bucket_name, Key="models/leg.blend")
    (folder / "hand.blend").write_bytes(b"BLENDER hand")
    assert synchronizer.synchronize().errors == {}
    assert (folder / "robot/arm.blend").read_bytes() == b"BLENDER arm 2"
    assert not (folder / "leg.blend").exists()
    assert plain.get_object(Bucket=bucket_name, Key="models/hand.blend")["Body"].read() == b"BLENDER hand"


def test_metadata_of_others_is_read_as_it_is(provider: AwsProvider, plain: Any, bucket_name: str) -> None:
    plain.put_object(Bucket=bucket_name, Key="arm.blend", Body=b"x", Metadata={"Some-Tool": "100 % sure", "n": "1"})
    assert dict(provider.head("arm.blend").metadata) == {"some_tool": "100 % sure", "n": "1"}
    provider.copy("arm.blend", "copy.blend")
    assert dict(provider.head("copy.blend").metadata) == {"some_tool": "100 % sure", "n": "1"}


# -- several clients


def test_of_two_clients_exactly_one_wins(moto: Server, provider: AwsProvider, aws_config: AwsConfig) -> None:
    clients = [provider, AwsProvider(aws_config(moto))]
    etag = put(provider, "arm.blend", b"begin")
    for number in range(50):

        def change(racer: int, number: int = number, etag: str = etag) -> tuple[int, str]:
            return racer, put(clients[racer], "arm.blend", b"%d by %d" % (number, racer), IfMatch(etag))

        wins, losses = race(change, 2)
        assert [type(error) for error in losses] == [PreconditionFailedError]
        ((racer, etag),) = wins
        assert read(clients[1 - racer], "arm.blend") == b"%d by %d" % (number, racer)


TURNS = 40


def take_turns(config: CloudStorageConfig, number: int, barrier: Any, wins: Any) -> None:
    """Race for new objects and for changes; runs in a process of its own."""
    store = AwsProvider(config)
    for turn in range(TURNS):
        etags: list[str] = []
        for is_change in (False, True):
            barrier.wait(60)
            try:
                put(store, f"{turn}", b"%d by %d" % (is_change, number), IfMatch(etags[0]) if is_change else IfAbsent())
                wins.put((turn, is_change, number))
            except PreconditionFailedError:
                pass
            barrier.wait(60)
            etags.append(store.head(f"{turn}").etag)
            barrier.wait(60)


def test_of_two_processes_exactly_one_wins(moto: Server, provider: AwsProvider, aws_config: AwsConfig) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, wins = context.Barrier(2), context.Queue()
    racers = [context.Process(target=take_turns, args=(aws_config(moto), n, barrier, wins)) for n in (0, 1)]
    for racer in racers:
        racer.start()
    won = [wins.get(timeout=60) for _ in range(2 * TURNS)]
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert wins.empty()
    races = [(turn, is_change) for turn in range(TURNS) for is_change in (False, True)]
    assert sorted((turn, is_change) for turn, is_change, _ in won) == races
    assert all(read(provider, f"{turn}") == b"1 by %d" % number for turn, is_change, number in won if is_change)


def test_times_are_the_stores(provider: AwsProvider) -> None:
    info = provider.put("arm.blend", BytesSource(b"arm"))
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)
    assert abs(provider.head("arm.blend").modified - info.modified) <= timedelta(seconds=1)
