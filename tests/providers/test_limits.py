"""The limit to the bytes per second, by a clock of its own, and with real servers."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from conformance import MIB, cancel, put, read
from servers import Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import CancelledError
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.base import Provider
from ggg_cloud_addon.cloud_storage.providers.limits import STEP, Rate
from ggg_cloud_addon.cloud_storage.providers.streams import Body, Interrupted

AwsConfig = Callable[..., CloudStorageConfig]
Configure = Callable[..., CloudStorageConfig]
Limited = Callable[[int], Provider]


class Clock:
    """Goes on only when all its threads wait, to the time that the first of them waits for."""

    def __init__(self, threads: int = 1, late: float = 0.0) -> None:
        """``late`` is by how many seconds each wait is too long."""
        self.now = 0.0
        self._late = late
        self._running = threads
        self._due: list[float] = []
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        with self._changed:
            due = self.now + seconds + self._late
            self._due.append(due)
            self._stop()
            self._changed.wait_for(lambda: self.now >= due)

    def leave(self) -> None:
        with self._changed:
            self._stop()

    def _stop(self) -> None:
        self._running -= 1
        if not self._running and self._due:
            self.now = min(self._due)
            self._running = self._due.count(self.now)
            self._due = [each for each in self._due if each > self.now]
            self._changed.notify_all()


def rate_on(clock: Clock, limit: int | None) -> Rate:
    return Rate(limit, clock.monotonic, clock.wait)


# -- the clock


def test_without_a_limit_nothing_waits_and_nothing_is_cut() -> None:
    clock = Clock()
    rate = rate_on(clock, None)
    rate.take(1 << 40)
    assert (clock.now, rate.piece(1 << 40), rate.piece(-1)) == (0, 1 << 40, -1)


def test_each_byte_takes_its_time() -> None:
    clock = Clock()
    rate = rate_on(clock, 1000)
    for count in (50, 1, 0, 449, 500):
        rate.take(count)
    assert clock.now == pytest.approx(1.0)


@pytest.mark.parametrize(("pause", "saved"), [(3600.0, STEP), (STEP / 2, STEP / 2)])
def test_a_pause_saves_no_more_than_a_step(pause: float, saved: float) -> None:
    clock = Clock()
    rate = rate_on(clock, 1000)
    rate.take(50)
    clock.now += pause
    begun = clock.now
    for _ in range(20):
        rate.take(50)
    assert clock.now - begun == pytest.approx(1.0 - saved)


def test_who_is_woken_late_makes_up_for_it() -> None:
    clock = Clock(late=0.03)
    rate = rate_on(clock, 1000)
    for _ in range(100):
        rate.take(50)
    assert clock.now == pytest.approx(5.0, abs=0.031)


@pytest.mark.parametrize("limit", [1, 19, 10_000, 1 << 20])
def test_a_piece_takes_a_step_at_most_or_is_a_byte(limit: int) -> None:
    piece = rate_on(Clock(), limit).piece(1 << 30)
    assert piece == 1 or 0 < piece / limit <= STEP


def test_two_take_turns() -> None:
    clock = Clock(threads=2)
    rate = rate_on(clock, 1000)
    turns: list[tuple[str, float]] = []

    def take_all(name: str) -> None:
        for _ in range(10):
            rate.take(50)
            turns.append((name, clock.now))
        clock.leave()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take_all, "ab"))
    assert {tuple(sorted(name for name, _ in turns[begin : begin + 2])) for begin in range(0, 20, 2)} == {("a", "b")}
    assert [at for _, at in turns] == pytest.approx([STEP * number for number in range(1, 21)])


def test_one_that_comes_later_waits_for_one_piece_of_each() -> None:
    clock = Clock(threads=4)
    rate = rate_on(clock, 1000)
    came = threading.Barrier(4)
    ended: list[float] = []

    def take_all() -> None:
        came.wait()
        for _ in range(100):
            rate.take(50)
        clock.leave()

    def take_one() -> None:
        came.wait()
        rate.take(10)
        ended.append(clock.now)
        clock.leave()

    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(each) for each in (take_all, take_all, take_all, take_one)]:
            job.result()
    assert ended[0] <= 3 * STEP + 0.01 + 1e-9
    assert clock.now == pytest.approx(15.01)


# -- what is sent


def test_a_body_is_sent_in_pieces_and_tells_each() -> None:
    clock = Clock()
    told: list[tuple[int, float]] = []
    body = Body(bytes(1000), lambda count: told.append((count, clock.now)), rate_on(clock, 1000))
    sizes = []
    while piece := body.read(MIB):
        sizes.append(len(piece))
    assert sizes == [50] * 20
    assert [count for count, _ in told] == sizes
    assert [at for _, at in told] == pytest.approx([STEP * number for number in range(1, 21)])


def test_a_body_that_is_cancelled_ends_with_its_piece() -> None:
    clock = Clock()
    body = Body(bytes(1000), cancel, rate_on(clock, 1000))
    with pytest.raises(Interrupted) as stop:
        body.read(MIB)
    assert isinstance(stop.value.error, CancelledError)
    assert clock.now == pytest.approx(STEP)


def test_what_is_read_to_be_signed_takes_nothing() -> None:
    clock = Clock()
    body = Body(bytes(1000), None, rate_on(clock, 1000))
    body.signal_not_transferring()
    assert len(body.read(MIB)) == 1000
    body.seek(0)
    body.signal_transferring()
    assert (clock.now, len(body.read(MIB))) == (0, 50)


# -- with servers


@pytest.fixture(params=["aws", "aws by boto3", "azure"])
def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    """Make a provider with a limit; they share the bucket."""
    config: CloudStorageConfig
    if request.param == "azure":
        config = request.getfixturevalue("configure")()
        AzureContainer(config).create()
        yield lambda limit: AzureProvider(replace(config, bandwidth_limit=limit))
        return
    server: Server = request.getfixturevalue("moto")
    config = request.getfixturevalue("aws_config")(server)
    AwsBucket(config).create()
    if request.param == "aws by boto3":
        monkeypatch.setattr("ggg_cloud_addon.cloud_storage.providers.fast_lane.FAILURES", 0)
    yield lambda limit: AwsProvider(replace(config, bandwidth_limit=limit))


@pytest.mark.parametrize("size", [MIB, 10 * MIB], ids=["one request", "parts"])
def test_a_transfer_takes_the_time_of_its_bytes(limited: Limited, size: int) -> None:
    content = bytes(size)
    provider = limited(size * 2)
    for move in (lambda: put(provider, "k", content), lambda: read(provider, "k")):
        begun = time.monotonic()
        move()
        assert time.monotonic() - begun >= 0.5 - STEP
    assert read(limited(1 << 40), "k") == content


def test_both_ways_share_it(limited: Limited) -> None:
    provider = limited(2 * MIB)
    put(limited(1 << 40), "down", bytes(MIB))
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        up, down = pool.submit(put, provider, "up", bytes(MIB)), pool.submit(read, provider, "down")
        assert (up.result(), len(down.result()))[1] == MIB
    assert time.monotonic() - begun >= 1.0 - STEP
