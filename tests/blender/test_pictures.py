"""The picture of a component stops and delays nothing: what is pushed is stored before it is made."""

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from studio import Studio, add, mesh  # noqa: E402

from ggg_cloud_addon import cli  # noqa: E402
from ggg_cloud_addon.blender.job import Run  # noqa: E402
from ggg_cloud_addon.blender.scene import convert  # noqa: E402
from ggg_cloud_addon.blender.scene.export import export_component  # noqa: E402
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager  # noqa: E402

BREAKS = """
import json, os, runpy, sys, time
request = json.load(open(sys.argv[-1]))
if request["target"].endswith(".png"):
    open({seen!r}, "w").write(str(os.path.exists({stored!r})))
    {how}
runpy.run_path({real!r}, run_name="__main__")
"""
WAYS = {"crash": "os.abort()", "hang": "time.sleep(1000)", "exit": "sys.exit(3)"}


@pytest.fixture
def studio(tmp_path):
    made = Studio(tmp_path)
    add("Arm", mesh("Arm"))
    yield made
    made.new_file()


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Rendering ends in this way; tells whether the component was stored by then."""

    def broken(how: str, component_id: str) -> Path:
        seen = tmp_path / "seen"
        names = {"seen": str(seen), "stored": str(tmp_path / "store" / component_id), "real": str(convert._SCRIPT)}
        (tmp_path / "script.py").write_text(BREAKS.format(how=WAYS[how], **names))
        monkeypatch.setattr(convert, "_SCRIPT", tmp_path / "script.py")
        monkeypatch.setattr(convert, "PICTURE_SECONDS", 4 if how == "hang" else 60)
        return seen

    return broken


def preview_of(studio, component_id):
    return CloudStorageManager(CloudStorageConfig(root=studio.store)).get_preview(component_id)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("suffix", [".blend", ".glb"])
def test_rendering_that_breaks_costs_only_the_picture(studio, broken, how, suffix):
    seen = broken(how, f"arm{suffix}")
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id=f"arm{suffix}")
    assert studio.view.last_message.startswith(f'Pushed "arm{suffix}"')
    assert seen.read_text() == "True", "it was stored before its picture was begun"
    assert preview_of(studio, f"arm{suffix}") is None
    assert studio.stored(f"arm{suffix}").stat().st_size


def test_a_blender_that_cannot_be_started_again_costs_only_the_picture(studio, monkeypatch):
    def refuse(*_):
        raise OSError("No memory")

    monkeypatch.setattr(convert.Picture, "__init__", refuse)
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="arm.blend")
    assert studio.view.last_message.startswith('Pushed "arm.blend"')
    arguments = ["push", str(studio.folder / "ada.blend"), "--scene", "--id", "b.blend", f"--root={studio.store}"]
    studio.save("ada")
    assert cli.main(arguments) == 0


def test_the_commands_push_is_stored_too(studio, broken, capfd):
    studio.save("ada")
    seen = broken("crash", "arm.glb")
    arguments = ["push", str(studio.folder / "ada.blend"), "--scene", "--id", "arm.glb", f"--root={studio.store}"]
    assert cli.main(arguments) == 0
    assert (seen.read_text(), preview_of(studio, "arm.glb")) == ("True", None)


def test_the_command_stores_a_picture(studio):
    studio.save("ada")
    arguments = ["push", str(studio.folder / "ada.blend"), "--scene", "--id", "arm.glb", f"--root={studio.store}"]
    assert cli.main(arguments) == 0
    assert (preview_of(studio, "arm.glb") or b"").startswith(b"\x89PNG")


def test_who_cancels_while_the_picture_is_made_has_pushed(studio, monkeypatch):
    runs = []
    begin = Run.__init__
    monkeypatch.setattr(Run, "__init__", lambda self, *arguments: (runs.append(self), begin(self, *arguments))[1])
    monkeypatch.setattr(convert.Picture, "join", lambda self: runs[0].cancel())
    bpy.ops.ggg_cloud.export_upload(source="SCENE", component_id="arm.blend")
    assert studio.view.last_message.startswith('Pushed "arm.blend"')
    assert preview_of(studio, "arm.blend") is None


def outputs():
    if bpy.app.version < (5, 0, 0):
        return [("", "FFMPEG"), ("", "OPEN_EXR_MULTILAYER")]
    return [("VIDEO", "FFMPEG"), ("MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER")]


@pytest.mark.parametrize(("media", "kind"), outputs())
def test_whatever_the_scenes_output_is(studio, media, kind, tmp_path):
    settings = bpy.context.scene.render.image_settings
    if media:
        settings.media_type = media
    settings.file_format = kind
    export_component(tmp_path / "arm.blend", bpy.context.scene, name="arm", preview=tmp_path / "arm.png")
    assert (tmp_path / "arm.png").read_bytes().startswith(b"\x89PNG")
