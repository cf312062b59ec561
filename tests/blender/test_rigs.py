"""The rig of what is pushed goes along, hidden as artists have it; and what is linked keeps its names."""

import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix, Vector  # noqa: E402
from studio import add, collection, mesh  # noqa: E402

from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")


STRAIGHT, BENT = Vector((0, 0, 2)), Vector((0, -0.4794, 1.8776))
"""The tip of the second bone."""


def rig(name, place=None, *, by_parent=False):
    """A skin on two bones, of which the second is bent; the skin is in the scene, the armature in `place`."""
    armature = add(f"{name} rig", bpy.data.armatures.new(f"{name} rig"), place)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    upper, lower = (armature.data.edit_bones.new(f"{name} {part}") for part in ("upper", "lower"))
    upper.tail, lower.head, lower.tail = (0, 0, 1), (0, 0, 1), (0, 0, 2)
    lower.parent = upper
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones[f"{name} lower"].matrix_basis = Matrix.Rotation(0.5, 4, "X")
    skin = add(f"{name} skin", mesh(f"{name} skin", 2))
    for part, vertices in (("upper", [0, 1, 2]), ("lower", [3])):
        skin.vertex_groups.new(name=f"{name} {part}").add(vertices, 1, "REPLACE")
    skin.parent = armature
    if by_parent:
        skin.parent_type = "ARMATURE"
    else:
        skin.modifiers.new("Rig", "ARMATURE").object = armature
    return skin, armature


def hide_by_eye(armature, place):
    armature.hide_set(True)


def hide_in_viewports(armature, place):
    armature.hide_viewport = True


def hide_in_renders(armature, place):
    armature.hide_render = armature.hide_select = True


def hide_collection(armature, place):
    place.hide_viewport = True


def hide_collection_in_renders(armature, place):
    place.hide_render = True


def hide_collection_by_eye(armature, place):
    bpy.context.view_layer.layer_collection.children[place.name].hide_viewport = True


def exclude_collection(armature, place):
    bpy.context.view_layer.layer_collection.children[place.name].exclude = True


WAYS = (
    *(hide_by_eye, hide_in_viewports, hide_in_renders, hide_collection),
    *(hide_collection_in_renders, hide_collection_by_eye, exclude_collection),
)


@pytest.mark.parametrize("suffix", [".fbx", ".glb"])
def test_an_armature_goes_along_in_whatever_way_it_is_hidden(suffix, tmp_path):
    for way in WAYS:
        place = collection(way.__name__)
        _, armature = rig(place.name, place)
        way(armature, place)
    export_component(tmp_path / f"rigs{suffix}", bpy.context.scene, name="rigs")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    loaded = {each.name: each for each in load_component(tmp_path / f"rigs{suffix}", "rigs", context=bpy.context)}
    bpy.context.view_layer.update()
    for name in [way.__name__ for way in WAYS]:
        skin, armature = loaded[f"{name} skin"], loaded[f"{name} rig"]
        groups = {group.index: group.name for group in skin.vertex_groups}
        weights = {groups[each.group] for vertex in skin.data.vertices for each in vertex.groups if each.weight}
        assert weights == {f"{name} upper", f"{name} lower"} == {*armature.data.bones.keys()}
        lower = armature.pose.bones[f"{name} lower"]
        assert (armature.matrix_world @ lower.tail - BENT).length < 1e-3, name  # where it is posed
        assert (armature.matrix_world @ lower.bone.tail_local - STRAIGHT).length < 1e-3, name


@pytest.mark.parametrize("suffix", [".glb", ".usdz"])
def test_a_selected_skin_brings_its_armature_and_nothing_else_of_the_scene(suffix, tmp_path):
    skin, armature = rig("Arm", by_parent=True)
    rig("Other")
    armature.hide_set(True)
    export_component(tmp_path / f"arm{suffix}", [skin], name="arm")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    loaded = load_component(tmp_path / f"arm{suffix}", "arm", context=bpy.context)
    assert sorted(each.type for each in loaded if each.type != "EMPTY") == ["ARMATURE", "MESH"]
    assert all(each.name.startswith("Arm") for each in loaded)


@pytest.mark.parametrize("suffix", [".fbx", ".usdz"])
def test_what_is_linked_is_called_as_in_blender(suffix, tmp_path):
    add("ground", mesh("ground", 1, bpy.data.materials.new("soil")), collection("Set"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "set file.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "set file.blend"), link=True) as (_, wanted):
        wanted.collections = ["Set"]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    bpy.context.view_layer.update()
    export_component(tmp_path / f"set{suffix}", bpy.context.scene, name="set")
    assert bpy.data.objects["ground"].library
    bpy.ops.wm.read_factory_settings(use_empty=True)
    (ground,) = load_component(tmp_path / f"set{suffix}", "set", context=bpy.context)
    assert (ground.name, [each.name for each in ground.material_slots]) == ("ground", ["soil"])
