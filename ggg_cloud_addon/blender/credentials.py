"""The dialog for keys: they go into a file that only their owner can read, and nowhere else.

Not into a property that Blender saves or repeats, nor into its list of what was done.
"""

import json
import re
from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Event, Operator

from .connection_test import forget_findings
from .connections import ConnectionSettings, active_connection, preferences_of
from .job import Returned
from .user_files import user_folder, write_private

KEYS = {
    "aws": (("aws_access_key_id", "aws_secret_access_key"),),
    "azure": (("connection_string",), ("account_name", "account_key")),
}
"""By provider: the sets of keys of which a credentials file needs one."""


class GGG_CLOUD_OT_enter_keys(Operator):
    """Write the keys of the active connection into a file that only you can read"""

    bl_idname = "ggg_cloud.enter_keys"
    bl_label = "Enter Keys"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's own way to declare it

    aws_access_key_id: StringProperty(  # type: ignore[valid-type]
        name="Access Key ID", description="Such as AKIAIOSFODNN7EXAMPLE", options={"SKIP_SAVE"}
    )
    aws_secret_access_key: StringProperty(  # type: ignore[valid-type]
        name="Secret Access Key",
        description="Shown once when the access key is made",
        subtype="PASSWORD",
        options={"SKIP_SAVE"},
    )
    connection_string: StringProperty(  # type: ignore[valid-type]
        name="Connection String",
        description="From Access Keys of the storage account in the Azure portal",
        subtype="PASSWORD",
        options={"SKIP_SAVE"},
    )
    account_name: StringProperty(  # type: ignore[valid-type]
        name="Account", description="The name of the storage account", options={"SKIP_SAVE"}
    )
    account_key: StringProperty(  # type: ignore[valid-type]
        name="Account Key",
        description="From Access Keys of the storage account in the Azure portal",
        subtype="PASSWORD",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """For a cloud."""
        connection = active_connection(context)
        return connection is not None and connection.provider in KEYS

    def invoke(self, context: Context, event: Event) -> Returned:
        """Ask for them."""
        assert context.window_manager is not None
        return context.window_manager.invoke_props_dialog(self, width=440, confirm_text="Keep")

    def draw(self, context: Context) -> None:
        """Draw the dialog."""
        connection = active_connection(context)
        layout = self.layout
        assert layout is not None
        assert connection is not None
        layout.use_property_split = True
        for number, names in enumerate(KEYS[connection.provider]):
            if number:
                layout.label(text="Or:")
            for name in names:
                layout.prop(self, name)
        layout.label(text="Kept in a file that only you can read, not in Blender's preferences", icon="LOCKED")

    def execute(self, context: Context) -> Returned:
        """Write the file, and name it in the connection."""
        connection = active_connection(context)
        assert connection is not None
        try:
            written = self._write(connection)
        except (ValueError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            for names in KEYS.values():
                for name in (each for group in names for each in group):
                    setattr(self, name, "")
        connection.credentials = "FILE"
        connection.credentials_file = str(written)
        forget_findings()
        self.report({"INFO"}, f'The keys of "{connection.name}" are kept in "{written}"')
        return {"FINISHED"}

    def _write(self, connection: ConnectionSettings) -> Path:
        for names in KEYS[connection.provider]:
            values = {name: getattr(self, name).strip() for name in names}
            if all(values.values()):
                break
        else:
            needs = " or ".join(
                " and ".join(self.properties.bl_rna.properties[name].name for name in names)
                for names in KEYS[connection.provider]
            )
            raise ValueError(f"Not all is filled in; it needs {needs}.")
        path = own_file(connection) or _new_file(connection.name)
        write_private(path, json.dumps(values, indent=2) + "\n")
        return path


def own_file(connection: ConnectionSettings) -> Path | None:
    """The file that this dialog wrote for the connection, if it did.

    Raises:
        OSError: the user's folder cannot be made.
    """
    path = Path(connection.credentials_file)
    return path if connection.credentials_file and path.parent == user_folder() else None


def remove_own_file(context: Context, connection: ConnectionSettings) -> None:
    """Before a connection is removed: leave no keys behind that nobody uses.

    Raises:
        OSError: the file cannot be removed.
    """
    path = own_file(connection)
    preferences = preferences_of(context)
    assert preferences is not None
    if path and sum(each.credentials_file == str(path) for each in preferences.connections) == 1:
        path.unlink(missing_ok=True)


def _new_file(connection: str) -> Path:
    name = re.sub(r"[^\w-]+", "_", connection).strip("_").lower()
    path = user_folder() / f"keys_{name}.json"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"keys_{name}_{number}.json")
    return path


register, unregister = bpy.utils.register_classes_factory((GGG_CLOUD_OT_enter_keys,))  # type: ignore[func-returns-value, misc]  # so the stubs
