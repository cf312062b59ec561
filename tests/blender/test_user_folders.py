"""The user's Blender folders, which all extensions share, are the same before and after all that this one starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from blender_folders import found_in  # noqa: E402
from studio import KINDS, add, mesh  # noqa: E402

from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402

WHEELS = "extensions/.local/lib/python{}.{}/site-packages".format(*sys.version_info)
LAID_OUT = {
    f"{WHEELS}/boto3/__init__.py": "",
    f"{WHEELS}/boto3-1.0.dist-info/RECORD": "boto3/__init__.py,,\nboto3-1.0.dist-info/RECORD,,\n",
    "extensions/.cache/compat.dat": "of other extensions than those of the factory settings, which are none",
    "extensions/.user/user_default/other/kept.json": "{}",
    "extensions/user_default/other/__init__.py": "",
    "config/userpref.blend": "",
    "scripts/startup/mine.py": "def register(): ...",
    "datafiles/studiolights/mine.exr": "",
}


@pytest.fixture
def resources() -> Iterator[Path]:
    """The user's folders of this Blender, with what others keep there."""
    folder = Path(os.environ["BLENDER_USER_RESOURCES"])
    for name, content in LAID_OUT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    yield folder
    for name in LAID_OUT:
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_push_with_its_picture_and_a_pull(empty_scene, resources, suffix, tmp_path):
    add("Cube", mesh("Cube"))
    before = found_in(resources)
    export_component(tmp_path / f"a{suffix}", bpy.context.scene, name="a", preview=tmp_path / "a.png")
    load_component(tmp_path / f"a{suffix}", "a", context=bpy.context)
    assert found_in(resources) == before


@pytest.mark.parametrize("variable", ["BLENDER_USER_EXTENSIONS", "BLENDER_USER_CONFIG"])
def test_folders_that_have_a_variable_of_their_own(empty_scene, monkeypatch, variable, tmp_path):
    folder = tmp_path / "elsewhere"
    (folder / ".local").mkdir(parents=True)
    monkeypatch.setenv(variable, str(folder))
    add("Cube", mesh("Cube"))
    before = found_in(folder)
    export_component(tmp_path / "a.glb", bpy.context.scene, name="a", preview=tmp_path / "a.png")
    load_component(tmp_path / "a.glb", "a", context=bpy.context)
    assert found_in(folder) == before


def test_the_command(empty_scene, resources, tmp_path):
    add("Cube", mesh("Cube"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cube.blend"))
    before = found_in(resources)
    store = f"--root={tmp_path / 'store'}"
    for arguments in (
        ("push", tmp_path / "cube.blend", "--scene", "--id", "cube.fbx", store),
        ("pull", "cube.fbx", "--into", tmp_path / "new.blend", store),
        ("demo", "--input", tmp_path / "cube.blend"),
    ):
        done = subprocess.run([sys.executable, "-m", "ggg_cloud_addon", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert found_in(resources) == before


def test_a_folder_for_temporary_files_in_which_blender_makes_none_of_its_own(empty_scene, monkeypatch, tmp_path):
    """As on a full disk: what Blender calls its own is the system's then, with what others keep there."""
    full = tmp_path
    while len(str(full)) < 960:
        full /= "x" * min(200, 1010 - len(str(full)))  # so long that a name more is too long for Blender
    full.mkdir(parents=True)
    (full / "precious").write_text("of somebody else")
    for variable in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(variable, str(full))
    add("Cube", mesh("Cube"))
    export_component(tmp_path / "a.glb", bpy.context.scene, name="a", preview=tmp_path / "a.png")
    load_component(tmp_path / "a.glb", "a", context=bpy.context)
    assert [each.name for each in full.iterdir()] == ["precious"]
