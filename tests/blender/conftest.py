"""Real Blender in this process, with nothing of the user's: see `bpy` in pyproject.toml."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_RESOURCES = tempfile.TemporaryDirectory(prefix="ggg_cloud-test-")
os.environ["BLENDER_USER_RESOURCES"] = _RESOURCES.name  # before bpy is imported

INSTALLED = "GGG_CLOUD_TEST_INSTALLED"
"""In the environment of a test that runs in its own Blender: the user folder to begin with."""


@pytest.fixture
def empty_scene() -> Iterator[None]:
    """Factory settings, no objects."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield
    bpy.ops.wm.read_factory_settings(use_empty=True)


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
