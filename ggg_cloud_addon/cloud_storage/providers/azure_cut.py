"""Content in blocks that are cut by what it is: a new version of a blob has most of the former one's blocks.

The name of such a block tells its content. So whatever machine stored the former version, and with no record of it,
the store's list of blocks is all that it takes to know what has to be sent.
"""

import hashlib
import io
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import BinaryIO

from ..changes import Piece
from ..chunks import Chunks, can_cut, joined, length_of, take
from .base import OnBytes, Source
from .streams import cut_source

LEAST, MOST = 16 << 20, 8 << 30
"""Bytes of a content that is cut. Below, it does not pay; above, there would be too many blocks, or too long ones."""
JOINED = (1, 4, 16)
"""How many chunks make a block, about."""
MANY = 8_192
"""Blocks, from which on more chunks make one: each takes a request, and 70 bytes of every commit."""
MOST_BLOCKS = 50_000
"""In one blob (Microsoft Learn, "Scalability and performance targets for Blob storage")."""
ID_SIZE = 38
"""Characters of a block's ID, with 128 bits of the hash. A longer one makes every list of blocks longer."""
SHORTEST_ID = 30
"""Leaves 96 bits for the hash."""

OUR_ID = re.compile(r"\d{5}-[0-9a-f]{24,}-*")


class Cut:
    """A content in blocks."""

    def __init__(self, chunks: Chunks, count: int) -> None:
        """``count`` chunks make a block, about."""
        self.count = count
        blocks = chunks if count == 1 else joined(chunks, count)
        self._blocks = list(blocks)
        starts = accumulate(map(length_of, self._blocks), initial=0)
        self.pieces = [Piece(start, length_of(block)) for start, block in zip(starts, self._blocks, strict=False)]

    def __len__(self) -> int:
        return len(self._blocks)

    def ids(self, size: int) -> list[str]:
        """The blocks' IDs, of ``size`` characters. A content that is there again and again is told apart by number."""
        seen: dict[bytes, int] = {}
        ids = []
        for block in self._blocks:
            number = seen[block] = seen.get(block, -1) + 1
            ids.append(block_id(number, block[4:].hex(), size))
        return ids

    def lacking(self, there: Mapping[str, int], id_size: int) -> list[int]:
        """The numbers of the blocks that the store has not; ``there`` has the lengths of what it has."""
        ids = self.ids(id_size)
        return [number for number, piece in enumerate(self.pieces) if there.get(ids[number]) != piece.length]

    def is_block(self, number: int, content: bytes) -> bool:
        """Whether bytes that were read again are those that were cut."""
        if self.count == 1:
            found = [len(content).to_bytes(4, "little") + hashlib.sha256(content).digest()[:16]]
        else:
            found = list(joined(take(io.BytesIO(content), len(content))[0], self.count))
        return found == [self._blocks[number]]


def is_cut(size: int) -> bool:
    """Whether a content of so many bytes is."""
    return LEAST <= size <= MOST and can_cut()


def cut(key: str, source: Source, on_bytes: OnBytes | None) -> tuple[list[Cut], str] | None:
    """Ways to cut a content, the usual one first, and its SHA-256; ``None`` for one that is sent in equal blocks.

    Raises:
        LocalFileError: it cannot be read.
        SourceChangedError: it is written to meanwhile.
    """
    if not is_cut(source.size):
        return None
    # Nothing has moved yet, but it can be cancelled.
    chunks, sha256 = cut_source(key, source, lambda chunk: on_bytes(0) if on_bytes is not None else None)
    ways = [each for each in (Cut(chunks, count) for count in JOINED) if len(each) <= MOST_BLOCKS]
    ways.sort(key=lambda each: max(len(each), MANY))
    return ways, sha256


def block_id(number: int, digest: str, size: int) -> str:
    """An ID of ``size`` characters."""
    return f"{number:05}-{digest}"[:size].ljust(size, "-")


def is_named_after(block_id: str, size: int, reader: BinaryIO) -> bool:
    """Whether a block's ID is one of ours, and tells that the block holds the reader's next ``size`` bytes."""
    if not OUR_ID.fullmatch(block_id):
        return False
    digest, content = digest_of(block_id).rstrip("-"), reader.read(size)
    if hashlib.sha256(content).hexdigest().startswith(digest):
        return True
    if not can_cut():
        return False
    chunks, _ = take(io.BytesIO(content), len(content))
    ways = [[*joined(chunks, count)] for count in JOINED if count > 1]
    return any(len(way) == 1 and way[0][4:].hex().startswith(digest) for way in ways)


def digest_of(block_id: str) -> str:
    """What an ID of :data:`ID_SIZE` tells of its block's content."""
    return block_id.partition("-")[2]
