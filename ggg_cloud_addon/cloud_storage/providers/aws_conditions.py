"""Which conditions of a write a server keeps.

Amazon's keeps all. Others take ``If-Match`` and ``If-None-Match`` and ignore one of them, or both in some requests
(``rclone serve s3`` in all). They are found out by asking for what has to be refused.
"""

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ..errors import BucketNotFoundError, LocalFileError, StorageError, StoreUnavailableError
from ..names import STORE_FOLDER
from . import problems
from .aws_client import S3
from .aws_errors import status_of
from .aws_objects import look
from .aws_unfinished import UnfinishedUploads
from .base import Condition, IfAbsent, IfMatch

log = logging.getLogger(__name__)

ABSENT, MATCH = "IfNoneMatch", "IfMatch"
ALL = frozenset(
    {(verb, name) for verb in ("put", "complete", "copy") for name in (ABSENT, MATCH)} | {("delete", MATCH)}
)
NO_ETAG = '"00000000000000000000000000000000"'
"""Of no object."""


class Conditions:
    """The conditions of one bucket's requests; asked for once, when first needed."""

    def __init__(self, s3: S3, prefix: str, erase: Callable[[str], None], unfinished: UnfinishedUploads) -> None:
        """Ask below ``prefix``, where the credentials may write; ``erase`` takes the traces away.

        ``unfinished`` keeps the record by which the traces of a process that is killed meanwhile are found.
        """
        self._s3 = s3
        self._prefix = prefix.strip("/")
        self._erase = erase
        self._unfinished = unfinished
        self._lock = threading.Lock()
        self._held: frozenset[tuple[str, str]] | None = ALL if s3.is_amazon else None

    @property
    def held(self) -> frozenset[tuple[str, str]]:
        """The requests (put, complete of parts, copy, delete) with the conditions that hold in them."""
        with self._lock:  # many transfers may want to know at once
            if self._held is None:
                self._held = self._find_out()
            return self._held

    def _find_out(self) -> frozenset[tuple[str, str]]:
        try:
            key = f"{self._prefix}{'/' if self._prefix else ''}{STORE_FOLDER}/{uuid.uuid4().hex}"
            with self._s3.translated(), self._unfinished.hold(key, "", 0, {}) as record:
                held = self._ask(key)
                record.remove()
        except (StoreUnavailableError, BucketNotFoundError, LocalFileError):
            raise
        except StorageError:
            log.warning("%s could not be asked about conditions", self._s3.store, exc_info=True)
            held = frozenset()
        if held < ALL:
            ignored = ", ".join(" ".join(each) for each in sorted(ALL - held))
            log.warning("%s ignores conditions: %s", self._s3.store, ignored)
        return held

    def for_request(self, verb: str, key: str, condition: Condition) -> dict[str, str]:
        """The condition as the request's headers; where the server ignores those, look at the object instead.

        Raises:
            PreconditionFailedError: it does not hold already now.
        """
        if condition is None:
            return {}
        asked = {ABSENT: "*"} if isinstance(condition, IfAbsent) else {MATCH: condition.etag}
        if (verb, *asked) in self.held:
            return asked
        seen = look(self._s3, key)
        if isinstance(condition, IfAbsent) and seen is not None:
            raise problems.already_there(key)
        if isinstance(condition, IfMatch) and (seen is None or seen.etag != condition.etag):
            raise problems.changed(key)
        return {}

    def take_away(self, key: str) -> None:
        """Take away what a killed process left when it asked."""
        client, bucket = self._s3.client, self._s3.bucket
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
            for each in page.get("Uploads", ()):
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=each["UploadId"])
        self._erase(key)

    def _ask(self, key: str) -> frozenset[tuple[str, str]]:
        """Ask, for a key of our own, for what must be refused; nothing is left behind."""
        client = self._s3.client
        where = {"Bucket": self._s3.bucket, "Key": key}
        held = set()

        def ask(verb: str, request: Callable[..., Any], name: str, **options: Any) -> None:
            try:
                request(**where, **options, **{name: "*" if name == ABSENT else NO_ETAG})
            except ClientError as error:
                if status_of(error) == 412:
                    held.add((verb, name))

        try:
            client.put_object(**where, Body=b"ggg")
            for name in (ABSENT, MATCH):
                upload = {"UploadId": client.create_multipart_upload(**where)["UploadId"]}
                etag = client.upload_part(**where, **upload, PartNumber=1, Body=b"ggg")["ETag"]
                parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
                ask("complete", client.complete_multipart_upload, name, MultipartUpload=parts, **upload)
                with contextlib.suppress(ClientError):  # it was completed, so there is nothing to abort
                    client.abort_multipart_upload(**where, **upload)
                ask("copy", client.copy_object, name, CopySource=where, MetadataDirective="REPLACE")
                ask("put", client.put_object, name, Body=b"ggg")
            ask("delete", client.delete_object, MATCH)
        finally:
            try:
                self._erase(key)
            except StorageError:  # no right to the versions: at least no object is left
                log.warning("A trace of a few bytes stays among the versions of %s", self._s3.store, exc_info=True)
                client.delete_object(**where)
        return frozenset(held)
