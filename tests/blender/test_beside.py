"""A component whose files lie beside it in the storage: pushed, and pulled, linked and updated elsewhere."""

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, push  # noqa: E402
from test_whole import body, frames, image_file  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    arm = bpy.data.collections.new("arm")
    bpy.context.scene.collection.children.link(arm)
    (tmp_path / "maps").mkdir()
    body("Arm", frames(tmp_path / "maps"), collection=arm)
    made.save("ada")
    push("arm", "robot/arm.blend", files="BESIDE")
    for each in (tmp_path / "maps").iterdir():
        each.unlink()
    yield made
    made.new_file()


def file_of_walk() -> Path:
    walk = bpy.data.images["walk"]
    return Path(bpy.path.abspath(walk.filepath, library=walk.library))


def new_file(folder):
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    folder.mkdir(exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))


@pytest.mark.parametrize("link", [False, True])
def test_who_pulls_it_gets_them(studio, link, tmp_path):
    stored = {path.relative_to(studio.store).parts[0] for path in studio.store.rglob("*.png")}
    assert stored == {"robot"}
    new_file(tmp_path / "bob")
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend", link=link)
    assert file_of_walk().is_relative_to(tmp_path / "bob" / "ggg_cloud")
    assert len(list(file_of_walk().parent.iterdir())) == 3
    blends = [path.name for path in (tmp_path / "bob" / "ggg_cloud").rglob("*.blend")]
    assert blends == (["arm.blend"] if link else [])


@pytest.mark.parametrize("link", [False, True])
def test_an_update_brings_the_new_ones(studio, link, tmp_path):
    new_file(tmp_path / "bob")
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend", link=link)
    before = file_of_walk()
    bpy.ops.wm.save_mainfile()
    studio.open("ada")
    image_file(tmp_path / "maps" / "walk.0001.png", (0, 1, 0))
    push("arm", "robot/arm.blend", files="BESIDE", replace=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "bob" / "scene.blend"))
    bpy.ops.ggg_cloud.update(component_id="robot/arm.blend")
    assert file_of_walk() != before
    assert file_of_walk().is_file()


def test_in_a_file_that_was_never_saved_they_are_missing_and_that_is_said(studio):
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend")
    assert "Save this file" in bpy.context.window_manager.ggg_cloud.last_message
