"""The fast lane to S3: the few requests that transfers and listings consist of, past boto3's machinery.

For a small put boto3 takes 1.4 ms of CPU under the interpreter's lock, which is the most that all threads together can
do; the lane takes 0.2 (measured on two cores of 2026). It takes boto3's arguments and gives its answers.

It knows success and plain refusals. Whatever else comes, such as a busy server or a broken connection, is no answer:
then boto3 asks the same again, which retries, and follows a bucket to its region.

Signatures: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version
4)".
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit
from xml.etree import ElementTree

from botocore.exceptions import ClientError
from botocore.parsers import RestXMLParser

from .aws_http import Connection, Stream

log = logging.getLogger(__name__)

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
FAILURES = 3
"""So often in a row boto3 could what the lane could not; then the lane is closed."""
EMPTY = hashlib.sha256().hexdigest()

Credentials = Callable[[], Any]
"""Gives botocore's frozen credentials, which may be other ones each time."""


class NoAnswerError(Exception):
    """The lane got no answer that it knows; nobody sees this, as boto3 is asked then."""

    def __init__(self, why: str, *, maybe_done: bool) -> None:
        """``maybe_done``: the server may have done all the same what it was asked."""
        super().__init__(why)
        self.maybe_done = maybe_done


class Lane:
    """Requests to one bucket. Thread-safe."""

    def __init__(
        self,
        url: str,
        region: str,
        credentials: Credentials,
        tls: ssl.SSLContext | None,
        connect_s: float,
        read_s: float,
    ) -> None:
        """``url`` is the bucket's own address, with no ``/`` at its end; ``tls`` is for https; times are seconds."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._netloc = parts.netloc
        self._path = parts.path
        self._region = region
        self._credentials = credentials
        self._tls = tls
        self._connect_s = connect_s
        self._read_s = read_s
        self._idle: deque[Connection] = deque()
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether it is of any use here."""
        return self._failures < FAILURES

    def send(self, operation: str, options: Mapping[str, Any]) -> "Asked":
        """Ask, and do not wait: :meth:`answer` has what comes."""
        connection = self._connection()
        try:
            connection = connection or self._connect()
            body = options.get("Body")
            connection.send(self._head(METHODS[operation], options, body), body)
        except (OSError, ValueError, LookupError) as error:  # of the connection
            if connection is not None:
                connection.close()
            return Asked(operation, options, None, error)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return Asked(operation, options, connection)

    def answer(self, asked: "Asked") -> Any:
        """What boto3's client answers to ``operation(**options)``.

        Raises:
            NoAnswerError: what came is no answer; of a body, a :class:`~.streams.Body`, bytes may have been sent then.
            ClientError: it is refused.
        """
        connection, asked.connection = asked.connection, None
        if connection is None:
            raise NoAnswerError(repr(asked.error), maybe_done=True) from asked.error
        try:
            answer = self._answer(connection, asked.operation, asked.options)
        except (OSError, ValueError, LookupError) as error:  # of the connection; of what came
            connection.close()
            raise NoAnswerError(repr(error), maybe_done=True) from error
        except ClientError:  # all was read, and the connection is free
            raise
        except BaseException:
            connection.close()
            raise
        self._failures = 0
        return answer

    def failed(self) -> None:
        """Boto3 could what the lane could not."""
        self._failures += 1
        if not self.is_open:
            log.info("The fast lane is closed: boto3 has answers where it has none")

    def _answer(self, connection: Connection, operation: str, options: Mapping[str, Any]) -> Any:
        method, body = METHODS[operation], options.get("Body")
        status, headers = connection.answer()
        about = {"HTTPHeaders": headers, "HTTPStatusCode": status, "RetryAttempts": 0}
        stream = Stream(connection, headers, self._free, is_empty=method == "HEAD")
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

    def _free(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Keep a connection, whose answer was read, for the next request."""
        if headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._idle.append(connection)

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

    def _connection(self) -> Connection | None:
        """One that is idle and that the server has not closed."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.is_alive:
                    return connection
                connection.close()
        return None

    def _connect(self) -> Connection:
        made: http.client.HTTPConnection
        if self._tls is not None:
            made = http.client.HTTPSConnection(self._host, self._port, timeout=self._connect_s, context=self._tls)
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=self._connect_s)
        made.connect()
        made.sock.settimeout(self._read_s)
        return Connection(made)


class Asked:
    """A request on its way; who never wants the answer just drops it."""

    def __init__(
        self,
        operation: str,
        options: Mapping[str, Any],
        connection: Connection | None,
        error: Exception | None = None,
    ) -> None:
        self.operation = operation
        self.options = options
        self.connection = connection
        self.error = error

    def __del__(self) -> None:
        """The answer is on this connection, which so is of no more use."""
        if self.connection is not None:
            self.connection.close()


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


@lru_cache
def time_of(header: str) -> datetime:
    """The time in a header; kept, as many answers have the same one.

    Raises:
        ValueError: it is none.
    """
    return parsedate_to_datetime(header)


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
