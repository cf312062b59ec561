"""A blob in blocks: how large content is sent, resumed and copied.

A block's ID is its place and the hash of its bytes. So an upload that was interrupted, by whatever and on whichever
machine, is resumed without any record: the store is asked which blocks it has, and only the others are sent. That
also goes for blocks of the blob's present content that have not changed.

Blocks that no commit takes up are dropped by Azure a week later (Microsoft Learn, "Put Block"); there is nothing to
clean up. A commit throws away all other uncommitted blocks of the blob: then the loser sends his again.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from azure.storage.blob import BlobClient

from ..errors import ObjectNotFoundError
from .azure_client import SINGLE
from .azure_errors import BlocksLostError, foreign_upload
from .azure_streams import Sent
from .base import ObjectInfo, OnBytes, Source
from .streams import Body, Parts, Patience, equal_pieces

MOST_BLOCKS = 50_000
"""In one blob (Microsoft Learn, "Scalability and performance targets for Blob storage")."""
COPY_SIZE = 64 << 20
"""Bytes that the store copies in one request."""
ID_SIZE = 64
"""Characters of a block's ID: the most that Azure takes."""
SHORTEST_ID = 30
"""Leaves 96 bits for the hash."""

Answer = TypeVar("Answer")
Staged = TypeVar("Staged")
Commit = Callable[[Sequence[str]], Mapping[str, Any]]
Translated = Callable[..., AbstractContextManager[None]]


class Blocks:
    """The blocks of one blob during one write."""

    def __init__(
        self,
        key: str,
        blob: BlobClient,
        pool: ThreadPoolExecutor,
        lease: Mapping[str, Any],
        translated: Translated,
    ) -> None:
        """``lease`` is empty, or the SDK's option for a blob that we have locked."""
        self._key = key
        self._blob = blob
        self._pool = pool
        self._lease = lease
        self._translated = translated

    def put(
        self, source: Source, on_bytes: OnBytes | None, commit: Callable[[Sequence[str], str], Mapping[str, Any]]
    ) -> tuple[Mapping[str, Any], str]:
        """Send what the store has not; the commit's answer, and the SHA-256 of the source.

        Args:
            commit: gets the IDs and the SHA-256.
        """

        def stage_all() -> tuple[list[str], str]:
            there, id_size = self._there()

            def send(number: int, content: bytes, on_part: OnBytes) -> str:
                block_id = _block_id(number, hashlib.sha256(content).hexdigest(), id_size)
                if block_id in there:
                    on_part(len(content))
                    return block_id
                with self._translated(self._key):
                    self._blob.stage_block(
                        block_id,
                        content,
                        length=len(content),
                        retry_total=0,  # Parts sends it again, as long as anything gets through
                        **Sent(Body(content, on_part)).options,
                        **self._lease,
                    )
                return block_id

            pieces = equal_pieces(source.size, block_size(source.size, SINGLE))
            staged = Parts(self._pool, self._key, source, pieces, send).send_all(on_bytes)
            source.verify()
            return staged

        def take_back() -> None:
            if on_bytes is not None:
                on_bytes(-source.size)

        return self._committed(stage_all, lambda staged: (commit(*staged), staged[1]), take_back)

    def copy(self, source: ObjectInfo, url: str, commit: Commit) -> Mapping[str, Any]:
        """Have the store read them from a URL of its own; the commit's answer."""
        size = block_size(source.size, COPY_SIZE)

        def stage_all() -> list[str]:
            there, id_size = self._there()

            def stage(start: int) -> str:
                digest = hashlib.sha256(
                    f"{source.key}\0{source.etag}\0{source.version_id}\0{size}".encode()
                ).hexdigest()
                block_id = _block_id(start // size, digest, id_size)
                if block_id not in there:
                    with self._translated(self._key):
                        self._blob.stage_block_from_url(
                            block_id,
                            url,
                            source_offset=start,
                            source_length=min(size, source.size - start),
                            headers={"x-ms-source-if-match": source.etag},
                            **self._lease,
                        )
                return block_id

            return list(self._pool.map(stage, range(0, source.size, size)))

        return self._committed(stage_all, commit, lambda: None)

    def _committed(
        self, stage_all: Callable[[], Staged], commit: Callable[[Staged], Answer], again: Callable[[], None]
    ) -> Answer:
        """Stage and commit until no other writer's commit comes between."""
        patience = Patience()
        while True:
            staged = stage_all()
            try:
                return commit(staged)
            except BlocksLostError as error:
                patience.failed(error)
                again()

    def _there(self) -> tuple[set[str], int]:
        """The IDs that the store has, and how long a new one has to be: like the other uncommitted ones."""
        try:
            with self._translated(self._key):
                committed, uncommitted = self._blob.get_block_list("all", **self._lease)
        except ObjectNotFoundError:
            return set(), ID_SIZE
        sizes = {len(block.id.encode()) for block in uncommitted} or {ID_SIZE}
        if min(sizes) < SHORTEST_ID:
            raise foreign_upload(self._key)
        return {block.id for block in (*committed, *uncommitted)}, sizes.pop()


def block_size(size: int, least: int) -> int:
    """Bytes of each block, so that there are not too many."""
    return max(least, -(-size // MOST_BLOCKS))


def _block_id(number: int, digest: str, size: int) -> str:
    return f"{number:05}-{digest}"[:size].ljust(size, "-")
