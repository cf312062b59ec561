"""The files that a .blend needs beside itself: which they are, and what is wrong with them."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import bpy
from bpy.types import ID

MAX_WINDOWS_PATH = 259
"""Characters (Microsoft, "Maximum Path Length Limitation": 260 with the NUL at the end)."""
WITH_FILE = ("images", "sounds", "fonts", "volumes", "movieclips", "cache_files", "libraries")
"""Of ``bpy.data``: whose datablocks name a file each."""
WITH_NODES = ("materials", "worlds", "lights", "linestyles", "textures", "scenes")
"""Of ``bpy.data``: whose datablocks may have a node tree of their own."""
BUILT_IN_FONT = "<builtin>"
_MOVING = ("SEQUENCE", "MOVIE")


@dataclass(frozen=True)
class OutsideFile:
    """A file that is not inside the .blend."""

    path: str
    """Absolute."""
    can_be_packed: bool
    """Blender packs no movies, image sequences and simulation caches, and of what nodes read only light profiles."""
    can_move: bool = True
    """Whether it may lie in another place for the file that is pushed."""
    is_cache: bool = False
    """A file or folder that Blender itself writes: it is no fault if there is none, as nothing is baked then."""
    is_read_by_node: bool = False
    is_shape: bool = False
    """Whether it is read while shapes are made: a file of another format holds what came of it."""
    is_for_blender: bool = False
    """Whether no other format has what it is for: a script of a material, a strip."""


class Named(NamedTuple):
    """Where something other than a datablock of :data:`WITH_FILE` names a file."""

    holder: Any
    field: str
    owner: ID
    file: OutsideFile

    def rename(self, path: str) -> None:
        """Name another one."""
        setattr(self.holder, self.field, path)


def outside_files() -> Iterator[OutsideFile]:
    """All that the open file names, but for :func:`caches`. No file is looked at.

    Blender's own list has the last word on what there is; of what it lists, it does not say what it is.
    """
    known: set[str] = set()  # as Blender lists them
    linked = _libraries_that_are_needed()
    for kind in WITH_FILE:
        for datablock in getattr(bpy.data, kind):
            known.add(_listed(_absolute(datablock.filepath, datablock)))
            if kind == "libraries" and datablock not in linked:
                continue
            if not is_inside(datablock):
                can_be_packed = kind not in ("movieclips", "cache_files") and _source(datablock) not in _MOVING
                for path in _paths(datablock):
                    known.add(_listed(path))
                    yield OutsideFile(path, can_be_packed)
    for each in named_elsewhere():
        known.add(_listed(each.file.path))
        yield each.file
    known |= {_listed(path) for path in _not_needed()}
    for path in sorted(bpy.utils.blend_paths(absolute=True, packed=False, local=False)):
        if path and _listed(path) not in known:
            yield OutsideFile(path, can_be_packed=False, can_move=False, is_for_blender=True)


def of_other_format(files: Iterable[OutsideFile]) -> Iterator[OutsideFile]:
    """Those that have to be there, or be packed, for a file of another format."""
    for file in files:
        if not file.is_for_blender:
            yield replace(file, can_be_packed=True) if file.is_shape else file


def _not_needed() -> Iterator[str]:
    """What Blender lists and no component needs: texts, pictures of brushes, and where something was appended from.
    Also what is told as a cache, if it is one."""
    for text in bpy.data.texts:
        yield _absolute(text.filepath, text)
    for brush in bpy.data.brushes:
        yield _absolute(getattr(brush, "icon_filepath", ""), brush)
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    for datablock in data.user_map():
        if origin := datablock.library_weak_reference:
            yield _absolute(origin.filepath, datablock)
    for obj in bpy.data.objects:
        for modifier in obj.modifiers:
            yield from _folders(modifier, obj, is_baked=False)
        for cache in _point_caches(obj):
            yield _absolute(cache.filepath, obj)


def named_elsewhere() -> Iterator[Named]:
    """What nodes and modifiers name."""
    for owner, tree in _trees():
        for node in tree.nodes:
            if getattr(node, "filepath", "") and getattr(node, "mode", "") == "EXTERNAL":
                path = _absolute(node.filepath, owner)
                file = OutsideFile(path, is_profile(node), is_read_by_node=True, is_for_blender=True)
                yield Named(node, "filepath", owner, file)
            for socket in node.inputs:
                if socket.bl_idname == "NodeSocketStringFilePath" and socket.default_value and not socket.is_linked:
                    path = _absolute(socket.default_value, owner)
                    file = OutsideFile(path, can_be_packed=False, is_read_by_node=True, is_shape=True)
                    yield Named(socket, "default_value", owner, file)
    for obj in bpy.data.objects:
        modifiers: Any = obj.modifiers  # the stubs know what all modifiers have
        for modifier in modifiers:
            if modifier.type == "MESH_CACHE" and modifier.filepath:
                path = _absolute(modifier.filepath, obj)
                yield Named(modifier, "filepath", obj, OutsideFile(path, can_be_packed=False, is_shape=True))


def is_profile(node: Any) -> bool:
    """Whether a node reads a light profile (IES), which it can read from a text as well."""
    return bool(node.bl_idname == "ShaderNodeTexIES")


def _trees() -> Iterator[tuple[ID, Any]]:
    for kind in WITH_NODES:
        for datablock in getattr(bpy.data, kind):
            if tree := getattr(datablock, "node_tree", None):
                yield datablock, tree
    for group in bpy.data.node_groups:
        yield group, group


def caches() -> dict[str, list[str]]:
    """By the names of objects of the open file: the folders with what is baked for them.

    They are looked for before the component is written: Blender forgets them then. It finds the frames of a simulation
    by the name of the .blend, too, so that they cannot go with a component.
    """
    found: dict[str, list[str]] = {}
    opened = Path(bpy.data.filepath)
    for obj in bpy.data.objects:
        for modifier in obj.modifiers:
            found.setdefault(obj.name, []).extend(_folders(modifier, obj, is_baked=True))
        for cache in _point_caches(obj):
            if cache.use_external and cache.filepath:
                found[obj.name].append(_absolute(cache.filepath, obj))
            elif cache.use_disk_cache and cache.is_baked and opened.name and not obj.library:
                found[obj.name].append(str(opened.with_name(f"blendcache_{opened.stem}")))
    return {name: folders for name, folders in found.items() if folders}


def of_caches(found: dict[str, list[str]]) -> Iterator[OutsideFile]:
    """What the open file needs of what was found in another one."""
    for name, folders in found.items():
        if name in bpy.data.objects:
            yield from (OutsideFile(each, can_be_packed=False, can_move=False, is_cache=True) for each in folders)


def _folders(modifier: Any, obj: ID, *, is_baked: bool) -> Iterator[str]:
    """Those that a modifier names; with `is_baked` only those in which something is baked."""
    if modifier.type == "OCEAN" and modifier.filepath and (modifier.is_cached or not is_baked):
        yield _absolute(modifier.filepath, obj)
    elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
        if modifier.domain_settings.has_cache_baked_any or not is_baked:
            yield _absolute(modifier.domain_settings.cache_directory, obj)
    elif modifier.type == "NODES":
        for bake in modifier.bakes:
            target = getattr(bake, "bake_target", "DISK")  # since 4.3 a bake may be packed
            folder = bake.directory if bake.use_custom_path else modifier.bake_directory
            if folder and (modifier.bake_target if target == "INHERIT" else target) == "DISK":
                yield _absolute(folder, obj)


def _point_caches(obj: Any) -> Iterator[Any]:
    for modifier in obj.modifiers:
        if modifier.type == "PARTICLE_SYSTEM":
            yield modifier.particle_system.point_cache
        elif modifier.type in ("CLOTH", "SOFT_BODY"):
            yield modifier.point_cache
        elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings:
            yield from (surface.point_cache for surface in modifier.canvas_settings.canvas_surfaces)


def _libraries_that_are_needed() -> set[ID]:
    """Those of which something is not packed into the open file, as Blender 5 can."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    return {each.library for each in data.user_map() if each.library and not getattr(each, "is_linked_packed", False)}


def problems(
    files: Iterable[OutsideFile], *, packed: bool = True, on_windows: bool = sys.platform == "win32"
) -> list[str]:
    """What is wrong with them, in words after the file's name; each file once, in the order of the names.

    `packed`: they are to be packed, not to lie beside.
    """
    found = {file: problem for file in files if (problem := _problem(file, packed, on_windows))}
    return [
        f'"{PureWindowsPath(file.path).name or file.path}" {problem}'
        for file, problem in sorted(found.items(), key=lambda each: each[0].path)
    ]


def _problem(file: OutsideFile, packed: bool, on_windows: bool) -> str | None:
    path = PureWindowsPath(file.path)
    if on_windows and len(file.path) > MAX_WINDOWS_PATH:
        return f"has a path of {len(file.path)} characters, more than Windows allows"
    try:
        size = Path(file.path).stat().st_size
    except (OSError, ValueError):
        if path.drive and not (on_windows and Path(path.anchor).exists()):
            return f"lies on {path.drive}, which is not there"
        return None if file.is_cache else "is missing"
    if not size:
        return "is empty (0 bytes)"
    if packed and not file.can_be_packed:
        kind = "is read by a node" if file.is_read_by_node else "is a movie, a sequence or a cache"
        return f"{kind}, which Blender cannot pack"
    return None if packed or file.can_move else "is a cache or a strip, which cannot go along"


def beside_folder(name: str) -> str:
    """The folder of the files beside a component of this name, in the component's own."""
    return f"{name}.files"


def all_paths(datablock: Any) -> list[str]:
    """Its files: with all frames if it is a sequence."""
    paths = _paths(datablock)
    is_sequence = _source(datablock) == "SEQUENCE" or getattr(datablock, "is_sequence", False)
    if not is_sequence:
        return paths
    path = Path(paths[0])
    head = path.stem.rstrip("0123456789")
    frame = re.compile(re.escape(head) + r"\d+" + re.escape(path.suffix))
    return sorted(str(each) for each in path.parent.iterdir() if frame.fullmatch(each.name))


def _source(datablock: Any) -> str:
    return getattr(datablock, "source", "")


def is_packed(datablock: Any) -> bool:
    """Whether the open file holds it."""
    return bool(getattr(datablock, "packed_files", ()) or getattr(datablock, "packed_file", None))


def is_inside(datablock: Any) -> bool:
    """Whether no file of its own is needed: it is packed, generated or built in."""
    if not datablock.filepath or datablock.filepath == BUILT_IN_FONT or is_packed(datablock):
        return True
    if getattr(datablock, "is_archive", False):  # a library of which all is packed (Blender 5)
        return True
    if getattr(datablock, "archive_libraries", ()):
        data: Any = bpy.data
        return not any(each.library == datablock for each in data.user_map())
    return _source(datablock) in ("GENERATED", "VIEWER")


def _paths(datablock: Any) -> list[str]:
    path = _absolute(datablock.filepath, datablock)
    if _source(datablock) == "TILED":
        return [_of_tile(path, tile.number) for tile in datablock.tiles]
    return [path]


def _of_tile(path: str, number: int) -> str:
    """The file of one tile (Blender manual, "UDIMs")."""
    column, row = (number - 1001) % 10, (number - 1001) // 10
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{column + 1}_v{row + 1}")


def _listed(path: str) -> str:
    """As Blender lists it: where the system has no drives, a folder stands for one."""
    drive = PureWindowsPath(path).drive
    if drive and sys.platform != "win32":
        path = f"/{drive[0].lower()}{path[2:]}".replace("\\", "/")
    return os.path.normpath(path)


def _absolute(path: str, datablock: ID) -> str:
    return bpy.path.abspath(path, library=datablock.library)
