"""Large objects on S3 are read by ranges, several ahead: the same bytes, over any network, and nothing is left."""

import collections
import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conformance import MIB, put, sha256
from fault_proxy import FaultProxy
from scripted import Heard, Raw, answer, scripted
from servers import Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.errors import PreconditionFailedError, StorageError, UnsupportedError
from ggg_cloud_addon.cloud_storage.providers import aws, ranges, streams
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.aws_lane import Lane
from ggg_cloud_addon.cloud_storage.providers.ranges import MOST, RANGE

AwsConfig = Callable[..., CloudStorageConfig]

FILE = random.Random(5).randbytes(40 * MIB + 3)
KEY = "arm.blend"
SOON = 30.0
"""Seconds."""
ONE_RANGE = 1 << 16
"""A smaller one, where many are wanted."""


@pytest.fixture(scope="module")
def filled(moto: Server) -> str:
    """The name of a bucket with the file in it."""
    client = moto.client()
    client.create_bucket(Bucket="ranges")
    client.put_object(Bucket="ranges", Key=KEY, Body=FILE)
    return "ranges"


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    with FaultProxy(moto.url) as proxy:
        yield proxy


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (aws, ranges):
        monkeypatch.setattr(module, "RANGE", ONE_RANGE)
    monkeypatch.setattr(streams, "TRIES", 3)
    monkeypatch.setattr(streams, "LONGEST_WAIT", 0.0)


@pytest.fixture(params=["lane", "boto3"])
def provider(
    request: pytest.FixtureRequest,
    moto: Server,
    filled: str,
    proxy: FaultProxy,
    aws_config: AwsConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[AwsProvider]:
    """A reader behind the proxy; what it fetched ahead has ended, and left no slot taken."""
    if request.param == "boto3":
        monkeypatch.setattr(Lane, "is_open", False)
    provider = AwsProvider(aws_config(moto, bucket_name=filled, endpoint_url=proxy.url, max_concurrency=4))
    yield provider
    proxy.heal()
    all_is_free(provider, 4)


def all_is_free(provider: AwsProvider, slots: int) -> None:
    """No thread has anything to do, and no slot is taken."""
    ahead = provider._ahead
    ahead.pool.shutdown(wait=True)
    for _ in range(slots):
        assert ahead.slots.acquire(blocking=False)
    assert not ahead.slots.acquire(blocking=False)


def read(provider: AwsProvider, start: int = 0, key: str = KEY) -> bytes:
    with provider.get(key, start=start) as download:
        return b"".join(download)


def asked(proxy: FaultProxy) -> int:
    return sum(request.method == "GET" and KEY in request.path for request in proxy.requests)


def test_a_large_object_is_read_by_ranges(provider: AwsProvider, proxy: FaultProxy) -> None:
    assert sha256(read(provider)) == sha256(FILE)
    assert asked(proxy) == -(-len(FILE) // RANGE)


@pytest.mark.parametrize(
    "start", [1, RANGE - 1, RANGE, RANGE + 1, 3 * RANGE + 17, len(FILE) - RANGE, len(FILE) - 1, len(FILE)]
)
def test_it_is_read_from_the_middle(provider: AwsProvider, start: int) -> None:
    assert sha256(read(provider, start)) == sha256(FILE[start:])


@pytest.mark.parametrize("n_bytes", [3 * MIB, 10 * MIB])
def test_it_comes_through_cuts(
    provider: AwsProvider, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT", 0.01)
    proxy.cut_every(n_bytes)
    assert sha256(read(provider)) == sha256(FILE)
    assert proxy.faults >= 3


def test_it_comes_through_a_bad_day(provider: AwsProvider, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT", 0.01)
    proxy.answer(503, times=2, method="GET")
    proxy.lose_answer(times=2, method="GET")
    proxy.truncate(times=2, method="GET")
    assert sha256(read(provider)) == sha256(FILE)
    assert proxy.faults == 6


def test_a_reader_that_stops_leaves_nothing(provider: AwsProvider, proxy: FaultProxy) -> None:
    for taken in (0, 1, 100):
        with provider.get(KEY) as download:
            for _ in zip(range(taken), download, strict=False):
                pass
    # The fixture's end looks.
    assert asked(proxy) <= 3 * (MOST + 1)


def test_what_is_fetched_ahead_while_the_reader_stops_ends(provider: AwsProvider, proxy: FaultProxy) -> None:
    """Its answers stand still, and some of its requests wait for a thread."""
    with provider.get(KEY) as download:
        stall = proxy.stall(SOON, times=MOST, method="GET", path=KEY)
        next(iter(download))
        assert stall.begun.wait(SOON)
        if not provider._s3._lane.is_open:  # boto3's connections cannot be closed while they are read
            stall.release()
        begun = time.monotonic()
    assert time.monotonic() - begun < SOON / 2


def test_a_reader_that_fails_is_told_its_own_error(provider: AwsProvider) -> None:
    def fail() -> None:
        with provider.get(KEY) as download:
            next(iter(download))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_nothing_gets_through_any_more(
    provider: AwsProvider, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT", 0.0)
    with provider.get(KEY) as download:
        chunks = iter(download)
        arrived = len(next(chunks))
        proxy.lose_answer(times=10_000)
        with pytest.raises(StorageError, match="try again"):
            arrived += sum(len(chunk) for chunk in chunks)
    assert arrived < len(FILE)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("lane", ["lane", "boto3"])
def test_one_that_is_replaced_meanwhile_is_refused(
    moto: Server, aws_config: AwsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    if lane == "boto3":
        monkeypatch.setattr(Lane, "is_open", False)
    config = aws_config(moto, max_concurrency=2)
    AwsBucket(config).create()
    provider = AwsProvider(config)
    old, new = FILE[: 4 * MIB], FILE[4 * MIB : 8 * MIB]
    put(provider, KEY, old)
    target = tmp_path / KEY
    target.write_bytes(b"mine")
    replaced = False

    def replace_it(done: int, size: int) -> None:
        nonlocal replaced
        if not replaced:
            put(AwsProvider(config), KEY, new)
        replaced = True

    with pytest.raises(PreconditionFailedError):
        CloudStorageManager(config, provider).download_component(KEY, target, progress=replace_it)
    assert target.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.glob("*arm*")] == [KEY]
    all_is_free(provider, 2)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("concurrency", [1, 3])
def test_many_at_once_with_few_slots(moto: Server, aws_config: AwsConfig, concurrency: int) -> None:
    config = aws_config(moto, max_concurrency=concurrency)
    AwsBucket(config).create()
    provider = AwsProvider(config)
    contents = {f"{number}/{KEY}": FILE[number * MIB : (number + 1) * MIB + number] for number in range(12)}
    for key, content in contents.items():
        put(provider, key, content)
    with ThreadPoolExecutor(12) as pool:
        assert dict(zip(contents, pool.map(lambda key: read(provider, 0, key), contents), strict=True)) == contents
    all_is_free(provider, concurrency)


# -- servers that have no ranges, or not the right ones

ETAG = {"ETag": '"e1"', "Last_Modified": "Wed, 01 Jul 2026 10:00:00 GMT"}
CONTENT = FILE[: 10 * ONE_RANGE + 5]


def asked_range(heard: Heard) -> tuple[int, int]:
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", heard.headers["range"])
    assert found
    return int(found[1]), min(int(found[2]) + 1, len(CONTENT))


def good(heard: Heard) -> Raw:
    begin, end = asked_range(heard)
    about = {**ETAG, "Content_Range": f"bytes {begin}-{end - 1}/{len(CONTENT)}"}
    return answer("206 Partial Content", CONTENT[begin:end], **about)


def whole(heard: Heard) -> Raw:
    return answer("200 OK", CONTENT, **ETAG)


@contextlib.contextmanager
def reader(aws_config: AwsConfig, script: Callable[[Heard], Raw]) -> Iterator[AwsProvider]:
    with scripted(script) as server:
        provider = AwsProvider(aws_config(Server(server.url, "AKIAOFNOBODY", "secret", 0), max_concurrency=2))
        yield provider
        all_is_free(provider, 2)


@pytest.mark.usefixtures("small_ranges")
def test_the_smaller_ranges_are_ranges(aws_config: AwsConfig) -> None:
    heard: list[tuple[int, int]] = []

    def script(request: Heard) -> Raw:
        heard.append(asked_range(request))
        return good(request)

    with reader(aws_config, script) as provider:
        assert read(provider) == CONTENT
    assert sorted(heard) == [(at, min(at + ONE_RANGE, len(CONTENT))) for at in range(0, len(CONTENT), ONE_RANGE)]


@pytest.mark.usefixtures("small_ranges")
def test_a_server_that_sends_the_whole_is_read_by_one_request(aws_config: AwsConfig) -> None:
    with reader(aws_config, whole) as provider:
        assert read(provider) == CONTENT
        with pytest.raises(UnsupportedError):
            read(provider, 5)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("bad", ["whole", "elsewhere"])
def test_a_range_that_was_not_asked_for_is_not_taken(aws_config: AwsConfig, bad: str) -> None:
    """Not even where the first one was right."""

    def script(heard: Heard) -> Raw:
        if asked_range(heard)[0] < 4 * ONE_RANGE:
            return good(heard)
        if bad == "whole":
            return whole(heard)
        about = {**ETAG, "Content_Range": f"bytes 0-{ONE_RANGE - 1}/{len(CONTENT)}"}
        return answer("206 Partial Content", CONTENT[:ONE_RANGE], **about)

    with reader(aws_config, script) as provider, pytest.raises(UnsupportedError):
        read(provider)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("end", [1, ONE_RANGE - 1])
def test_a_range_that_is_too_short_is_asked_for_again(aws_config: AwsConfig, end: int) -> None:
    def script(heard: Heard) -> Raw:
        begin, stop = asked_range(heard)
        stop = min(begin + end, stop) if begin % ONE_RANGE == 0 else stop
        about = {**ETAG, "Content_Range": f"bytes {begin}-{stop - 1}/{len(CONTENT)}"}
        return answer("206 Partial Content", CONTENT[begin:stop], **about)

    with reader(aws_config, script) as provider:
        assert read(provider) == CONTENT


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "412 Precondition Failed", "500 Broken"])
def test_an_error_in_the_middle_reaches_the_reader(
    aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def script(heard: Heard) -> Raw:
        return good(heard) if asked_range(heard)[0] < 4 * ONE_RANGE else answer(status)

    arrived = bytearray()
    with reader(aws_config, script) as provider, provider.get(KEY) as download, pytest.raises(StorageError):
        collections.deque(map(arrived.extend, download), 0)
    assert arrived == CONTENT[: 4 * ONE_RANGE]


@pytest.mark.usefixtures("small_ranges")
def test_a_reader_that_has_stopped_asks_for_nothing_more(aws_config: AwsConfig) -> None:
    """What was on its way comes to its end; whatever breaks then is nobody's."""
    late, go_on = threading.Semaphore(0), threading.Event()
    after: list[Heard] = []
    has_stopped = threading.Event()

    def script(heard: Heard) -> Raw:
        if has_stopped.is_set():
            after.append(heard)
        if asked_range(heard)[0] == 0:
            return good(heard)
        late.release()
        assert go_on.wait(SOON)
        return Raw(b"", ends=True)

    with reader(aws_config, script) as provider:
        with provider.get(KEY) as download:
            next(iter(download))
            assert late.acquire(timeout=SOON)
            assert late.acquire(timeout=SOON)
        has_stopped.set()
        go_on.set()
    assert len(after) <= 2  # boto3, of each range that the lane had no answer to
