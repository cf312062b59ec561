"""What was pulled knows what it is, and goes back as the next version."""

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push, resize  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path)


def push_arm():
    """As its author does."""
    arm = collection("arm")
    add("Arm", mesh("Arm", material=bpy.data.materials.new("Paint")), arm)
    add("Hand", mesh("Hand"), arm, parent=bpy.data.objects["Arm"])
    push("arm", "robot/arm.blend")


def known(name="arm"):
    stored = bpy.data.collections[name].ggg_cloud
    return stored.component_id, stored.etag


def width(name):
    return max(vertex.co.x for vertex in bpy.data.meshes[name].vertices)


def test_two_artists_in_turn(studio):
    push_arm()
    for artist in ("ada", "bob"):
        studio.new_file()
        bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend")
        studio.save(artist)
    resize("Arm", 2)
    push("arm")

    studio.open("ada")
    resize("Hand", 3)
    with pytest.raises(RuntimeError, match=r'"robot/arm.blend" was changed in the storage since you pulled it; Update'):
        push("arm")
    assert studio.view.refused.component_id == "robot/arm.blend"
    assert studio.view.refused.settings["source"] == "COLLECTION"
    bpy.ops.ggg_cloud.update(component_id="robot/arm.blend")
    assert studio.view.refused is None
    assert (width("Arm"), width("Hand")) == (2, 3)
    push("arm")

    sizes = [each.is_current for each in studio.versions("robot/arm.blend")]
    assert sizes == [True, False, False]
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend")
    assert (width("Arm"), width("Hand")) == (2, 3)
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend", version_id=studio.versions("robot/arm.blend")[1].version_id)
    assert (width("Arm"), width("Hand")) == (2, 1), "Bob's, which Ada did not have when she pushed first"


def test_a_push_over_another_version_is_possible_and_keeps_it(studio):
    push_arm()
    studio.save("ada")
    studio.new_file()
    arm = collection("arm")
    add("Other", mesh("Other"), arm)
    with pytest.raises(RuntimeError, match="is in the storage already; pull it, push under another name, or push over"):
        push("arm", "robot/arm.blend")
    push("arm", "robot/arm.blend", replace=True)
    assert len(studio.versions("robot/arm.blend")) == 2
    studio.open("ada")
    with pytest.raises(RuntimeError, match="changed in the storage since"):
        push("arm")


def test_what_an_artist_pushed_goes_on_from_there(studio):
    """Also when the push is no part of the undo history, and when the file is opened again."""
    add("Arm", mesh("Arm"))
    bpy.data.objects["Arm"].select_set(True)
    bpy.ops.ed.undo_push(message="before")
    for _ in range(2):
        bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", preview=False)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", preview=False)
    studio.save("ada")
    studio.open("ada")
    bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", preview=False)
    assert len(studio.versions("arm.blend")) == 4
    bpy.data.scenes[0].ggg_cloud_pushed.clear()
    with pytest.raises(RuntimeError, match="in the storage already"):
        bpy.ops.ggg_cloud.export_upload(component_id="arm.blend", preview=False)


def test_a_file_from_disk_is_pushed_without_a_condition(studio, tmp_path):
    (tmp_path / "a.stl").write_bytes(b"solid")
    for _ in range(2):
        bpy.ops.ggg_cloud.push(filepath=str(tmp_path / "a.stl"))
    assert len(studio.versions("a.stl")) == 2


def test_what_is_known_is_saved_and_names_the_version(studio):
    push_arm()
    author = known()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend")
    assert known() == author == ("robot/arm.blend", studio.view.rows[0].etag)
    stored = bpy.data.collections["arm"].ggg_cloud
    assert len(stored.sha256) == 64
    studio.save("ada")
    studio.open("ada")
    assert known() == author
    assert [(each.collection, each.component_id) for each in studio.view.in_file] == [("arm", "robot/arm.blend")]
    push("arm", "copy.blend")
    assert known() == author, "A copy under another name is another component"
    studio.connection.root = str(studio.folder / "other")
    push("arm", "robot/arm.blend")
    assert (studio.folder / "other/robot/arm.blend").exists()


def test_provenance_of_a_pushed_file_is_not_that_of_who_pulls_it(studio):
    """A scene with a pulled component is one component to who pulls it."""
    push_arm()
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="set.blend", file_format=".blend", preview=False)
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="set.blend")
    assert [each.component_id for each in studio.view.in_file] == ["set.blend"]
    for each in bpy.data.objects:
        assert len(each.ggg_cloud_parts) == 1


def changes(studio):
    bpy.ops.ggg_cloud.refresh()
    (found,) = studio.view.in_file
    return sorted(found.changed)


def paint_red():
    bpy.data.materials["Paint"].node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (1, 0, 0, 1)


def bend():
    bpy.data.objects["Arm"].modifiers.new("Bend", "SIMPLE_DEFORM")


def take_out():
    bpy.data.objects.remove(bpy.data.objects["Hand"])


def move_child():
    bpy.data.objects["Hand"].location.x = 1


def override():
    bpy.data.objects["Arm"].material_slots[0].material = bpy.data.materials.new("Mine")


def rename():
    bpy.data.objects["Arm"].name = bpy.data.meshes["Arm"].name = "Left"
    bpy.data.materials["Paint"].name = "Red"


def place():
    bpy.data.objects["Arm"].location = (1, 2, 3)
    bpy.data.objects["Arm"].select_set(False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: resize("Arm", 2), ["Arm"]),
        (paint_red, ["Paint"]),
        (bend, ["Arm"]),
        (take_out, ["arm"]),
        (move_child, ["Hand"]),
        (override, []),
        (rename, []),
        (place, []),
    ],
)
def test_what_was_changed_here_is_told(change, says, studio):
    paint = bpy.data.materials.new("Paint")
    if bpy.app.version < (5, 0, 0):
        paint.use_nodes = True
    arm = collection("arm")
    add("Arm", mesh("Arm", material=paint), arm)
    add("Hand", mesh("Hand"), arm, parent=bpy.data.objects["Arm"])
    push("arm", "arm.blend")
    assert changes(studio) == []
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    studio.save("ada")
    studio.open("ada")
    assert changes(studio) == []
    change()
    assert changes(studio) == says


def test_the_sidebar_knows_what_is_newer_and_what_is_gone(studio):
    push_arm()
    studio.save("ada")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.blend")
    assert studio.view.in_file[0].storage == ""
    resize("Arm", 2)
    push("arm")
    assert studio.view.in_file[0].storage == ""
    studio.open("ada")
    assert studio.view.in_file[0].storage == "newer"
    bpy.ops.ggg_cloud.refresh()
    bpy.ops.ggg_cloud.delete(component_id="robot/arm.blend")
    assert studio.view.in_file[0].storage == "gone"


def test_other_programs_get_none_of_the_notes(studio):
    push_arm()
    for name in ("arm.gltf", "arm.fbx"):
        push("arm", name)
        assert b"ggg_cloud_parts" not in studio.stored(name).read_bytes()


def test_for_changes_in_large_components_is_only_looked_when_asked(studio):
    grid = bpy.data.meshes.new("Grid")
    grid.from_pydata([(x, y, 0) for x in range(101) for y in range(101)], [], [])
    add("Grid", grid, collection("grid"))
    push("grid", "grid.blend")
    resize("Grid", 2)
    bpy.ops.ggg_cloud.refresh()
    assert [each.changed for each in studio.view.in_file] == [None]
    bpy.ops.ggg_cloud.look()
    assert [each.changed for each in studio.view.in_file] == [("Grid",)]


def test_a_file_that_is_opened_again_or_a_mesh_in_edit_mode_is_not_changed(studio):
    arm = collection("arm")
    water = add("Water", mesh("Water", material=bpy.data.materials.new("Wet")), arm)
    water.data.uv_layers.new(name="UVMap")
    water.data.polygons[0].use_smooth = True
    water.vertex_groups.new(name="Group").add([0], 0.5, "REPLACE")
    water.modifiers.new("Ocean", "OCEAN")
    water.modifiers.new("Cache", "MESH_CACHE")
    add("Smoke", bpy.data.volumes.new("Smoke"), arm)
    push("arm", "arm.blend")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    studio.save("ada")
    studio.open("ada")
    assert changes(studio) == []
    bpy.context.view_layer.objects.active = bpy.data.objects["Water"]
    bpy.ops.object.mode_set(mode="EDIT")
    assert changes(studio) == []
    assert bpy.context.object.mode == "EDIT"
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.resize(value=(2, 2, 2))
    assert changes(studio) == ["Water"]
    bpy.ops.object.mode_set(mode="OBJECT")
    assert changes(studio) == ["Water"]
    assert len(bpy.data.meshes) == 1
