"""kill -9 of a sync with a real store, at random moments, while both sides are edited: the next run repairs it.

A killed process is a forked child with a manager of its own, so that a kill costs milliseconds. Every fourth moment
is one of the clock, within the time that such a run takes; the others come right after the n-th thing that happens or
the n-th piece of bytes. So does the run after it, which is another process. The edits and the moments' seeds are fixed.

A longer run: ``GGG_CLOUD_KILLS=200 python -m pytest -s tests/sync/test_real_kills.py`` (so many with each store).
"""

import functools
import hashlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import botocore.session
import pytest
from children import ended, in_child
from servers import AzureServer, Server

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
    transfers,
)
from ggg_cloud_addon.cloud_storage.errors import PreconditionFailedError
from ggg_cloud_addon.cloud_storage.providers.base import list_all
from ggg_cloud_addon.cloud_storage.sync import SyncEvent
from ggg_cloud_addon.cloud_storage.sync.events import Began, Ended, Looked, LooksInto, Moved, Planned
from ggg_cloud_addon.cloud_storage.sync.plan import Kind

KILLS = {"folder": 50, "aws": 10, "azure": 15}
if "GGG_CLOUD_KILLS" in os.environ:
    KILLS = dict.fromkeys(KILLS, int(os.environ["GGG_CLOUD_KILLS"]))
COMMANDS = 4
"""So many are kills of the command, which takes most of a second to start."""
HISTORY = 35
"""So many kills in one folder and store; then new ones."""
RUNS = 3
"""What a dead process had asked of the store may still be done while the next run is at work, which then refuses to
overwrite it; so one run more."""
SMALL = (40, 3000, 70_000)
LARGE = (6 << 20) + 1
"""Bytes: two parts of a multipart upload."""
NAMES = ("arm", "leg", "robot/head", "robot/hand", "robot/deep/er/eye", "é", "a name with spaces", "🤖/wheel")
POLICIES = ("keep_both", "keep_both", "newer", "local", "remote")
EVENTS = 60
"""More than most runs have."""
WHOLE_RUN = (Looked, Planned, LooksInto)
PHASES = (
    "before the first event",
    *(f"after {event.__name__}" for event in WHOLE_RUN),
    *(f"after {event.__name__} of {kind.value!r}" for event in (Began, Moved, Ended) for kind in Kind),
)
"""What a killed run had told last."""

Tree = dict[str, str]
"""The SHA-256 of each path's content."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class World:
    """A folder, a store, and all that was ever written into either."""

    folder: Path
    config: CloudStorageConfig
    chance: random.Random
    client: Any = None
    """Of boto3, where the store is S3."""
    ever: set[str] = field(default_factory=set)
    events: int = 0
    """The most of a run."""
    seconds: float = 0.0
    """The longest of a run."""
    killed_in: Counter[str] = field(default_factory=Counter)
    """How many runs were killed in each of :data:`PHASES`."""
    _seen: dict[tuple[object, ...], str] = field(default_factory=dict)
    """The SHA-256 of what does not change: a key's ETag, a version, an inode with its ctime."""

    def __post_init__(self) -> None:
        self.here = self.folder / "here"
        self.here.mkdir(parents=True)
        self.manager = CloudStorageManager(self.config)

    # -- people

    def edit(self) -> None:
        """A few things on each side."""
        for _ in range(self.chance.randrange(1, 5)):
            self._edit_here()
        for _ in range(self.chance.randrange(1, 5)):
            self._edit_there()

    def _edit_here(self) -> None:
        path = self.here / self._name(self.tree())
        what = self.chance.random()
        if what < 0.2 and path.exists():
            path.unlink()
        elif what < 0.3 and path.exists():
            path.rename(path.with_name(f"renamed {self.chance.randrange(1000)}.blend"))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content())

    def _edit_there(self) -> None:
        there = self.objects()
        name = self._name(there)
        if self.chance.random() < 0.2 and name in there:
            self.manager.delete_component(name)
        else:
            source = self.folder / "source"
            source.write_bytes(self.content())
            self.manager.upload_component(source, name)

    def _name(self, there: Tree) -> str:
        return self.chance.choice([*(f"{name}.blend" for name in NAMES), *sorted(there)])

    def content(self) -> bytes:
        content = self.chance.randbytes(LARGE if self.chance.random() < 0.1 else self.chance.choice(SMALL))
        self.ever.add(sha256(content))
        return content

    # -- what is there

    def tree(self) -> Tree:
        return {
            path.relative_to(self.here).as_posix(): self._sha256(path)
            for path in self.here.rglob("*")
            if path.is_file() and ".ggg_cloud" not in path.parts
        }

    def objects(self) -> Tree:
        prefix = self.manager.key_prefix
        found = {}
        for info in list_all(self.manager.provider, prefix):
            if (info.key, info.etag) not in self._seen:
                with self.manager.provider.get(info.key, if_match=info.etag) as download:
                    self._seen[info.key, info.etag] = sha256(b"".join(download))
            found[info.key.removeprefix(prefix)] = self._seen[info.key, info.etag]
        return found

    def kept(self) -> set[str]:
        """All content that can be had: files, objects, trash and versions."""
        trash = {self._sha256(path) for path in (self.here / ".ggg_cloud/trash").rglob("*") if path.is_file()}
        return trash | {*self.tree().values()} | {*self.objects().values()} | self._versions()

    @staticmethod
    def _is_ours(path: Path, names: tuple[str, ...]) -> bool:
        """Whether the store keeps it for itself: what it knows of a key, or a marker of a synced folder."""
        return path.name in names or path.read_bytes().startswith(b'{"number"')

    def _versions(self) -> set[str]:
        if self.config.root is not None:
            kept = Path(self.config.root, ".ggg_store", "objects").rglob("*")
            ours = ("record.json", "stamp")
            return {self._sha256(path) for path in kept if path.is_file() and not self._is_ours(path, ours)}
        if self.client is None:  # Azurite has none
            return set()
        bucket, found = self.config.bucket_name, set()
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="models/"):
            for each in page.get("Versions", ()):
                key = each["Key"], each["VersionId"]
                if "/.ggg_store/" in each["Key"] or "/.ggg_cloud/" in each["Key"]:
                    continue
                if key not in self._seen:
                    answer = self.client.get_object(Bucket=bucket, Key=key[0], VersionId=key[1])
                    self._seen[key] = sha256(answer["Body"].read())
                found.add(self._seen[key])
        return found

    def left_over(self) -> list[str]:
        """What nobody needs any more."""
        left = [path.name for path in self.folder.rglob("*.ggg_part*")]
        left += [path.name for path in (self.folder.parent / "state").rglob("*.json")]
        if self.client is not None:
            bucket = self.config.bucket_name
            for each in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
                # One whose ID a killed process never learned has no parts. It is known by when it began, and to moto
                # all began in 2010.
                if self.client.list_parts(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"]).get("Parts"):
                    left.append(f"unfinished upload of {each['Key']}")
        return left

    def remove(self) -> None:
        """Make room for the next: moto has each version as an open file."""
        shutil.rmtree(self.folder)
        if self.client is not None:
            bucket = self.config.bucket_name
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                named = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                self.client.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})

    def where(self, strange: set[str]) -> list[object]:
        """Where such content lies."""
        return [each for each, content in self._seen.items() if content in strange]

    def _sha256(self, path: Path) -> str:
        stat = path.stat()
        known = stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size
        if known not in self._seen:
            self._seen[known] = sha256(path.read_bytes())
        return self._seen[known]

    # -- runs

    def sync(self, policy: str, on_event: Callable[[SyncEvent], object]) -> None:
        """In a process of its own. Refused is only what a dead process's request has just changed."""
        transfers._sweep_once.cache_clear()
        config = SyncConfig(local_dir=self.here, delete_files=True, max_delete=1, conflict=policy)
        result = StorageSynchronizer(CloudStorageManager(self.config), config).synchronize(on_event=on_event)
        assert all(isinstance(error, PreconditionFailedError) for error in result.errors.values()), result.errors

    def killed(self, policy: str) -> bool:
        """Kill a run, early or late; whether it had not ended."""
        by_clock, share, more = self.chance.random() < 0.25, self.chance.random(), self.chance.uniform(0, 0.005)
        child, stream = self._begin(policy)
        told = b""
        if by_clock:
            select.select([], [], [], share * self.seconds)
        else:
            told = stream.read(int(self.events**share))
            select.select([], [], [], more)
        os.kill(child, signal.SIGKILL)
        told += stream.read()
        stream.close()
        how = ended(child)
        assert how in (0, -signal.SIGKILL)
        if how:
            self.killed_in[PHASES[told[-1] if told else 0]] += 1
        return how != 0

    def command_killed(self, policy: str) -> bool:
        """The same with ``ggg-cloud sync``, soon after it has said so many lines."""
        lines, more = self.chance.randrange(8), self.chance.uniform(0, 0.05)
        config = self.folder / "config.json"
        given = {name: value for name, value in asdict(self.config).items() if value is not None}
        config.write_text(json.dumps(given, default=str))
        command = [sys.executable, "-m", "ggg_cloud_addon", "sync", self.here, "--config", config, "--delete"]
        options = ["--max-delete", "1", "--conflict", policy]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout
            for _ in range(lines):
                process.stdout.readline()
            select.select([], [], [], more)
            process.kill()
        assert process.returncode in (0, -signal.SIGKILL)
        return process.returncode == -signal.SIGKILL

    def run(self, policy: str) -> int:
        """A run that nobody kills; how many things happened."""
        began = time.monotonic()
        child, stream = self._begin(policy)
        events = len(stream.read())
        self.events = max(self.events, events)
        self.seconds = max(self.seconds, time.monotonic() - began)
        assert ended(child) == 0
        return events

    def _begin(self, policy: str) -> tuple[int, BinaryIO]:
        """A sync in a child, and a stream that gets a byte for each event in it: its number in :data:`PHASES`."""
        reader, writer = os.pipe()
        child = in_child(lambda: self.sync(policy, lambda event: os.write(writer, bytes([phase_of(event)]))))
        os.close(writer)
        return child, os.fdopen(reader, "rb")


def phase_of(event: SyncEvent) -> int:
    """The number in :data:`PHASES` of a run whose last event this is."""
    about = f" of {event.action.kind.value!r}" if isinstance(event, Began | Moved | Ended) else ""
    return PHASES.index(f"after {type(event).__name__}{about}")


MakeWorld = Callable[[int], World]


@pytest.fixture(params=KILLS)
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_world(
    request: pytest.FixtureRequest, store_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeWorld:
    """A new world with this seed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings: dict[str, Any] = {"prefix": "models"}
    client = None
    if store_kind == "aws":
        server: Server = request.getfixturevalue("moto")
        monkeypatch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        client = server.client()
        settings |= {"provider": "aws", "endpoint_url": server.url}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    elif store_kind == "azure":
        azurite: AzureServer = request.getfixturevalue("azurite")
        settings |= {"provider": "azure", "endpoint_url": azurite.account_url}
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)

    def make(seed: int) -> World:
        folder = tmp_path / f"world {seed}"
        where = {"root": folder / "store"} if store_kind == "folder" else {"bucket_name": uuid.uuid4().hex}
        config = CloudStorageConfig(**settings, **where)
        if store_kind != "folder":
            CloudStorageManager(config).bucket.create()
        return World(folder, config, random.Random(seed), client)

    return make


Kill = Callable[[World, str], bool]


def live_through(make_world: MakeWorld, kill: Kill, kills: int) -> None:
    """Edit, kill and repair until so many runs were killed before they ended."""
    killed = runs = seed = again = 0
    killed_in: Counter[str] = Counter()
    began = time.monotonic()
    while killed < kills:
        seed += 1
        world = make_world(seed)
        for name in NAMES:
            path = world.here / f"{name}.blend"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(world.content())
        world.run("keep_both")
        for _ in range(min(HISTORY, kills - killed)):
            runs += 1
            assert runs <= 5 * kills
            policy = world.chance.choice(POLICIES)
            world.edit()
            kept = world.kept()
            assert kept <= world.ever

            killed += kill(world, policy)

            found = world.kept()
            assert kept - found == set()
            assert found - world.ever == set(), world.where(found - world.ever)
            for _ in range(RUNS):
                world.run(policy)
                if world.tree() == world.objects():
                    break
                again += 1
            assert world.tree() == world.objects()
            found = world.kept()
            assert kept - found == set()
            assert found - world.ever == set(), world.where(found - world.ever)
            assert world.left_over() == []
            assert [*(world.here / ".ggg_cloud").glob("*.damaged")] == []
            assert world.run(policy) == 1  # it plans nothing
        killed_in += world.killed_in
        world.remove()
    seconds = time.monotonic() - began
    print(f"{killed} kills of {runs} runs, {again} repaired by a second run; seeds 1 to {seed}; {seconds:.0f} s")
    for phase, count in killed_in.most_common():
        print(f"  {count} {phase}")


def test_a_sync_killed_at_a_random_moment_loses_nothing_and_the_next_run_repairs_it(
    make_world: MakeWorld, store_kind: str
) -> None:
    live_through(make_world, World.killed, KILLS[store_kind])


def test_the_command_killed_at_a_random_moment_loses_nothing_and_the_next_run_repairs_it(
    make_world: MakeWorld,
) -> None:
    live_through(make_world, World.command_killed, COMMANDS)
