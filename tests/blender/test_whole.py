"""A component arrives whole: what it needs goes with it, and what cannot is said before."""

import json
import shutil
import wave
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from inventory import inventory, mesh, missing  # noqa: E402

from ggg_cloud_addon.blender.scene import MissingFilesError  # noqa: E402
from ggg_cloud_addon.blender.scene.beside.needs import OutsideFile, problems  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.export_options import ExportOptions  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
PULL = """
import sys
sys.path[:0] = sys.argv[3:5]
import bpy
from pathlib import Path
from ggg_cloud_addon.blender.scene.load import load_component
import inventory
bpy.ops.wm.read_factory_settings(use_empty=True)
load_component(Path(sys.argv[1]), sys.argv[2], context=bpy.context)
inventory.say()
"""


def image_file(path, colour):
    image = bpy.data.images.new("Made", 8, 8)
    image.pixels = [*colour, 1.0] * 64
    image.file_format = "PNG"
    image.filepath_raw = str(path)
    image.save()
    bpy.data.images.remove(image)
    return path


def image(path, colour, name):
    loaded = bpy.data.images.load(str(image_file(path, colour)))
    loaded.name = name
    return loaded


def tiles(path, name):
    for number, colour in ((1001, (1, 0, 0)), (1002, (0, 1, 0)), (1011, (0, 0, 1))):
        image_file(str(path).replace("<UDIM>", str(number)), colour)
    loaded = bpy.data.images.load(str(path).replace("<UDIM>", "1001"))
    loaded.source = "TILED"
    loaded.filepath = str(path)
    for number in (1002, 1011):
        if loaded.tiles.get(number) is None:
            loaded.tiles.new(number)
    loaded.name = name
    return loaded


def body(name, *images, collection=None):
    """A tetrahedron with UVs and a material with these images."""
    data = bpy.data.meshes.new(name)
    data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [], [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)])
    layer = data.uv_layers.new(name="UVÜ")
    for index, corner in enumerate(layer.data):
        corner.uv = (index / 12, (index % 3) / 2)
    obj = bpy.data.objects.new(name, data)
    (collection or bpy.context.scene.collection).objects.link(obj)
    if images:
        material = bpy.data.materials.new(f"{name} paint")
        if bpy.app.version < (5, 0, 0):
            material.use_nodes = True
        for each in images:
            node = material.node_tree.nodes.new("ShaderNodeTexImage")
            node.image = each
            material.node_tree.links.new(
                node.outputs["Color"], material.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
            )
        data.materials.append(material)
    return obj


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)


def link(path, **wanted):
    with bpy.data.libraries.load(str(path), link=True) as (_, to):
        for kind, names in wanted.items():
            setattr(to, kind, names)
    return next(iter([each for kind in wanted for each in getattr(to, kind)]))


def libraries(folder):
    """A library that links another one; both have textures, named from their own folders."""
    (folder / "lib b/tex").mkdir(parents=True)
    bolt = body("Bolt", image(folder / "lib b/tex/böl t.png", (0.2, 0.4, 0.6), "bolt"))
    save(folder / "lib b/bolt.blend")
    bpy.ops.wm.open_mainfile(filepath=str(folder / "lib b/bolt.blend"))
    bpy.data.images["bolt"].filepath = "//tex/böl t.png"
    save(folder / "lib b/bolt.blend")
    assemblage = bpy.data.collections.new("Assembly")
    bpy.context.scene.collection.children.link(assemblage)
    body("Plate", collection=assemblage)
    bolt = link(folder / "lib b/bolt.blend", objects=["Bolt"])
    assemblage.objects.link(bolt)
    save(folder / "lib a/assembly.blend")
    return folder / "lib a/assembly.blend"


def rig():
    """An armature with an animation, and a skinned mesh with shape keys."""
    bones = bpy.data.armatures.new("Rig")
    armature = bpy.data.objects.new("Rig", bones)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = bones.edit_bones.new("Hebel ä")
    bone.tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones[0].rotation_mode = "XYZ"
    armature.pose.bones[0].keyframe_insert("rotation_euler", frame=1)
    armature.pose.bones[0].rotation_euler = (1, 0, 0)
    armature.pose.bones[0].keyframe_insert("rotation_euler", frame=20)
    skin = body("Skin")
    skin.parent = armature
    skin.vertex_groups.new(name="Hebel ä").add([0, 1, 2], 0.5, "REPLACE")
    skin.modifiers.new("Armature", "ARMATURE").object = armature
    skin.shape_key_add(name="Basis")
    key = skin.shape_key_add(name="Dick")
    key.data[0].co = (-1, -1, -1)
    key.value = 0.5
    key.keyframe_insert("value", frame=5)
    return skin


def node_group():
    tree = bpy.data.node_groups.new("Streuer", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    into, move, out = (
        tree.nodes.new(f"{kind}") for kind in ("NodeGroupInput", "GeometryNodeTransform", "NodeGroupOutput")
    )
    tree.links.new(into.outputs[0], move.inputs[0])
    tree.links.new(move.outputs[0], out.inputs[0])
    move.inputs["Translation"].default_value = (0, 0, 2)
    tree.asset_mark()
    tree.asset_data.tags.new("verteilt")
    return tree


def sound(path):
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(8000))
    return bpy.data.sounds.load(str(path))


def everything(folder):
    """The scene of the issue, its files below the folder."""
    library = libraries(folder)
    (folder / "Größe/maps").mkdir(parents=True)
    maps = folder / "Größe/maps"
    packed = image(maps / "packed.png", (0.1, 0.2, 0.3), "gepackt")
    packed.pack()
    (maps / "packed.png").unlink()
    body("Körper", packed, image(maps / "außen.png", (0.9, 0.5, 0.1), "außen"), tiles(maps / "t.<UDIM>.png", "Kacheln"))
    rig()
    instance = bpy.data.objects.new("Instanz", None)
    instance.instance_type = "COLLECTION"
    instance.instance_collection = link(library, collections=["Assembly"])
    bpy.context.scene.collection.objects.link(instance)
    scattered = body("Streu")
    scattered.modifiers.new("Streuer", "NODES").node_group = node_group()
    speaker = bpy.data.speakers.new("Ton")
    speaker.sound = sound(folder / "ton.wav")
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Ton", speaker))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "Größe/szene.blend"))
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_mainfile()


def same_but_packed(after, before):
    """Compare two inventories, but for what a push is allowed to do."""
    before["sounds"] = dict.fromkeys(before["sounds"], True)
    # The pulled scene is a collection of its own that holds what the scene held.
    after["collections"] = {name: content for name, content in after["collections"].items() if name != "Pulled"}
    for kind in before:
        assert after[kind] == before[kind], kind


def test_a_scene_arrives_whole_on_a_clean_machine(run_child, tmp_path):
    everything(tmp_path / "here")
    before = json.loads(json.dumps(inventory()))
    export_component(tmp_path / "pushed.blend", bpy.context.scene, name="szene")
    assert json.loads(json.dumps(inventory())) == before  # and nothing of the open file changed
    there = tmp_path / "there"
    there.mkdir()
    shutil.move(tmp_path / "pushed.blend", there / "pulled.blend")
    shutil.rmtree(tmp_path / "here")
    root = Path(__file__).parent
    child = run_child(
        PULL, there / "pulled.blend", "Pulled", root, root.parent.parent, cwd=there,
        env={"PATH": "", "HOME": str(there), "BLENDER_USER_RESOURCES": str(there / "user")},
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    pulled = json.loads(child.stdout.strip().splitlines()[-1])
    assert pulled["missing"] == []
    assert not [path for path in pulled["paths"] if str(tmp_path / "here") in path], "folders of another machine"
    same_but_packed(pulled["inventory"], before)


def test_the_open_file_stays_as_it_was_byte_for_byte(tmp_path):
    everything(tmp_path)
    bpy.context.view_layer.objects.active.select_set(True)

    def looked():
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "copy.blend"), copy=True, compress=False)
        return (tmp_path / "copy.blend").read_bytes(), bpy.data.is_dirty, inventory()

    looked()
    before = looked()
    scene = bpy.context.scene
    export_component(tmp_path / "a.blend", scene, name="szene", preview=tmp_path / "a.png")
    export_component(tmp_path / "a.glb", [bpy.data.objects["Körper"]], name="Körper")
    after = looked()
    assert after[1:] == before[1:]
    assert len(after[0]) == len(before[0])
    if bpy.app.version >= (5, 0, 0):  # 4.2 writes other bytes each time
        assert after[0] == before[0]


def test_a_picture_is_made_of_what_is_seen_and_of_nothing_none(tmp_path):
    export_component(tmp_path / "a.blend", [body("Body")], name="Body", preview=tmp_path / "a.png")
    picture = bpy.data.images.load(str(tmp_path / "a.png"))
    assert tuple(picture.size) == (256, 256)
    alphas = list(picture.pixels)[3::4]
    assert 0.05 < sum(alpha > 0.9 for alpha in alphas) / len(alphas) < 0.95
    empty = bpy.data.objects.new("Empty", None)
    export_component(tmp_path / "b.blend", [empty], name="Empty", preview=tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("suffix", [".fbx", ".gltf", ".glb", ".stl"])
def test_a_format_keeps_what_it_can(suffix, tmp_path):
    obj = body("Bödy", image(tmp_path / "außen.png", (0.8, 0.4, 0.2), "außen"))
    before, pixels = mesh(obj.data), list(bpy.data.images["außen"].pixels)
    places = sorted(tuple(round(x, 5) for x in vertex.co) for vertex in obj.data.vertices)
    corners = sorted(
        (tuple(round(x, 5) for x in obj.data.vertices[loop.vertex_index].co), tuple(round(x, 4) for x in uv.uv))
        for loop, uv in zip(obj.data.loops, obj.data.uv_layers[0].data, strict=True)
    )
    export_component(tmp_path / f"a{suffix}", [obj], name="a")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    (tmp_path / "außen.png").unlink()
    (pulled,) = load_component(tmp_path / f"a{suffix}", "a", context=bpy.context)
    data = pulled.data
    place = [pulled.matrix_world @ vertex.co for vertex in data.vertices]
    there = sorted(tuple(round(x, 5) + 0.0 for x in each) for each in place)
    if suffix in (".gltf", ".glb"):  # one for each normal and UV that meet there, as LOST says
        places, there = sorted(set(places)), sorted(set(there))
    assert there == places
    assert len(data.polygons) == before["counts"][2]
    if suffix == ".stl":
        assert list(data.materials) == []
        return
    assert [each.name for each in data.materials] == ["Bödy paint"]
    assert corners == sorted(
        (tuple(round(x, 5) + 0.0 for x in place[loop.vertex_index]), tuple(round(x, 4) for x in uv.uv))
        for loop, uv in zip(data.loops, data.uv_layers[0].data, strict=True)
    )
    (picture,) = [node.image for node in data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE"]
    assert list(picture.pixels) == pytest.approx(pixels, abs=0.01)


def gone(folder):
    body("Body", image(folder / "gone.png", (1, 0, 0), "gone"))
    (folder / "gone.png").unlink()


def empty_file(folder):
    body("Body", image(folder / "empty.png", (1, 0, 0), "empty"))
    (folder / "empty.png").write_bytes(b"")


def other_drive(folder):
    body("Body", image(folder / "a.png", (1, 0, 0), "a"))
    bpy.data.images["a"].filepath_raw = "Q:\\textures\\a.png"


def lost_library(folder):
    body("Bolt")
    save(folder / "bolt.blend")
    bpy.context.scene.collection.objects.link(link(folder / "bolt.blend", objects=["Bolt"]))
    (folder / "bolt.blend").unlink()


def painted(folder):
    """It also has one that is painted and not part of what is pushed."""
    body("Body", image(folder / "paint.png", (1, 0, 0), "paint"))
    for each in (bpy.data.images["paint"], bpy.data.images.new("other", 2, 2)):
        each.pixels[0] = 0.5
        each.update()


def lost_tile(folder):
    body("Body", tiles(folder / "t.<UDIM>.png", "t"))
    (folder / "t.1011.png").unlink()


def sequence(folder):
    loaded = image(folder / "walk.0001.png", (1, 0, 0), "walk")
    loaded.source = "SEQUENCE"
    body("Body", loaded)


@pytest.mark.parametrize("suffix", [".blend", ".glb"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (gone, '"gone.png" is missing'),
        (empty_file, '"empty.png" is empty (0 bytes)'),
        (other_drive, '"a.png" lies on Q:, which is not there'),
        (lost_library, '"bolt.blend" is missing'),
        (painted, '"paint" was painted and not saved'),
        (lost_tile, '"t.1011.png" is missing'),
        (sequence, '"walk.0001.png" is a movie, a sequence or a cache, which Blender cannot pack'),
    ],
)
def test_what_cannot_go_with_it_is_named_before_anything_is_made(make, says, suffix, tmp_path):
    make(tmp_path)
    target = tmp_path / f"out{suffix}"
    with pytest.raises(MissingFilesError) as caught:
        export_component(target, bpy.context.scene, name="Body")
    assert caught.value.problems == (says,)
    assert str(caught.value).count(". ") == 1
    assert not target.exists()


def test_missing_files_may_be_allowed(tmp_path):
    gone(tmp_path)
    problems = export_component(
        tmp_path / "a.blend", bpy.context.scene, name="Body", options=ExportOptions(allow_missing=True)
    )
    assert problems == ['"gone.png" is missing']
    assert (tmp_path / "a.blend").exists()


def test_without_packing_a_component_keeps_its_paths_and_links(tmp_path):
    library = libraries(tmp_path)
    bpy.context.scene.collection.objects.link(link(library, objects=["Plate"]))
    export_component(tmp_path / "a.blend", bpy.context.scene, name="a", options=ExportOptions(files="LEAVE"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    load_component(tmp_path / "a.blend", "a", context=bpy.context)
    assert missing() == ["assembly.blend"]


def test_libraries_that_link_each_other_come_along(tmp_path):
    body("Egg")
    save(tmp_path / "egg.blend")
    hen = body("Hen")
    hen.parent = link(tmp_path / "egg.blend", objects=["Egg"])
    save(tmp_path / "hen.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "egg.blend"))
    bpy.data.objects["Egg"].parent = link(tmp_path / "hen.blend", objects=["Hen"])
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.collection.objects.link(link(tmp_path / "hen.blend", objects=["Hen"]))
    export_component(tmp_path / "a.blend", bpy.context.scene, name="a")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    load_component(tmp_path / "a.blend", "a", context=bpy.context)
    assert missing() == []
    assert "Hen" in bpy.data.objects


def test_paths_that_windows_cannot_open_are_named():
    assert problems([OutsideFile("C:\\" + "a" * 300 + "\\b.png", True)], on_windows=True) == [
        '"b.png" has a path of 309 characters, more than Windows allows'
    ]


def frames(folder):
    for number in range(1, 4):
        image_file(folder / f"walk.{number:04}.png", (number / 4, 0, 0))
    loaded = bpy.data.images.load(str(folder / "walk.0001.png"))
    loaded.source = "SEQUENCE"
    loaded.name = "walk"
    return loaded


def test_files_lie_beside_it_when_that_is_chosen_and_other_content_elsewhere(tmp_path):
    (tmp_path / "maps").mkdir()
    body("Body", frames(tmp_path / "maps"), tiles(tmp_path / "maps/t.<UDIM>.png", "t"))
    options = ExportOptions(files="BESIDE")
    for _ in range(2):
        export_component(tmp_path / "out.blend", bpy.context.scene, name="arm", options=options)
        image_file(tmp_path / "maps/walk.0001.png", (1, 1, 1))
    files = sorted(path.name for path in (tmp_path / "arm.files").rglob("*.png"))
    assert files == sorted(
        2 * ["walk.0001.png", "walk.0002.png", "walk.0003.png"] + ["t.1001.png", "t.1002.png", "t.1011.png"]
    )
    shutil.rmtree(tmp_path / "maps")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    load_component(tmp_path / "out.blend", "arm", context=bpy.context)
    for name in ("walk", "t"):
        path = Path(bpy.path.abspath(bpy.data.images[name].filepath.replace("<UDIM>", "1001")))
        assert path.is_file()
        assert path.is_relative_to(tmp_path / "arm.files")
