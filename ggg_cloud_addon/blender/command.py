"""``blender --command ggg_cloud ...``: the command line, in a Blender without a window."""

import os
from pathlib import Path
from typing import Any

import bpy

from .online import why_offline

_handles: list[Any] = []


def _run(arguments: list[str]) -> int:
    from ..cli import main  # late: it loads the engine, which no window needs

    code = main(arguments, offline=why_offline())
    # What Blender says itself, such as its version, it writes at its end: behind an answer that is for a program.
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return code


def register() -> None:
    """Add the command."""
    _handles.append(bpy.utils.register_cli_command("ggg_cloud", _run))  # type: ignore[func-returns-value]


def unregister() -> None:
    """Remove it."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
