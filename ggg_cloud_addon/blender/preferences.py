"""The page in Edit > Preferences > Add-ons."""

import bpy
from bpy.props import CollectionProperty, IntProperty, StringProperty
from bpy.types import AddonPreferences, Context, UILayout

from .connections import ConnectionSettings, preferences_of
from .user_files import ADDON


class GGGCloudPreferences(AddonPreferences):
    """The connections."""

    bl_idname = ADDON

    connections: CollectionProperty(type=ConnectionSettings)  # type: ignore[valid-type]
    active_index: IntProperty(name="Connection", description="The one that is used")  # type: ignore[valid-type]
    # Of version 0.2.0, which had one folder only.
    root: StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    prefix: StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]

    def draw(self, context: Context) -> None:
        """Draw the page."""
        draw_storage(self.layout, self)


def draw_storage(layout: UILayout, preferences: GGGCloudPreferences) -> None:
    """Draw the storage settings; the sidebar shows them too."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    for connection in preferences.connections:
        column.prop(connection, "root", placeholder="Your own folder")
        column.prop(connection, "prefix")


def _begin(preferences: GGGCloudPreferences) -> None:
    """There is always a connection: at first that of the former version, or a folder of the user's own."""
    if preferences.connections:
        return
    first = preferences.connections.add()
    first.name = "My Folder"
    first.root = preferences.root
    first.prefix = preferences.prefix


def register() -> None:
    """Add the preferences page."""
    bpy.utils.register_class(ConnectionSettings)
    bpy.utils.register_class(GGGCloudPreferences)
    preferences = preferences_of(bpy.context)
    if preferences is not None:
        _begin(preferences)


def unregister() -> None:
    """Remove it."""
    bpy.utils.unregister_class(GGGCloudPreferences)
    bpy.utils.unregister_class(ConnectionSettings)
