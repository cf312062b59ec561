"""A linked component: an instance that moves, or overrides; and what becomes of them with another version."""

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push, resize  # noqa: E402

from ggg_cloud_addon.blender.scene import SceneError  # noqa: E402
from ggg_cloud_addon.blender.scene.link import link_component  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    push_arm()
    made.save("author")
    made.new_file()
    made.save("ada")
    yield made
    made.new_file()


def push_arm():
    """A plate on a rig, and a bolt in a collection of its own."""
    arm = collection("arm")
    bones = bpy.data.armatures.new("Rig")
    rig = add("Rig", bones, arm)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones.edit_bones.new("Bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    add("Plate", mesh("Plate"), arm, parent=rig)
    add("Bolt", mesh("Bolt"), collection("inner", arm))
    push("arm", "arm.blend")


def push_next(studio, name="arm"):
    """The next version: a wider plate, a nut more, and no bolt."""
    path = bpy.data.filepath
    bpy.ops.wm.save_mainfile()
    studio.open("author")
    resize("Plate", 2)
    add("Nut", mesh("Nut"), bpy.data.collections["arm"])
    bpy.data.objects.remove(bpy.data.objects["Bolt"])
    bpy.data.collections["arm"].name = name
    push(name, "arm.blend", replace=True)
    bpy.ops.wm.open_mainfile(filepath=path)


def link(**options):
    bpy.ops.ggg_cloud.pull(component_id="arm.blend", link=True, **options)
    return bpy.context.view_layer.objects.active


def update():
    return bpy.ops.ggg_cloud.update(component_id="arm.blend")


def content(collection):
    return sorted(each.name for each in collection.all_objects)


def width(obj):
    return max(vertex.co.x for vertex in obj.data.vertices)


def rows(studio):
    bpy.ops.ggg_cloud.refresh()
    return [(each.collection, each.is_linked, each.storage) for each in studio.view.in_file]


def unneeded():
    return [each.name for each in bpy.data.user_map() if each.library and not each.users]


def test_it_is_an_instance_that_moves(studio):
    bpy.context.scene.cursor.location = (1, 2, 3)
    props = collection("props")
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["props"]
    empty = link()
    assert (empty.name, tuple(empty.location), empty.library) == ("arm", (1, 2, 3), None)
    assert list(props.objects) == [empty] == bpy.context.selected_objects
    linked = empty.instance_collection
    assert empty.instance_type == "COLLECTION"
    assert content(linked) == ["Bolt", "Plate", "Rig"]
    assert Path(bpy.path.abspath(linked.library.filepath)) == studio.folder / "ggg_cloud" / "arm.blend"
    assert (len(bpy.data.scenes), len(bpy.data.libraries), unneeded()) == (1, 1, [])
    empty.location.x = 9
    studio.save("ada")
    studio.open("ada")
    layer = bpy.context.view_layer
    layer.update()
    (matrix,) = [
        each.matrix_world.copy()
        for each in bpy.context.evaluated_depsgraph_get().object_instances
        if each.object.name == "Plate"
    ]
    assert tuple(matrix.translation) == (9, 2, 3)


def test_two_instances_and_their_duplicates_follow_an_update(studio):
    first, second = link(), link()
    assert first.instance_collection == second.instance_collection
    add("Third", instance_type="COLLECTION", instance_collection=first.instance_collection)
    first.location = (5, 0, 0)
    push_next(studio)
    assert rows(studio) == [("arm", True, "newer")]
    update()
    empties = [bpy.data.objects[name] for name in ("arm", "arm.001", "Third")]
    (linked,) = {each.instance_collection for each in empties}
    assert content(linked) == ["Nut", "Plate", "Rig"]
    assert width(linked.all_objects["Plate"]) == 2
    assert [each.location.x for each in empties] == [5, 0, 0]
    assert rows(studio) == [("arm", True, "")]
    assert (len(bpy.data.scenes), unneeded()) == (1, [])
    studio.save("ada")
    studio.open("ada")
    assert rows(studio) == [("arm", True, "")]


def test_a_collection_that_is_called_otherwise_now_is_the_component_all_the_same(studio):
    link()
    push_next(studio, "robot arm")
    update()
    linked = bpy.data.objects["arm"].instance_collection
    assert (linked.name, linked.is_missing, content(linked)) == ("robot arm", False, ["Nut", "Plate", "Rig"])
    assert [each.name for each in bpy.data.collections if each.is_missing] == []


def test_overrides_can_be_posed_and_keep_that(studio):
    link(override=True)
    objects = {each.name: each for each in bpy.context.selected_objects}
    assert sorted(objects) == ["Bolt", "Plate", "Rig"]
    assert "arm" not in bpy.data.objects
    assert not any(each.override_library.is_system_override for each in objects.values())
    objects["Rig"].pose.bones["Bone"].location.z = 3
    objects["Plate"].location.x = 7
    for name in ("arm", "robot arm"):
        push_next(studio, name) if name == "arm" else rename(studio, name)
        update()
        assert content(bpy.data.collections["arm", None]) == ["Nut", "Plate", "Rig"]
        here = {each.name: each for each in bpy.context.scene.objects}
        assert not any(each.override_library.is_system_override for each in here.values())
        assert here["Rig"].pose.bones["Bone"].location.z == 3
        assert here["Plate"].location.x == 7
        assert width(here["Plate"]) == 2
        assert rows(studio) == [("arm", True, "")]
        assert not any(each.is_missing for each in bpy.data.user_map() if isinstance(each, bpy.types.Collection))


def rename(studio, name):
    path = bpy.data.filepath
    bpy.ops.wm.save_mainfile()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    bpy.data.collections["arm"].name = name
    push(name)
    bpy.ops.wm.open_mainfile(filepath=path)


def test_what_the_user_overrode_himself_is_still_the_component(studio):
    empty = link()
    empty.instance_collection.override_hierarchy_create(
        bpy.context.scene, bpy.context.view_layer, reference=empty, do_fully_editable=False
    )
    bpy.data.objects.remove(empty)
    push_next(studio)
    assert rows(studio) == [("arm", True, "newer")]
    update()
    assert sorted(each.name for each in bpy.context.scene.objects) == ["Nut", "Plate", "Rig"]
    assert rows(studio) == [("arm", True, "")]


def test_a_collection_that_the_new_version_does_not_have_takes_its_overrides_along(studio):
    link(override=True)
    studio.save("ada")
    studio.open("author")
    bpy.data.collections.remove(bpy.data.collections["inner"])
    bpy.data.objects.remove(bpy.data.objects["Bolt"])
    push("arm", "arm.blend")
    studio.open("ada")
    update()
    arm = bpy.data.collections["arm", None]
    assert (content(arm), list(arm.children)) == (["Plate", "Rig"], [])
    assert arm.override_library.reference.name == "arm"
    assert sorted(each.name for each in bpy.context.scene.objects) == ["Plate", "Rig"]


def test_a_file_that_is_gone_comes_again(studio):
    """Also when what was in it is not known any more, as its collection has another name now."""
    link()
    push_next(studio, "robot arm")
    (studio.folder / "ggg_cloud" / "arm.blend").unlink()
    studio.save("ada")
    studio.open("ada")
    update()
    assert content(bpy.data.objects["arm"].instance_collection) == ["Nut", "Plate", "Rig"]


def test_what_nothing_shows_any_more_is_no_component_of_the_file(studio):
    bpy.data.objects.remove(link())
    assert rows(studio) == []
    link()
    assert rows(studio) == [("arm", True, "")]


def test_a_file_of_several_things_moves_as_one(studio):
    scene(studio)
    empty = link()
    assert sorted(content(empty.instance_collection)) == ["Bolt", "Lamp", "Plate", "Rig"]
    assert link().instance_collection == empty.instance_collection
    studio.save("ada")
    studio.open("author")
    add("Fan", mesh("Fan"))
    bpy.data.objects.remove(bpy.data.objects["Lamp"])
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="arm.blend", file_format=".blend", preview=False)
    studio.open("ada")
    update()
    shown = {bpy.data.objects[name].instance_collection for name in ("arm", "arm.001")}
    assert [content(each) for each in shown] == [["Bolt", "Fan", "Plate", "Rig"]]
    assert rows(studio) == [("arm", True, "")]
    with pytest.raises(RuntimeError, match="cannot be overridden, as it holds no single collection"):
        link(override=True)
    assert sorted(each.name for each in bpy.context.scene.objects) == ["arm", "arm.001"]


def scene(studio):
    """Push all of the author's scene over the component, with something beside the collection."""
    studio.open("author")
    add("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    bpy.ops.ggg_cloud.export_upload(
        source="SCENE", component_id="arm.blend", file_format=".blend", preview=False, replace=True
    )
    studio.save("author")
    studio.open("ada")


def test_a_collection_becomes_a_scene_and_a_collection_again(studio):
    link()
    studio.save("ada")
    scene(studio)
    update()
    empty = bpy.data.objects["arm"]
    assert content(empty.instance_collection) == ["Bolt", "Lamp", "Plate", "Rig"]
    push_next(studio)
    update()
    assert content(bpy.data.objects["arm"].instance_collection) == ["Nut", "Plate", "Rig"]


def test_what_was_linked_by_an_older_version_goes_on(studio):
    """It lies in a local collection; what was overridden or taken out of it does not come again."""
    link()
    bpy.data.objects.remove(bpy.data.objects["arm"])
    old = collection("arm old")
    library = bpy.data.libraries[0]
    with bpy.data.libraries.load(library.filepath, link=True) as (_, wanted):
        wanted.collections = ["inner"]
        wanted.objects = ["Plate", "Rig"]
    old.children.link(wanted.collections[0])
    for each in wanted.objects:
        old.objects.link(each)
    known = library.ggg_cloud
    for name in ("key", "storage", "component_id", "etag", "version_id", "sha256"):
        setattr(old.ggg_cloud, name, getattr(known, name))
        setattr(known, name, "")
    old.objects["Plate"].override_create(remap_local_usages=True)
    old.objects.unlink(old.objects["Rig"])
    push_next(studio)
    assert rows(studio) == [("arm", True, "newer")]
    update()
    old = bpy.data.collections["arm old"]
    assert content(old) == ["Nut", "Plate"]
    assert width(old.objects["Plate"]) == 2
    assert old.objects["Plate"].override_library
    assert rows(studio) == [("arm", True, "")]


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("damage", [b"BLENDER-v500", None])
def test_what_cannot_be_read_changes_nothing(override, damage, studio):
    link(override=override)
    for obj in bpy.context.selected_objects:
        obj.location.x = 4
    good = studio.stored("arm.blend").read_bytes()
    (studio.folder / "bad.blend").write_bytes(damage or good[: len(good) * 2 // 3])
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "bad.blend"), component_id="arm.blend")
    before = state()
    with pytest.raises(RuntimeError, match="cannot be opened"):
        update()
    with pytest.raises(RuntimeError, match="cannot be opened"):
        link()
    assert state() == before
    assert (studio.folder / "ggg_cloud" / "arm.blend").read_bytes() == good


def state():
    return {
        "all": sorted((type(each).__name__, each.name_full, each.users) for each in bpy.data.user_map()),
        "objects": {each.name: tuple(each.location) for each in bpy.context.scene.objects},
    }


def test_what_was_worked_on_in_the_linked_file_is_kept(studio):
    link()
    file = studio.folder / "ggg_cloud" / "arm.blend"
    file.write_bytes(file.read_bytes() + b"mine")
    push_next(studio)
    update()
    assert file.read_bytes() == studio.stored("arm.blend").read_bytes()
    assert file.with_suffix(".blend1").read_bytes().endswith(b"mine")


def test_a_newer_version_is_linked_for_all(studio):
    """There is one file of it, so who links it again brings what is there up to date."""
    link()
    push_next(studio)
    link()
    assert {width(each.instance_collection.all_objects["Plate"]) for each in bpy.context.scene.objects} == {2}
    assert rows(studio) == [("arm", True, "")]


def test_a_library_that_an_appended_component_links_is_not_the_component(studio):
    """A push that leaves the files where they are: an update must not put the component in the library's place."""
    studio.open("author")
    library = studio.folder / "arm.blend"
    bpy.data.libraries.write(str(library), {bpy.data.objects["Bolt"]})
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Bolt"]
    bpy.data.collections["arm"].objects.link(wanted.objects[0])
    push("arm", "arm.blend", files="LEAVE")
    studio.open("ada")
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    assert bpy.data.libraries
    assert rows(studio) == [("arm", False, "")]


def test_a_library_that_was_pointed_elsewhere_is_the_users_own(studio):
    link()
    mine = studio.folder / "mine.blend"
    mine.write_bytes(studio.stored("arm.blend").read_bytes())
    bpy.data.libraries[0].filepath = str(mine)
    bpy.data.libraries[0].reload()
    push_next(studio)
    assert rows(studio) == []
    with pytest.raises(RuntimeError, match="Nothing in this file was pulled"):
        update()


def test_two_storages_do_not_share_a_file(studio):
    link()
    studio.connection.root = str(studio.folder / "other")
    push_arm()
    with pytest.raises(RuntimeError, match=r'"arm.blend" of another storage is linked in this file'):
        link()


@pytest.mark.parametrize("share", [0, 1 / 2, 19 / 20])
def test_a_damaged_file_is_refused_whole(share, studio):
    data = studio.stored("arm.blend").read_bytes()
    path = studio.folder / "broken.blend"
    path.write_bytes(data[: int(len(data) * share)])
    before = state()
    with pytest.raises(SceneError, match=r'"broken.blend"'):
        link_component(path, "x", context=bpy.context)
    assert state() == before


def test_a_file_without_objects_leaves_nothing_behind(studio):
    path = studio.folder / "void.blend"
    scene = bpy.data.scenes.new("Void")
    scene.world = bpy.data.worlds.new("Theirs")
    bpy.data.libraries.write(str(path), {scene})
    bpy.data.worlds.remove(scene.world)
    bpy.data.scenes.remove(scene)
    before = state()
    with pytest.raises(SceneError, match=r'"void.blend" holds no objects'):
        link_component(path, "x", context=bpy.context)
    assert state() == before


@pytest.mark.parametrize(("name", "says"), [("gone.blend", "cannot be opened"), ("a.fbx", "cannot be linked")])
def test_what_cannot_be_linked_is_said(name, says, studio):
    before = state()
    with pytest.raises(SceneError, match=f'"{name}" {says}'):
        link_component(studio.folder / name, "x", context=bpy.context)
    assert state() == before
