"""What artists and scripts can do: ``bpy.ops.ggg_cloud.*``."""

import contextlib
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context, Event, Operator

from ..worker.client import JobError
from .connections import active_connection, preferences_of, storage_config, storage_name, sync_settings
from .in_file import REFUSED, Push, look_at_file, note_pull, origin, pulled_id
from .job import Returned, Step, Steps, WorkerOperator, show, worker
from .previews import PICTURE_SCALE, fetch_previews, icon_of
from .properties import FORMATS, SOURCES, ExportProperties, draw_export_options, export_options, fill_list, state_of
from .scene import LINKED_FOLDER, MissingFilesError, SceneError
from .scene.by_object import part_of, parts_of
from .scene.closure import closure_of, kinds_of, objects_in
from .scene.describe import describe
from .scene.export import chosen_objects, export_steps, picture_of, selected_objects
from .scene.export_options import LOST
from .scene.link import link_version
from .scene.load import load_steps
from .scene.provenance import Origin
from .shown import counted, newer_blender, shown_kinds, shown_size
from .text import draw_text
from .view import Refused, Row, view

DIALOG_WIDTH = 400
"""Pixels, before the scale of the user's display."""


class GGG_CLOUD_OT_export_upload(ExportProperties, WorkerOperator):
    """Export the selection, a collection or the scene, and store it as a component"""

    bl_idname = "ggg_cloud.export_upload"
    bl_label = "Export and Upload"

    component_id: StringProperty(  # type: ignore[valid-type]
        name="Component",
        description="The component's ID in the storage; its ending names the format, or is added from it",
        options={"SKIP_SAVE"},
    )
    source: EnumProperty(name="What", items=SOURCES)  # type: ignore[valid-type]
    collection: StringProperty(  # type: ignore[valid-type]
        name="Collection", description="The collection to push; empty: the active one", options={"SKIP_SAVE"}
    )
    file_format: EnumProperty(name="Format", items=FORMATS)  # type: ignore[valid-type]
    preview: BoolProperty(  # type: ignore[valid-type]
        name="Preview",
        description="Render a small picture that goes with it",
        default=True,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    replace: BoolProperty(  # type: ignore[valid-type]
        name="Push Over It",
        description="Also when somebody else has pushed the component since; their version stays in the history",
        options={"SKIP_SAVE"},
    )
    ask: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    """Show these settings first, as in the File menu."""

    def invoke(self, context: Context, event: Event) -> Returned:
        """Begin, or ask first."""
        self._in_window = not bpy.app.background
        return _ask(self, context) if self.ask else self.execute(context)

    def draw(self, context: Context) -> None:
        """Draw what is asked."""
        column = asking(self)
        column.prop(self, "source")
        if self.source == "COLLECTION":
            column.prop_search(self, "collection", bpy.data, "collections")
        column.prop(self, "file_format")
        column.prop(self, "component_id", placeholder="As what is pushed")
        draw_export_options(column, self, self.file_format)
        if LOST[self.file_format]:
            draw_text(column, context, LOST[self.file_format], "INFO")

    def steps(self, context: Context) -> Steps:
        """Export, and upload what was exported."""
        content, name = self._content(context)
        component_id = self.component_id or pulled_id(context, content) or name.replace("/", "_")
        if not component_id.lower().endswith(tuple(each[0] for each in FORMATS)):
            component_id += self.file_format
        view.refused = None
        operator: Any = self  # the stubs know no answer of as_keywords()
        again = operator.as_keywords(ignore=("ask",)) | {"component_id": component_id}
        told = []
        for part_id, part in parts_of(content, component_id, self.preset):
            told.append((yield from self._push(context, part_of(content, part), part_id, again)))
        return ". ".join(told)

    def _push(
        self, context: Context, content: Any, component_id: str, again: dict[str, Any]
    ) -> Generator[Step, None, str]:
        """Push one component; what is told of it."""
        suffix = Path(component_id).suffix.lower()
        path, kept = self.scratch() / f"component{suffix}", self.scratch() / "kept.blend"
        chosen = chosen_objects(content, suffix)
        closure = closure_of(content) if suffix == ".blend" else None
        metadata = describe(chosen, closure, comment=self.comment)
        push = Push(context, component_id, content)
        try:
            missing = yield from export_steps(
                path,
                content,
                name=Path(component_id).stem,
                options=export_options(self),
                kept=kept if self.preview else None,
            )
        except MissingFilesError:
            text = f'"{component_id}" was not pushed: it is not whole.'
            view.refused = Refused(component_id, text, "Push Without", again | {"allow_missing": True})
            raise
        condition = None if self.replace else push.condition
        try:
            info = yield from _upload(context, path, component_id, metadata, condition, beside=self.files == "BESIDE")
        except JobError as error:
            if error.kind != REFUSED:
                raise
            text = f'"{component_id}" was not pushed: the storage has another version.'
            view.refused = Refused(component_id, text, "Push Over It", again | {"replace": True}, is_newer=True)
            raise JobError(push.refusal, error.kind) from error
        push.remember(context, info)
        if self.preview:
            yield from self._add_picture(storage_config(context), component_id, path, kept)
        told = _told(info)
        if missing:
            told += f", without {counted(len(missing), 'file')}: {'; '.join(missing)}"
        return f"{told}. {closure.left_out}" if closure and closure.left_out else told

    def _add_picture(
        self, config: dict[str, Any], component_id: str, path: Path, kept: Path
    ) -> Generator[Step, None, None]:
        """Make a picture of what is stored by now, and store it beside that; it is no loss where it cannot be."""
        run = self._run
        assert run is not None
        with contextlib.suppress(OSError, JobError):
            if run.cancelled:
                return
            making = picture_of(path, kept, self.scratch() / "preview.png")
            try:
                yield making
            finally:
                making.cancel()
            picture = making.result()
            if picture is None or run.cancelled:
                return
            job = worker().submit("put_preview", config, component_id=component_id, path=str(picture))
            yield job
            job.wait()
            if self._in_window and not run.cancelled:
                yield from fetch_previews(config, component_id)

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
        name="Component",
        description="The component's ID in the storage; empty: the file's name",
        options={"SKIP_SAVE"},
    )
    beside: BoolProperty(  # type: ignore[valid-type]
        name="With What It Needs",
        description="Textures, buffers, libraries and caches in its folder or below become components beside it",
        options={"SKIP_SAVE"},
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
        info = yield from _upload(context, path, self.component_id or path.name, beside=self.beside)
        look_at_file(context)
        return _told(info)


class GGG_CLOUD_OT_pull(WorkerOperator):
    """Bring a component into the open scene"""

    bl_idname = "ggg_cloud.pull"
    bl_label = "Pull"
    bl_options = {"UNDO"}  # noqa: RUF012 - Blender's own way to declare it

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    link: BoolProperty(  # type: ignore[valid-type]
        name="Link",
        description="Link to the pulled .blend file instead of appending what is in it: an instance that can be moved, "
        "at the 3D cursor",
        options={"SKIP_SAVE"},
    )
    override: BoolProperty(  # type: ignore[valid-type]
        name="Library Override",
        description="With Link: make library overrides of all of it, so that it can be posed and changed here",
        options={"SKIP_SAVE"},
    )
    reuse: BoolProperty(  # type: ignore[valid-type]
        name="Reuse Data",
        description="Materials, node groups, textures and images that are in this file already do not come again",
        options={"SKIP_SAVE"},
    )
    version_id: StringProperty(  # type: ignore[valid-type]
        name="Version", description="An older version of it; empty: the current one", options={"SKIP_SAVE"}
    )
    ask: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    """Ask which component first, as in the File menu."""

    @classmethod
    def description(cls, context: Context, properties: Any) -> str:
        """What its button does."""
        if not properties.link:
            return "Bring a component into the open scene"
        made = (
            "make library overrides of it, to pose and change it" if properties.override else "make an instance of it"
        )
        return f"Link to the component and {made}"

    def invoke(self, context: Context, event: Event) -> Returned:
        """Begin, or ask first."""
        self._in_window = not bpy.app.background
        return _ask(self, context) if self.ask else self.execute(context)

    def draw(self, context: Context) -> None:
        """Draw what is asked."""
        column = asking(self)
        # The list may not be there yet, or not whole: what is typed counts too.
        column.prop_search(self, "component_id", state_of(context), "components", results_are_suggestions=True)
        column.prop(self, "link")
        if self.link:
            column.prop(self, "override")
        else:  # what is linked is never there twice
            column.prop(self, "reuse")
        picture = icon_of(self.component_id)
        if picture:
            column.template_icon(picture, scale=PICTURE_SCALE)

    def steps(self, context: Context) -> Steps:
        """Download it; then append it, or put it where it stays and link to it."""
        if not self.component_id:
            raise SceneError("No component is chosen; choose one in the list.")
        if self.link and not bpy.data.filepath:
            raise SceneError(f'Save this file first: what is linked is kept in "{LINKED_FOLDER}" beside it.')
        storage = storage_name(context)
        path, info = yield from fetch(context, self.component_id, self.version_id, self.scratch())
        name, came_from = Path(self.component_id).stem, origin(storage, info)
        try:
            if self.link:
                told = self._link(path, name, came_from, context)
            else:
                loaded = yield from load_steps(path, name, context=context, reuse=self.reuse)
                note_pull(context, loaded, came_from)
                objects = len(objects_in(loaded.collection))
                what = shown_kinds(kinds_of(loaded.assets)) if loaded.assets else counted(objects, "object")
                told = f'Pulled "{self.component_id}": {what}'
        finally:
            path.unlink(missing_ok=True)
        lacking = 0 if bpy.data.filepath else info["lacking"]
        unsaved = f"Save this file and pull it again: it needs {counted(lacking, 'file')} beside it" if lacking else ""
        return ". ".join(each for each in (told, newer_blender(info["metadata"]), unsaved) if each)

    def _link(self, path: Path, name: str, came_from: Origin, context: Context) -> str:
        place = linked_folder() / self.component_id
        linked = link_version(path, place, name, came_from, context=context, override=self.override)
        look_at_file(context)
        made = " as library overrides" if self.override else ""
        return f'Linked "{self.component_id}"{made}: {counted(linked.object_count, "object")}'


class GGG_CLOUD_OT_refresh(WorkerOperator):
    """List the components in the storage, and how they stand to the synced folder"""

    bl_idname = "ggg_cloud.refresh"
    bl_label = "Refresh"

    def steps(self, context: Context) -> Steps:
        """Ask for the listing, and fill the sidebar's list."""
        storage = view.storage
        job = worker().submit("list", storage_config(context), folder=sync_settings(context))
        yield job
        rows = job.wait()["rows"]
        if view.storage == storage:
            show_rows(context, rows)
            if self._in_window:
                yield from fetch_previews(storage_config(context))
        return f"Listed {counted(len(rows), 'component')}"


class GGG_CLOUD_OT_delete(WorkerOperator):
    """Delete the component from the storage; what it keeps versions of stays among them"""

    bl_idname = "ggg_cloud.delete"
    bl_label = "Delete from the Storage"

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def invoke(self, context: Context, event: Event) -> Returned:
        """Ask whether it is meant."""
        self._in_window = not bpy.app.background
        assert context.window_manager is not None
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Delete from the storage?",
            message=f'"{self.component_id}" is gone for everybody who uses {_named_storage(context)}.',
            confirm_text="Delete",
            icon="WARNING",
        )

    def steps(self, context: Context) -> Steps:
        """Delete it, and take it out of the list."""
        if not self.component_id:
            raise SceneError("No component is chosen; choose one in the list.")
        storage = view.storage
        job = worker().submit("delete", storage_config(context), component_ids=[self.component_id])
        yield job
        for component_id, error in job.wait():
            if error:
                raise JobError(error)
            if view.storage == storage:
                view.drop({component_id})
                fill_list(state_of(context))
                look_at_file(context)
        return f'Deleted "{self.component_id}"'


class GGG_CLOUD_OT_connection_choose(Operator):
    """Use this connection"""

    bl_idname = "ggg_cloud.connection_choose"
    bl_label = "Choose a Connection"

    index: IntProperty(name="Connection", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context: Context) -> Returned:
        """Choose it."""
        preferences = preferences_of(context)
        if preferences is None or not 0 <= self.index < len(preferences.connections):
            self.report({"WARNING"}, "There is no such connection.")
            return {"CANCELLED"}
        preferences.active_index = self.index
        show(context)
        return {"FINISHED"}


def _named_storage(context: Context) -> str:
    connection = active_connection(context)
    return f'"{connection.name}"' if connection else "this storage"


def asking(operator: Operator) -> Any:
    """A column for an operator's settings in its dialog."""
    assert operator.layout is not None
    column = operator.layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def _ask(operator: Operator, context: Context) -> Returned:
    assert context.window_manager is not None
    return context.window_manager.invoke_props_dialog(operator, width=DIALOG_WIDTH)


def linked_folder() -> Path:
    """Beside the open file, which was saved: for what it needs of the storage."""
    return Path(bpy.path.abspath("//"), LINKED_FOLDER)


def download(
    context: Context, component_id: str, version_id: str, target: Path, *, beside: bool = False
) -> Generator[Step, None, dict[str, Any]]:
    """Download a component, with what it needs and has beside it if that is asked; what the worker tells of it."""
    job = worker().submit(
        "download",
        storage_config(context),
        component_id=component_id,
        path=str(target),
        overwrite=False,
        version_id=version_id or None,
        blender=bpy.app.version[:2],
        beside=beside,
    )
    yield job
    info: dict[str, Any] = job.wait()
    return info


def fetch(
    context: Context, component_id: str, version_id: str, scratch: Path
) -> Generator[Step, None, tuple[Path, dict[str, Any]]]:
    """Download a component to be appended: to a file that the caller removes then. What a .blend needs beside it stays
    beside the open file, if that was saved; what another one needs is taken in when it is imported."""
    target = scratch / Path(component_id).name
    is_blend = target.suffix.lower() == ".blend"
    info = yield from download(context, component_id, version_id, target, beside=not is_blend)
    if not (info["lacking"] and bpy.data.filepath):
        return target, info
    # Its paths are meant from where it lies. A name of its own, as a component that is linked has the usual one.
    place = (linked_folder() / component_id).with_suffix(f".{uuid.uuid4().hex[:8]}.blend")
    info = yield from download(context, component_id, version_id, place, beside=True)
    return place, info


def _upload(
    context: Context,
    path: Path,
    component_id: str,
    metadata: dict[str, str] | None = None,
    condition: str | None = None,
    *,
    beside: bool = False,
) -> Generator[Step, None, dict[str, Any]]:
    """Upload a file and show it in the list."""
    storage = view.storage
    job = worker().submit(
        "upload",
        storage_config(context),
        path=str(path),
        component_id=component_id,
        metadata=metadata,
        condition=condition,
        beside=beside,
    )
    yield job
    info: dict[str, Any] = job.wait()
    if view.storage == storage:
        show_component(context, info)
    return info


def _told(info: dict[str, Any]) -> str:
    told = f'Pushed "{info["component_id"]}" ({shown_size(info["size"])})'
    return ". ".join((told, " ".join(info["missing"]))) if info["missing"] else told


def show_rows(context: Context, rows: list[Any]) -> None:
    """Fill the sidebar's list with what a listing found."""
    view.rows = [*map(Row._make, rows)]
    view.is_listed = True
    fill_list(state_of(context))
    look_at_file(context)


def show_component(context: Context, info: dict[str, Any]) -> None:
    """Put a component into the sidebar's list, in its place, and choose it."""
    # How it now stands to the synced folder, the next listing tells.
    view.put(Row(info["component_id"], info["size"], info["modified"], etag=info["etag"]))
    fill_list(state_of(context), chosen=info["component_id"])


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (
        GGG_CLOUD_OT_export_upload,
        GGG_CLOUD_OT_push,
        GGG_CLOUD_OT_pull,
        GGG_CLOUD_OT_refresh,
        GGG_CLOUD_OT_delete,
        GGG_CLOUD_OT_connection_choose,
    )
)
