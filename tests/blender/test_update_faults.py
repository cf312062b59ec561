"""An update is all or nothing, and works with what has torn scenes before."""

import linecache
import sys

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push, resize  # noqa: E402
from test_update_sweep import NEW, notes, pull, save  # noqa: E402, F401

from ggg_cloud_addon.blender.scene.provenance import part_of  # noqa: E402
from ggg_cloud_addon.blender.scene.update import update as bring_up_to_date  # noqa: E402
from ggg_cloud_addon.blender.scene.values import content  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path)


class Broken(BaseException):
    pass


def inventory(key):
    """All that is in the file."""
    names = lambda each: (type(each).__name__, each.name)  # noqa: E731
    found = {}
    for each in bpy.data.user_map():
        if type(each).__name__ in ("Screen", "WindowManager", "WorkSpace"):
            continue
        part = part_of(each, key)
        members = []
        if isinstance(each, bpy.types.Collection):
            members = [names(one) for one in (*each.objects, *each.children)] + [each.ggg_cloud.sha256]
        if isinstance(each, bpy.types.Scene):
            members = [names(one) for one in (*each.collection.objects, *each.collection.children)]
            layer = each.view_layers[0]
            members += [(one.name, one.select_get(), one.hide_get()) for one in layer.objects]
            members += [layer.objects.active.name, layer.layer_collection.children[0].children[0].exclude]
        found[names(each)] = (each.users, part, members, dict(content(each, names, weighted=True).values))
    return found


def make_rig():
    """Some of each: a skin that a rig moves, materials, an instance, a driver, an empty."""
    rig = collection("rig")
    inner = collection("inner", rig)
    wood = bpy.data.materials.new("Wood")
    skin = add("Skin", mesh("Skin", material=wood), rig)
    skin.shape_key_add(name="Basis")
    skin.vertex_groups.new(name="Group").add([0], 0.5, "REPLACE")
    hook = add("Hook", None, rig)
    skin.modifiers.new("Hook", "HOOK").object = hook
    skin.constraints.new("COPY_ROTATION").target = hook
    skin.driver_add("delta_location", 0).driver.expression = "1"
    add("Gone", mesh("Gone"), rig)
    for number in range(3):
        add(f"Part {number}", mesh(f"Part {number}", material=wood), inner, parent=skin)
    add("Use", None, rig, instance_type="COLLECTION", instance_collection=inner)
    return rig


def change_rig(rig):
    data = bpy.data
    for name in ("Skin", "Part 0", "Part 1"):
        resize(name, 2)
        data.objects[name].color = (1, 0, 0, 1)
        data.objects[name].modifiers.new("Thick", "SOLIDIFY")
    data.objects.remove(data.objects["Gone"])
    data.materials["Wood"].roughness = 0.1
    data.collections["inner"].color_tag = "COLOR_03"
    new = collection("new", rig)
    add("New", mesh("New", material=data.materials.new("Steel")), new, parent=data.objects["Skin"])


def use_rig(rig):
    data = bpy.data
    mine = collection("mine")
    add("Mine", data.meshes["Part 1"], mine, parent=data.objects["Skin"])
    for number in range(3):
        copy = data.objects["Part 1"].copy()
        copy.location.x = number
        mine.objects.link(copy)
    data.objects["Skin"].location.z = 3
    data.objects["Skin"].modifiers.new("Own", "BEVEL")
    data.objects["Part 0"].hide_set(True)
    data.objects["Part 1"].select_set(True)
    bpy.context.view_layer.objects.active = data.objects["Part 1"]
    bpy.context.view_layer.layer_collection.children[0].children[0].exclude = False
    bpy.context.scene.camera = data.objects["Part 2"]


@pytest.fixture(scope="module")
def rigs(tmp_path_factory, notes):  # noqa: F811
    folder = tmp_path_factory.mktemp("rigs")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    save(folder / "old.blend", make_rig())
    rig = pull(folder / "old.blend")
    change_rig(rig)
    save(folder / "new.blend", rig)
    rig = pull(folder / "old.blend")
    use_rig(rig)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "mine.blend"))
    return folder


class Tracer:
    """Counts the lines of the update, among which all its calls into Blender are, and raises at one of them."""

    FILES = ("update.py", "parts.py", "commit.py", "merge.py", "writing.py", "versions.py")

    def __init__(self, stop=0):
        self.stop, self.lines, self.commit = stop, 0, 0

    def __call__(self, frame, event, arg):
        code = frame.f_code
        if not code.co_filename.endswith(self.FILES) or "blender/scene" not in code.co_filename:
            return None
        if code.co_name == "all_or_nothing" and not self.commit:
            self.commit = self.lines
        if event == "line":
            self.lines += 1
            # The call that removes what is left over cannot be taken back, and is the last.
            is_last = "batch_remove(gone)" in linecache.getline(code.co_filename, frame.f_lineno)
            if self.stop and (self.lines == self.stop or is_last):
                raise Broken
        return self


def broken_off(folder, stop=0):
    rig = bpy.data.collections["everything"]
    tracer = Tracer(stop)
    sys.settrace(tracer)
    try:
        bring_up_to_date(rig, folder / "new.blend", folder / "old.blend", NEW, bpy.context)
    finally:
        sys.settrace(None)
    return tracer


def test_whatever_breaks_it_off_the_file_is_what_it_was(rigs):
    def begin():
        bpy.ops.wm.open_mainfile(filepath=str(rigs / "mine.blend"))
        return bpy.data.collections["everything"].ggg_cloud.key

    begin()
    whole = broken_off(rigs)
    assert bpy.data.collections["everything"].ggg_cloud.sha256 == "new"
    key = begin()
    before = inventory(key)
    end = whole.lines
    stops = [*range(1, whole.commit, whole.commit // 30), *range(whole.commit, end, (end - whole.commit) // 70), end]
    assert len(stops) >= 100
    for stop in stops:
        with pytest.raises(Broken):
            broken_off(rigs, stop)
        now = inventory(key)
        assert now.keys() == before.keys(), stop
        for name, was in before.items():
            assert now[name] == was, (stop, name)


def test_how_it_is_shown_and_used_stays(rigs):
    bpy.ops.wm.open_mainfile(filepath=str(rigs / "mine.blend"))
    bring_up_to_date(bpy.data.collections["everything"], rigs / "new.blend", rigs / "old.blend", NEW, bpy.context)
    data = bpy.data
    assert data.objects["Part 0"].hide_get()
    assert data.objects["Part 1"].select_get()
    assert bpy.context.view_layer.objects.active == data.objects["Part 1"]
    assert data.objects["Mine"].parent == data.objects["Skin"]
    assert data.objects["Mine"].data == data.objects["Part 1"].data == data.meshes["Part 1"]
    assert [each.name for each in data.objects["Skin"].modifiers] == ["Hook", "Thick", "Own"]
    assert data.objects["Skin"].modifiers["Hook"].object == data.objects["Hook"]
    assert data.objects["Skin"].location.z == 3
    assert data.objects["New"].parent == data.objects["Skin"]
    assert "Gone" not in data.objects
    assert data.collections["inner"].color_tag == "COLOR_03"
    assert {each.library for each in data.user_map()} == {None}
    assert not data.libraries


def test_a_text_fields_and_what_collides(studio):
    sign = collection("sign")
    text = add("Text", bpy.data.curves.new("Text", "FONT"), sign)
    text.data.body = "old"
    ball = add("Ball", mesh("Ball"), sign)
    ball.modifiers.new("Hits", "COLLISION")
    ball.modifiers.new("Hook", "HOOK").object = text
    push("sign", "sign.blend")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="sign.blend")
    studio.save("ada")
    bpy.data.objects["Text"].data.body = "new"
    bpy.data.objects["Ball"].collision.damping = 0.5
    bpy.data.objects["Ball"].hide_render = True
    push("sign")
    studio.open("ada")
    bpy.ops.ggg_cloud.update(component_id="sign.blend")
    text, ball = bpy.data.objects["Text"], bpy.data.objects["Ball"]
    assert text.data.body == "new"
    assert (ball.collision.damping, ball.hide_render) == (0.5, True)
    assert [each.type for each in ball.modifiers] == ["COLLISION", "HOOK"]
    assert ball.modifiers["Hook"].object == text


def test_two_files_from_one_save_as_and_an_older_save(studio):
    arm = collection("arm")
    add("Arm", mesh("Arm"), arm)
    push("arm", "arm.blend")
    studio.save("ada")
    studio.save("bob")
    resize("Arm", 2)
    push("arm")
    studio.open("ada")
    bpy.ops.ggg_cloud.update(component_id="arm.blend")
    assert [each.name for each in bpy.data.objects] == ["Arm"]
    assert [each.name for each in bpy.data.collections] == ["arm"]
    assert max(vertex.co.x for vertex in bpy.data.meshes["Arm"].vertices) == 2
    assert bpy.data.collections["arm"].users == 1


def test_what_both_changed_is_asked_and_the_answer_counts(studio):
    arm = collection("arm")
    add("Arm", mesh("Arm"), arm)
    add("Hand", mesh("Hand"), arm)
    push("arm", "arm.blend")
    studio.save("ada")
    resize("Arm", 2)
    bpy.data.objects["Hand"].color = (1, 0, 0, 1)
    push("arm")
    for side, width in (("MINE", 3), ("THEIRS", 2)):
        studio.open("ada")
        resize("Arm", 3)
        bpy.data.objects["Hand"].hide_render = True
        with pytest.raises(RuntimeError, match=r'you and the new version both changed: "Arm" \(geometry\)'):
            bpy.ops.ggg_cloud.update(component_id="arm.blend")
        assert studio.view.undecided.component_id == "arm.blend"
        assert tuple(bpy.data.objects["Hand"].color) == (1, 1, 1, 1)
        bpy.ops.ggg_cloud.update(component_id="arm.blend", conflict=side)
        assert studio.view.undecided is None
        assert max(vertex.co.x for vertex in bpy.data.meshes["Arm"].vertices) == width
        assert tuple(bpy.data.objects["Hand"].color) == (1, 0, 0, 1)
        assert bpy.data.objects["Hand"].hide_render


def test_without_the_version_that_was_pulled_a_side_has_to_be_chosen(studio):
    add("Arm", mesh("Arm"), collection("arm"))
    push("arm", "arm.blend")
    studio.save("ada")
    resize("Arm", 2)
    add("Hand", mesh("Hand"), bpy.data.collections["arm"])
    push("arm")
    for side, width in (("MINE", 3), ("THEIRS", 2)):
        studio.open("ada")
        bpy.data.collections["arm"].ggg_cloud.version_id = "gone"
        resize("Arm", 3)
        with pytest.raises(RuntimeError, match="the version that you pulled cannot be had any more"):
            bpy.ops.ggg_cloud.update(component_id="arm.blend")
        assert "Hand" not in bpy.data.objects
        bpy.ops.ggg_cloud.update(component_id="arm.blend", conflict=side)
        assert max(vertex.co.x for vertex in bpy.data.meshes["Arm"].vertices) == width
        assert ("Hand" in bpy.data.objects) == (side == "THEIRS")


def test_a_component_that_is_in_no_scene_or_twice_in_the_file_or_in_edit_mode(studio):
    add("Arm", mesh("Arm"), collection("arm"))
    push("arm", "arm.blend")
    studio.new_file()
    for _ in range(2):
        bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    bpy.context.scene.collection.children.unlink(bpy.data.collections["arm.001"])
    add("Use", None, instance_type="COLLECTION", instance_collection=bpy.data.collections["arm.001"])
    studio.save("ada")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    bpy.data.objects["Arm"].color = (1, 0, 0, 1)
    push("arm")
    studio.open("ada")
    bpy.context.view_layer.objects.active = bpy.data.objects["Arm"]
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.resize(value=(4, 4, 4))
    bpy.ops.ggg_cloud.update(component_id="arm.blend")
    assert [tuple(each.color) for each in bpy.data.objects if each.data] == [(1, 0, 0, 1)] * 2
    widths = [max(vertex.co.x for vertex in each.vertices) for each in bpy.data.meshes]
    assert sorted(widths) == [1, pytest.approx(max(widths))]
    assert max(widths) > 1
    assert bpy.data.objects["Use"].instance_collection == bpy.data.collections["arm.001"]


def test_that_each_push_marks_an_asset_is_no_change_of_the_component(studio):
    add("Lid", mesh("Lid"), collection("jar"))
    push("jar", "jar.blend", asset=True, comment="first")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="jar.blend")
    studio.save("bob")
    resize("Lid", 2)
    push("jar", "jar.blend", asset=True, comment="second", tags="glass")
    studio.open("bob")
    bpy.ops.ggg_cloud.update(component_id="jar.blend")
    assert bpy.data.objects["Lid"].dimensions.x == pytest.approx(2)
    assert bpy.data.collections["jar"].asset_data is None
