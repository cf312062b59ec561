"""The wheel of this repository installs on each Python that it says it runs on, and pushes and pulls a .blend there."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WHICH = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreter(version: str) -> str | None:
    """One that starts: of the PATH, or of pyenv, whose names on the PATH do so only for the chosen one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for path in (shutil.which(f"python{version}"), *map(str, pyenv.glob(f"{version}.*/bin/python"))):
        if path:
            done = subprocess.run([path, "-c", WHICH], capture_output=True, text=True)
            if done.stdout.strip() == version:
                return path
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, as building leaves folders behind."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "ggg_cloud_addon", source / "ggg_cloud_addon", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={dist}", source]
    subprocess.run(command, check=True)
    (path,) = dist.glob("*.whl")
    return path


def test_the_project_names_these_pythons() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if ":: Python :: 3." in each]
    assert (tuple(named), project["requires-python"]) == (PYTHONS, ">=3.11")


@pytest.mark.parametrize("version", PYTHONS)
def test_a_wheel_installs_and_pushes_a_blend(version: str, wheel: Path, blends: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"There is no Python {version} on this machine.")
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True)
    tools = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([tools / "python", "-m", "pip", "install", "--quiet", wheel], check=True, stderr=subprocess.DEVNULL)
    environment = os.environ | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    environment.pop("PYTHONPATH", None)

    def ggg_cloud(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [tools / "ggg-cloud", *arguments, f"--root={tmp_path / 'store'}"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    plain, compressed = blends / "plain.blend", blends / "small.blend"
    told = json.loads(ggg_cloud("push", plain, "--json").stdout)
    assert any("missing.png" in each for each in told["missing"])
    told = json.loads(ggg_cloud("push", compressed, "--id", "part/small.blend", "--json").stdout)
    assert told["metadata"]["blender"]
    ggg_cloud("pull", "part/small.blend", tmp_path)
    assert (tmp_path / "small.blend").read_bytes() == compressed.read_bytes()
