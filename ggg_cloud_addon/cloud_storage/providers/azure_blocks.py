"""A blob in blocks: how large content is sent, resumed and copied.

A block's ID has the hash of its bytes. So an upload that was interrupted, by whatever and on whichever machine, is
resumed without any record: the store is asked which blocks it has, and only the others are sent. That also goes for
blocks of the blob's present content. Large content is cut where the content says so, see :mod:`.azure_cut`: then the
present content has most blocks of the new one, wherever something was inserted. Smaller content is in equal blocks,
whose IDs have their places.

Blocks that no commit takes up are dropped by Azure a week later (Microsoft Learn, "Put Block"); there is nothing to
clean up. A commit throws away all other uncommitted blocks of the blob: then the loser sends his again.
"""

import base64
import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from azure.storage.blob import BlobClient

from ..errors import ObjectNotFoundError
from . import problems
from .azure_client import SINGLE, Account
from .azure_cut import ID_SIZE, MOST_BLOCKS, SHORTEST_ID, Cut, block_id, cut
from .azure_errors import BlocksLostError, foreign_upload
from .azure_lane import Request, lease_headers
from .azure_streams import Sent
from .base import ObjectInfo, OnBytes, Source
from .limits import Rate
from .streams import Body, Parts, Patience, equal_pieces

COPY_SIZE = 64 << 20
"""Bytes that the store copies in one request."""

Answer = TypeVar("Answer")
Staged = TypeVar("Staged")
Commit = Callable[[Sequence[str]], Mapping[str, Any]]


class Blocks:
    """The blocks of one blob during one write."""

    def __init__(
        self,
        key: str,
        account: Account,
        blob: BlobClient,
        pool: ThreadPoolExecutor,
        small_pool: ThreadPoolExecutor,
        lease: Mapping[str, Any],
        rate: Rate,
    ) -> None:
        """Make them; nothing is asked yet.

        Args:
            pool: for a few large requests at once.
            small_pool: for many requests of up to :data:`~..in_flight.UNIT`.
            lease: empty, or the SDK's option for a blob that we have locked.
        """
        self._key = key
        self._account = account
        self._blob = blob
        self._pool = pool
        self._small_pool = small_pool
        self._lease = lease
        self._rate = rate

    def put(
        self, source: Source, on_bytes: OnBytes | None, commit: Callable[[Sequence[str], str], Mapping[str, Any]]
    ) -> tuple[Mapping[str, Any], str]:
        """Send what the store has not; the commit's answer, and the SHA-256 of the source.

        Args:
            commit: gets the IDs and the SHA-256.
        """
        cuts = cut(self._key, source, on_bytes)

        def stage_all() -> tuple[list[str], str]:
            there, id_size = self._there()
            if cuts is None:
                staged = self._stage_equal(source, there, id_size, on_bytes)
            else:
                staged = self._stage_cut(source, cuts[0], there, id_size, on_bytes), cuts[1]
            source.verify()
            return staged

        def take_back() -> None:
            if on_bytes is not None:
                on_bytes(-source.size)

        return self._committed(stage_all, lambda staged: (commit(*staged), staged[1]), take_back)

    def _stage_equal(
        self, source: Source, there: Container[str], id_size: int, on_bytes: OnBytes | None
    ) -> tuple[list[str], str]:
        """In blocks of one length; their IDs, and the SHA-256 of what was read."""

        def send(number: int, content: bytes, on_part: OnBytes) -> str:
            each = block_id(number, hashlib.sha256(content).hexdigest(), id_size)
            if each in there:
                on_part(len(content))
            else:
                self._stage(each, content, on_part)
            return each

        pieces, digest = equal_pieces(source.size, block_size(source.size, SINGLE)), hashlib.sha256()
        ids = Parts(self._pool, self._key, source, pieces, send, digest.update).send_all(on_bytes)
        return ids, digest.hexdigest()

    def _stage_cut(
        self, source: Source, cuts: Sequence[Cut], there: Mapping[str, int], id_size: int, on_bytes: OnBytes | None
    ) -> list[str]:
        """In that one of the ways to cut it by which least is sent; the blocks' IDs."""
        ways = [(each, each.lacking(there, id_size)) for each in cuts]
        way, lacking = min(ways, key=lambda each: sum(each[0].pieces[number].length for number in each[1]))
        ids = way.ids(id_size)
        pieces = [way.pieces[number] for number in lacking]

        def send(index: int, content: bytes, on_part: OnBytes) -> None:
            if not way.is_block(lacking[index], content):
                raise problems.source_changed(self._key)
            self._stage(ids[lacking[index]], content, on_part)

        if on_bytes is not None:
            on_bytes(source.size - sum(piece.length for piece in pieces))
        pool = self._small_pool if way.count == 1 else self._pool
        Parts(pool, self._key, source, pieces, send).send_all(on_bytes)
        return ids

    def _stage(self, each: str, content: bytes, on_part: OnBytes) -> None:
        body = Body(content, on_part, self._rate)
        query = {"comp": "block", "blockid": base64.b64encode(each.encode()).decode()}
        request = Request("PUT", self._key, lease_headers(self._lease), query, body)

        def by_sdk() -> None:
            self._blob.stage_block(
                each,
                content,
                length=len(content),
                retry_total=0,  # Parts sends it again, as long as anything gets through
                **Sent(body).options,
                **self._lease,
            )

        with self._account.translated(self._key):
            self._account.ask(request, lambda headers, answer: None, by_sdk)

    def copy(self, source: ObjectInfo, url: str, commit: Commit) -> Mapping[str, Any]:
        """Have the store read them from a URL of its own; the commit's answer."""
        size = block_size(source.size, COPY_SIZE)

        def stage_all() -> list[str]:
            there, id_size = self._there()

            def stage(start: int) -> str:
                digest = hashlib.sha256(
                    f"{source.key}\0{source.etag}\0{source.version_id}\0{size}".encode()
                ).hexdigest()
                each = block_id(start // size, digest, id_size)
                if each not in there:
                    with self._account.translated(self._key):
                        self._blob.stage_block_from_url(
                            each,
                            url,
                            source_offset=start,
                            source_length=min(size, source.size - start),
                            headers={"x-ms-source-if-match": source.etag},
                            **self._lease,
                        )
                return each

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

    def _there(self) -> tuple[dict[str, int], int]:
        """What the store has, IDs and lengths, and how long a new ID has to be: like the other uncommitted ones."""
        try:
            with self._account.translated(self._key):
                committed, uncommitted = self._blob.get_block_list("all", **self._lease)
        except ObjectNotFoundError:
            return {}, ID_SIZE
        sizes = {len(block.id.encode()) for block in uncommitted} or {ID_SIZE}
        if min(sizes) < SHORTEST_ID:
            raise foreign_upload(self._key)
        # The commit takes the uncommitted one of two with one ID, so its length counts.
        return {block.id: block.size for block in (*committed, *uncommitted)}, sizes.pop()


def block_size(size: int, least: int) -> int:
    """Bytes of each block, so that there are not too many."""
    return max(least, -(-size // MOST_BLOCKS))
