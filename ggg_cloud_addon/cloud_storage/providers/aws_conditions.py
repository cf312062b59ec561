"""Which conditions of a write a server keeps.

Amazon's keeps all. Others take ``If-Match`` and ``If-None-Match`` and ignore them, some of them in some requests only
(``rclone serve s3`` in all). They are found out by asking for what has to be refused.
"""

import logging
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from ..errors import BucketNotFoundError, StorageError, StoreUnavailableError
from ..names import STORE_FOLDER
from . import problems
from .aws_client import S3
from .aws_errors import status_of
from .aws_objects import look
from .base import Condition, IfAbsent, IfMatch

log = logging.getLogger(__name__)

ALL = frozenset({"put", "complete", "copy", "delete"})
NO_ETAG = '"00000000000000000000000000000000"'
"""Of no object."""


class Conditions:
    """The conditions of one bucket's requests; asked for once, when first needed."""

    def __init__(self, s3: S3, prefix: str, erase: Callable[[str], None]) -> None:
        """Ask below ``prefix``, where the credentials may write; ``erase`` takes the traces away."""
        self._s3 = s3
        self._prefix = prefix.strip("/")
        self._erase = erase

    @cached_property
    def held(self) -> frozenset[str]:
        """The requests whose conditions hold: put, complete (of parts), copy, delete."""
        if self._s3.is_amazon:
            return ALL
        try:
            with self._s3.translated():
                held = self._ask()
        except (StoreUnavailableError, BucketNotFoundError):
            raise
        except StorageError:
            log.warning("%s could not be asked about conditions", self._s3.store, exc_info=True)
            held = frozenset()
        if held < ALL:
            log.warning("%s ignores the conditions of: %s", self._s3.store, ", ".join(sorted(ALL - held)))
        return held

    def for_request(self, verb: str, key: str, condition: Condition) -> dict[str, str]:
        """The condition as the request's headers; where the server ignores those, look at the object instead.

        Raises:
            PreconditionFailedError: it does not hold already now.
        """
        if condition is None:
            return {}
        if verb in self.held:
            return {"IfNoneMatch": "*"} if isinstance(condition, IfAbsent) else {"IfMatch": condition.etag}
        seen = look(self._s3, key)
        if isinstance(condition, IfAbsent) and seen is not None:
            raise problems.already_there(key)
        if isinstance(condition, IfMatch) and (seen is None or seen.etag != condition.etag):
            raise problems.changed(key)
        return {}

    def _ask(self) -> frozenset[str]:
        """Ask, for a key of our own, for what must be refused; nothing is left behind."""
        client = self._s3.client
        key = f"{self._prefix}{'/' if self._prefix else ''}{STORE_FOLDER}/{uuid.uuid4().hex}"
        where = {"Bucket": self._s3.bucket, "Key": key}

        def is_refused(request: Callable[..., Any], **options: Any) -> bool:
            try:
                request(**where, **options)
            except ClientError as error:
                return status_of(error) == 412
            return False

        held = set()
        client.put_object(**where, Body=b"ggg")
        try:
            upload = {"UploadId": client.create_multipart_upload(**where)["UploadId"]}
            part = {"PartNumber": 1, "ETag": client.upload_part(**where, **upload, PartNumber=1, Body=b"ggg")["ETag"]}
            parts = {"Parts": [part]}
            if is_refused(client.complete_multipart_upload, **upload, MultipartUpload=parts, IfNoneMatch="*"):
                held.add("complete")
                client.abort_multipart_upload(**where, **upload)
            if is_refused(client.copy_object, CopySource=where, MetadataDirective="REPLACE", IfNoneMatch="*"):
                held.add("copy")
            keeps_absent = is_refused(client.put_object, Body=b"ggg", IfNoneMatch="*")
            if is_refused(client.put_object, Body=b"ggg", IfMatch=NO_ETAG) and keeps_absent:
                held.add("put")
            if is_refused(client.delete_object, IfMatch=NO_ETAG):
                held.add("delete")
        finally:
            self._erase(key)
        return frozenset(held)
