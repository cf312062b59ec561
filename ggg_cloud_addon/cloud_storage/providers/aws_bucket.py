"""S3 buckets themselves: created, looked at, changed, deleted."""

import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ..config import CloudStorageConfig
from ..errors import StorageError
from . import problems
from .aws_client import DEFAULT_REGION, S3
from .aws_errors import KIND, code_of, status_of
from .base import BucketFacts

log = logging.getLogger(__name__)

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
EVERYBODY = ("AllUsers", "AuthenticatedUsers")
STALE = timedelta(days=1)


class AwsBucket:
    """The configured bucket."""

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is asked of the store yet.

        Raises:
            ConfigError: the bucket has no name.
        """
        self._config = config
        self._s3 = S3(config)
        self._where = {"Bucket": config.bucket_name}

    def create(self) -> None:
        """Make it in the configured region, with versions, and closed to the public unless configured otherwise."""
        client, region = self._s3.client, self._s3.region
        place = {} if region == DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with self._s3.translated():
            if self._is_there():  # S3 says of an own bucket in its first region that it was made
                raise problems.bucket_exists(self._s3.bucket, KIND)
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):  # made, but the answer was lost
                client.create_bucket(**self._where, **place)
            if self._config.public_access:
                # New buckets take no access lists, and the public is locked out ("Blocking public access").
                owner = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
                client.delete_public_access_block(**self._where)
                client.put_bucket_ownership_controls(**self._where, OwnershipControls=owner)
                steps = [self.keep_versions]
            else:
                steps = [self.block_public_access, self.keep_versions]
        for step in steps:
            try:
                step()
            except StorageError as error:  # a server that is not Amazon's has perhaps no such thing; facts() tell
                if self._s3.is_amazon:
                    raise
                log.info("The new bucket %s: %s", self._s3.bucket, error)

    def delete(self) -> None:
        """S3 itself refuses a bucket that has objects or versions."""
        with self._s3.translated():
            self._s3.client.delete_bucket(**self._where)

    def facts(self) -> BucketFacts:
        """What is set, as far as these credentials may ask."""
        client = self._s3.client
        with self._s3.translated():
            if not self._is_there():
                raise problems.no_bucket(self._s3.bucket, KIND)
            location = self._told(client.get_bucket_location)
            versioning = self._told(client.get_bucket_versioning)
            encryption = self._told(client.get_bucket_encryption)
            return BucketFacts(
                region=(location["LocationConstraint"] or DEFAULT_REGION) if location else None,
                keeps_versions=versioning.get("Status") == "Enabled" if versioning is not None else None,
                is_public=self._is_public(),
                encryption=_algorithm(encryption),
                unfinished_uploads=self._count_unfinished(),
            )

    def keep_versions(self) -> None:
        """Switch versioning on."""
        with self._s3.translated():
            self._s3.client.put_bucket_versioning(**self._where, VersioningConfiguration={"Status": "Enabled"})

    def block_public_access(self) -> None:
        """Set all four blocks, which win over every access list and policy."""
        blocks = dict.fromkeys(BLOCKS, True)
        with self._s3.translated():
            self._s3.client.put_public_access_block(**self._where, PublicAccessBlockConfiguration=blocks)

    def names(self) -> tuple[str, ...]:
        """All buckets of the account."""
        with self._s3.translated():
            pages = self._s3.client.get_paginator("list_buckets").paginate()
            return tuple(each["Name"] for page in pages for each in page.get("Buckets", ()))

    def _is_there(self) -> bool:
        try:
            self._s3.client.head_bucket(**self._where)
        except ClientError as error:
            if status_of(error) != 404:
                raise
            return False
        return True

    def _told(self, request: Callable[..., Any]) -> Any:
        """The answer; ``None`` where the store does not know the question, or not from these credentials."""
        try:
            return request(**self._where)
        except ClientError as error:
            log.info("The bucket %s does not tell: %s", self._s3.bucket, code_of(error))
            return None

    def _is_public(self) -> bool | None:
        try:
            answer = self._s3.client.get_public_access_block(**self._where)
            blocks = answer["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if code_of(error) != "NoSuchPublicAccessBlockConfiguration":
                return None
            blocks = {}
        access = self._told(self._s3.client.get_bucket_acl)
        if not access or "Grants" not in access:
            return None
        grants = (grant["Grantee"].get("URI", "") for grant in access["Grants"])
        by_list = not blocks.get("IgnorePublicAcls") and any(uri.endswith(EVERYBODY) for uri in grants)
        policy = self._told(self._s3.client.get_bucket_policy_status)
        by_policy = bool(policy and policy["PolicyStatus"].get("IsPublic")) and not blocks.get("RestrictPublicBuckets")
        return by_list or by_policy

    def _count_unfinished(self) -> int | None:
        pages = self._s3.client.get_paginator("list_multipart_uploads").paginate(**self._where)
        try:
            found: list[datetime] = [each["Initiated"] for page in pages for each in page.get("Uploads", ())]
        except ClientError as error:
            log.info("The bucket %s does not tell its uploads: %s", self._s3.bucket, code_of(error))
            return None
        return sum(datetime.now(UTC) - begun > STALE for begun in found)


def _algorithm(encryption: Any) -> str | None:
    rules = encryption["ServerSideEncryptionConfiguration"].get("Rules") if encryption else None
    return str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]) if rules else None
