"""The rules of the house: who may import whom, types, style, and one version everywhere."""

import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import ggg_cloud_addon

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))


@pytest.mark.parametrize(
    "check",
    [["lint-imports", "--no-cache"], ["mypy"], ["ruff", "check"], ["ruff", "format", "--check"]],
    ids=" ".join,
)
def test_the_code_keeps_the_rules_of_the_house(check: list[str]) -> None:
    run = subprocess.run([SCRIPTS / check[0], *check[1:]], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_manifest_and_the_package_have_one_version() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))

    assert manifest["version"] == ggg_cloud_addon.__version__


def test_importing_the_package_and_the_engine_needs_neither_blender_nor_an_sdk() -> None:
    code = (
        "import sys; import ggg_cloud_addon, ggg_cloud_addon.cloud_storage;"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'bpy', 'boto3', 'botocore', 'azure', 'cryptography',"
        " 'blender_asset_tracer', 'zstandard'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"


def test_every_dependency_of_the_command_is_bundled_with_the_extension() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = (ROOT / "vendor" / "requirements.txt").read_text(encoding="utf-8")
    needed = project["dependencies"] + [
        each for extra in ("aws", "azure") for each in project["optional-dependencies"][extra]
    ]

    missing = [each for each in needed if f"\n{each.partition('>')[0]}==" not in pinned]
    assert missing == ["zstandard>=0.16"]  # Blender's Python has it, for its own work with .blend files
