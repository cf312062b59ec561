"""The fast lane to S3: the few requests that transfers and listings consist of, past boto3's machinery.

For a small put boto3 takes 1.4 ms of CPU under the interpreter's lock, which is the most that all threads together can
do; the lane takes 0.2 (measured on two cores of 2026). It takes boto3's arguments and gives its answers. What it has
no answer to, see :mod:`.fast_lane`, boto3 asks again, which retries, and follows a bucket to its region.

Signatures: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version
4)".
"""

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree

from botocore.exceptions import ClientError, ResponseStreamingError
from botocore.parsers import RestXMLParser

from .fast_lane import Asked, Connection, FastLane, NoAnswerError, Stream, time_of

METHODS = {
    "get_object": "GET",
    "head_object": "HEAD",
    "list_objects_v2": "GET",
    "put_object": "PUT",
    "upload_part": "PUT",
}
HEADERS = {
    "ACL": "x-amz-acl",
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "Range": "range",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "StorageClass": "x-amz-storage-class",
}
QUERY = {
    "ContinuationToken": "continuation-token",
    "MaxKeys": "max-keys",
    "PartNumber": "partNumber",
    "Prefix": "prefix",
    "UploadId": "uploadId",
    "VersionId": "versionId",
}
REFUSALS = (403, 404, 412, 416)
"""Statuses that boto3 takes for the last word too."""
UNSURE = ("SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "PermanentRedirect")
EMPTY = hashlib.sha256().hexdigest()

Credentials = Callable[[], Any]
"""Gives botocore's frozen credentials, which may be other ones each time."""


class Lane(FastLane):
    """Requests to one bucket."""

    REFUSAL: ClassVar[tuple[type[Exception], ...]] = (ClientError,)

    def __init__(
        self,
        url: str,
        region: str,
        credentials: Credentials,
        tls: ssl.SSLContext | None,
        connect_s: float,
        read_s: float,
    ) -> None:
        """See :class:`~.fast_lane.FastLane`."""
        super().__init__(url, tls, connect_s, read_s)
        self._region = region
        self._credentials = credentials

    def send(self, operation: str, options: Mapping[str, Any]) -> Asked:
        """Ask, and do not wait: :meth:`answer` has what comes."""
        body = options.get("Body")
        return self._send(lambda: self._head(METHODS[operation], options, body), body)

    def answer(self, asked: Asked, operation: str, options: Mapping[str, Any]) -> Any:
        """What boto3's client answers to ``operation(**options)``.

        Raises:
            NoAnswerError: what came is no answer.
            ClientError: it is refused.
        """
        return self._answered(asked, lambda connection: self._answer(connection, operation, options))

    def _answer(self, connection: Connection, operation: str, options: Mapping[str, Any]) -> Any:
        method, body = METHODS[operation], options.get("Body")
        status, headers = connection.answer()
        about = {"HTTPHeaders": headers, "HTTPStatusCode": status, "RetryAttempts": 0}
        stream = _Body(connection, headers, self._free, is_empty=method == "HEAD")
        if status in REFUSALS:
            refusal = _refusal(operation, status, headers, stream.read())
            if body is not None:  # nobody knows how much of it the server has read
                connection.close()
            raise refusal
        if status not in (200, 206):
            raise NoAnswerError(f"status {status}", maybe_done=status >= 500)
        if "Key" not in options:
            return _listing(stream.read()) | {"ResponseMetadata": about}
        if method == "GET":
            return _object(headers) | {"ResponseMetadata": about, "Body": stream}
        stream.read()
        return _object(headers) | {"ResponseMetadata": about}

    def _head(self, method: str, options: Mapping[str, Any], body: Any) -> bytes:
        """The request up to its body, signed."""
        path, query = self._path, ""
        if "Key" in options:
            path += "/" + quote(options["Key"], safe="/-_.~")
        names = {QUERY[name]: str(value) for name, value in options.items() if name in QUERY}
        if "Key" not in options:
            path = path or "/"
            names |= {"list-type": "2", "encoding-type": "url"}
        if names:
            query = "&".join(f"{quote(name, safe='')}={quote(names[name], safe='')}" for name in sorted(names))
        headers = {HEADERS[name]: str(value) for name, value in options.items() if name in HEADERS}
        for name, value in options.get("Metadata", {}).items():
            headers[f"x-amz-meta-{name}"] = value
        credentials = self._credentials()
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["host"] = self._netloc
        headers["x-amz-date"] = now
        headers["x-amz-content-sha256"] = content = self._hash_of(options, body)
        names_of = sorted(headers)
        signed = ";".join(names_of)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names_of)
        scope = f"{now[:8]}/{self._region}/s3/aws4_request"
        request = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{content}"
        key = _signing_key(credentials.secret_key, now[:8], self._region)
        to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        target = f"{path}?{query}" if query else path
        if body is not None:
            headers["content-length"] = str(len(body))
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return (
            f"{method} {target} HTTP/1.1\r\n{fields}Authorization: AWS4-HMAC-SHA256 Credential="
            f"{credentials.access_key}/{scope},SignedHeaders={signed},Signature={signature}\r\n\r\n"
        ).encode()

    def _hash_of(self, options: Mapping[str, Any], body: Any) -> str:
        """What is signed of the body. A part's bytes are not: the SHA-256 of the whole is, in the metadata, and a
        download compares it."""
        if body is None:
            return EMPTY
        if "ChecksumSHA256" in options:
            return base64.b64decode(options["ChecksumSHA256"]).hex()
        return "UNSIGNED-PAYLOAD"


class _Body(Stream):
    """As boto3's."""

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        """Bytes as they come, ``size`` at most at a time.

        Raises:
            ResponseStreamingError: the connection broke.
        """
        try:
            while content := self.chunk(size):
                yield content
        except (OSError, ValueError) as error:
            raise ResponseStreamingError(error=error) from error


@lru_cache(maxsize=4)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for each in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    return key


def _refusal(operation: str, status: int, headers: Mapping[str, str], content: bytes) -> Exception:
    """What boto3 would raise, but where its way of signing may be another one."""
    found: Any = RestXMLParser().parse({"status_code": status, "headers": headers, "body": content}, None)
    if found.get("Error", {}).get("Code") in UNSURE:
        return NoAnswerError(f"status {status}", maybe_done=False)
    found["ResponseMetadata"]["RetryAttempts"] = 0
    error: Exception = ClientError(found, operation.title().replace("_", ""))
    return error


def _object(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the headers say, under boto3's names."""
    answer: dict[str, Any] = {
        "Metadata": {name[11:]: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
    }
    for name, header in (
        ("ETag", "etag"),
        ("VersionId", "x-amz-version-id"),
        ("StorageClass", "x-amz-storage-class"),
        ("ContentRange", "content-range"),
    ):
        if header in headers:
            answer[name] = headers[header]
    if "etag" not in headers:
        raise ValueError("no ETag")
    if "last-modified" in headers:
        answer["LastModified"] = time_of(headers["last-modified"])
        answer["ContentLength"] = int(headers["content-length"])
    return answer


def _listing(content: bytes) -> dict[str, Any]:
    """The page that an XML document describes, under boto3's names."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ValueError("no XML") from error
    space = root.tag.removesuffix("ListBucketResult")
    if space == root.tag:
        raise ValueError("no listing")
    about = {child.tag.removeprefix(space): child.text or "" for child in root}
    is_encoded = about.get("EncodingType") == "url"
    contents = []
    for each in root.iterfind(f"{space}Contents"):
        found: dict[str, Any] = {child.tag.removeprefix(space): child.text or "" for child in each}
        found["Size"] = int(found["Size"])
        found["LastModified"] = datetime.fromisoformat(found["LastModified"])
        if is_encoded:
            found["Key"] = unquote_plus(found["Key"])
        contents.append(found)
    answer: dict[str, Any] = {"Contents": contents}
    if "IsTruncated" in about:
        answer["IsTruncated"] = about["IsTruncated"] == "true"
    if "NextContinuationToken" in about:
        answer["NextContinuationToken"] = about["NextContinuationToken"]
    return answer
