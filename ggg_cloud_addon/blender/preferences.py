"""Where the components are stored, as the user set it."""

from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import AddonPreferences, Context, UILayout

ADDON = __package__.rpartition(".")[0]
"""The name that Blender gave this add-on: ``bl_ext.<repository>.ggg_cloud_addon`` as an extension."""


class GGGCloudPreferences(AddonPreferences):
    """The page in Edit > Preferences > Add-ons."""

    bl_idname = ADDON

    root: StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description="The folder that keeps the components, such as one on a shared drive. Empty: one of your own",
        subtype="DIR_PATH",
    )
    prefix: StringProperty(  # type: ignore[valid-type]
        name="Subfolder",
        description="Components are kept below this path in the folder, such as models/robots",
    )

    def draw(self, context: Context) -> None:
        """Draw the page."""
        draw_storage(self.layout, self)


def draw_storage(layout: UILayout, preferences: "GGGCloudPreferences") -> None:
    """Draw the storage settings; the sidebar shows them too."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(preferences, "root", placeholder="Your own folder")
    column.prop(preferences, "prefix")


def preferences_of(context: Context) -> GGGCloudPreferences | None:
    """The preferences; ``None`` when the package was registered by a script and is no enabled add-on."""
    assert context.preferences is not None
    addon = context.preferences.addons.get(ADDON)
    return addon.preferences if addon else None


def storage_config(context: Context) -> dict[str, Any]:
    """The fields of the engine's CloudStorageConfig that the preferences set."""
    preferences = preferences_of(context)
    if preferences is None:
        return {}
    config = {"root": bpy.path.abspath(preferences.root), "prefix": preferences.prefix}
    return {key: value for key, value in config.items() if value}


def register() -> None:
    """Add the preferences page."""
    bpy.utils.register_class(GGGCloudPreferences)


def unregister() -> None:
    """Remove it."""
    bpy.utils.unregister_class(GGGCloudPreferences)
