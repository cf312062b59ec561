"""A push stores the component and nothing else, and a pull brings just that."""

import random

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push  # noqa: E402

from ggg_cloud_addon.blender.scene.closure import closure_of, cut, named  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402

OWN_NODES = bpy.app.version < (5, 0, 0)
"""Whether a material has to be told to use its nodes."""


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    yield made
    made.new_file()


def pulled(studio, component_id, **options):
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id=component_id, **options)
    return said()


def said():
    return bpy.context.window_manager.ggg_cloud.last_message


def here(kind="objects"):
    return sorted(each.name for each in getattr(bpy.data, kind))


def paint(name):
    made = bpy.data.materials.new(name)
    if OWN_NODES:
        made.use_nodes = True
    return made


def drive(datablock, path, target, target_path, index=-1):
    curve = datablock.driver_add(path, index)
    variable = curve.driver.variables.new()
    variable.targets[0].id_type = target.id_type
    variable.targets[0].id, variable.targets[0].data_path = target, target_path
    curve.driver.expression = variable.name
    return variable.targets[0]


def rig(name, into):
    obj = add(name, bpy.data.armatures.new(name), into)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    obj.data.edit_bones.new("bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    return obj


def constrain(owner, target, kind="COPY_LOCATION"):
    owner.constraints.new(kind).target = target


def modify(obj, kind, name, target):
    setattr(obj.modifiers.new(kind, kind), name, target)


def armature_targets(obj, target):
    obj.constraints.new("ARMATURE").targets.new().target = target


def bevel(obj, target):
    if target.type == "CURVE":
        obj["bevel"].bevel_object = target


def light_up(obj, group):
    obj.light_linking.receiver_collection = group


def feel(obj, group):
    cloth = obj.modifiers.new("Cloth", "CLOTH")
    cloth.settings.effector_weights.collection = group


def operand(obj, group):
    modifier = obj.modifiers.new("Boolean", "BOOLEAN")
    modifier.operand_type, modifier.collection = "COLLECTION", group


def shade(obj, target):
    node = obj.material_slots[0].material.node_tree.nodes.new("ShaderNodeTexCoord")
    node.object = target


def own(datablock, target):
    datablock[f"to {target.name}"] = target


TO_OBJECTS = (
    lambda obj, target: setattr(obj, "parent", target),
    constrain,
    lambda obj, target: constrain(obj, target, "CHILD_OF"),
    armature_targets,
    lambda obj, target: constrain(obj["rig"].pose.bones[0], target),
    lambda obj, target: modify(obj, "BOOLEAN", "object", target),
    lambda obj, target: modify(obj, "SHRINKWRAP", "target", target),
    lambda obj, target: modify(obj, "HOOK", "object", target),
    lambda obj, target: modify(obj, "MIRROR", "mirror_object", target),
    lambda obj, target: modify(obj, "DATA_TRANSFER", "object", target),
    lambda obj, target: drive(obj, "location", target, "location.x", 1),
    lambda obj, target: drive(obj.data.shape_keys.key_blocks[1], "value", target, "location.y"),
    lambda obj, target: drive(obj.material_slots[0].material, "roughness", target, "location.z"),
    lambda obj, target: setattr(obj["eye"].data.dof, "focus_object", target),
    bevel,
    shade,
    own,
    lambda obj, target: own(obj.data, target),
    lambda obj, target: own(obj.material_slots[0].material, target),
    lambda obj, target: own(obj["rig"].pose.bones[0], target),
    lambda obj, target: own(obj.users_collection[0], target),
)
TO_COLLECTIONS = (light_up, feel, operand, own, lambda obj, target: own(obj.data, target))
TO_SCENES = (
    lambda obj, target: drive(obj, "scale", target, "frame_current", 2),
    lambda obj, target: drive(obj.material_slots[0].material, "metallic", target, "frame_end"),
    own,
    lambda obj, target: own(obj.data, target),
)


def component(name):
    """Some objects of different types in a collection, which know each other."""
    into = collection(name)
    inner = collection(f"{name} inner", into)
    body = add(f"{name} body", mesh(f"{name} mesh", material=paint(f"{name} paint")), into)
    body.shape_key_add(name="Basis")
    body.shape_key_add(name="Key")
    body["rig"] = rig(f"{name} rig", inner)
    body["eye"] = add(f"{name} eye", bpy.data.cameras.new(f"{name} eye"), inner)
    body["bevel"] = bpy.data.curves.new(f"{name} curve", "CURVE")
    add(f"{name} curve", body["bevel"], inner, parent=body)
    return into, body


def scenes(seed):
    """Two components, other objects and other scenes, and pointers of many kinds from the first to all the others."""
    chosen = random.Random(seed)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    first, body = component("A")
    second, _ = component("B")
    loose = add("loose", mesh("loose mesh", material=paint("loose paint")))
    other = bpy.data.scenes.new("Other")
    away = bpy.data.objects.new("away", mesh("away mesh"))
    other.collection.objects.link(away)
    other.world = bpy.data.worlds.new("Other world")
    bpy.context.scene.world = bpy.data.worlds.new("World")
    bpy.context.scene.timeline_markers.new("cut").camera = bpy.data.objects["B eye"]
    objects, groups = [*second.all_objects, loose, away], [second, *second.children]
    for kinds, targets in ((TO_OBJECTS, objects), (TO_COLLECTIONS, groups), (TO_SCENES, [bpy.context.scene, other])):
        for point in chosen.sample(kinds, chosen.randint(1, len(kinds))):
            point(body, chosen.choice(targets))
    bpy.context.view_layer.update()
    return first


INSIDE = {
    "objects": ["A body", "A curve", "A eye", "A rig"],
    "collections": ["A", "A inner"],
    "meshes": ["A mesh"],
    "materials": ["A paint"],
    "worlds": [],
    "cameras": ["A eye"],
    "armatures": ["A rig"],
}


def check_inside():
    assert {kind: here(kind) for kind in INSIDE} == INSIDE
    assert len(bpy.data.scenes) == 1


@pytest.mark.parametrize("seed", range(50))
def test_nothing_of_others_is_stored_whatever_points_to_it(seed, tmp_path):
    """As export_component() does it, but for the Blender beside this one, which takes its time."""
    first = scenes(seed)
    closure = closure_of(first)
    outside, standing = [named(each) for each in closure.outside], closure.standing()
    scene = bpy.data.scenes.new("Own")
    scene.collection.children.link(first)
    bpy.data.libraries.write(str(tmp_path / "a.blend"), {scene})
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert "B body" in bpy.data.objects, "or the test shows nothing"
    bpy.context.window.scene = bpy.data.scenes["Own"]
    cut(outside, standing, bpy.data.scenes["Own"])
    bpy.data.libraries.write(str(tmp_path / "a.blend"), {bpy.data.scenes["Own"]})
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    check_inside()


@pytest.mark.parametrize("seed", range(2))
def test_nothing_of_others_is_in_the_file_of_a_push(seed, tmp_path):
    first = scenes(seed)
    before = {datablock: sorted(map(repr, users)) for datablock, users in bpy.data.user_map().items()}
    export_component(tmp_path / "a.blend", first, name="A")
    after = {datablock: sorted(map(repr, users)) for datablock, users in bpy.data.user_map().items()}
    assert after == before, "of the artist's own"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    check_inside()


def test_a_pointer_to_the_scene_is_one_to_where_it_is(studio):
    arm = collection("arm")
    obj = add("Arm", mesh("Arm"), arm)
    drive(obj, "location", bpy.context.scene, "frame_current", 0)
    obj["scene"] = bpy.context.scene
    add("Ground", mesh("Ground"))
    for name in ("arm.blend", "arm.glb"):
        push("arm", name)
    assert "Left out" not in said(), "Whose scene it is goes without saying"
    bpy.ops.wm.open_mainfile(filepath=str(studio.stored("arm.blend")))
    (own,) = bpy.data.scenes
    assert here() == ["Arm"]
    obj = bpy.data.objects["Arm"]
    assert obj["scene"] == obj.animation_data.drivers[0].driver.variables[0].targets[0].id == own
    pulled(studio, "arm.blend")
    obj = bpy.data.objects["Arm"]
    assert list(bpy.data.scenes) == [bpy.context.scene]
    assert obj["scene"] == obj.animation_data.drivers[0].driver.variables[0].targets[0].id == bpy.context.scene
    bpy.context.scene.frame_set(17)
    assert obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.translation.x == 17
    assert b"Ground" not in studio.stored("arm.glb").read_bytes()


def test_of_a_file_that_was_not_cut_a_pull_brings_no_scene_either(studio):
    obj = add("Arm", mesh("Arm"))
    obj["scene"] = bpy.data.scenes.new("Other")
    studio.save("ada")
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "ada.blend"))
    pulled(studio, "ada.blend")
    assert bpy.data.objects["Arm"]["scene"] == bpy.context.scene
    assert len(bpy.data.scenes) == 1


def test_a_scene_takes_no_other_scene_along(studio):
    scene, other = bpy.context.scene, bpy.data.scenes.new("Other")
    away = bpy.data.objects.new("away", bpy.data.cameras.new("away"))
    other.collection.objects.link(away)
    add("Arm", mesh("Arm"))["scene"] = other
    scene.background_set = other
    scene.timeline_markers.new("cut").camera = away
    editor = scene.sequence_editor_create()
    (editor.strips if hasattr(editor, "strips") else editor.sequences).new_scene("s", other, 1, 1)
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="all.blend", file_format=".blend", preview=False)
    assert 'Left out, as not in the component: "away" (used by "Scene")' in said()
    assert scene.background_set == other
    bpy.ops.wm.open_mainfile(filepath=str(studio.stored("all.blend")))
    (own,) = bpy.data.scenes
    assert (own.name, here(), own.background_set) == ("Scene", ["Arm"], None)
    editor = own.sequence_editor
    assert [each.scene for each in (editor.strips if hasattr(editor, "strips") else editor.sequences)] == [None]
    assert bpy.data.objects["Arm"]["scene"] == own


def test_what_loses_a_parent_or_a_target_stays_where_it_stood_and_that_is_told(studio):
    arm = collection("arm")
    parent = add("Parent", location=(1, 2, 3), rotation_euler=(0, 0, 0.5))
    child = add("Child", mesh("Child"), arm, parent=parent, location=(1, 0, 0))
    constrain(add("Follower", mesh("Follower"), arm), parent)
    bpy.context.view_layer.update()
    stood = [tuple(child.matrix_world.translation), tuple(bpy.data.objects["Follower"].matrix_world.translation)]
    push("arm")
    assert said().endswith(
        '. Left out, as not in the component: "Parent" (used by "Child"), "Parent" (used by "Follower"); put there what'
        " is to go along."
    )
    assert child.parent == parent
    pulled(studio, "arm.blend")
    assert here() == ["Child", "Follower"]
    bpy.context.view_layer.update()
    for name, place in zip(("Child", "Follower"), stood, strict=True):
        assert tuple(bpy.data.objects[name].matrix_world.translation) == pytest.approx(place, abs=1e-5)


def nodes_that_take(kind, value):
    tree = bpy.data.node_groups.new("Streuer", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    tree.nodes.new("NodeGroupOutput")
    identifier = tree.interface.new_socket("What", in_out="INPUT", socket_type=kind).identifier
    tree.nodes.new("GeometryNodeObjectInfo").inputs["Object"].default_value = bpy.data.objects["inside nodes"]
    modifier = bpy.data.objects["Arm"].modifiers.new("Streuer", "NODES")
    modifier.node_group = tree
    modifier[identifier] = value


def test_what_it_shows_instances_of_belongs_to_it_wherever_that_stands(studio):
    arm, shelf = collection("arm"), collection("shelf")
    chair, leg = collection("chair", shelf), collection("leg", shelf)
    for name, into in (("Chair", chair), ("Cushion", collection("inner", chair)), ("Leg", leg)):
        add(name, mesh(name), into)
    for name in ("particle", "shape", "inside nodes", "beside"):
        add(name, mesh(name), shelf)
    add("Arm", mesh("Arm"), arm)
    add("Empty", None, arm, instance_type="COLLECTION", instance_collection=chair)
    rig("rig", arm).pose.bones[0].custom_shape = bpy.data.objects["shape"]
    nodes_that_take("NodeSocketCollection", leg)
    bpy.data.objects["Arm"].modifiers.new("p", "PARTICLE_SYSTEM")
    settings = bpy.data.particles[0]
    settings.render_type, settings.instance_object = "OBJECT", bpy.data.objects["particle"]
    orphan = bpy.data.objects.new("orphan", mesh("orphan"))
    orphan.use_fake_user = True  # else Blender does not save it
    modify(bpy.data.objects["Arm"], "BOOLEAN", "object", orphan)  # it is nowhere but here
    bpy.data.objects["Arm"]["no part of it"] = bpy.data.objects["beside"]
    push("arm")
    assert '"beside" (used by "Arm"); put there' in said()
    pulled(studio, "arm.blend")
    studio.save("bob")
    studio.open("bob")
    assert here() == sorted(
        ["Arm", "Chair", "Cushion", "Empty", "Leg", "inside nodes", "orphan", "particle", "rig", "shape"]
    )
    assert here("collections") == ["arm", "chair", "inner", "leg"]
    assert bpy.data.objects["Empty"].instance_collection == bpy.data.collections["chair"]
    assert not bpy.data.objects["Leg"].users_scene


def test_how_much_goes_along_is_told_by_kind(studio):
    arm = collection("arm")
    add("Arm", mesh("Arm", material=paint("Paint")), arm)
    shown = collection("shown")
    add("Shown", mesh("Shown", material=paint("Other")), shown)
    add("Empty", None, arm, instance_type="COLLECTION", instance_collection=shown)
    bpy.data.objects["Arm"].keyframe_insert("location", frame=1)
    bpy.context.view_layer.objects.active = bpy.data.objects["Arm"]
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.duplicate()  # Blender puts it into the mesh when edit mode ends, or is asked to
    push("arm")
    bpy.ops.ggg_cloud.details(component_id="arm.blend")
    told = studio.view.details.metadata
    counts = {kind: told.get(kind) for kind in ("objects", "meshes", "collections", "materials", "actions", "scenes")}
    assert counts == {
        "objects": "3", "meshes": "2", "collections": "2", "materials": "2", "actions": "1", "scenes": None
    }  # fmt: skip
    assert told["vertices"] == "8", "as it is being edited"
