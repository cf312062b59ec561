"""The command with a real Blender: scenes in and out, and the demo."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import Shell

BUILD = """
import os, random, sys
import bpy

def cube(name, collection, x=0.0):
    mesh = bpy.data.meshes.new(name)
    corners = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    made = bpy.data.objects.new(name, mesh)
    made.location.x = x
    collection.objects.link(made)
    return made

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("empty.blend"))
scene = bpy.context.scene
arm = bpy.data.collections.new("Arm")
scene.collection.children.link(arm)
cube("Upper", arm)
cube("Lower", arm, 3)
base = cube("Base", scene.collection, 6)
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("unselected.blend"))
base.select_set(True)
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("robot.blend"))
upper = arm.objects["Upper"]
upper.data.materials.append(bpy.data.materials.new("Steel"))
upper["stands on"] = base
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("pointing.blend"))
for name in ("heavy.blend", "other.blend"):
    base.data.clear_geometry()
    base.data.from_pydata([[random.random() for _ in range(3)] for _ in range(50_000)], [], [])
    bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath(name))
sys.stdout.flush()
os._exit(0)
"""

READ = """
import json, os, sys
import bpy

answer = {}
for path in sys.argv[2:]:
    bpy.ops.wm.open_mainfile(filepath=path)
    shown = [each.object.original for each in bpy.context.evaluated_depsgraph_get().object_instances]
    shown = [each for each in shown if each.type == "MESH"]
    answer[os.path.basename(path)] = {
        "objects": sorted(each.name for each in shown),
        "corners": sum(len(each.data.vertices) for each in shown),
        "libraries": [each.filepath for each in bpy.data.libraries],
        "assets": [(each.name, len(each.asset_data.tags)) for each in bpy.data.collections if each.asset_data],
        "materials": sorted(each.name for each in bpy.data.materials if each.users),
    }
with open(sys.argv[1], "w") as stream:
    json.dump(answer, stream)
os._exit(0)
"""


def in_blender(shell: Shell, code: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, cwd=shell.work, env=shell.env, check=True, capture_output=True, timeout=120)


def read_scenes(shell: Shell, *names: str | Path) -> dict[str, Any]:
    """What Blender shows of these files: meshes, instanced ones too, the corners of all, libraries, and assets."""
    answer = shell.home / "answer.json"
    in_blender(shell, READ, answer, *(shell.work / name for name in names))
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``robot.blend`` with the collection Arm, and Base, which is selected; two heavy ones, and less useful ones."""
    built = Shell(tmp_path_factory.mktemp("scenes"))
    in_blender(built, BUILD)
    return built.work


@pytest.fixture
def robot(shell: Shell, scenes: Path) -> Path:
    """A copy of ``robot.blend`` in the working folder."""
    return shell.write("robot.blend", (scenes / "robot.blend").read_bytes())


def test_what_is_pushed_from_a_scene_comes_into_another_in_each_format(shell: Shell, robot: Path) -> None:
    before = robot.read_bytes()
    shell.run("push", robot, "--scene", "--id=parts/robot.fbx").check_done()
    answers = shell.run_each(
        ("push", "robot.blend", "--scene"),
        ("push", "robot.blend", "--collection=Arm", "--id=arm.glb"),
        ("push", "robot.blend", "--collection=Arm", "--id=arm.gltf", "--json"),
        ("push", "robot.blend", "--selection", "--id=base.stl", "--json"),
    )
    pushed = [each.check_done() for each in answers][-1].document
    assert (pushed["component_id"], pushed["size"]) == ("base.stl", 84 + 12 * 50)
    assert robot.read_bytes() == before
    ids = [each["component_id"] for each in shell.run("list", "--json").document]
    assert ids == ["arm.glb", "arm.gltf", "base.stl", "parts/robot.fbx", "robot.blend"]
    pulls = [("pull", each, "--into", f"of_{Path(each).name}.blend", "--json") for each in ids]
    assert [each.check_done().document["component_id"] for each in shell.run_each(*pulls)] == ids
    found = read_scenes(shell, *(f"of_{Path(each).name}.blend" for each in ids))
    for name, objects in {
        "of_arm.glb.blend": ["Lower", "Upper"],
        "of_arm.gltf.blend": ["Lower", "Upper"],
        "of_robot.fbx.blend": ["Base", "Lower", "Upper"],
        "of_robot.blend.blend": ["Base", "Lower", "Upper"],
    }.items():
        assert found[name]["objects"] == objects
    assert len(found["of_base.stl.blend"]["objects"]) == 1
    assert found["of_base.stl.blend"]["corners"] == 8
    assert sorted(path.name for path in shell.work.iterdir()) == sorted([*found, "robot.blend"])
    assert not list(shell.tmp.glob("ggg*"))


def test_options_and_presets_of_exporters(shell: Shell, robot: Path) -> None:
    push = ("push", robot, "--collection=Arm", "--id=arm.stl", "--export-option")
    wrong, refused, pushed, links = shell.run_each(
        (*push, "ascii_formt=true"),
        (*push, "use_batch=true"),
        (*push, "ascii_format=true", "--export-option", "global_scale=2", "--export-preset", "3d printer"),
        ("push", robot, "--scene", "--id=bot/r2.stl", "--export-preset=URDF", "--json"),
    )
    wrong.check_refused(1, '"ascii_formt"', '"ascii_format"')
    refused.check_refused(1, '"use_batch"')
    pushed.check_done()
    text = (shell.store / "arm.stl").read_text(encoding="utf-8")
    assert max(float(line.split()[1]) for line in text.splitlines() if "vertex" in line) == 8  # the option wins
    ids = [each["component_id"] for each in links.check_done().document]
    assert sorted(ids) == ["bot/r2/Base.stl", "bot/r2/Lower.stl", "bot/r2/Upper.stl"]
    assert len({(shell.store / each).read_bytes()[84:] for each in ids}) == 1  # the same cube, wherever it stands


def test_a_pull_into_a_scene_adds_to_it_or_links(shell: Shell, robot: Path) -> None:
    for answer in shell.run_each(
        ("push", "robot.blend", "--collection=Arm"),
        ("pull", "Arm.blend", "--into", "robot.blend"),
        ("pull", "Arm.blend", "--into", "new/linked.blend", "--link"),
        ("pull", "Arm.blend", "--into", "new/linked.blend", "--link"),
    ):
        answer.check_done()
    found = read_scenes(shell, "robot.blend", "new/linked.blend")
    assert found["robot.blend"]["objects"] == ["Base", "Lower", "Lower.001", "Upper", "Upper.001"]
    assert found["robot.blend"]["libraries"] == []
    assert found["linked.blend"]["objects"] == ["Lower", "Lower", "Upper", "Upper"]
    assert found["linked.blend"]["libraries"] == ["//ggg_cloud/Arm.blend"]
    shell.run("push", robot, "--scene", "--id=Arm.blend").check_done()
    shell.run("push", robot, "--scene", "--id=robot.blend").check_done()
    before = shell.state()
    shell.run("pull", "Arm.blend", "--into", "new/linked.blend", "--link").check_refused(
        1, "Arm.blend", "other content"
    )
    assert shell.state() == before
    shell.run("pull", "Arm.blend", "--into", "new/linked.blend", "--link", "--overwrite").check_done()
    found = read_scenes(shell, "new/linked.blend")["linked.blend"]
    assert found["objects"] == ["Base", *["Lower"] * 3, "Lower.001", *["Upper"] * 3, "Upper.001"]
    shell.run("pull", "robot.blend", "--into", "posed.blend", "--link", "--override").check_refused(
        1, "robot.blend", "no single collection"
    )
    shell.run("push", robot, "--collection=Arm", "--id=posed.blend", "--tags=robot, arm").check_done()
    shell.run("push", robot, "--collection=Arm", "--id=plain.blend", "--no-asset").check_done()
    stored = read_scenes(shell, shell.store / "posed.blend", shell.store / "plain.blend")
    assert [stored[name]["assets"] for name in ("posed.blend", "plain.blend")] == [[["Arm", 2]], []]
    shell.run("pull", "posed.blend", "--into", "posed.blend", "--link", "--override").check_done()
    found = read_scenes(shell, "posed.blend")["posed.blend"]
    assert (found["objects"], found["libraries"]) == (["Lower", "Upper"], ["//ggg_cloud/posed.blend"])
    assert not shell.parts()


def test_what_goes_along_and_what_does_not_is_told_and_what_is_there_is_used_again(shell: Shell, scenes: Path) -> None:
    shell.write("scene.blend", (scenes / "pointing.blend").read_bytes())
    pushed, again, _ = shell.run_each(
        ("push", "scene.blend", "--collection=Arm", "--json"),
        ("push", "scene.blend", "--collection=Arm", "--id=again.blend"),
        ("pull", "Arm.blend", "--into", "scene.blend", "--reuse"),
    )
    document = pushed.check_done().document
    counts = {kind: document["metadata"][kind] for kind in ("objects", "meshes", "materials", "collections")}
    assert counts == {"objects": "2", "meshes": "2", "materials": "1", "collections": "1"}
    assert document["left_out"] == [{"name": "Base", "used_by": "Upper"}]
    told = 'Left out, as not in the component: "Base" (used by "Upper"); put there what is to go along.\n'
    assert (again.code, again.err) == (0, told)
    found = read_scenes(shell, "scene.blend")["scene.blend"]
    assert found["objects"] == ["Base", "Lower", "Lower.001", "Upper", "Upper.001"]
    assert found["materials"] == ["Steel"]


def test_a_scene_is_pushed_over_what_it_was_made_from(shell: Shell, zoe: Shell, robot: Path) -> None:
    push = ("push", "robot.blend", "--collection=Arm")
    for answer in shell.run_each(push, push):
        answer.check_done()
    zoe.write("Arm.blend", (shell.store / "Arm.blend").read_bytes() + b"another byte")
    assert zoe.run("push", "Arm.blend", "--force").code == 0
    refused, pulled, pushed = shell.run_each(push, ("pull", "Arm.blend", "--into", "robot.blend"), push)
    refused.check_refused(1, '"Arm.blend" was pushed by Zoë on ')
    pulled.check_done()
    pushed.check_done()


def test_a_scene_that_gives_nothing_is_told_and_nothing_is_stored(shell: Shell, scenes: Path, robot: Path) -> None:
    for name in ("unselected.blend", "empty.blend"):
        shell.write(name, (scenes / name).read_bytes())
    shell.write("torn.blend", robot.read_bytes()[:-5000])
    shell.write("folder.blend/x", b"")
    shell.check_each_refused(
        (("push", "--scene"), 2, ".blend"),
        (("push", "unselected.blend", "--selection"), 1, "selected"),
        (("push", "empty.blend", "--scene"), 1, "empty"),
        (("push", "robot.blend", "--collection", "Leg"), 1, "Leg"),
        (("push", "robot.blend", "--collection", ""), 1, "collection"),
        (("push", "robot.blend", "--scene", "--id", "robot.dae"), 1, "robot.dae"),
        (("push", "torn.blend", "--scene"), 1, "torn.blend"),
        (("push", "gone.blend", "--scene"), 1, "gone.blend"),
        (("push", "folder.blend", "--scene"), 1, "folder.blend"),
    )


def test_a_component_that_blender_cannot_read_leaves_the_scene_alone(shell: Shell, robot: Path) -> None:
    shell.push("good.blend", robot.read_bytes())
    shell.push("torn.blend", robot.read_bytes()[:-5000])
    shell.push("torn.stl", b"nonsense")
    shell.push("notes.txt", b"nonsense")
    shell.write("torn.blend", b"BLENDER nonsense")
    shell.write("ggg_cloud/linked.blend", robot.read_bytes())
    shell.push("linked.blend", robot.read_bytes()[:-5000])
    shell.check_each_refused(
        (("pull", "torn.blend", "--into", "robot.blend"), 1, "torn.blend"),
        (("pull", "torn.blend", "--into", "new/scene.blend", "--link"), 1, "torn.blend"),
        (("pull", "torn.stl", "--into", "robot.blend"), 1, "torn.stl"),
        (("pull", "torn.stl", "--into", "robot.blend", "--link"), 1, "torn.stl"),
        (("pull", "linked.blend", "--into", "robot.blend", "--link", "--overwrite"), 1, "linked.blend"),
        (("pull", "notes.txt", "--into", "new.blend"), 1, "notes.txt"),
        (("pull", "good.blend", "--into", "torn.blend"), 1, "torn.blend"),
    )


def room_for(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_scene_that_cannot_be_saved_stays_as_it_was(shell: Shell, scenes: Path) -> None:
    heavy = shell.write("heavy.blend", (scenes / "heavy.blend").read_bytes())
    shell.push("other.blend", (scenes / "other.blend").read_bytes())
    line = ("pull", "other.blend", "--into", "heavy.blend")
    before = heavy.read_bytes()
    shell.run(*line).check_done()
    both = heavy.stat().st_size
    heavy.write_bytes(before)
    for missing in (2_000, 20_000, both // 4):  # the first two Blender does not notice
        shell.check_each_refused((line, 1, "heavy.blend"), preexec_fn=room_for(both - missing))


def test_a_scene_that_cannot_be_exported_is_not_stored(shell: Shell, scenes: Path) -> None:
    shell.write("heavy.blend", (scenes / "heavy.blend").read_bytes())
    line = ("push", "heavy.blend", "--scene", "--id=whole.blend")
    shell.run(*line).check_done()
    size = (shell.store / "whole.blend").stat().st_size
    for missing in (2_000, 20_000, size // 2):
        shell.check_each_refused((line, 1, "whole.blend"), preexec_fn=room_for(size - missing))


def test_ctrl_c_while_blender_starts_stops_with_a_sentence(shell: Shell, robot: Path) -> None:
    before = shell.state()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_START, "push", robot, "--scene", f"--root={shell.store}"],
        cwd=shell.work,
        env=shell.env,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("Stopped")
    assert len(err.splitlines()) == 1
    assert shell.state() == before


INTERRUPTED_START = """
import os, signal, sys
from importlib.abc import MetaPathFinder
from ggg_cloud_addon import cli

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("bpy_types", "_bpy_types"):  # in the middle of Blender's start
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.exit(cli.main())
"""


NEEDY = """
import os
import bpy

os.makedirs("model")
bpy.ops.wm.read_factory_settings(use_empty=True)
mesh = bpy.data.meshes.new("Plate")
mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
mesh.materials.append(bpy.data.materials.new("Paint"))
mesh.materials[0].use_nodes = True
picture = bpy.data.images.new("wood", 4, 4)
picture.filepath_raw = os.path.abspath("model/wood.png")
picture.file_format = "PNG"
picture.save()
nodes = mesh.materials[0].node_tree
texture = nodes.nodes.new("ShaderNodeTexImage")
texture.image = bpy.data.images.load(picture.filepath_raw)
nodes.links.new(texture.outputs[0], nodes.nodes["Principled BSDF"].inputs[0])
bpy.context.scene.collection.objects.link(bpy.data.objects.new("Plate", mesh))
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("model/plate.blend"), relative_remap=True)
bpy.ops.file.make_paths_relative()
bpy.ops.wm.save_mainfile()
bpy.ops.export_scene.gltf(filepath=os.path.abspath("model/plate.gltf"), export_format="GLTF_SEPARATE")
os._exit(0)
"""
PICTURES = """
import os, sys
import bpy

with open(sys.argv[1], "w") as answer:
    for path in sys.argv[2:]:
        bpy.ops.wm.open_mainfile(filepath=path)
        for image in bpy.data.images:
            if image.users and image.type == "IMAGE":
                print(os.path.basename(path), tuple(image.size), file=answer)
os._exit(0)
"""


def test_what_a_file_needs_comes_into_the_scene_with_it(shell: Shell) -> None:
    in_blender(shell, NEEDY)
    for name in ("plate.gltf", "plate.blend"):
        shell.run("push", f"model/{name}", "--id", f"parts/{name}", "--beside").check_done()
        (shell.work / "model" / name).unlink()
    answers = shell.run_each(
        ("pull", "parts/plate.gltf", "--into", "of_gltf.blend"),
        ("pull", "parts/plate.blend", "--into", "of_blend.blend"),
        ("pull", "parts/plate.blend", "--into", "linked.blend", "--link"),
    )
    for each in answers:
        each.check_done()
    names = ("of_gltf.blend", "of_blend.blend", "linked.blend")
    in_blender(shell, PICTURES, shell.work / "answer", *(shell.work / name for name in names))
    assert (shell.work / "answer").read_text().splitlines() == [f"{name} (4, 4)" for name in names]
    kept = sorted(each.name for each in (shell.work / "ggg_cloud/parts").iterdir())
    assert kept == ["plate.blend", "wood.png"]
