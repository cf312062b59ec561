"""Bringing what was pulled up to date: ``bpy.ops.ggg_cloud.update``."""

import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy.types import Context, Event, Operator

from ..worker.client import JobError
from .connections import storage_name
from .in_file import look_at_file, origin
from .job import Returned, Step, Steps, WorkerOperator, show
from .operators import fetch, show_component
from .scene import SceneError
from .scene.convert import Conversion
from .scene.link import update_linked
from .scene.merge import Side
from .scene.provenance import Origin, library_of, origin_of, pulled, set_origin
from .scene.update import ClashError, update
from .view import Undecided, view

GONE = ("ObjectNotFoundError", "IntegrityError", "ArchivedError", "UnsupportedError")
"""The kinds of errors when the storage has a version no more, or not at hand, or this Blender cannot open it."""
SIDES: Mapping[str, Side | None] = {"ASK": None, "MINE": "mine", "THEIRS": "theirs"}


class GGG_CLOUD_OT_update(WorkerOperator):
    """Bring the component in this file to the newest version; what you changed in it stays"""

    bl_idname = "ggg_cloud.update"
    bl_label = "Update"
    bl_options = {"UNDO"}  # noqa: RUF012 - Blender's own way to declare it

    component_id: StringProperty(name="Component", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    version_id: StringProperty(  # type: ignore[valid-type]
        name="Version", description="An older version of it; empty: the current one", options={"SKIP_SAVE"}
    )
    conflict: EnumProperty(  # type: ignore[valid-type]
        name="Changed on Both Sides",
        description="What to do with what both you and the new version changed",
        items=(
            ("ASK", "Ask", "Change nothing, and say what it is"),
            ("MINE", "Keep Mine", "What you changed stays"),
            ("THEIRS", "Take Theirs", "The new version's is taken"),
        ),
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: Context, event: Event) -> Returned:
        """Begin; what clashes is asked in the sidebar then."""
        self._in_window = not bpy.app.background
        return self.execute(context)

    def steps(self, context: Context) -> Steps:
        """Download it and the version that is here, and merge what was changed since."""
        storage, shown = storage_name(context), view.storage
        here: list[Any] = pulled(storage, self.component_id)
        if not here:
            raise SceneError(f'Nothing in this file was pulled as "{self.component_id}"; pull it.')
        path, info = yield from fetch(context, self.component_id, self.version_id, self.scratch())
        now = origin(storage, info)
        bases: dict[str, Path | None] = {}
        try:
            for key in dict.fromkeys(each.ggg_cloud.key for each in here):
                holder = _find(key)
                if holder is None:
                    continue
                if library := library_of(holder):
                    update_linked(library, path, now)
                    continue
                known = origin_of(holder)
                assert known is not None
                if known.sha256 and known.sha256 == now.sha256:
                    set_origin(holder, now)
                    continue
                if known.version_id not in bases:
                    bases[known.version_id] = yield from self._fetch_base(context, known)
                yield from self._update(context, key, path, bases[known.version_id], now)
        finally:
            for each in (path, *bases.values()):
                if each:
                    each.unlink(missing_ok=True)
        view.undecided = None
        if view.storage == shown:
            view.refused = None
            if not self.version_id:
                show_component(context, info)
        look_at_file(context)
        return f'Updated "{self.component_id}"'

    def _fetch_base(self, context: Context, known: Origin) -> Generator[Step, None, Path | None]:
        """Download the version that was pulled; ``None`` where it cannot be had and a side was chosen."""
        folder = self.scratch() / "base"
        folder.mkdir(exist_ok=True)
        why = "the storage keeps no versions of it"
        if known.version_id:
            try:
                path, info = yield from fetch(context, self.component_id, known.version_id, folder)
            except JobError as error:
                if error.kind not in GONE:
                    raise
                why = str(error).rstrip(".")
            else:
                if not known.sha256 or info["sha256"] == known.sha256:
                    # In the folder of the other version, as paths in both are meant from where they lie.
                    return path if path.parent != folder else path.rename(folder.with_name(f"base-{path.name}"))
                path.unlink(missing_ok=True)
                why = "its content is another one now"
        if self.conflict != "ASK":
            return None
        text = (
            f'"{self.component_id}" was not updated: the version that you pulled cannot be had any more ({why}), so '
            "what you changed cannot be told from what is new"
        )
        self._ask(f"{text}. Mine: you get only what is not here yet. Theirs: what you changed is dropped.")
        raise SceneError(
            f'{text}. Update with conflict="MINE" to get only what is not here yet, or "THEIRS" to drop what you '
            "changed."
        )

    def _ask(self, text: str) -> None:
        settings = {"component_id": self.component_id, "version_id": self.version_id}
        view.undecided = Undecided(self.component_id, text, settings)

    def _update(
        self, context: Context, key: str, path: Path, base: Path | None, now: Origin
    ) -> Generator[Step, None, None]:
        new = yield from _as_blend(path)
        was = (yield from _as_blend(base)) if base else None
        collection = _find(key)  # it may have been deleted meanwhile
        if collection is None:
            return
        try:
            update(collection, new, was, now, context, SIDES[self.conflict])
        except ClashError as error:
            self._ask(str(error))
            raise
        assert context.view_layer is not None
        context.view_layer.update()


class GGG_CLOUD_OT_look(Operator):
    """Look for what was changed in the components of this file; with millions of vertices it takes seconds"""

    bl_idname = "ggg_cloud.look"
    bl_label = "Look for Changes"

    def execute(self, context: Context) -> Returned:
        """Look at all of it."""
        look_at_file(context, vertices=math.inf)
        show(context)
        return {"FINISHED"}


def _as_blend(path: Path) -> Generator[Step, None, Path]:
    """Convert a file that is no .blend, beside it."""
    blend = path.with_suffix(".blend")
    if blend != path:
        conversion = Conversion(path, blend)
        yield conversion
        conversion.result()
    return blend


def _find(key: str) -> Any:
    """The collection or the library of a pull, by the key of its GGGCloudOrigin."""
    holders: Any = (*bpy.data.libraries, *bpy.data.collections)
    return next((each for each in holders if each.users and not each.library and each.ggg_cloud.key == key), None)


register, unregister = bpy.utils.register_classes_factory(  # type: ignore[func-returns-value, misc]  # so the stubs
    (GGG_CLOUD_OT_update, GGG_CLOUD_OT_look)
)
