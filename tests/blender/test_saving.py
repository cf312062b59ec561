"""Blender saves a component again and again while two folders are synced with deletes: it is never taken for deleted.

Blender saves by ``arm.blend -> arm.blend1`` and then ``arm.blend@ -> arm.blend``; in between there is no
``arm.blend``. On a disk that is a moment of some microseconds, on the slow drive one of some hundredths of a second.

The long run: ``GGG_CLOUD_SAVES=1000 python -m pytest -s tests/blender/test_saving.py``.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from drive import Drive, Traits, why_no_mounts

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
)

pytest.importorskip("bpy")

SAVES = int(os.environ.get("GGG_CLOUD_SAVES", "30"))
SLOW_SECONDS = 0.03
ARM = "arm.blend"
SAVE = """
import hashlib, os, sys
from pathlib import Path
import bpy

path, count = Path(sys.argv[1]), int(sys.argv[2])
bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
bpy.context.preferences.filepaths.save_version = 1
mesh = bpy.data.meshes.new("Arm")
mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
bpy.context.scene.collection.objects.link(bpy.data.objects.new("Arm", mesh))
for number in range(count + 1):
    mesh.vertices[0].co.z = number
    bpy.context.scene["saves"] = number
    bpy.ops.wm.save_as_mainfile(filepath=str(path)) if number == 0 else bpy.ops.wm.save_mainfile()
    content = path.read_bytes() if path.exists() else b""
    print("saved", hashlib.sha256(content).hexdigest() if content else "nothing there", flush=True)
    if number == 0:
        sys.stdin.readline()  # until the first sync is done
os._exit(0)
"""
SYNC = """
import json, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import StorageError

store, folder, stop = map(Path, sys.argv[1:])

def tell(what, about):
    print(json.dumps([what, about]), flush=True)

class Told:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def put(self, key, *arguments, **options):
        info = self.inner.put(key, *arguments, **options)
        if key.endswith(".blend"):  # no mark of the store
            tell("uploaded", info.sha256)
        return info

manager = CloudStorageManager(CloudStorageConfig(root=store, prefix="models"))
manager.provider = Told(manager.provider)
stopped = False
while not stopped:
    stopped = stop.exists()
    try:
        result = StorageSynchronizer(manager, SyncConfig(local_dir=folder, delete_files=True)).synchronize()
    except StorageError as error:
        tell("refused", str(error))
        continue
    for action in result.done:
        tell(action.kind.value, action.path)
    for path, error in result.errors.items():
        tell("failed", f"{path}: {error}")
    tell("synced", "")
"""


@dataclass
class Studio:
    """A store and two folders."""

    store: Path
    folders: tuple[Path, Path]
    stop: Path

    def sync(self, folder: Path) -> int:
        """One run; how much it did."""
        manager = CloudStorageManager(CloudStorageConfig(root=self.store, prefix="models"))
        result = StorageSynchronizer(manager, SyncConfig(local_dir=folder, delete_files=True)).synchronize()
        assert result.errors == {}
        return len(result.done)

    def settle(self) -> None:
        for _ in range(5):
            if not sum(self.sync(folder) for folder in self.folders):
                return
        raise AssertionError("They never come to rest.")

    def kept(self) -> set[str]:
        """The SHA-256 of all that can be had: files, trash, objects and versions."""
        return {
            hashlib.sha256(path.read_bytes()).hexdigest()
            for place in (self.store, *self.folders)
            for path in place.rglob("*")
            if path.is_file()
        }


@pytest.fixture(params=["disk", "slow drive"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where Blender saves."""
    if request.param == "disk":
        yield tmp_path / "place"
        return
    if why := why_no_mounts():
        pytest.skip(why)
    mountpoint, backing = tmp_path / "place", tmp_path / "backing"
    mountpoint.mkdir()
    backing.mkdir()
    with contextlib.closing(Drive(mountpoint, backing, Traits())) as drive:
        drive.slow_down("getattr", SLOW_SECONDS, name=f"{ARM}@")  # Blender looks at it between both renames
        yield mountpoint


def save_and_sync(studio: Studio, path: Path) -> list[tuple[int, str, str]]:
    """Let Blender save to ``path`` while both folders are synced; what the syncs told, each with the saves before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as resources:
        blender = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", SAVE, path, str(SAVES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"BLENDER_USER_RESOURCES": resources},
            )
        )
        stack.callback(blender.kill)
        assert blender.stdin
        assert blender.stdout
        saved = [_saved(blender.stdout)]
        studio.settle()
        outputs = [studio.stop.with_name(f"told {folder.name}") for folder in studio.folders]
        syncs = []
        for folder, output in zip(studio.folders, outputs, strict=True):
            writer = stack.enter_context(output.open("w"))
            command = [sys.executable, "-c", SYNC, studio.store, folder, studio.stop]
            syncs.append(stack.enter_context(subprocess.Popen(command, stdout=writer)))
            stack.callback(syncs[-1].kill)
        while not all('"synced"' in output.read_text() for output in outputs):  # they are at work
            assert [sync.poll() for sync in syncs] == [None, None]
            time.sleep(0.01)
        blender.stdin.write("\n")
        blender.stdin.flush()
        told: list[tuple[int, str, str]] = []
        positions = [0, 0]
        for _ in range(SAVES):
            saved.append(_saved(blender.stdout))
            told += _news(outputs, positions, len(saved))
        assert blender.wait(60) == 0
        studio.stop.touch()
        assert [sync.wait(60) for sync in syncs] == [0, 0]
        told += _news(outputs, positions, len(saved))
    assert all(len(each) == 64 for each in saved), f"Blender's file went after {saved.index('nothing there')} saves."
    studio.settle()
    for where in (studio.store / "models", *studio.folders):
        assert hashlib.sha256((where / ARM).read_bytes()).hexdigest() == saved[-1], where
    counts = Counter(what for _, what, _ in told)
    print(f"{SAVES} saves: {dict(counts)}")
    return told


def _saved(output: Iterator[str]) -> str:
    """The SHA-256 of the next save; Blender also says things of its own."""
    for line in output:
        if line.startswith("saved "):
            return line.removeprefix("saved ").strip()
    raise AssertionError("Blender ended.")


def _news(outputs: list[Path], positions: list[int], saves: int) -> list[tuple[int, str, str]]:
    """What was told since the last time, of whole lines."""
    found = []
    for number, output in enumerate(outputs):
        with output.open() as reader:
            reader.seek(positions[number])
            lines, _, _ = reader.read().rpartition("\n")
        if lines:
            positions[number] += len(lines.encode()) + 1
            found += [(saves, *json.loads(line)) for line in lines.splitlines()]
    return found


def check(studio: Studio, told: list[tuple[int, str, str]]) -> None:
    uploaded = {about for _, what, about in told if what == "uploaded"}
    assert uploaded <= studio.kept()
    deletes = [each for each in told if each[1].startswith("delete")]
    assert deletes == [], f"taken for deleted after {deletes[0][0]} saves"
    conflicts = [path.name for folder in studio.folders for path in folder.glob("*conflict*")]
    assert conflicts == []


def test_a_component_that_blender_saves_in_a_synced_folder_is_never_deleted(place: Path, tmp_path: Path) -> None:
    studio = Studio(tmp_path / "store", (place / "ann", tmp_path / "bob"), tmp_path / "stop")
    check(studio, save_and_sync(studio, place / "ann" / ARM))


def test_a_component_that_blender_saves_in_the_store_is_never_deleted(place: Path, tmp_path: Path) -> None:
    studio = Studio(place, (tmp_path / "ann", tmp_path / "bob"), tmp_path / "stop")
    check(studio, save_and_sync(studio, place / "models" / ARM))
