"""Set values in a datablock by their paths, see :mod:`.values`; where Blender refuses one, the others are set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from bpy.types import ID

from .values import ABSENT, ORDER, Custom, FilePath, Group, Item, Path, Ref, called, keyed

STACKS = ("modifiers", "constraints", "drivers", "tags")
"""Collections whose items can be made anew, each by its name."""
_REFUSALS = (AttributeError, TypeError, ValueError, RuntimeError, KeyError, IndexError, ReferenceError)
"""What Blender raises when it does not take a value. Whoever writes looks at what came of it."""
_CREATED = {
    "animation_data": ("animation_data_create", "animation_data_clear"),
    "asset_data": ("asset_mark", "asset_clear"),
}

Target = Callable[[Ref], ID]
"""The datablock that is to be used where another version used its own."""


def write(datablock: Any, source: Any, values: Mapping[Path, Any], to: Target) -> None:
    """Set the values; what is made anew is copied from the datablock `source`, of which they are."""
    for path, value in sorted(values.items(), key=lambda each: len(each[0])):
        if path[-1] != ORDER or len(path) == 1:
            continue
        with contextlib.suppress(*_REFUSALS):
            if path[-2] in _CREATED:
                create, clear = _CREATED[path[-2]]
                getattr(resolved(datablock, path[:-2]), clear if value == ABSENT else create)()
            elif path[-2] in STACKS:
                _arrange(resolved(datablock, path[:-2]), resolved(source, path[:-2]), path[-2], value)
    found: dict[Path, Any] = {}
    for path, value in values.items():
        if path[-1] != ORDER or isinstance(path[-2], Custom):
            with contextlib.suppress(*_REFUSALS):
                _set(datablock, path, value, to, found)


def resolved(datablock: Any, path: Path, found: dict[Path, Any] | None = None) -> Any:
    """The struct or the collection at a path; `found` remembers those on the way.

    Raises KeyError or AttributeError when there is none.
    """
    if not path:
        return datablock
    if found is not None and path in found:
        return found[path]
    step, outer = path[-1], resolved(datablock, path[:-1], found)
    if isinstance(step, Item):
        items = dict(keyed(outer))
        if found is not None:
            found |= {(*path[:-1], key): item for key, item in items.items()}
        return items[step]
    value = getattr(outer, step)
    if found is not None:
        found[path] = value
    return value


def _set(datablock: Any, path: Path, value: Any, to: Target, found: dict[Path, Any]) -> None:
    step, outer = path[-1], resolved(datablock, path[:-1] if path[-1] != ORDER else path[:-2], found)
    if isinstance(step, Custom):
        if value == ABSENT:
            del outer[step.name]
        else:
            outer[step.name] = thawed(value, to)
    elif step == ORDER:
        outer.id_properties_ui(path[-2].name).update(**thawed(value, to))
    elif isinstance(step, Item):
        outer[step.key] = thawed(value, to)
    elif value != ABSENT:
        if outer.bl_rna.properties[step].type == "POINTER" and value is not None and not isinstance(value, Ref):
            value = _sibling(datablock, path, value, found)
        setattr(outer, step, thawed(value, to))


def _sibling(datablock: Any, path: Path, name: Any, found: dict[Path, Any]) -> Any:
    """What is chosen among others of the same datablock, by its name."""
    outer = resolved(datablock, path[:-1], found)
    if path[-1] == "action_slot":
        return next(each for each in outer.action.slots if called(each) == name)
    return next(each for each in resolved(datablock, path[:-2], found) if called(each) == name)


def thawed(value: Any, to: Target) -> Any:
    """A value as Blender takes it."""
    if isinstance(value, Ref):
        return to(value)
    if isinstance(value, FilePath):
        return value.written
    if isinstance(value, Group):
        return {key: thawed(each, to) for key, each in value}
    if isinstance(value, frozenset):
        return set(value)
    return [thawed(each, to) for each in value] if isinstance(value, tuple) else value


def _arrange(owner: Any, source: Any, name: str, order: Any) -> None:
    """Make, remove and move the items of a stack until they are those."""
    stack, wanted = getattr(owner, name), () if order == ABSENT else order
    for key, item in list(keyed(stack)):
        if (key, type(item).__name__) not in wanted:
            stack.remove(item)
    have, theirs = dict(keyed(stack)), dict(keyed(getattr(source, name)))
    for place, (key, _) in enumerate(wanted):
        if key not in have:
            _copy(stack, theirs[key], name)
        if name in ("modifiers", "constraints"):
            now = [each for each, _ in keyed(stack)]
            stack.move(now.index(key), place)


def _copy(stack: Any, item: Any, name: str) -> None:
    if name == "modifiers":
        stack.new(item.name, item.type)  # its values come with the others
    elif name == "constraints":
        stack.copy(item)
    elif name == "drivers":
        stack.from_existing(src_driver=item)
    else:
        stack.new(item.name)
