"""Amazon S3 and what speaks its language, ``"aws"``, on boto3.

What S3 promises is taken from the Amazon S3 API reference; what another server promises is asked of it.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ..config import CloudStorageConfig
from ..errors import ConfigError, ObjectNotFoundError, StorageError, UnsupportedError
from ..files import FileSource
from ..in_flight import Steps, all_at_once
from ..names import is_reserved
from . import problems
from .aws_changes import Former
from .aws_client import S3
from .aws_conditions import ALL, Conditions
from .aws_errors import KIND, code_of, is_out_of_range, status_of, was_retried
from .aws_objects import (
    etag_of,
    head,
    look,
    object_info,
    refuse_another,
    version,
    whole_second,
)
from .aws_unfinished import UnfinishedUploads
from .aws_upload import Uploader
from .aws_vouched import vouches
from .base import Capabilities, Condition, IfAbsent, IfMatch, ObjectInfo, ObjectVersion, OnBytes, Page, Source
from .fast_lane import Asked
from .limits import Rate
from .ranges import RANGE, Ahead, RangedDownload

log = logging.getLogger(__name__)

DELETE_AT_ONCE = 1000
READ_SIZE = 1 << 20
"""Bytes of a download that a connection which breaks loses at most."""
UNVERSIONED = "null"
"""The version ID of what was stored without versioning (Amazon S3 user guide, "How S3 Versioning works")."""
LONGEST_LINK = 7 * 24 * 3600
"""Seconds (Amazon S3 user guide, "Sharing objects with presigned URLs")."""


class AwsProvider:
    """A bucket."""

    local_folder = None

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is asked of the store yet.

        Raises:
            ConfigError: the bucket has no name.
        """
        self._config = config
        self._s3 = S3(config)
        self._bucket = config.bucket_name
        self._pool = ThreadPoolExecutor(config.max_concurrency, thread_name_prefix="s3")
        self._ahead = Ahead(self._pool, config.max_concurrency)
        unfinished = UnfinishedUploads(self.identity)
        self._conditions = Conditions(self._s3, config.prefix, self.erase, unfinished)
        self._rate = Rate(config.bandwidth_limit)
        former = Former(self._s3, self.identity)
        self._uploader = Uploader(config, self._s3, self._conditions, self._pool, unfinished, former, self._rate)

    def __repr__(self) -> str:
        return f"AwsProvider({self.identity!r})"

    @property
    def location(self) -> str:
        """Bucket and server."""
        return f'bucket "{self._bucket}" on {self._s3.store}'

    @property
    def identity(self) -> str:
        """The bucket's name and its server's address."""
        return f"s3 {self._config.endpoint_url or 'amazonaws.com'} {self._bucket}"

    @cached_property
    def capabilities(self) -> Capabilities:
        """Asks for the bucket's versioning and, of a server that is not Amazon's, for what it does with conditions."""
        with self._s3.translated():
            try:
                answer = self._s3.client.get_bucket_versioning(Bucket=self._bucket)
            except ClientError as error:
                if status_of(error) == 404:
                    raise
                log.info("%s does not tell its versioning: %s", self.location, code_of(error))
                answer = {}
        return Capabilities(
            conditional_writes=self._conditions.held >= {each for each in ALL if each[0] != "copy"},
            versions=answer.get("Status") == "Enabled",
            keys_below_keys=True,
            links=True,
        )

    def check(self) -> None:
        """List one object below the configured prefix."""
        prefix = self._config.prefix.strip("/")
        self._list(Prefix=prefix and f"{prefix}/", MaxKeys=1)

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        """One page of at most 1,000 objects; the markers that consoles make for folders are left out."""
        more = {"ContinuationToken": token} if token else {}
        answer = self._list(Prefix=prefix, **more)
        objects = tuple(
            ObjectInfo(
                each["Key"],
                each["Size"],
                whole_second(each["LastModified"]),
                etag_of(each),
                tier=each.get("StorageClass", "STANDARD"),
            )
            for each in answer.get("Contents", ())
            if not each["Key"].endswith("/") and not is_reserved(each["Key"])
        )
        return Page(objects, answer.get("NextContinuationToken"))

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Everything that the headers say."""
        try:
            with self._s3.translated(key, version_id):
                return head(self._s3, key, version_id)
        except ObjectNotFoundError:
            with self._s3.translated():  # a HEAD says 404 of a missing bucket too, and no more
                self._refuse_missing_bucket()
            raise

    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> AbstractContextManager[RangedDownload]:
        """One request for a small object, which goes out at once; a large one by ranges. One more for each time that a
        connection breaks."""
        with self._s3.translated(key, version_id):
            sent = self._s3.send("get_object", _part(key, version_id, if_match, start, start + RANGE))
        return self._reading(key, version_id, if_match, start, sent)

    @contextlib.contextmanager
    def _reading(
        self, key: str, version_id: str | None, if_match: str | None, start: int, sent: Asked | None
    ) -> Iterator[RangedDownload]:
        with contextlib.ExitStack() as streams:

            def ask(begin: int, end: int, etag: str | None, *, once: bool = True, sent: Asked | None = None) -> Any:
                options = _part(key, version_id, etag, begin, end)
                answer = self._s3.ask("get_object", options, once=once, sent=sent)
                streams.callback(answer["Body"].close)
                refuse_another(key, answer, version_id, etag)
                if not answer.get("ContentRange", "").startswith(f"bytes {begin}-") and (begin or once):
                    raise problems.no_ranges(self._s3.store)
                return answer

            def chunks(answer: Any) -> Iterator[bytes]:
                with self._s3.translated(key, version_id):
                    for chunk in answer["Body"].iter_chunks(self._rate.piece(READ_SIZE)):
                        self._rate.take(len(chunk))
                        yield chunk

            def fetch(begin: int, end: int) -> Iterator[bytes]:
                with self._s3.translated(key, version_id):
                    answer = ask(begin, end, info.etag)
                return chunks(answer)

            with self._s3.translated(key, version_id):
                first_end = start + RANGE
                try:
                    answer = ask(start, first_end, if_match, once=False, sent=sent)
                    info, stream = object_info(key, answer), chunks(answer)
                    if "ContentRange" not in answer:  # the server sends the whole
                        first_end = info.size
                except ClientError as error:
                    if not is_out_of_range(error):
                        raise
                    info, stream = head(self._s3, key, version_id), iter(())
                    if if_match not in (None, info.etag):
                        raise problems.changed(key) from error
            download = RangedDownload(info, start, info.size, stream, first_end, fetch, self._ahead)
            streams.callback(download.close)
            yield download

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        """By one request or in parts; what an upload that was killed here has sent is not sent again."""
        return all_at_once(self.putting(key, source, condition, metadata or {}, on_bytes))

    def putting(
        self, key: str, source: Source, condition: Condition, metadata: Mapping[str, str], on_bytes: OnBytes | None
    ) -> Steps[ObjectInfo]:
        """The request for a small object goes out at once."""
        return self._uploader.putting(key, source, condition, metadata, on_bytes)

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        """Look at the object, and copy exactly what was seen."""
        source = self.head(key, version_id=version_id)
        source = replace(source, version_id=version_id or source.version_id)
        try:
            return self._uploader.copy(source, target, condition)
        except ObjectNotFoundError as error:
            raise problems.changed(target if isinstance(condition, IfMatch) else key) from error

    def delete(self, key: str, *, condition: Condition = None) -> None:
        """Look first, as S3 says of what is not there that it was deleted; then delete what was seen."""
        seen = self.head(key)
        if isinstance(condition, IfAbsent):
            raise problems.already_there(key)
        if isinstance(condition, IfMatch) and seen.etag != condition.etag:
            raise problems.changed(key)
        with self._s3.translated(key):
            asked = self._conditions.for_request("delete", key, condition)
            try:
                self._s3.client.delete_object(Bucket=self._bucket, Key=key, **asked)
            except ClientError as error:
                # A repetition finds nothing: the first request was carried out, and its answer was lost.
                if not (was_retried(error) and look(self._s3, key) is None):
                    raise

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        """A look at each, as S3 does not say which were there; then a thousand at a time."""

        def look_at(key: str) -> StorageError | None:
            try:
                self.head(key)
            except StorageError as error:
                return error
            return None

        errors = dict(zip(keys, self._pool.map(look_at, keys), strict=True))
        there = [key for key, error in errors.items() if error is None]
        for begin in range(0, len(there), DELETE_AT_ONCE):
            errors |= self._delete_at_once(there[begin : begin + DELETE_AT_ONCE])
        return [errors[key] for key in keys]

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """By the ETag, which mostly is an MD5; where it is none, by what the server tells of checksums and parts."""
        return vouches(self._s3, info, FileSource(path), sha256)

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """All versions but the markers of deletes; also those of a bucket that has stopped to keep them."""
        found: tuple[ObjectVersion, ...] = ()
        with contextlib.suppress(UnsupportedError), self._s3.translated(key):
            found = tuple(
                ObjectVersion(
                    key, each["VersionId"], each["Size"], whole_second(each["LastModified"]), each["IsLatest"]
                )
                for each in self._history(key, "Versions")
            )
        if all(each.version_id == UNVERSIONED for each in found) and not self.capabilities.versions:
            raise UnsupportedError(
                f'The {self.location} keeps no versions of "{key}"; switch them on with: '
                "ggg-cloud check --keep-versions."
            )
        if not found:
            raise problems.not_found(key)
        return found

    def erase(self, key: str) -> None:
        """Delete each version and each marker by its ID."""
        with self._s3.translated(key):
            try:
                history = [*self._history(key, "Versions"), *self._history(key, "DeleteMarkers")]
            except ClientError as error:
                if status_of(error) in (403, 404):
                    raise
                history = []  # a server without versions
            for each in history:
                self._s3.client.delete_object(Bucket=self._bucket, Key=key, VersionId=each["VersionId"])
            if not history:
                self._s3.client.delete_object(Bucket=self._bucket, Key=key)

    def tidy(self) -> None:
        """Abort their multipart uploads, which cost money."""
        self._uploader.abort_dead()

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        """A presigned URL; with credentials that are temporary it ends with them."""
        if not 0 < seconds <= LONGEST_LINK:
            raise ConfigError("A link on S3 lasts from one second to seven days.")
        self.head(key, version_id=version_id)
        parameters = {"Bucket": self._bucket, "Key": key} | version(version_id)
        with self._s3.translated(key):
            return str(self._s3.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds))

    def _list(self, **options: Any) -> Any:
        with self._s3.translated():
            answer = self._s3.ask("list_objects_v2", options)
        # Nothing, said by something else, is no empty bucket; a part, without the rest, is no whole listing.
        if "IsTruncated" not in answer or (answer["IsTruncated"] and not answer.get("NextContinuationToken")):
            raise problems.not_this_kind(self._s3.store, "S3")
        return answer

    def _refuse_missing_bucket(self) -> None:
        try:
            self._s3.client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if status_of(error) == 404:
                raise problems.no_bucket(self._bucket, KIND) from error
            log.info("The %s does not tell of itself: %s", self.location, code_of(error))

    def _history(self, key: str, kind: str) -> Iterator[Any]:
        pages = self._s3.client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
        for page in pages:
            yield from (each for each in page.get(kind, ()) if each["Key"] == key)
            if page.get("NextKeyMarker", key) > key:  # from here on come keys that only begin so
                return

    def _delete_at_once(self, keys: Sequence[str]) -> dict[str, StorageError | None]:
        objects = [{"Key": key} for key in keys]
        try:
            with self._s3.translated():
                answer = self._s3.client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        except StorageError as error:
            return dict.fromkeys(keys, error)
        errors: dict[str, StorageError | None] = {}
        for each in answer.get("Errors", ()):
            try:
                with self._s3.translated(each["Key"]):
                    raise ClientError({"Error": each}, "DeleteObjects")
            except StorageError as error:
                errors[each["Key"]] = error
        return errors


def _part(key: str, version_id: str | None, if_match: str | None, begin: int, end: int) -> dict[str, str]:
    """How a request for these bytes of an object says so."""
    options = {"Key": key, "Range": f"bytes={begin}-{end - 1}"} | version(version_id)
    return options | {"IfMatch": if_match} if if_match else options
