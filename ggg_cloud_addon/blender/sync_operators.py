"""Keeping the folder of a connection in sync: ``bpy.ops.ggg_cloud.sync`` and what a person decides about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Operator

from ..worker.client import JobError
from .connections import active_connection, storage_config, sync_settings
from .job import Returned, Steps, WorkerOperator, worker
from .operators import show_rows
from .scene import SceneError
from .shown import counted
from .view import view

CHOICES = (
    ("local", "Keep Mine", "The file here replaces the one in the storage, which stays in the history or the trash"),
    ("remote", "Keep Theirs", "The one in the storage replaces the file here, which goes to the folder's trash"),
    ("keep_both", "Keep Both", "The file here gets a name of its own beside the one from the storage, on both sides"),
)


class _SyncOperator(WorkerOperator):
    def _synced(
        self,
        context: Context,
        *,
        dry_run: bool = False,
        deletes: bool = False,
        choices: Mapping[str, str] | None = None,
    ) -> Steps:
        """Sync; in a window nothing is deleted that the sidebar did not show before (``deletes``: it did)."""
        config, settings = storage_config(context), sync_settings(context)
        if settings is None:
            raise SceneError("No folder is chosen to be kept in sync; choose one in the sidebar.")
        former, confirmed, decided = view.outcome or {}, None, dict(choices or {})
        if self._in_window:
            confirmed = former.get("deletes", []) if deletes else []
        if former.get("state") == "confirm":  # what was decided before the question about deletes
            decided = former["choices"] | decided
        view.outcome, storage = None, view.storage
        job = worker().submit("sync", config, sync=settings, confirmed=confirmed, choices=decided, dry_run=dry_run)
        yield job
        outcome = job.wait() | {"choices": decided}
        if view.storage != storage:  # of another folder than the sidebar shows: nobody shall agree to its deletes
            return _told(outcome, shown=False)
        view.outcome = outcome
        if self._in_window:
            listing = worker().submit("list", config, folder=settings)
            yield listing
            rows = listing.wait()["rows"]
            if view.storage == storage:
                show_rows(context, rows)
        return _told(outcome, shown=self._in_window)


class GGG_CLOUD_OT_sync(_SyncOperator):
    """Make the folder and the storage the same"""

    bl_idname = "ggg_cloud.sync"
    bl_label = "Sync"

    dry_run: BoolProperty(  # type: ignore[valid-type]
        name="Preview", description="Only show what would be done", options={"SKIP_SAVE"}
    )
    deletes: BoolProperty(  # type: ignore[valid-type]
        name="Delete", description="What the sidebar shows as about to be deleted is meant", options={"SKIP_SAVE"}
    )

    def steps(self, context: Context) -> Steps:
        """Sync, or preview."""
        return (yield from self._synced(context, dry_run=self.dry_run, deletes=self.deletes))


class GGG_CLOUD_OT_resolve(_SyncOperator):
    """Decide a conflict, and sync"""

    bl_idname = "ggg_cloud.resolve"
    bl_label = "Decide a Conflict"

    path: StringProperty(name="Path", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    choice: EnumProperty(name="Choice", items=CHOICES, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def description(cls, context: Context, properties: Any) -> str:
        """Of the button's choice."""
        return next(text for choice, _, text in CHOICES if choice == properties.choice)

    def steps(self, context: Context) -> Steps:
        """Sync with this choice."""
        return (yield from self._synced(context, choices={self.path: self.choice}))


class GGG_CLOUD_OT_asset_library_add(Operator):
    """Show the synced folder as a library in the asset browser"""

    bl_idname = "ggg_cloud.asset_library_add"
    bl_label = "Add as Asset Library"

    def execute(self, context: Context) -> Returned:
        """Add it to the preferences, unless it is there."""
        try:
            settings = sync_settings(context)
        except SceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        connection = active_connection(context)
        if settings is None or connection is None:
            self.report({"ERROR"}, "No folder is chosen to be kept in sync; choose one in the sidebar.")
            return {"CANCELLED"}
        folder = Path(settings["local_dir"]).absolute()
        assert context.preferences is not None
        libraries = context.preferences.filepaths.asset_libraries
        for each in libraries:
            if each.path and Path(bpy.path.abspath(each.path)).absolute() == folder:
                self.report({"INFO"}, f'The folder is the asset library "{each.name}" already.')
                return {"FINISHED"}
        added = libraries.new(name=connection.name, directory=str(folder))
        context.preferences.is_dirty = True
        self.report({"INFO"}, f'The folder is the asset library "{added.name}" now.')
        return {"FINISHED"}


def _told(outcome: dict[str, Any], *, shown: bool) -> str:
    """What to tell of a sync.

    Raises:
        JobError: something failed, or waits for a person and nobody is there to see it (``shown``).
    """
    summary: str = outcome["summary"]
    if outcome["state"] == "planned":
        return summary.partition("\n")[0]
    if outcome["state"] == "confirm":
        return f"Nothing is done yet: {counted(len(outcome['deletes']), 'file')} would be deleted"
    errors, conflicts = outcome["errors"], outcome["conflicts"]
    if not shown and (errors or conflicts):
        raise JobError(summary)
    if errors:
        raise JobError(f"{counted(len(errors), 'file')} failed, the first so: {next(iter(errors.values()))}")
    first_line = summary.partition("\n")[0]
    return f"{first_line} {counted(len(conflicts), 'conflict')} to decide." if conflicts else first_line


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_OT_sync, GGG_CLOUD_OT_resolve, GGG_CLOUD_OT_asset_library_add)
)
