"""Set values in a datablock by their paths, see :mod:`.values`; where Blender refuses one, the others are set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from bpy.types import ID

from .frozen import Custom, FilePath, Group, Item, Path, Ref
from .values import ABSENT, ORDER, called, keyed

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
    inner: dict[Path, dict[Path, Any]] = {}
    for path, value in values.items():
        if path[-1] != ORDER:
            inner.setdefault(path[:-1], {})[path] = value
        elif isinstance(path[-2], Custom):
            inner.setdefault(path[:-2], {})[path] = value
    for outer, those in sorted(inner.items(), key=lambda each: len(each[0])):
        with contextlib.suppress(*_REFUSALS):
            # Looked up anew each time: what is set may free what lies in it (a node's mode its sockets), and Blender
            # crashes when that is used.
            struct = resolved(datablock, outer)
            for path, value in those.items():
                with contextlib.suppress(*_REFUSALS):
                    _set(datablock, struct, path, value, to)


def resolved(datablock: Any, path: Path) -> Any:
    """The struct or the collection at a path.

    Raises KeyError or AttributeError when there is none.
    """
    found = datablock
    for step in path:
        if isinstance(step, Item):
            found = next((item for key, item in keyed(found) if key == step), None)
        else:
            found = getattr(found, step)
        if found is None:
            raise KeyError(step)
    return found


def _set(datablock: Any, struct: Any, path: Path, value: Any, to: Target) -> None:
    step = path[-1]
    if isinstance(step, Custom):
        if value == ABSENT:
            del struct[step.name]
        else:
            struct[step.name] = thawed(value, to)
    elif step == ORDER:
        struct.id_properties_ui(path[-2].name).update(**thawed(value, to))
    elif isinstance(step, Item):
        struct[step.key] = thawed(value, to)
    elif value != ABSENT:
        if struct.bl_rna.properties[step].type == "POINTER" and value is not None and not isinstance(value, Ref):
            value = _sibling(datablock, struct, path, value)
        setattr(struct, step, thawed(value, to))


def _sibling(datablock: Any, struct: Any, path: Path, name: Any) -> Any:
    """What is chosen among others of the same datablock, by its name."""
    among = struct.action.slots if path[-1] == "action_slot" else resolved(datablock, path[:-2])
    found = next((each for each in among if called(each) == name), None)
    if found is None:
        raise KeyError(name)
    return found


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
