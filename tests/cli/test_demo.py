"""``ggg-cloud demo`` shows the round trip, and its exit code tells whether all came back."""

import json
import subprocess
import sys

from shell import Shell

BUILD = """
import os, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.unit_settings.scale_length = 0.01
scene.render.fps = 25
mesh = bpy.data.meshes.new("Plate")
mesh.from_pydata([(0, 0, 0), (4, 0, 0), (4, 2, 0), (0, 2, 0)], [], [(0, 1, 2, 3)])
mesh.uv_layers.new()
plate = bpy.data.objects.new("Plate", mesh)
scene.collection.objects.link(plate)
plate.modifiers.new("Array", "ARRAY").count = 3
for frame, x in ((1, 0.0), (20, 5.0)):
    plate.location.x = x
    plate.keyframe_insert("location", frame=frame)
scene.frame_set(10)
material = bpy.data.materials.new("Paint")
material.use_nodes = True
mesh.materials.append(material)
for name in ("Shown", "Unused"):
    image = bpy.data.images.new(name, 8, 8)
    image.pixels = [(n * len(name)) % 17 / 16 if n % 4 < 3 else 1 for n in range(256)]
    image.pack()
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    if name == "Shown":
        shader = material.node_tree.nodes["Principled BSDF"]
        material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
text = bpy.data.objects.new("Text", bpy.data.curves.new("Text", "FONT"))
text.data.body = "GGG"
scene.collection.objects.link(text)
part = bpy.data.collections.new("Part")
part.objects.link(bpy.data.objects.new("Nut", mesh.copy()))
for place in (10, 20):
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type = "COLLECTION"
    instance.instance_collection = part
    instance.location.y = place
    scene.collection.objects.link(instance)
hidden = bpy.data.objects.new("Hidden", mesh)
scene.collection.objects.link(hidden)
hidden.hide_set(True)
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("rich!.blend"))
os._exit(0)
"""

CHANGES = {
    "a deleted object": "bpy.data.objects.remove(bpy.data.objects['Bolt'])",
    "a renamed object": "bpy.data.objects['Bolt'].name = 'Screw'",
    "an object more": "scene.collection.objects.link(bpy.data.objects.new('More', None))",
    "a moved object": "bpy.data.objects['Bolt'].location.x += 0.01",
    "a scaled object": "bpy.data.objects['Bolt'].scale = (1.01, 1.01, 1.01)",
    "a moved vertex": "bpy.data.meshes['Bolt'].vertices[0].co *= 2",
    "a vertex more": "bpy.data.meshes['Bolt'].vertices.add(1); bpy.data.meshes['Bolt'].update()",
    "another material": "bpy.data.meshes['Bolt'].materials[0] = bpy.data.materials.new('Wood')",
    "no material": "bpy.data.meshes['Bolt'].materials.clear()",
    "another pixel": "bpy.data.images['Checker'].pixels[0] = 0.5",
    "no image": "bpy.data.images.remove(bpy.data.images['Checker'])",
}

TAKE_INVENTORIES = """
import json, os, sys
from ggg_cloud_addon import demo, headless
import bpy
demo._build_scene()
headless.save_scene(demo.Path("scene.blend").absolute())
answer = {}
for name, change in json.load(sys.stdin).items():
    for as_fbx in (False, True):
        headless.open_scene(demo.Path("scene.blend"))
        before = demo.take_inventory(as_fbx=as_fbx)
        scene = bpy.context.scene
        exec(change)
        told, same = demo.compare(before, demo.take_inventory(as_fbx=as_fbx))
        answer[f"{name}, {as_fbx}"] = [same, [column for column, text in told.items() if text.startswith("!")]]
with open(sys.argv[1], "w") as stream:
    json.dump(answer, stream)
os._exit(0)
"""


def test_the_demo_shows_what_went_and_that_all_came_back(shell: Shell) -> None:
    answer = shell.run("demo", root=False).check_done()
    for name in ("gear.blend", "models/gear.fbx", "Bytes", "Push", "Pull", "Objects"):
        assert name in answer.out
    assert answer.out.endswith("Everything came back as it was.\n")
    assert not list(shell.tmp.glob("ggg*"))
    assert not list(shell.home.rglob("gear*"))


def test_the_demo_takes_a_scene_of_ones_own(shell: Shell) -> None:
    run = [sys.executable, "-c", BUILD]
    subprocess.run(run, cwd=shell.work, env=shell.env, check=True, capture_output=True, timeout=120)
    before = shell.state()
    blend, fbx = shell.run("demo", "--input", "rich!.blend", "--json", root=False).check_done().document
    assert (blend["Component"], blend["Objects"], blend["Images"]) == ("rich!.blend", "5 same", "2 same")
    assert (fbx["Component"], fbx["Objects"], fbx["Images"]) == ("rich!.fbx", "6 same", "1 same")
    assert shell.state() == before


def test_the_demo_names_an_input_that_cannot_be_used(shell: Shell) -> None:
    shell.write("empty.blend", b"")
    shell.write("torn.blend", b"BLENDER nonsense")
    names = ("empty.blend", "torn.blend", "gone.blend")
    for name, answer in zip(
        names, shell.run_each(*(("demo", "--input", each) for each in names), root=False), strict=True
    ):
        assert answer.code == 1
        assert name in answer.err
        assert len(answer.err.splitlines()) == 1


def test_the_comparison_sees_every_change_of_a_scene(shell: Shell) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKE_INVENTORIES, shell.home / "answer.json"],
        cwd=shell.work,
        env=shell.env,
        input=json.dumps({"no change": "pass"} | CHANGES),
        encoding="utf-8",
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads((shell.home / "answer.json").read_text(encoding="utf-8"))
    assert answer.pop("no change, False") == [True, []]
    assert answer.pop("no change, True") == [True, []]
    assert [name for name, (same, _) in answer.items() if same] == []
    columns = {name: told for name, (_, told) in answer.items()}
    assert columns["a moved object, True"] == ["Places"]
    assert columns["another material, False"] == ["Materials"]
    assert columns["another pixel, True"] == ["Images"]


def test_the_demo_can_leave_its_store_to_look_at(shell: Shell) -> None:
    shell.run("demo").check_done()
    assert {path.name for path in (shell.store / "models").iterdir()} == {"gear.blend", "gear.fbx"}


def test_the_demo_refuses_a_storage_that_it_would_not_use(shell: Shell) -> None:
    shell.run("demo", "--bucket", "parts").check_refused(2, "--root")
