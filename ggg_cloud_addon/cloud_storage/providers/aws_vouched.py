"""Whether S3's own ETag or checksum of an object shows that it holds certain bytes.

Another tool that rewrites an object may keep its metadata, and with it a SHA-256 that is no longer true. The ETag and
the checksums are the server's own. The ETag is the MD5 of the content, or, of an object that was uploaded in parts, the
MD5 of the parts' MD5s and their number; under a KMS key it is neither (Amazon S3 API reference, "Object"). Then
Amazon's checksums are asked for (Amazon S3 user guide, "Checking object integrity").
"""

import base64
import hashlib
import logging
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import StorageError, StoreUnavailableError
from .aws_client import S3
from .aws_objects import part_size, version
from .base import CHUNK, ObjectInfo, Source
from .streams import read_source

log = logging.getLogger(__name__)

MIB = 1 << 20
USUAL_PART_SIZES = tuple(size * MIB for size in (5, 8, 10, 15, 16, 32, 50, 64, 100, 128, 256, 512))
"""Of the tools that people use: boto3 and the AWS CLI 8, rclone 5, s3cmd 15, MinIO's mc 16, s5cmd 50 MiB."""
MOST_PARTS_ASKED = 100
"""Parts whose sizes are asked for, one request each. More of them cost more than to read the object."""


def vouches(s3: S3, info: ObjectInfo, source: Source, sha256: str) -> bool:
    """Whether the server shows that the object holds the bytes of this source. ``False`` also where it cannot tell.

    For most objects the ETag is enough, and nothing is asked.

    Raises:
        StoreUnavailableError: the server was asked and did not answer.
        LocalFileError: the source cannot be read.
    """
    if source.size != info.size:
        return False
    etag = info.etag.strip('"')
    found = re.fullmatch(r"[0-9a-f]{32}(?:-([1-9][0-9]{0,4}))?", etag)
    count = int(found[1]) if found and found[1] else 0
    cuts = _Hashes.read(info.key, source, _possible_cuts(info.size, count) or [[info.size]])
    if any(etag == cut.etag(in_parts=count > 0) for cut in cuts):
        return True
    try:
        with s3.translated(info.key, info.version_id):
            if s3.is_amazon and _is_checksum(_checksums(s3, info), cuts, sha256):
                return True
            sizes = _sizes_of_parts(s3, info, count) if 0 < count <= MOST_PARTS_ASKED else None
    except StoreUnavailableError:
        raise
    except StorageError as error:
        log.info("%s tells no checksum: %s", info.key, error)
        return False
    return sizes is not None and _Hashes.read(info.key, source, [sizes])[0].etag(in_parts=True) == etag


def _possible_cuts(size: int, count: int) -> list[list[int]]:
    """The sizes of the parts, for each usual way to upload so many bytes in so many parts (0: by one request)."""
    if not count:
        return [[size]]
    whole = dict.fromkeys(min(each, size) or 1 for each in (part_size(size), *USUAL_PART_SIZES))
    return [[each] * (count - 1) + [size - each * (count - 1)] for each in whole if max(1, -(-size // each)) == count]


class _Hashes:
    """The hashes of a content and of its parts, of given sizes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = iter(sizes)
        self._left = next(self._sizes)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32 = 0
        self._md5s: list[bytes] = []
        self._crc32s: list[int] = []
        self.whole_crc32 = 0

    @classmethod
    def read(cls, key: str, source: Source, cuts: Iterable[Sequence[int]]) -> list["_Hashes"]:
        """Take those of each way to cut it in one pass."""
        found = [cls(sizes) for sizes in cuts]
        with source.open() as reader:
            while found and (content := read_source(reader, CHUNK, key)):
                for each in found:
                    each._add(memoryview(content))
        for each in found:
            each._end_part()
        return found

    def etag(self, *, in_parts: bool) -> str:
        """What S3 would call the object."""
        if not in_parts:
            return self._md5s[0].hex()
        whole = hashlib.md5(b"".join(self._md5s), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(self._md5s)}"

    def crc32(self) -> str:
        """The checksum of the whole, as S3 writes it."""
        return _base64(self.whole_crc32)

    def composite_crc32(self) -> str:
        """The checksum of the parts' checksums."""
        whole = zlib.crc32(b"".join(each.to_bytes(4) for each in self._crc32s))
        return f"{_base64(whole)}-{len(self._crc32s)}"

    def _add(self, content: memoryview) -> None:
        self.whole_crc32 = zlib.crc32(content, self.whole_crc32)
        while content:
            some = content[: self._left]
            if not some:  # more bytes than the sizes add up to: the file grows meanwhile
                return
            self._md5.update(some)
            self._crc32 = zlib.crc32(some, self._crc32)
            self._left -= len(some)
            content = content[len(some) :]
            following = None if self._left else next(self._sizes, None)
            if following is not None:
                self._end_part()
                self._left = following

    def _end_part(self) -> None:
        self._md5s.append(self._md5.digest())
        self._crc32s.append(self._crc32)
        self._md5, self._crc32 = hashlib.md5(usedforsecurity=False), 0


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4)).decode()


def _checksums(s3: S3, info: ObjectInfo) -> Any:
    return s3.client.head_object(
        Bucket=s3.bucket, Key=info.key, IfMatch=info.etag, ChecksumMode="ENABLED", **version(info.version_id)
    )


def _is_checksum(answer: Any, cuts: Sequence[_Hashes], sha256: str) -> bool:
    """Whether a checksum in the answer is that of the source."""
    if answer.get("ChecksumSHA256") == base64.b64encode(bytes.fromhex(sha256)).decode():
        return True
    crc32 = answer.get("ChecksumCRC32")
    return any(crc32 in (cut.crc32(), cut.composite_crc32()) for cut in cuts)


def _sizes_of_parts(s3: S3, info: ObjectInfo, count: int) -> list[int] | None:
    """The sizes of the object's parts; ``None`` if the server does not tell them."""
    sizes = []
    for number in range(1, count + 1):
        answer = s3.client.head_object(Bucket=s3.bucket, Key=info.key, PartNumber=number, **version(info.version_id))
        if answer.get("PartsCount") != count:
            return None
        sizes.append(answer["ContentLength"])
    return sizes if sum(sizes) == info.size else None
