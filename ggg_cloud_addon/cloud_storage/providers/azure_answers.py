"""What the Azure SDK takes and gives, as the values of the interface."""

from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobProperties

from ..metadata import decode_metadata
from ..names import is_reserved
from . import problems
from .base import Condition, IfAbsent, IfMatch, ObjectInfo, ObjectVersion

SNAPSHOT = "snapshot="
"""Begins the version ID of a snapshot; its time follows."""
CURRENT = "current"
"""The version ID, in a history, of a blob that has none."""


def split_version(version_id: str | None) -> dict[str, Any]:
    """The SDK's options for a version ID of ours."""
    if version_id is None or version_id == CURRENT:
        return {}
    if version_id.startswith(SNAPSHOT):
        return {"snapshot": version_id.removeprefix(SNAPSHOT)}
    return {"version_id": version_id}


def version_query(version_id: str | None) -> dict[str, str]:
    """The same in an address."""
    return {"versionid" if name == "version_id" else name: each for name, each in split_version(version_id).items()}


def conditions(condition: Condition) -> dict[str, Any]:
    """The SDK's options for a condition."""
    if isinstance(condition, IfAbsent):
        return {"match_condition": MatchConditions.IfMissing}
    if isinstance(condition, IfMatch):
        return {"etag": condition.etag, "match_condition": MatchConditions.IfNotModified}
    return {}


def etag_of(value: str | None) -> str:
    """As HTTP has it; the listing leaves the quotes out."""
    return f'"{(value or "").strip(chr(34))}"'


def is_object(blob: BlobProperties) -> bool:
    """Whether a listed blob, with its metadata, is no folder, no marker of one, and not in a folder of GGG Cloud's own.

    In accounts with a hierarchical namespace folders are listed as blobs with the metadata ``hdi_isfolder``.
    """
    name = str(blob.name)
    is_folder = name.endswith("/") or (blob.metadata or {}).get("hdi_isfolder") == "true"
    return bool(name) and not is_folder and not is_reserved(name)


def listed(blob: BlobProperties) -> ObjectInfo:
    """A blob in a listing."""
    return ObjectInfo(
        str(blob.name),
        blob.size,
        blob.last_modified,
        etag_of(blob.etag),
        blob.version_id,
        tier=_tier(blob),
        md5=md5_of(blob),
    )


def object_info(key: str, properties: BlobProperties, version_id: str | None, size: int | None = None) -> ObjectInfo:
    """A blob's properties; ``size`` if they are of a part of it.

    Raises:
        ObjectNotFoundError: they are of another version than was asked for (Azurite ignores version IDs).
    """
    asked = split_version(version_id).get("version_id")
    if asked is not None and properties.version_id != asked:
        raise problems.no_version(key, version_id)
    metadata, sha256 = decode_metadata(properties.metadata or {})
    return ObjectInfo(
        key,
        properties.size if size is None else size,
        properties.last_modified,
        etag_of(properties.etag),
        version_id or properties.version_id,
        sha256,
        properties.creation_time,
        _tier(properties),
        metadata,
        md5_of(properties),
    )


def md5_of(properties: BlobProperties) -> str | None:
    """The blob's Content-MD5, in hex, if it has one and the answer tells it."""
    md5 = properties.content_settings.content_md5
    return bytes(md5).hex() if md5 else None


def object_version(key: str, blob: BlobProperties) -> ObjectVersion:
    """A blob in a listing with versions and snapshots."""
    return ObjectVersion(
        key,
        f"{SNAPSHOT}{blob.snapshot}" if blob.snapshot else blob.version_id or CURRENT,
        blob.size,
        blob.last_modified,
        is_current=not blob.snapshot and (bool(blob.is_current_version) or not blob.version_id),
    )


def _tier(properties: BlobProperties) -> str | None:
    tier = properties.blob_tier
    return str(getattr(tier, "value", tier)) if tier else None
