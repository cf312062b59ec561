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
