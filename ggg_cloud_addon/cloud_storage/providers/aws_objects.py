"""What S3's answers say of objects, and what its requests say of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ..config import CloudStorageConfig
from ..metadata import decode_metadata, encode_metadata
from . import problems
from .aws_client import S3
from .aws_errors import status_of
from .base import ObjectInfo
from .fast_lane import time_of

MIB = 1 << 20
PART_SIZE = 5 * MIB
"""Bytes of a part, the least that S3 takes: on a bad line a short one gets through. What is shorter is one request."""
MAX_PARTS = 10_000


def head(s3: S3, key: str, version_id: str | None = None) -> ObjectInfo:
    """Ask for the headers of an object."""
    answer = s3.ask("head_object", {"Key": key} | version(version_id))
    refuse_another(key, answer, version_id)
    return object_info(key, answer)


def look(s3: S3, key: str) -> ObjectInfo | None:
    """Ask for them, of an object that may not be there."""
    try:
        return head(s3, key)
    except ClientError as error:
        if status_of(error) != 404:
            raise
        return None


def etag_of(answer: Mapping[str, Any]) -> str:
    """With its quotes, which some servers leave out of their listings."""
    return f'"{answer["ETag"].strip(chr(34))}"'


def refuse_another(key: str, answer: Mapping[str, Any], version_id: str | None, etag: str | None = None) -> None:
    """A server that knows no versions or no conditions ignores them, and answers with what it has.

    Raises:
        ObjectNotFoundError: it is not the version that was asked for.
        PreconditionFailedError: it is not the object that was asked for.
    """
    if version_id not in (None, answer.get("VersionId", "null")):  # the one from before there were versions
        raise problems.no_version(key, version_id)
    if etag not in (None, etag_of(answer)):
        raise problems.changed(key)


def object_info(key: str, answer: Mapping[str, Any]) -> ObjectInfo:
    """What the answer to a GET or HEAD says."""
    # Proxies such as nginx drop headers with an underscore, so on their way they have hyphens.
    stored = {name.replace("-", "_"): value for name, value in answer.get("Metadata", {}).items()}
    metadata, sha256 = decode_metadata(stored)
    whole = answer.get("ContentRange", "").rpartition("/")[2]
    return ObjectInfo(
        key,
        int(whole) if whole.isdigit() else answer["ContentLength"],
        whole_second(answer["LastModified"]),
        etag_of(answer),
        version_id=answer.get("VersionId"),
        sha256=sha256,
        tier=answer.get("StorageClass", "STANDARD"),
        metadata=metadata,
    )


def write_options(config: CloudStorageConfig, metadata: Mapping[str, str], sha256: str | None) -> dict[str, Any]:
    """What a request says that makes an object: its metadata, encryption, access and storage class."""
    stored = encode_metadata(metadata, sha256)
    options: dict[str, Any] = {"Metadata": {name.replace("_", "-"): value for name, value in stored.items()}}
    if config.kms_key_id:
        options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": config.kms_key_id}
    elif config.encryption:
        options["ServerSideEncryption"] = "AES256"
    if config.public_access:
        options["ACL"] = "public-read"
    if config.storage_tier:
        options["StorageClass"] = tier(config)
    return options


def part_size(size: int) -> int:
    """Bytes in each part, except the last one, of a content of so many bytes."""
    return max(PART_SIZE, -(-size // MAX_PARTS // MIB) * MIB)


def tier(config: CloudStorageConfig) -> str:
    """The storage class that new objects get."""
    return (config.storage_tier or "STANDARD").upper()


def version(version_id: str | None) -> dict[str, str]:
    """How a request names it."""
    return {"VersionId": version_id} if version_id is not None else {}


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """When the object was made, by the store's clock."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return time_of(date).astimezone(UTC) if date else datetime.now(UTC)


def whole_second(time: datetime) -> datetime:
    """As in the headers; a listing may tell more."""
    if time.tzinfo is UTC and not time.microsecond:  # as most are, of very many
        return time
    return time.astimezone(UTC).replace(microsecond=0)
