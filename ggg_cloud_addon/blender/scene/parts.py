"""What becomes of each datablock of a component when another version of it comes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import bpy
from bpy.types import ID, Collection, Key, Object, Scene, Screen, WindowManager, WorkSpace

from .assets import mark_as
from .closure import ROOT, objects_in
from .commit import Steps, all_collections, point
from .frozen import Path, Ref
from .merge import Side, Version, is_place, is_state, merge, shown
from .provenance import Named, Part, marked, part_of, put, take
from .values import ABSENT, Content, content, difference, weighted_meshes
from .versions import Linked
from .writing import write

_ROOT = ("COLLECTION", ROOT)
_VIEWS = (Screen, WindowManager, WorkSpace)


class Parts:
    """The parts of a component: as pulled, here, and in the new version."""

    def __init__(self, collection: Any, theirs: Linked, base: Linked | None, side: Side | None) -> None:
        """Look which there are."""
        self.key: str = collection.ggg_cloud.key
        self.side = side
        self.here = marked(self.key)
        self.versions = {"theirs": theirs} | ({"base": base} if base else {})
        self.theirs, self.base = theirs.parts, base.parts if base else {}
        self.has_base = base is not None
        self.taken = take({each: name for (_, name), each in self.theirs.items()})
        self.keys: dict[ID, Hashable] = {each: part for part, all_ in self.here.items() for each in all_}
        self.keys |= {each: part for version in (self.theirs, self.base) for part, each in version.items()}
        self._weighted = set(map(self.key_of, weighted_meshes()))
        self.roots: list[Any] = list(self.here.get(_ROOT, []))
        self._mine = {each for all_ in self.here.values() for each in all_}
        self.inside: set[ID] = {obj for root in self.roots for obj in objects_in(root)}
        for all_ in self.here.values():  # the first of several is what others use if nothing says which
            all_.sort(key=lambda each: each not in self.inside)
        self.swap: dict[Any, Any] = {}
        """What takes the place of what is here."""
        self.clashes: dict[str, None] = {}
        self._known: dict[ID, Content] = {}
        self._came: dict[Named, Any] = {}
        """What is only in the new version, and is made here."""
        self._gone: set[ID] = set()
        """What is here and not in the new version."""
        self._dropped: set[ID] = set()
        """What is the user's from now on."""
        self._back: set[Named] = set()
        """What the user took out and comes back."""
        self._shared: set[ID] = set()
        """What is replaced and stays all the same, for other components."""
        self._collections: list[tuple[Any, dict[Path, Any], Any]] = []
        """Collections, what they get, and of which."""

    def key_of(self, datablock: ID) -> Hashable:
        """What a datablock is called in all versions."""
        known = self.keys.get(datablock)
        if known is not None:
            return known
        if datablock.library:
            return type(datablock).__name__, datablock.name, datablock.library.filepath
        return datablock.session_uid

    def look(self, datablock: Any) -> Content:
        """What is in a datablock; looked at once."""
        found = self._known.get(datablock)
        if found is None:
            found = self._known[datablock] = content(datablock, self.key_of, weighted=self.weighs(datablock))
        return found

    def weighs(self, datablock: Any) -> bool:
        """Whether vertex groups tell of its vertices."""
        return self.key_of(datablock) in self._weighted

    # What is decided.

    def decide(self) -> None:
        """Decide for each part; nothing of the file is touched."""
        for named, new in self.theirs.items():
            olds = self.here.get(named, [])
            if not olds:
                self._decide_absent(named, new)
            elif isinstance(new, Collection):
                self._decide_collection(named, new, olds)
            else:
                self._decide(named, new, olds)
        for named, olds in self.here.items():
            if named not in self.theirs:
                self._decide_gone(named, olds)

    def _decide(self, named: Named, new: Any, olds: list[Any]) -> None:
        was = self.base.get(named)
        if was is None:
            if self.has_base and not self._is_same(olds[0], new):
                self._clash(olds[0], "all of it")
            for old in olds if self.side == "theirs" else []:
                self._replace(old, new)
            return
        if self._is_same(was, new):
            return
        if len(olds) > 1 and not isinstance(new, Object):
            # A copy that was changed is the user's own by now, unless there is nothing else.
            unchanged = [old for old in olds if self._is_same(was, old)] or olds[:1]
            self._dropped |= set(olds) - set(unchanged)
            olds = unchanged
        for old in olds:
            merged = merge(
                Version(was, self.look(was)),
                Version(old, self.look(old)),
                Version(new, self.look(new)),
                self.key_of,
                self.side,
                weighted=self.weighs(new),
            )
            for each in merged.clashes:
                self._clash(old, each)
            if merged.made is not None:
                self.swap[old] = merged.made
            elif merged.whole == "theirs":
                self._replace(old, new)

    def _is_same(self, one: Any, other: Any) -> bool:
        return not difference(self.look(one), self.look(other))

    def _clash(self, datablock: Any, what: str) -> None:
        self.clashes.setdefault(f'"{datablock.name}" ({what})')

    def _replace(self, old: Any, new: Any) -> None:
        self.swap[old] = copied(new)

    def _decide_absent(self, named: Named, new: Any) -> None:
        """The user took it out, or it is new."""
        was = self.base.get(named)
        if was is None:
            if self.has_base or self.side == "theirs":
                self._back.add(named)
            return
        if not isinstance(new, Object | Collection):
            return  # it comes with what uses it
        datas: list[tuple[Any, Any]] = [(was, new)]
        if getattr(was, "data", None) and getattr(new, "data", None):
            datas.append((was.data, new.data))
        if not all(self._is_same(*each) for each in datas):
            self._clash(new, "you removed it, and it was changed")
            if self.side == "theirs":
                self._back.add(named)

    def _decide_gone(self, named: Named, olds: list[Any]) -> None:
        """The new version has it no more."""
        was = self.base.get(named)
        for old in olds:
            if isinstance(old, Object) and old not in self.inside:
                self._dropped.add(old)
            elif isinstance(old, Collection) and any(self.keys.get(each) is None for each in members(old)):
                self._dropped.add(old)  # the user put something into it
            elif self._is_changed(old, was):
                self._clash(old, "you changed it, and it was removed")
                (self._gone if self.side == "theirs" else self._dropped).add(old)
            else:
                self._gone.add(old)

    def _is_changed(self, old: Any, was: Any) -> bool:
        if was is None:
            return self.side != "theirs"
        if isinstance(old, Collection):
            return False
        if any(not is_place(each) and not is_state(each) for each in difference(self.look(was), self.look(old))):
            return True
        data = getattr(old, "data", None)
        return isinstance(old, Object) and data in self.keys and not self._is_same(was.data, data)

    def _decide_collection(self, named: Named, new: Any, olds: list[Any]) -> None:
        was = self.base.get(named, new if self.side != "theirs" else None)
        for old in olds:
            here = difference(self.look(was), self.look(old)) if was else set()
            there = difference(self.look(was), self.look(new)) if was else difference(self.look(old), self.look(new))
            both = {each for each in here & there if not is_state(each)} & difference(self.look(old), self.look(new))
            for each in both:
                self._clash(old, shown(each))
            values = self.look(new).values
            taken = there - here if self.side != "theirs" else there
            if taken:
                self._collections.append((old, {path: values.get(path, ABSENT) for path in taken}, new))

    # What is built.

    def build(self) -> None:
        """Make what is new, and let it use what it is to use here; nothing of the file is touched."""
        unwritten: dict[Any, Any] = {}
        for old, new in self.swap.items():
            self._adopt(old, new)
            unwritten |= self._point(new, {path: ref.to for path, ref in refs(self.look(old))})
        done: set[Named] = set()
        for named in self._back:
            self.target(self.theirs[named], None)
        while self._came.keys() - done:
            for named in self._came.keys() - done:
                new = self._came[named]
                done.add(named)
                unwritten |= self._point(new, {})
                if isinstance(new, Collection):
                    self._fill_new(new, self.theirs[named])
        for each, target in unwritten.items():
            each.user_remap(target)

    def _adopt(self, old: Any, new: Any) -> None:
        """It stays a part of other components too, which the user pulled into this one."""
        for other in old.ggg_cloud_parts:
            if other.name != self.key:
                put(new, other.name, part_of(old, other.name))
        new.use_fake_user = old.use_fake_user

    def _point(self, new: Any, mine: Mapping[Path, Any]) -> dict[Any, Any]:
        """Returns what cannot be set, and what is to be in its place."""
        known = content(new, self.key_of, weighted=self.weighs(new))
        wanted = {}
        for path, ref in refs(known):
            target = self.target(ref.to, mine.get(path))
            if target != ref.to:
                wanted[path] = Ref(ref.key, target)
        if not wanted:
            return {}
        left = point(new, wanted, known, self.key_of, weighted=self.weighs(new))
        return {each: self.target(each, None) for each in left}

    def target(self, datablock: Any, mine: Any) -> Any:
        """What is used in the end where one of the three versions used a datablock; `mine` is what is used there now.

        Of several duplicates of a component, each uses its own.
        """
        named: Any = self.keys.get(datablock)
        if named is None:
            return bpy.context.scene if isinstance(datablock, Scene) and datablock.library else datablock
        olds = self.here.get(named)
        if not olds:
            if named not in self._came:
                self._came[named] = copied(self.theirs[named])
            return self._came[named]
        old = next((each for each in (mine, datablock) if each in self._mine and self.keys[each] == named), olds[0])
        return self.swap.get(old, old)

    def _fill_new(self, new: Any, theirs: Any) -> None:
        """A collection that is new holds what is here."""
        for kind in ("objects", "children"):
            members = getattr(new, kind)
            for each in list(members):
                members.unlink(each)
            for each in getattr(theirs, kind):
                if self.keys.get(each) in self.here or self.keys.get(each) in self._back:
                    members.link(self.target(each, None))

    # What is done.

    def swapped_objects(self) -> list[Any]:
        """Which get another in their place."""
        return [each for each in self.swap if isinstance(each, Object)]

    def point_users(self, steps: Steps) -> None:
        """Let all that uses what is replaced use what takes its place."""
        users: dict[Any, None] = {}
        foreign = {*self.swap, *self.swap.values(), *self._came.values()}
        data: Any = bpy.data
        used = data.user_map(subset=set(self.swap)) if self.swap else {}
        for all_ in used.values():
            for each in all_:
                user = each.user if isinstance(each, Key) else each
                if user not in foreign and not user.library and not isinstance(user, _VIEWS):
                    users[user] = None
        left: set[Any] = set()
        for user in users:
            known = self.look(user)
            wanted = {
                path: Ref(ref.key, self.swap[ref.to]) for path, ref in refs(known) if self._is_replaced(ref.to, user)
            }
            if wanted:
                left |= steps.point(user, wanted, known, self.key_of, weighted=self.weighs(user))
            told = {ref.to for _, ref in refs(known)}
            if not isinstance(user, Scene | Collection):
                left |= {
                    old
                    for old, all_ in used.items()
                    if user in all_ and old not in told and self._is_replaced(old, user)
                }
        for old in left:
            steps.remap(old, self.swap[old])

    def _is_replaced(self, old: Any, user: Any) -> bool:
        """What is a part of another component too is left to that."""
        if old not in self.swap:
            return False
        others = {each.name for each in old.ggg_cloud_parts} - {self.key}
        if user in self.keys or not any(other in user.ggg_cloud_parts for other in others):
            return True
        self._shared.add(old)
        return False

    def fill_collections(self, steps: Steps) -> None:
        """Let each collection hold what it is to hold."""
        came = set(self._came.values())
        for collection in all_collections():
            if collection in came or collection.library:
                continue
            named: Any = self.keys.get(collection)
            objects, children = list(collection.objects), list(collection.children)
            if named in self.theirs or named == _ROOT:
                objects = self._members(objects, named, "objects")
                children = self._members(children, named, "children")
            steps.fill(collection, list(dict.fromkeys(self.swap.get(each, each) for each in objects)), children)

    def _members(self, have: list[Any], named: Named, kind: str) -> list[Any]:
        new = {self.keys.get(each): each for each in self._held("theirs", named, kind)}
        was = {self.keys.get(each) for each in self._held("base", named, kind)} if self.has_base else set(new)
        stay = [
            each
            for each in have
            if each not in self._gone
            and not (self.keys.get(each) in was and self.keys.get(each) not in new and each not in self._dropped)
        ]
        there = {self.keys.get(each) for each in have}
        for key, each in new.items():
            if key not in there and (key not in was or key in self._back):
                stay.append(self.target(each, None))
        return stay

    def _held(self, version: str, named: Named, kind: str) -> list[Any]:
        """What a collection has directly in it, in one version."""
        linked = self.versions[version]
        if named == _ROOT:
            return list(getattr(linked, kind))
        return list(getattr(linked.parts[named], kind)) if named in linked.parts else []

    def write_collections(self, steps: Steps) -> None:
        """Give the collections the new version's own values."""
        for collection, values, source in self._collections:
            before = {path: self.look(collection).values.get(path, ABSENT) for path in values}
            steps.before(lambda each=collection, before=before: write(each, each, before, to=lambda ref: ref.to))  # type: ignore[misc]
            write(collection, source, values, to=lambda ref: self.target(ref.to, None))

    def name(self, steps: Steps) -> None:
        """The user's names stay, and what is new is called as in its file, where that is free."""
        for number, (old, new) in enumerate(self.swap.items()):
            if old not in self._shared:
                name = old.name
                steps.rename(old, f"ggg_cloud {number}")
                steps.rename(new, name)
        for (_, name), new in self._came.items():
            if not new.is_property_readonly("name"):
                new.name = name

    def note(self, steps: Steps) -> None:
        """Note which part each datablock is."""
        parts = {named: self.taken[each.session_uid] for named, each in self.theirs.items()}
        for named, new in self._came.items():
            put(new, self.key, parts[named])
        for named, olds in self.here.items():
            for old in olds:
                part = None if old in self._dropped | self._gone else parts.get(named)
                if named != _ROOT or part:
                    self._put(steps, self.swap.get(old, old), part)
                if old in self.swap:
                    self._put(steps, old, None)

    def _put(self, steps: Steps, datablock: Any, part: Part | None) -> None:
        was = part_of(datablock, self.key)
        if was != part:
            steps.before(lambda: put(datablock, self.key, was))
            put(datablock, self.key, part)

    def left_over(self, before: set[ID]) -> set[ID]:
        """What nobody needs any more, of what was here and what came since `before`."""
        data: Any = bpy.data
        users: Mapping[ID, set[ID]] = data.user_map()
        gone: set[ID] = {each for each in (*self._gone, *self.swap) if isinstance(each, Object | Collection)}
        made = {*self.swap.values(), *self._came.values()}
        loose = ({*self._gone, *self.swap} | (users.keys() - before - made)) - gone
        gone |= {each for version in self.versions.values() for each in version.parts.values()}
        while True:
            free = {each for each in loose - gone if users[each] <= gone}
            if not free:
                return gone
            gone |= free


def copied(linked: Any) -> Any:
    """A datablock of its own."""
    new = linked.copy()
    new.ggg_cloud_parts.clear()  # a file knows its own components, and a copy of this file knows this one
    if isinstance(new, Collection):
        new.property_unset("ggg_cloud")
    mark_as(linked, new)
    new.use_fake_user = linked.use_fake_user
    return new


def refs(known: Content) -> Iterator[tuple[Path, Ref]]:
    """Where other datablocks are used."""
    return ((path, value) for path, value in known.values.items() if isinstance(value, Ref))


def members(collection: Any) -> Iterable[Any]:
    """What is directly in a collection."""
    return (*collection.objects, *collection.children)
