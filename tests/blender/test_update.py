"""An update replaces what came with a component, and nothing of what the user's scene makes of it."""

import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix  # noqa: E402
from studio import Studio, add, collection, mesh, push, resize  # noqa: E402


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path)


def material(name, image=None):
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    if image:
        made.node_tree.nodes.new("ShaderNodeTexImage").image = bpy.data.images.new(image, 4, 4)
        bpy.data.images[image].pack()
    return made


def push_lamp():
    """A stand with a shade on it, a bulb, and a rig that moves a hose."""
    lamp = collection("lamp")
    stand = add("Stand", mesh("Stand", material=material("Steel", "rust")), lamp, location=(1, 0, 0))
    shade = add("Shade", mesh("Shade", material=material("Cloth")), lamp, parent=stand, location=(0, 0, 2))
    shade.modifiers.new("Thick", "SOLIDIFY").thickness = 0.1
    add("Bulb", mesh("Bulb"), collection("inner", lamp))
    bones = bpy.data.armatures.new("Rig")
    rig = add("Rig", bones, lamp)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones.edit_bones.new("Lever").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    hose = add("Hose", mesh("Hose"), lamp, parent=rig)
    hose.vertex_groups.new(name="Lever").add([0, 1], 1.0, "REPLACE")
    hose.modifiers.new("Skin", "ARMATURE").object = rig
    hose.shape_key_add(name="Basis")
    hose.shape_key_add(name="Bent").data[0].co = (9, 9, 9)
    push("lamp", "lamp.blend")


def push_next_lamp():
    """The next version: other shapes, another stand, a cord more and no bulb."""
    bpy.ops.ggg_cloud.pull(component_id="lamp.blend")
    for name in ("Stand", "Shade", "Hose"):
        resize(name, 2)
    data = bpy.data
    data.objects["Stand"].location.y = 5
    data.objects["Shade"].modifiers["Thick"].thickness = 0.5
    data.objects["Shade"].modifiers.new("Round", "SUBSURF")
    data.materials["Steel"].node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (1, 0, 0, 1)
    data.objects.remove(data.objects["Bulb"])
    data.collections.remove(data.collections["inner"])
    add("Cord", mesh("Cord"), data.collections["lamp"], parent=data.objects["Stand"])
    data.objects["Hose"].shape_key_add(name="Long")
    data.objects["Hose"].vertex_groups.new(name="Tip").add([2], 0.5, "REPLACE")
    bpy.context.view_layer.objects.active = data.objects["Rig"]
    bpy.ops.object.mode_set(mode="EDIT")
    data.armatures["Rig"].edit_bones.new("Joint").tail = (1, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    push("lamp")


def update(**options):
    return bpy.ops.ggg_cloud.update(component_id="lamp.blend", **options)


def width(obj):
    return max(vertex.co.x for vertex in obj.data.vertices)


def copy(obj, name, *, own_data=False):
    made = obj.copy()
    made.name = name
    made.data = obj.data.copy() if own_data else obj.data
    bpy.context.scene.collection.objects.link(made)
    return made


def now(*objects):
    """The objects of these names: what is new in them came as another datablock."""
    return [bpy.data.objects[name] for name in objects]


def test_what_is_used_twenty_times_keeps_its_places_and_its_material(studio):
    push_lamp()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="lamp.blend")
    studio.save("ada")
    studio.new_file()
    push_next_lamp()

    studio.open("ada")
    lamp, data = bpy.data.collections["lamp"], bpy.data
    stand = data.objects["Stand"]
    mine = material("Mine")
    street = collection("street")
    empty = add("Empty", collection=street)
    copies = [copy(stand, f"copy {index}") for index in range(10)]
    for index, each in enumerate(copies):
        each.location = (index, 7, 0)
        each.parent = empty
        street.objects.link(each)
    copies[3].material_slots[0].link = "OBJECT"
    copies[3].material_slots[0].material = mine
    copies[4].hide_render = True
    copies[5].constraints.new("COPY_ROTATION").target = empty
    copies[6].modifiers.new("Mine", "BEVEL")
    instances = [
        add(f"instance {index}", collection=street, instance_type="COLLECTION", instance_collection=lamp)
        for index in range(10)
    ]
    data.objects["Shade"].material_slots[0].material = mine
    data.materials["Steel"].name = "Eisen"
    used_elsewhere = add("Mine too", mesh("Mine too", material=data.materials["Eisen"]))
    before = {each: each.matrix_world.copy() for each in instances}

    update()

    stand, *copies = now("Stand", *(f"copy {index}" for index in range(10)))
    assert width(stand) == 2
    assert {each.data for each in copies} == {stand.data}
    assert all(each.parent == empty and street in each.users_collection for each in copies)
    assert [tuple(each.location) for each in copies] == [(index, 12, 0) for index in range(10)]
    assert tuple(stand.location) == (1, 5, 0)
    assert (copies[3].material_slots[0].link, copies[3].material_slots[0].material) == ("OBJECT", mine)
    assert copies[4].hide_render
    assert copies[5].constraints[0].target == empty
    assert [each.name for each in copies[6].modifiers] == ["Mine"]
    assert [each.instance_collection for each in instances] == [lamp] * 10
    assert {each: each.matrix_world for each in instances} == before
    shade = data.objects["Shade"]
    assert shade.material_slots[0].material == mine, "An override on the mesh"
    assert [each.name for each in shade.modifiers] == ["Thick", "Round"]
    assert shade.modifiers["Thick"].thickness == 0.5
    steel = data.materials["Eisen"]
    assert stand.material_slots[0].material == used_elsewhere.material_slots[0].material == steel
    assert tuple(steel.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value) == (1, 0, 0, 1)
    names = lambda kind: sorted(each.name for each in kind if each.users)  # noqa: E731
    assert names(data.meshes) == sorted(["Cord", "Hose", "Mine too", "Shade", "Stand"])
    assert names(data.images) == ["rust"]
    assert names(data.collections) == ["lamp", "street"]
    assert studio.view.in_file[0].storage == ""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    shown = [each for each in graph.object_instances if each.is_instance and each.object.original == stand]
    assert len(shown) == 10


def test_what_was_renamed_duplicated_added_and_removed(studio):
    push_lamp()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="lamp.blend")
    studio.save("ada")
    studio.new_file()
    push_next_lamp()

    studio.open("ada")
    data = bpy.data
    stand = data.objects["Stand"]
    stand.name = stand.data.name = "Fuß"
    same = copy(stand, "same", own_data=True)
    other = copy(stand, "other", own_data=True)
    for vertex in other.data.vertices:
        vertex.co *= 7
    own = add("Own", mesh("Own"), data.collections["lamp"], parent=stand)
    bpy.ops.ed.undo_push(message="before")
    update()
    stand, same, other = now("Fuß", "same", "other")
    assert stand.data == data.meshes["Fuß"]
    assert width(stand) == width(same) == 2
    assert same.data != stand.data, "A copy of its own stays one"
    assert width(other) == 7, "What the user made of a copy is the user's"
    assert "Bulb" not in data.objects
    assert "inner" not in data.collections
    assert data.objects["Cord"].parent == stand
    assert {each.name for each in data.collections["lamp"].objects} == {"Fuß", "Shade", "Rig", "Hose", "Cord", "Own"}
    assert own.parent == stand
    assert studio.view.in_file[0].changed == ("lamp",), "There is one object more here"
    update()
    assert {each.name for each in data.objects} >= {"Fuß", "Cord", "same", "other"}
    assert len(data.objects) == 8


def test_a_rig_and_its_skin(studio):
    push_lamp()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="lamp.blend")
    studio.save("ada")
    studio.new_file()
    push_next_lamp()

    studio.open("ada")
    hose, rig = bpy.data.objects["Hose"], bpy.data.objects["Rig"]
    rig.pose.bones["Lever"].location = (0, 3, 0)
    keys = hose.data.shape_keys
    keys.key_blocks["Bent"].value = 0.25
    keys.key_blocks["Bent"].keyframe_insert("value", frame=7)
    twin = copy(hose, "Hose twin")
    twin_rig = copy(rig, "Rig twin")
    twin.parent = twin_rig
    twin.modifiers["Skin"].object = twin_rig

    update()

    hose, rig, twin, twin_rig = now("Hose", "Rig", "Hose twin", "Rig twin")
    assert [each.name for each in rig.pose.bones] == ["Lever", "Joint"]
    assert tuple(rig.pose.bones["Lever"].location) == (0, 3, 0)
    assert [(each.name, each.object) for each in hose.modifiers] == [("Skin", rig)]
    assert [(each.name, each.object) for each in twin.modifiers] == [("Skin", twin_rig)]
    assert (hose.parent, twin.parent, twin.data) == (rig, twin_rig, hose.data)
    assert [each.name for each in hose.vertex_groups] == ["Lever", "Tip"]
    keys = hose.data.shape_keys
    assert [each.name for each in keys.key_blocks] == ["Basis", "Bent", "Long"]
    assert keys.key_blocks["Bent"].value == 0.25
    assert keys.animation_data.action
    assert width(hose) == 2
    bpy.context.view_layer.update()
    moved = hose.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices[0].co
    assert tuple(moved) != tuple(hose.data.vertices[0].co)


def test_an_older_version_and_one_that_cannot_be_read(studio):
    push_lamp()
    studio.new_file()
    push_next_lamp()
    oldest = studio.versions("lamp.blend")[-1].version_id
    update(version_id=oldest)
    assert width(bpy.data.objects["Stand"]) == 1
    assert "Bulb" in bpy.data.objects
    assert studio.view.in_file[0].storage == "newer"
    before = {each: each.name for each in bpy.data.user_map()}
    (studio.folder / "bad.blend").write_bytes(b"BLENDER-v500")
    bpy.ops.ggg_cloud.push(filepath=str(studio.folder / "bad.blend"), component_id="lamp.blend")
    with pytest.raises(RuntimeError, match="cannot be opened"):
        update()
    assert {each: each.name for each in bpy.data.user_map()} == before
    with pytest.raises(RuntimeError, match="Nothing in this file was pulled"):
        bpy.ops.ggg_cloud.update(component_id="other.blend")


def test_where_the_user_put_it_stays(studio):
    """What the new version moves, moves from there."""
    push_lamp()
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="lamp.blend")
    studio.save("ada")
    studio.new_file()
    push_next_lamp()
    studio.open("ada")
    stand, shade = bpy.data.objects["Stand"], bpy.data.objects["Shade"]
    stand.matrix_basis = Matrix.Rotation(1.0, 4, "Z") @ stand.matrix_basis
    expected = stand.matrix_basis @ Matrix.Translation((0, 5, 0))
    placed = shade.matrix_basis.copy()
    update()
    stand, shade = now("Stand", "Shade")
    assert all(abs(a - b) < 1e-5 for x, y in zip(stand.matrix_basis, expected) for a, b in zip(x, y))  # noqa: B905
    assert shade.matrix_basis == placed
