"""The connections that the user has set up, and what the engine is told of the active one.

No field of a connection ever holds a secret: Blender saves them in ``userpref.blend``.
"""

import json
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, PropertyGroup

from .online import why_offline
from .properties import forget_storage
from .scene import SceneError
from .user_files import ADDON, user_folder, write_private

if TYPE_CHECKING:
    from .preferences import GGGCloudPreferences

log = logging.getLogger(__name__)

PROVIDERS = (
    ("mock", "Folder", "A folder on this computer, a shared drive or a NAS", "FILE_FOLDER", 0),
    ("aws", "Amazon S3 or Compatible", "A bucket of Amazon S3, MinIO, Ceph, R2 or another such server", "WORLD", 1),
    ("azure", "Azure Blob Storage", "A container of an Azure storage account", "WORLD", 2),
)
CREDENTIALS = (
    (
        "CHAIN",
        "Automatic",
        "What the cloud's own tools find: environment variables, and for Amazon the default profile, single sign-on "
        "or a role",
    ),
    ("PROFILE", "Profile", "A profile of the AWS configuration, single sign-on too"),
    ("FILE", "Keys File", "A JSON file with keys; Enter Keys writes one that only you can read"),
)
DIRECTIONS = (
    ("both", "Both Ways", "What changed here goes there, and what changed there comes here"),
    ("upload", "Upload Only", "Nothing in the folder is changed"),
    ("download", "Download Only", "Nothing in the storage is changed"),
)
TIERS = {
    "aws": ("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
    "azure": ("Hot", "Cool", "Cold", "Archive"),
}
PATHS = ("root", "credentials_file", "ca_bundle", "sync_folder")
MODELS = "*.blend *.fbx *.stl *.gltf *.glb *.bin *.obj *.mtl *.ply *.usd *.usd? *blender_assets.cats.txt"


def _note_change(connection: "ConnectionSettings", context: Context) -> None:
    """Blender saves preferences by itself only if it knows that they changed; it does not see into our collection."""
    assert context.preferences is not None
    context.preferences.is_dirty = True


def _use_another(connection: "ConnectionSettings", context: Context) -> None:
    """What the sidebar shows, and asks to delete, is of another storage or another folder."""
    forget_storage(context)
    _note_change(connection, context)


def _keep_address_only(connection: "ConnectionSettings", context: Context) -> None:
    """Drop a password or a signature (an Azure SAS) that was pasted with the address: it would be saved."""
    address = re.split(r"[?#]", connection.endpoint_url.strip())[0]
    address = re.sub(r"^(\w+://)?.*@", r"\1", address)
    if address != connection.endpoint_url:
        connection.endpoint_url = address
    _use_another(connection, context)


def _find_tiers(connection: "ConnectionSettings", context: Context, edit_text: str) -> Iterator[str]:
    yield from (each for each in TIERS.get(connection.provider, ()) if edit_text.lower() in each.lower())


class ConnectionSettings(PropertyGroup):
    """Where components are stored, and which folder is synced with it."""

    name: StringProperty(  # type: ignore[valid-type]
        name="Name", description="How this connection is called in the lists", update=_note_change
    )
    provider: EnumProperty(  # type: ignore[valid-type]
        name="Storage", description="What keeps the components", items=PROVIDERS, update=_use_another
    )
    root: StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description="The folder that keeps the components, such as one on a shared drive. Empty: one of your own",
        subtype="DIR_PATH",
        update=_use_another,
    )
    bucket_name: StringProperty(  # type: ignore[valid-type]
        name="Bucket", description="The name of the bucket, or of the container in Azure", update=_use_another
    )
    prefix: StringProperty(  # type: ignore[valid-type]
        name="Subfolder", description="Components are kept below this path, such as models/robots", update=_use_another
    )
    region: StringProperty(  # type: ignore[valid-type]
        name="Region",
        description="Where the bucket lies, such as eu-central-1. Empty: as the profile or the keys file says",
        update=_use_another,
    )
    endpoint_url: StringProperty(  # type: ignore[valid-type]
        name="Server",
        description="The address of a server of your own, such as https://s3.example.com. Empty: the cloud itself",
        update=_keep_address_only,
    )
    credentials: EnumProperty(  # type: ignore[valid-type]
        name="Sign In With", description="Where the keys come from", items=CREDENTIALS, update=_use_another
    )
    profile: StringProperty(  # type: ignore[valid-type]
        name="Profile",
        description='The profile in the AWS configuration, as "aws configure list-profiles" shows it',
        update=_use_another,
    )
    credentials_file: StringProperty(  # type: ignore[valid-type]
        name="Keys File",
        description="A JSON file with the keys; it stays where it is, and only its path is saved",
        subtype="FILE_PATH",
        update=_use_another,
    )
    encryption: BoolProperty(  # type: ignore[valid-type]
        name="Encrypt at Rest",
        description="Ask the store to encrypt what it keeps",
        default=True,
        update=_note_change,
    )
    kms_key_id: StringProperty(  # type: ignore[valid-type]
        name="KMS Key",
        description="ID or ARN of a key in AWS KMS to encrypt with. Empty: the key of S3 itself",
        update=_note_change,
    )
    storage_tier: StringProperty(  # type: ignore[valid-type]
        name="Storage Tier",
        description="Price and speed of what is stored. Empty: the store's usual. What is archived cannot be pulled "
        "at once",
        search=_find_tiers,
        search_options={"SUGGESTION"},
        update=_note_change,
    )
    public_access: BoolProperty(  # type: ignore[valid-type]
        name="Public",
        description="Everybody on the internet may read what is stored",
        update=_note_change,
    )
    ca_bundle: StringProperty(  # type: ignore[valid-type]
        name="Certificates",
        description="A PEM file with the certificates to trust instead of the system's, for a server or a proxy of "
        "your own",
        subtype="FILE_PATH",
        update=_note_change,
    )
    sync_folder: StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description="The folder on this computer that is kept the same as the storage",
        subtype="DIR_PATH",
        update=_use_another,
    )
    direction: EnumProperty(  # type: ignore[valid-type]
        name="Direction", description="Which side may be changed", items=DIRECTIONS, update=_use_another
    )
    delete_files: BoolProperty(  # type: ignore[valid-type]
        name="Sync Deletions",
        description="A file that was deleted on one side is deleted on the other; it stays in the trash or among the "
        "versions",
        update=_use_another,
    )
    include: StringProperty(  # type: ignore[valid-type]
        name="Include",
        description="Which files take part, such as *.blend textures/*; separated by spaces or commas",
        default=MODELS,
        update=_use_another,
    )
    exclude: StringProperty(  # type: ignore[valid-type]
        name="Exclude",
        description="Which files do not take part, such as wip/*; separated by spaces or commas",
        update=_use_another,
    )


def preferences_of(context: Context) -> "GGGCloudPreferences | None":
    """The preferences; ``None`` when the package was registered by a script and is no enabled add-on."""
    assert context.preferences is not None
    addon = context.preferences.addons.get(ADDON)
    return addon.preferences if addon else None


def active_connection(context: Context) -> ConnectionSettings | None:
    """The one that is used; ``None`` without preferences."""
    preferences = preferences_of(context)
    if preferences is None or not preferences.connections:
        return None
    index = min(max(preferences.active_index, 0), len(preferences.connections) - 1)
    return preferences.connections[index]  # type: ignore[no-any-return]


def config_of(connection: ConnectionSettings) -> dict[str, Any]:
    """The fields of the engine's CloudStorageConfig: those of the chosen provider that are filled in.

    Raises:
        SceneError: a field that it needs is empty.
    """
    names = ["prefix"]
    if connection.provider == "mock":
        names += ["root"]
    else:
        names += ["bucket_name", "endpoint_url", "storage_tier", "ca_bundle"]
        if not connection.bucket_name.strip():
            what = "container" if connection.provider == "azure" else "bucket"
            raise SceneError(f'The connection "{connection.name}" names no {what}; fill it in (Preferences > Add-ons).')
        names += _sign_in(connection)
    if connection.provider == "aws":
        names += ["region"] + (["kms_key_id"] if connection.encryption else [])
    texts = {name: _path(connection, name) if name in PATHS else getattr(connection, name).strip() for name in names}
    config: dict[str, Any] = {"provider": connection.provider, **{key: text for key, text in texts.items() if text}}
    if connection.provider != "mock":
        config |= {"encryption": connection.encryption, "public_access": connection.public_access}
    return config


def storage_config(context: Context) -> dict[str, Any]:
    """What the engine is told of the active connection; also written down for ``ggg-cloud --config``.

    Raises:
        SceneError: a field that it needs is empty, or it is a cloud and Blender is offline.
    """
    connection = active_connection(context)
    if connection is None:
        return {}
    config = config_of(connection)
    if connection.provider != "mock" and (refusal := why_offline()):
        raise SceneError(refusal)
    _write_config(config)
    return config


def storage_name(context: Context) -> str:
    """What tells the storage of the active connection from others, and holds no secret.

    Raises:
        SceneError: a field that it needs is empty.
    """
    connection = active_connection(context)
    config = config_of(connection) if connection else {}
    where = config.get("root") or "/".join(filter(None, (config.get("endpoint_url"), config.get("bucket_name"))))
    return ":".join((config.get("provider", "mock"), where, config.get("prefix", "").strip("/")))


def sync_settings(context: Context) -> dict[str, Any] | None:
    """The fields of the engine's SyncConfig; ``None`` while no folder is chosen."""
    connection = active_connection(context)
    if connection is None or not connection.sync_folder.strip():
        return None
    return {
        "local_dir": _path(connection, "sync_folder"),
        "direction": connection.direction,
        "delete_files": connection.delete_files,
        "overwrite": True,
        "file_patterns": _patterns(connection.include) or _patterns(MODELS),
        "exclude_patterns": _patterns(connection.exclude),
        "conflict": "ask",
    }


def _sign_in(connection: ConnectionSettings) -> list[str]:
    """The names of the fields that say who signs in."""
    if connection.credentials == "CHAIN":
        return []
    if connection.credentials == "PROFILE":
        if connection.provider == "azure":
            raise SceneError(
                f'The connection "{connection.name}" is to Azure, which knows no profiles; use a keys file.'
            )
        name, missing = "profile", "profile"
    else:
        name, missing = "credentials_file", "keys file"
    if not getattr(connection, name).strip():
        raise SceneError(f'The connection "{connection.name}" names no {missing}; fill it in (Preferences > Add-ons).')
    return [name]


def _path(connection: ConnectionSettings, name: str) -> str:
    path = getattr(connection, name).strip()
    if path.startswith("//") and not bpy.data.filepath:
        raise SceneError(
            f'"{path}" is a path beside this file, which is not saved yet; save it, or write the whole path.'
        )
    return bpy.path.abspath(path)


def _patterns(text: str) -> list[str]:
    return [each for each in re.split(r"[\s,;]+", text) if each]


def _write_config(config: dict[str, Any]) -> None:
    """Write ``cloud_storage_<provider>_config.json`` if it says something else; the work does not need it."""
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    try:
        path = user_folder() / f"cloud_storage_{config['provider']}_config.json"
        if not (path.is_file() and path.read_bytes() == text.encode()):
            write_private(path, text)
    except OSError as error:
        log.warning("The settings are not written down for ggg-cloud --config: %s", error)
