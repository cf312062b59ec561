"""Real Blender in this process, with nothing of the user's: see `bpy` in pyproject.toml."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest

_RESOURCES = tempfile.TemporaryDirectory(prefix="ggg_cloud-test-")
os.environ["BLENDER_USER_RESOURCES"] = _RESOURCES.name  # before bpy is imported


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
