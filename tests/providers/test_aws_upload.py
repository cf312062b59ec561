"""Transfers with S3 over a bad network, and by processes that die."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest
from conformance import METADATA, MIB, BytesSource, UnreadableSource, put, read, sha256
from fault_proxy import FaultProxy
from servers import Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import (
    AccessDeniedError,
    CancelledError,
    LocalFileError,
    ObjectNotFoundError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    StoreUnavailableError,
    UnsupportedError,
)
from ggg_cloud_addon.cloud_storage.providers import aws_client, aws_upload
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.aws_upload import PART_SIZE
from ggg_cloud_addon.cloud_storage.providers.base import Condition, IfAbsent, IfMatch

AwsConfig = Callable[..., CloudStorageConfig]
RunChild = Callable[..., subprocess.CompletedProcess[str]]

FILE = random.Random(3).randbytes(24 * MIB)
PARTS = -(-len(FILE) // PART_SIZE)
PART = "partNumber="


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    with FaultProxy(moto.url) as proxy:
        yield proxy


@pytest.fixture
def config(moto: Server, proxy: FaultProxy, aws_config: AwsConfig) -> CloudStorageConfig:
    AwsBucket(aws_config(moto)).create()
    return aws_config(moto, endpoint_url=proxy.url, max_concurrency=2)


@pytest.fixture
def provider(config: CloudStorageConfig) -> AwsProvider:
    """A provider behind the proxy, that has asked already what the server can do."""
    provider = AwsProvider(config)
    assert provider.capabilities.versions
    return provider


class Seen:
    """What a client that is not ours, and does not come through the proxy, sees of the bucket."""

    def __init__(self, server: Server, bucket: str) -> None:
        self.client = server.client()
        self.bucket = bucket

    def contents(self, key: str) -> list[bytes]:
        """All versions, the newest first."""
        found = self.client.list_object_versions(Bucket=self.bucket, Prefix=key).get("Versions", ())
        return [self.read(each["Key"], VersionId=each["VersionId"]) for each in found]

    def read(self, key: str, **options: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key, **options)["Body"].read())

    def unfinished(self) -> list[str]:
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]


@pytest.fixture
def seen(moto: Server, bucket_name: str) -> Seen:
    return Seen(moto, bucket_name)


def count(proxy: FaultProxy, method: str, path: str) -> int:
    return sum(request.method == method and path in request.path for request in proxy.requests)


def records(state_folder: Path) -> list[str]:
    return [path.name for path in state_folder.rglob("*.json")]


# -- uploads over a bad network


def test_an_upload_through_cuts_arrives_whole(provider: AwsProvider, proxy: FaultProxy, seen: Seen) -> None:
    proxy.cut_every(4 * MIB)
    moved: list[int] = []
    info = provider.put("arm.blend", BytesSource(FILE), condition=IfAbsent(), on_bytes=moved.append)
    assert proxy.faults >= 4
    assert (info.size, info.sha256, sum(moved)) == (len(FILE), sha256(FILE), len(FILE))
    assert seen.contents("arm.blend") == [FILE]
    assert seen.unfinished() == []


@pytest.mark.parametrize("content", [b"new", FILE[: PART_SIZE + 1]], ids=["whole", "in parts"])
@pytest.mark.parametrize("condition", ["absent", "match"])
def test_a_put_whose_answer_was_lost_is_done_once(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, content: bytes, condition: str
) -> None:
    before: list[bytes] = []
    asked: Condition = IfAbsent()
    if condition == "match":
        before, asked = [b"old"], IfMatch(put(provider, "arm.blend", b"old"))
    request = ("POST", r"arm\.blend\?uploadId=") if len(content) > PART_SIZE else ("PUT", r"arm\.blend$")
    proxy.lose_answer(method=request[0], path=request[1])
    info = provider.put("arm.blend", BytesSource(content), condition=asked, metadata=METADATA)
    assert proxy.faults == 1
    assert seen.contents("arm.blend") == [content, *before]
    assert (info, dict(info.metadata)) == (provider.head("arm.blend"), METADATA)
    assert seen.unfinished() == []


def test_an_upload_whose_repetition_the_server_cannot_make_sense_of_is_done(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, state_folder: Path
) -> None:
    """``rclone serve s3`` answers InvalidPart to the second request that completes an upload."""
    proxy.lose_answer(method="POST", path="uploadId=")

    def refuse_the_second(**request: object) -> None:
        if proxy.faults:
            proxy.answer(400, method="POST", path="uploadId=")

    provider._s3.slow.meta.events.register("before-send.s3.CompleteMultipartUpload", refuse_the_second)
    put(provider, "arm.blend", FILE)
    assert proxy.faults == 2
    assert seen.contents("arm.blend") == [FILE]
    assert (seen.unfinished(), records(state_folder)) == ([], [])


@pytest.mark.parametrize("content", [b"new", FILE[: PART_SIZE + 1]], ids=["whole", "in parts"])
def test_a_put_that_lost_a_race_is_refused_also_when_the_answer_was_lost(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, content: bytes
) -> None:
    put(provider, "arm.blend", b"by somebody else")
    proxy.lose_answer(method="PUT|POST", path=r"arm\.blend($|\?uploadId=)")
    with pytest.raises(PreconditionFailedError):
        put(provider, "arm.blend", content, IfAbsent())
    assert seen.contents("arm.blend") == [b"by somebody else"]
    assert seen.unfinished() == []


@pytest.mark.parametrize("content", [b"new", FILE[: PART_SIZE + 1]], ids=["whole", "in parts"])
def test_a_put_beside_one_that_is_not_decided_yet_is_tried_again(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, content: bytes
) -> None:
    proxy.answer(409, times=2, method="POST" if len(content) > PART_SIZE else "PUT", path=r"arm\.blend($|\?uploadId=)")
    put(provider, "arm.blend", content, IfAbsent())
    assert proxy.faults == 2
    assert seen.contents("arm.blend") == [content]
    assert seen.unfinished() == []


def test_an_upload_that_a_conflict_ended_has_lost_the_race(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, state_folder: Path
) -> None:
    proxy.answer(409, method="POST", path=r"arm\.blend\?uploadId=")

    def somebody_wins(**request: object) -> None:
        if proxy.faults:
            for upload in seen.client.list_multipart_uploads(Bucket=seen.bucket)["Uploads"]:
                seen.client.abort_multipart_upload(Bucket=seen.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            seen.client.put_object(Bucket=seen.bucket, Key="arm.blend", Body=b"by somebody else")

    provider._s3.slow.meta.events.register("before-send.s3.CompleteMultipartUpload", somebody_wins)
    with pytest.raises(PreconditionFailedError):
        put(provider, "arm.blend", FILE[: PART_SIZE + 1], IfAbsent())
    assert seen.contents("arm.blend") == [b"by somebody else"]
    assert (seen.unfinished(), records(state_folder)) == ([], [])


@pytest.fixture
def short_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is longer than a part is copied in parts."""
    monkeypatch.setattr(aws_upload, "COPY_SIZE", PART_SIZE)
    monkeypatch.setattr(aws_upload, "COPY_PART_SIZE", PART_SIZE)


@pytest.mark.usefixtures("short_copies")
@pytest.mark.parametrize("content", [b"new", FILE[: PART_SIZE + 1]], ids=["whole", "in parts"])
@pytest.mark.parametrize("condition", ["absent", "match"])
def test_a_copy_whose_answer_was_lost_is_done_once(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, content: bytes, condition: str
) -> None:
    provider.put("arm.blend", BytesSource(content), metadata=METADATA)
    before: list[bytes] = []
    asked: Condition = IfAbsent()
    if condition == "match":
        before, asked = [b"old"], IfMatch(put(provider, "copy.blend", b"old"))
    proxy.lose_answer(method="PUT|POST", path=r"copy\.blend($|\?uploadId=)")
    sent: list[object] = []

    def refuse_the_second(**request: object) -> None:
        """In S3's place: moto ignores the conditions of a copy."""
        sent.append(request)
        if len(sent) == 2:
            proxy.answer(412, method="PUT", path=r"copy\.blend$")

    provider._s3.slow.meta.events.register("before-send.s3.CopyObject", refuse_the_second)
    info = provider.copy("arm.blend", "copy.blend", condition=asked)
    assert proxy.faults == (1 if len(content) > PART_SIZE else 2)
    assert seen.contents("copy.blend") == [content, *before]
    assert (info, dict(info.metadata)) == (provider.head("copy.blend"), METADATA)
    assert seen.unfinished() == []


@pytest.mark.usefixtures("short_copies")
@pytest.mark.parametrize("sha256_known", [True, False])
def test_a_copy_that_lost_a_race_is_refused_also_when_the_answer_was_lost(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, sha256_known: bool
) -> None:
    content = FILE[: PART_SIZE + 1]
    if sha256_known:
        put(provider, "arm.blend", content)
    else:
        seen.client.put_object(Bucket=seen.bucket, Key="arm.blend", Body=content)
    seen.client.put_object(Bucket=seen.bucket, Key="copy.blend", Body=b"by somebody else")
    proxy.lose_answer(method="POST", path=r"copy\.blend\?uploadId=")
    with pytest.raises(PreconditionFailedError):
        provider.copy("arm.blend", "copy.blend", condition=IfAbsent())
    assert proxy.faults == 1
    assert seen.contents("copy.blend") == [b"by somebody else"]
    assert seen.unfinished() == []


@pytest.mark.parametrize("condition", ["none", "match"])
def test_a_delete_whose_answer_was_lost_is_done(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, condition: str
) -> None:
    etag = put(provider, "arm.blend", b"old")
    proxy.lose_answer(method="DELETE")
    provider.delete("arm.blend", condition=IfMatch(etag) if condition == "match" else None)
    assert proxy.faults == 1
    assert provider.list().objects == ()
    assert seen.contents("arm.blend") == [b"old"]


@pytest.mark.parametrize("part", ["part", "create", "abort"])
def test_an_answer_lost_on_the_way_leaves_no_unfinished_upload(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, part: str
) -> None:
    request = {"part": ("PUT", PART + "2"), "create": ("POST", r"\?uploads$"), "abort": ("DELETE", "uploadId=")}[part]
    proxy.lose_answer(method=request[0], path=request[1])
    if part == "abort":
        with pytest.raises(CancelledError):
            provider.put("arm.blend", BytesSource(FILE), on_bytes=cancel_after(12 * MIB))
        assert seen.contents("arm.blend") == []
    else:
        put(provider, "arm.blend", FILE)
        assert seen.contents("arm.blend") == [FILE]
    assert proxy.faults == 1
    if part != "create":  # the first of two uploads has no name here; only its age tells whose it may be
        assert seen.unfinished() == []


# -- what is tried again


REQUESTS: dict[str, tuple[str, str, Callable[[AwsProvider], object]]] = {
    "put": ("PUT", r"leg\.blend$", lambda provider: put(provider, "leg.blend", b"leg")),
    "part": ("PUT", PART + "1", lambda provider: put(provider, "leg.blend", FILE[: PART_SIZE + 1])),
    "complete": ("POST", "uploadId=", lambda provider: put(provider, "leg.blend", FILE[: PART_SIZE + 1])),
    "get": ("GET", r"arm\.blend$", lambda provider: read(provider, "arm.blend")),
    "head": ("HEAD", r"arm\.blend$", lambda provider: provider.head("arm.blend")),
    "list": ("GET", "list-type", lambda provider: provider.list()),
    "delete": ("DELETE", r"arm\.blend$", lambda provider: provider.delete("arm.blend")),
}


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(("method", "path", "act"), REQUESTS.values(), ids=REQUESTS.keys())
def test_a_store_that_is_busy_is_asked_again(
    provider: AwsProvider, proxy: FaultProxy, status: int, method: str, path: str, act: Callable[[AwsProvider], object]
) -> None:
    put(provider, "arm.blend", b"arm")
    before = len(proxy.requests)
    proxy.answer(status, method=method, path=path)
    act(provider)
    again = [each for each in proxy.requests[before:] if proxy._orders[0].fits(each)]
    assert (proxy.faults, len(again)) == (1, 2)


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, AccessDeniedError), (404, ObjectNotFoundError), (412, PreconditionFailedError)],
)
@pytest.mark.parametrize(("method", "path", "act"), REQUESTS.values(), ids=REQUESTS.keys())
def test_what_the_store_refuses_is_not_asked_again(
    provider: AwsProvider,
    proxy: FaultProxy,
    seen: Seen,
    status: int,
    error: type[StorageError],
    method: str,
    path: str,
    act: Callable[[AwsProvider], object],
) -> None:
    put(provider, "arm.blend", b"arm")
    before = len(proxy.requests)
    proxy.answer(status, method=method, path=path)
    with pytest.raises(error if path != "list-type" or status == 403 else StorageError):
        act(provider)
    again = [each for each in proxy.requests[before:] if proxy._orders[0].fits(each)]
    assert len(again) == 1
    assert seen.unfinished() == []


def test_a_store_that_stays_away_is_given_up(
    provider: AwsProvider, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    proxy.answer(503, times=1000, method="GET")
    with pytest.raises(StoreUnavailableError, match="try again"):
        provider.list()
    assert 3 <= count(proxy, "GET", "list-type") <= 10


# -- sources that fail, and cancelling


class RewrittenSource(BytesSource):
    """A file that another one takes the place of between two reads."""

    def open(self) -> BinaryIO:
        reader = super().open()
        self.content = self.content[::-1]
        return reader


class FailsWhenSent(UnreadableSource):
    """A file that is read well once, and then no more."""

    def open(self) -> BinaryIO:
        reader = super().open()
        self.good = 12 * MIB
        return reader


@pytest.mark.parametrize(
    ("source", "error"),
    [(RewrittenSource(FILE), SourceChangedError), (FailsWhenSent(FILE, 2 * len(FILE)), LocalFileError)],
    ids=["rewritten", "unreadable"],
)
def test_a_source_that_fails_after_it_was_hashed_is_not_stored(
    provider: AwsProvider, seen: Seen, source: BytesSource, error: type[StorageError], state_folder: Path
) -> None:
    with pytest.raises(error):
        provider.put("arm.blend", source)
    assert seen.contents("arm.blend") == []
    assert seen.unfinished() == []
    assert records(state_folder) == []


def cancel_after(size: int) -> Callable[[int], None]:
    left = size

    def on_bytes(moved: int) -> None:
        nonlocal left
        left -= moved
        if left < 0:
            raise CancelledError("Stopped.")

    return on_bytes


def test_a_cancelled_upload_ends_soon_and_leaves_nothing(
    provider: AwsProvider, proxy: FaultProxy, seen: Seen, state_folder: Path
) -> None:
    with pytest.raises(CancelledError):
        provider.put("arm.blend", BytesSource(FILE), on_bytes=cancel_after(2 * MIB))
    sent = count(proxy, "PUT", PART)
    assert (seen.contents("arm.blend"), seen.unfinished(), records(state_folder)) == ([], [], [])
    put(provider, "leg.blend", b"leg")
    assert count(proxy, "PUT", PART) == sent
    put(provider, "arm.blend", FILE)
    assert seen.contents("arm.blend") == [FILE]


def test_many_large_files_at_once_share_one_pool(provider: AwsProvider, seen: Seen, state_folder: Path) -> None:
    files = {f"{number}.blend": FILE[number : number + 12 * MIB] for number in range(5)}
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda key: put(provider, key, files[key]), files))
    assert all(seen.read(key) == content for key, content in files.items())
    assert (seen.unfinished(), records(state_folder)) == ([], [])


# -- downloads over a bad network


def test_a_download_through_cuts_arrives_whole(provider: AwsProvider, proxy: FaultProxy) -> None:
    put(provider, "arm.blend", FILE)
    proxy.cut_every(2 * MIB)
    assert read(provider, "arm.blend") == FILE
    assert proxy.faults >= 8


@pytest.mark.parametrize("start", [0, MIB + 1])
def test_a_download_whose_bodies_end_early_arrives_whole(provider: AwsProvider, proxy: FaultProxy, start: int) -> None:
    put(provider, "arm.blend", FILE)
    proxy.truncate(times=3, method="GET", path=r"arm\.blend")
    assert read(provider, "arm.blend", start=start) == FILE[start:]
    assert proxy.faults == 3


def test_a_download_of_a_version_goes_on_with_that_version(provider: AwsProvider, proxy: FaultProxy) -> None:
    old = provider.put("arm.blend", BytesSource(FILE))
    put(provider, "arm.blend", b"new")
    proxy.truncate(method="GET", path=r"arm\.blend")
    assert read(provider, "arm.blend", version_id=old.version_id) == FILE
    assert proxy.faults == 1


def test_a_download_goes_on_with_the_same_object_or_not_at_all(provider: AwsProvider, proxy: FaultProxy) -> None:
    put(provider, "arm.blend", FILE)
    proxy.truncate(method="GET", path=r"arm\.blend")
    with provider.get("arm.blend") as download:
        chunks = iter(download)
        next(chunks)
        put(provider, "arm.blend", FILE[::-1])
        with pytest.raises(PreconditionFailedError):
            list(chunks)


def test_a_download_never_goes_on_with_other_bytes_than_those_that_follow(
    provider: AwsProvider, proxy: FaultProxy
) -> None:
    """As from a server that knows no ranges, and sends all again."""
    put(provider, "arm.blend", FILE)
    proxy.truncate(method="GET", path=r"arm\.blend")
    proxy.set_header("Content-Range", f"bytes 0-{len(FILE) - 1}/{len(FILE)}", method="GET", path=r"arm\.blend")
    with pytest.raises(UnsupportedError, match="cannot read an object from the middle"):
        read(provider, "arm.blend")


def test_a_download_that_stands_still_is_asked_for_again(
    config: CloudStorageConfig, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_client, "READ_SECONDS", 1)
    provider = AwsProvider(config)
    put(provider, "arm.blend", FILE)
    proxy.stall(60, method="GET", path=r"arm\.blend")
    assert read(provider, "arm.blend") == FILE
    assert proxy.faults == 1


@pytest.mark.parametrize("request_", [("PUT", r"arm\.blend$"), ("PUT", PART + "2"), ("POST", "uploadId=")])
def test_an_upload_whose_answer_stands_still_is_done_once(
    config: CloudStorageConfig,
    proxy: FaultProxy,
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
    request_: tuple[str, str],
) -> None:
    monkeypatch.setattr(aws_client, "READ_SECONDS", 1)
    monkeypatch.setattr(aws_client, "SLOW_READ_SECONDS", 1)
    content = b"arm" if request_[1].endswith("$") else FILE
    provider = AwsProvider(config)
    assert provider.capabilities.versions
    proxy.stall(60, method=request_[0], path=request_[1])
    put(provider, "arm.blend", content, IfAbsent())
    assert proxy.faults == 1
    assert (seen.contents("arm.blend"), seen.unfinished()) == ([content], [])


# -- processes that die

DIES = """
import os, signal, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.files import FileSource
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_unfinished import Record

point, endpoint_url, bucket_name, credentials_file, file = sys.argv[1:]
save, remove = Record.save, Record.remove
left = 11 << 20  # two parts are there then

def dying_save(record, upload):
    if point == "before the answer is written down" and upload.upload_id:
        die()
    save(record, upload)
    if point == ("before the first part" if upload.upload_id else "before the upload begins"):
        die()

def dying_remove(record):
    if point == "after the last request":
        die()
    remove(record)

class DyingSource(FileSource):
    def verify(self):
        if point == "after the last part":
            die()
        super().verify()

def on_bytes(count):
    global left
    left -= count
    if point == "in the middle" and left < 0:
        die()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

Record.save, Record.remove = dying_save, dying_remove
provider = AwsProvider(CloudStorageConfig(
    provider="aws", endpoint_url=endpoint_url, bucket_name=bucket_name, credentials_file=credentials_file,
    max_concurrency=1,
))
provider.put("arm.blend", DyingSource(Path(file)), metadata={"by": "the one that dies"}, on_bytes=on_bytes)
"""
POINTS = {
    "before the upload begins": PARTS,
    "before the first part": PARTS,
    "in the middle": PARTS - 2,
    "after the last part": 0,
    "after the last request": PARTS,
}
"""When it dies, and how many parts the next run may send."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "arm.blend"
    path.write_bytes(FILE)
    return path


def die(run_child: RunChild, point: str, config: CloudStorageConfig, file: Path) -> None:
    child = run_child(DIES, point, config.endpoint_url, config.bucket_name, config.credentials_file, file)
    assert child.returncode == -9, child.stderr


@pytest.mark.parametrize("point", POINTS)
def test_the_next_run_of_a_killed_push_goes_on_where_it_was(
    provider: AwsProvider,
    config: CloudStorageConfig,
    proxy: FaultProxy,
    seen: Seen,
    run_child: RunChild,
    file: Path,
    state_folder: Path,
    point: str,
) -> None:
    die(run_child, point, config, file)
    assert len(records(state_folder)) == 1
    before = count(proxy, "PUT", PART)
    moved: list[int] = []
    options = {"metadata": {"by": "the one that dies"}, "on_bytes": moved.append}
    info = provider.put("arm.blend", BytesSource(FILE), **options)  # type: ignore[arg-type]
    assert count(proxy, "PUT", PART) - before <= POINTS[point]
    assert (info.sha256, sum(moved)) == (sha256(FILE), len(FILE))
    assert seen.contents("arm.blend")[0] == FILE
    assert (seen.unfinished(), records(state_folder)) == ([], [])


@pytest.mark.parametrize("point", POINTS)
def test_the_next_push_of_something_else_aborts_a_killed_one(
    provider: AwsProvider,
    config: CloudStorageConfig,
    seen: Seen,
    run_child: RunChild,
    file: Path,
    state_folder: Path,
    point: str,
) -> None:
    die(run_child, point, config, file)
    put(provider, "leg.blend", b"leg")
    assert (seen.unfinished(), records(state_folder)) == ([], [])
    assert seen.contents("arm.blend") == ([FILE] if point == "after the last request" else [])


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_uploads_nothing_aborts_a_killed_push(
    provider: AwsProvider, config: CloudStorageConfig, seen: Seen, run_child: RunChild, file: Path, state_folder: Path,
    point: str,
) -> None:  # fmt: skip
    die(run_child, point, config, file)
    provider.tidy()
    assert (seen.unfinished(), records(state_folder)) == ([], [])


DIES_ASKING = """
import os, signal, sys
from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider

endpoint_url, bucket_name, credentials_file = sys.argv[1:]
provider = AwsProvider(CloudStorageConfig(
    provider="aws", endpoint_url=endpoint_url, bucket_name=bucket_name, credentials_file=credentials_file,
))
provider._s3.client.complete_multipart_upload = lambda **_: os.kill(os.getpid(), signal.SIGKILL)
provider.capabilities
"""


def test_the_traces_of_a_question_about_conditions_are_taken_away_for_a_killed_process(
    provider: AwsProvider, config: CloudStorageConfig, seen: Seen, run_child: RunChild, state_folder: Path
) -> None:
    child = run_child(DIES_ASKING, config.endpoint_url, config.bucket_name, config.credentials_file)
    assert child.returncode == -9, child.stderr
    assert len(seen.unfinished()) == len(records(state_folder)) == 1
    provider.tidy()
    assert (seen.unfinished(), records(state_folder), seen.contents(".ggg_store")) == ([], [], [])


def test_an_upload_whose_name_was_never_learned_is_aborted(
    rclone_s3: Server, aws_config: AwsConfig, bucket_name: str, run_child: RunChild, file: Path, state_folder: Path
) -> None:
    """On rclone, since moto says of all uploads that they began in 2010."""
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    seen = Seen(rclone_s3, bucket_name)
    config = aws_config(rclone_s3)
    die(run_child, "before the answer is written down", config, file)
    seen.client.create_multipart_upload(Bucket=bucket_name, Key="arm.blend.old")
    assert seen.unfinished() == ["arm.blend", "arm.blend.old"]
    put(AwsProvider(config), "leg.blend", b"leg")
    assert seen.unfinished() == ["arm.blend.old"]
    assert records(state_folder) == []


def test_an_upload_whose_name_was_never_learned_is_aborted_by_the_same_push(
    rclone_s3: Server, aws_config: AwsConfig, bucket_name: str, run_child: RunChild, file: Path, state_folder: Path
) -> None:
    rclone_s3.client().create_bucket(Bucket=bucket_name)
    seen = Seen(rclone_s3, bucket_name)
    config = aws_config(rclone_s3)
    die(run_child, "before the answer is written down", config, file)
    AwsProvider(config).put("arm.blend", BytesSource(FILE), metadata={"by": "the one that dies"})
    assert seen.read("arm.blend") == FILE
    assert (seen.unfinished(), records(state_folder)) == ([], [])


COPY_DIES = """
import os, signal, sys
from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.providers import aws_upload
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider

endpoint_url, bucket_name, credentials_file = sys.argv[1:]
aws_upload.COPY_SIZE = aws_upload.COPY_PART_SIZE = aws_upload.PART_SIZE
provider = AwsProvider(CloudStorageConfig(
    provider="aws", endpoint_url=endpoint_url, bucket_name=bucket_name, credentials_file=credentials_file,
    max_concurrency=1,
))

def die(params, context, **_):
    if params["PartNumber"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)

provider._s3.slow.meta.events.register("provide-client-params.s3.UploadPartCopy", die)
provider.copy("arm.blend", "copy.blend")
"""


@pytest.mark.usefixtures("short_copies")
@pytest.mark.parametrize("then", ["copied again", "something else"])
def test_a_long_copy_that_was_killed_is_gone_on_with_or_aborted(
    provider: AwsProvider,
    config: CloudStorageConfig,
    proxy: FaultProxy,
    seen: Seen,
    run_child: RunChild,
    state_folder: Path,
    then: str,
) -> None:
    put(provider, "arm.blend", FILE)
    child = run_child(COPY_DIES, config.endpoint_url, config.bucket_name, config.credentials_file)
    assert child.returncode == -9, child.stderr
    assert seen.unfinished() == ["copy.blend"]
    before = count(proxy, "PUT", PART)
    if then == "copied again":
        provider.copy("arm.blend", "copy.blend")
        assert count(proxy, "PUT", PART) - before == PARTS - 2
        assert seen.contents("copy.blend") == [FILE]
    else:
        put(provider, "leg.blend", b"leg")
    assert (seen.unfinished(), records(state_folder)) == ([], [])


def test_a_killed_push_with_other_metadata_is_not_gone_on_with(
    provider: AwsProvider, config: CloudStorageConfig, seen: Seen, run_child: RunChild, file: Path, state_folder: Path
) -> None:
    die(run_child, "in the middle", config, file)
    provider.put("arm.blend", BytesSource(FILE), metadata=METADATA)
    assert dict(provider.head("arm.blend").metadata) == METADATA
    assert (seen.unfinished(), records(state_folder)) == ([], [])


def test_the_upload_of_a_living_process_is_left_alone(
    provider: AwsProvider, config: CloudStorageConfig, proxy: FaultProxy, seen: Seen, file: Path, state_folder: Path
) -> None:
    stall = proxy.stall(60, method="PUT", path=PART + "2")
    arguments = ["never", config.endpoint_url, config.bucket_name, config.credentials_file, file]
    with subprocess.Popen([sys.executable, "-c", DIES, *map(str, arguments)], env=os.environ) as child:
        assert stall.begun.wait(30)
        put(provider, "arm.blend", FILE)
        assert seen.unfinished() == ["arm.blend"]
        stall.release()
        assert child.wait(30) == 0
    assert seen.contents("arm.blend") == [FILE, FILE]
    assert (seen.unfinished(), records(state_folder)) == ([], [])
