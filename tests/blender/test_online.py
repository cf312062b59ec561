"""Blender's command and Blender's switch for the network."""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("bpy")

RUN = """
import os, sys
import bpy
from ggg_cloud_addon.blender import command

online, *arguments = sys.argv[1:]
bpy.context.preferences.system.use_online_access = online == "online"
commands = {}
bpy.utils.register_cli_command = commands.__setitem__
command.register()
code = commands["ggg_cloud"](arguments)
assert online == "online" or not {"boto3", "azure"} & set(sys.modules)
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
"""
AWS = ("list", "--provider=aws", "--bucket=parts", "--credentials-file=none.json")
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(run_child: Callable[..., CompletedProcess[str]], tmp_path: Path) -> Run:
    """The command as Blender runs it, in a Blender of its own that is ``"online"`` or ``"offline"``."""
    environment = os.environ | {"HOME": str(tmp_path), "BLENDER_USER_RESOURCES": str(tmp_path / "blender")}
    return lambda *arguments: run_child(RUN, *arguments, cwd=tmp_path, env=environment)


def test_a_cloud_is_refused_until_blender_may_use_the_network(run: Run) -> None:
    refused = run("offline", *AWS)
    assert (refused.returncode, refused.stdout) == (1, "")
    (sentence,) = refused.stderr.splitlines()
    for way in ("Allow Online Access", "Preferences > System > Network", "--online-mode"):
        assert way in sentence
    allowed = run("online", *AWS)
    assert allowed.returncode == 2
    assert "Online" not in allowed.stderr
    assert "none.json" in allowed.stderr or "pip install" in allowed.stderr


def test_the_plain_folder_needs_no_network(run: Run, tmp_path: Path) -> None:
    checked = run("offline", "check", f"--root={tmp_path / 'store'}")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "ok  versions" in checked.stdout
