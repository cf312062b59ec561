"""The options of Blender's own exporters: by name, and as presets of programs and of the artist."""

import json
import re
import struct
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, mesh  # noqa: E402

from ggg_cloud_addon.blender.scene import SceneError  # noqa: E402
from ggg_cloud_addon.blender.scene.beside.formats import ConvertError, run  # noqa: E402
from ggg_cloud_addon.blender.scene.beside.settings import checked  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.blender.scene.export_options import PRESETS, ExportOptions  # noqa: E402
from ggg_cloud_addon.blender.scene.operator_presets import FOLDERS, find_preset, preset_names  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
FBX, STL, GLTF = bpy.ops.export_scene.fbx, bpy.ops.wm.stl_export, bpy.ops.export_scene.gltf


def cube(size=1.0):
    return [add("Cube", mesh("Cube", size))]


def exported(path, **options):
    export_component(path, [*bpy.context.scene.objects] or cube(), name="a", options=ExportOptions(**options))
    return path.read_bytes()


def glb(data):
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


def saved_preset(exporter, name, text):
    """As Blender's dialog saves it."""
    folder = Path(bpy.utils.user_resource("SCRIPTS", path=f"presets/operator/{exporter}", create=True))
    path = folder / f"{name}.py"
    path.write_text(f"import bpy\nop = bpy.context.active_operator\n\n{text}\n", encoding="utf-8")
    return path


def test_an_option_is_what_the_exporter_is_asked_for(tmp_path):
    assert exported(tmp_path / "a.stl", settings={"ascii_format": "true"}).startswith(b"solid")
    assert glb(exported(tmp_path / "a.glb", settings={"export_copyright": "© Ada, 2026"}))["asset"]["copyright"] == (
        "© Ada, 2026"
    )


def test_an_option_that_is_not_right_is_told_and_nothing_is_written(tmp_path):
    with pytest.raises(SceneError, match=r'has no option "ascii_formt"; there is "ascii_format"\.$') as error:
        exported(tmp_path / "a.stl", settings={"ascii_formt": "true"})
    assert f"The STL exporter of Blender {bpy.app.version_string}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("operator", "name", "given", "taken"),
    [
        (FBX, "use_triangles", "yes", True),
        (FBX, "use_triangles", False, False),
        (FBX, "bake_anim_step", "0.5", 0.5),
        (FBX, "bake_anim_step", 2, 2.0),
        (FBX, "axis_up", "-X", "-X"),
        (FBX, "object_types", "MESH, ARMATURE", {"MESH", "ARMATURE"}),
        (FBX, "object_types", ["EMPTY"], {"EMPTY"}),
        (FBX, "path_mode", "STRIP", "STRIP"),
        (GLTF, "export_jpeg_quality", "90", 90),
        (GLTF, "export_copyright", "", ""),
    ],
)
def test_a_value_is_given_as_words_or_as_python_has_it(operator, name, given, taken):
    assert checked(operator, "X", {}, {name: given}) == {name: taken}


@pytest.mark.parametrize(
    ("operator", "name", "given", "says"),
    [
        (FBX, "use_triangles", "maybe", 'cannot be "maybe": it takes true or false'),
        (FBX, "use_triangles", "", "it takes true or false"),
        (FBX, "bake_anim_step", "nan", "a number from 0.01 to 100"),
        (FBX, "bake_anim_step", "1000", "a number from 0.01 to 100"),
        (FBX, "axis_up", "UP", "it takes X or Y or Z or -X or -Y or -Z"),
        (FBX, "object_types", "MESH,FISH", "some of EMPTY or"),
        (GLTF, "export_jpeg_quality", "1.5", "a whole number from 0 to 100"),
        (GLTF, "export_copyright", 5, "it takes text"),
        (FBX, "rna_type", "x", "has no option"),
        *((FBX, name, "true", "decides itself") for name in ("filepath", "use_selection", "batch_mode")),
        *((FBX, name, "AUTO", "decides itself") for name in ("path_mode", "embed_textures", "collection")),
        *((STL, name, "true", "decides itself") for name in ("export_selected_objects", "use_batch", "filter_folder")),
        *((GLTF, name, "x", "decides itself") for name in ("export_format", "export_texture_dir", "use_visible")),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence(operator, name, given, says):
    with pytest.raises(ConvertError, match=re.escape(says)) as error:
        checked(operator, "X", {}, {name: given})
    assert str(error.value).count(". ") == 0
    assert f'"{name}"' in str(error.value)


def test_an_exporter_or_importer_that_this_blender_lacks_is_told():
    """Debian's has no USD."""
    with pytest.raises(ConvertError, match="USD cannot be written: this Blender was built without it"):
        checked(bpy.ops.wm.no_such_export, "USD", {}, {})
    with pytest.raises(ConvertError, match="It cannot be opened: this Blender was built without it"):
        run(bpy.ops.wm.no_such_import, "It cannot be opened", filepath="x")


def test_every_preset_of_ours_is_known_to_this_blender():
    for name, preset in PRESETS.items():
        for suffix, settings in preset.settings.items():
            module, operator = FOLDERS[suffix].split(".")
            taken = checked(getattr(getattr(bpy.ops, module), operator), "X", {}, settings)
            assert taken == settings, (name, suffix)
            assert find_preset(name.upper(), suffix) == preset
            assert name in dict(preset_names(suffix))


@pytest.mark.parametrize("name", sorted({*FOLDERS.values()}))
def test_all_that_a_dialog_saves_is_taken(name):
    """Blender saves every option that it shows (scripts/startup/bl_operators/presets.py), also those that stay ours."""
    module, function = name.split(".")
    operator = getattr(getattr(bpy.ops, module), function)
    saved = {
        each.identifier: sorted(each.default_flag) if getattr(each, "is_enum_flag", False) else each.default
        for each in operator.get_rna_type().properties
        if each.identifier != "rna_type" and not (each.is_hidden or each.is_skip_save)
    }
    taken = checked(operator, "OBJ" if "obj" in name else "X", saved, {})
    assert len(taken) >= 4
    assert not {"filepath", "use_selection", "export_format", "export_selected_objects", "path_mode"} & {*taken}


def test_presets_are_what_the_programs_want(tmp_path):
    cube(0.02)
    bpy.context.scene.unit_settings.scale_length = 0.1
    corners = struct.unpack_from("<9f", exported(tmp_path / "a.stl", preset="3D Printer"), 84 + 12)
    assert max(corners) == pytest.approx(2)  # 0.02 units of 10 cm are 2 mm
    bpy.context.scene.unit_settings.scale_length = 1
    unit = re.compile(rb"UnitScaleFactor.{5}double.{5}Number.{6}(.{8})", re.DOTALL)
    for preset, factor in (("", 1), ("Unity", 100)):
        found = unit.search(exported(tmp_path / "a.fbx", preset=preset))
        assert struct.unpack("<d", found[1]) == (factor,), preset
    assert b"LayerElementSmoothing" in exported(tmp_path / "a.fbx", preset="Unreal")
    bpy.data.meshes["Cube"].uv_layers.new()
    (primitive,) = glb(exported(tmp_path / "a.glb", preset="godot"))["meshes"][0]["primitives"]
    assert "TANGENT" in primitive["attributes"]


def test_a_preset_that_was_saved_in_blender_is_used_and_its_python_not_run(tmp_path):
    witness = tmp_path / "ran"
    path = saved_preset(
        "wm.stl_export",
        "Mine",
        f"open({str(witness)!r}, 'w')\nop.filepath = '/elsewhere.stl'\nop.check_existing = True\n"
        "op.export_selected_objects = False\nop.ascii_format = True\nop.global_scale = 3.0\nfor x in []:\n    pass",
    )
    try:
        add("Other", mesh("Other", 9))
        (obj,) = cube(1)
        assert ("Mine", "Saved in Blender's own dialog") in preset_names(".stl")
        options = ExportOptions(preset="Mine", scale=7, settings={"global_scale": "5"})
        export_component(tmp_path / "a.stl", [obj], name="a", options=options)
        text = (tmp_path / "a.stl").read_text()
        assert text.startswith("solid")
        assert max(float(word) for word in text.split() if re.fullmatch(r"-?\d.*", word)) == 5
        assert find_preset("Mine", ".stl").settings[".stl"]["global_scale"] == 3
        path.write_text(path.read_text() + "op.global_scale = __import__('os').getpid()\n")
        with pytest.raises(SceneError, match='preset "Mine" cannot be read'):
            find_preset("Mine", ".stl")
        assert not witness.exists()
    finally:
        path.unlink()


def test_a_preset_of_the_artist_that_is_called_as_ours_takes_its_place():
    path = saved_preset("wm.stl_export", "URDF", "op.ascii_format = True")
    try:
        found = find_preset("URDF", ".stl")
        names = [name for name, _ in preset_names(".stl")]
    finally:
        path.unlink()
    assert (found.settings, found.by_object) == ({".stl": {"ascii_format": True}}, False)
    assert names == ["3D Printer", "URDF"]


def test_a_preset_of_flags_is_read():
    path = saved_preset("export_scene.fbx", "Bones", "op.object_types = {'MESH', 'ARMATURE'}\nop.path_mode = 'AUTO'")
    try:
        values = find_preset("Bones", ".fbx").settings[".fbx"]
    finally:
        path.unlink()
    assert checked(FBX, "FBX", values, {}) == {"object_types": {"MESH", "ARMATURE"}}


@pytest.mark.parametrize(
    ("suffix", "preset", "says"),
    [
        (".glb", "Unity", r'"Unity" is for \.fbx, not for \.glb'),
        (".fbx", "Maya", r'no preset "Maya" for \.fbx; there are: Unity, Unreal\.'),
        (".ply", "../../x", r'no preset "../../x" for \.ply; there are: none'),
        (".blend", "Unity", r"is for \.fbx, not for \.blend"),
    ],
)
def test_a_preset_that_there_is_not_is_told(suffix, preset, says, tmp_path):
    with pytest.raises(SceneError, match=says):
        exported(tmp_path / f"a{suffix}", preset=preset)


def test_a_blend_has_no_exporter_and_says_so(tmp_path):
    with pytest.raises(SceneError, match="takes no options of an exporter"):
        exported(tmp_path / "a.blend", settings={"use_triangles": True})


def test_the_operator_takes_them_as_one_line(tmp_path):
    studio = Studio(tmp_path)
    cube()
    push = bpy.ops.ggg_cloud.export_upload
    push(source="SCENE", component_id="a.glb", preview=False, settings='export_copyright="Ada & Bob" export_yup=false')
    assert glb(studio.stored("a.glb").read_bytes())["asset"]["copyright"] == "Ada & Bob"
    for settings, says in (("ascii_format", "not of the form name=value"), ('x="', "quotation mark"), ("y=1", '"y"')):
        with pytest.raises(RuntimeError, match=says):
            push(source="SCENE", component_id="a.stl", preview=False, settings=settings)
    assert not studio.stored("a.stl").exists()


def test_a_robot_becomes_a_component_for_each_link_in_its_own_axes(tmp_path):
    studio = Studio(tmp_path)
    bpy.context.scene.unit_settings.scale_length = 0.1
    base = add("base/link", mesh("base"), location=(1, 2, 3), scale=(2, 2, 2))
    arm = add("arm", mesh("arm"), parent=base, location=(5, 0, 0), rotation_euler=(0, 0, 1))
    arm.modifiers.new("Array", "ARRAY").count = 2
    add("empty", None, parent=arm)
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="robot.stl", preset="urdf", preview=False)
    stored = {each.relative_to(studio.store).as_posix() for each in studio.store.rglob("*.stl")}
    assert stored == {"robot/base_link.stl", "robot/arm.stl"}
    for name, size in (("base_link", (0.2, 0.2, 0.2)), ("arm", (0.4, 0.2, 0.2))):  # in metres
        data = studio.stored(f"robot/{name}.stl").read_bytes()
        points = [
            struct.unpack_from("<3f", data, 84 + 50 * i + 12 * j)
            for i in range((len(data) - 84) // 50)
            for j in (1, 2, 3)
        ]
        for axis in range(3):
            assert min(point[axis] for point in points) == pytest.approx(0, abs=1e-6)
            assert max(point[axis] for point in points) == pytest.approx(size[axis], abs=1e-6)
    assert (base.name, arm.parent, len(bpy.data.meshes)) == ("base/link", base, 2)
    triangle = struct.unpack_from("<12f", studio.stored("robot/base_link.stl").read_bytes(), 84)
    base.scale.x = -2
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="robot.stl", preset="URDF", preview=False)
    mirrored = struct.unpack_from("<12f", studio.stored("robot/base_link.stl").read_bytes(), 84)
    assert mirrored[:3] == pytest.approx(triangle[:3])  # its normal, at the bottom
    add("Arm", mesh("Arm"))
    with pytest.raises(RuntimeError, match='2 objects would become "robot/arm'):
        bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="robot.stl", preset="URDF", preview=False)
    add("lone", None).select_set(True)
    with pytest.raises(RuntimeError, match="no mesh"):
        bpy.ops.ggg_cloud.export_upload(source="SELECTION", component_id="x.stl", preset="URDF", preview=False)
