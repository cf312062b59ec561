"""Some artists with a folder each, one store, other tools that write into it, and a memory of what they all did.

Every content is written once, so it can be told where each one is.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from memory_store import KINDS, MemoryProvider
from steps import Crash, SteppedProvider, Steps, listening

from ggg_cloud_addon.cloud_storage import StorageSynchronizer, SyncConfig, SyncResult, transfers
from ggg_cloud_addon.cloud_storage.errors import StorageError
from ggg_cloud_addon.cloud_storage.names import STATE_FOLDER, STORE_FOLDER, fold
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import synchronizer
from ggg_cloud_addon.cloud_storage.sync.plan import WAITING, Action, Kind
from ggg_cloud_addon.cloud_storage.sync.state import DATABASE

MEMORY = Path("/dev/shm")
"""A disk in memory, where the system has one."""
ROUNDS = 8
"""After so many syncs of each everybody has to be at rest."""
TOOL = "another tool"
ODD_TIME_NS = 9_200_000_000 * 10**9 + 7
"""In the year 2261; later ones are not to be had from every file system."""
BESIDE = ["*@", "*1"]
"""What a program keeps beside a file that it saves takes no part in a sync."""
PLAIN = {"direction": "both", "delete_files": True, "overwrite": True}
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Event:
    """What somebody did to a path by hand."""

    who: str
    before: bytes | None
    after: bytes | None


@dataclass
class Client:
    """An artist with a folder."""

    name: str
    folder: Path
    options: dict[str, Any]
    states: list[bytes] = field(default_factory=list)
    """Copies of the sync's memory, the oldest first."""
    saving: set[str] = field(default_factory=set)
    """Paths in the middle of a save: the new content lies beside, and the file was renamed to a backup."""

    @property
    def state(self) -> Path:
        return self.folder / STATE_FOLDER / DATABASE

    def files(self) -> Tree:
        return _tree(self.folder, hidden=STATE_FOLDER)

    def trash(self) -> list[bytes]:
        return [*_tree(self.folder / STATE_FOLDER / "trash").values()]


@dataclass
class Storage:
    """What a sync needs of a manager."""

    provider: Any
    max_concurrency: int = 1
    key_prefix: str = "m/"


class World:
    """All that there is, and what must hold for it."""

    def __init__(self, store: str, options: list[dict[str, Any]]) -> None:
        """``store`` is one of :data:`memory_store.KINDS`, or ``"folder"``; each client has its settings."""
        self.root = Path(tempfile.mkdtemp(prefix="ggg_model_", dir=MEMORY if MEMORY.is_dir() else None))
        self.memory = MemoryProvider(KINDS[store]) if store != "folder" else None
        self.clients = [Client(f"client {n}", self.root / f"client {n}", each) for n, each in enumerate(options)]
        for each in self.clients:
            each.folder.mkdir()
        self._numbers = itertools.count()
        self.written: set[bytes] = set()
        self.given_up: set[bytes] = set()
        """What its user replaced or deleted in the middle of a sync."""
        self.tree: Tree = {}
        """What all held when they were last at rest."""
        self.events: defaultdict[str, list[Event]] = defaultdict(list)
        """What was done by hand since."""
        self.is_certain = True
        """Whether no answer and no state was lost since."""
        self._meddled: set[str] = set()
        self._unsettled: set[str] = set()
        """What waited for a person at the last rest."""
        self._backup: Any = None
        self.shown: set[bytes] = set()
        """What the clients' files held when an older store was put in place of the one that they had seen."""
        self._provider: Any = self.memory
        self.begin_anew()

    def close(self) -> None:
        shutil.rmtree(self.root)

    # -- what people do by hand

    def save(self, client: Client, path: str, how: str, longer: int = 0) -> None:
        """Save beside and rename, as Blender does, or in place; ``"sly"`` keeps size and mtime (aws-cli #406)."""
        target = client.folder / path
        if target.is_dir() or not _can_be_folders(client.folder, path):
            return
        before = target.read_bytes() if target.exists() else None
        content = self._new(longer)
        self._tick()
        self._write(target, content, how)
        self._note(client.name, path, before, content)

    def _write(self, target: Path, content: bytes, how: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "replace":
            beside = target.with_name(f"{target.name}.new@")
            beside.write_bytes(content)
            beside.replace(target)
        else:
            stat = target.stat() if target.exists() else None
            with target.open("r+b" if stat else "wb") as file:
                file.write(content)
                file.truncate()
            if how == "sly" and stat:
                os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            elif how == "odd time":
                os.utime(target, ns=(ODD_TIME_NS, ODD_TIME_NS))

    def save_begins(self, client: Client, path: str) -> None:
        """As Blender does: write ``a@``, rename ``a`` to ``a1``. For now there is no ``a``."""
        target = client.folder / path
        if path in client.saving or target.is_dir() or not _can_be_folders(client.folder, path):
            return
        content = self._new(0)
        self._tick()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(f"{target.name}@").write_bytes(content)
        backup = target.with_name(f"{target.name}1")
        if target.is_file():
            if backup.is_file():
                self.given_up.add(backup.read_bytes())
            target.rename(backup)
        client.saving.add(path)

    def save_ends(self, client: Client, path: str) -> None:
        """Rename ``a@`` to ``a``; what came to lie there meanwhile is replaced."""
        target = client.folder / path
        if path not in client.saving:
            return
        client.saving.remove(path)
        beside = target.with_name(f"{target.name}@")
        if target.is_dir() or not _can_be_folders(client.folder, path):
            self.given_up.add(beside.read_bytes())
            beside.unlink()
            return
        before = target.read_bytes() if target.exists() else None
        target.parent.mkdir(parents=True, exist_ok=True)
        content = beside.read_bytes()
        beside.rename(target)
        self._note(client.name, path, before, content)

    def delete(self, client: Client, path: str) -> None:
        target = client.folder / path
        if target.is_file():
            before = target.read_bytes()
            target.unlink()
            self._note(client.name, path, before, None)

    def rename(self, client: Client, path: str, new: str) -> None:
        source, target = client.folder / path, client.folder / new
        if not source.is_file() or target.exists() or not _can_be_folders(client.folder, new):
            return
        content = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        self._note(client.name, path, content, None)
        self._note(client.name, new, None, content)

    def tool_puts(self, path: str, how: str = "in place") -> None:
        """Without any metadata of ours; in a folder as :meth:`save` does, and without any lock."""
        before = self.store().get(path)
        if self.memory is not None:
            if not self.memory.kind.keys_below_keys and _is_in_the_way(path, self.store()):
                return
            content = self._new(0)
            self.memory.lay(f"m/{path}", content)
        else:
            folder = self.root / "store" / "m"
            target = folder / path
            if target.is_dir() or not _can_be_folders(folder, path) or not (self.root / "store").is_dir():
                return
            if any(each != path and fold(each) == fold(path) for each in self.store()):
                return
            content = self._new(0)
            self._tick()
            self._write(target, content, how)
        self._note(TOOL, path, before, content)

    def tool_renames(self, path: str, new: str) -> None:
        """In a folder, as a file manager does."""
        folder = self.root / "store" / "m"
        source, target = folder / path, folder / new
        if self.memory is not None or not source.is_file() or target.exists() or _is_in_the_way(new, self.store()):
            return
        content = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        self._note(TOOL, path, content, None)
        self._note(TOOL, new, None, content)

    def tool_touches(self, path: str, time_ns: int | None) -> None:
        """Give it another time; ``None`` is now. Or, on an object store, write the same bytes again."""
        target = self.root / "store" / "m" / path
        if self.memory is not None:
            if path in self.store():
                self.memory.lay(f"m/{path}", self.store()[path])
        elif target.is_file():
            self._tick()
            os.utime(target, **({} if time_ns is None else {"ns": (time_ns, time_ns)}))

    def back_up(self) -> None:
        """Make a copy of the store, in place of an older one."""
        if self.memory is not None:
            self._backup = self.memory.backup()
        elif (self.root / "store").is_dir():
            shutil.rmtree(self.root / "backup", ignore_errors=True)
            shutil.copytree(self.root / "store", self.root / "backup", ignore=shutil.ignore_patterns("*.lock"))
            self._backup = {}

    def restore_backup(self) -> None:
        """Put the copy in the store's place; what only the store had is lost by that."""
        if self._backup is None:
            return
        before = self.reachable()
        held = [client.files() for client in self.clients]
        stored = self.store()
        if self.memory is not None:
            self.memory.restore(self._backup)
        else:
            shutil.rmtree(self.root / "store")
            shutil.copytree(self.root / "backup", self.root / "store")
        if self.store():  # else it is empty, which all syncs here are allowed to follow
            self.shown.update(content for files in held for path, content in files.items() if path in stored)
        self.given_up |= before - self.reachable()
        self._meddled.update(self.tree, self.events, self.store())
        self.is_certain = False

    def tool_deletes(self, path: str) -> None:
        before = self.store().get(path)
        if before is not None:
            if self.memory is not None:
                self._provider.delete(f"m/{path}")
            else:
                (self.root / "store" / "m" / path).unlink()
            self._note(TOOL, path, before, None)

    def spoil_state(self, client: Client, how: str) -> None:
        """Lose what a client's sync remembers, or put an old copy in its place, as from a backup."""
        if not client.state.exists():
            return
        if how == "lost":
            client.state.unlink()
        elif how == "torn":
            client.state.write_bytes(client.state.read_bytes()[:5000])
        elif client.states:
            client.state.write_bytes(client.states[len(client.states) // 2 if how == "old" else 0])
        self.is_certain = False

    # -- syncs

    def sync(self, client: Client, *, jobs: int = 1, provider: Any = None, **options: Any) -> SyncResult:
        settings = {"file_patterns": ["*"], "exclude_patterns": BESIDE, "max_delete": 1} | client.options | options
        config = SyncConfig(local_dir=client.folder, **settings)
        try:
            return StorageSynchronizer(Storage(provider or self._provider, jobs), config).synchronize()
        finally:
            if client.state.exists():
                client.states.append(client.state.read_bytes())

    def sync_quietly(self, client: Client, jobs: int = 1) -> None:
        """Nothing goes wrong, so nothing may fail."""
        with self.nothing_vanishes():
            _check_errors(client, self.sync(client, jobs=jobs))

    def sync_with_other_settings(self, client: Client, settings: dict[str, Any], names: tuple[str, ...]) -> None:
        """For one run; what vanishes while it is not looked at was not deleted."""
        self._meddled.update(names)
        with self.nothing_vanishes():
            _check_errors(client, self.sync(client, **settings))

    def sync_with_a_wrong_clock(self, client: Client, days: float) -> None:
        """For one run."""
        with self.nothing_vanishes(), pytest.MonkeyPatch.context() as patches:
            patches.setattr(synchronizer, "datetime", _clock(days))
            _check_errors(client, self.sync(client))

    def sync_while_unmounted(self, client: Client, kind: str, number: int) -> bool:
        """A drive goes away at the n-th step, and is there again after the sync; the empty folder under its mount gets
        nothing that anybody would believe stored."""
        if self.memory is not None:
            return False
        store, away = self.root / "store", self.root / "away"

        def unmount(_: str | None) -> None:
            store.rename(away)
            store.mkdir()

        steps = Steps(kind, number, unmount, [client.folder, store])
        with self.nothing_vanishes():
            try:
                with listening(steps), contextlib.suppress(StorageError):
                    self.sync(client, provider=SteppedProvider(FolderProvider(store), steps))
            finally:
                if steps.fired:
                    left = [path for path in store.rglob("*") if path.is_file() and path.suffix != ".lock"]
                    shutil.rmtree(store)
                    away.rename(store)
                    for part in (store / STORE_FOLDER / "tmp").glob(".*"):
                        part.unlink()  # it could not be removed while the drive was away; the next process does it
            assert not steps.fired or not left, left
        if steps.fired:
            self.is_certain = False
            self.begin_anew()
        return steps.fired

    def sync_on_a_bad_day(self, client: Client, rate: float, seed: int) -> None:
        """Requests fail: before anything is done, in the middle, or after it is done with the answer lost."""
        self.is_certain = False
        with self.nothing_vanishes(), contextlib.suppress(StorageError):
            self.sync(client, provider=FaultyProvider(self._provider, error_rate=rate, seed=seed))

    def sync_while(
        self, client: Client, kind: str, number: int, act: Callable[[str | None], object], *, in_store: bool
    ) -> bool:
        """Something happens at the n-th step of this kind; whether the sync came so far.

        Args:
            in_store: whether steps inside a folder store count. There its locks are held, so only what takes none, as
                another tool, can happen.
        """

        def meddle(replaces: str | None) -> None:
            act(replaces)
            self.check_contents()

        steps = Steps(kind, number, meddle, [client.folder, *([self.root / "store"] if in_store else [])])
        with self.nothing_vanishes(), contextlib.suppress(StorageError), listening(steps):
            self.sync(client, provider=SteppedProvider(self._provider, steps))
        return steps.fired

    def sync_and_crash(self, client: Client, kind: str, number: int, *, state_is_old: bool) -> bool:
        """The process dies at the n-th step of this kind; whether it came so far.

        A kill leaves the memory as it was last saved: at the begin, or any later moment.
        """
        before = client.state.read_bytes() if client.state.exists() else None
        steps = Steps(kind, number, None, [self.root])
        with self.nothing_vanishes():
            try:
                with listening(steps), contextlib.suppress(StorageError):
                    self.sync(client, provider=SteppedProvider(self._provider, steps))
            except Crash as crash:
                self.is_certain = False
                _let_go(crash)
                if state_is_old and before is not None:
                    client.state.write_bytes(before)
                elif state_is_old:
                    client.state.unlink(missing_ok=True)
            self.begin_anew()
        return steps.dead

    def begin_anew(self) -> None:
        """As a new process does: what was swept or seen before is forgotten."""
        transfers._sweep_once.cache_clear()
        if self.memory is None:
            self._provider = FolderProvider(self.root / "store")
        self._provider.check()

    def settle(self) -> None:
        """Sync in turns until nobody has anything to do; then what must hold at rest has to."""
        for client in self.clients:
            for path in sorted(client.saving):
                self.save_ends(client, path)
        for _ in range(ROUNDS):
            plans = [self._sync_and_count(client) for client in self.clients]
            if not any(action.kind not in WAITING for plan in plans for action in plan):
                self._check_rest(plans)
                return
        raise AssertionError("They never come to rest.")

    def _sync_and_count(self, client: Client) -> tuple[Action, ...]:
        """A quiet sync; one that has nothing to do asks for the listing alone."""
        provider = _Counting(self._provider)
        with self.nothing_vanishes():
            result = self.sync(client, provider=provider)
            assert not result.errors, result.errors
        assert result.plan or provider.asked <= {"check", "list", "tidy", "get"}, provider.asked
        return result.plan

    # -- what must hold

    def store(self) -> Tree:
        """What the store holds now."""
        if self.memory is not None:
            return {key.removeprefix("m/"): content for key, content in self.memory.contents().items()}
        return _tree(self.root / "store" / "m", hidden=STATE_FOLDER)

    def reachable(self) -> set[bytes]:
        """Every content that somebody can get at: files, conflict copies, the trash, versions."""
        found: set[bytes] = set()
        for client in self.clients:
            found.update(client.files().values(), client.trash())
        if self.memory is not None:
            found.update(self.memory.reachable())
        else:
            found.update(self.store().values())
            kept = _tree(self.root / "store" / STORE_FOLDER / "objects")
            versions = (content for name, content in kept.items() if not name.endswith(("/record.json", "/stamp")))
            found.update(content for content in versions if not content.startswith(b"{"))  # no marker
        return found

    def check_contents(self) -> set[bytes]:
        """Whatever is anywhere is whole; the answer is all that is reachable."""
        found = self.reachable()
        assert found <= self.written, f"torn: {found - self.written}"
        return found

    @contextlib.contextmanager
    def nothing_vanishes(self) -> Iterator[None]:
        """Whatever is reachable before a sync still is after it, but for what its user gave up meanwhile."""
        before, number = self.check_contents(), len(self.written)
        self.given_up.clear()
        yield
        new = {content for content in self.written if int(content[:8]) >= number}
        lost = (before | new) - self.check_contents() - self.given_up
        assert not lost, f"lost: {lost}"

    def _check_rest(self, plans: list[tuple[Action, ...]]) -> None:
        store = self.store()
        waiting: set[str] = set()
        for client, plan in zip(self.clients, plans, strict=True):
            for action in plan:
                self._check_waiting(client, action.kind, action.path, action.reason)
            mine = {action.path for action in plan}
            files = {path: content for path, content in client.files().items() if not _is_beside(path)}
            differing = {path for path in files.keys() | store.keys() if files.get(path) != store.get(path)}
            assert differing <= mine, f"{client.name} differs in {differing - mine}"
            waiting |= mine
        left = [path.name for path in self.root.rglob("*.ggg_part*")]
        assert not left, left
        self._check_history(store, waiting)
        self._check_nothing_is_hidden(store)
        if all(
            each.options["conflict"] in ("keep_both", "ask") and each.options["direction"] == "both"
            for each in self.clients
        ):
            lost = self.shown - {*store.values()}.union(*(each.files().values() for each in self.clients))
            lost -= {event.before for events in self.events.values() for event in events}
            assert not lost, f"rolled back: {lost}"
        self.shown.clear()
        self.tree = store
        self.events.clear()
        self._meddled.clear()
        self._unsettled = waiting
        self.is_certain = not waiting

    def _check_waiting(self, client: Client, kind: Kind, path: str, reason: str) -> None:
        """It waits for a reason."""
        options = client.options
        if kind is Kind.SKIP:
            assert options["direction"] != "both" or not options["delete_files"] or not options["overwrite"], reason
            return
        if reason == "the storage is older than at the last sync":
            return
        others = client.files().keys() | self.store().keys()
        asks = options["conflict"] == "ask" or options["direction"] != "both" or not options["overwrite"]
        assert asks or _is_in_the_way(path, others), f"{path}: {reason}"

    def _check_history(self, store: Tree, waiting: set[str]) -> None:
        """What nobody touched is as it was; a change beats a delete; what was only deleted is gone."""
        names = {*self.tree, *self.events, *store}
        for path in names - waiting:
            events, before, now = self.events.get(path, []), self.tree.get(path), store.get(path)
            if "(conflict" in path or _is_in_the_way(path, names):
                continue
            if not events and path not in self._meddled | self._unsettled:
                assert now == before, f"{path} was {before} and is {now}, untouched"
            if not self.is_certain or not events or path in self._meddled:
                continue
            writers = {each.who for each in events if each.after is not None}
            # A backup or a mirror brings back what the other side lost.
            brings_back = any(each.options["direction"] != "both" for each in self.clients)
            if not writers and not brings_back:
                assert now is None, f"{path} was deleted and came back"
            if len(writers) == 1:
                (writer,) = writers
                last = [each for each in events if each.who == writer][-1].after
                if all(each.who == writer or each.before != last for each in events) and not (brings_back and not last):
                    assert now == last, f"{path} was last {last} and is {now}"

    def _check_nothing_is_hidden(self, store: Tree) -> None:
        """Where both sides of a conflict are kept, what nobody replaced or deleted by hand is a file, not only in the
        trash or among the versions."""
        if any(each.options != PLAIN | {"conflict": each.options["conflict"]} for each in self.clients) or any(
            each.options["conflict"] not in ("keep_both", "ask") for each in self.clients
        ):
            return
        replaced = {event.before for events in self.events.values() for event in events}
        shown = {*store.values()}.union(*(client.files().values() for client in self.clients))
        for path in self.events.keys() - self._meddled:
            for event in self.events[path]:
                if event.after is not None and event.after not in replaced:
                    assert event.after in shown, f"{event.after} of {path} is hidden"

    # -- how it is done

    def _new(self, longer: int) -> bytes:
        content = b"%08d" % len(self.written) + b"+" * longer
        self.written.add(content)
        return content

    def _note(self, who: str, path: str, before: bytes | None, after: bytes | None) -> None:
        self.events[path].append(Event(who, before, after))
        if before is not None:
            self.given_up.add(before)

    def meddled(self, path: str) -> None:
        """It was changed in the middle of a sync, where in the last moment a delete can still win."""
        self._meddled.add(path)

    def _tick(self) -> None:
        """Wait until the file system's clock has moved, which can take some milliseconds."""
        probe = self.root / "clock"
        probe.touch()
        before = probe.stat().st_mtime_ns
        while probe.stat().st_mtime_ns == before:
            probe.touch()


class _Counting:
    """Remembers what was asked."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if callable(found):
            self.asked.add(name)
        return found


def _check_errors(client: Client, result: SyncResult) -> None:
    """Nothing fails but what is being saved, and what could only take its place."""
    failed = {path for path in result.errors if path not in client.saving and not _is_in_the_way(path, client.saving)}
    assert not failed, result.errors


def _is_beside(path: str) -> bool:
    return path.endswith(("@", "1"))


def _clock(days: float) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days)

    return Clock


def _let_go(crash: BaseException) -> None:
    """Free what the frames of the dead hold: its locks, which a dead process does not keep."""
    error: BaseException | None = crash
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _tree(folder: Path | str, hidden: str = "", below: str = "") -> Tree:
    """The contents of all files, but for what lies in one folder and what is still being written."""
    found: Tree = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != hidden:
                    found |= _tree(entry.path, hidden, f"{below}{entry.name}/")
            elif ".ggg_part" not in entry.name:
                with open(entry.path, "rb") as file:  # noqa: PTH123  # half of a history is this
                    found[below + entry.name] = file.read()
    return found


def _can_be_folders(root: Path, path: str) -> bool:
    return not any((root / folder).is_file() for folder in Path(path).parents)


def _is_in_the_way(path: str, others: Any) -> bool:
    """Whether another path is the same on some systems, or a folder of this one, or the other way round."""
    mine = fold(path)
    return any(
        fold(each).startswith(f"{mine}/")
        or mine.startswith(f"{fold(each)}/")
        or (each != path and fold(each) == mine)
        or _folders_differ(path, each)
        for each in others
    )


def _folders_differ(one: str, other: str) -> bool:
    """Whether they lie in folders that only differ in case."""
    return any(
        mine != theirs and fold(mine) == fold(theirs)
        for mine in map(str, Path(one).parents)
        for theirs in map(str, Path(other).parents)
    )
