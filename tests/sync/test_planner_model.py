"""The planner with two or three clients in its hands, as a pure function: nothing but dictionaries, so it is fast.

A random tree is perturbed once for the store and once for each client (Dropbox Nucleus: CanopyCheck), so that the
snapshots have much in common. Then the clients' plans are carried out in random order, some of it failing and some
answers lost, with changes between, until nobody has anything to do. The long run is::

    pytest tests/sync/test_planner_model.py --planner-cases 1000000 --hypothesis-seed 1
"""

import functools
import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ggg_cloud_addon.cloud_storage.names import check_component_id, fold
from ggg_cloud_addon.cloud_storage.sync import plan as planner
from ggg_cloud_addon.cloud_storage.sync.config import CONFLICT_POLICIES, SyncConfig
from ggg_cloud_addon.cloud_storage.sync.plan import DELETES, WAITING, Action, Kind, make_plan
from ggg_cloud_addon.cloud_storage.sync.snapshot import (
    Base,
    BaseFile,
    Fingerprint,
    Local,
    LocalFile,
    Remote,
    RemoteFile,
)

BEGIN = datetime.fromtimestamp(0, UTC)
NAMES = ("a", "b", "c/d", "c/e", "e f")
CLASHING = ("a", "A", "a/x", "c/d", "C/d", "c")
PLAIN = {"direction": "both", "delete_files": True, "overwrite": True}
ROUNDS = 6
BATCH = 250
"""Histories with one seed: each batch can be run again alone."""
CASES = 10_000
"""In a short run. A case is a triple of snapshots that has something to plan."""


@functools.cache
def config(**options: object) -> SyncConfig:
    return SyncConfig(local_dir="x", **options)  # type: ignore[arg-type]


CONFIGS = [
    config(direction=direction, conflict=conflict, delete_files=deletes, overwrite=overwrite)
    for direction in ("both", "upload", "download")
    for conflict in CONFLICT_POLICIES
    for deletes in (True, False)
    for overwrite in (True, False)
]
TWO_WAY = [config(conflict=conflict, **PLAIN) for conflict in CONFLICT_POLICIES]


@dataclass(frozen=True)
class Version:
    """One content: a number, and when it was written, in seconds."""

    content: int
    time: int
    etag: str = ""

    @property
    def size(self) -> int:
        return 1 + self.content % 2


@dataclass
class Artist:
    config: SyncConfig
    files: dict[str, Version]
    known: dict[str, Version]
    """What was synced last: the content and its ETag."""


@dataclass
class Case:
    """A store and its clients."""

    chance: random.Random
    store: dict[str, Version] = field(default_factory=dict)
    artists: list[Artist] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)
    """Contents in versions and trash."""
    planned: int = 0
    """So many triples of snapshots had something to plan."""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def new(self) -> Version:
        """A new content; clocks are wrong now and then."""
        number = next(self.numbers)
        return Version(number, self.chance.choice((number, number, self.chance.randrange(-9, 9))), f"etag {number}")

    def perturb(self, tree: dict[str, Version], names: tuple[str, ...]) -> None:
        """Some edits, deletes, renames and new files."""
        chance = self.chance
        for name in names:
            luck = chance.random()
            if luck < 0.2:
                tree[name] = self.new()
            elif luck < 0.35:
                tree.pop(name, None)
            elif luck < 0.42 and name in tree:
                tree[chance.choice(names)] = tree.pop(name)

    def contents(self) -> set[int]:
        return self.kept | {each.content for tree in self.trees() for each in tree.values()}

    def trees(self) -> list[dict[str, Version]]:
        return [self.store, *(artist.files for artist in self.artists)]


def random_case(chance: random.Random) -> Case:
    """Two or three correlated trees, of clients that know the same past, an older one, or none."""
    case = Case(chance)
    names = CLASHING if chance.random() < 0.2 else NAMES
    past = {name: case.new() for name in names if chance.random() < 0.6}
    if names is CLASHING:
        past.pop("a/x", None)
        past.pop("c/d", None)
    case.store = dict(past)
    configs = CONFIGS if chance.random() < 0.3 else TWO_WAY
    for _ in range(chance.choice((1, 2, 2, 3))):
        files = dict(past)
        known = dict(past)
        luck = chance.random()
        if luck < 0.1:
            known = {}
        elif luck < 0.2:
            case.perturb(known, names)
        if chance.random() < 0.8:
            case.perturb(files, names)
        case.artists.append(Artist(chance.choice(configs), _as_on_a_disk(files), known))
    if chance.random() < 0.7:
        case.perturb(case.store, names)
    return case


def _as_on_a_disk(tree: dict[str, Version]) -> dict[str, Version]:
    """Without the files that would be folders too."""
    return {name: each for name, each in tree.items() if not any(other.startswith(f"{name}/") for other in tree)}


def snapshots(case: Case, artist: Artist) -> tuple[Local, Remote, Base]:
    """As the scan sees it: a hash only where a decision hangs on it."""
    local: Local = {}
    remote: Remote = {}
    files, store, known = artist.files, case.store, artist.known
    for path, mine in files.items():
        fingerprint = Fingerprint(mine.size, mine.time * 10**9, 1, 1)
        local[path] = LocalFile(fingerprint, str(mine.content) if path in known else None)
    for path, theirs in store.items():
        remote[path] = RemoteFile(theirs.etag, theirs.size, BEGIN + timedelta(seconds=theirs.time))
        here = files.get(path)
        was = known.get(path)
        if (was is None or was.etag != theirs.etag) and theirs.size in {each.size for each in (here, was) if each}:
            if here:
                local[path] = LocalFile(local[path].fingerprint, str(here.content))
            remote[path] = RemoteFile(theirs.etag, theirs.size, remote[path].modified, str(theirs.content))
    base = {
        path: BaseFile(Fingerprint(was.size, was.time * 10**9, 1, 1), str(was.content), was.etag)
        for path, was in known.items()
    }
    return local, remote, base


def check_plan(plan: tuple[Action, ...], local: Local, remote: Remote, base: Base, asked: SyncConfig) -> None:
    """What holds for any plan."""
    assert len({action.path for action in plan}) == len(plan), "one action for each path"
    deletes = [action.kind in DELETES for action in plan]
    assert deletes == sorted(deletes, reverse=True), "deletes come first"
    gone = {action.path for action in plan if action.kind in DELETES}
    staying = (local.keys() | remote.keys()) - gone
    for action in plan:
        path, kind = action.path, action.kind
        if kind in (Kind.UPLOAD, Kind.DOWNLOAD, Kind.KEEP_BOTH):
            assert not any(_exclude(path, other) for other in staying), "no file is written where it cannot be"
        here, there, was = local.get(path), remote.get(path), base.get(path)
        if kind is Kind.DELETE_LOCAL:
            assert there is None
            assert was is not None
            assert here is not None
            assert here.sha256 == was.sha256, "a change beats a delete"
        if kind is Kind.DELETE_REMOTE:
            assert here is None
            assert was is not None
            assert there is not None
            assert was.sha256 == there.sha256 or there.etag == was.etag, "a change beats a delete"
        if kind in DELETES:
            assert asked.delete_files
        if kind in (Kind.DOWNLOAD, Kind.KEEP_BOTH, Kind.DELETE_LOCAL):
            assert asked.direction != "upload"
        if kind in (Kind.UPLOAD, Kind.KEEP_BOTH, Kind.DELETE_REMOTE):
            assert asked.direction != "download"
        if kind in (Kind.UPLOAD, Kind.DOWNLOAD, Kind.KEEP_BOTH) and here and there:
            assert asked.overwrite
            changed_here = was is None or here.sha256 != was.sha256
            changed_there = was is None or (there.etag != was.etag and there.sha256 != was.sha256)
            assert kind is Kind.UPLOAD or changed_there, "what is old there replaces nothing"
            assert kind is Kind.DOWNLOAD or changed_here, "what is old here replaces nothing"
            if changed_here and changed_there:
                assert asked.conflict != "ask"
                assert kind is {"keep_both": Kind.KEEP_BOTH, "local": Kind.UPLOAD, "remote": Kind.DOWNLOAD}.get(
                    asked.conflict, kind
                )


def check_is_deterministic(plan: tuple[Action, ...], case: Case, artist: Artist) -> None:
    """The order in which things are listed does not matter."""
    shuffled = []
    for snapshot in snapshots(case, artist):
        items = list(snapshot.items())
        case.chance.shuffle(items)
        shuffled.append(dict(items))
    local, remote, base = shuffled
    assert make_plan(local, remote, base, artist.config) == plan  # type: ignore[arg-type]


def sync(case: Case, artist: Artist, trouble: float) -> tuple[Action, ...]:
    """Plan and carry out, in random order within deletes and transfers, with some failing or forgotten."""
    asked = artist.config
    local, remote, base = snapshots(case, artist)
    plan = make_plan(local, remote, base, asked)
    check_plan(plan, local, remote, base, asked)
    case.planned += bool(plan)
    chance = case.chance
    if chance.random() < 0.1:
        check_is_deterministic(plan, case, artist)
    for action in sorted(plan, key=lambda each: (each.kind not in DELETES, chance.random())):
        luck = chance.random() if trouble else 1
        if action.kind in WAITING or luck < trouble / 2:
            continue
        known = _carry_out(case, artist, action)
        if luck >= trouble:  # else the answer, or the state, was lost
            for path, version in known.items():
                if version is None:
                    artist.known.pop(path, None)
                else:
                    artist.known[path] = version
    return plan


def _carry_out(case: Case, artist: Artist, action: Action) -> dict[str, Version | None]:
    path, files, store = action.path, artist.files, case.store

    def keep(tree: dict[str, Version]) -> None:
        if path in tree:
            case.kept.add(tree[path].content)

    match action.kind:
        case Kind.UPLOAD:
            keep(store)
            store[path] = Version(files[path].content, case.new().time, f"etag {next(case.numbers)}")
        case Kind.DOWNLOAD:
            keep(files)
            files[path] = store[path]
        case Kind.DELETE_REMOTE:
            keep(store)
            del store[path]
            return {path: None}
        case Kind.DELETE_LOCAL:
            keep(files)
            del files[path]
            return {path: None}
        case Kind.KEEP_BOTH:
            copy = f"{path} (conflict {next(case.numbers)})"
            files[copy] = files[path]
            files[path] = store[path]
            store[copy] = Version(files[copy].content, case.new().time, f"etag {next(case.numbers)}")
            return {each: _both(files[each], store[each]) for each in (path, copy)}
        case Kind.FORGET:
            return {path: None}
    return {path: _both(files[path], store[path])}


def _both(mine: Version, theirs: Version) -> Version:
    assert mine.content == theirs.content
    return Version(mine.content, mine.time, theirs.etag)


def check_history(chance: random.Random) -> int:
    """Nothing is lost, and in the end all have the same, but for what waits for a person; the answer is how many
    cases it had."""
    case = random_case(chance)
    for _ in range(chance.choice((0, 0, 1, 2))):
        artist = chance.choice(case.artists)
        before = case.contents()
        sync(case, artist, trouble=0.4)
        assert before <= case.contents(), "nothing is lost"
        if chance.random() < 0.5:
            names = tuple(artist.files) or ("a",)
            case.perturb(artist.files, names)
            artist.files = _as_on_a_disk(artist.files)
    before = case.contents()
    for _ in range(ROUNDS):
        plans = [sync(case, artist, trouble=0) for artist in case.artists]
        if not any(action.kind not in WAITING for plan in plans for action in plan):
            break
    else:
        raise AssertionError("They never come to rest.")
    assert before <= case.contents(), "nothing is lost"
    for artist, plan in zip(case.artists, plans, strict=True):
        waiting = {action.path for action in plan}
        names = artist.files.keys() | case.store.keys()
        for path in names - waiting:
            mine, theirs = artist.files.get(path), case.store.get(path)
            assert mine is not None
            assert theirs is not None
            assert mine.content == theirs.content
        if (
            artist.config in TWO_WAY
            and artist.config.conflict != "ask"
            and not any(_exclude(one, other) for one, other in itertools.combinations(names, 2))
        ):
            assert not waiting, "nothing waits without a reason"
    return case.planned


@functools.cache
def _exclude(one: str, other: str) -> bool:
    """Whether two paths cannot be beside each other on every system, because of a name or of a folder's."""
    for mine, theirs in zip(one.split("/"), other.split("/"), strict=False):
        if mine != theirs:
            return fold(mine) == fold(theirs)
    return one != other  # one is a folder of the other


def test_all_plans_lose_nothing_and_come_to_rest(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, first_seed: int
) -> None:
    monkeypatch.setattr(planner, "check_component_id", functools.cache(check_component_id))
    asked = request.config.getoption("--planner-cases", None)
    done = 0
    for batch in itertools.count():
        if done >= (asked or CASES):
            break
        if asked and batch % 50 == 0:
            print(f"{done} of {asked} cases; seed {first_seed}.{batch}", flush=True)
        chance = random.Random(f"{first_seed}.{batch}")
        for number in range(BATCH):
            try:
                done += check_history(chance)
            except AssertionError as error:
                error.add_note(f"History {number} of seed {first_seed}.{batch}")
                raise
    if asked:
        print(f"{done} cases in {batch * BATCH} histories; first seed {first_seed}", flush=True)


@pytest.mark.parametrize("policy", CONFLICT_POLICIES)
def test_a_policy_is_a_total_order(policy: str) -> None:
    """Of any three contents, each pair has one winner on whichever client it meets, and there is no ring
    (Syncthing #10207). Equal times are decided by the store, which keeps what it holds."""
    chance = random.Random(1)
    for _ in range(200):
        times = chance.sample(range(100), 3)
        beats = {
            (here, there): _winner(policy, Version(here, times[here]), Version(there, times[there]))
            for here, there in itertools.permutations(range(3), 2)
        }
        if policy in ("local", "remote", "keep_both", "ask"):
            assert len({*beats.values()}) == 1
        else:
            wins = {pair[0] if kind is Kind.UPLOAD else pair[1] for pair, kind in beats.items()}
            assert all((beats[a, b] is Kind.UPLOAD) == (beats[b, a] is Kind.DOWNLOAD) for a, b in beats)
            assert len(wins) == 2


def _winner(policy: str, mine: Version, theirs: Version) -> Kind:
    artist = Artist(config(conflict=policy, **PLAIN), {"a": mine}, {})
    (action,) = make_plan(*snapshots(Case(random.Random(1), {"a": theirs}), artist), artist.config)
    return action.kind
