"""Write a selection, a collection or a scene to one component file."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Collection, Context, Object, Scene

from . import MissingFilesError, SceneError
from .assets import loose_assets
from .beside.needs import beside_folder, caches, outside_files
from .blend_file import has_end
from .closure import Closure, Content, closure_of, named, objects_in
from .convert import EXCHANGE_FORMATS, Conversion, Picture, straight_through
from .describe import user_name
from .export_options import ExportOptions
from .layers import Hidden
from .operator_presets import find_preset
from .physics import add_rigid_bodies, world_settings

FORMATS = (".blend", *EXCHANGE_FORMATS)

# What Blender's exporters write; an empty may be an instance of a collection.
_SURFACES = {"MESH", "CURVE", "SURFACE", "META", "FONT", "EMPTY"}
_ONLY_SURFACES = (".stl", ".obj", ".ply")
_TYPES = dict.fromkeys(EXCHANGE_FORMATS, _SURFACES | {"CAMERA", "LIGHT", "ARMATURE"}) | dict.fromkeys(
    _ONLY_SURFACES, _SURFACES
)


def selected_objects(context: Context) -> list[Object]:
    """Return the selected objects of the current view layer; also works where the context has no area."""
    layer = context.view_layer
    return list(layer.objects.selected) if layer else []


def export_component(
    path: Path,
    objects: Content,
    *,
    name: str,
    options: ExportOptions | None = None,
    preview: Path | None = None,
) -> list[str]:
    """Do all of :func:`export_steps` before returning; with `preview`, make a picture (PNG) there too, if there is
    anything to see."""
    if preview is None:
        return straight_through(export_steps(path, objects, name=name, options=options))
    with tempfile.TemporaryDirectory(prefix="ggg_cloud-", ignore_cleanup_errors=True) as folder:
        kept = Path(folder, "kept.blend")
        problems = straight_through(export_steps(path, objects, name=name, options=options, kept=kept))
        picture_of(path, kept, preview).result()
    return problems


def picture_of(path: Path, kept: Path, target: Path) -> Picture:
    """Begin to make the picture of a file that was exported to `path` with `kept`."""
    return Picture(kept if kept.exists() else path, target)


def export_steps(
    path: Path,
    objects: Content,
    *,
    name: str,
    options: ExportOptions | None = None,
    kept: Path | None = None,
) -> Generator[Conversion, None, list[str]]:
    """Write the objects, the collection or the scene to `path`, in the format that its suffix names.

    Yields the conversion that has to end before it goes on, if there is one; the open file is needed until then only.

    A `.blend` holds a scene called `name` (or the scene itself), so it opens like any file. The other formats
    hold what the viewport shows, modifiers applied: given objects are written even when hidden, hidden ones of
    a collection or a scene are left out, but for the armatures that deform what is written. 1 m stays 1 m; STL, OBJ
    and PLY know no unit and take the scene's bare numbers.
    A `.blend` holds the closure of what is given and nothing else, see :mod:`.closure`. It takes in the textures,
    libraries and other files that it needs, unless the options say otherwise; files beside it get a folder beside
    `path`.
    Whatever was at `path` is replaced at the end in one step, or not at all. The open file stays as it was.
    With `kept` a .blend of what is in the file is left there, for :func:`picture_of`, unless the file is one itself.

    Returns what it had to do without, if the options allow that; else raises MissingFilesError. Raises SceneError
    when there is nothing to write or Blender cannot, OSError when the disk refuses.
    """
    options = options or ExportOptions()
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise SceneError(f'"{path.name}" cannot be pushed: choose one of {", ".join(FORMATS)}.')
    if suffix == ".blend" and options.settings:
        raise SceneError(f"A .blend takes no options of an exporter: leave out {', '.join(options.settings)}.")
    preset = find_preset(options.preset, suffix)
    chosen = chosen_objects(objects, suffix)
    if suffix in EXCHANGE_FORMATS and not any(obj.type in _TYPES[suffix] for obj in chosen):
        raise SceneError(f'"{name}" holds nothing that {suffix} can store: choose meshes, or push a .blend.')
    bpy.ops.ed.flush_edits()  # what is being edited or sculpted, into the objects' data
    with tempfile.TemporaryDirectory(prefix=".ggg_cloud-", dir=path.parent, ignore_cleanup_errors=True) as folder:
        blend, made = Path(folder, f"{path.stem}.blend"), Path(folder, "made", path.stem + suffix)
        content = objects if suffix == ".blend" and isinstance(objects, Collection | Scene) else chosen
        closure = closure_of(content)
        standing = closure.standing() if suffix == ".blend" else {}
        # What was painted is in memory only: no .blend that is written now has it.
        unsaved = [image.name for image in bpy.data.images if image.is_dirty and not image.library]
        baked = caches()
        is_needing = bool(unsaved or baked or any(outside_files()) or _has_packed_links(closure))
        is_alone = options.files == "LEAVE" or not is_needing
        is_final = suffix == ".blend" and is_alone and not closure.outside and not options.asset
        scene_name = _write_blend(
            blend, content, name, compress=options.compress and is_final, is_blend=suffix == ".blend"
        )
        problems: list[str] = []
        if not is_final:
            made.parent.mkdir()
            request: dict[str, object] = asdict(replace(options, files="LEAVE") if is_alone else options)
            # What is shaped by other objects needs them until it is written: an exporter keeps no pointer to them.
            outside = [named(each) for each in closure.outside if suffix == ".blend" or isinstance(each, Scene)]
            request |= {"scene": scene_name, "outside": outside, "standing": standing}
            request |= {"name": name, "unsaved": unsaved, "caches": baked}
            request |= {"author": user_name(), "picture": kept is not None}
            request |= {"preset": preset.settings[suffix], "at_origin": preset.by_object}
            request |= {"files": options.files} if suffix == ".obj" else {}  # its materials are files of their own
            conversion = Conversion(blend, made, **request)
            yield conversion
            if conversion.crashed and options.asset:  # a picture is no reason not to store it
                conversion = Conversion(blend, made, **request | {"picture": False})
                yield conversion
            problems = conversion.result()
            if problems and not options.allow_missing:
                raise MissingFilesError(name, problems)
        written = made if made.exists() else blend
        if suffix == ".blend" and not has_end(written):
            raise SceneError(f'"{path.name}" cannot be written whole: check the free space.')
        beside = made.parent / beside_folder(name)
        if beside.exists():
            shutil.copytree(beside, path.parent / beside.name, dirs_exist_ok=True)
        if kept and suffix != ".blend":
            shutil.move(blend, kept)
        written.replace(path)
    return problems


def chosen_objects(objects: Content, suffix: str) -> list[Object]:
    """Return the objects that a file of this kind gets, each once; raise SceneError when there are none."""
    found = _found_objects(objects, suffix)
    if suffix in EXCHANGE_FORMATS and suffix not in _ONLY_SURFACES:
        found += [rig for obj in found for rig in _rigs(obj)]  # which artists hide
    return list(dict.fromkeys(found))


def _rigs(obj: Object) -> Iterator[Object]:
    """The armatures that deform it."""
    modifiers: Any = obj.modifiers  # the stubs know what all modifiers have
    yield from (each.object for each in modifiers if each.type == "ARMATURE" and each.object)
    if obj.parent and obj.parent_type == "ARMATURE":
        yield obj.parent


def _found_objects(objects: Sequence[Object] | Collection | Scene, suffix: str) -> list[Object]:
    visible_only = suffix in EXCHANGE_FORMATS
    if not isinstance(objects, Collection | Scene):
        if not objects:
            raise SceneError("Nothing is selected: select the objects to push.")
        return list(objects)
    title = f'The {"scene" if isinstance(objects, Scene) else "collection"} "{objects.name}"'
    found = list(objects.objects if isinstance(objects, Scene) else objects_in(objects))
    if not found and not (isinstance(objects, Scene) and not visible_only and loose_assets()):
        raise SceneError(f"{title} is empty: add an object, or choose something else to push.")
    if visible_only:
        layer = bpy.context.view_layer
        if isinstance(objects, Scene) and objects != bpy.context.scene:
            layer = objects.view_layers[0]
        found = [obj for obj in found if obj.visible_get(view_layer=layer)]
        if not found:
            raise SceneError(f"{title} shows no object: unhide what to push, or select it.")
    return found


def _has_packed_links(closure: Closure) -> bool:
    """Whether something in it is linked and packed (Blender 5), which an artist who pulls it could not change."""
    return any(each.library and getattr(each, "is_linked_packed", False) for each in closure.inside)


def _write_blend(path: Path, content: Content, name: str, *, compress: bool, is_blend: bool) -> str:
    """Write all that can be reached from there; returns what its scene is called."""
    with contextlib.ExitStack() as stack:
        scene = content if isinstance(content, Scene) else _own_scene(stack, content, name, is_blend=is_blend)
        # Reading it makes Blender lay it out: 5.2 crashes on writing a view layer that was never shown or asked.
        _ = [layer.active_layer_collection for layer in scene.view_layers]
        written = {scene, *loose_assets()} if isinstance(content, Scene) else {scene}
        try:
            bpy.data.libraries.write(str(path), written, path_remap="ABSOLUTE", compress=compress)
        except (RuntimeError, OSError) as error:
            reason = " ".join(str(error).split()).removeprefix("Error: ").rstrip(".")
            raise SceneError(f'"{path.name}" cannot be written: {reason}.') from error
        return scene.name


def _own_scene(
    stack: contextlib.ExitStack, content: Sequence[Object] | Collection, name: str, *, is_blend: bool
) -> Scene:
    """A scene for a component, until `stack` is closed; what is pulled from it looks and moves as in this one, while
    an exporter is to see all that it gets, and where that stands."""
    current, layer = bpy.context.scene, bpy.context.view_layer
    assert current is not None
    assert layer is not None
    made: list[Collection] = []
    stack.callback(lambda: bpy.data.batch_remove(made))
    scene: Scene = stack.enter_context(_temporary(bpy.data.scenes, name))
    _copy_settings(current, scene)
    if isinstance(content, Collection):
        collection = content
    else:
        collection = stack.enter_context(_temporary(bpy.data.collections, name))
        for obj in content:
            collection.objects.link(obj)
    scene.collection.children.link(collection)
    if isinstance(content, Collection) and is_blend:
        hidden = Hidden()
        hidden.add(layer)
        hidden.put(scene.view_layers[0], collection)
    if current.rigidbody_world and is_blend:
        made += add_rigid_bodies(scene, objects_in(collection), world_settings(current))
    return scene


@contextlib.contextmanager
def _temporary(datablocks: Any, name: str) -> Iterator[Any]:  # the stubs know no type for any of bpy.data's
    """Give a new datablock called exactly `name`, and remove it at the end.

    The user's datablock of that name is renamed meanwhile: pulled, edited and pushed again, it always exists.
    """
    taken = datablocks.get((name, None))
    if taken is not None:
        taken.name = f"{name}.001"
    new = datablocks.new(name)
    try:
        yield new
    finally:
        bpy.data.batch_remove([new])  # scenes.remove() looks at the window, and a Blender's command has none: it dies
        if taken is not None:
            taken.name = name


def _copy_settings(source: Scene, target: Scene) -> None:
    """Give `target` the units, the time line and the gravity of `source`: what is in it means nothing without."""
    target.unit_settings.system = source.unit_settings.system
    target.unit_settings.scale_length = source.unit_settings.scale_length
    target.render.fps, target.render.fps_base = source.render.fps, source.render.fps_base
    target.frame_start, target.frame_end = source.frame_start, source.frame_end
    target.frame_current, target.frame_subframe = source.frame_current, source.frame_subframe
    target.use_gravity, target.gravity = source.use_gravity, source.gravity
