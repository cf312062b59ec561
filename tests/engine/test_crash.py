"""kill -9 at any moment: each path holds its old content or its new one, whole, and nothing is lost.

Children are forked, so that a kill costs milliseconds. They are killed at random moments, and at every step: right
before the n-th call that changes something on disk (Python's audit events), for n = 1, 2, ... until a child ends alone.
"""

import hashlib
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import Act, ended, in_child

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
    transfers,
)
from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError
from ggg_cloud_addon.cloud_storage.providers import folder_look
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import apply

KEY = "robot/arm.blend"
KILLS = 100
STEPS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "sqlite3.connect")


def manager_of(root: Path) -> CloudStorageManager:
    """A manager as a new process makes it: what was swept or seen before is forgotten."""
    transfers._sweep_once.cache_clear()
    return CloudStorageManager(CloudStorageConfig(root=root), FolderProvider(root))


def killed_at(step: int, act: Act, root: Path) -> bool:
    """Do this in a child that dies before its n-th change below ``root``; whether it came so far."""

    def count_down() -> object:
        left = step
        below = str(root)

        def die_in_time(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and any(str(each).startswith(below) for each in arguments[:2]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die_in_time)
        return act()

    how = ended(in_child(count_down))
    assert how in (0, -signal.SIGKILL)
    return how != 0


def at_every_step(root: Path, prepare: Act, act: Callable[[], Act], *, stride: int = 1) -> Iterator[int]:
    """Begin anew, be killed one step later each time, and come back; ends after the first child that survives."""
    step = 1 - stride
    alive = False
    while not alive:
        step += stride
        prepare()
        alive = not killed_at(step, act(), root)
        yield step
    assert step > 5


def killed_at_random(act: Callable[[int], None], seed: int, longest: int) -> None:
    """Kill a child after a random number of the bytes that it writes into the pipe it is given."""
    reader, writer = os.pipe()
    child = in_child(lambda: act(writer))
    os.close(writer)
    for _ in range(random.Random(seed).randrange(longest)):
        os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    os.close(reader)


def left_over(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*.ggg_part*")]


def pulled(manager: CloudStorageManager, component_id: str, folder: Path, version_id: str | None = None) -> bytes:
    """The content as a user gets it, checked against its SHA-256."""
    target = folder / "pulled"
    manager.download_component(component_id, target, version_id=version_id)
    return target.read_bytes()


def reachable(manager: CloudStorageManager, component_id: str, folder: Path) -> list[bytes]:
    """The content of every version."""
    try:
        history = manager.list_versions(component_id)
    except ObjectNotFoundError:
        return []
    return [pulled(manager, component_id, folder, each.version_id) for each in history]


@pytest.fixture
def big(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.blend", tmp_path / "b.blend"
    for seed, path in enumerate(paths):
        path.write_bytes(random.Random(seed).randbytes((1 << 20) + 4096 + seed))
    return paths


# -- at random moments


def test_a_killed_push_leaves_one_whole_content(tmp_path: Path, big: tuple[Path, Path]) -> None:
    root = tmp_path / "store"
    whole = {path.read_bytes() for path in big}

    def push(pipe: int) -> None:
        manager = manager_of(root)
        while True:
            for path in big:
                manager.upload_component(path, KEY, progress=lambda done, total: os.write(pipe, b"."))

    manager_of(root).upload_component(big[0], KEY)
    for kill in range(KILLS):
        killed_at_random(push, kill, 12)
        manager = manager_of(root)
        assert pulled(manager, KEY, tmp_path) in whole
        history = manager.list_versions(KEY)
        sample = {history[-1].version_id, history[len(history) // 2].version_id, history[0].version_id}
        assert {pulled(manager, KEY, tmp_path, version_id) for version_id in sample} <= whole
        if kill % 10 == 0:
            manager.upload_component(big[0], KEY)
            assert left_over(root) == []
            shutil.rmtree(root)  # a long history takes time
            manager_of(root).upload_component(big[0], KEY)


def test_a_killed_pull_leaves_one_whole_content(tmp_path: Path, big: tuple[Path, Path]) -> None:
    root, target = tmp_path / "store", tmp_path / "here" / "arm.blend"
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in big}
    for path in big:
        manager_of(root).upload_component(path, path.name)

    def pull(pipe: int) -> None:
        manager = manager_of(root)
        while True:
            for path in big:
                manager.download_component(path.name, target, progress=lambda done, total: os.write(pipe, b"."))

    manager_of(root).download_component("a.blend", target)
    for kill in range(KILLS):
        killed_at_random(pull, kill, 12)
        assert hashlib.sha256(target.read_bytes()).hexdigest() in digests
        if kill % 10 == 0:
            manager_of(root).download_component("a.blend", target)
            assert [path.name for path in target.parent.iterdir()] == ["arm.blend"]


# -- at every step


def push_b(manager: CloudStorageManager, folder: Path) -> Act:
    return lambda: manager.upload_component(folder / "b", KEY)


def delete(manager: CloudStorageManager, folder: Path) -> Act:
    return lambda: manager.delete_component(KEY)


def restore(manager: CloudStorageManager, folder: Path) -> Act:
    oldest = manager.list_versions(KEY)[-1].version_id
    return lambda: manager.restore_version(KEY, oldest)


@pytest.mark.parametrize("afterwards", ["push", "delete"])
@pytest.mark.parametrize(
    ("begin", "verb", "before", "after"),
    [
        ([], push_b, None, b"content b"),
        ([b"content a"], push_b, b"content a", b"content b"),
        ([b"content a", "by hand"], push_b, b"edited by hand", b"content b"),
        ([b"content a", "deleted"], push_b, None, b"content b"),
        ([b"content a"], delete, b"content a", None),
        ([b"first", b"content a"], delete, b"content a", None),
        ([b"content a", "by hand"], delete, b"edited by hand", None),
        ([b"first", b"content a"], restore, b"content a", b"first"),
        ([b"first", b"content a", "deleted"], restore, None, b"first"),
    ],
    ids=[
        "put new", "overwrite", "overwrite a hand's edit", "put what was deleted",
        "delete", "delete with history", "delete a hand's edit", "restore", "restore what was deleted",
    ],
)  # fmt: skip
def test_killed_at_any_step_it_is_done_or_not(
    tmp_path: Path,
    begin: list[bytes | str],
    verb: Callable[[CloudStorageManager, Path], Act],
    before: bytes | None,
    after: bytes | None,
    afterwards: str,
) -> None:
    root = tmp_path / "store"
    (tmp_path / "b").write_bytes(b"content b")
    (tmp_path / "c").write_bytes(b"content c")
    kept: set[bytes] = set()

    def prepare() -> None:
        shutil.rmtree(root, ignore_errors=True)
        manager = manager_of(root)
        manager.authenticate()
        kept.clear()
        for step in begin:
            if step == "deleted":
                manager.delete_component(KEY)
            elif step == "by hand":
                (root / KEY).write_bytes(b"edited by hand")
            else:
                assert isinstance(step, bytes)
                (tmp_path / "source").write_bytes(step)
                manager.upload_component(tmp_path / "source", KEY)
        if begin[-1:] == ["by hand"]:
            kept.add(b"edited by hand")
        else:
            kept.update(reachable(manager, KEY, tmp_path))

    def look(manager: CloudStorageManager) -> bytes | None:
        if not manager.list_components():
            return None
        return (root / KEY).read_bytes() if before == b"edited by hand" else pulled(manager, KEY, tmp_path)

    def everything() -> set[bytes]:
        return {path.read_bytes() for path in root.rglob("*") if path.is_file()}

    for _ in at_every_step(root, prepare, lambda: verb(manager_of(root), tmp_path)):
        manager = manager_of(root)
        found = look(manager)
        assert found in (before, after)
        assert kept <= everything()
        if afterwards == "delete" and found is not None:
            manager.delete_component(KEY)
            assert look(manager) is None
        else:
            manager.upload_component(tmp_path / "c", KEY)
            assert pulled(manager, KEY, tmp_path) == b"content c"
        assert kept <= set(reachable(manager, KEY, tmp_path))
        if found is not None or afterwards != "delete":
            assert left_over(root) == []


@pytest.mark.parametrize("before", [None, b"mine"], ids=["new", "overwrite"])
def test_a_pull_killed_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, before: bytes | None) -> None:
    root, here = tmp_path / "store", tmp_path / "here"
    (tmp_path / "b").write_bytes(b"content b")
    manager_of(root).upload_component(tmp_path / "b", KEY)
    target = here / "deep" / "arm.blend"

    def prepare() -> None:
        shutil.rmtree(here, ignore_errors=True)
        if before is not None:
            target.parent.mkdir(parents=True)
            target.write_bytes(before)

    def pull() -> Act:
        manager = manager_of(root)
        return lambda: manager.download_component(KEY, target)

    for _ in at_every_step(here, prepare, pull):
        found = target.read_bytes() if target.exists() else None
        assert found in (before, b"content b")
        manager_of(root).download_component(KEY, target)
        assert [path.name for path in here.rglob("*") if path.is_file()] == ["arm.blend"]
        assert target.read_bytes() == b"content b"


# -- a sync


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else saves or pushes here; the copies look as if they had just been pushed."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0)
    monkeypatch.setattr(folder_look, "STAMP_SECONDS", 0)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".ggg_") and ".ggg_part" not in path.name
    }


BASE = {name: f"base {name}".encode() for name in ("up", "down", "both", "gone here", "gone there", "a/same", "edit/x")}
HERE = {"up": b"edited here", "both": b"both, here", "new/here": b"new here", "edit/x": b"here beats delete"}
THERE = {"down": b"edited there", "both": b"both, there", "new/there": b"new there"}


def blend(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.blend": content for name, content in files.items()}


def synced(root: Path, here: Path, **options: object) -> None:
    config = SyncConfig(local_dir=here, delete_files=True, **options)  # type: ignore[arg-type]
    result = StorageSynchronizer(manager_of(root), config).synchronize()
    assert not result.errors


def push_all(manager: CloudStorageManager, files: dict[str, bytes], source: Path) -> None:
    for name, content in files.items():
        source.write_bytes(content)
        manager.upload_component(source, name)


def lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize(("conflict", "stride"), [("keep_both", 3), ("remote", 8), ("local", 8)])
def test_a_sync_killed_at_any_step_loses_nothing_and_converges(tmp_path: Path, conflict: str, stride: int) -> None:
    """About 180 steps; the stride is for time, the actions of one kind having the same steps."""
    world, template = tmp_path / "world", tmp_path / "template"
    root, here = world / "store", world / "here"
    manager = manager_of(root)
    lay(here, blend(BASE))
    synced(root, here)
    lay(here, blend(HERE))
    (here / "gone here.blend").unlink()
    push_all(manager, blend(THERE), tmp_path / "source")
    manager.delete_component("gone there.blend")
    manager.delete_component("edit/x.blend")
    shutil.copytree(world, template)
    everything = set(BASE.values()) | set(HERE.values()) | set(THERE.values())

    def prepare() -> None:
        shutil.rmtree(world)
        shutil.copytree(template, world)

    def sync() -> Act:
        return lambda: synced(root, here, conflict=conflict)

    left: set[str] = set()
    for _ in at_every_step(world, prepare, sync, stride=stride):
        synced(root, here, conflict=conflict)
        local = tree(here)
        assert tree(root) == local
        assert local["up.blend"] == b"edited here"
        assert local["down.blend"] == b"edited there"
        assert local["edit/x.blend"] == b"here beats delete"
        assert "gone here.blend" not in local
        assert "gone there.blend" not in local
        if conflict == "keep_both":
            assert {b"both, here", b"both, there"} <= set(local.values())
        assert everything <= {path.read_bytes() for path in world.rglob("*") if path.is_file()}
        left.update(left_over(world))
        plan = StorageSynchronizer(manager_of(root), SyncConfig(local_dir=here, delete_files=True, dry_run=True))
        assert plan.synchronize().plan == ()
    assert left == set()
    trash = {path.read_bytes() for path in (here / ".ggg_cloud" / "trash").rglob("*") if path.is_file()}
    history = {content for name in blend(BASE | HERE | THERE) for content in reachable(manager, name, tmp_path)}
    assert everything <= trash | history | set(tree(here).values())
