"""Uploads to S3: small ones by one request, large ones in parts that are sent side by side and resumed."""

import base64
import hashlib
import logging
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from ..config import CloudStorageConfig
from ..errors import (
    CancelledError,
    LocalFileError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    StoreUnavailableError,
)
from ..files import BytesSource
from ..in_flight import Steps
from . import problems
from .aws_changes import Changes, Former, whole_checksum
from .aws_client import S3
from .aws_conditions import Conditions
from .aws_errors import code_of, status_of, was_retried
from .aws_objects import PART_SIZE, answered_at, etag_of, look, part_size, tier, version, write_options
from .aws_unfinished import Record, UnfinishedUploads
from .aws_vouched import vouches
from .base import Condition, IfAbsent, IfMatch, ObjectInfo, OnBytes, Source
from .limits import Rate
from .streams import Body, Interrupted, Parts, Patience, equal_pieces, read_source

log = logging.getLogger(__name__)

COPY_SIZE = 5 << 30
"""The longest object that one request copies (Amazon S3 user guide, "Copying, moving, and renaming objects")."""
COPY_PART_SIZE = 512 << 20
VARIED = 1
"""Stands for the part size in the record of an upload whose parts are of many sizes."""
MINUTE = 60.0

Metadata = Mapping[str, str]


class Uploader:
    """Makes objects in one bucket."""

    def __init__(
        self,
        config: CloudStorageConfig,
        s3: S3,
        conditions: Conditions,
        pool: ThreadPoolExecutor,
        unfinished: UnfinishedUploads,
        former: Former,
        rate: Rate,
    ) -> None:
        """``pool`` sends the parts of all files; ``unfinished`` keeps the records of this bucket's uploads."""
        self._config = config
        self._s3 = s3
        self._conditions = conditions
        self._pool = pool
        self._unfinished = unfinished
        self._former = former
        self._rate = rate
        self._lock = threading.Lock()
        self._running = 0

    def putting(
        self, key: str, source: Source, condition: Condition, metadata: Metadata, on_bytes: OnBytes | None
    ) -> Steps[ObjectInfo]:
        """See :meth:`~.base.Provider.put`. The last of several that run side by side tidies up."""
        with self._lock:
            self._running += 1
        try:
            with self._s3.translated(key):
                if source.size <= PART_SIZE:
                    info = yield from self._put_whole(key, source, condition, metadata, on_bytes)
                else:
                    info = self._put_parts(key, source, condition, metadata, on_bytes)
        except Interrupted as stop:
            raise stop.error from None
        finally:
            with self._lock:
                self._running -= 1
                is_last = not self._running
        if is_last:
            self.abort_dead()
        return info

    def copy(self, source: ObjectInfo, target: str, condition: Condition) -> ObjectInfo:
        """Copy inside the store: exactly the content that was seen, or nothing."""
        seen = {
            "CopySource": {"Bucket": self._s3.bucket, "Key": source.key} | version(source.version_id),
            "CopySourceIfMatch": source.etag,
        }
        options = write_options(self._config, source.metadata, source.sha256)

        def request() -> Any:
            # "REPLACE" by the same metadata, since S3 refuses to copy an object onto itself otherwise.
            answer = self._s3.slow.copy_object(
                Bucket=self._s3.bucket, Key=target, MetadataDirective="REPLACE", **seen, **options, **asked
            )
            return answer | {"ETag": answer["CopyObjectResult"]["ETag"]}

        with self._s3.translated(target):
            if source.size > COPY_SIZE:
                made = self._copy_parts(source, target, condition, seen, options)
            else:
                asked = self._conditions.for_request("copy", target, condition)
                made = self._make(target, condition, source.sha256, request)
        return replace(made, size=source.size, metadata=source.metadata)

    def abort_dead(self) -> int:
        """End the uploads that processes of this machine began and did not live to end; how many there were."""
        dead = 0
        for record in self._unfinished.dead():
            with record:
                log.info("Aborting the unfinished upload of %s", record.upload.key)
                self._abort(record)
                dead += 1
        return dead

    def _put_whole(
        self, key: str, source: Source, condition: Condition, metadata: Metadata, on_bytes: OnBytes | None
    ) -> Steps[ObjectInfo]:
        with source.open() as reader:
            content = read_source(reader, source.size, key)
        source.verify()
        digest = hashlib.sha256(content)
        options = {
            "Key": key,
            "Body": Body(content, on_bytes, self._rate),
            "ChecksumSHA256": base64.b64encode(digest.digest()).decode(),
            **write_options(self._config, metadata, digest.hexdigest()),
            **self._conditions.for_request("put", key, condition),
        }
        sent = self._s3.send("put_object", options)
        yield

        def request() -> Any:
            nonlocal sent
            first, sent = sent, None
            if first is None:
                options["Body"].seek(0)
            return self._s3.ask("put_object", options, sent=first)

        made = self._make(key, condition, digest.hexdigest(), request, BytesSource(content))
        return replace(made, size=len(content), metadata=dict(metadata))

    def _put_parts(
        self, key: str, source: Source, condition: Condition, metadata: Metadata, on_bytes: OnBytes | None
    ) -> ObjectInfo:
        moved = 0

        def count_bytes(count: int) -> None:
            nonlocal moved
            moved += count
            if on_bytes is not None:
                on_bytes(count)

        changes = None if isinstance(condition, IfAbsent) else self._former.changes(key, source, on_bytes)
        if changes is not None:
            try:
                with self._s3.translated(key):
                    return self._put_changes(key, source, condition, metadata, count_bytes, changes)
            except (CancelledError, LocalFileError, SourceChangedError, StoreUnavailableError):
                raise
            except StorageError as error:
                if condition is not None and isinstance(error, PreconditionFailedError):
                    raise
                self._former.failed(key, error)
            count_bytes(-moved)
        return self._put_all(key, source, condition, metadata, on_bytes)

    def _put_all(
        self, key: str, source: Source, condition: Condition, metadata: Metadata, on_bytes: OnBytes | None
    ) -> ObjectInfo:
        """Read twice: S3 wants the metadata, and in it the hash, before the first part."""
        each = part_size(source.size)
        pieces = equal_pieces(source.size, each)
        sha256, checksums = _hash(key, source, each, on_bytes)
        if len(checksums) != len(pieces):
            raise problems.source_changed(key)
        cut = self._former.cut_beside(key, source)

        def send_all(record: Record, there: Mapping[int, Any]) -> list[dict[str, Any]]:
            send_part = self._part_sender(key, record, there)

            def send(index: int, content: bytes, on_part: OnBytes) -> dict[str, Any]:
                checksum = zlib.crc32(content)
                if checksum != checksums[index]:
                    raise problems.source_changed(key)
                part = send_part(index + 1, content, checksum, on_part)
                cut.sent(len(content))
                return part

            parts = Parts(self._pool, key, source, pieces, send).send_all(on_bytes)
            source.verify()
            return parts

        options = write_options(self._config, metadata, sha256) | {"ChecksumAlgorithm": "CRC32"}
        try:
            made = self._make_of_parts(key, condition, sha256, sha256, each, options, send_all, source=source)
            taken = cut.result()
        finally:
            cut.stop()
        if taken is not None and taken[1] == sha256:
            self._former.remember(made, *taken)
        return replace(made, size=source.size, metadata=dict(metadata))

    def _put_changes(
        self, key: str, source: Source, condition: Condition, metadata: Metadata, on_bytes: OnBytes, changes: Changes
    ) -> ObjectInfo:
        """Parts that are copied from the object's present content where that has them."""
        former, pieces = changes.former, changes.pieces

        def send_all(record: Record, there: Mapping[int, Any]) -> list[dict[str, Any]]:
            send_part = self._part_sender(key, record, there)

            def send(index: int, content: bytes, on_part: OnBytes) -> dict[str, Any]:
                piece, number = pieces[index], index + 1
                if piece.source is None:
                    part = send_part(number, content, zlib.crc32(content), on_part)
                else:
                    copied = there.get(number)
                    if copied is None or copied["Size"] != piece.length:
                        upload_id = record.upload.upload_id or ""
                        with self._s3.translated(key):
                            copied = self._former.copy(key, upload_id, number, piece, former.etag, source)
                    on_part(piece.length)
                    part = {"PartNumber": number, "ETag": copied["ETag"]}
                return {name: part[name] for name in ("PartNumber", "ETag")}

            parts = Parts(self._pool, key, source, pieces, send).send_all(on_bytes)
            source.verify()
            return parts

        options = write_options(self._config, metadata, changes.sha256)
        whole = {}
        if self._s3.is_amazon:
            options |= {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
            whole = whole_checksum(changes.crc32)
        # The same parts only if they are made of the same former content.
        content = f"{changes.sha256} of {former.etag}"
        made = self._make_of_parts(
            key, condition, changes.sha256, content, VARIED, options, send_all, whole, source=source
        )
        self._former.remember(made, changes.chunks, changes.sha256)
        return replace(made, size=source.size, metadata=dict(metadata))

    def _copy_parts(
        self, source: ObjectInfo, target: str, condition: Condition, seen: Mapping[str, Any], options: dict[str, Any]
    ) -> ObjectInfo:
        def copy_all(record: Record, there: Mapping[int, Any]) -> list[dict[str, Any]]:
            def copy(begin: int) -> dict[str, Any]:
                number = begin // COPY_PART_SIZE + 1
                part = there.get(number)
                if part is None:
                    answer = self._s3.slow.upload_part_copy(
                        Bucket=self._s3.bucket,
                        Key=target,
                        UploadId=record.upload.upload_id,
                        PartNumber=number,
                        CopySourceRange=f"bytes={begin}-{min(begin + COPY_PART_SIZE, source.size) - 1}",
                        **seen,
                    )
                    part = answer["CopyPartResult"]
                return {"PartNumber": number, "ETag": part["ETag"]}

            jobs = [self._pool.submit(copy, begin) for begin in range(0, source.size, COPY_PART_SIZE)]
            try:
                return [job.result() for job in jobs]
            finally:  # an upload is aborted when none of its parts is on the way
                wait([job for job in jobs if not job.cancel()])

        content = source.sha256 or source.etag
        return self._make_of_parts(target, condition, source.sha256, content, COPY_PART_SIZE, options, copy_all)

    def _make_of_parts(
        self,
        key: str,
        condition: Condition,
        sha256: str | None,
        content: str,
        part_size: int,
        options: Mapping[str, Any],
        send_all: Callable[[Record, Mapping[int, Any]], list[dict[str, Any]]],
        whole: Mapping[str, str] | None = None,
        source: Source | None = None,
    ) -> ObjectInfo:
        """Parts that are written down before they are sent, and ended if they do not become an object.

        Args:
            content: tells it from any other, see :class:`~.aws_unfinished.Upload`.
            send_all: gets the record and the parts that are there, and answers with what S3 wants to know of each part.
            whole: the checksum of the whole, for the request that puts it together.
            source: see :meth:`_make`.
        """
        with self._unfinished.hold(key, content, part_size, options) as record:
            try:
                parts = send_all(record, self._begin(key, record, options))
                asked = self._conditions.for_request("complete", key, condition)
                made = self._make(
                    key,
                    condition,
                    sha256,
                    lambda: self._s3.slow.complete_multipart_upload(
                        Bucket=self._s3.bucket,
                        Key=key,
                        UploadId=record.upload.upload_id,
                        MultipartUpload={"Parts": parts},
                        **asked,
                        **(whole or {}),
                    ),
                    source,
                )
            except BaseException:
                self._abort(record)
                raise
            record.remove()
        if self._s3.is_amazon:
            return made
        return self._look_for(key, sha256) or made  # some give it another ETag than they answered

    def _look_for(self, key: str, sha256: str | None, source: Source | None = None) -> ObjectInfo | None:
        """The object, if it is the one with this content; the store has to vouch for the bytes of ``source``."""
        seen = look(self._s3, key)
        if seen is None or sha256 is None or seen.sha256 != sha256:
            return None
        return seen if source is None or vouches(self._s3, seen, source, sha256) else None

    def _make(
        self,
        key: str,
        condition: Condition,
        sha256: str | None,
        request: Callable[[], Any],
        source: Source | None = None,
    ) -> ObjectInfo:
        """The request that makes the object. A refusal of its repetition may mean that the first one made it.

        Args:
            source: has the object's bytes. Of an object that is there after a refusal the metadata alone could be
                stale, see :mod:`.aws_vouched`. ``None`` for a copy, whose bytes are not at hand.
        """
        patience = Patience()
        is_repeated = False
        while True:
            try:
                answer = request()
                version_id = answer.get("VersionId")
                made_at, made_tier = answered_at(answer), tier(self._config)
                return ObjectInfo(
                    key, 0, made_at, etag_of(answer), version_id=version_id, sha256=sha256, tier=made_tier
                )
            except ClientError as error:
                is_repeated = is_repeated or was_retried(error)
                if is_repeated and status_of(error) < 500 and (seen := self._look_for(key, sha256, source)):
                    return seen
                if code_of(error) == "ConditionalRequestConflict":  # somebody else's request is not decided yet
                    patience.failed(StoreUnavailableError(f'"{key}" is being written by others; try again.'))
                    is_repeated = True
                elif code_of(error) == "NoSuchKey" and isinstance(condition, IfMatch):
                    raise problems.changed(key) from error
                elif code_of(error) == "NoSuchUpload" and is_repeated and condition is not None:
                    raise problems.changed(key) from error  # S3 drops an upload that a conflict has decided
                elif status_of(error) == 412 and isinstance(condition, IfAbsent):
                    raise problems.already_there(key) from error
                else:
                    raise

    def _begin(self, key: str, record: Record, options: Mapping[str, Any]) -> dict[int, Any]:
        """Make the record's upload, or find the parts that it has already."""
        client = self._s3.client
        if record.upload.upload_id:
            try:
                return {
                    part["PartNumber"]: part
                    for page in client.get_paginator("list_parts").paginate(
                        Bucket=self._s3.bucket, Key=key, UploadId=record.upload.upload_id
                    )
                    for part in page.get("Parts", ())
                }
            except ClientError as error:
                if status_of(error) != 404:
                    raise
        try:
            answer = client.create_multipart_upload(Bucket=self._s3.bucket, Key=key, **options)
        except ClientError as error:
            if not was_retried(error):
                record.remove()  # it was refused, so there is nothing to abort
            raise
        record.save(replace(record.upload, upload_id=answer["UploadId"]))
        return {}

    def _part_sender(
        self, key: str, record: Record, there: Mapping[int, Any]
    ) -> Callable[[int, bytes, int, OnBytes], dict[str, Any]]:
        """Sends a part by its number, with its CRC32."""

        def send(number: int, content: bytes, crc32: int, on_bytes: OnBytes) -> dict[str, Any]:
            checksum = base64.b64encode(crc32.to_bytes(4)).decode()
            part = there.get(number)
            if part and part["Size"] == len(content):
                on_bytes(len(content))
            else:
                with self._s3.translated(key):
                    part = self._s3.ask(
                        "upload_part",
                        {
                            "Key": key,
                            "UploadId": record.upload.upload_id,
                            "PartNumber": number,
                            "Body": Body(content, on_bytes, self._rate),
                            "ChecksumCRC32": checksum,
                        },
                        once=True,
                    )
            return {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": checksum}

        return send

    def _abort(self, record: Record) -> None:
        """End an upload that failed; where the store does not answer either, a later run does it."""
        upload = record.upload
        if not record.is_kept:
            return
        try:
            with self._s3.translated(upload.key):
                try:
                    if not upload.part_size:
                        self._conditions.take_away(upload.key)
                    elif upload.upload_id:
                        self._s3.single.abort_multipart_upload(
                            Bucket=self._s3.bucket, Key=upload.key, UploadId=upload.upload_id
                        )
                    else:
                        self._abort_unnamed(record)
                except ClientError as error:
                    if status_of(error) != 404:  # it had ended, or its bucket is gone
                        raise
        except StorageError:
            log.warning("An unfinished upload of %s could not be aborted yet", upload.key, exc_info=True)
            return
        record.remove()

    def _abort_unnamed(self, record: Record) -> None:
        """The process died before it learned the upload's ID: it is the one of that minute that has no parts."""
        client, bucket, key = self._s3.client, self._s3.bucket, record.upload.key
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
            for each in page.get("Uploads", ()):
                where = {"Bucket": bucket, "Key": key, "UploadId": each["UploadId"]}
                is_near = abs(each["Initiated"].timestamp() - record.begun) < MINUTE
                if each["Key"] == key and is_near and not client.list_parts(**where).get("Parts"):
                    client.abort_multipart_upload(**where)


def _hash(key: str, source: Source, part_size: int, on_bytes: OnBytes | None) -> tuple[str, list[int]]:
    """The SHA-256 of the whole, and beside it the CRC32 of each part."""
    digest, checksums = hashlib.sha256(), []
    with source.open() as reader, ThreadPoolExecutor(2) as beside:
        content = read_source(reader, part_size, key)
        while content:
            hashed, checksum = beside.submit(digest.update, content), beside.submit(zlib.crc32, content)
            content = read_source(reader, part_size, key)
            hashed.result()
            checksums.append(checksum.result())
            if on_bytes is not None:
                on_bytes(0)  # nothing has moved yet, but it can be cancelled
    return digest.hexdigest(), checksums
