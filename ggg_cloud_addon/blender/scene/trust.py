"""Whether Python that is in a .blend file may run."""

import fnmatch
import os
import sys
from collections.abc import Iterator

import bpy

_ANSWERS = {"-y": True, "--enable-autoexec": True, "-Y": False, "--disable-autoexec": False}
_ENDS = ("--", "-c", "--command")
"""Of Blender's own arguments."""


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
