"""The zip in a real Blender: installed by Blender's own operator, used, disabled, and gone without a trace."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

pytestmark = pytest.mark.own_blender

ROOT = Path(__file__).parents[2]
ADDON = "bl_ext.user_default.ggg_cloud_addon"
FORMATS = (".blend", ".fbx", ".gltf", ".glb", ".stl")


@pytest.fixture
def store(addon: Any, tmp_path: Path) -> Path:
    """The folder that the preferences name."""
    if addon:
        addon.connections[0].root = str(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[Any, tuple[str, Callable[[list[str]], int]]]:
    """The commands that are registered in Blender, by their handles: Blender does not tell."""
    known: dict[Any, tuple[str, Callable[[list[str]], int]]] = {}
    register, unregister = bpy.utils.register_cli_command, bpy.utils.unregister_cli_command

    def note(name: str, run: Callable[[list[str]], int]) -> Any:
        handle = register(name, run)
        known[handle] = name, run
        return handle

    def forget(handle: Any) -> None:
        unregister(handle)
        del known[handle]

    monkeypatch.setattr(bpy.utils, "register_cli_command", note)
    monkeypatch.setattr(bpy.utils, "unregister_cli_command", forget)
    return known


def workers() -> list[str]:
    """The command lines of this process's children that are workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
            command = path.with_name("cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        if parent == str(os.getpid()) and "worker" in command:
            found.append(command)
    return found


def registered(commands: dict[Any, Any]) -> dict[str, Any]:
    """All by which an add-on shows in Blender."""
    kinds = ("AddonPreferences", "Header", "Menu", "Operator", "Panel", "PropertyGroup", "UIList")
    classes, ahead = set(), [getattr(bpy.types, kind) for kind in kinds]
    while ahead:
        subclasses = ahead.pop().__subclasses__()
        classes |= {f"{each.__module__}.{each.__name__}" for each in subclasses if each.is_registered}
        ahead += subclasses
    return {
        "operators": dir(bpy.ops.ggg_cloud),
        "operator modules": sorted(dir(bpy.ops)),
        "types": sorted(dir(bpy.types)),
        "classes": sorted(classes),
        "properties": [dir(kind) for kind in (bpy.types.WindowManager, bpy.types.Scene, bpy.types.Object)],
        "commands": sorted(name for name, _ in commands.values()),
        "handlers": [list(each) for each in bpy.app.handlers if isinstance(each, list)],
        "add-ons": sorted(each.module for each in bpy.context.preferences.addons),
        "workers": workers(),
    }


def select(*names: str) -> None:
    for obj in bpy.context.scene.objects:
        obj.select_set(obj.name in names)
    bpy.context.view_layer.objects.active = bpy.data.objects[names[0]] if names else None


def add_objects() -> None:
    """Two parts in a collection of their own, and one that is in none."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Ground"
    gears = bpy.data.collections.new("Gears")
    bpy.context.scene.collection.children.link(gears)
    for name in ("Wheel", "Axle"):
        mesh = bpy.data.meshes.new_from_object(bpy.data.objects["Ground"])
        gears.objects.link(bpy.data.objects.new(name, mesh))
    bpy.data.objects["Axle"].location.x = 3.0
    select("Ground")


def objects_of(path: Path) -> list[str]:
    """The names in a `.blend` file."""
    with bpy.data.libraries.load(str(path)) as (source, _):
        return sorted(source.objects)


def test_installed_enabled_used_disabled_and_enabled_again(
    installed: Path, addon_zip: Path, tmp_path: Path, commands: dict[Any, Any]
) -> None:
    before = registered(commands)
    assert ADDON not in before["add-ons"]

    done = bpy.ops.extensions.package_install_files(
        filepath=str(addon_zip), repo="user_default", enable_on_install=True
    )
    assert done == {"FINISHED"}
    enabled = registered(commands)
    assert ADDON in enabled["add-ons"]
    assert enabled["commands"] == ["ggg_cloud"]
    assert enabled["workers"] == []

    for _ in range(2):
        bpy.context.preferences.addons[ADDON].preferences.connections[0].root = str(tmp_path / "store")
        add_objects()
        assert bpy.ops.ggg_cloud.export_upload(component_id="ground.blend", replace=True) == {"FINISHED"}
        bpy.data.objects.remove(bpy.data.objects["Ground"])
        assert bpy.ops.ggg_cloud.pull(component_id="ground.blend") == {"FINISHED"}
        assert "Ground" in bpy.context.scene.objects
        assert len(workers()) == 1

        bpy.ops.preferences.addon_disable(module=ADDON)
        assert registered(commands) == before
        bpy.ops.preferences.addon_enable(module=ADDON)
        assert registered(commands) == enabled
    bpy.ops.preferences.addon_disable(module=ADDON)
    assert registered(commands) == before


def test_each_format_goes_out_and_comes_back(addon: Any, store: Path) -> None:
    for suffix in FORMATS:
        add_objects()
        select("Wheel", "Axle")
        bpy.ops.ggg_cloud.export_upload(component_id="parts/pair", file_format=suffix)
        assert (store / f"parts/pair{suffix}").is_file()
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        bpy.ops.ggg_cloud.pull(component_id=f"parts/pair{suffix}")
        pulled = bpy.data.collections["pair"].all_objects
        triangles = sum(len(face.vertices) - 2 for obj in pulled for face in obj.data.polygons)
        assert triangles == 2 * 12, suffix
        if suffix != ".stl":  # which has no names
            assert {obj.name for obj in pulled} == {"Wheel", "Axle"}, suffix


def test_what_is_pushed_is_the_selection_a_collection_or_the_scene(addon: Any, store: Path) -> None:
    add_objects()
    push = bpy.ops.ggg_cloud.export_upload
    select("Axle", "Ground")
    push(component_id="selection.blend", source="SELECTION")
    push(component_id="collection.blend", source="COLLECTION", collection="Gears")
    push(component_id="scene.blend", source="SCENE")
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["Gears"]
    push(component_id="active.blend", source="COLLECTION")
    assert objects_of(store / "selection.blend") == ["Axle", "Ground"]
    assert objects_of(store / "collection.blend") == ["Axle", "Wheel"]
    assert objects_of(store / "scene.blend") == ["Axle", "Ground", "Wheel"]
    assert objects_of(store / "active.blend") == ["Axle", "Wheel"]


def test_the_id_is_the_name_of_what_is_pushed_unless_given(addon: Any, store: Path) -> None:
    add_objects()
    bpy.data.objects["Axle"].name = "front/axle"
    select("front/axle")
    push = bpy.ops.ggg_cloud.export_upload
    push()
    push(source="COLLECTION", collection="Gears", file_format=".stl")
    push(component_id="robot/arm.v2", file_format=".blend")
    push(component_id="robot/ARM.STL", file_format=".blend")
    found = {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith(".")} == {
        "front_axle.blend",
        "Gears.stl",
        "robot/arm.v2.blend",
        "robot/ARM.STL",
    }
    assert not (store / "robot/ARM.STL").read_bytes().startswith(b"BLENDER")


def test_a_pull_appends_or_links(addon: Any, store: Path, tmp_path: Path) -> None:
    add_objects()
    select("Wheel")
    bpy.ops.ggg_cloud.export_upload(component_id="robot/wheel.blend")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with pytest.raises(RuntimeError, match="Save this file first"):
        bpy.ops.ggg_cloud.pull(component_id="robot/wheel.blend", link=True)

    bpy.ops.ggg_cloud.pull(component_id="robot/wheel.blend")
    assert bpy.context.scene.objects["Wheel"].library is None
    assert not bpy.data.libraries

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.ggg_cloud.pull(component_id="robot/wheel.blend", link=True)
    library = bpy.context.scene.objects["wheel"].instance_collection.library
    beside = tmp_path / "ggg_cloud" / "robot" / "wheel.blend"
    assert Path(bpy.path.abspath(library.filepath)) == beside
    assert beside.read_bytes() == (store / "robot/wheel.blend").read_bytes()


def test_a_file_is_pushed_as_it_is_and_a_refresh_lists_all(addon: Any, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.blend"
    file.write_bytes(b"x" * 1500)
    bpy.ops.ggg_cloud.push(filepath=str(file), component_id="a/notes.blend")
    bpy.ops.ggg_cloud.push(filepath=str(file))
    assert (store / "notes.blend").read_bytes() == (store / "a/notes.blend").read_bytes() == file.read_bytes()
    state = bpy.context.window_manager.ggg_cloud
    assert [each.name for each in state.components] == ["a/notes.blend", "notes.blend"]

    (store / "by-hand.stl").write_bytes(b"solid")
    (store / "a/notes.blend").unlink()
    bpy.ops.ggg_cloud.refresh()
    assert [(each.name, each.size) for each in state.components] == [("by-hand.stl", "5 B"), ("notes.blend", "1.5 kB")]
    assert [each.age for each in state.components] == ["now", "now"]


def test_an_older_version_is_restored_and_a_component_deleted(addon: Any, store: Path, tmp_path: Path) -> None:
    file, state = tmp_path / "notes.blend", bpy.context.window_manager.ggg_cloud
    for content in (b"first", b"the second"):
        file.write_bytes(content)
        bpy.ops.ggg_cloud.push(filepath=str(file))
    bpy.ops.ggg_cloud.details(component_id="notes.blend")
    view = sys.modules[f"{ADDON}.blender.view"].view
    newest, oldest = view.details.versions
    assert (newest.is_current, newest.size, oldest.is_current, oldest.size) == (True, 10, False, 5)
    bpy.ops.ggg_cloud.restore(component_id="notes.blend", version_id=oldest.version_id)
    assert (store / "notes.blend").read_bytes() == b"first"
    assert state.components["notes.blend"].size == "5 B"
    assert [each.size for each in view.details.versions] == [5, 10, 5]
    bpy.ops.ggg_cloud.push(filepath=str(file))
    assert view.details is None, "there is one more by now"
    bpy.ops.ggg_cloud.delete(component_id="notes.blend")
    assert not (store / "notes.blend").exists()
    assert not state.components
    with pytest.raises(RuntimeError, match=r"notes\.blend"):
        bpy.ops.ggg_cloud.delete(component_id="notes.blend")


def test_a_script_syncs_and_gets_the_finished_result_or_an_exception(addon: Any, store: Path, tmp_path: Path) -> None:
    state, folder = bpy.context.window_manager.ggg_cloud, tmp_path / "models"
    with pytest.raises(RuntimeError, match="No folder is chosen"):
        bpy.ops.ggg_cloud.sync()
    addon.connections[0].sync_folder, addon.connections[0].delete_files = str(folder), True
    folder.mkdir()
    for number in range(12):
        (folder / f"part {number:02}.blend").write_bytes(b"part")
    assert bpy.ops.ggg_cloud.sync(dry_run=True) == {"FINISHED"}
    assert json.loads(state.last_sync)["state"] == "planned"
    assert not list(store.glob("*.blend"))
    assert bpy.ops.ggg_cloud.sync() == {"FINISHED"}
    assert state.last_message == "Sync: 12 uploaded."
    assert len(list(store.glob("*.blend"))) == 12

    (folder / "part 00.blend").write_bytes(b"changed here")
    (tmp_path / "part 00.blend").write_bytes(b"changed there")
    bpy.ops.ggg_cloud.push(filepath=str(tmp_path / "part 00.blend"))
    with pytest.raises(RuntimeError, match=r"Conflict: part 00\.blend: changed on both sides"):
        bpy.ops.ggg_cloud.sync()
    (conflict,) = json.loads(state.last_sync)["conflicts"]
    assert (conflict["here"][0], conflict["there"][0]) == (12, 13)
    bpy.ops.ggg_cloud.resolve(path="part 00.blend", choice="local")
    assert (store / "part 00.blend").read_bytes() == b"changed here"

    for each in folder.glob("*.blend"):
        each.unlink()
    with pytest.raises(RuntimeError, match="12 of 12 files would be deleted"):
        bpy.ops.ggg_cloud.sync()
    assert len(list(store.glob("*.blend"))) == 12


def test_the_list_finds_what_is_searched_and_shows_how_it_stands(addon: Any, store: Path, tmp_path: Path) -> None:
    state, folder = bpy.context.window_manager.ggg_cloud, tmp_path / "models"
    addon.connections[0].sync_folder = str(folder)
    for name in ("robot/left arm.blend", "robot/right arm.fbx", "leg.blend"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    bpy.ops.ggg_cloud.sync()
    (folder / "leg.blend").write_bytes(b"a longer leg")
    (folder / "here.blend").write_bytes(b"here")
    (store / "there.stl").write_bytes(b"there")
    bpy.ops.ggg_cloud.refresh()
    assert {each.name: each.status for each in state.components} == {
        "here.blend": "here",
        "leg.blend": "newer_here",
        "robot/left arm.blend": "same",
        "robot/right arm.fbx": "same",
        "there.stl": "there",
    }
    state.search = "ARM robot"
    assert state.components.keys() == ["robot/left arm.blend", "robot/right arm.fbx"]
    state.search, state.only_differences = "", True
    assert state.components.keys() == ["here.blend", "leg.blend", "there.stl"]


def test_what_is_shown_and_agreed_to_is_of_the_storage_and_the_folder_in_use(addon: Any, store: Path) -> None:
    add_objects()
    connection, state = addon.connections[0], bpy.context.window_manager.ggg_cloud
    operators, view = bpy.ops.ggg_cloud, sys.modules[f"{ADDON}.blender.view"].view
    others = {"root": store.with_name("other"), "sync_folder": store.with_name("folder"), "exclude": "wip/*"}
    for name, value in others.items():
        operators.export_upload(component_id="ground.blend")
        operators.details(component_id="ground.blend")
        view.outcome = {"state": "confirm", "deletes": ["ground.blend"]}
        assert view.rows
        assert view.details
        setattr(connection, name, str(value))
        assert (view.rows, view.details, view.outcome, list(state.components)) == ([], None, None, [])


def test_what_a_job_brings_of_a_storage_that_is_no_more_used_is_not_shown(addon: Any, store: Path) -> None:
    add_objects()
    connection, state = addon.connections[0], bpy.context.window_manager.ggg_cloud
    bpy.ops.ggg_cloud.export_upload(component_id="ground.blend")
    operators, details, sync = (
        sys.modules[f"{ADDON}.blender.{name}"] for name in ("operators", "details", "sync_operators")
    )
    connection.sync_folder = str(store.with_name("folder"))
    given = {"component_id": "ground.blend", "dry_run": True, "deletes": False, "_in_window": True}
    for kind in (operators.GGG_CLOUD_OT_refresh, details.GGG_CLOUD_OT_details, sync.GGG_CLOUD_OT_sync):
        begun = SimpleNamespace(**given)
        begun._synced = lambda *args, begun=begun, **options: sync._SyncOperator._synced(begun, *args, **options)
        steps = kind.steps(begun, bpy.context)
        next(steps).join()
        connection.root += "2"
        with pytest.raises(StopIteration):
            next(steps)
        assert not state.components
        assert json.loads(state.last_sync) is None
        assert operators.view.details is None
        connection.root = connection.root[:-1]


def test_a_push_does_not_leave_the_component_shown_as_the_same_in_the_folder(addon: Any, store: Path) -> None:
    add_objects()
    addon.connections[0].sync_folder = str(store.with_name("folder"))
    bpy.ops.ggg_cloud.export_upload(component_id="ground.blend")
    bpy.ops.ggg_cloud.sync()
    bpy.ops.ggg_cloud.refresh()
    (shown,) = bpy.context.window_manager.ggg_cloud.components
    assert shown.status == "same"
    bpy.ops.ggg_cloud.export_upload(component_id="ground.blend", source="SCENE")
    (shown,) = bpy.context.window_manager.ggg_cloud.components
    assert shown.status == ""


def test_an_add_on_that_is_disabled_leaves_no_job_and_no_timer(addon: Any) -> None:
    job, closed = sys.modules[f"{ADDON}.blender.job"], []

    def steps() -> Iterator[Any]:
        try:
            yield None
        finally:
            closed.append(True)

    run, manager = job.Run("Sync", steps()), bpy.context.window_manager
    run.advance()
    run.timer = manager.event_timer_add(0.1, window=manager.windows[0])
    job._runs.append(run)
    job.stop_worker()
    assert (job.runs(), run.timer, closed) == ((), None, [True])


def test_preferences_say_where_and_an_own_folder_serves_without(addon: Any, tmp_path: Path) -> None:
    add_objects()
    bpy.ops.ggg_cloud.export_upload(component_id="own.blend")
    assert [path.name for path in Path(os.environ["XDG_DATA_HOME"]).rglob("*.blend")] == ["own.blend"]
    connection = addon.connections[0]
    connection.root, connection.prefix = str(tmp_path / "drive"), "models/robots"
    bpy.ops.ggg_cloud.export_upload(component_id="shared.blend")
    assert (tmp_path / "drive/models/robots/shared.blend").is_file()
    bpy.ops.ggg_cloud.refresh()
    assert bpy.context.window_manager.ggg_cloud.components.keys() == ["shared.blend"]


def test_an_error_raises_its_sentence_and_shows_it(addon: Any, store: Path, tmp_path: Path) -> None:
    add_objects()
    operators, state = bpy.ops.ggg_cloud, bpy.context.window_manager.ggg_cloud
    select()
    (tmp_path / "broken.blend").write_bytes(b"no blend")
    operators.push(filepath=str(tmp_path / "broken.blend"))
    objects = bpy.data.objects.keys()
    for call, sentence in (
        (lambda: operators.export_upload(), "Nothing is selected"),
        (lambda: operators.export_upload(component_id="arm.blend"), "Nothing is selected"),
        (lambda: operators.export_upload(source="COLLECTION", collection="Nuts"), 'no collection "Nuts"'),
        (lambda: operators.export_upload(source="SCENE", component_id="../arm.blend"), '"../arm.blend"'),
        (lambda: operators.pull(), "No component is chosen"),
        (lambda: operators.pull(component_id="missing.blend"), '"missing.blend"'),
        (lambda: operators.pull(component_id="/etc/passwd"), '"/etc/passwd"'),
        (lambda: operators.pull(component_id="broken.blend"), "broken.blend"),
        (lambda: operators.push(filepath=str(tmp_path / "none.blend")), "none.blend"),
    ):
        with pytest.raises(RuntimeError, match=re.escape(sentence)) as caught:
            call()
        assert "Traceback" not in str(caught.value)
        assert sentence in state.last_message
    addon.connections[0].root = "/dev/null/drive"
    with pytest.raises(RuntimeError, match="/dev/null/drive"):
        operators.refresh()
    addon.connections[0].root = str(store)
    operators.refresh()
    assert state.last_message == "Listed 1 component"
    assert state.components.keys() == ["broken.blend"]
    assert bpy.data.objects.keys() == objects


def test_no_sdk_and_no_engine_is_loaded_into_blender(addon: Any, store: Path) -> None:
    add_objects()
    bpy.ops.ggg_cloud.export_upload(component_id="ground.blend")
    bpy.ops.ggg_cloud.pull(component_id="ground.blend")
    bpy.ops.ggg_cloud.refresh()
    assert f"{ADDON}.worker.client" in sys.modules
    ours = [name for name in sys.modules if name.startswith(f"{ADDON}.")]
    assert not [name for name in ours if "cloud_storage" in name or name.endswith((".cli", ".server", ".headless"))]
    assert not {"boto3", "botocore", "azure", "cryptography", "s3transfer"} & set(sys.modules)


def test_operators_explain_themselves_and_every_icon_exists(addon: Any) -> None:
    for name in dir(bpy.ops.ggg_cloud):
        rna = getattr(bpy.ops.ggg_cloud, name).get_rna_type()
        assert rna.name, name
        assert len(rna.description) > 10, name
        for prop in rna.properties:
            assert prop.name != prop.identifier or prop.is_hidden, f"{name}.{prop.identifier}"
    asking = bpy.types.UILayout.bl_rna.functions["prop"], bpy.types.WindowManager.bl_rna.functions["invoke_confirm"]
    icons = {icon for each in asking for icon in each.parameters["icon"].enum_items.keys()}  # noqa: SIM118
    folder = Path(sys.modules[f"{ADDON}.blender"].__file__ or "").parent
    source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    used = re.findall(r'icon="(\w+)"(?: if [\w.]+ else "(\w+)")?', source)
    names = {name for pair in used for name in pair if name}
    assert len(names) > 5
    modules = {name: sys.modules[f"{ADDON}.blender.{name}"] for name in ("panel", "preferences", "sync_panel", "view")}
    tables = (modules["panel"].KIND_ICONS, modules["sync_panel"].ACTIONS)
    tables += (modules["preferences"].ICONS, modules["preferences"].MARKS)
    names |= {icon for table in tables for icon in table.values()}
    names |= {icon for _, icon in modules["view"].STATUSES.values()}
    assert names <= icons


def test_a_button_does_what_it_shows_and_nothing_of_the_one_before(addon: Any) -> None:
    """Blender gives a button that leaves a setting out the one of the last time, say "Pull" the "Link" of before."""
    kept = {
        f"{name}.{prop.identifier}"
        for name in dir(bpy.ops.ggg_cloud)
        for prop in getattr(bpy.ops.ggg_cloud, name).get_rna_type().properties
        if prop.identifier != "rna_type" and not prop.is_skip_save
    }
    always_given = {"connection_add.provider", "push.filter_glob", "push.filepath"}
    assert kept == {"export_upload.source", "export_upload.file_format"} | always_given


def test_the_command_runs_in_blender(
    installed: Path, commands: dict[Any, Any], addon: Any, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((name, run),) = commands.values()
    assert name == "ggg_cloud"
    assert run(["list", "--json", "--root", str(store)]) == 0
    assert json.loads(capsys.readouterr().out) == []
    add_objects()
    bpy.ops.ggg_cloud.export_upload(component_id="ground.blend")
    capsys.readouterr()
    assert run(["list", "--json", "--root", str(store)]) == 0
    assert [each["component_id"] for each in json.loads(capsys.readouterr().out)] == ["ground.blend"]
    assert run(["no-such-verb"]) == 2
