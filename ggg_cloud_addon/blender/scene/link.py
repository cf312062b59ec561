"""Link to a component's file as Blender's own Link does, and let what is linked follow to another version of it."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bpy
from bpy.types import ID, Collection, Context, Library, Object

from . import SceneError
from .closure import needed_by, objects_in
from .load import content_of, leave_edit_mode, opened, reason_of, select_only
from .provenance import Origin, library_of, origin_of, remember
from .trust import hold_back


class Top(NamedTuple):
    """What is at the top of a component's file, linked."""

    collections: list[Collection]
    objects: list[Object]

    @property
    def single(self) -> Collection | None:
        """The component itself, where it was pushed as a collection or a selection."""
        return self.collections[0] if len(self.collections) == 1 and not self.objects else None

    @property
    def members(self) -> list[Collection | Object]:
        """What the component consists of."""
        single = self.single
        return [*single.children, *single.objects] if single else [*self.collections, *self.objects]


class Linked(NamedTuple):
    """A component that was linked."""

    library: Library
    collection: Collection
    """What is instanced or overridden: the file's one collection, or a local one of all that is at its top."""

    @property
    def object_count(self) -> int:
        """How many objects it has."""
        return len(objects_in(self.collection))


class _Names(NamedTuple):
    """What was at the top of the version before."""

    single: str | None
    members: frozenset[tuple[type, str]]


def link_component(path: Path, name: str, *, context: Context, override: bool = False) -> Linked:
    """Link to the component in `path`, which must then stay where it is; it becomes the selection.

    As Blender's own Link does it, an empty called `name` instances the component's collection, in the active
    collection and at the 3D cursor. Where the file holds more than one thing at its top, the empty instances a local
    collection of all that. With `override`, editable library overrides take the place of the instance.

    Raises SceneError when the file cannot be read, holds no objects, or no overrides can be made of it; the open file
    is then as it was.
    """
    if path.suffix.lower() != ".blend":
        raise SceneError(f'"{path.name}" cannot be linked, only a .blend can: append it instead.')
    if not path.is_file():
        raise SceneError(f'"{path.name}" cannot be opened: there is no such file.')
    with _linking(path) as top:
        if override:
            _overridable(top, path)
        leave_edit_mode(context)
        collection = top.single or _local(name, top)
        library = top.members[0].library
        assert library is not None
        # The overrides take its place; the name is for one of them.
        empty: Any = bpy.data.objects.new("" if override else name, None)
        empty.instance_type, empty.instance_collection = "COLLECTION", collection
        _place(empty, context)
        shown = _overridden(empty, path, context) if override else [empty]
    select_only(shown, context)
    return Linked(library, collection)


def link_version(
    path: Path, place: Path, name: str, origin: Origin, *, context: Context, override: bool = False
) -> Linked:
    """Put the file at `path`, which is this version of a component, to `place`, link to it, and note that.

    What the open file links to there follows. Raises SceneError, or OSError when the disk refuses; what was at
    `place` is then there again.
    """
    there = _library_at(place)
    known = origin_of(there) if there else None
    if known and known.storage != origin.storage:
        raise SceneError(
            f'"{origin.component_id}" of another storage is linked in this file, to "{place}": link this one elsewhere.'
        )
    with _following(path, place, origin, to_override=override) as wrappers:
        linked = link_component(place, name, context=context, override=override)
        own = [] if linked.collection.library else [linked.collection]
        for holder in {linked.library, *wrappers, *own}:
            remember(holder, origin, {})
    return linked


def update_linked(library: Library, path: Path, origin: Origin) -> None:
    """Put the file at `path`, which is this version of the component, in the place of a library of the open file.

    Raises SceneError, or OSError when the disk refuses; what was there is then there again.
    """
    with _following(path, Path(bpy.path.abspath(library.filepath)), origin) as wrappers:
        for holder in (library, *wrappers):
            remember(holder, origin, {})


@contextlib.contextmanager
def _following(path: Path, place: Path, origin: Origin, *, to_override: bool = False) -> Iterator[list[Collection]]:
    """Put a version of a component where another one may be; what the open file links to there follows.

    Gives the local collections that hold what is at the top of the file. Should the block fail, or Blender not read
    the file, the old one is there again.
    """
    library = _library_at(place)
    if library is None:
        with _replaced(path, place):
            yield []
        return
    if origin_of(library) == origin and _is_same(path, place):
        yield _wrappers(library)
        return
    with _linking(path) as top:  # it can be read, or nothing was changed so far
        if to_override:
            _overridable(top, path)
    before, editable = _names(place), _editable_overrides()
    try:
        with _replaced(path, place):
            try:
                library.reload()
                hold_back(each for each in _everything() if each.library)
                wrappers = _follow(library, place, before, editable)
            except RuntimeError as error:
                raise SceneError(f'"{place.name}" cannot be updated: {reason_of(error)}.') from error
            yield wrappers
    except BaseException:
        library.reload()
        raise


@contextlib.contextmanager
def _replaced(path: Path, place: Path) -> Iterator[None]:
    """Within the block the new file is there; if it fails, the old one is there again.

    What was there is kept, as Blender keeps what it saves over, in a file that ends with ".blend1": the user may have
    worked on it.
    """
    is_there = place.is_file()
    if _is_same(path, place):
        yield
        return
    kept = place.with_suffix(".blend1")
    place.parent.mkdir(parents=True, exist_ok=True)
    if is_there:
        _copy(place, kept)
    _copy(path, place)
    try:
        yield
    except BaseException:
        if is_there:
            _copy(kept, place)
        else:
            place.unlink()
        raise


def _is_same(path: Path, place: Path) -> bool:
    return place.is_file() and filecmp.cmp(path, place, shallow=False)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}-part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _library_at(place: Path) -> Library | None:
    def plain(path: Path | str) -> str:
        return os.path.normcase(os.path.realpath(path))

    here = (each for each in bpy.data.libraries if plain(bpy.path.abspath(each.filepath)) == plain(place))
    return next(here, None)


def _everything() -> set[ID]:
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    return set(data.user_map())


@contextlib.contextmanager
def _linking(path: Path) -> Iterator[Top]:
    """Link what is at the top of a file; what of it no local datablock needs at the end of the block goes away again,
    and all that came since when the block fails."""
    before = {each.session_uid for each in _everything()}
    try:
        top = _linked_top(path)
        hold_back(each for each in _everything() if each.session_uid not in before)
        if not any(isinstance(each, Object) or objects_in(each) for each in top.members):
            raise SceneError(f'"{path.name}" holds no objects.')
        yield top
    except BaseException:
        bpy.data.batch_remove({each for each in _everything() if each.session_uid not in before})
        raise
    everything = _everything()
    stays = {each for each in everything if each.session_uid in before or _is_local(each)}
    bpy.data.batch_remove(everything - needed_by(stays))


def _linked_top(path: Path) -> Top:
    with opened(path, link=True) as (source, wanted):
        if source.scenes:
            wanted.scenes = source.scenes
        else:
            wanted.collections, wanted.objects = source.collections, source.objects
    return Top(*content_of(wanted))


def _is_local(datablock: ID) -> bool:
    return not (datablock.library or isinstance(datablock, Library))


def _local(name: str, top: Top) -> Collection:
    """The local collection of all this; one that is there already serves again."""
    members = set(top.members)
    for each in bpy.data.collections:
        if not each.library and {*each.children, *each.objects} == members:
            return each
    made = bpy.data.collections.new(name)
    _fill(made, top.members)
    return made


def _fill(collection: Collection, members: list[Collection | Object]) -> None:
    for each in members:
        if isinstance(each, Collection):
            collection.children.link(each)
        else:
            collection.objects.link(each)


def _place(empty: Any, context: Context) -> None:
    """Where Blender puts what is added."""
    scene, layer = context.scene, context.view_layer
    assert scene is not None
    assert layer is not None
    assert context.preferences is not None
    empty.empty_display_size = context.preferences.edit.collection_instance_empty_size
    empty.location = scene.cursor.location
    active = layer.active_layer_collection
    shown = active.collection if active and active.is_visible and not active.exclude else None
    if shown is None or shown.library or shown.override_library:
        shown = scene.collection
    shown.objects.link(empty)


def _overridable(top: Top, path: Path) -> None:
    if not top.single:
        raise SceneError(
            f'"{path.name}" cannot be overridden, as it holds no single collection: link it without, or push it as one.'
        )


def _overridden(empty: Any, path: Path, context: Context) -> list[Object]:
    """Editable library overrides of all that the empty instances, in its place."""
    override = empty.instance_collection.override_hierarchy_create(
        context.scene, context.view_layer, reference=empty, do_fully_editable=True
    )
    if override is None:
        raise SceneError(f'"{path.name}" cannot be overridden: Blender gives no reason. Link it without.')
    bpy.data.objects.remove(empty)
    return objects_in(override)


def _names(place: Path) -> _Names:
    """Of the version that is linked; nothing if its file is gone."""
    try:
        with _linking(place) as top:
            return _Names(
                top.single.name if top.single else None, frozenset((type(each), each.name) for each in top.members)
            )
    except SceneError:
        return _Names(None, frozenset())


def _wrappers(library: Library | None) -> list[Collection]:
    """The local collections that hold what is at the top of a library: up to 0.5.1 everything was linked so."""
    own = [each for each in bpy.data.collections if not (each.library or each.override_library)]
    return [each for each in own if library and library_of(each) == library]


def _follow(library: Library, place: Path, before: _Names, editable: set[str]) -> list[Collection]:
    """Show what is at the top of the new version wherever the old one was shown."""
    wrappers = _wrappers(library)
    with _linking(place) as top:
        for wrapper in wrappers:
            # What the user took out, or has put an override in the place of, was there before.
            there = {*wrapper.children, *wrapper.objects}
            fresh = [each for each in top.members if (type(each), each.name) not in before.members]
            _fill(wrapper, [each for each in fresh if each not in there])
            for obj in list(wrapper.objects):
                if obj.is_missing:
                    wrapper.objects.unlink(obj)
            for child in list(wrapper.children):
                if child.is_missing:
                    wrapper.children.unlink(child)
        linked = [each for each in bpy.data.collections if each.library == library]
        for was in [each for each in linked if _was_component(each, before)]:
            now = top.single or next(iter(wrappers), None) or _local(place.stem, top)
            if now != was:
                _show_instead(was, now)
                if not now.library and now not in wrappers:
                    wrappers.append(now)
    for obj in bpy.data.objects:
        override: Any = obj.override_library
        if override and override.hierarchy_root and override.hierarchy_root.name in editable:
            override.is_system_override = False
    return wrappers


def _was_component(collection: Collection, before: _Names) -> bool:
    """Whether it was the component, or must have been if that is not known any more."""
    if before.members:
        return collection.name == before.single
    return collection.is_missing and any(obj.instance_collection == collection for obj in bpy.data.objects)


def _show_instead(was: Collection, now: Collection) -> None:
    for obj in bpy.data.objects:
        if obj.instance_collection == was and not obj.library:
            obj.instance_collection = now
    if not (was.is_missing and now.library):
        return
    was.user_remap(now)
    bpy.data.collections.remove(was)
    scene, layer = bpy.context.scene, bpy.context.view_layer
    assert scene is not None
    for each in list(bpy.data.collections):
        if each.override_library and each.override_library.reference == now:
            each.override_library.resync(scene, view_layer=layer)


def _editable_overrides() -> set[str]:
    """The roots of the overrides of which the user may edit all, by name."""
    editable: dict[str, bool] = {}
    for obj in bpy.data.objects:
        override: Any = obj.override_library
        if override and override.hierarchy_root and not override.hierarchy_root.library:
            name = override.hierarchy_root.name
            editable[name] = editable.get(name, True) and not override.is_system_override
    return {name for name, is_editable in editable.items() if is_editable}
