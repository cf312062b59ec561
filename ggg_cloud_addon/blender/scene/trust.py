"""Whether Python that is in a .blend file may run, and that what came from elsewhere does not."""

import fnmatch
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.types import ID

_ANSWERS = {"-y": True, "--enable-autoexec": True, "-Y": False, "--disable-autoexec": False}
_ENDS = ("--", "-c", "--command")
"""Of Blender's own arguments."""
_held: set[int] = set()
"""The ``session_uid`` of all that :func:`hold_back` was given."""


def may_run_scripts(path: str) -> bool:
    """Whether the user lets Blender run what is in the .blend file at `path` (empty: of one that was never saved).

    Blender's command line says so, or else "Auto Run Python Scripts" in the preferences with its excluded paths.
    """
    said = list(_said_at_start())
    if said:
        return said[-1]
    assert bpy.context.preferences is not None
    return bpy.context.preferences.filepaths.use_scripts_auto_execute and not _is_excluded(path)


def _said_at_start() -> Iterator[bool]:
    for argument in sys.argv[1:]:
        if argument in _ENDS:
            return
        if argument in _ANSWERS:
            yield _ANSWERS[argument]


def _is_excluded(path: str) -> bool:
    assert bpy.context.preferences is not None
    for excluded in bpy.context.preferences.autoexec_paths:
        if excluded.use_glob:
            if fnmatch.fnmatch(path, excluded.path):
                return True
        elif excluded.path and os.path.normcase(path).startswith(os.path.normcase(excluded.path)):
            return True
    return False


def hold_back(datablocks: Iterable[ID]) -> None:
    """Let no driver of what was just loaded run Python in the open file, unless the user lets such run.

    "Allow Execution" of a file that he knows is no word about what comes into it later. Each driver gets the mark that
    Blender itself gives to one that it blocks. It is saved nowhere: who opens the file again is asked again.
    """
    if not may_run_scripts(bpy.data.filepath):
        loaded = list(datablocks)
        _held.update(each.session_uid for each in loaded)
        _mark(loaded)


def _mark(datablocks: Iterable[Any]) -> None:
    for datablock in datablocks:
        for each in (datablock, getattr(datablock, "node_tree", None)):
            animation = getattr(each, "animation_data", None)
            for curve in animation.drivers if animation else ():
                if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression:
                    curve.driver.is_valid = False


@persistent  # type: ignore[untyped-decorator]  # so the stubs
def _mark_again(*_: object) -> None:
    """An undo reads datablocks again, and gives each driver another chance."""
    if _held:
        data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
        _mark(each for each in data.user_map() if each.session_uid in _held)


_UNDOS = (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post)


def register() -> None:
    """Hold back after an undo too."""
    for handlers in _UNDOS:
        handlers.append(_mark_again)


def unregister() -> None:
    """Do not any more."""
    for handlers in _UNDOS:
        handlers.remove(_mark_again)
