"""Taking in the files that a .blend needs, or putting them beside it."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import bpy

from .needs import WITH_FILE, all_paths, beside_folder, is_inside, is_packed, named_elsewhere


def make_local() -> None:
    """Take what is linked into the open file, with all that it links itself."""
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if datablock.library:  # a path that begins with // is meant from the library's folder
                _set_path(datablock, bpy.path.abspath(datablock.filepath, library=datablock.library))
    for each in named_elsewhere():
        if each.owner.library:
            each.rename(each.file.path)
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    users = data.user_map()
    ahead = {each for each in users if each.library or each.override_library}
    while ahead:
        # After all that uses it, or Blender makes a copy and leaves the linked one to those (5.0, what is packed).
        ready = {each for each in ahead if not (users[each] & ahead) - {each}} or ahead
        for datablock in ready:
            datablock.make_local(clear_liboverride=True, clear_asset_data=False)
        ahead = ahead - ready


def pack() -> None:
    """Take in all files that Blender can pack, and name them without the folders of this machine."""
    with contextlib.suppress(RuntimeError):  # which lists those that are missing
        bpy.ops.file.pack_all()
    for image in bpy.data.images:
        if image.source == "TILED" and not image.packed_files:
            with contextlib.suppress(RuntimeError):
                image.pack()
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if is_packed(datablock) and datablock.filepath:
                _set_path(datablock, _bare(datablock.filepath))
    for image in bpy.data.images:
        for each in image.packed_files:
            each.filepath = _bare(each.filepath)
    for named in named_elsewhere():
        if named.file.can_be_packed and Path(named.file.path).is_file():
            named.holder.mode = "INTERNAL"
            named.holder.ies = bpy.data.texts.load(named.file.path, internal=True)


@contextlib.contextmanager
def no_renderer() -> Iterator[None]:
    """Let no renderer look at the nodes that are changed: Cycles would compile their scripts."""
    scene: Any = bpy.context.scene  # the stubs know only one renderer
    engine = scene.render.engine
    scene.render.engine = "BLENDER_WORKBENCH"
    try:
        yield
    finally:
        scene.render.engine = engine


def put_beside(folder: Path, name: str) -> None:
    """Copy what the open file needs to a folder in `folder`, and name it from there.

    Each file lies in a folder that is called by its content, so that a version never gets the files of another.
    """
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            if kind == "libraries" or is_inside(datablock):
                continue
            files = [path for each in all_paths(datablock) if (path := Path(each)).is_file()]
            if files:
                place = _put(files, folder, name)
                _set_path(datablock, f"//{place}/{PureWindowsPath(datablock.filepath).name}")
    for each in named_elsewhere():
        path = Path(each.file.path)
        if path.is_file():
            each.rename(f"//{_put([path], folder, name)}/{path.name}")


def _put(files: list[Path], folder: Path, name: str) -> str:
    """Copy the files; returns where they lie in `folder`."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    place = f"{beside_folder(name)}/{digest.hexdigest()[:12]}"
    (folder / place).mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / place / file.name)
    return place


def _bare(path: str) -> str:
    return "//" + PureWindowsPath(path).name


def _set_path(datablock: Any, path: str) -> None:
    """Without reading the file again, which setting ``filepath`` does for images."""
    setattr(datablock, "filepath_raw" if isinstance(datablock, bpy.types.Image) else "filepath", path)
