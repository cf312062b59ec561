"""What a foreign file notes of its components, and what is told of one, breaks neither the sidebar nor a push."""

import sys

import pytest

bpy = pytest.importorskip("bpy")

from studio import NAME, Studio, add, collection, mesh, push  # noqa: E402

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
