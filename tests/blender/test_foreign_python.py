"""Python that came in a file runs only where the user lets it: in pushes, pulls, links, updates, pictures, headless."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from studio import KINDS, Studio, add, collection, mesh, push  # noqa: E402

from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402
from ggg_cloud_addon.blender.scene.trust import may_run_scripts  # noqa: E402

TEXT = """
import bpy, os
def seen(name):
    open(os.environ["WITNESS"] + "/" + name, "a").close()
seen("text")
for name in ("depsgraph_update_post", "frame_change_post", "save_pre", "render_pre", "load_post"):
    getattr(bpy.app.handlers, name).append(lambda *_: seen("handler"))
"""
FREESTYLE = 'import os; open(os.environ["WITNESS"] + "/freestyle", "a").close()'
OSL = 'shader w(output color C = 0) { fprintf("WITNESS/osl", "x"); C = 1; }'


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stays empty unless something runs."""
    folder = tmp_path / "witness"
    folder.mkdir()
    monkeypatch.setenv("WITNESS", str(folder))
    new_file()
    yield folder
    new_file()


@pytest.fixture
def paths():
    """The preferences that count, put back after the test."""
    preferences = bpy.context.preferences
    yield preferences
    preferences.filepaths.use_scripts_auto_execute = False
    for each in list(preferences.autoexec_paths):
        preferences.autoexec_paths.remove(each)


def new_file() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def witnesses(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def drive(owner, path, name, *index):
    driver = owner.driver_add(path, *index).driver
    driver.expression = f"open(__import__('os').environ['WITNESS']+'/{name}','a').fileno()"


def text(name, content, *, register=False):
    made = bpy.data.texts.new(name)
    made.write(content)
    made.use_module = register
    return made


def quiet():
    """An object of which Blender blocks nothing while it is only in a scene."""
    made = add("Quiet", mesh("Quiet"), collection("Arm"))
    made["script"] = text("rig.py", TEXT, register=True)
    hidden = add("Hidden", mesh("Hidden"), bpy.data.collections["Arm"], hide_viewport=True, hide_render=True)
    drive(hidden, "location", "hidden", 0)
    return made


def loud():
    """All kinds."""
    made = quiet()
    drive(made, "location", "visible", 0)
    made.shape_key_add(name="Basis")
    drive(made.shape_key_add(name="Key"), "value", "shape_key")
    group = bpy.data.node_groups.new("Group", "ShaderNodeTree")
    drive(group.nodes.new("ShaderNodeValue").outputs[0], "default_value", "node_group")
    geometry = bpy.data.node_groups.new("Geometry", "GeometryNodeTree")
    drive(geometry.nodes.new("ShaderNodeValue").outputs[0], "default_value", "geometry_nodes")
    for side in ("INPUT", "OUTPUT"):
        geometry.interface.new_socket("Geometry", in_out=side, socket_type="NodeSocketGeometry")
    ends = [geometry.nodes.new(f"NodeGroup{side}") for side in ("Input", "Output")]
    geometry.links.new(ends[0].outputs[0], ends[1].inputs[0])
    made.modifiers.new("Geometry", "NODES").node_group = geometry
    drive(made.modifiers.new("Displace", "DISPLACE"), "strength", "modifier")
    made["custom"] = 1.0
    drive(made, '["custom"]', "custom_property")
    armature = bpy.data.armatures.new("Rig")
    drive(armature, "show_names", "armature")
    rig = add("Rig", armature, bpy.data.collections["Arm"])
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    armature.edit_bones.new("Bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    drive(rig.pose.bones["Bone"], "location", "bone", 0)
    drive(rig.pose.bones["Bone"].constraints.new("COPY_LOCATION"), "influence", "constraint")
    light = bpy.data.lights.new("Light", "POINT")
    drive(light, "energy", "light")
    light.use_nodes = True
    drive(light.node_tree.nodes.new("ShaderNodeValue").outputs[0], "default_value", "light_nodes")
    for data, path in ((light, ""), (bpy.data.cameras.new("Camera"), "lens"), (bpy.data.lattices.new("Lattice"), "")):
        add(data.name, data, bpy.data.collections["Arm"])
        if path:
            drive(data, path, "camera")
    material = bpy.data.materials.new("Material")
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeGroup").node_tree = group
    drive(material, "roughness", "material")
    osl = material.node_tree.nodes.new("ShaderNodeScript")
    osl.script = text("w.osl", OSL.replace("WITNESS", os.environ["WITNESS"]))
    made.data.materials.append(material)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.shading_system = scene.render.use_freestyle = True
    freestyle = scene.view_layers[0].freestyle_settings
    freestyle.mode = "SCRIPT"
    freestyle.modules.new().script = text("lines.py", FREESTYLE)
    return made


def save(path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_push_and_its_picture_run_nothing(witness, suffix, tmp_path):
    loud()
    export_component(tmp_path / f"arm{suffix}", bpy.context.scene, name="arm", preview=tmp_path / "arm.png")
    assert (tmp_path / "arm.png").exists()
    assert witnesses(witness) == []


@pytest.mark.parametrize("link", [False, True])
def test_a_pull_a_link_an_update_and_the_next_push_run_nothing(witness, link, tmp_path):
    studio = Studio(tmp_path)
    loud()
    push("Arm", "arm.blend")
    bpy.data.meshes["Quiet"].vertices[0].co.x = 5
    studio.save("ada")
    studio.new_file()
    studio.save("bob")
    bpy.ops.ggg_cloud.pull(component_id="arm.blend", link=link)
    add("Mine", mesh("Mine"))
    studio.save("bob")
    studio.open("ada")
    push("Arm", "arm.blend", replace=True, preview=True)
    studio.open("bob")
    bpy.ops.ggg_cloud.update(component_id="arm.blend")
    bpy.context.scene.frame_set(7)
    for suffix in KINDS:
        bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id=f"set{suffix}")
    assert witnesses(witness) == []


DRIVERS = ["armature", "bone", "camera", "constraint", "custom_property", "geometry_nodes", "light", "light_nodes"]
DRIVERS += ["material", "modifier", "node_group", "shape_key", "visible"]
"""Those that a scene evaluates at once."""


@pytest.mark.parametrize("link", [False, True])
def test_that_the_user_trusts_his_own_file_is_no_word_about_what_comes_into_it(witness, link, paths, tmp_path):
    studio = Studio(tmp_path)
    loud()
    push("Arm", "arm.blend")
    studio.new_file()
    drive(add("Mine", mesh("Mine")), "location", "mine", 0)
    studio.save("bob")

    def pull():
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "bob.blend"), use_scripts=True)  # "Allow Execution"
        bpy.ops.ggg_cloud.pull(component_id="arm.blend", link=link)
        bpy.context.scene.frame_set(7)

    pull()
    assert witnesses(witness) == ["mine"]
    bpy.ops.ed.undo_push(message="Before")
    for each in (
        *(bpy.data.objects["arm"].instance_collection if link else bpy.data.collections["arm"]).all_objects,
        *bpy.data.materials,
        *bpy.data.lights,
    ):
        if not each.library:
            each["touched"] = True
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    bpy.context.scene.frame_set(8)
    bpy.ops.ed.redo()
    bpy.context.scene.frame_set(9)
    bpy.ops.ggg_cloud.update(component_id="arm.blend", conflict="THEIRS")
    bpy.context.scene.frame_set(10)
    assert witnesses(witness) == ["mine"]

    paths.filepaths.use_scripts_auto_execute = True
    pull()
    assert set(witnesses(witness)) >= {*DRIVERS, "mine"}


def test_a_quiet_component_that_was_appended_stays_quiet_in_every_push(witness, tmp_path):
    quiet()
    save(tmp_path / "arm.blend")
    new_file()
    load_component(tmp_path / "arm.blend", "arm", context=bpy.context)
    assert not bpy.app.autoexec_fail
    for suffix in KINDS:
        hidden_too = list(bpy.context.scene.objects)
        export_component(tmp_path / f"set{suffix}", hidden_too, name="set", preview=tmp_path / "set.png")
    assert witnesses(witness) == []


def ggg_cloud(*arguments, setup=""):
    """Run the command in a Blender of its own."""
    code = f"import os, sys, bpy\n{setup}\nfrom ggg_cloud_addon.cli import main\n"
    code += "code = main(sys.argv[1:])\nsys.stdout.flush()\nos._exit(code)"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


AUTO_RUN = "bpy.context.preferences.filepaths.use_scripts_auto_execute = True\n"
EXCLUDE = "bpy.context.preferences.autoexec_paths.new().path = {!r}\n"


@pytest.mark.parametrize("content", [quiet, loud])
def test_headless_runs_nothing(witness, content, tmp_path):
    content()
    save(tmp_path / "arm.blend")
    store = f"--root={tmp_path / 'store'}"
    for arguments in (
        ("push", tmp_path / "arm.blend", "--scene", store),
        ("push", tmp_path / "arm.blend", "--scene", "--id", "arm.glb", store),
        ("push", tmp_path / "arm.blend", "--id", "file.blend", store),
        ("pull", "arm.blend", "--into", tmp_path / "new.blend", store),
        ("pull", "arm.glb", "--into", tmp_path / "new.blend", store),
        ("pull", "file.blend", "--link", "--into", tmp_path / "new.blend", store),
        ("demo", "--input", tmp_path / "arm.blend"),
    ):
        done = ggg_cloud(*arguments)
        assert done.returncode == 0 or (arguments[0] == "demo" and "Images" in done.stdout), (arguments, done.stderr)
    assert witnesses(witness) == []


def test_headless_asks_the_users_preference(witness, tmp_path):
    quiet()
    save(tmp_path / "arm.blend")
    ask = ("push", tmp_path / "arm.blend", "--scene", f"--root={tmp_path / 'store'}")
    ggg_cloud(*ask, setup=AUTO_RUN + EXCLUDE.format(str(tmp_path)))
    assert witnesses(witness) == []
    done = ggg_cloud(*ask, setup=AUTO_RUN)
    assert "text" in witnesses(witness), done.stderr


@pytest.mark.parametrize(
    ("excluded", "use_glob", "path", "may"),
    [
        (None, False, "/a/b.blend", True),
        (None, False, "", True),
        ("/a", False, "/a/b.blend", False),
        ("/a", False, "/c/a/b.blend", True),
        ("*/foreign/*", True, "/a/foreign/b.blend", False),
        ("*/foreign/*", False, "/a/foreign/b.blend", True),
        ("", False, "/a/b.blend", True),
    ],
)
def test_the_excluded_paths_count(paths, excluded, use_glob, path, may):
    assert not may_run_scripts(path)
    paths.filepaths.use_scripts_auto_execute = True
    if excluded is not None:
        made = paths.autoexec_paths.new()
        made.path, made.use_glob = excluded, use_glob
    assert may_run_scripts(path) is may


@pytest.mark.parametrize(
    ("arguments", "may"),
    [(["-y"], True), (["-Y"], False), (["-y", "--disable-autoexec"], False), (["--", "-Y"], True), (["-b"], True)],
)
def test_blenders_command_line_goes_first(paths, arguments, may, monkeypatch):
    paths.filepaths.use_scripts_auto_execute = arguments != ["-y"]
    monkeypatch.setattr(sys, "argv", ["blender", *arguments])
    assert may_run_scripts("/a/b.blend") is may
