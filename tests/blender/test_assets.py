"""What is pushed is an asset for the asset browser; and what its author has marked himself stays one."""

import getpass
import shutil
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from studio import NAME, Studio, add, collection, mesh, push  # noqa: E402

from ggg_cloud_addon.blender import scene as scenes  # noqa: E402

SCENE = Path(scenes.__file__).parent
WINDOW = ("window_managers", "workspaces", "screens")
CATALOG = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path)


def mark(datablock):
    datablock.asset_mark()
    datablock.asset_data.catalog_id = CATALOG
    datablock.asset_data.author = "Ada"
    datablock.asset_data.tags.new("böse")


def assets():
    found = [each for each in bpy.data.user_map() if each.asset_data]
    assert {(each.asset_data.catalog_id, each.asset_data.author) for each in found} <= {(CATALOG, "Ada")}
    assert all([tag.name for tag in each.asset_data.tags] == ["böse"] for each in found)
    return sorted((type(each).__name__, each.name) for each in found)


def make():
    arm = collection("arm")
    paint = bpy.data.materials.new("Paint")
    for each in (arm, paint, add("Arm", mesh("Arm", material=paint), arm)):
        mark(each)


def test_what_is_in_a_collection_stays_an_asset(studio):
    make()
    push("arm")
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    kept = [("Collection", "arm"), ("Material", "Paint"), ("Object", "Arm")]
    assert assets() == kept
    studio.save("ada")
    studio.new_file()
    studio.save("bob")
    bpy.ops.ggg_cloud.pull(component_id="arm.blend", link=True)
    assert [each.name for each in bpy.data.collections if not each.library and each.asset_data] == []
    studio.open("ada")
    bpy.ops.ggg_cloud.update(component_id="arm.blend")
    assert assets() == kept


@pytest.mark.parametrize("pack", [True, False])
def test_assets_that_no_object_uses_go_with_the_scene_only(pack, studio):
    make()
    add("Ground", mesh("Ground"))
    tree = bpy.data.node_groups.new("Streuer", "GeometryNodeTree")
    inner = bpy.data.node_groups.new("inner", "GeometryNodeTree")
    tree.nodes.new("GeometryNodeGroup").node_tree = inner
    mark(tree)
    loose = bpy.data.collections.new("loose")
    add("Part", mesh("Part"), loose)
    mark(loose)
    bpy.data.node_groups.new("nobody's", "GeometryNodeTree")
    other = bpy.data.scenes.new("Other")
    elsewhere = bpy.data.objects.new("Elsewhere", None)
    other.collection.objects.link(elsewhere)
    mark(elsewhere)
    if pack:
        image = bpy.data.images.new("image", 4, 4)
        image.filepath_raw, image.file_format = str(studio.folder / "a.png"), "PNG"
        image.save()
        bpy.data.materials["Paint"].use_fake_user = True
        bpy.data.brushes.new("brush")
    push("arm")
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="all.blend", file_format=".blend", preview=False)
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    assert "Streuer" not in bpy.data.node_groups
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="all.blend")
    assert assets() == [
        ("Collection", "arm"),
        ("Collection", "loose"),
        ("GeometryNodeTree", "Streuer"),
        ("Material", "Paint"),
        ("Object", "Arm"),
    ]
    assert {each.name for each in bpy.data.node_groups} == {"Streuer", "inner"}


def test_the_synced_folder_is_an_asset_library(studio):
    make()
    push("arm", "robot/arm.blend")
    add_library = bpy.ops.ggg_cloud.asset_library_add
    with pytest.raises(RuntimeError, match="No folder is chosen"):
        add_library()
    folder = studio.folder / "synced"
    folder.mkdir()
    studio.connection.sync_folder = str(folder)
    bpy.ops.ggg_cloud.sync()
    libraries = bpy.context.preferences.filepaths.asset_libraries
    before = len(libraries)
    for _ in range(2):
        assert add_library() == {"FINISHED"}
    assert len(libraries) == before + 1
    added = libraries[before]
    assert added.name == studio.connection.name
    with bpy.data.libraries.load(f"{added.path}/robot/arm.blend", assets_only=True) as (source, _):
        assert (source.collections, source.materials, source.objects) == (["arm"], ["Paint"], ["Arm"])
    libraries.remove(added)


def pushed(studio, component_id):
    """The assets in a file of the store: a summary of each, and its picture."""
    studio.new_file()
    with bpy.data.libraries.load(str(studio.stored(component_id)), link=True, assets_only=True) as (source, wanted):
        wanted.collections, wanted.objects = source.collections, source.objects
    found = {}
    for each in (*wanted.collections, *wanted.objects):
        about = each.asset_data
        found[each.name] = (about.author, about.description, sorted(tag.name for tag in about.tags)), picture(each)
    return found


def picture(datablock):
    """The colours that stand out in it, or none."""
    if not datablock.preview or not datablock.preview.image_size[0]:
        return set()
    pixels = np.empty(len(datablock.preview.image_pixels_float), np.float32)
    datablock.preview.image_pixels_float.foreach_get(pixels)
    pixels = pixels.reshape(-1, 4)
    seen = pixels[pixels[:, 3] > 0]
    names = np.array(["red", "green", "blue"])
    strong = seen[:, :3].max(axis=1) > 2 * np.median(seen[:, :3], axis=1)
    return set(names[seen[strong, :3].argmax(axis=1)])


def coloured(name, colour, into, **values):
    paint = bpy.data.materials.new(name)
    paint.diffuse_color = (*colour, 1)
    if paint.node_tree:
        paint.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1)
    return add(name, mesh(name, material=paint), into, **values)


def unmarked():
    return not any(each.asset_data or (each.preview and any(each.preview.image_size)) for each in bpy.data.user_map())


def test_a_pushed_component_is_an_asset_with_a_picture_and_in_nobodys_file_one(studio):
    arm = collection("arm")
    coloured("Red", (1, 0, 0), arm)
    coloured("Green", (0, 1, 0), collection("inner", arm), location=(2, 0, 0))
    coloured("Blue", (0, 0, 1), None, location=(0, 2, 0))  # of the scene, not of the component
    push("arm", asset=True, preview=True, comment="For tests", tags="robot, gripper,, robot")
    assert unmarked()
    assert studio.view.in_file[0].changed == ()
    assert pushed(studio, "arm.blend") == {
        "arm": ((getpass.getuser(), "For tests", ["gripper", "robot"]), {"red", "green"})
    }
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    assert unmarked()
    assert not bpy.data.collections["arm"].use_fake_user
    assert studio.view.in_file[0].changed == ()
    push("arm", asset=True)
    assert pushed(studio, "arm.blend") == {"arm": ((getpass.getuser(), "", []), set())}, "Without a preview"


def test_what_its_author_marked_stays_as_he_did(studio):
    make()
    push("arm", asset=True, preview=True, comment="mine")
    about, shown = pushed(studio, "arm.blend")["arm"]
    assert (about, shown) == (("Ada", "", ["böse"]), set())
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="arm.blend")
    assert assets() == [("Collection", "arm"), ("Material", "Paint"), ("Object", "Arm")]


def test_of_a_scene_the_collections_at_its_top_are_assets_or_else_its_objects(studio):
    add("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    base = coloured("Red", (1, 0, 0), None)
    coloured("Green", (0, 1, 0), None, parent=base, location=(2, 0, 0))
    coloured("Blue", (0, 0, 1), None, location=(0, 2, 0))
    scene = {"source": "SCENE", "file_format": ".blend", "preview": True}
    bpy.ops.ggg_cloud.export_upload(component_id="set.blend", comment="all", **scene)
    for name in ("left", "right"):
        coloured(f"{name} Red", (1, 0, 0), collection(name))
    bpy.data.collections.new("empty")
    bpy.ops.ggg_cloud.export_upload(component_id="sides.blend", **scene)
    assert unmarked()
    me = getpass.getuser()
    assert pushed(studio, "set.blend") == {
        "Red": ((me, "all", []), {"red", "green"}),
        "Blue": ((me, "all", []), {"blue"}),
    }
    assert pushed(studio, "sides.blend") == {"left": ((me, "", []), {"red"}), "right": ((me, "", []), {"red"})}
    studio.new_file()
    bpy.ops.ggg_cloud.pull(component_id="sides.blend")
    assert unmarked()
    assert not any(each.use_fake_user for each in bpy.data.collections)


def test_with_a_picture_nothing_else_comes_along(studio):
    """It is saved as Blender saves a file, with all that is open."""
    arm = collection("arm")
    obj = add("Arm", mesh("Arm"), arm)
    other = bpy.data.scenes.new("Other")
    other.world = bpy.data.worlds.new("Other world")
    other.collection.objects.link(bpy.data.objects.new("Elsewhere", None))
    obj["at"] = other  # a pointer out of the component
    bpy.data.brushes.new("brush").use_fake_user = True
    push("arm", asset=True, preview=True)
    with bpy.data.libraries.load(str(studio.stored("arm.blend"))) as (source, _):
        found = {
            kind: getattr(source, kind) for kind in dir(source) if kind not in ("version", "workspaces", "screens")
        }
    found = {kind: names for kind, names in found.items() if names}
    assert found.pop("window_managers", ["WinMan"]) == ["WinMan"]
    assert found == {"collections": ["arm"], "meshes": ["Arm"], "objects": ["Arm"], "scenes": ["arm"]}


def test_a_picture_that_ends_blender_does_not_cost_the_push(studio, monkeypatch):
    """Whatever Blender dies of: it is tried again without."""
    add("Arm", mesh("Arm"), collection("arm"))
    sketch = "import os\ndef sketch(objects):\n    os.abort()\n"
    fake = studio.folder / "scene"
    shutil.copytree(SCENE, fake)
    (fake / "beside" / "sketch.py").write_text(sketch)
    monkeypatch.setattr(f"{NAME}.blender.scene.convert._SCRIPT", fake / "beside" / "__main__.py")
    push("arm", asset=True, preview=True)
    assert {name: shown for name, (_, shown) in pushed(studio, "arm.blend").items()} == {"arm": set()}


def test_a_linked_component_is_the_asset_that_was_pushed(studio):
    coloured("Red", (1, 0, 0), collection("arm"))
    push("arm", asset=True, preview=True)
    studio.new_file()
    studio.save("ada")
    bpy.ops.ggg_cloud.pull(component_id="arm.blend", link=True, override=True)
    assert [each.name for each in bpy.data.user_map() if each.asset_data and not each.library] == []
    assert [each.name for each in bpy.context.selected_objects] == ["Red"]
