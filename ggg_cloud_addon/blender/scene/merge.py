"""Three versions of one datablock made one: what the user changed, on what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import bpy
from bpy.types import NodeTree, Object

from .frozen import Custom, Item, KeyOf, Path, same
from .values import ABSENT, ORDER, Content, content, difference
from .writing import STACKS, write

Side = Literal["mine", "theirs"]


class Version(NamedTuple):
    """A datablock as one version of the component has it."""

    datablock: Any
    content: Content


class Merged(NamedTuple):
    """How three versions become one."""

    whole: Side | None
    """Which of them it is as a whole; else it is `made`."""
    made: Any = None
    clashes: tuple[str, ...] = ()
    """What both changed, and otherwise."""


_PLACE = {"location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale"}
_PARENT = {"parent", "parent_type", "parent_bone", "parent_vertices", "matrix_parent_inverse"}
_STATE = ("active", "show_expanded", "select", "is_active", "is_expanded", "show_options", "view_center", "use_pin")
"""How properties begin that say how something is looked at: where both changed one, nobody has to be asked."""
PLACED: Path = ("place",)


def merge(base: Version, mine: Version, theirs: Version, key_of: KeyOf, side: Side | None, *, weighted: bool) -> Merged:
    """Merge two versions that come from `base`; where they clash, `side` is taken, or theirs.

    What is made is a new datablock; none of the three is touched.
    """
    here, there = difference(base.content, mine.content), difference(base.content, theirs.content)
    if not there:
        return Merged("mine")
    if not here:
        return Merged("theirs")
    mine = _with_their_slots(base, mine, theirs)
    here = difference(base.content, mine.content)
    return _Merge((base, mine, theirs), (here, there), key_of, side or "theirs", weighted=weighted).run()


def _with_their_slots(base: Version, mine: Version, theirs: Version) -> Version:
    """Put the user's own materials into the slots of those that they took the place of, wherever these are now."""

    def slots(version: Version) -> dict[Path, Any]:
        return {
            path: value for path, value in version.content.values.items() if path[0] == "materials" and len(path) > 1
        }

    was, here, there = slots(base), slots(mine), slots(theirs)
    if was.keys() != here.keys() or was == there:
        return mine
    found = dict(there)
    for path, material in here.items():
        if material != was[path]:
            places = [each for each, value in there.items() if value == was[path]]
            found[path if path in places or not places else places[0]] = material
    values = {path: value for path, value in mine.content.values.items() if path not in here} | found
    return Version(mine.datablock, Content(values, mine.content.moved))


class _Merge:
    def __init__(
        self,
        versions: tuple[Version, Version, Version],
        changes: tuple[set[Path], set[Path]],
        key_of: KeyOf,
        side: Side,
        *,
        weighted: bool,
    ) -> None:
        self.base, self.mine, self.theirs = versions
        self.here, self.there = changes
        self.key_of, self.side, self.weighted = key_of, side, weighted
        self.is_object = isinstance(self.mine.datablock, Object)
        self.clashes: dict[Path, None] = {}
        self.orders: dict[Path, Any] = {}
        """Which items there are in the end, of stacks that both changed."""
        self.both_placed = all(any(self._unit(each) == PLACED for each in side) for side in changes)

    def run(self) -> Merged:
        """Put the user's changes on what is new or, where Blender cannot, what is new on what the user has."""
        for path in sorted(self.here & self.there, key=repr):
            if path[-1] == ORDER and len(path) > 1 and path[-2] in STACKS:
                self.orders[path] = self._order(path)
        self._find_clashes()
        told = tuple(map(shown, self.clashes))
        made = self._written(self.theirs, self.mine, self._taken(self.here, "mine"))
        made = made or self._written(self.mine, self.theirs, self._taken(self.there, "theirs"))
        if made is not None:
            return Merged(None, made, told)
        both = sorted({shown(self._unit(each)) for each in self.here | self.there if not is_state(each)})
        return Merged(self.side, None, told or tuple(both))

    def _unit(self, path: Path) -> Path:
        """What is decided as one."""
        if self.is_object and path[0] in _PLACE:
            return PLACED
        if in_nodes(self.mine.datablock, path):
            return path[: path.index("node_tree") + 1] if "node_tree" in path else ("nodes",)
        return ("parent",) if self.is_object and path[0] in _PARENT else path

    def _order(self, path: Path) -> tuple[Any, ...]:
        was, here, there = (each.content.values.get(path, ()) for each in (self.base, self.mine, self.theirs))
        stays = [each for each in there if each in here or each not in was or self._returns(path, each, "theirs")]
        return (
            *stays,
            *(each for each in here if each not in there and (each not in was or self._returns(path, each, "mine"))),
        )

    def _returns(self, path: Path, item: tuple[Item, str], changed_by: Side) -> bool:
        """One side took an item away; whether it is there all the same, as the other side changed it."""
        below = (*path[:-1], item[0])
        changes = self.here if changed_by == "mine" else self.there
        if not any(each[: len(below)] == below and not is_state(each) for each in changes):
            return False
        self.clashes[below] = None
        return self.side == changed_by

    def _find_clashes(self) -> None:
        mine, theirs = self.mine.content.values, self.theirs.content.values
        units: dict[Path, list[Path]] = {}
        for path in sorted(self.here | self.there, key=repr):
            units.setdefault(self._unit(path), []).append(path)
        for unit, paths in units.items():
            if unit == PLACED or unit in self.orders or is_state(unit) or self._clashes(unit):
                continue
            if self.here.isdisjoint(paths) or self.there.isdisjoint(paths):
                continue
            if not all(same(mine.get(each, ABSENT), theirs.get(each, ABSENT)) for each in paths):
                self.clashes[unit] = None

    def _clashes(self, path: Path) -> bool:
        unit = self._unit(path)
        return any(unit[:length] in self.clashes for length in range(1, len(unit) + 1))

    def _taken(self, changes: set[Path], by: Side) -> set[Path]:
        """Which of the changes of one side come onto the other version."""
        other = self.there if by == "mine" else self.here
        return {
            each
            for each in changes
            if not (self._unit(each) == PLACED and self.both_placed)
            if by == self.side or not self._clashes(each)
            if by == "mine" or not (is_state(each) and each in other)
        }

    def _written(self, carrier: Version, other: Version, changes: set[Path]) -> Any:
        """A copy of one version with changes of the other one; ``None`` if Blender does not let all of them be set."""
        made = carrier.datablock.copy()
        try:
            if self._write(made, carrier, other, changes):
                return made
        except BaseException:
            bpy.data.batch_remove({made})
            raise
        bpy.data.batch_remove({made})
        return None

    def _write(self, made: Any, carrier: Version, other: Version, changes: set[Path]) -> bool:
        wanted = self._wanted(carrier.content.values, other.content.values, changes)
        if self.both_placed:
            # Where the user put it, and from there to where the new version moves it.
            was = self.base.datablock.matrix_basis
            made.matrix_basis = (
                self.mine.datablock.matrix_basis @ was.inverted_safe() @ self.theirs.datablock.matrix_basis
            )
        now = content(made, self.key_of, weighted=self.weighted).values
        if self.both_placed:
            wanted |= {path: now[path] for path in wanted if self._unit(path) == PLACED}
        moved = self.base.content.moved | self.mine.content.moved | self.theirs.content.moved
        if any(in_nodes(made, path) for path in changes):
            return False  # Blender crashes when some of it is set, and what is wired has to fit together anyway
        wanted = {path: value for path, value in wanted.items() if not in_nodes(made, path)}
        wanted |= {path: value for path, value in now.items() if in_nodes(made, path)}  # nodes work some of it out anew
        for _ in range(2):  # the second time, what was reset by something else that was set
            write(made, other.datablock, _missing(now, wanted, moved), to=lambda ref: ref.to)
            now = content(made, self.key_of, weighted=self.weighted).values
            if all(map(is_state, _missing(now, wanted, moved))):
                return True
        return False

    def _wanted(self, before: Mapping[Path, Any], values: Mapping[Path, Any], changes: set[Path]) -> dict[Path, Any]:
        """What the carrier is to hold in the end."""
        wanted = dict(before)
        for path in changes | self.orders.keys():
            value = self.orders.get(path, values.get(path, ABSENT))
            if value == ABSENT:
                wanted.pop(path, None)
            else:
                wanted[path] = value
        for path in changes | self.orders.keys():
            if path[-1] == ORDER and len(path) > 1 and path[-2] in STACKS:
                self._fit(wanted, before, values, path[:-1])
        return wanted

    def _fit(
        self, wanted: dict[Path, Any], before: Mapping[Path, Any], values: Mapping[Path, Any], stack: Path
    ) -> None:
        """Drop what is below items that go, and add all that is below those that come."""
        depth = len(stack)
        stay = {key for key, _ in wanted.get((*stack, ORDER), ())}
        for path in [each for each in wanted if each[:depth] == stack and len(each) > depth + 1]:
            if path[depth] not in stay:
                del wanted[path]
        for path, value in values.items():
            is_below = path[:depth] == stack and len(path) > depth + 1 and path[depth] in stay
            if is_below and (*path[: depth + 1], ORDER) not in before:
                wanted[path] = value


def _missing(now: Mapping[Path, Any], wanted: Mapping[Path, Any], moved: frozenset[Path]) -> dict[Path, Any]:
    """What is to be set still."""
    found = {
        path: value for path, value in wanted.items() if path not in moved and not same(now.get(path, ABSENT), value)
    }
    return found | dict.fromkeys((path for path in now.keys() - wanted.keys() if path not in moved), ABSENT)


def in_nodes(datablock: Any, path: Path) -> bool:
    """Whether it is in a node tree, which is decided as one."""
    return (isinstance(datablock, NodeTree) and path[0] in ("nodes", "interface", "wires")) or "node_tree" in path[:-1]


def is_place(path: Path) -> bool:
    """Whether it says where an object is."""
    return path[0] in _PLACE or path[0] in _PARENT


def is_state(path: Path) -> bool:
    """Whether it only says how something is looked at."""
    return isinstance(path[-1], str) and path[-1].startswith(_STATE)


def shown(path: Path) -> str:
    """A path as Blender writes one."""
    text = ""
    for each in path:
        if isinstance(each, Custom | Item) and each != ORDER:
            text += f'["{each[0]}"]' if isinstance(each[0], str) else f"[{each[0]}]"
        elif each != ORDER:
            text += f".{each}" if text else str(each)
    return text or "all of it"
