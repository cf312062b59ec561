"""Blender's own switch for the network."""

import bpy


def is_forced_offline() -> bool:
    """Whether Blender was started so that its user cannot allow the network."""
    app = bpy.app
    # Older versions misspell it.
    fixed = getattr(app, "online_access_override", getattr(app, "online_access_overriden", False))
    return bool(fixed) and not app.online_access


def why_offline() -> str | None:
    """The sentence that refuses clouds; ``None`` while Blender may use the network."""
    if bpy.app.online_access:
        return None
    if is_forced_offline():
        return "Blender was started offline, so it reaches no cloud; start it without --offline-mode."
    return (
        "Blender may not use the network, so it reaches no cloud; switch on Allow Online Access (Preferences > "
        "System > Network), or start Blender with --online-mode."
    )
