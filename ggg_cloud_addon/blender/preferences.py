"""The page in Edit > Preferences > Add-ons. It only reads what is in memory."""

from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import AddonPreferences, Context, Event, Operator, UILayout, UIList

from .connection_test import MISSING, findings_of, forget_findings, test_under_way
from .connections import PROVIDERS, ConnectionSettings, active_connection, config_of, preferences_of
from .credentials import remove_own_file
from .job import Returned
from .online import is_forced_offline, why_offline
from .properties import forget_storage
from .scene import SceneError
from .text import draw_text
from .user_files import ADDON

ICONS: dict[str, Any] = {provider: icon for provider, _, _, icon, _ in PROVIDERS}
MARKS: dict[bool | None, Any] = {True: "CHECKMARK", None: "INFO", False: "ERROR"}
FIRST_NAMES = {"mock": "Folder", "aws": "Amazon S3", "azure": "Azure"}


class GGG_CLOUD_UL_connections(UIList):
    """The connections."""

    def draw_item(
        self,
        context: Context,
        layout: UILayout,
        data: object,
        item: object,
        icon: int | None,
        active_data: object,
        active_property: str | None,
        index: int | None = 0,
        flt_flag: int | None = 0,
    ) -> None:
        """One line: the name, which a double click changes, and where that is."""
        assert isinstance(item, ConnectionSettings)
        row = layout.split(factor=0.45)
        row.prop(item, "name", text="", emboss=False, icon=ICONS[item.provider])
        where = row.row()
        where.active = False
        where.label(text=item.bucket_name if item.provider != "mock" else item.root, translate=False)


class GGG_CLOUD_OT_connection_add(Operator):
    """Add a connection to a storage"""

    bl_idname = "ggg_cloud.connection_add"
    bl_label = "Add Connection"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's own way to declare it

    provider: EnumProperty(name="Storage", items=PROVIDERS)  # type: ignore[valid-type]

    def execute(self, context: Context) -> Returned:
        """Add it, and choose it."""
        preferences = preferences_of(context)
        assert preferences is not None
        name, number = FIRST_NAMES[self.provider], 1
        while name in preferences.connections:
            number += 1
            name = f"{FIRST_NAMES[self.provider]} {number}"
        connection = preferences.connections.add()
        connection.name = name
        connection.provider = self.provider
        preferences.active_index = len(preferences.connections) - 1
        return {"FINISHED"}


class GGG_CLOUD_OT_connection_remove(Operator):
    """Remove the chosen connection; what is stored there stays"""

    bl_idname = "ggg_cloud.connection_remove"
    bl_label = "Remove Connection"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's own way to declare it

    def invoke(self, context: Context, event: Event) -> Returned:
        """Ask first."""
        connection = active_connection(context)
        assert connection is not None
        assert context.window_manager is not None
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=f'Remove "{connection.name}"?',
            message="What is stored there stays. Keys that were entered here are removed.",
            confirm_text="Remove",
            icon="QUESTION",
        )

    def execute(self, context: Context) -> Returned:
        """Remove it, and its keys."""
        preferences, connection = preferences_of(context), active_connection(context)
        assert preferences is not None
        assert connection is not None
        try:
            remove_own_file(context, connection)
        except OSError as error:
            self.report({"ERROR"}, f'The keys of "{connection.name}" cannot be removed: {error}.')
            return {"CANCELLED"}
        preferences.connections.remove(list(preferences.connections).index(connection))
        preferences.active_index = max(0, preferences.active_index - 1)
        _have_one(preferences)
        assert context.preferences is not None
        context.preferences.is_dirty = True
        return {"FINISHED"}


def _forget_storage(preferences: "GGGCloudPreferences", context: Context) -> None:
    """What the sidebar shows is of another storage."""
    forget_storage(context)


class GGGCloudPreferences(AddonPreferences):
    """The connections."""

    bl_idname = ADDON

    connections: CollectionProperty(type=ConnectionSettings)  # type: ignore[valid-type]
    active_index: IntProperty(name="Connection", description="The one that is used", update=_forget_storage)  # type: ignore[valid-type]
    show_more: BoolProperty(name="More Settings", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    # Of version 0.2.0, which had one folder only.
    root: StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    prefix: StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]

    def draw(self, context: Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.label(text="Connections: where your components are kept")
        _draw_connections(layout, self)
        connection = active_connection(context)
        if connection is None:
            return
        _draw_fields(layout.column(), self, connection)
        layout.separator()
        _draw_test(layout, context, connection)


def _draw_connections(layout: UILayout, preferences: GGGCloudPreferences) -> None:
    """Draw the list, with buttons to add and remove."""
    row = layout.row()
    row.template_list(
        "GGG_CLOUD_UL_connections", "", preferences, "connections", preferences, "active_index", rows=2, maxrows=6
    )
    column = row.column(align=True)
    column.operator_menu_enum("ggg_cloud.connection_add", "provider", text="", icon="ADD")
    column.operator("ggg_cloud.connection_remove", text="", icon="REMOVE")


def _draw_fields(column: UILayout, preferences: GGGCloudPreferences, connection: ConnectionSettings) -> None:
    """Those of the chosen provider."""
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(connection, "provider")
    if connection.provider == "mock":
        column.prop(connection, "root", placeholder="A folder of your own")
        column.prop(connection, "prefix", placeholder="None")
        return
    is_azure = connection.provider == "azure"
    column.prop(connection, "bucket_name", text="Container" if is_azure else "Bucket")
    column.prop(connection, "prefix", placeholder="None")
    if not is_azure:
        column.prop(connection, "region", placeholder="Automatic")
    column.prop(connection, "endpoint_url", placeholder="Azure" if is_azure else "Amazon")
    column.separator()
    _draw_sign_in(column, connection)
    column.separator()
    row = column.row()
    row.alignment = "LEFT"
    row.use_property_split = False
    row.prop(preferences, "show_more", icon="TRIA_DOWN" if preferences.show_more else "TRIA_RIGHT", emboss=False)
    if preferences.show_more:
        _draw_more(column, connection)


def _draw_sign_in(column: UILayout, connection: ConnectionSettings) -> None:
    is_azure = connection.provider == "azure"
    row = _beside(column, "Sign In With")
    for source in ("CHAIN", "FILE") if is_azure else ("CHAIN", "PROFILE", "FILE"):
        row.prop_enum(connection, "credentials", source)
    if connection.credentials == "PROFILE" and not is_azure:
        column.prop(connection, "profile")
    elif connection.credentials == "FILE":
        column.prop(connection, "credentials_file")
        _beside(column, "").operator("ggg_cloud.enter_keys", text="Enter Keys...", icon="LOCKED")


def _beside(column: UILayout, label: str) -> UILayout:
    """A row for buttons in line with the fields, which have their names at their left."""
    split = column.split(factor=0.4)
    left = split.row()
    left.alignment = "RIGHT"
    left.label(text=label)
    row = split.row(align=True)
    row.use_property_split = False
    return row


def _draw_more(column: UILayout, connection: ConnectionSettings) -> None:
    column.prop(connection, "storage_tier", placeholder="The store's usual")
    if connection.provider == "aws":
        column.prop(connection, "encryption")
        row = column.row()
        row.enabled = connection.encryption
        row.prop(connection, "kms_key_id", placeholder="The key of S3 itself")
    column.prop(connection, "public_access")
    column.prop(connection, "ca_bundle", placeholder="Those of the system")


def _draw_test(layout: UILayout, context: Context, connection: ConnectionSettings) -> None:
    """The button, why it cannot be pressed, and what was found."""
    refusal = why_offline() if connection.provider != "mock" else None
    if refusal:
        box = layout.box()
        draw_text(box, context, refusal, "ERROR")
        if not is_forced_offline():
            assert context.preferences is not None
            box.prop(context.preferences.system, "use_online_access", text="Allow Online Access")
    try:
        config_of(connection)
    except SceneError as error:
        draw_text(layout, context, str(error), "INFO")
        return
    row = layout.row()
    row.scale_y = 1.3
    if number := test_under_way(connection):
        row.label(text="Testing the connection...", icon="TIME")
        row.operator("ggg_cloud.cancel", text="Cancel", icon="CANCEL").number = number
        return
    row.enabled = not refusal
    row.operator("ggg_cloud.test_connection", icon="CHECKMARK")
    findings = findings_of(connection)
    if findings is None:
        return
    if any(each.about == MISSING for each in findings):
        what = "Container" if connection.provider == "azure" else "Bucket"
        create = row.operator("ggg_cloud.test_connection", text=f"Create {what}", icon="ADD")
        create.create = True
    box = layout.box().column()
    for each in sorted(findings, key=lambda each: each.ok is not False):
        column = box.column()
        column.alert = each.ok is False
        draw_text(column, context, each.sentence, MARKS[each.ok])


def _have_one(preferences: GGGCloudPreferences) -> None:
    """There is always a connection: at first that of the former version, or a folder of the user's own."""
    if preferences.connections:
        return
    first = preferences.connections.add()
    first.name = "My Folder"
    first.root, first.prefix = preferences.root, preferences.prefix
    preferences.root = preferences.prefix = ""


_list_and_buttons = (GGG_CLOUD_UL_connections, GGG_CLOUD_OT_connection_add, GGG_CLOUD_OT_connection_remove)


def register() -> None:
    """Add the page."""
    for each in (ConnectionSettings, GGGCloudPreferences, *_list_and_buttons):
        bpy.utils.register_class(each)
    preferences = preferences_of(bpy.context)
    if preferences is not None:
        _have_one(preferences)


def unregister() -> None:
    """Remove it."""
    for each in (*_list_and_buttons, GGGCloudPreferences, ConnectionSettings):
        bpy.utils.unregister_class(each)
    forget_findings()
