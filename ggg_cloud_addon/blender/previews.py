"""The pictures of components: fetched by the worker into a cache, and read by Blender when it draws them."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from ..worker.client import JobError
from .job import Step, worker
from .user_files import user_folder
from .view import ONLY_HERE, SHOWN_ROWS, view

FOLDER = "previews"
PICTURE_SCALE = 6.0
"""Of one that is shown alone: so many times the size of an icon."""
_collections: list[Any] = []


def preview_folder() -> Path:
    """Where they are kept; it may be emptied at any time."""
    folder = user_folder() / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def fetch_previews(config: dict[str, Any], only: str = "") -> Generator[Step, None, None]:
    """Fetch those that are not there yet, and the metadata that the search looks in.

    Of one component, or of those that the list may show.
    """
    storage = view.storage
    rows = [row for row in view.rows if row.component_id == only] if only else view.rows[:SHOWN_ROWS]
    items = [[row.component_id, row.etag] for row in rows if row.status not in ONLY_HERE]
    job = worker().submit("about", config, items=items, folder=str(preview_folder()))
    yield job
    with contextlib.suppress(JobError):  # a list without pictures is better than none; the log says why
        found = job.wait()
        if view.storage == storage:
            view.previews.update((component_id, path) for component_id, (path, _) in found.items() if path)
            view.metadata.update((component_id, metadata) for component_id, (_, metadata) in found.items())


def icon_of(component_id: str) -> int:
    """Blender's number for the picture, 0 where there is none. Reads memory: Blender itself loads the file later."""
    path = view.previews.get(component_id)
    if path is None or not _collections:
        return 0
    known = _collections[0]
    picture = known.get(path) or known.load(path, path, "IMAGE")
    return int(picture.icon_id)


def register() -> None:
    """Begin to keep pictures."""
    _collections.append(bpy.utils.previews.new())


def unregister() -> None:
    """Free them."""
    while _collections:
        bpy.utils.previews.remove(_collections.pop())
