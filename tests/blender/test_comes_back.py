"""What came back from the storage different, or not at all."""

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push  # noqa: E402
from test_closure import paint, pulled  # noqa: E402

from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    yield made
    made.new_file()


def test_the_components_own_collection(studio):
    arm = collection("arm")
    add("Arm", mesh("Arm"), arm)
    arm.instance_offset, arm.color_tag, arm.lineart_usage = (1, 2, 3), "COLOR_04", "EXCLUDE"
    arm["price"], arm["axes"] = 7.5, [1, 2]
    arm.id_properties_ui("price").update(min=1.0)
    add("Empty", None, arm, instance_type="COLLECTION", instance_collection=collection("other", arm))
    bpy.data.objects["Empty"]["whose"] = arm
    push("arm", "robot.blend")
    collection("robot")
    studio.save("ada")
    pulled(studio, "robot.blend")
    robot = bpy.data.collections["robot"]
    assert (tuple(robot.instance_offset), robot.color_tag, robot.lineart_usage) == ((1, 2, 3), "COLOR_04", "EXCLUDE")
    assert (robot["price"], list(robot["axes"])) == (7.5, [1, 2])
    assert robot.id_properties_ui("price").as_dict()["min"] == 1
    assert bpy.data.objects["Empty"]["whose"] == robot
    assert sorted(each.name for each in bpy.data.collections) == ["other", "robot"]


def test_notes_of_who_pushed_it_do_not_come_with_it_without_a_window_either(studio):
    arm = collection("arm")
    add("Arm", mesh("Arm"), arm)
    for _ in range(2):  # the second time it is noted
        push("arm")
    studio.new_file()
    load_component(studio.stored("arm.blend"), "arm", context=bpy.context)
    assert not bpy.data.collections["arm"].ggg_cloud.component_id
    assert not len(bpy.data.objects["Arm"].ggg_cloud_parts)


def shown():
    layers = {}
    ahead = list(bpy.context.view_layer.layer_collection.children)
    while ahead:
        each = ahead.pop()
        layers[each.name] = (each.exclude, each.hide_viewport, each.holdout, each.indirect_only)
        ahead += each.children
    eyes = {obj.name: obj.hide_get() for obj in bpy.context.view_layer.objects}
    return layers, eyes


@pytest.mark.parametrize("source", ["COLLECTION", "SCENE"])
def test_what_is_hidden(source, studio):
    arm = collection("arm")
    layer = bpy.context.view_layer.layer_collection.children["arm"]
    flags = ("exclude", "hide_viewport", "holdout", "indirect_only")
    for name in flags:
        add(name, mesh(name), collection(f"with {name}", arm))
        setattr(layer.children[f"with {name}"], name, True)
    add("shut", mesh("shut"), arm).hide_set(True)
    add("open", mesh("open"), arm)
    layer.holdout = True
    before = shown()
    bpy.ops.ggg_cloud.export_upload(
        source=source, collection="arm", component_id="arm.blend", file_format=".blend", preview=False
    )
    assert shown() == before
    pulled(studio, "arm.blend")
    assert shown() == before
    assert [obj.name for obj in bpy.context.selected_objects if obj.name == "shut"] == []


def test_a_collection_that_its_artist_put_out_of_sight_is_seen_by_who_pulls_it(studio):
    add("Arm", mesh("Arm"), collection("arm"))
    bpy.context.view_layer.layer_collection.children["arm"].exclude = True
    push("arm")
    pulled(studio, "arm.blend")
    assert bpy.data.objects["Arm"].visible_get()


def fallen(name):
    for frame in range(1, 10):
        bpy.context.scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    return bpy.data.objects[name].evaluated_get(graph).matrix_world.translation.z


@pytest.mark.parametrize("has_world", [False, True])
def test_rigid_bodies_move(has_world, studio):
    arm = collection("arm")
    for name, x in (("Stone", 0), ("Other", 9)):
        bpy.context.view_layer.objects.active = add(name, mesh(name), arm, location=(x, 0, 0))
        bpy.ops.rigidbody.object_add(type="ACTIVE")
    bpy.context.view_layer.objects.active = add("Joint", None, arm)
    bpy.ops.rigidbody.constraint_add()
    bpy.context.scene.rigidbody_world.substeps_per_frame = 33
    bpy.context.scene.gravity.z = -30
    before = fallen("Stone")
    assert before < -0.5
    bpy.context.scene.frame_set(1)
    push("arm")
    assert [len(each.objects) for each in (arm, bpy.context.scene.rigidbody_world.collection)] == [3, 2]
    assert fallen("Stone") == before
    with bpy.data.libraries.load(str(studio.stored("arm.blend"))) as (source, _):
        assert source.scenes == ["arm"]
    studio.new_file()
    bpy.context.scene.gravity.z = -30  # that of his scene is an artist's own
    if has_world:
        bpy.ops.rigidbody.world_add()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    world = bpy.context.scene.rigidbody_world
    assert [each.name for each in world.constraints.objects] == ["Joint"]
    assert world.substeps_per_frame == (10 if has_world else 33)
    assert fallen("Stone") == pytest.approx(before, abs=0.05)


def overridden(studio):
    """A collection of a library, overridden with all that is in it, in one of the artist's."""
    add("Bolt", mesh("Bolt", material=paint("Steel")), collection("lib"))
    bpy.ops.wm.save_as_mainfile(filepath=str(studio.folder / "lib.blend"))
    studio.new_file()
    arm = collection("arm")
    with bpy.data.libraries.load(str(studio.folder / "lib.blend"), link=True) as (_, wanted):
        wanted.collections = ["lib"]
    made = wanted.collections[0].override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    bpy.context.scene.collection.children.unlink(made)
    arm.children.link(made)
    made.objects[0].location.x = 5
    return made


def test_library_overrides_are_pushed_as_what_they_are_here_and_stay_overrides_here(studio):
    made = overridden(studio)
    push("arm")
    push(made.name, "part.blend")
    assert made.override_library
    assert made.objects[0].override_library
    push("arm")
    for name in ("arm.blend", "part.blend"):
        pulled(studio, name)
        (bolt,) = bpy.data.objects
        assert (bolt.location.x, bolt.library, bolt.override_library, bolt.data.library) == (5, None, None, None)
        assert not bpy.data.libraries


def test_a_file_with_library_overrides_is_pulled_and_updated(studio):
    overridden(studio)
    studio.save("ada")
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "ada.blend"))
    pulled(studio, "ada.blend")
    (bolt,) = (each for each in bpy.data.objects if not each.library)
    assert (bolt.location.x, bolt.override_library) == (5, None)
    assert len(bolt.ggg_cloud_parts) == 1


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="Blender 5 packs what is linked")
def test_what_is_linked_and_packed_comes_along_though_its_library_is_gone(studio):
    image = bpy.data.images.new("dots", 4, 4)
    image.pack()
    steel = paint("Steel")
    steel.node_tree.nodes.new("ShaderNodeTexImage").image = image
    add("Bolt", mesh("Bolt", material=steel), collection("lib"))
    bpy.ops.wm.save_as_mainfile(filepath=str(studio.folder / "lib.blend"))
    studio.new_file()
    arm = collection("arm")
    with bpy.data.libraries.load(str(studio.folder / "lib.blend"), link=True, pack=True) as (_, wanted):
        wanted.collections = ["lib"]
    add("Empty", None, arm, instance_type="COLLECTION", instance_collection=wanted.collections[0])
    arm.children.link(wanted.collections[0])
    studio.save("ada")
    (studio.folder / "lib.blend").unlink()
    studio.open("ada")
    push("arm")
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "ada.blend"))
    pulled(studio, "arm.blend")
    assert [each.name for each in bpy.data.objects] == ["Bolt", "Empty"]
    assert not [each for each in bpy.data.user_map() if each.library]
    pulled(studio, "ada.blend")
    assert sorted(each.name for each in bpy.context.scene.objects) == ["Bolt", "Empty"]
    assert bpy.data.objects["Empty"].instance_collection.objects[0].name == "Bolt"


def materials():
    for name in ("Steel", "Wood"):
        paint(name).use_fake_user = True


def nodes():
    outer, inner = (bpy.data.node_groups.new(name, "GeometryNodeTree") for name in ("Streuer", "inner"))
    outer.nodes.new("GeometryNodeGroup").node_tree = inner
    outer.asset_mark()


def shelf():
    chair = bpy.data.collections.new("chair")
    add("Chair", mesh("Chair"), chair)
    chair.asset_mark()


ASSETS = [
    (materials, "2 materials", {"materials": ["Steel", "Wood"]}),
    (nodes, "1 node group", {"node_groups": ["Streuer", "inner"]}),
    (shelf, "1 collection", {"objects": ["Chair"]}),
]


def found(wanted):
    return {kind: sorted(each.name for each in getattr(bpy.data, kind)) for kind in wanted}


@pytest.mark.parametrize(("make", "says", "wanted"), ASSETS)
def test_a_file_of_assets_is_pulled(make, says, wanted, studio):
    make()
    studio.save("ada")
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "ada.blend"))
    assert says in pulled(studio, "ada.blend")
    studio.save("bob")
    studio.open("bob")
    assert found(wanted) == wanted
    assert [each.name for each in bpy.context.scene.collection.all_objects] == wanted.get("objects", [])


@pytest.mark.parametrize(("make", "says", "wanted"), ASSETS[1:])
def test_a_scene_of_assets_is_pushed(make, says, wanted, studio):
    make()
    with pytest.raises(RuntimeError, match="is empty"):
        bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="all.glb", file_format=".glb", preview=False)
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="all.blend", file_format=".blend", preview=False)
    assert says in pulled(studio, "all.blend")
    assert found(wanted) == wanted


def make_arm(colour):
    arm = collection("arm")
    image = bpy.data.images.new("dots", 4, 4)
    image.pixels = [0.5] * 64
    image.pack()
    group = bpy.data.node_groups.new("Group", "ShaderNodeTree")
    group.nodes.new("ShaderNodeTexImage").image = image
    steel, wood = paint("Steel"), paint("Wood")
    wood.node_tree.nodes["Principled BSDF"].inputs["Roughness"].default_value = colour
    for each in (steel, wood):
        each.node_tree.nodes.new("ShaderNodeGroup").node_tree = group
        add(each.name, mesh(each.name, material=each), arm)


def test_what_is_there_already_is_used_again_if_that_is_asked(studio):
    make_arm(0.25)
    push("arm")
    pulled(studio, "arm.blend")
    for reuse in (True, False):
        bpy.ops.ggg_cloud.pull(component_id="arm.blend", reuse=reuse)
        more = [".001"] if not reuse else []
        for kind, names in (("materials", ("Steel", "Wood")), ("node_groups", ("Group",)), ("images", ("dots",))):
            assert found([kind])[kind] == sorted(f"{name}{each}" for name in names for each in ["", *more])
    assert (
        bpy.data.objects["Steel.001"].material_slots[0].material == bpy.data.objects["Steel"].material_slots[0].material
    )
    assert bpy.data.objects["Steel.001"].data != bpy.data.objects["Steel"].data
    bpy.ops.ggg_cloud.refresh()
    assert [each.changed for each in studio.view.in_file] == [(), (), ()]


def test_what_is_another_in_the_new_version_is_not_taken_for_the_same(studio):
    make_arm(0.25)
    push("arm")
    studio.new_file()
    make_arm(0.75)
    bpy.ops.ggg_cloud.pull(component_id="arm.blend", reuse=True)
    assert found(["materials"])["materials"] == ["Steel", "Wood", "Wood.001"]
    assert found(["node_groups"])["node_groups"] == ["Group"]
    values = [
        bpy.data.materials[name].node_tree.nodes["Principled BSDF"].inputs["Roughness"].default_value
        for name in ("Wood", "Wood.001")
    ]
    assert values == [0.75, 0.25]
