"""Every verb of the command in a real Blender with the installed extension, and the user's Blender folders."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blender_folders import changed, found_in
from servers import Server
from test_window import keys_of

from ggg_cloud_addon.cli import VERBS

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]
SAVE = "import bpy; bpy.ops.wm.save_as_mainfile(filepath={!r})"


def document(done: Done) -> Any:
    """The answer for a program; Blender 5 warns on stdout of what it lacks at its start, with the time before it."""
    return json.loads(re.sub(r"\A(\d\d:\d\d\.\d+ .*\n)+", "", done.stdout))


@pytest.fixture
def told() -> set[str]:
    """The verbs that were run."""
    return set()


@pytest.fixture
def command(blender: Path, folders: Path, told: set[str], tmp_path: Path) -> Command:
    """Run it as people do: in a Blender with their scene, and with Blender's own options before."""
    scene, home = tmp_path / "scene.blend", tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folders), "HOME": str(home)}

    def run(
        *arguments: str | Path, code: int = 0, says: str = "", before: tuple[str | Path, ...] = ("-b",), **more: str
    ) -> Done:
        had = found_in(folders)
        done = subprocess.run(
            [blender, *before, "--command", "ggg_cloud", *arguments],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert (done.returncode, says in done.stdout + done.stderr) == (code, True), (arguments, done)
        assert changed(had, found_in(folders)) == set(), arguments
        told.add(str(arguments[0]))
        return done

    make = [blender, "-b", "--python-expr", SAVE.format(str(scene))]
    subprocess.run(make, env=environment, check=True, capture_output=True, timeout=120)
    return run


def test_every_verb(command: Command, told: set[str], moto: Server, bucket_name: str, tmp_path: Path) -> None:
    scene, into, store = tmp_path / "scene.blend", tmp_path / "new.blend", f"--root={tmp_path / 'store'}"
    opened = ("-b", scene)

    command("push", scene, store, says="Pushed scene.blend")
    command("push", "--scene", "--id", "whole.blend", store, before=opened, says="Pushed whole.blend")
    command("push", "--collection", "Collection", "--id", "part.glb", store, before=opened, says="Pushed part.glb")
    command("push", "--selection", "--id", "part.fbx", store, before=opened, says="Pushed part.fbx")
    command("push", scene, "--collection", "Collection", "--id", "part.blend", store, says="Pushed part.blend")
    # What a program reads is the document and nothing else.
    done = command("push", "--collection", "Collection", "--id", "part.stl", "--json", store, before=opened)
    assert document(done)["component_id"] == "part.stl"
    command("push", "--collection", "None", store, before=opened, code=1, says='has no collection "None"')
    command("push", "--scene", store, code=2, says="No scene is open")

    for kind in ("blend", "glb", "fbx", "stl"):
        command("pull", f"part.{kind}", "--into", into, store, says=f"Pulled part.{kind} into")
    command("pull", "scene.blend", "--link", "--into", into, store, says="Pulled scene.blend into")
    command("pull", "whole.blend", tmp_path, store, says="Pulled whole.blend to")
    command("pull", "none.blend", store, code=1, says='The store has no "none.blend"')
    pulled = command("info", "part.blend", "--json", store, before=opened)
    assert document(pulled)["metadata"]["objects"] == "3"

    # Also where the scene has libraries, which Blender tells of while it opens it.
    done = command("push", into, "--scene", "--id", "whole.blend", "--force", "--json", store)
    assert document(done)["component_id"] == "whole.blend"
    versions = document(command("versions", "whole.blend", "--json", store))
    assert [each["is_current"] for each in versions] == [True, False]
    command("restore", "whole.blend", versions[1]["version_id"], store, says="Restored whole.blend")
    command("delete", "whole.blend", store, says="Deleted whole.blend")
    command("list", store, says="part.stl")
    command("check", store, says="ok  delete")
    folder = tmp_path / "models"
    folder.mkdir()
    command("sync", folder, store, says="Sync: 5 downloaded")
    command("check", folder, store, says="all is as it should be")
    command("share", "part.stl", store, code=1, says="A plain folder has no links")
    command("demo", says="Everything came back as it was")

    cloud = ("--provider", "aws", "--bucket", bucket_name, "--endpoint-url", moto.url)
    keys = keys_of(moto)
    moto.client().create_bucket(Bucket=bucket_name)
    online = ("-b", "--online-mode", scene)
    command("push", "--selection", "--id", "part.glb", *cloud, before=online, says="Pushed part.glb", **keys)
    command("share", "part.glb", *cloud, before=online, says=f"{moto.url}/{bucket_name}/part.glb", **keys)
    command("share", "part.glb", *cloud, code=1, says="Allow Online Access", **keys)

    assert told == set(VERBS)
