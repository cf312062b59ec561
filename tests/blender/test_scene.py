"""What goes out of a scene and comes into one, in a real Blender."""

import base64
import functools
import json
import os
import struct
import tempfile
from collections import Counter
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from ggg_cloud_addon.blender.scene import SceneError  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component, selected_objects  # noqa: E402
from ggg_cloud_addon.blender.scene.export_options import ExportOptions  # noqa: E402
from ggg_cloud_addon.blender.scene.load import load_component  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
EXCHANGE_FORMATS = (".fbx", ".stl", ".gltf", ".glb")  # the others are in test_formats.py
FORMATS = (".blend", *EXCHANGE_FORMATS)
NAMED = [suffix for suffix in FORMATS if suffix != ".stl"]  # STL stores triangles and no names


def add_mesh(name, *, collection=None, parent=None, location=(0, 0, 0), size=2.0):
    mesh = bpy.data.meshes.new(name)
    h = size / 2
    corners = [(x, y, z) for x in (-h, h) for y in (-h, h) for z in (-h, h)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh.from_pydata(corners, [], faces)
    obj = bpy.data.objects.new(name, mesh)
    obj.parent, obj.location = parent, location
    (collection or bpy.context.scene.collection).objects.link(obj)
    bpy.context.view_layer.update()
    return obj


def add_collection(name, parent=None):
    collection = bpy.data.collections.new(name)
    (parent or bpy.context.scene.collection).children.link(collection)
    return collection


def add_material(obj, colour=(1.0, 0.5, 0.25, 1.0)):
    image = bpy.data.images.new("Paint", 4, 4)
    image.pixels = list(colour) * 16
    image.pack()
    material = bpy.data.materials.new("Lacquer")
    material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    obj.data.uv_layers.new()
    obj.data.materials.append(material)


def activate(obj, mode="OBJECT"):
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    bpy.ops.object.mode_set(mode=mode)


def datablocks():
    return Counter((type(d).__name__, d.name, d.library and d.library.name) for d in bpy.data.user_map())


def state():
    """All that an export must leave alone."""
    layer = bpy.context.view_layer
    return {
        "datablocks": datablocks(),
        "selected": [obj.name for obj in layer.objects.selected],
        "active": layer.objects.active and layer.objects.active.name,
        "mode": bpy.context.mode,
        "active collection": layer.active_layer_collection.name,
        "window": (bpy.context.window.scene.name, bpy.context.window.view_layer.name),
        "frame": bpy.context.scene.frame_current,
        "objects": {
            obj.name: (
                tuple(obj.location), obj.mode, obj.hide_viewport, obj.hide_select, obj.hide_get(), obj.users,
                obj.animation_data and obj.animation_data.action.name,
            )
            for obj in bpy.data.objects
        },
        "paths": [image.filepath for image in bpy.data.images],
    }  # fmt: skip


def bounds(objects):
    """Return the corners of the box around the objects' evaluated vertices, in scene units."""
    graph = bpy.context.evaluated_depsgraph_get()
    points = [
        obj.matrix_world @ vertex.co
        for obj in objects
        if obj.type == "MESH"
        for vertex in obj.evaluated_get(graph).data.vertices
    ]
    return [pytest.approx(side([p[axis] for p in points]), abs=1e-4) for side in (min, max) for axis in range(3)]


def corners(objects):
    return [side.expected for side in bounds(objects)]


def names(objects):
    return sorted(obj.name for obj in objects)


def reset():
    bpy.ops.wm.read_factory_settings(use_empty=True)


def load(path, name="Loaded", **options):
    return load_component(path, name, context=bpy.context, **options)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_exported_comes_back(suffix, tmp_path):
    parent = add_mesh("Body", location=(1, 2, 3))
    child = add_mesh("Wheel", parent=parent, location=(0, 0, 1))
    add_material(child)
    expected = bounds([parent, child])

    export_component(tmp_path / f"car{suffix}", [parent, child], name="Car")
    assert [file.name for file in tmp_path.iterdir()] == [f"car{suffix}"]
    reset()
    objects = load(tmp_path / f"car{suffix}", "Car")

    assert corners(objects) == expected
    if suffix in NAMED:
        assert names(objects) == ["Body", "Wheel"]
        wheel = bpy.data.objects["Wheel"]
        assert wheel.parent == bpy.data.objects["Body"]
        assert [slot.name for slot in wheel.material_slots] == ["Lacquer"]
        pixels = next(image for image in bpy.data.images if image.name.startswith("Paint")).pixels[:4]
        assert pixels == pytest.approx((1.0, 0.5, 0.25, 1.0), abs=0.01)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_open_file_stays_as_it_was(suffix, tmp_path):
    other, hidden, posed, edited = (add_mesh(name) for name in ("Other", "Hidden", "Posed", "Edited"))
    add_material(posed)
    for frame, x in ((1, 0.0), (20, 5.0)):
        posed.location.x = x
        posed.keyframe_insert("location", frame=frame)
    add_collection("Car")  # the name of what is exported is taken
    bpy.context.scene.name = "Car"
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Car"]
    bpy.context.scene.frame_set(10)
    posed.location.y = 7.0  # not keyed: gone as soon as anything plays the animation
    hidden.hide_viewport = hidden.hide_select = True
    bpy.context.view_layer.update()
    activate(edited, "EDIT")
    other.select_set(True)
    before = state()
    users = {datablock: sorted(map(repr, users)) for datablock, users in bpy.data.user_map().items()}

    export_component(tmp_path / f"car{suffix}", [posed, hidden, edited], name="Car")

    assert state() == before
    assert {datablock: sorted(map(repr, found)) for datablock, found in bpy.data.user_map().items()} == users


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_users_stdout_stays_clean(suffix, tmp_path, capfd):
    cube = add_mesh("Cube")
    capfd.readouterr()
    export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    load(tmp_path / f"cube{suffix}")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_hidden_object_that_was_chosen_is_exported(suffix, tmp_path):
    cube = add_mesh("Cube")
    cube.hide_viewport = cube.hide_select = True
    export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    reset()
    assert len(load(tmp_path / f"cube{suffix}")) == 1


@pytest.mark.parametrize("suffix", EXCHANGE_FORMATS)
@pytest.mark.parametrize("whole_scene", [True, False])
def test_hidden_helpers_of_a_collection_or_scene_stay_out(suffix, whole_scene, tmp_path):
    parts = add_collection("Parts")
    cube = add_mesh("Cube", collection=parts)
    add_mesh("Cutter", collection=parts, size=9).hide_set(True)
    expected = bounds([cube])
    export_component(tmp_path / f"c{suffix}", bpy.context.scene if whole_scene else parts, name="C")
    reset()
    assert corners(load(tmp_path / f"c{suffix}")) == expected


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_parent_that_was_not_chosen_keeps_its_effect(suffix, tmp_path):
    grandparent = add_mesh("Grandparent", location=(1, 0, 0), size=9)
    parent = add_mesh("Parent", parent=grandparent, location=(0, 2, 0), size=9)
    child = add_mesh("Child", parent=parent, location=(0, 0, 3))
    grandparent.rotation_euler.z = 0.5
    bpy.context.view_layer.update()
    expected = bounds([child])
    export_component(tmp_path / f"child{suffix}", [child], name="Child")
    reset()
    objects = load(tmp_path / f"child{suffix}")
    assert len(objects) == 1
    assert corners(objects) == expected


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_being_edited_is_exported(suffix, tmp_path):
    import bmesh

    cube = add_mesh("Cube")
    activate(cube, "EDIT")
    mesh = bmesh.from_edit_mesh(cube.data)
    bmesh.ops.translate(mesh, verts=mesh.verts, vec=(0, 0, 5))
    export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    assert cube.mode == "EDIT"
    reset()
    objects = load(tmp_path / f"cube{suffix}")
    assert corners(objects)[2::3] == [pytest.approx(4), pytest.approx(6)]
    assert [obj.mode for obj in objects] == ["OBJECT"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_modifiers_are_applied_except_in_blend(suffix, tmp_path):
    cube = add_mesh("Cube")
    array = cube.modifiers.new("Array", "ARRAY")
    array.count = 3
    expected = bounds([cube])
    export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    reset()
    (obj,) = load(tmp_path / f"cube{suffix}")
    assert [modifier.type for modifier in obj.modifiers] == (["ARRAY"] if suffix == ".blend" else [])
    assert corners([obj]) == expected


def test_a_metre_stays_a_metre(tmp_path):
    cube = add_mesh("Cube", size=2)
    for suffix in FORMATS:
        export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    position = struct.unpack_from("<9f", (tmp_path / "cube.stl").read_bytes(), 84 + 12)
    assert {abs(value) for value in position} == {1.0}
    (accessor,) = (
        accessor
        for accessor in json.loads((tmp_path / "cube.gltf").read_text(encoding="utf-8"))["accessors"]
        if accessor.get("max") == [1, 1, 1]
    )
    assert accessor["min"] == [-1, -1, -1]


@pytest.mark.parametrize("suffix", [".fbx", ".gltf", ".glb"])
def test_a_scene_in_centimetres_gives_and_takes_metres(suffix, tmp_path):
    path = tmp_path / f"cube{suffix}"
    cube = add_mesh("Cube", size=2)
    export_component(path, [cube], name="Cube")
    reset()
    bpy.context.scene.unit_settings.scale_length = 0.01
    objects = load(path)
    assert corners(objects) == [pytest.approx(side, rel=1e-4) for side in (-100, -100, -100, 100, 100, 100)]
    if suffix == ".fbx":
        export_component(path, objects, name="Cube")
        reset()
        assert corners(load(path)) == [pytest.approx(side, rel=1e-4) for side in (-1, -1, -1, 1, 1, 1)]
    else:
        with pytest.raises(SceneError, match="glTF is in metres"):
            export_component(path, objects, name="Cube")


def test_gltf_is_one_file(tmp_path):
    cube = add_mesh("Cube")
    add_material(cube)
    export_component(tmp_path / "cube.gltf", [cube], name="Cube")
    document = json.loads((tmp_path / "cube.gltf").read_text(encoding="utf-8"))
    parts = document["buffers"] + document["images"]
    assert len(parts) == 2
    for part in parts:
        kind, _, data = part["uri"].partition(";base64,")
        assert kind in ("data:application/octet-stream", "data:image/png")
        assert len(base64.b64decode(data, validate=True)) == part.get("byteLength", len(base64.b64decode(data)))


@pytest.mark.parametrize("choice", ["selection", "collection", "scene"])
def test_a_blend_opens_and_shows_the_objects(choice, tmp_path):
    chair = add_collection("Chair")
    seat = add_mesh("Seat", collection=chair)
    leg = add_mesh("Leg", collection=add_collection("Legs", chair))
    if choice != "scene":
        add_mesh("Elsewhere")
    bpy.context.scene.unit_settings.scale_length = 0.01
    bpy.context.scene.frame_end = 77
    chosen = {"selection": [seat, leg, seat], "collection": chair, "scene": bpy.context.scene}[choice]
    export_component(tmp_path / "chair.blend", chosen, name="Chair")
    reset()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "chair.blend"))
    scene = bpy.context.scene
    assert names(obj for obj in scene.objects if obj.visible_get()) == ["Leg", "Seat"]
    assert scene.name == ("Scene" if choice == "scene" else "Chair")
    assert [child.name for child in scene.collection.children] == ["Chair"]
    assert [child.name for child in bpy.data.collections["Chair"].children] == (
        [] if choice == "selection" else ["Legs"]
    )
    assert scene.unit_settings.scale_length == pytest.approx(0.01)
    assert scene.frame_end == 77


@pytest.mark.parametrize("compress", [True, False])
def test_a_blend_is_compressed_unless_told_otherwise(compress, tmp_path):
    options = ExportOptions(compress=compress)
    export_component(tmp_path / "cube.blend", [add_mesh("Cube")], name="Cube", options=options)
    begin = (tmp_path / "cube.blend").read_bytes()[:4]
    assert begin == (b"\x28\xb5\x2f\xfd" if compress else b"BLEN")  # Zstandard


def test_a_pulled_component_can_be_pushed_under_its_name_again(tmp_path):
    path = tmp_path / "chair.blend"
    export_component(path, [add_mesh("Seat")], name="Chair")
    for _ in range(2):
        reset()
        objects = load(path, "Chair")
        assert [c.name for c in bpy.data.collections] == ["Chair"]
        export_component(path, bpy.data.collections["Chair"], name="Chair")
        export_component(path, objects, name="Chair")
    with bpy.data.libraries.load(str(path)) as (source, _):
        assert (source.scenes, source.collections, source.objects) == (["Chair"], ["Chair"], ["Seat"])


def add_camera(_path):
    camera = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
    bpy.context.scene.collection.objects.link(camera)
    return [camera]


def add_vertex(_path):
    obj = add_mesh("Dot")
    obj.data.clear_geometry()
    obj.data.from_pydata([(0, 0, 0)], [], [])
    return [obj]


def hide_all(_path):
    add_mesh("Cube").hide_set(True)
    return bpy.context.scene


def into_a_folder(path):
    path.mkdir()
    return [add_mesh("Cube")]


@pytest.mark.parametrize(
    ("file", "prepare", "says"),
    [
        ("a.blend", lambda _: [], "Nothing is selected"),
        ("a.glb", lambda _: [], "Nothing is selected"),
        ("a.blend", lambda _: add_collection("Void"), '"Void" is empty'),
        ("a.fbx", lambda _: bpy.context.scene, '"Scene" is empty'),
        ("a.dae", lambda _: [add_mesh("Cube")], '"a.dae" cannot be pushed'),
        ("a", lambda _: [add_mesh("Cube")], '"a" cannot be pushed'),
        ("a.stl", add_camera, '"Part" holds nothing that .stl can store'),
        ("a.stl", add_vertex, "no faces"),
        ("a.glb", hide_all, '"Scene" shows no object'),
    ],
)
def test_nothing_to_export_is_said_in_one_sentence(file, prepare, says, tmp_path):
    path = tmp_path / file
    chosen = prepare(path)
    path.write_bytes(b"the version before")
    before = state()
    with pytest.raises(SceneError, match=says) as error:
        export_component(path, chosen, name="Part")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"the version before"
    assert [entry.name for entry in tmp_path.iterdir()] == [file]
    assert state() == before


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_disk_that_refuses_leaves_nothing_behind(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.mkdir()
    (path / "kept").touch()
    cube = add_mesh("Cube")
    before = state()
    with pytest.raises(OSError, match="a"):
        export_component(path, [cube], name="Part")
    assert [entry.name for entry in tmp_path.rglob("*")] == [path.name, "kept"]
    assert state() == before


def test_the_selection_is_that_of_the_view_layer():
    seat, leg, _ = (add_mesh(name) for name in ("Seat", "Leg", "Other"))
    seat.select_set(True)
    leg.select_set(True)
    assert names(selected_objects(bpy.context)) == ["Leg", "Seat"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_loaded_objects_become_the_selection_and_nothing_else_changes(suffix, tmp_path):
    path = tmp_path / f"chair{suffix}"
    root = add_mesh("Seat")
    export_component(path, [root, add_mesh("Leg", parent=root)], name="Chair")
    reset()
    mine = add_mesh("Seat")
    mine.data.materials.append(bpy.data.materials.new("Lacquer"))
    add_collection("Chair")
    mine_before = bpy.data.objects["Seat"].data
    activate(mine, "EDIT")

    objects = load(path, "Chair")

    collection = bpy.data.collections["Chair.001"]
    assert collection in bpy.context.scene.collection.children.values()
    assert sorted(objects, key=repr) == sorted(collection.all_objects, key=repr)
    assert mine not in objects
    assert names(bpy.context.view_layer.objects.selected) == names(objects)
    assert bpy.context.view_layer.objects.active in objects
    assert bpy.context.view_layer.objects.active.parent is None
    assert (mine.name, mine.data, mine.mode) == ("Seat", mine_before, "OBJECT")
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    assert bpy.context.window.scene.name == "Scene"
    assert not bpy.data.libraries


def test_child_collections_are_kept(tmp_path):
    path = tmp_path / "chair.blend"
    chair = add_collection("Chair")
    add_mesh("Seat", collection=chair)
    add_mesh("Leg", collection=add_collection("Legs", chair))
    export_component(path, chair, name="Chair")
    reset()
    objects = load(path, "Chair")
    top = bpy.data.collections[("Chair", None)]
    assert names(top.objects) == ["Seat"]
    assert [(child.name, names(child.objects)) for child in top.children] == [("Legs", ["Leg"])]
    assert names(objects) == ["Leg", "Seat"]
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    assert not bpy.data.libraries


def test_only_what_the_objects_need_comes_along(tmp_path):
    path = tmp_path / "theirs.blend"
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Their world")
    add_mesh("Cube")
    orphan = bpy.data.objects.new("Orphan", None)
    orphan.use_fake_user = True
    second = bpy.data.scenes.new("Second")
    second.collection.objects.link(bpy.data.objects.new("Empty", None))
    second.collection.objects.link(bpy.data.objects["Cube"])
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    reset()
    before = datablocks()
    assert names(load(path)) == ["Cube", "Empty"]
    assert datablocks() - before == Counter(
        [("Collection", "Loaded", None), ("Mesh", "Cube", None), ("Object", "Cube", None), ("Object", "Empty", None)]
    )


def test_a_file_without_scenes_gives_its_collections_and_objects(tmp_path):
    path = tmp_path / "library.blend"
    outer = bpy.data.collections.new("Outer")
    inner = bpy.data.collections.new("Inner")
    outer.children.link(inner)
    inside, loose = (bpy.data.objects.new(name, None) for name in ("Inside", "Loose"))
    inner.objects.link(inside)
    bpy.data.libraries.write(str(path), {outer, loose})
    reset()
    assert names(load(path)) == ["Inside", "Loose"]
    assert [c.name for c in bpy.data.collections["Loaded"].children_recursive] == ["Outer", "Inner"]


@pytest.mark.parametrize("suffix", [".fbx", ".gltf", ".glb"])
def test_animation_comes_along(suffix, tmp_path):
    cube = add_mesh("Cube")
    for frame, x in ((1, 0.0), (20, 5.0)):
        cube.location.x = x
        cube.keyframe_insert("location", frame=frame)
    export_component(tmp_path / f"cube{suffix}", [cube], name="Cube")
    reset()
    (cube,) = load(tmp_path / f"cube{suffix}")
    bpy.context.scene.frame_set(25)
    assert cube.matrix_world.translation.x == pytest.approx(5.0)


def test_the_takes_of_an_fbx_come_along(tmp_path):
    cube = add_mesh("Cube")
    for take, height in (("Jump", 5.0), ("Fall", -5.0)):
        cube.animation_data_create().action = bpy.data.actions.new(take)
        for frame, z in ((1, 0.0), (20, height)):
            cube.location.z = z
            cube.keyframe_insert("location", frame=frame)
        bpy.data.actions[take].use_fake_user = True
        strip = cube.animation_data.nla_tracks.new().strips.new(take, 1, bpy.data.actions[take])
        strip.name = take
    cube.animation_data.action = None
    export_component(tmp_path / "cube.fbx", [cube], name="Cube")
    reset()
    load(tmp_path / "cube.fbx")
    assert any("Jump" in action.name for action in bpy.data.actions)
    assert any("Fall" in action.name for action in bpy.data.actions)


@pytest.mark.parametrize("trusted", [True, False])
def test_python_in_drivers_runs_where_the_user_lets_it(trusted, tmp_path):
    cube = add_mesh("Cube")
    for frame in (1, 20):
        cube.location.x = frame
        cube.keyframe_insert("location", frame=frame, index=0)
    # Not one of the harmless expressions that Blender evaluates even in an untrusted file.
    cube.driver_add("location", 2).driver.expression = "frame * 4 * bool(bpy.app.version)"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.context.preferences.filepaths.use_scripts_auto_execute = trusted
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    export_component(tmp_path / "cube.glb", [bpy.data.objects["Cube"]], name="Cube")
    reset()
    (cube,) = load(tmp_path / "cube.glb")
    bpy.context.scene.frame_set(30)  # after the last key
    assert cube.matrix_world.translation.z == pytest.approx(80 if trusted else 0)


@pytest.mark.parametrize("suffix", EXCHANGE_FORMATS)
def test_a_crash_in_an_importer_is_an_error(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"deadly{suffix}"
    path.touch()
    script = tmp_path / "crash.py"
    script.write_text("import os; os.abort()")
    monkeypatch.setattr("ggg_cloud_addon.blender.scene.convert._SCRIPT", script)
    before = state()
    with pytest.raises(SceneError, match=f'"deadly{suffix}" made Blender stop'):
        load(path)
    assert state() == before


@functools.cache
def whole(suffix):
    """Return the bytes of an ordinary file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"whole{suffix}")
        export_component(path, [add_mesh("Cube")], name="Cube")
        reset()
        return path.read_bytes()


DAMAGES = {
    "empty": lambda _: b"",
    "garbage": lambda _: os.urandom(4096),
    "half": lambda data: data[: len(data) // 2],
    "nearly whole": lambda data: data[: len(data) * 19 // 20],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_file_is_refused_whole(suffix, damage, tmp_path):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(DAMAGES[damage](whole(suffix)))
    add_mesh("Mine").select_set(True)
    before = state()
    with pytest.raises(SceneError, match=f'"broken{suffix}"') as error:
        load(path)
    assert "\n" not in str(error.value)
    assert state() == before


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.blend", "cannot be opened"),
        ("gone.stl", "cannot be opened"),
        ("a.dae", "cannot be brought"),
    ],
)
def test_what_cannot_be_loaded_is_said(name, says, tmp_path):
    before = state()
    with pytest.raises(SceneError, match=f'"{name}" {says}'):
        load(tmp_path / name)
    assert state() == before


def test_a_file_without_objects_leaves_nothing_behind(tmp_path):
    path = tmp_path / "void.blend"
    bpy.context.scene.world = bpy.data.worlds.new("Their world")
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    reset()
    before = state()
    with pytest.raises(SceneError, match=r'"void.blend" holds no objects'):
        load(path)
    assert state() == before


def test_a_file_of_a_newer_blender_is_refused(tmp_path):
    path = tmp_path / "newer.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    data = path.read_bytes()
    # Version 99.9 at the place of this one: 12 bytes of header before 5.0, 17 since.
    path.write_bytes(data[:9] + b"999" + data[12:] if data[7:8] in b"-_" else data[:13] + b"9999" + data[17:])
    reset()
    before = state()
    with pytest.raises(SceneError, match=r'"newer.blend"'):
        load(path)
    assert state() == before
