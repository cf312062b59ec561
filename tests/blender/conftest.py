"""Real Blender in this process, with nothing of the user's: see `bpy` in pyproject.toml."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_RESOURCES = tempfile.TemporaryDirectory(prefix="ggg_cloud-test-")
os.environ["BLENDER_USER_RESOURCES"] = _RESOURCES.name  # before bpy is imported

INSTALLED = "GGG_CLOUD_TEST_INSTALLED"
"""In the environment of a test that runs in its own Blender: the user folder to begin with."""

ROOT = Path(__file__).parents[2]
ADDON = "bl_ext.user_default.ggg_cloud_addon"
INSTALL = """
import os, sys, bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def empty_scene() -> Iterator[None]:
    """Factory settings, no objects."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(scope="session")
def addon_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, for this Python; `vendor/` has the wheels."""
    if INSTALLED in os.environ:
        return Path(os.environ[INSTALLED], "addon.zip")
    dist = tmp_path_factory.mktemp("dist")
    system = {"linux": "linux-x64", "win32": "windows-x64", "darwin": "macos-arm64"}[sys.platform]
    python = "{}.{}".format(*sys.version_info)
    command = [sys.executable, ROOT / "build_addon.py", "--platform", system, "--python", python, "--output-dir", dist]
    subprocess.run(command, check=True, capture_output=True)
    return next(dist.iterdir())


@pytest.fixture(scope="session")
def installed(addon_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extensions in a user folder where the zip is installed; to unpack the wheels for each test takes long."""
    if INSTALLED in os.environ:
        return Path(os.environ[INSTALLED])
    folder = tmp_path_factory.mktemp("installed")
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "user"), "HOME": str(folder)}
    subprocess.run([sys.executable, "-c", INSTALL, addon_zip], check=True, env=environment, capture_output=True)
    (folder / "addon.zip").symlink_to(addon_zip)
    return folder


@pytest.fixture
def addon(installed: Path) -> Iterator[Any]:
    """The enabled add-on's preferences, in the test's own Blender."""
    if INSTALLED not in os.environ:
        yield None  # the test itself runs elsewhere, see the mark
        return
    import bpy

    extensions = Path(os.environ["BLENDER_USER_RESOURCES"], "extensions")
    extensions.mkdir(exist_ok=True)
    for each in (installed / "user" / "extensions").iterdir():
        (extensions / each.name).symlink_to(each)
    bpy.ops.preferences.addon_enable(module=ADDON)
    yield bpy.context.preferences.addons[ADDON].preferences
    sys.modules[ADDON].unregister()  # disabling it would remove the wheels, which all tests share


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without Blender's own exit, in which 4.2 crashes and 4.5 hangs."""
    if "bpy" not in sys.modules:
        return
    _RESOURCES.cleanup()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(getattr(config, "_ggg_cloud_exit", 0)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config._ggg_cloud_exit = exitstatus


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "own_blender: runs in a process and a home of its own; asks for `installed`")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test of the mark `own_blender` in a pytest of its own, so that each has a Blender fresh from its start."""
    if INSTALLED in os.environ or not pyfuncitem.get_closest_marker("own_blender"):
        return None
    home = Path(tempfile.mkdtemp(prefix="home-", dir=_RESOURCES.name))
    ours = {INSTALLED: str(pyfuncitem.funcargs["installed"]), "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command += [f"--basetemp={home / 'tmp'}", pyfuncitem.nodeid]
    done = subprocess.run(
        command, cwd=pyfuncitem.config.rootpath, env=os.environ | ours, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return True
