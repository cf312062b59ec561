"""Whether a connection works: asked of the store itself, and told in words."""

import json
from dataclasses import dataclass

import bpy
from bpy.props import BoolProperty
from bpy.types import Context

from ..worker.client import JobError
from .connections import ConnectionSettings, config_of, storage_config
from .job import Steps, WorkerOperator, worker
from .scene import SceneError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, as the engine's check tells it."""

    about: str
    ok: bool | None
    sentence: str


MISSING = "missing"
"""What the finding is about that says that there is no such bucket."""

_found: dict[str, list[Finding]] = {}
"""By the settings that were tested."""
_under_way: dict[str, int] = {}
"""The number of the job that tests them."""


class GGG_CLOUD_OT_test_connection(WorkerOperator):
    """Try out what the storage can do and what you may do there; nothing is left behind"""

    bl_idname = "ggg_cloud.test_connection"
    bl_label = "Test Connection"

    create: BoolProperty(  # type: ignore[valid-type]
        name="Create", description="First make the bucket or container, private", options={"SKIP_SAVE"}
    )

    def steps(self, context: Context) -> Steps:
        """Ask the worker, and keep what it found."""
        config = storage_config(context)
        tested = _key(config)
        # A pop-up would cover what the page says, and its button.
        self._pops_up = context.area is None or context.area.type != "PREFERENCES"
        _found.pop(tested, None)
        assert self._run is not None
        _under_way[tested] = self._run.number
        try:
            job = worker().submit("check", config, create=self.create, keep_versions=False)
            _redraw_pages(context)
            yield job
            _found[tested] = [Finding(**each) for each in job.wait()]
        finally:
            _under_way.pop(tested, None)
            _redraw_pages(context)
        failed = [each.sentence for each in _found[tested] if each.ok is False]
        if failed:
            raise JobError(failed[0])
        return "The connection works"


def findings_of(connection: ConnectionSettings) -> list[Finding] | None:
    """What the last test of these very settings found; ``None`` if there was none. Reads memory only."""
    try:
        return _found.get(_key(config_of(connection)))
    except SceneError:
        return None


def test_under_way(connection: ConnectionSettings) -> int | None:
    """The number of the job that tests these very settings, while one does."""
    try:
        return _under_way.get(_key(config_of(connection)))
    except SceneError:
        return None


def forget_findings() -> None:
    """The keys have changed: what was found may be no more so."""
    _found.clear()


def _key(config: dict[str, object]) -> str:
    return json.dumps(config, sort_keys=True)


def _redraw_pages(context: Context) -> None:
    assert context.window_manager is not None
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


register, unregister = bpy.utils.register_classes_factory((GGG_CLOUD_OT_test_connection,))  # type: ignore[func-returns-value, misc]  # so the stubs
