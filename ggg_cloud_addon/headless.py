"""Scenes in and out without a window: where the engine and Blender meet, for the command line and the demo."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .blender.scene import SceneError

LINKED_FOLDER = "ggg_cloud"
"""Beside a .blend file: where the components lie that it links to."""


@contextlib.contextmanager
def blender() -> Iterator[Any]:
    """Give ``bpy``; what Blender prints meanwhile is dropped, as stdout is for answers.

    Raises:
        SceneError: this Python has no Blender.
    """
    try:
        import bpy
    except ImportError:
        raise SceneError(
            'This needs Blender: run "blender -b --command ggg_cloud ..." with the same arguments, or install '
            'Blender for Python with "pip install bpy==5.0.1".'
        ) from None
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield bpy
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def open_scene(path: Path) -> None:
    """Open a .blend file in place of the open one.

    Raises:
        SceneError: it is not there, or Blender cannot read it.
    """
    with blender() as bpy:
        if not path.is_file():
            raise SceneError(f'The file "{path}" does not exist; check the path.')
        try:
            bpy.ops.wm.open_mainfile(filepath=str(path.absolute()), load_ui=False)
        except RuntimeError as error:
            raise SceneError(f'Blender cannot open "{path}"; it may be damaged or no .blend file.') from error


def empty_scene() -> None:
    """Begin a new, empty file."""
    with blender() as bpy:
        bpy.ops.wm.read_factory_settings(use_empty=True)


@contextlib.contextmanager
def exported(component_id: str, *, collection: str | None = None, selection: bool = False) -> Iterator[Path]:
    """Export a collection, the selection, or else the whole scene; the file is there inside the block.

    Raises:
        SceneError: there is nothing to export, or it cannot be.
    """
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as folder:
        path = Path(folder, "component" + Path(component_id).suffix)
        with blender() as bpy:
            from .blender.scene.export import export_component, selected_objects

            content = bpy.context.scene
            if selection:
                content = selected_objects(bpy.context)
            elif collection is not None:
                content = bpy.data.collections.get(collection)
                if content is None:
                    raise SceneError(f'The scene has no collection "{collection}"; check its name.')
            export_component(path, content, name=Path(component_id).stem)
        yield path


def load(path: Path, component_id: str, *, link: bool = False) -> int:
    """Bring a component's file into the open scene; returns the number of its objects.

    Raises:
        SceneError: Blender cannot read it.
    """
    with blender() as bpy:
        from .blender.scene.load import load_component

        return len(load_component(path, Path(component_id).stem, context=bpy.context, link=link))


def save_scene(path: Path) -> None:
    """Save the open scene.

    Raises:
        SceneError: it cannot be written.
    """
    with blender() as bpy:
        try:
            bpy.ops.wm.save_as_mainfile(filepath=str(path))
        except RuntimeError as error:
            raise SceneError(f'"{path}" cannot be saved; check that its folder is there and your rights.') from error
