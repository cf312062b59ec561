"""Scenes in and out without a window: where the engine and Blender meet, for the command line and the demo."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .blender.scene import SceneError
from .blender.scene.blend_file import has_end
from .blender.scene.export_options import ExportOptions
from .cli_entry import SIGNALS
from .cloud_storage.files import flush_to_disk, link_or_copy, part_file, sweep_parts, translated


@contextlib.contextmanager
def blender() -> Iterator[Any]:
    """Give ``bpy``; what Blender prints meanwhile is dropped, as stdout is for answers, and Ctrl-C comes at the end.

    Raises:
        SceneError: this Python has no Blender.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        with _interrupted_at_the_end():
            try:
                import bpy
            except ImportError:
                raise SceneError(
                    'This needs Blender: run "blender -b --command ggg_cloud ..." with the same arguments, or install '
                    'Blender for Python with "pip install bpy==5.0.1".'
                ) from None
            yield bpy
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _interrupted_at_the_end() -> Iterator[None]:
    """Let signals that stop the command wait for the end of the block: within, Blender swallows an interrupt, or dies
    of it. Where Blender itself has taken a signal it stays Blender's, and Python's handler of it is ``None``."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets them
        yield
        return
    came: list[int] = []
    before = {
        number: handler
        for name in SIGNALS
        if (number := getattr(signal, name, None)) and callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def open_scene(path: Path) -> None:
    """Open a .blend file in place of the open one.

    Raises:
        SceneError: it is not there, or Blender cannot read it.
    """
    with blender() as bpy:
        if path.is_dir():
            raise SceneError(f'"{path}" is a directory; name a .blend file.')
        if not path.is_file():
            raise SceneError(f'The file "{path}" does not exist; check the path.')
        try:
            from .blender.scene.trust import may_run_scripts

            absolute = str(path.absolute())
            bpy.ops.wm.open_mainfile(filepath=absolute, load_ui=False, use_scripts=may_run_scripts(absolute))
        except RuntimeError as error:
            raise SceneError(f'Blender cannot open "{path}"; it may be damaged or no .blend file.') from error


def open_scene_path() -> Path | None:
    """The .blend file that is open; ``None`` for a scene without one: Blender's own first is nobody's work."""
    with blender() as bpy:
        return Path(bpy.data.filepath) if bpy.data.is_saved else None


def empty_scene() -> None:
    """Begin a new, empty file."""
    with blender() as bpy:
        # Not read_factory_settings(): there are no extensions in these, so it empties the folder of all wheels.
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@dataclass(frozen=True)
class Exported:
    """What was written of a scene, and what is told of it."""

    path: Path
    metadata: Mapping[str, str]
    missing: Sequence[str]
    """What it had to do without: a file's name, and what is wrong with it."""
    left_out: Sequence[Mapping[str, str]]
    """What is used by something in it and no part of it: its ``name``, and what it was ``used_by``."""
    told: str
    """The same in a sentence; empty if there is nothing."""
    kept: Path
    """For the picture, see :func:`.blender.scene.export.export_steps`."""

    def picture(self) -> bytes | None:
        """Make a picture (PNG), which may take a minute; ``None`` if there is nothing to see, or it cannot be made."""
        with blender(), contextlib.suppress(OSError):
            from .blender.scene.export import picture_of

            made = picture_of(self.path, self.kept, self.kept.with_suffix(".png")).result()
            return made.read_bytes() if made else None
        return None


def parts(
    component_id: str, *, collection: str | None = None, selection: bool = False, preset: str = ""
) -> list[tuple[str, Any]]:
    """The ID and the content of each component that becomes of a collection, the selection, or else the whole scene.

    Raises:
        SceneError: there is no such collection, or the preset does not fit.
    """
    with blender() as bpy:
        from .blender.scene.by_object import part_of, parts_of
        from .blender.scene.export import selected_objects

        content = bpy.context.scene
        if selection:
            content = selected_objects(bpy.context)
        elif collection is not None:
            content = bpy.data.collections.get(collection)
            if content is None:
                raise SceneError(f'The scene has no collection "{collection}"; check its name.')
        found = parts_of(content, component_id, preset)
        return [(each, part_of(content, part)) for each, part in found]


@contextlib.contextmanager
def exported(component_id: str, content: Any = None, *, options: ExportOptions | None = None) -> Iterator[Exported]:
    """Export what :func:`parts` gave, or the whole scene; the file is there inside the block.

    Raises:
        SceneError: there is nothing to export, or it cannot be.
    """
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as folder:
        path, kept = Path(folder, "made", Path(component_id).name), Path(folder, "kept.blend")
        path.parent.mkdir()
        with blender() as bpy:
            from .blender.scene.closure import closure_of
            from .blender.scene.convert import straight_through
            from .blender.scene.describe import describe
            from .blender.scene.export import chosen_objects, export_steps

            if content is None:
                content = bpy.context.scene
            try:
                suffix = path.suffix.lower()
                chosen = chosen_objects(content, suffix)
                closure = closure_of(content) if suffix == ".blend" else None
                metadata = describe(chosen, closure, comment=options.comment if options else "")
                pointers = closure.pointers if closure else ()
                left_out = [{"name": target.name, "used_by": user.name} for user, target in pointers]
                told = closure.left_out if closure else ""
                name = Path(component_id).stem
                missing = straight_through(export_steps(path, content, name=name, options=options, kept=kept))
            except OSError as error:
                why = " ".join(str(error).split())
                raise SceneError(f'"{component_id}" cannot be exported ({why}); check the free space.') from error
        yield Exported(path, metadata, missing, left_out, told, kept)


def load(path: Path, component_id: str, *, link: bool = False, override: bool = False, reuse: bool = False) -> int:
    """Bring a component's file into the open scene; returns the number of its objects.

    With ``link`` it is linked, and with ``override`` as library overrides.

    Raises:
        SceneError: Blender cannot read it.
    """
    with blender() as bpy:
        from .blender.scene.link import link_component
        from .blender.scene.load import load_component

        name = Path(component_id).stem
        if link:
            linked = link_component(path, name, context=bpy.context, override=override)
            return linked.object_count
        return len(load_component(path, name, context=bpy.context, reuse=reuse))


def save_scene(path: Path) -> None:
    """Save the open scene: whole, or not at all.

    Raises:
        SceneError: Blender cannot write it, or it is read-only.
        LocalFileError: the folder cannot be written.
    """
    if path.exists() and not os.access(path, os.W_OK):
        raise SceneError(f'"{path}" is read-only, so nothing was saved; allow writing, or choose another file.')
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path.parent)
        with part_file(path.parent, path.name) as part:
            with blender() as bpy:
                try:  # in the same folder, as links and textures are saved relative to it
                    bpy.ops.wm.save_as_mainfile(filepath=str(part), copy=True)
                except RuntimeError as error:
                    raise SceneError(f'"{path}" cannot be saved; check your rights and the free space.') from error
            if not has_end(part):
                raise SceneError(f'"{path}" cannot be saved whole; check the free space.')
            with part.open("rb+") as stream:
                flush_to_disk(stream)
            os.replace(part, path)


def load_into(
    scene: Path, path: Path, component_id: str, *, link: bool = False, override: bool = False, reuse: bool = False
) -> int:
    """Bring a component's file into a .blend file, a new one if it is not there; returns the number of its objects.

    Raises:
        SceneError: Blender cannot read one of them, or write the scene.
        LocalFileError: the scene's folder cannot be written.
    """
    seen = scene.stat() if scene.exists() else None
    if seen is not None:
        open_scene(scene)
    else:
        empty_scene()
    objects = load(path, component_id, link=link, override=override, reuse=reuse)
    now = scene.stat() if scene.exists() else None
    if (seen and (seen.st_size, seen.st_mtime_ns)) != (now and (now.st_size, now.st_mtime_ns)):
        raise SceneError(f'"{scene}" was saved by somebody else meanwhile, so it was left alone; try again.')
    save_scene(scene)
    return objects


@contextlib.contextmanager
def put_back_on_error(path: Path) -> Iterator[None]:
    """Should the block fail, the file gets its old content back, or goes away again with the folders made for it."""
    made = [folder for folder in path.parents if not folder.exists()]
    with contextlib.ExitStack() as stack:
        kept = None
        if path.is_file():
            kept = stack.enter_context(part_file(path.parent, path.name))
            link_or_copy(path, kept, path.parent)
        try:
            yield
        except BaseException:
            if kept is not None:
                os.replace(kept, path)
            elif path.is_file():
                path.unlink()
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise
