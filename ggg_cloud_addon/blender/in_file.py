"""The components in the open file: which versions they are, and what is pushed back."""

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.types import Collection, Context

from .connections import storage_name
from .scene import SceneError
from .scene.closure import ROOT, contents, objects_in
from .scene.load import Loaded
from .scene.provenance import (
    Origin,
    changed,
    forget,
    is_linked,
    known_etag,
    origin_of,
    pulled,
    remember,
    remember_push,
    take,
)
from .view import InFile, view

REFUSED = "PreconditionFailedError"
"""The kind of the worker's error when the component is not what the push expected."""
ABSENT = "absent"
"""The condition of a push: there is no such component yet."""

QUICK = 10_000
"""Vertices that are looked at in about a hundredth of a second, in which Blender waits; a million take one."""


class Push:
    """A push from the scene: what it expects to find in the storage, and what the file knows after it."""

    def __init__(self, context: Context, component_id: str, content: Any) -> None:
        """Look at what is about to be exported, before anybody can change it."""
        self.component_id = component_id
        self._storage = storage_name(context)
        collection = content if isinstance(content, Collection) else None
        self._etag = known_etag(self._storage, component_id, collection)
        self._uid: int | None = None
        if collection and self._becomes(collection):
            parts = contents(collection)
            if not any(each.override_library for each in parts):  # on these nothing can be noted
                bpy.ops.ed.flush_edits()
                self._uid, self._taken = collection.session_uid, take(parts)

    @property
    def condition(self) -> str:
        """What the worker's verb ``upload`` takes: the ETag that it has still, or that there is none."""
        return view.newest_own(self._storage, self.component_id, self._etag) or ABSENT

    @property
    def refusal(self) -> str:
        """What to tell when the condition did not hold."""
        over = "push under another name, or push over it (the other version stays in the history)"
        if pulled(self._storage, self.component_id):
            what = "was changed in the storage since you pulled it; Update it and push again"
        elif self._etag:
            what = "was changed in the storage since you pushed it; pull it"
        else:
            what = "is in the storage already; pull it"
        return f'"{self.component_id}" {what}, {over}.'

    def remember(self, context: Context, info: dict[str, Any]) -> None:
        """Note in the file which version it was. Neither an undo step nor a change to be saved."""
        now = origin(self._storage, info)
        view.own_etags[self._storage, self.component_id, self._etag] = now.etag
        remember_push(context.scene, now)
        collection = next((each for each in bpy.data.collections if each.session_uid == self._uid), None)
        if collection:
            remember(collection, now, self._taken)
        look_at_file(context)

    def _becomes(self, collection: Collection) -> bool:
        """Whether the collection is this component from now on: not when it is another one, or went out with losses."""
        known = origin_of(collection)
        is_same = known is None or (known.storage, known.component_id) == (self._storage, self.component_id)
        is_whole = Path(self.component_id).suffix.lower() == ".blend"
        return is_same and (is_whole or known is not None) and not collection.library and not is_linked(collection)


def pulled_id(context: Context, content: Any) -> str:
    """The ID of the component that a collection was pulled as from this storage, or ``""``."""
    known = origin_of(content) if isinstance(content, Collection) else None
    return known.component_id if known and known.storage == storage_name(context) else ""


def origin(storage: str, info: dict[str, Any]) -> Origin:
    """Out of what the worker tells of a component."""
    return Origin(storage, info["component_id"], info["etag"], info["version_id"] or "", info["sha256"] or "")


def note_pull(context: Context, loaded: Loaded, came_from: Origin) -> None:
    """Note in the file what was pulled into it."""
    forget(loaded.names)
    remember(loaded.collection, came_from, take({**loaded.names, loaded.collection: ROOT}))
    look_at_file(context)


def look_at_file(context: Context, *, vertices: float = QUICK) -> None:
    """Bring up to date what the sidebar shows of the components in the file.

    What was changed here is looked for in the first components that have together no more vertices than that.
    """
    try:
        storage = storage_name(context)
    except SceneError:  # the connection is not set up yet
        view.in_file = []
        return
    rows = {row.component_id: row.etag for row in view.rows}
    found = []
    for holder in pulled(storage):
        known = origin_of(holder)
        assert known is not None
        there = _in_storage(rows.get(known.component_id), known.etag)
        if is_linked(holder):
            name = Path(known.component_id).stem
            found.append(InFile(name, known.component_id, is_linked=True, etag=known.etag, storage=there))
            continue
        meshes: Any = {obj.data for obj in objects_in(holder) if obj.type == "MESH"}
        vertices -= sum(len(mesh.vertices) for mesh in meshes)
        found.append(
            InFile(
                holder.name,
                known.component_id,
                is_linked=False,
                etag=known.etag,
                storage=there,
                changed=tuple(each.name for each in changed(holder)) if vertices >= 0 else None,
            )
        )
    view.in_file = sorted(found, key=lambda each: each.collection)


def _in_storage(etag: str | None, known: str) -> str:
    if etag is None:
        return "gone" if view.is_listed else ""
    # A plain folder's ETag had two of its four parts up to 0.5.1.
    return "newer" if etag and etag != known and not etag.startswith(f"{known}.") else ""


@persistent  # type: ignore[untyped-decorator]  # so the stubs
def _look_again(path: str) -> None:
    view.refused = view.undecided = None
    view.own_etags.clear()
    look_at_file(bpy.context, vertices=-1)


def register() -> None:
    """Look at each file that is opened."""
    bpy.app.handlers.load_post.append(_look_again)


def unregister() -> None:
    """Do not any more."""
    bpy.app.handlers.load_post.remove(_look_again)
