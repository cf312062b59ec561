"""What a foreign file notes of its components, and what is told of one, breaks neither the sidebar nor a push."""

import contextlib
import re
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from hostile_store import fill  # noqa: E402
from studio import NAME, Studio, add, collection, mesh, push  # noqa: E402


def peak():
    """The most memory that this process had since its peak was forgotten, in bytes."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def config(studio):
    return {"provider": "mock", "root": studio.connection.root}


RECORDS = {
    "none": "",
    "no JSON": "{",
    "deep": "[" * 200_000,
    "deep, whole": "[" * 200_000 + "]" * 200_000,
    "huge": '{"matrix": [' + "1.0," * 400_000 + "1.0]}",
    "a list": "[1, 2]",
    "a text": '"matrix"',
    "a large number": "9" * 5_000,
    "empty": "{}",
    "lacking": '{"matrix": [], "parent": ""}',
    "types": '{"matrix": 1, "parent": [], "data": {}, "instance": 1, "modifiers": {}, "constraints": 1, "bones": [],'
    ' "drivers": [1], "slots": 7, "properties": null}',
    "matrix": '{"matrix": [1e999, "x"], "parent": "", "data": "", "instance": "", "modifiers": [], "constraints": [],'
    ' "bones": {}, "drivers": [["a", []]], "slots": [], "properties": []}',
}


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    add("Arm", mesh("Arm"), collection("arm"))
    push("arm", "arm.blend")
    yield made
    made.new_file()


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_none_of_ours_is_a_change(studio, kind):
    for datablock in (bpy.data.objects["Arm"], bpy.data.meshes["Arm"]):
        (part,) = datablock.ggg_cloud_parts
        part.record = RECORDS[kind]
    studio.save("ada")
    studio.open("ada")
    bpy.ops.ggg_cloud.look()
    (seen,) = studio.view.in_file
    assert "Arm" in seen.changed
    push("arm", replace=True)
    assert studio.view.last_message.startswith('Pushed "arm.blend"')


@pytest.mark.parametrize("field", ["component_id", "etag", "storage", "version_id", "sha256"])
@pytest.mark.parametrize("text", ["a\nb", "x" * 1025, "\x1b[2J"])
def test_a_collection_that_notes_no_plain_text_is_no_component(studio, field, text):
    studio.save("ada")
    studio.open("ada")  # so that the session knows nothing of the push before
    setattr(bpy.data.collections["arm"].ggg_cloud, field, text)
    bpy.ops.ggg_cloud.look()
    assert studio.view.in_file == []
    pushed = bpy.context.scene.ggg_cloud_pushed["arm.blend"]
    pushed.etag = text
    with pytest.raises(RuntimeError, match="is in the storage already"):
        push("arm", "arm.blend")


def test_properties_that_lie_too_deep_in_each_other_stop_neither_a_pull_nor_a_push(studio):
    deep = {}
    for _ in range(3000):
        deep = {"x": deep}
    bpy.data.meshes["Arm"]["deep"] = bpy.data.objects["Arm"]["deep"] = deep
    push("arm")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    bpy.ops.ggg_cloud.look()
    assert studio.view.in_file[0].changed == ()
    bpy.ops.ggg_cloud.update(component_id="arm.blend")
    assert studio.view.last_message == 'Updated "arm.blend"'


@pytest.mark.parametrize(
    "metadata",
    [
        {"objects": "²", "vertices": "9" * 9999, "materials": "-1"},
        {"blender": "².³"},
        {"blender": "9" * 9999 + ".0"},
        {"blender": ".".join("9" * 99), "bounds": " " * 99, "comment": ""},
    ],
)
def test_no_metadata_raise_where_they_are_drawn(studio, metadata):
    shown = sys.modules[f"{NAME}.blender.shown"]
    for line in (*shown.shown_metadata(metadata), shown.newer_blender(metadata)):
        assert len(line) < 20_500


@pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")
def test_a_hostile_store_takes_no_memory_and_no_names_from_the_window(studio, tmp_path):
    names = fill(tmp_path / "hostile")
    studio.connection.root = str(tmp_path / "hostile")
    (tmp_path / "synced").mkdir()
    studio.connection.sync_folder = str(tmp_path / "synced")
    previews = sys.modules[f"{NAME}.blender.previews"]
    Path("/proc/self/clear_refs").write_text("5")  # forgets it (proc(5))
    before = peak()
    bpy.ops.ggg_cloud.refresh()
    for _ in previews.fetch_previews(config(studio)):  # as in a window, where a list shows them
        pass
    assert [row.component_id for row in studio.view.rows] == sorted([*names, "good.blend"])
    for row in studio.view.rows:
        with contextlib.suppress(RuntimeError):
            bpy.ops.ggg_cloud.details(component_id=row.component_id)
        if previews.icon_of(row.component_id):
            picture = previews._collections[0][studio.view.previews[row.component_id]]
            assert max(picture.image_size) <= 256  # which makes Blender load it
    assert set(studio.view.previews) <= {"good.blend", *(name for name in names if "picture" not in name)}
    with contextlib.suppress(RuntimeError):
        bpy.ops.ggg_cloud.sync(dry_run=True)
    assert peak() - before < 200 << 20
