"""The installed extension in a Blender without a window: its command, and a pipeline's script."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from window import ADDON

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SCRIPT = f"""
import bpy, json, os, sys
folder, store, answer = sys.argv[sys.argv.index("--") + 1:]
connection = bpy.context.preferences.addons["{ADDON}"].preferences.connections[0]
connection.root, connection.sync_folder, connection.delete_files = store, folder, True
told = [sorted(bpy.ops.ggg_cloud.sync()), json.loads(bpy.context.window_manager.ggg_cloud.last_sync)["state"]]
for name in os.listdir(folder):
    if name.endswith(".blend"):
        os.remove(os.path.join(folder, name))
try:
    bpy.ops.ggg_cloud.sync()
except RuntimeError as error:
    told.append(str(error))
with open(answer, "w") as file:
    json.dump(told, file)
"""


@pytest.fixture
def run(blender: Path, resources: Path, tmp_path: Path) -> Run:
    """Run Blender in background on a saved file."""
    scene = tmp_path / "scene.blend"
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(resources), "HOME": str(tmp_path)}

    def run_blender(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [blender, "-b", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    save = f"import bpy; bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})"
    run_blender("--python-expr", save)
    assert scene.exists()
    return lambda *arguments: run_blender(scene, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dozen models."""
    folder = tmp_path / "models"
    folder.mkdir()
    for number in range(12):
        (folder / f"part {number:02}.blend").write_bytes(b"part %d" % number)
    return folder


def test_the_command_syncs_with_the_same_exit_codes(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    sync = ("--command", "ggg_cloud", "sync", folder, "--root", store, "--delete")
    done = run(*sync)
    assert done.returncode == 0, done.stderr
    assert "Sync: 12 uploaded." in done.stdout
    for each in folder.glob("*.blend"):
        each.unlink()
    refused = run(*sync)
    assert refused.returncode == 3
    assert "12 of 12 files would be deleted" in refused.stderr
    assert len(list(store.glob("*.blend"))) == 12
    assert run("--command", "ggg_cloud", "sync", folder, "--conflict", "mine").returncode == 2


def test_a_script_gets_the_finished_result_and_errors_as_exceptions(run: Run, folder: Path, tmp_path: Path) -> None:
    script, answer = tmp_path / "pipeline.py", tmp_path / "answer.json"
    script.write_text(SCRIPT)
    done = run("--python", script, "--", folder, tmp_path / "store", answer)
    assert answer.exists(), done.stdout + done.stderr
    result, state, error = json.loads(answer.read_text())
    assert (result, state) == (["FINISHED"], "done")
    assert "12 of 12 files would be deleted" in error
    assert len(list((tmp_path / "store").glob("*.blend"))) == 12
