"""Bringing what was pulled up to date: ``bpy.ops.ggg_cloud.update``."""

import math
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Event, Operator

from .connections import storage_name
from .in_file import look_at_file, origin
from .job import Returned, Steps, WorkerOperator, show
from .operators import fetch, show_component
from .scene import SceneError
from .scene.link import update_linked
from .scene.load import read_steps
from .scene.provenance import library_of, lost_by_update, pulled
from .scene.update import update
from .view import view

SHOWN = 4
"""Names of what was changed here."""


class GGG_CLOUD_OT_update(WorkerOperator):
    """Replace the component in this file by the newest version; where its objects are and how they are used stays"""

    bl_idname = "ggg_cloud.update"
    bl_label = "Update"
    bl_options = {"UNDO"}  # noqa: RUF012 - Blender's own way to declare it

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    version_id: StringProperty(  # type: ignore[valid-type]
        name="Version", description="An older version of it; empty: the current one", options={"SKIP_SAVE"}
    )
    discard: BoolProperty(  # type: ignore[valid-type]
        name="Discard Changes", description="Drop what was changed in it here", options={"SKIP_SAVE"}
    )

    def invoke(self, context: Context, event: Event) -> Returned:
        """Ask first, if something would be lost."""
        self._in_window = not bpy.app.background
        lost = _lost(pulled(storage_name(context), self.component_id))
        if not lost or self.discard:
            return self.execute(context)
        self.discard = True  # if the answer is yes
        assert context.window_manager is not None
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Discard what was changed here?",
            message=f'In "{self.component_id}" you changed {lost}.',
            confirm_text="Update",
            icon="WARNING",
        )

    def steps(self, context: Context) -> Steps:
        """Download it, and put it in the place of what is here."""
        storage, shown = storage_name(context), view.storage
        here: list[Any] = pulled(storage, self.component_id)
        if not here:
            raise SceneError(f'Nothing in this file was pulled as "{self.component_id}"; pull it.')
        lost = _lost(here)
        if lost and not self.discard:
            raise SceneError(
                f'"{self.component_id}" was changed here ({lost}); push it, or update with "discard" to drop that.'
            )
        path, info = yield from fetch(context, self.component_id, self.version_id, self.scratch())
        try:
            for key in dict.fromkeys(each.ggg_cloud.key for each in here):
                if holder := _find(key):
                    if library := library_of(holder):
                        update_linked(library, path, origin(storage, info))
                        continue
                    loaded = yield from read_steps(path, path.stem)
                    if again := _find(key):  # it may have been deleted while a file was converted
                        update(again, loaded, origin(storage, info), context)
        finally:
            path.unlink(missing_ok=True)
        if view.storage == shown:
            view.refused = None
            if not self.version_id:
                show_component(context, info)
        look_at_file(context)
        return f'Updated "{self.component_id}"'


class GGG_CLOUD_OT_look(Operator):
    """Look for what was changed in the components of this file; with millions of vertices it takes seconds"""

    bl_idname = "ggg_cloud.look"
    bl_label = "Look for Changes"

    def execute(self, context: Context) -> Returned:
        """Look at all of it."""
        look_at_file(context, vertices=math.inf)
        show(context)
        return {"FINISHED"}


def _find(key: str) -> Any:
    """The collection or the library of a pull, by the key of its GGGCloudOrigin."""
    holders: Any = (*bpy.data.libraries, *bpy.data.collections)
    return next((each for each in holders if each.users and not each.library and each.ggg_cloud.key == key), None)


def _lost(collections: list[Any]) -> str:
    """The names of what an update would drop."""
    names = list(dict.fromkeys(each.name for collection in collections for each in lost_by_update(collection)))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f'"{name}"' for name in names[:SHOWN]) + more


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_OT_update, GGG_CLOUD_OT_look)
)
