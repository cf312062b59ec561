"""OBJ, PLY and USD go out and come back: what they keep, and nothing else of the scene."""

import os

import pytest

bpy = pytest.importorskip("bpy")

from studio import add, collection, mesh  # noqa: E402

from ggg_cloud_addon.blender.properties import FORMATS as OFFERED  # noqa: E402
from ggg_cloud_addon.blender.scene import SceneError  # noqa: E402
from ggg_cloud_addon.blender.scene.export import FORMATS, export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.export_options import LOST, OPTIONS_OF, ExportOptions  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402
from ggg_cloud_addon.cloud_storage import SyncConfig  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
NEW = (".obj", ".ply", ".usdz")  # the others of USD are written and read by the same code of Blender


def empty():
    bpy.ops.wm.read_factory_settings(use_empty=True)


def load(path):
    return load_component(path, "Loaded", context=bpy.context)


def box(objects):
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    points = [
        obj.matrix_world @ vertex.co
        for obj in objects
        if obj.type == "MESH"
        for vertex in obj.evaluated_get(graph).data.vertices
    ]
    return [round(side(point[axis] for point in points), 3) for side in (min, max) for axis in range(3)]


def painted(name):
    """A mesh with UVs, a texture, and a colour at each vertex."""
    image = bpy.data.images.new("Paint", 4, 4)
    image.pixels = [1.0, 0.5, 0.25, 1.0] * 16
    image.pack()
    material = bpy.data.materials.new("Lacquer")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    material.node_tree.links.new(
        texture.outputs["Color"], material.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    )
    data = mesh(f"{name} data", 2, material)
    data.uv_layers.new(name="UVMap")
    data.color_attributes.new("Colour", "FLOAT_COLOR", "POINT")
    return data


@pytest.mark.parametrize("suffix", NEW)
def test_what_was_exported_comes_back(suffix, tmp_path):
    """Shown by one scene, as each way there and back takes seconds: what is hidden, edited and modified, too."""
    parts = collection("Parts")
    wheel = add("Wheel", painted("Wheel"), parts, location=(1, 2, 3))
    wheel.modifiers.new("Array", "ARRAY").count = 2
    add("Hub", mesh("Some data"), parts, parent=wheel, location=(0, 0, 4))
    add("Cutter", mesh("Cutter", 99), parts).hide_set(True)
    add("Elsewhere", mesh("Elsewhere", 99))
    expected = box([wheel, bpy.data.objects["Hub"]])
    bpy.context.view_layer.objects.active = wheel
    bpy.ops.object.mode_set(mode="EDIT")
    before = {each: each.name for each in bpy.data.user_map()}

    export_component(tmp_path / f"car{suffix}", parts, name="Car")

    assert [each.name for each in tmp_path.iterdir()] == [f"car{suffix}"]
    assert ({each: each.name for each in bpy.data.user_map()}, wheel.mode) == (before, "EDIT")
    empty()
    objects = load(tmp_path / f"car{suffix}")
    assert box(objects) == pytest.approx(expected, abs=1e-3)
    meshes = {each.name: each for each in objects if each.type == "MESH"}
    assert all(each.data.uv_layers for each in meshes.values() if each.name != "Hub")
    if suffix == ".ply":
        (joined,) = objects
        assert len(joined.data.color_attributes) == 1
        return
    (wheel,) = (each for name, each in meshes.items() if name.startswith("Wheel"))
    assert "Hub" in meshes
    assert [slot.name for slot in wheel.material_slots] == ["Lacquer"]
    assert "_materials" not in bpy.data.objects
    if suffix == ".usdz":
        (image,) = bpy.data.images
        assert image.packed_file
        assert list(image.pixels[:3]) == pytest.approx([1.0, 0.5, 0.25], abs=0.01)
    if suffix == ".obj":
        assert b"mtllib" not in (tmp_path / "car.obj").read_bytes()
    else:
        assert meshes["Hub"].parent is not None


def test_the_materials_of_an_obj_lie_beside_it_where_that_is_asked(tmp_path):
    painted_file = tmp_path / "from" / "außen 1.png"
    painted_file.parent.mkdir()
    # One image in a file, and two that are packed, of the same name.
    for name, path in (("Wheel", painted_file), ("Hub", None), ("Tyre", None)):
        data = painted(name)
        image = data.materials[0].node_tree.nodes["Image Texture"].image
        if path:
            image.filepath_raw = str(path)
            image.file_format = "PNG"
            image.save()
            image.unpack(method="REMOVE")
        else:
            image.packed_files[0].filepath = "//Paint.png"
            image.filepath_raw = "//Paint.png"
        add(name, data)
    folder = tmp_path / "to"
    folder.mkdir()
    options = ExportOptions(files="BESIDE")
    export_component(folder / "component.obj", bpy.context.scene, name="my car", options=options)
    painted_file.unlink()
    files = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    (place,) = {each.rpartition("/")[0] for each in files if "/" in each}
    assert place.startswith("my car.files/")
    assert files[0] == "component.obj"
    assert len(files) == 5  # with the materials and three textures
    assert f"mtllib {place}/component.mtl\n" in (folder / "component.obj").read_text(encoding="utf-8")
    empty()
    load(folder / "component.obj")
    assert len(bpy.data.images) == 3
    assert all(list(each.pixels[:3]) == pytest.approx([1.0, 0.5, 0.25], abs=0.01) for each in bpy.data.images)


def test_what_a_format_loses_is_told_and_every_format_is_offered():
    assert [each[0] for each in OFFERED] == sorted(FORMATS, key=[each[0] for each in OFFERED].index)
    assert {*FORMATS} == {*LOST} == {*OPTIONS_OF}
    for suffix in FORMATS:
        assert SyncConfig(local_dir=".").takes(f"robot/arm{suffix}"), suffix
    assert "texture" in LOST[".usdc"]
    assert "colours and textures" in LOST[".obj"]


@pytest.mark.parametrize("suffix", [".usd", ".usda"])
def test_usd_under_its_other_names_keeps_an_animation(suffix, tmp_path):
    arm = add("Arm", mesh("Arm"))
    for frame, x in ((1, 0.0), (20, 5.0)):
        arm.location.x = x
        arm.keyframe_insert("location", frame=frame)
    export_component(tmp_path / f"arm{suffix}", [arm], name="Arm")
    empty()
    bpy.context.scene.unit_settings.scale_length = 0.01
    (arm,) = load(tmp_path / f"arm{suffix}")
    (tmp_path / f"arm{suffix}").unlink()  # as after a pull
    assert not bpy.data.cache_files
    for frame, x in ((1, 0.0), (20, 500.0)):
        bpy.context.scene.frame_set(frame)
        assert arm.matrix_world.translation.x == pytest.approx(x, abs=0.1)
        assert arm.matrix_world.to_scale().x == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_what_has_no_vertices_is_told(suffix, tmp_path):
    nothing = add("Nothing", bpy.data.meshes.new("Nothing"))
    with pytest.raises(SceneError, match="There are no vertices"):
        export_component(tmp_path / f"a{suffix}", [nothing], name="a")
    assert list(tmp_path.iterdir()) == []


def test_usd_is_in_metres_as_gltf_is(tmp_path):
    arm = add("Arm", mesh("Arm"))
    export_component(tmp_path / "arm.usdz", [arm], name="Arm")
    empty()
    bpy.context.scene.unit_settings.scale_length = 0.01
    objects = load(tmp_path / "arm.usdz")
    assert box(objects) == pytest.approx([0, 0, 0, 100, 100, 100], abs=1e-2)
    with pytest.raises(SceneError, match="USD is in metres"):
        export_component(tmp_path / "arm.usdz", objects, name="Arm")


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".usdz"])
def test_axes_and_scale_are_those_that_were_chosen(suffix, tmp_path):
    add("Arm", mesh("Arm"), location=(0, 0, 3))
    options = ExportOptions(axes="Y_UP", scale=2)
    export_component(tmp_path / f"arm{suffix}", bpy.context.scene, name="Arm", options=options)
    empty()
    objects = load(tmp_path / f"arm{suffix}")
    at = {".obj": [0, 0, 6, 2, 2, 8], ".ply": [0, 6, -2, 2, 8, 0], ".usdz": [0, 0, 3, 1, 1, 4]}[suffix]
    assert box(objects) == pytest.approx(at, abs=1e-3)


def damages(data):
    return {"garbage": os.urandom(4096), "end": data[: -len(data) // 20]}


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".usdz"])
def test_a_damaged_file_is_refused_whole(suffix, tmp_path):
    export_component(tmp_path / f"whole{suffix}", [add("Arm", mesh("Arm"))], name="Arm")
    broken = tmp_path / f"broken{suffix}"
    before = {*bpy.data.user_map()}
    for damage, data in damages((tmp_path / f"whole{suffix}").read_bytes()).items():
        if suffix == ".obj" and damage == "end":
            continue  # OBJ is lines of text, and has no end; what a store sends is checked by its hash
        broken.write_bytes(data)
        with pytest.raises(SceneError, match=f'"broken{suffix}"') as error:
            load(broken)
        assert "\n" not in str(error.value)
        assert {*bpy.data.user_map()} == before
