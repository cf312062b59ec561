"""The closure of a component: which datablocks belong to it. Push, provenance and description ask here; a pull brings
what a file holds, which is just that.

**The rule.** A component is the collection, the objects or the scene that is pushed, with all that is in it, and the
data that those use, directly or through others: meshes, materials, node groups, images, actions and so on. Of objects
and collections that are not in it, only these belong to it:

- what it shows an instance of, with all that is in that: collection instances, what particles are made of, the shapes
  of bones, and what geometry nodes take in;
- what stands nowhere else, in no other collection and no scene: it is there only because the component uses it.

Any other pointer to an object or a collection leads out of the component, whatever it is: a parent, the target of a
constraint, a modifier or a driver, a custom property. In what is stored there is nothing at its end; an object whose
parent or target that was stays where it stood. A pointer to another scene points to the component's own.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import normpath
from typing import Any, TypeAlias

import bpy
from bpy.types import (
    ID,
    Collection,
    GeometryNodeTree,
    Key,
    Library,
    Object,
    ParticleSettings,
    Scene,
    Screen,
    WindowManager,
    WorkSpace,
)
from mathutils import Matrix

from .assets import loose_assets

ROOT = "/"
"""What the collection itself is called among a component's parts."""
NO_PARTS = (Scene, Library, Key, WindowManager)
"""What is never noted as a part of a component."""
_OF_THE_FILE = (Library, Screen, WindowManager, WorkSpace)
"""What belongs to a file and to no component in it, but does no harm."""
_PLACES: list[Any] = [each for each in bpy.types.BlendData.bl_rna.properties if each.type == "COLLECTION"]
_SHOWN_POINTERS = 4
"""So many fit into one message."""

Content: TypeAlias = Sequence[Object] | Collection | Scene
"""What is pushed."""
Named: TypeAlias = tuple[str, str, str]
"""A datablock in a file: its kind, its name, and the path of its library or nothing."""


@dataclass(frozen=True)
class Closure:
    """What belongs to a component."""

    inside: frozenset[ID]
    """All of it; of a scene that is pushed the scene too."""
    outside: frozenset[ID]
    """What Blender would write as well, as it can be reached from there."""
    pointers: tuple[tuple[ID, ID], ...]
    """Those that lead out of it to objects and collections: whose it is, and to what."""

    @property
    def left_out(self) -> str:
        """What is not stored, in one sentence; or nothing."""
        if not self.pointers:
            return ""
        shown = [f'"{target.name}" (used by "{user.name}")' for user, target in self.pointers[:_SHOWN_POINTERS]]
        more = f" and {len(self.pointers) - len(shown)} more" if len(self.pointers) > len(shown) else ""
        return f"Left out, as not in the component: {', '.join(shown)}{more}; put there what is to go along."

    def kinds(self) -> dict[str, int]:
        """How many datablocks of each kind belong to it."""
        return kinds_of(self.inside)

    def standing(self) -> dict[str, list[float]]:
        """Where the objects stand in the world that would lose a parent or a target, by their names."""
        if not self.pointers:
            return {}
        assert bpy.context.view_layer is not None
        bpy.context.view_layer.update()
        gone = {target for _, target in self.pointers}
        users: Any = {user for user, _ in self.pointers if isinstance(user, Object) and not user.library}
        return {
            user.name: [number for row in user.matrix_world for number in row]
            for user in users
            if user.parent in gone or gone & set(_targets(user))
        }


def closure_of(content: Content) -> Closure:
    """Work it out; nothing is changed."""
    needs, homes = needs_of_all(), _homes()
    roots, inside = _members(content)
    ahead = list(inside)
    out: set[tuple[ID, ID]] = set()
    while ahead:
        user = ahead.pop()
        for target in needs.get(user, set()) - inside:
            if isinstance(target, (Scene, *_OF_THE_FILE)):
                continue
            fresh = {target}
            if isinstance(target, Object | Collection):
                is_shown = _shows(user, target)
                if not is_shown and not homes.get(target, set()) <= inside:
                    out.add((user, target))
                    continue
                if is_shown and isinstance(target, Collection):
                    fresh |= {*target.children_recursive, *objects_in(target)}
            ahead += fresh - inside
            inside |= fresh
    pointers = sorted((each for each in out if each[1] not in inside), key=lambda each: (each[1].name, each[0].name))
    outside = {each for each in _reached(roots, needs) - inside if not isinstance(each, _OF_THE_FILE)}
    return Closure(frozenset(inside), frozenset(outside), tuple(pointers))


def contents(collection: Collection) -> dict[ID, str]:
    """All that belongs to a collection and can be noted as its part, with its names."""
    inside = closure_of(collection).inside
    return {each: each.name for each in inside if is_part(each)} | {collection: ROOT}


def is_part(datablock: Any, *, linked: bool = False) -> bool:
    """Whether it can be a part of a component that was not linked, or with `linked` of one that was."""
    return not ((datablock.library and not linked) or datablock.is_embedded_data or isinstance(datablock, NO_PARTS))


def objects_in(collection: Collection) -> list[Object]:
    """All, each once. Blender's own ``all_objects`` takes time with the square of their number."""
    return list(dict.fromkeys(obj for each in (collection, *collection.children_recursive) for obj in each.objects))


def kinds_of(datablocks: Iterable[ID]) -> dict[str, int]:
    """How many there are of each kind, by the names that they have in ``bpy.data``."""
    return dict(sorted(Counter(_kind(type(each).__mro__) for each in datablocks).items()))


def needs_of_all() -> dict[ID, set[ID]]:
    """What each datablock of the open file uses."""
    needs: dict[ID, set[ID]] = {}
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    for datablock, users in data.user_map().items():
        for user in users:
            needs.setdefault(user, set()).add(datablock)
    return needs


def needed_by(datablocks: Iterable[ID]) -> set[ID]:
    """These, and all that they need, with the libraries that it lies in."""
    needed = _reached(set(datablocks), needs_of_all())
    libraries: set[Any] = {each.library for each in needed if each.library}
    libraries |= {getattr(each, "archive_parent_library", None) for each in libraries}  # what is packed hangs on it
    return needed | libraries - {None}


def named(datablock: Any) -> Named:
    """By what it is found in another Blender that has the same file open."""
    library = datablock.library
    return datablock.id_type, datablock.name, normpath(bpy.path.abspath(library.filepath)) if library else ""


def cut(outside: Iterable[Sequence[str]], standing: Mapping[str, Sequence[float]], scene: Any) -> None:
    """Take out of the open file what does not belong to the component in the scene: Blender itself clears all
    pointers to what is removed."""
    data: Any = bpy.data
    known = {named(each): each for each in data.user_map()}
    gone = [known[found] for each in outside if (found := (each[0], each[1], each[2])) in known]
    for each in gone:
        if isinstance(each, Scene):
            each.user_remap(scene)  # but Blender lets no scene be its own background or strip
    moved = [(data.objects[name, None], numbers) for name, numbers in standing.items()]
    data.batch_remove(gone)
    for obj, numbers in moved:
        obj.matrix_world = Matrix([numbers[row : row + 4] for row in range(0, 16, 4)])


def keep_helpers(objects: Iterable[Object]) -> None:
    """Have Blender save those that are in no collection: a modifier or a particle does not count as their user."""
    for each in objects:
        if not each.users:
            each.use_fake_user = True


@functools.cache
def _kind(bases: tuple[type, ...]) -> str:
    """What ``bpy.data`` calls the place for datablocks of a type, such as ``meshes``."""
    places = {each.fixed_type.identifier: each.identifier for each in _PLACES}
    return next(str(places[base.__name__]) for base in bases if base.__name__ in places)


def _members(content: Content) -> tuple[set[ID], set[ID]]:
    """What Blender is told to write, and all that is in it."""
    if not isinstance(content, Collection | Scene):
        return set(content), set(content)
    if isinstance(content, Collection):
        return {content}, {content, *content.children_recursive, *objects_in(content)}
    roots = {content, *loose_assets()}
    collections = {each for each in roots if isinstance(each, Collection)} | {content.collection}
    inside = roots | set(content.objects)
    for each in collections:
        inside |= {*each.children_recursive, *objects_in(each)}
    return roots, inside


def _homes() -> dict[ID, set[ID]]:
    """In which collections and scenes each object and collection stands."""
    homes: dict[ID, set[ID]] = {}
    roots: list[tuple[ID, Collection]] = [(each, each) for each in bpy.data.collections]
    roots += [(scene, scene.collection) for scene in bpy.data.scenes]
    for home, collection in roots:
        for each in (*collection.objects, *collection.children):
            homes.setdefault(each, set()).add(home)
    return homes


def _shows(user: Any, target: ID) -> bool:
    """Whether a datablock shows instances of an object or a collection."""
    if isinstance(user, Object):
        modifiers: Any = user.modifiers
        inputs = [value for each in modifiers if each.type == "NODES" for value in each.values()]
        shapes = (bone.custom_shape for bone in (user.pose.bones if user.pose else ()))
        return target in (user.instance_collection, *shapes) or any(each == target for each in inputs)
    if isinstance(user, ParticleSettings):
        return target in (user.instance_object, user.instance_collection)
    return isinstance(user, GeometryNodeTree)


def _targets(obj: Any) -> Iterator[Any]:
    for constraint in obj.constraints:
        yield getattr(constraint, "target", None)
        yield from (each.target for each in getattr(constraint, "targets", ()))


def _reached(roots: set[ID], needs: Mapping[ID, set[ID]]) -> set[ID]:
    """All that can be reached from there, by any way."""
    reached = set(roots)
    ahead = list(roots)
    while ahead:
        fresh = needs.get(ahead.pop(), set()) - reached
        reached |= fresh
        ahead += fresh
    return reached
