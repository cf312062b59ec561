"""What nodes, modifiers and strips name goes with a component like textures do, or is told; see test_whole.py."""

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from test_whole import body, image_file, link, save  # noqa: E402

from ggg_cloud_addon.blender.scene import MissingFilesError  # noqa: E402
from ggg_cloud_addon.blender.scene.beside.needs import named_elsewhere, outside_files  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.export_options import ExportOptions  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402
from ggg_cloud_addon.cloud_storage.blends import trace  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
IS_5 = bpy.app.version >= (5, 0, 0)
BESIDE = ExportOptions(files="BESIDE")


def written(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def problems_of(tmp_path, options=None):
    with pytest.raises(MissingFilesError) as caught:
        export_component(tmp_path / "out.blend", bpy.context.scene, name="arm", options=options)
    return list(caught.value.problems)


def with_nodes(folder, *kinds):
    """A body whose material has a script node or a light profile."""
    obj = body("Body")
    material = bpy.data.materials.new("Paint")
    if not IS_5:
        material.use_nodes = True
    obj.data.materials.append(material)
    for kind, suffix in kinds:
        node = material.node_tree.nodes.new(kind)
        node.mode = "EXTERNAL"
        node.filepath = str(written(folder / f"file{suffix}", CONTENT[suffix]))
    return obj


PROFILE, SCRIPT = ("ShaderNodeTexIES", ".ies"), ("ShaderNodeScript", ".osl")
CONTENT = {".ies": "IESNA:LM-63-2002", ".osl": "shader white(output color c = 0) { c = 1; }"}


def with_bake(folder):
    """A body with a baked node; as 4.2 writes it, on the disk."""
    obj = body("Baked")
    tree = bpy.data.node_groups.new("Bake", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    bake, end = tree.nodes.new("GeometryNodeBake"), tree.nodes.new("NodeGroupOutput")
    tree.links.new(bake.outputs[0], end.inputs[0])
    modifier = obj.modifiers.new("Bake", "NODES")
    modifier.node_group = tree
    if hasattr(modifier, "bake_target"):
        modifier.bake_target = "DISK"
    modifier.bake_directory = str(folder / "bakes")
    return modifier


def with_mesh_cache(folder):
    modifier = body("Moving").modifiers.new("Cache", "MESH_CACHE")
    modifier.filepath = str(written(folder / "shape.mdd"))
    return modifier


def test_a_light_profile_is_packed_as_a_text(tmp_path):
    with_nodes(tmp_path / "here", PROFILE)
    export_component(tmp_path / "out.blend", bpy.context.scene, name="arm")
    (tmp_path / "here/file.ies").unlink()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    load_component(tmp_path / "out.blend", "arm", context=bpy.context)
    assert [*outside_files()] == []
    (node,) = [each for each in bpy.data.materials["Paint"].node_tree.nodes if each.bl_idname == PROFILE[0]]
    assert (node.mode, node.ies.as_string()) == ("INTERNAL", CONTENT[".ies"])


def test_a_script_that_a_node_reads_cannot_be_packed_and_is_told(tmp_path):
    with_nodes(tmp_path, SCRIPT, PROFILE)
    assert problems_of(tmp_path) == ['"file.osl" is read by a node, which Blender cannot pack']
    (tmp_path / "file.osl").unlink()
    assert problems_of(tmp_path, BESIDE) == ['"file.osl" is missing']


def test_all_that_may_move_goes_beside_and_is_found_by_the_engine(tmp_path):
    here = tmp_path / "here"
    with_nodes(here, SCRIPT, PROFILE)
    with_mesh_cache(here)
    wanted = {"file.osl", "file.ies", "shape.mdd"}
    if IS_5:
        tree = bpy.data.node_groups.new("Part", "GeometryNodeTree")
        bpy.data.objects["Body"].modifiers.new("Part", "NODES").node_group = tree
        tree.nodes.new("GeometryNodeImportSTL").inputs[0].default_value = str(written(here / "part.stl"))
        wanted |= {"part.stl"}
    export_component(tmp_path / "out.blend", bpy.context.scene, name="arm", options=BESIDE)
    moved = {path.relative_to(tmp_path / "arm.files") for path in (tmp_path / "arm.files").rglob("*") if path.is_file()}
    assert {Path(*path.parts[1:]).as_posix() for path in moved} == wanted
    found = trace(tmp_path / "out.blend")
    assert found.unreadable == ()
    assert {each.path.relative_to(tmp_path / "arm.files") for each in found.dependencies} == moved
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    load_component(tmp_path / "out.blend", "arm", context=bpy.context)
    for each in named_elsewhere():
        assert Path(each.file.path).exists()
        assert Path(each.file.path).is_relative_to(tmp_path / "arm.files")


@pytest.mark.parametrize("options", [None, BESIDE])
def test_a_bake_on_the_disk_is_told(options, tmp_path):
    modifier = with_bake(tmp_path)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    modifier.bake_directory = "//bakes"
    written(tmp_path / "bakes/12/meta/0001.json")
    (said,) = problems_of(tmp_path, options)
    assert said.startswith('"bakes" is a ')
    export_component(tmp_path / "out.blend", [body("Other")], name="arm", options=options)


def test_of_what_is_not_baked_nothing_is_told(tmp_path):
    with_bake(tmp_path)
    body("Sea").modifiers.new("Sea", "OCEAN").filepath = str(tmp_path / "sea")
    flow = body("Tank").modifiers.new("Tank", "FLUID")
    if IS_5:  # Blender 4.2 as a module does not survive it
        flow.fluid_type = "DOMAIN"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    body("Soft").modifiers.new("Soft", "SOFT_BODY").point_cache.use_disk_cache = True
    (tmp_path / "blendcache_shot").mkdir()
    assert export_component(tmp_path / "out.blend", bpy.context.scene, name="arm") == []


@pytest.mark.parametrize("options", [None, BESIDE])
def test_the_frames_of_a_simulation_are_told(options, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    cache = body("Soft").modifiers.new("Soft", "SOFT_BODY").point_cache
    cache.use_disk_cache = True
    cache.frame_end = 3
    bpy.ops.ptcache.bake_all(bake=True)
    assert (cache.is_baked, (tmp_path / "blendcache_shot").exists()) == (True, True)
    (said,) = problems_of(tmp_path, options)
    assert said.startswith('"blendcache_shot" is a ')
    cache.use_disk_cache = False
    assert export_component(tmp_path / "out.blend", bpy.context.scene, name="arm") == []


def test_what_blender_knows_and_we_do_not_is_told(tmp_path):
    """Here the pictures of a strip."""
    body("Body")
    editor = bpy.context.scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_image("Strip", str(image_file(tmp_path / "shot.png", (1, 0, 0))), 1, 1)
    assert problems_of(tmp_path) == ['"shot.png" is a movie, a sequence or a cache, which Blender cannot pack']
    assert problems_of(tmp_path, BESIDE) == ['"shot.png" is a cache or a strip, which cannot go along']


def test_another_format_needs_only_what_its_shapes_and_textures_are_made_of(tmp_path):
    with_nodes(tmp_path, SCRIPT, PROFILE)
    editor = bpy.context.scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_image("Strip", str(image_file(tmp_path / "shot.png", (1, 0, 0))), 1, 1)
    with_mesh_cache(tmp_path)
    assert export_component(tmp_path / "out.glb", bpy.context.scene, name="arm") == []
    (tmp_path / "file.osl").unlink()
    (tmp_path / "shape.mdd").unlink()
    with pytest.raises(MissingFilesError) as caught:
        export_component(tmp_path / "out.glb", bpy.context.scene, name="arm")
    assert caught.value.problems == ('"shape.mdd" is missing',)


def test_texts_are_not_needed(tmp_path):
    body("Body")
    bpy.data.texts.load(str(written(tmp_path / "notes.txt")))
    (tmp_path / "notes.txt").unlink()
    assert [*outside_files()] == []


def test_the_paths_of_a_library_are_meant_from_its_folder(tmp_path):
    with_nodes(tmp_path / "library", SCRIPT)
    library = tmp_path / "library" / "body.blend"
    save(library)
    bpy.ops.wm.open_mainfile(filepath=str(library))
    next(named_elsewhere()).rename("//file.osl")
    save(library)
    bpy.context.scene.collection.objects.link(link(library, objects=["Body"]))
    bpy.context.scene.render.engine = "CYCLES"  # which would compile the script, and write that beside it
    export_component(tmp_path / "out.blend", bpy.context.scene, name="arm", options=BESIDE)
    (found,) = trace(tmp_path / "out.blend").dependencies
    assert (found.path.name, found.is_missing) == ("file.osl", False)
    assert [*tmp_path.rglob("*.oso")] == []
    with bpy.data.libraries.load(str(tmp_path / "out.blend")) as (there, came):
        came.scenes = there.scenes
    assert came.scenes[0].render.engine == "CYCLES"


@pytest.mark.skipif(not IS_5, reason="Blender packs linked data from 5.0 on")
def test_what_is_linked_and_packed_needs_no_library(tmp_path):
    body("Bolt")
    save(tmp_path / "bolt.blend")
    with bpy.data.libraries.load(str(tmp_path / "bolt.blend"), link=True, pack=True) as (_, wanted):
        wanted.objects = ["Bolt"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    assert wanted.objects[0].is_linked_packed
    (tmp_path / "bolt.blend").unlink()
    export_component(tmp_path / "out.blend", bpy.context.scene, name="arm")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    (pulled,) = load_component(tmp_path / "out.blend", "arm", context=bpy.context)
    assert (pulled.name, len(pulled.data.vertices)) == ("Bolt", 4)
