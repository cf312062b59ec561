"""What becomes of each datablock of a component when another version of it comes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import bpy
from bpy.types import ID, Collection, Key, Object, Scene, Screen, WindowManager, WorkSpace

from .commit import Steps, all_collections, point
from .load import Loaded
from .merge import Side, Version, is_place, is_state, merge, shown
from .provenance import ROOT, Named, Part, forget, marked, part_of, put, take
from .values import ABSENT, Content, Path, Ref, content, difference
from .writing import write

_VIEWS = (Screen, WindowManager, WorkSpace)


class Parts:
    """The parts of a component: as pulled, here, and in the new version."""

    def __init__(self, collection: Any, theirs: Loaded, base: Loaded | None, side: Side | None) -> None:
        """Look which there are."""
        self.key: str = collection.ggg_cloud.key
        self.side = side
        loaded = [version for version in (theirs, base) if version]
        for version in loaded:  # a file knows its own components, and a copy of this file knows this one
            forget((*version.names, version.collection))
        self.here = marked(self.key)
        self.theirs, self.base = _named(theirs), _named(base) if base else {}
        self.has_base = base is not None
        self.taken = take({**theirs.names, theirs.collection: ROOT})
        self.keys: dict[ID, Hashable] = {each: part for part, all_ in self.here.items() for each in all_}
        self.keys |= {each: part for version in (self.theirs, self.base) for part, each in version.items()}
        self._weighted = {self.key_of(obj.data) for obj in bpy.data.objects if obj.type == "MESH" and obj.vertex_groups}
        self.roots: list[Any] = list(self.here.get(("Collection", ROOT), []))
        self._mine = {each for all_ in self.here.values() for each in all_}
        self.inside: set[ID] = {obj for root in self.roots for obj in root.all_objects}
        for all_ in self.here.values():  # the first of several is what others use if nothing says which
            all_.sort(key=lambda each: each not in self.inside)
        self.swap: dict[Any, Any] = {}
        """What takes the place of what is here."""
        self.clashes: dict[str, None] = {}
        self._known: dict[ID, Content] = {}
        self._new: set[ID] = set()
        """Of the new version, what will be used here, for all that is known before."""
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
        """The first gets the new one itself."""
        self.swap[old] = new if new not in self._new else new.copy()
        self._new.add(new)

    def _decide_absent(self, named: Named, new: Any) -> None:
        """The user took it out, or it is new."""
        was = self.base.get(named)
        if was is None:
            if self.has_base or self.side == "theirs":
                self._back.add(named)
            return
        if not isinstance(new, Object | Collection):
            return  # it comes with what uses it
        datas = [(was, new)]
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
        """Let what is new use what it is to use here; nothing of the file is touched."""
        unwritten: dict[Any, Any] = {}
        for old, new in list(self.swap.items()):
            self._adopt(old, new)
            unwritten |= self._point(new, {path: ref.to for path, ref in refs(self.look(old))})
        for named, new in self.theirs.items():
            if named not in self.here:
                unwritten |= self._point(new, {})
                if isinstance(new, Collection):
                    self._fill_new(new)
        for new, target in unwritten.items():
            new.user_remap(target)

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
        olds = self.here.get(named, []) if named else []
        if not olds:
            return datablock
        old = next((each for each in (mine, datablock) if each in self._mine and self.keys[each] == named), olds[0])
        return self.swap.get(old, old)

    def _fill_new(self, new: Any) -> None:
        """A collection that is new holds what is here."""
        for each in list(new.objects):
            now = self.target(each, None)
            if not self._comes(each):
                new.objects.unlink(each)
            elif now != each:
                new.objects.unlink(each)
                new.objects.link(now)
        for each in list(new.children):
            now = self.target(each, None)
            if not self._comes(each) or now != each:
                new.children.unlink(each)
            if self._comes(each) and now != each:
                new.children.link(now)

    def _comes(self, new: ID) -> bool:
        named: Any = self.keys[new]
        return named in self.here or named in self._back

    # What is done.

    def swapped_objects(self) -> list[Any]:
        """Which get another in their place."""
        return [each for each in self.swap if isinstance(each, Object)]

    def point_users(self, steps: Steps) -> None:
        """Let all that uses what is replaced use what takes its place."""
        users: dict[Any, None] = {}
        foreign = {*self.theirs.values(), *(self.base.values()), *self.swap, *self.swap.values()}
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
            wanted = {path: Ref(ref.key, self.swap[ref.to]) for path, ref in refs(known) if self._is_replaced(ref.to, user)}
            if wanted:
                left |= steps.point(user, wanted, known, self.key_of, weighted=self.weighs(user))
            told = {ref.to for _, ref in refs(known)}
            if not isinstance(user, Scene | Collection):
                left |= {old for old, all_ in used.items() if user in all_ and old not in told and self._is_replaced(old, user)}
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
        taken = {**self.swap}
        foreign = {*self.theirs.values(), *self.base.values()}
        for collection in all_collections():
            if collection in foreign or collection.library:
                continue
            named: Any = self.keys.get(collection)
            objects, children = list(collection.objects), list(collection.children)
            if named in self.theirs:
                objects = self._members(objects, named, "objects")
                children = self._members(children, named, "children")
            steps.fill(collection, list(dict.fromkeys(taken.get(each, each) for each in objects)), children)

    def _members(self, have: list[Any], named: Named, kind: str) -> list[Any]:
        new = {self.keys[each]: each for each in getattr(self.theirs[named], kind) if each in self.keys}
        is_known = self.has_base and named in self.base
        was = {self.keys.get(each) for each in getattr(self.base[named], kind)} if is_known else set(new)
        stay = [
            each
            for each in have
            if each not in self._gone and not (self.keys.get(each) in was and self.keys.get(each) not in new and each not in self._dropped)
        ]
        there = {self.keys.get(each) for each in have}
        for key, each in new.items():
            if key not in there and (key not in was or key in self._back):
                stay.append(self.target(each, None))
        return stay

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
        for named in self._back:
            if named in self.base:
                self.base[named].name = "ggg_cloud"
            self.theirs[named].name = named[1]

    def note(self, steps: Steps) -> None:
        """Note which part each datablock is."""
        for named, new in self.theirs.items():
            part = self.taken[new.session_uid]
            if new in self._new or named not in self.here:
                put(new, self.key, part)
            for old in self.here.get(named, []):
                now = self.swap.get(old, old)
                if old in self._dropped:
                    self._put(steps, old, None)
                elif now != new:
                    self._put(steps, now, part)
        for old in self._dropped | self._gone:
            self._put(steps, old, None)
        for old in self.swap:
            self._put(steps, old, None)

    def _put(self, steps: Steps, datablock: Any, part: Part | None) -> None:
        was = part_of(datablock, self.key)
        if was != part:
            steps.before(lambda: put(datablock, self.key, was))
            put(datablock, self.key, part)

    def left_over(self) -> set[ID]:
        """What nobody needs any more, of all versions."""
        gone: set[ID] = set(self.base.values())
        loose: set[ID] = set(self._gone)
        for named, new in self.theirs.items():
            if new not in self._new:
                (gone if named in self.here else loose).add(new)
        loose |= set(self.swap)
        data: Any = bpy.data
        users: Mapping[ID, set[ID]] = data.user_map(subset=loose) if loose else {}
        objects = {each for each in loose if isinstance(each, Object | Collection)}
        gone |= {each for each in objects if each in self._gone or each in self.swap}
        rest = loose - gone
        while True:
            free = {each for each in rest if users[each] <= gone and (each in self._mine or not each.asset_data)}
            if not free:
                return gone
            gone |= free
            rest -= free


def _named(loaded: Loaded) -> dict[Named, Any]:
    names = {**loaded.names, loaded.collection: ROOT}
    return {(type(each).__name__, name): each for each, name in names.items()}


def refs(known: Content) -> Iterator[tuple[Path, Ref]]:
    """Where other datablocks are used."""
    return ((path, value) for path, value in known.values.items() if isinstance(value, Ref))


def members(collection: Any) -> Iterable[Any]:
    """What is directly in a collection."""
    return (*collection.objects, *collection.children)
