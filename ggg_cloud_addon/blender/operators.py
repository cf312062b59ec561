"""What artists and scripts can do: ``bpy.ops.ggg_cloud.*``."""

from datetime import datetime
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Event, Operator

from .connections import storage_config
from .job import Returned, Steps, WorkerOperator, cancel_running, worker
from .properties import FORMATS, SOURCES, shown_size, state_of
from .scene import LINKED_FOLDER, SceneError
from .scene.export import export_steps, selected_objects
from .scene.load import load_steps


class GGG_CLOUD_OT_export_upload(WorkerOperator):
    """Export the selection, a collection or the scene, and store it as a component"""

    bl_idname = "ggg_cloud.export_upload"
    bl_label = "Export and Upload"

    component_id: StringProperty(  # type: ignore[valid-type]
        name="Component",
        description="The component's ID in the storage; its ending names the format, or is added from it",
    )
    source: EnumProperty(name="What", items=SOURCES)  # type: ignore[valid-type]
    collection: StringProperty(  # type: ignore[valid-type]
        name="Collection", description="The collection to push; empty: the active one"
    )
    file_format: EnumProperty(name="Format", items=FORMATS)  # type: ignore[valid-type]

    def steps(self, context: Context) -> Steps:
        """Export, and upload what was exported."""
        content, name = self._content(context)
        component_id = self.component_id or name.replace("/", "_")
        if not component_id.lower().endswith(tuple(each[0] for each in FORMATS)):
            component_id += self.file_format
        path = self.scratch() / ("component" + Path(component_id).suffix)
        yield from export_steps(path, content, name=Path(component_id).stem)
        return (yield from _upload(context, path, component_id))

    def _content(self, context: Context) -> tuple[Any, str]:
        assert context.scene is not None
        assert context.collection is not None
        assert context.view_layer is not None
        if self.source == "SCENE":
            return context.scene, context.scene.name
        if self.source == "COLLECTION":
            if not self.collection:
                return context.collection, context.collection.name
            collection = bpy.data.collections.get(self.collection)
            if collection is None:
                raise SceneError(f'There is no collection "{self.collection}"; check its name.')
            return collection, collection.name
        selected = selected_objects(context)
        active = context.view_layer.objects.active
        named = active if active in selected else next(iter(selected), None)
        return selected, named.name if named else "selection"


class GGG_CLOUD_OT_push(WorkerOperator):
    """Store a file from this computer as a component"""

    bl_idname = "ggg_cloud.push"
    bl_label = "Push File"

    filepath: StringProperty(name="File", subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: StringProperty(  # type: ignore[valid-type]
        default=";".join(f"*{each[0]}" for each in FORMATS), options={"HIDDEN"}
    )
    component_id: StringProperty(  # type: ignore[valid-type]
        name="Component", description="The component's ID in the storage; empty: the file's name"
    )

    def invoke(self, context: Context, event: Event) -> Returned:
        """Ask for the file first."""
        self._in_window = not bpy.app.background
        assert context.window_manager is not None
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def steps(self, context: Context) -> Steps:
        """Upload the file."""
        path = Path(bpy.path.abspath(self.filepath))
        return (yield from _upload(context, path, self.component_id or path.name))


class GGG_CLOUD_OT_pull(WorkerOperator):
    """Bring a component into the open scene"""

    bl_idname = "ggg_cloud.pull"
    bl_label = "Pull"
    bl_options = {"UNDO"}  # noqa: RUF012 - Blender's own way to declare it

    component_id: StringProperty(name="Component")  # type: ignore[valid-type]
    link: BoolProperty(  # type: ignore[valid-type]
        name="Link", description="Link to the pulled .blend file instead of appending what is in it"
    )

    def steps(self, context: Context) -> Steps:
        """Download it, to be appended into a temporary file, to be linked into one that stays; then load it."""
        if not self.component_id:
            raise SceneError("No component is chosen; choose one in the list.")
        if not self.link:
            target = self.scratch() / Path(self.component_id).name
        elif bpy.data.filepath:
            target = Path(bpy.path.abspath("//"), LINKED_FOLDER, self.component_id)
        else:
            raise SceneError(f'Save this file first: what is linked is kept in "{LINKED_FOLDER}" beside it.')
        job = worker().submit(
            "download", storage_config(context), component_id=self.component_id, path=str(target), overwrite=False
        )
        yield job
        job.wait()
        name = Path(self.component_id).stem
        objects = yield from load_steps(target, name, context=context, link=self.link)
        return f'Pulled "{self.component_id}": {counted(len(objects), "object")}'


class GGG_CLOUD_OT_refresh(WorkerOperator):
    """List the components in the storage"""

    bl_idname = "ggg_cloud.refresh"
    bl_label = "Refresh"

    def steps(self, context: Context) -> Steps:
        """Ask for the listing, and fill the sidebar's list."""
        job = worker().submit("list", storage_config(context))
        yield job
        value = job.wait()
        state = state_of(context)
        state.components.clear()
        for info in value:
            _fill(state.components.add(), info)
        state.active_index = min(state.active_index, max(0, len(value) - 1))
        state.is_listed = True
        return f"Listed {counted(len(value), 'component')}"


class GGG_CLOUD_OT_cancel(Operator):
    """Stop what GGG Cloud is doing; nothing half-done stays behind"""

    bl_idname = "ggg_cloud.cancel"
    bl_label = "Cancel"

    def execute(self, context: Context) -> Returned:
        """Ask the worker to stop."""
        cancel_running(context)
        return {"FINISHED"}


def _upload(context: Context, path: Path, component_id: str) -> Steps:
    """Upload a file and show it in the list."""
    job = worker().submit("upload", storage_config(context), path=str(path), component_id=component_id)
    yield job
    info = job.wait()
    show_component(context, info)
    return f'Pushed "{info["component_id"]}" ({shown_size(info["size"])})'


def show_component(context: Context, info: dict[str, Any]) -> None:
    """Put a component into the sidebar's list, in its place, and choose it."""
    state = state_of(context)
    names = [each.name for each in state.components]
    if info["component_id"] in names:
        index = names.index(info["component_id"])
    else:
        state.components.add()
        index = sum(name < info["component_id"] for name in names)
        state.components.move(len(names), index)
    _fill(state.components[index], info)
    state.active_index = index


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _fill(item: Any, info: dict[str, Any]) -> None:
    item.name = info["component_id"]
    item.size = shown_size(info["size"])
    item.modified = f"{datetime.fromtimestamp(info['modified']):%Y-%m-%d %H:%M}"


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (
        GGG_CLOUD_OT_export_upload,
        GGG_CLOUD_OT_push,
        GGG_CLOUD_OT_pull,
        GGG_CLOUD_OT_refresh,
        GGG_CLOUD_OT_cancel,
    )
)
