"""``blender --command ggg_cloud ...``: the command line, in a Blender without a window."""

from typing import Any

import bpy

from .online import why_offline

_handles: list[Any] = []


def _run(arguments: list[str]) -> int:
    from ..cli import main  # late: it loads the engine, which no window needs

    return main(arguments, offline=why_offline())


def register() -> None:
    """Add the command."""
    _handles.append(bpy.utils.register_cli_command("ggg_cloud", _run))  # type: ignore[func-returns-value]


def unregister() -> None:
    """Remove it."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
