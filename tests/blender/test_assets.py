"""Assets stay assets."""

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, collection, mesh, push  # noqa: E402

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
