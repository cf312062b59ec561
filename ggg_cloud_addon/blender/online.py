"""Blender's own switch for the network."""

import bpy


def why_offline() -> str | None:
    """The sentence that refuses clouds; ``None`` while Blender may use the network."""
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
