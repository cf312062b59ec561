"""``blender --command ggg_cloud ...``: the command line, in a Blender without a window."""

from typing import Any

import bpy

_handles: list[Any] = []


def _run(arguments: list[str]) -> int:
    from ..cli import main  # late: it loads the engine, which no window needs

    return main(arguments, offline=_why_offline())


def _why_offline() -> str | None:
    """The sentence that refuses clouds while Blender may not use the network."""
    app = bpy.app
    if app.online_access:
        return None
    # Older versions misspell it.
    if getattr(app, "online_access_override", getattr(app, "online_access_overriden", False)):
        return "Blender was started offline, so it reaches no cloud; start it without --offline-mode."
    return (
        "Blender may not use the network, so it reaches no cloud; switch on Allow Online Access (Preferences > "
        "System > Network), or start Blender with --online-mode."
    )


def register() -> None:
    """Add the command."""
    _handles.append(bpy.utils.register_cli_command("ggg_cloud", _run))  # type: ignore[func-returns-value]


def unregister() -> None:
    """Remove it."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
