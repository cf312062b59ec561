"""Whether Azure's own account of a blob shows that it holds certain bytes.

Another tool that rewrites a blob may keep its metadata, and with it a SHA-256 that is no longer true. Azure takes the
MD5 of a blob that came in one request, and compares one that the request brought along. Of a blob in blocks the
Content-MD5 is whatever the client said (Microsoft Learn, "Put Block List"), so there the names of the blocks count, if
they are ours. For blocks of another tool Azure is asked for the MD5 of each range.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobBlock, BlobClient

from .azure_answers import conditions, md5_of
from .azure_cut import is_named_after
from .azure_known import blocks_of
from .azure_streams import on_answer
from .base import CHUNK, IfMatch, ObjectInfo

RANGE = 4 << 20
"""The longest range whose MD5 Azure tells (Microsoft Learn, "Get Blob")."""


def vouches(blob: BlobClient, info: ObjectInfo, path: Path) -> bool:
    """Whether the blob holds the bytes of a file of the same size; ``False`` if it is another blob by now."""
    blocks = blocks_of(blob, info)
    if blocks is None:
        return False
    if blocks:
        return _are_named_after(blocks, path) or _are_sent(blob, info, path)
    md5 = info.md5 or md5_of(blob.get_blob_properties(**conditions(IfMatch(info.etag))))
    return _md5_of_file(path) == md5 if md5 else _are_sent(blob, info, path)


def _are_named_after(blocks: Sequence[BlobBlock], path: Path) -> bool:
    with path.open("rb") as reader:
        return all(is_named_after(block.id, block.size, reader) for block in blocks)


def _md5_of_file(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as reader:
        while content := reader.read(CHUNK):
            digest.update(content)
    return digest.hexdigest()


def _are_sent(blob: BlobClient, info: ObjectInfo, path: Path) -> bool:
    """Compare range by range; it ends with the first one that is not the same."""
    heard: list[Any] = []
    with path.open("rb") as reader:
        for start in range(0, info.size, RANGE):
            content = reader.read(RANGE)
            sent = blob.download_blob(
                start,
                min(RANGE, info.size - start),
                decompress=False,
                headers={"x-ms-range-get-content-md5": "true"},
                **conditions(IfMatch(info.etag)),
                **on_answer(heard.append),
            ).readall()
            md5 = hashlib.md5(content, usedforsecurity=False).digest()
            told = heard[-1].http_response.headers.get("Content-MD5")
            if sent != content or told != base64.b64encode(md5).decode():
                return False
    return True
