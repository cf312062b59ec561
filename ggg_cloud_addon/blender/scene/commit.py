"""Change the open file in steps that can all be taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import bpy
from bpy.types import ID, Collection, Object

from .frozen import KeyOf, Path, Ref, same
from .values import Content, content
from .writing import write

Swap = Mapping[Any, Any]
"""What takes the place of what."""


class Steps:
    """What was done, so that it can be undone."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self._undo = contextlib.ExitStack()

    def before(self, undo: Callable[[], object]) -> None:
        """Note how to take back what is done next; it is called also when that was not, or half."""
        self._undo.callback(undo)

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take everything back when the block fails, the last first."""
        with self._undo:
            yield
            self._undo.pop_all()

    def rename(self, datablock: Any, name: str) -> None:
        """Give a datablock another name, one that is free; fonts have the one of their file."""
        if datablock.is_property_readonly("name"):
            return
        was = datablock.name
        self.before(lambda: setattr(datablock, "name", was))
        datablock.name = name

    def point(self, user: Any, wanted: Mapping[Path, Ref], known: Content, key_of: KeyOf, *, weighted: bool) -> set[ID]:
        """Let a datablock use others in these places; returns what Blender does not let it cease to use."""
        were = {path: known.values[path] for path in wanted}
        self.before(lambda: point(user, were, known, key_of, weighted=weighted))
        return point(user, wanted, known, key_of, weighted=weighted)

    def remap(self, old: ID, new: ID) -> None:
        """Let everything use the new datablock that uses the old one; nothing of this file uses the new one yet."""
        self.before(lambda: new.user_remap(old))
        old.user_remap(new)

    def fill(self, collection: Any, objects: list[Any], children: list[Any]) -> None:
        """Let a collection hold these."""
        for members, wanted in ((collection.objects, objects), (collection.children, children)):
            have = list(members)
            if have != wanted:
                self.before(lambda members=members, have=have: _fill(members, have, ordered=True))  # type: ignore[misc]
                _fill(members, wanted)


def _fill(members: Any, wanted: list[Any], *, ordered: bool = False) -> None:
    have, stay = list(members), set(wanted)
    if ordered and have != wanted:
        stay = set()
    for each in have:
        if each not in stay:
            members.unlink(each)
    have_now = {each for each in have if each in stay}
    for each in wanted:
        if each not in have_now:
            members.link(each)


def point(user: Any, wanted: Mapping[Path, Ref], known: Content, key_of: KeyOf, *, weighted: bool) -> set[ID]:
    """Let a datablock use others in these places, and be all else that it was.

    Returns what it uses all the same, as Blender does not let that be set.
    """
    write(user, user, wanted, to=lambda ref: ref.to)
    now = content(user, key_of, weighted=weighted).values  # a target that is set may reset what belongs to it
    reset = {path: value for path, value in known.values.items() if path not in known.moved and path not in wanted}
    reset = {path: value for path, value in reset.items() if path not in now or not same(now[path], value)}
    if reset:
        write(user, user, reset, to=lambda ref: ref.to)
        now = content(user, key_of, weighted=weighted).values
    return {
        known.values[path].to
        for path, ref in wanted.items()
        if path not in now or now[path] is None or now[path].to != ref.to
    }


class ViewState:
    """What view layers know of objects, to be handed on to those that take their places."""

    def __init__(self, objects: Iterable[Object]) -> None:
        """Look at them."""
        wanted = set(objects)
        self._active = [(layer, layer.objects.active) for scene in bpy.data.scenes for layer in scene.view_layers]
        self._shown = [
            (layer, obj, obj.select_get(view_layer=layer), obj.hide_get(view_layer=layer))
            for scene in bpy.data.scenes
            for layer in scene.view_layers
            for obj in layer.objects
            if obj in wanted
        ]
        self._local = [
            (space, [obj for obj in wanted if obj.local_view_get(space)])
            for screen in bpy.data.screens
            for area in screen.areas
            for space in area.spaces
            if isinstance(space, bpy.types.SpaceView3D) and space.local_view
        ]

    def hand_on(self, swap: Swap) -> None:
        """Set it for those in their places."""
        there = {layer: _objects(layer) for layer, _ in self._active}
        for layer, obj, selected, hidden in self._shown:
            now = swap.get(obj, obj)
            if now not in there[layer]:
                continue
            if now.select_get(view_layer=layer) != selected:
                now.select_set(selected, view_layer=layer)
            if now.hide_get(view_layer=layer) != hidden:
                now.hide_set(hidden, view_layer=layer)
        for layer, active in self._active:
            now = swap.get(active, active)
            if layer.objects.active != now and (now is None or now in there[layer]):
                layer.objects.active = now
        for space, objects in self._local:
            for obj in objects:
                swap.get(obj, obj).local_view_set(space, True)


def _objects(layer: Any) -> set[Any]:
    _ = layer.objects.active  # which makes Blender look at the collections again; the list alone does not
    return set(layer.objects)


def all_collections() -> Iterator[Collection]:
    """Those of the open file, the scenes' own too."""
    yield from bpy.data.collections
    for scene in bpy.data.scenes:
        yield scene.collection
