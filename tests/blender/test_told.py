"""What goes with a component beside its content: counts, a comment, a picture; and what is said of it."""

import sys
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from test_addon import ADDON, add_objects  # noqa: E402
from test_whole import body, gone  # noqa: E402

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager  # noqa: E402
from ggg_cloud_addon.worker.harmless import small_png  # noqa: E402

pytestmark = pytest.mark.own_blender


@pytest.fixture
def store(addon: Any, tmp_path: Path) -> Path:
    """The folder that the preferences name; in an empty scene."""
    if addon:
        addon.connections[0].root = str(tmp_path / "store")
        bpy.data.batch_remove(bpy.data.objects)
    return tmp_path / "store"


def manager_of(store: Path) -> CloudStorageManager:
    return CloudStorageManager(CloudStorageConfig(root=store))


def test_counts_size_author_comment_and_picture_go_with_it_and_are_shown(addon: Any, store: Path) -> None:
    body("Arm").scale = (2, 1, 1)
    bpy.context.view_layer.update()
    bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", source="SCENE", comment="Für Mira")
    told = manager_of(store).get_metadata("arm.blend")
    assert (told["objects"], told["vertices"], told["bounds"], told["comment"]) == ("1", "4", "2 1 1", "Für Mira")
    assert told["blender"] == bpy.app.version_string.split()[0]
    picture = manager_of(store).get_preview("arm.blend")
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert [each.component_id for each in manager_of(store).list_components()] == ["arm.blend"]
    bpy.ops.ggg_cloud.details(component_id="arm.blend")
    view, shown = (sys.modules[f"{ADDON}.blender.{name}"] for name in ("view", "shown"))
    lines = shown.shown_metadata(view.view.details.metadata)
    assert lines[0].startswith("1 object, 4 vertices, ")
    assert "1 mesh, 0 materials" in lines[0]
    assert lines[1] == "2 x 1 x 1 m"
    assert lines[-1] == "Für Mira"
    assert Path(view.view.previews["arm.blend"]).read_bytes() == small_png(picture)
    assert [row.component_id for row in view.view.search("mira", only_differences=False)] == ["arm.blend"]
    assert view.view.search("tom", only_differences=False) == []


def test_what_is_missing_stops_a_push_until_it_is_allowed(addon: Any, store: Path, tmp_path: Path) -> None:
    gone(tmp_path)
    with pytest.raises(RuntimeError, match=r'"gone\.png" is missing') as caught:
        bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", source="SCENE")
    assert "\n" not in str(caught.value).strip().removeprefix("Error: ")
    assert not (store / "arm.blend").exists()
    refused = sys.modules[f"{ADDON}.blender.view"].view.refused
    bpy.ops.ggg_cloud.export_upload(**refused.settings)  # as the sidebar's button does
    assert (store / "arm.blend").exists()
    assert "gone.png" in bpy.context.window_manager.ggg_cloud.last_message


def test_a_component_of_a_newer_blender_is_told_before_it_is_fetched(addon: Any, store: Path, tmp_path: Path) -> None:
    add_objects()
    bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", preview=False)
    manager, newer = manager_of(store), f"{bpy.app.version[0] + 1}.0.0"
    manager.download_component("arm.blend", tmp_path / "arm.blend")
    manager.upload_component(tmp_path / "arm.blend", "arm.blend", metadata={"blender": newer})
    bpy.ops.ggg_cloud.details(component_id="arm.blend")
    view, shown = (sys.modules[f"{ADDON}.blender.{name}"] for name in ("view", "shown"))
    assert newer in shown.newer_blender(view.view.details.metadata)
    before = set(bpy.data.objects)
    if bpy.app.version < (4, 5, 0):
        with pytest.raises(
            RuntimeError, match=r'"arm\.blend" was saved by Blender 5\.0, which this Blender cannot open'
        ):
            bpy.ops.ggg_cloud.pull(component_id="arm.blend")
        assert set(bpy.data.objects) == before
    else:
        bpy.ops.ggg_cloud.pull(component_id="arm.blend")
        assert newer in bpy.context.window_manager.ggg_cloud.last_message


def test_a_pushed_file_says_what_it_leaves_behind(addon: Any, store: Path, tmp_path: Path) -> None:
    gone(tmp_path)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "arm.blend"))
    bpy.ops.ggg_cloud.push(filepath=str(tmp_path / "arm.blend"))
    told = bpy.context.window_manager.ggg_cloud.last_message
    assert told.startswith('Pushed "arm.blend"')
    assert '"gone.png", which "arm.blend" needs, is missing' in told
    assert "blender" in manager_of(store).get_metadata("arm.blend")
