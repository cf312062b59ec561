"""A blob of which the file that it is to replace has most blocks: only the others are read.

The name of a block tells its content (see :mod:`.azure_cut`), so the store's list of blocks and the local file are all
that it takes. What is taken from the file is compared with the block's name when it is read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobBlock, BlobClient

from ..changes import Piece
from ..errors import LocalFileError, SourceChangedError
from ..files import FileSource
from .azure_answers import etag_of
from .azure_cut import ID_SIZE, cut, digest_of
from .azure_streams import on_answer
from .base import ObjectInfo
from .streams import Fetch, late, resumed

WORTH_IT = 256 << 10
"""Bytes. Fewer that the file has between others are read too, as to ask anew behind them takes as long."""


@dataclass(frozen=True)
class Part:
    """A range of the blob; its source is the place in the file, ``None`` where the file lacks it."""

    piece: Piece
    is_block: Callable[[bytes], bool] = lambda content: False
    """Whether bytes of the file are those of the blob."""


def blocks_of(blob: BlobClient, info: ObjectInfo) -> list[BlobBlock] | None:
    """The blob's blocks in its order; ``None`` if they are those of another content by now, or not all of it.

    A blob that came in one request has no blocks.
    """
    etags: list[str | None] = []

    def heard(response: Any) -> None:
        etags.append(response.http_response.headers.get("ETag"))

    blocks, _ = blob.get_block_list("committed", **on_answer(heard))
    is_all = not blocks or sum(block.size for block in blocks) == info.size
    return blocks if is_all and etag_of(etags[-1]) == info.etag else None


def parts_of(blocks: Sequence[BlobBlock] | None, path: Path) -> list[Part] | None:
    """The blob in ranges; ``None`` if the file has nothing of it."""
    if not blocks:
        return None
    try:
        cuts = cut(path.name, FileSource(path), None)
    except (LocalFileError, SourceChangedError):
        return None
    there: dict[tuple[str, int], Part] = {}
    for way in cuts[0] if cuts else ():
        for number, (each, piece) in enumerate(zip(way.ids(ID_SIZE), way.pieces, strict=True)):
            there[digest_of(each), piece.length] = Part(piece, partial(way.is_block, number))
    found, start = [], 0
    for block in blocks:
        local = there.get((digest_of(block.id), block.size))
        if local is None:
            found.append(Part(Piece(start, block.size)))
        else:
            found.append(Part(Piece(start, block.size, local.piece.start), local.is_block))
        start += block.size
    joined = list(_joined(found))
    return joined if any(each.piece.source is not None for each in joined) else None


def _joined(found: Sequence[Part]) -> Iterator[Part]:
    """What is read from the store in as few ranges as it is worth."""
    start = 0
    for is_here, run in groupby(found, lambda each: each.piece.source is not None):
        here = list(run)
        if is_here and here[-1].piece.end - here[0].piece.start >= WORTH_IT:
            if here[0].piece.start > start:
                yield Part(Piece(start, here[0].piece.start - start))
            yield from here
            start = here[-1].piece.end
    if found and found[-1].piece.end > start:
        yield Part(Piece(start, found[-1].piece.end - start))


class PatchedDownload:
    """A blob that is read from the file where that has it, and else from the store."""

    def __init__(self, info: ObjectInfo, parts: Sequence[Part], path: Path, fetch: Fetch) -> None:
        """``fetch`` gives the bytes from one position up to another, of the same ETag."""
        self.info = info
        self._parts = parts
        self._path = path
        self._fetch = fetch

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            piece, content = part.piece, self._local(part)
            if content is not None:
                yield content
            else:
                first = late(self._fetch, piece.start, piece.end)
                yield from resumed(self.info.key, piece.start, piece.end, first, self._fetch)

    def _local(self, part: Part) -> bytes | None:
        """``None`` if the file does not have it, or not any more."""
        if part.piece.source is None:
            return None
        try:
            with self._path.open("rb") as reader:
                reader.seek(part.piece.source)
                content = reader.read(part.piece.length)
        except OSError:
            return None
        return content if part.is_block(content) else None
