"""How much runs at once: each item once, as many as the waiting asks for, and no more large ones than said."""

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ggg_cloud_addon.cloud_storage.in_flight import AHEAD, FEW, UNIT, InFlight, Steps, all_at_once, most_at_once

SOON = 20.0
"""Seconds; nothing here takes so long but what never ends."""
SMALL, LARGE = 1, 100 * UNIT


@pytest.fixture(params=[1, 2, 4, 8])
def concurrency(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class AtOnce:
    """Jobs that are counted while they run."""

    def __init__(self, job: Callable[[int], object] = lambda number: None) -> None:
        self.done: Counter[int] = Counter()
        self.now = self.most = self.weight = self.heaviest = 0
        self._job = job
        self._weights: dict[int, int] = {}
        self._lock = threading.Lock()

    def weighing(self, items: Iterable[tuple[int, int]], concurrency: int) -> Iterator[tuple[int, int]]:
        for number, size in items:
            self._weights[number] = min(max(1, -(-size // UNIT)), concurrency)
            yield number, size

    def __call__(self, number: int) -> None:
        weight = self._weights.get(number, 1)
        with self._lock:
            self.now += 1
            self.weight += weight
            self.most = max(self.most, self.now)
            self.heaviest = max(self.heaviest, self.weight)
        try:
            self._job(number)
        finally:
            with self._lock:
                self.now -= 1
                self.weight -= weight
                self.done[number] += 1


def plain(job: Callable[[int], object]) -> Callable[[int], Steps[None]]:
    """Of one step."""

    def steps(number: int) -> Steps[None]:
        yield from ()
        job(number)

    return steps


def run(concurrency: int, items: Iterable[tuple[int, int]], job: Callable[[int], object]) -> None:
    """To its end, and in time."""
    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:
        running = InFlight(pool, concurrency, items, plain(job))
        assert running._has_ended.wait(SOON)
        running.wait()


@pytest.mark.parametrize("sizes", ["small", "large", "mixed", "empty"])
def test_each_item_is_done_once(concurrency: int, sizes: str) -> None:
    of = {"small": [SMALL], "large": [LARGE], "mixed": [SMALL, 3 * UNIT, LARGE, 0, UNIT + 1], "empty": [0]}[sizes]
    jobs = AtOnce()
    items = [(number, of[number % len(of)]) for number in range(500)]
    run(concurrency, jobs.weighing(items, concurrency), jobs)
    assert jobs.done == Counter(range(500))
    assert jobs.heaviest <= most_at_once(concurrency)


def test_of_no_items_the_end_comes_at_once(concurrency: int) -> None:
    run(concurrency, [], lambda number: pytest.fail("There is nothing to do."))


def test_one_at_a_time_where_one_is_asked_for() -> None:
    jobs = AtOnce(lambda number: time.sleep(0.001))
    run(1, ((number, LARGE if number % 3 == 0 else SMALL) for number in range(60)), jobs)
    assert (jobs.most, jobs.done) == (1, Counter(range(60)))


@pytest.mark.parametrize("size", [LARGE, 8 * UNIT])
def test_large_ones_are_never_more_than_asked_for_and_as_many(size: int) -> None:
    """All that may run do so at once, or the first of them would wait for the others in vain."""
    gate = threading.Barrier(4)
    jobs = AtOnce(lambda number: gate.wait(SOON))
    run(4, [(number, size) for number in range(40)], jobs)
    assert (jobs.most, jobs.done) == (4, Counter(range(40)))


def test_large_ones_after_many_small_ones_are_no_more_either() -> None:
    """There are more threads by then."""
    jobs = AtOnce(lambda number: time.sleep(0.01))
    items = [(number, SMALL if number < 200 else LARGE) for number in range(230)]
    large = AtOnce(lambda number: time.sleep(0.002))
    run(3, items, lambda number: (jobs if number < 200 else large)(number))
    assert jobs.most > 3
    assert large.most == 3
    assert jobs.done + large.done == Counter(range(230))


def test_what_lies_between_takes_its_share() -> None:
    """Of 4 * 4 units, 8 of two units each."""
    jobs = AtOnce(lambda number: time.sleep(0.002))
    items = [(number, 2 * UNIT if number % 2 else LARGE) for number in range(60)]
    run(4, jobs.weighing(items, 4), jobs)
    assert jobs.heaviest <= 16
    assert jobs.done == Counter(range(60))


def test_small_ones_that_wait_become_more() -> None:
    """From some time on so many run at once that each one meets all that may run."""
    together = threading.Event()
    jobs = AtOnce()

    def wait(number: int) -> None:
        time.sleep(0.02)  # an answer's way
        if jobs.now == most_at_once(4):
            together.set()

    jobs._job = wait
    run(4, ((number, SMALL) for number in range(2000) if not together.is_set()), jobs)
    assert together.is_set()
    assert FEW < most_at_once(4) == jobs.most
    assert set(jobs.done.values()) == {1}


def test_small_ones_that_wait_for_nothing_are_few() -> None:
    jobs = AtOnce()
    seen: list[int] = []
    with ThreadPoolExecutor(most_at_once(8)) as pool:
        items = ((number, SMALL) for number in range(5000))
        running = InFlight(pool, 8, items, plain(lambda number: (jobs(number), seen.append(running.at_once))))
        assert running._has_ended.wait(SOON)
    assert jobs.done == Counter(range(5000))
    assert sorted(seen[1000:])[len(seen[1000:]) // 2] <= 2 * FEW


def test_a_line_that_becomes_fast_makes_them_few_again() -> None:
    counts: list[int] = []

    def job(number: int) -> None:
        if number < 300:
            time.sleep(0.01)
        counts.append(running.at_once)

    with ThreadPoolExecutor(most_at_once(4)) as pool:
        running = InFlight(pool, 4, ((number, SMALL) for number in range(3000)), plain(job))
        assert running._has_ended.wait(SOON)
    assert max(counts[:300]) > FEW
    assert counts[-1] <= FEW
    assert len(counts) == 3000


def test_stopped_it_begins_nothing_more(concurrency: int) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def job(number: int) -> None:
        begun.release()
        assert go_on.wait(SOON)

    jobs = AtOnce(job)
    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:
        running = InFlight(pool, concurrency, ((number, SMALL) for number in range(1000)), plain(jobs))
        for _ in range(concurrency):
            assert begun.acquire(timeout=SOON)
        running.stop()
        go_on.set()
        assert running._has_ended.wait(SOON)
    assert jobs.done == Counter(range(concurrency))


def test_stopped_by_a_job_it_ends(concurrency: int) -> None:
    jobs = AtOnce(lambda number: running.stop() if number == 20 else None)
    ready = threading.Event()
    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:

        def items() -> Iterator[tuple[int, int]]:
            assert ready.wait(SOON)
            yield from ((number, SMALL) for number in range(100_000))

        running = InFlight(pool, concurrency, items(), plain(jobs))
        ready.set()
        assert running._has_ended.wait(SOON)
    assert 20 in jobs.done
    assert sum(jobs.done.values()) < 100_000
    assert set(jobs.done.values()) == {1}


def test_items_that_come_late_are_done_as_they_come(concurrency: int) -> None:
    """So a sync gives them, and takes its time for it; what came before does not wait for the next."""
    coming: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:
        running = InFlight(pool, concurrency, iter(coming.get, None), plain(told.put), lambda: not coming.empty())
        for number in range(200):
            coming.put((number, LARGE if number % 2 else SMALL))
            assert told.get(timeout=SOON) == number
        assert not running._has_ended.is_set()
        coming.put(None)
        assert running._has_ended.wait(SOON)
    assert told.empty()


def test_several_runs_in_one_pool_end(concurrency: int) -> None:
    """The threads of a run that waits are not the other's."""
    jobs = [AtOnce(), AtOnce()]
    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:
        runs = [InFlight(pool, concurrency, ((n, SMALL) for n in range(300)), plain(each)) for each in jobs]
        assert all(each._has_ended.wait(SOON) for each in runs)
    assert [each.done for each in jobs] == [Counter(range(300))] * 2


class Asking:
    """Jobs of two steps, whose answers are there at once, but for those that are slow."""

    def __init__(self, is_slow: Callable[[int], bool] = lambda number: False) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.threads: list[int] = []
        self.open: list[int] = []
        """How many were, when each of them had begun."""
        self._is_slow = is_slow
        self._lock = threading.Lock()

    def __call__(self, number: int) -> Steps[None]:
        with self._lock:
            self.begun.append(number)
            self.open.append(len(self.begun) - len(self.ended))
        asked = time.monotonic()
        yield
        if self._is_slow(number):
            time.sleep(max(0.0, asked + 0.04 - time.monotonic()))
        with self._lock:
            self.ended.append(number)
            self.threads.append(threading.get_ident())


def test_where_answers_come_soon_one_thread_asks_ahead() -> None:
    jobs = Asking()
    with ThreadPoolExecutor(most_at_once(8)) as pool:
        running = InFlight(pool, 8, ((number, SMALL) for number in range(3000)), jobs)
        assert running._has_ended.wait(SOON)
    assert sorted(jobs.ended) == sorted(jobs.begun) == list(range(3000))
    assert len(set(jobs.threads[-500:])) == 1
    assert set(jobs.open[-500:]) == set(range(AHEAD // 2 + 1, AHEAD + 1))


def test_asking_ahead_gives_way_where_there_is_something_to_wait_for() -> None:
    """By three at once nearly all time would be lost."""
    jobs = Asking(lambda number: number >= 1000)
    with ThreadPoolExecutor(most_at_once(8)) as pool:
        running = InFlight(pool, 8, ((number, SMALL) for number in range(3000)), jobs)
        assert running._has_ended.wait(SOON)
    assert sorted(jobs.ended) == list(range(3000))
    assert max(jobs.open) == most_at_once(8)


def test_one_at_a_time_asks_for_nothing_ahead() -> None:
    jobs = Asking()
    with ThreadPoolExecutor(1) as pool:
        assert InFlight(pool, 1, ((number, SMALL) for number in range(300)), jobs)._has_ended.wait(SOON)
    assert set(jobs.open) == {1}
    assert jobs.ended == list(range(300))


@pytest.mark.parametrize("concurrency", [2, 8])
def test_large_ones_among_those_asked_ahead_wait_their_turn(concurrency: int) -> None:
    """Nothing that was asked for waits until a large one has ended."""
    jobs = Asking()
    large = AtOnce(lambda number: time.sleep(0.001))

    def job(number: int) -> Steps[None]:
        yield from plain(large)(number) if number % 50 == 49 else jobs(number)

    with ThreadPoolExecutor(most_at_once(concurrency)) as pool:
        items = ((number, LARGE if number % 50 == 49 else SMALL) for number in range(2000))
        assert InFlight(pool, concurrency, items, job)._has_ended.wait(SOON)
    assert large.most <= concurrency
    assert large.done == Counter(range(49, 2000, 50))
    assert len(jobs.ended) == 2000 - 40


def test_what_was_asked_for_is_not_left_waiting_for_what_is_to_come() -> None:
    """A sync gives its next ones only when the first have ended."""
    coming: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    told: queue.SimpleQueue[int] = queue.SimpleQueue()

    def job(number: int) -> Steps[None]:
        yield
        told.put(number)

    with ThreadPoolExecutor(most_at_once(4)) as pool:
        running = InFlight(pool, 4, iter(coming.get, None), job, lambda: not coming.empty())
        for number in range(0, 600, 2):
            coming.put((number, SMALL))
            coming.put((number + 1, SMALL))
            assert {told.get(timeout=SOON), told.get(timeout=SOON)} == {number, number + 1}
        coming.put(None)
        assert running._has_ended.wait(SOON)


def test_all_steps_come_to_the_result_and_to_the_error() -> None:
    def steps() -> Steps[int]:
        yield
        return 5

    def broken() -> Steps[int]:
        yield
        raise KeyError

    assert all_at_once(steps()) == 5
    with pytest.raises(KeyError):
        all_at_once(broken())


def test_it_ends_when_all_have_ended_that_a_leaving_thread_had_begun() -> None:
    """The first to end one of several finds that there are threads enough; when it has begun more depends on luck."""
    for _ in range(50):
        ended: list[int] = []

        def job(number: int, ended: list[int] = ended) -> Steps[None]:
            yield
            if threading.get_ident() in ended:
                time.sleep(0.01)
            ended.append(threading.get_ident())

        with ThreadPoolExecutor(most_at_once(4)) as pool:
            running = InFlight(pool, 4, ((number, SMALL) for number in range(12)), job)
            running._ahead = 3
            assert running._has_ended.wait(SOON)
            assert len(ended) == 12


def test_what_else_the_process_does_makes_them_no_fewer() -> None:
    """As hashing a large file, which needs no lock of the interpreter's."""
    content = bytes(1 << 20)
    stopped = threading.Event()

    def hash_on() -> None:
        while not stopped.is_set():
            hashlib.sha256(content)

    counts: list[int] = []

    def job(number: int) -> None:
        time.sleep(0.02)
        counts.append(running.at_once)

    with ThreadPoolExecutor(2) as others, ThreadPoolExecutor(most_at_once(4)) as pool:
        for _ in range(2):
            others.submit(hash_on)
        running = InFlight(pool, 4, ((number, SMALL) for number in range(400)), plain(job))
        assert running._has_ended.wait(SOON)
        stopped.set()
    assert sorted(counts)[200] == most_at_once(4)
