"""Only what changed: an object whose former content is known is made of ranges of that and of the new bytes.

S3 copies a range of an object into a part (``UploadPartCopy``), on condition of its ETag. So the result is an ordinary
object. What it is made of is checked: Amazon's S3 compares the CRC32 of the whole (Amazon S3 user guide, "Checking
object integrity", full object checksums), of any other server each copied part has to have the MD5 of the range as its
ETag. Whatever does not add up ends in an ordinary upload.
"""

import base64
import hashlib
import logging
import threading
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..changes import Limits, Piece, plan, sent_bytes
from ..chunk_memory import ChunkMemory, Remembered
from ..chunks import Chunks, can_cut
from ..errors import CancelledError, ObjectNotFoundError, PreconditionFailedError, StorageError
from .aws_client import S3
from .aws_objects import look
from .base import CHUNK, ObjectInfo, OnBytes, Source
from .streams import cut_source, read_source

log = logging.getLogger(__name__)

MIB = 1 << 20
LEAST_SIZE = 32 * MIB
"""Bytes of a content. In a shorter one, of which a part of 5 MiB is sent at least, it does not pay."""
LIMITS = Limits(least=5 * MIB, most_sent=10 * MIB, most_copied=512 * MIB, max_pieces=10_000)
"""Amazon S3 user guide, "Amazon S3 multipart upload limits"."""
PAYS = 0.75
"""The share of the bytes above which all are sent."""
FAST = 100 * MIB
"""Bytes a second of a line over which all is sent sooner than cut into chunks."""
PROBED = 16 * MIB
"""So many bytes tell how fast the line is."""


@dataclass(frozen=True)
class Changes:
    """How an object becomes another content."""

    former: Remembered
    chunks: Chunks
    sha256: str
    crc32: int
    """Of the whole new content."""
    pieces: tuple[Piece, ...]


class Former:
    """What is known of the contents in one bucket."""

    def __init__(self, s3: S3, store: str) -> None:
        """``store`` tells the bucket from all others."""
        self._s3 = s3
        self._memory = ChunkMemory(store)
        self._works = True
        self._cutters = ThreadPoolExecutor(1, thread_name_prefix="cut")

    def changes(self, key: str, source: Source, on_bytes: OnBytes | None) -> Changes | None:
        """What to send and what to copy, if that is less than all.

        Raises:
            SourceChangedError: the source changed while it was read.
            Exception: what ``on_bytes`` raises, to cancel.
        """
        if source.size < LEAST_SIZE or not self._works or not can_cut():
            return None
        former = self._memory.recall(key)
        if former is None:
            return None
        seen = look(self._s3, key)
        if seen is None or (seen.etag, seen.size) != (former.etag, former.chunks.size):
            self._memory.forget(key)
            return None
        crc32 = 0

        def on_chunk(chunk: memoryview) -> None:
            nonlocal crc32
            crc32 = zlib.crc32(chunk, crc32)
            if on_bytes is not None:
                on_bytes(0)  # nothing has moved yet, but it can be cancelled

        chunks, sha256 = cut_source(key, source, on_chunk)
        pieces = plan(former.chunks, chunks, LIMITS)
        if sent_bytes(pieces) > PAYS * source.size:
            return None
        log.info("Sending %d of the %d bytes of %s", sent_bytes(pieces), source.size, key)
        return Changes(former, chunks, sha256, crc32, pieces)

    def copy(self, key: str, upload_id: str, number: int, piece: Piece, etag: str, source: Source) -> Mapping[str, Any]:
        """Copy a range into a part; the answer is its ``CopyPartResult``.

        Raises:
            StorageError: the server made something else of it.
        """
        begin = piece.source or 0
        answer: Mapping[str, Any] = self._s3.slow.upload_part_copy(
            Bucket=self._s3.bucket,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": self._s3.bucket, "Key": key},
            CopySourceIfMatch=etag,
            CopySourceRange=f"bytes={begin}-{begin + piece.length - 1}",
        )["CopyPartResult"]
        if not self._s3.is_amazon and answer.get("ETag", "").strip('"') != _md5(key, source, piece):
            raise StorageError(f"The {self._s3.store} does not copy ranges of objects.")
        return answer

    def failed(self, key: str, error: StorageError) -> None:
        """It did not add up; where that was not somebody else's doing, it is not tried again by this process."""
        log.warning("%s could not be made of its former content; all of it is sent", key, exc_info=error)
        self._works = isinstance(error, ObjectNotFoundError | PreconditionFailedError)
        self._memory.forget(key)

    def remember(self, info: ObjectInfo, chunks: Chunks, sha256: str) -> None:
        """The object has this content now."""
        if self._works:
            self._memory.remember(info.key, info.etag, sha256, chunks)

    def cut_beside(self, key: str, source: Source) -> "Cut":
        """Cut a source while it is sent, if the line is slow."""
        return Cut(key, source, self._cutters if self._works and source.size >= LEAST_SIZE and can_cut() else None)


class Cut:
    """A source that is cut while it is sent, where that is slow enough for the next version to be sent as changes."""

    def __init__(self, key: str, source: Source, pool: ThreadPoolExecutor | None) -> None:
        self._key = key
        self._source = source
        self._pool = pool
        self._begun = time.monotonic()
        self._sent = 0
        self._lock = threading.Lock()
        self._job: Future[tuple[Chunks, str]] | None = None
        self._stop = threading.Event()

    def sent(self, count: int) -> None:
        """So many bytes more have arrived."""
        with self._lock:
            self._sent += count
            seconds = time.monotonic() - self._begun
            if self._pool and not self._job and self._sent >= PROBED and self._sent < FAST * seconds:
                self._job = self._pool.submit(cut_source, self._key, self._source, self._go_on)

    def result(self) -> tuple[Chunks, str] | None:
        """The chunks and the SHA-256, if they were taken."""
        try:
            return self._job.result() if self._job else None
        except StorageError as error:
            log.info("The chunks of what was sent are not known: %s", error)
            return None

    def stop(self) -> None:
        """They are not wanted."""
        self._stop.set()

    def _go_on(self, chunk: memoryview) -> None:
        if self._stop.is_set():
            raise CancelledError("The upload has ended.")


def whole_checksum(crc32: int) -> dict[str, str]:
    """What the request says that puts an object together, for Amazon's to check the whole."""
    return {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": base64.b64encode(crc32.to_bytes(4)).decode()}


def _md5(key: str, source: Source, piece: Piece) -> str:
    digest, left = hashlib.md5(usedforsecurity=False), piece.length
    with source.open() as reader:
        reader.seek(piece.start)
        while left and (content := read_source(reader, min(CHUNK, left), key)):
            digest.update(content)
            left -= len(content)
    return digest.hexdigest()
