"""Replacing a blob sends what changed: the same result as the plain way, with far fewer bytes, under faults too."""

import io
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient
from conformance import METADATA, MIB, BytesSource, cancel, keys, put, read, sha256
from fault_proxy import FaultProxy
from servers import AzureServer

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.errors import (
    CancelledError,
    LocalFileError,
    PreconditionFailedError,
    SourceChangedError,
)
from ggg_cloud_addon.cloud_storage.providers import azure_cut
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.azure_cut import ID_SIZE
from ggg_cloud_addon.cloud_storage.providers.base import Condition, IfAbsent, IfMatch

Configure = Callable[..., CloudStorageConfig]

KIB = 1 << 10
KEY = "robot/arm é.blend"
OLD = random.Random(5).randbytes(24 * MIB + 77)
NEW = OLD[:5000] + b"inserted near the front" + OLD[5000:-9000] + b"changed" + OLD[-8993:]
EDITED = 1200 * KIB
"""More than the edit sends: a chunk or two at each place, and the requests themselves."""
STAGED = "comp=block&"
COMMITTED = "comp=blocklist"


@pytest.fixture
def provider(configure: Configure) -> AzureProvider:
    AzureContainer(configure()).create()
    return AzureProvider(configure())


@pytest.fixture
def blob(provider: AzureProvider, azurite: AzureServer, bucket_name: str) -> BlobClient:
    """The SDK's own client, for other tools."""
    container: ContainerClient = azurite.client().get_container_client(bucket_name)
    return container.get_blob_client(KEY)


@pytest.fixture
def proxy(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(random, "uniform", lambda low, high: low)  # retries come at once
    with FaultProxy(azurite.url) as proxy:
        yield proxy


@pytest.fixture
def behind(provider: AzureProvider, configure: Configure, azurite: AzureServer, proxy: FaultProxy) -> AzureProvider:
    """A provider on the same container, as on another machine, over the bad network."""
    return AzureProvider(configure(endpoint_url=replace(azurite, url=proxy.url).account_url, max_concurrency=2))


@pytest.fixture
def cut_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content of a MiB is cut."""
    monkeypatch.setattr(azure_cut, "LEAST", MIB)


def store(provider: AzureProvider, content: bytes, condition: Condition = None, key: str = KEY) -> None:
    """Store it, and look whether all that can be seen is as by the plain way."""
    moved: list[int] = []
    answer = provider.put(key, BytesSource(content), condition=condition, metadata=METADATA, on_bytes=moved.append)
    assert sum(moved) == len(content)
    assert read(provider, key) == content
    head = provider.head(key)
    assert (head.size, head.sha256, dict(head.metadata)) == (len(content), sha256(content), METADATA)
    assert (answer.etag, answer.size, answer.sha256) == (head.etag, head.size, head.sha256)


def staged(proxy: FaultProxy) -> int:
    return sum(STAGED in each.path for each in proxy.requests)


# -- what is sent


def test_only_what_changed_is_sent_from_whatever_machine(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy
) -> None:
    put(provider, KEY, OLD)
    store(behind, NEW)
    assert proxy.sent < EDITED
    assert staged(proxy) <= 6


def test_the_same_again_sends_no_block(provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy) -> None:
    put(provider, KEY, OLD)
    store(behind, OLD)
    assert staged(proxy) == 0


def test_going_back_and_forth_works(provider: AzureProvider) -> None:
    for content in (OLD, NEW, OLD, NEW[: 20 * MIB], NEW + OLD[: 2 * MIB], OLD[::-1], OLD):
        store(provider, content)


@pytest.mark.parametrize("joined", [4, 16])
def test_very_many_chunks_are_joined(
    provider: AzureProvider,
    behind: AzureProvider,
    proxy: FaultProxy,
    blob: BlobClient,
    monkeypatch: pytest.MonkeyPatch,
    joined: int,
) -> None:
    monkeypatch.setattr(azure_cut, "MANY", 450 // joined)
    put(provider, KEY, OLD)
    assert len(blob.get_block_list("committed")[0]) < 600 // joined
    store(behind, NEW)
    assert proxy.sent < EDITED * joined


def test_a_blob_that_grows_keeps_its_short_blocks(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(provider, KEY, OLD)
    monkeypatch.setattr(azure_cut, "MANY", 100)
    store(behind, NEW)
    assert proxy.sent < EDITED


def test_small_content_is_in_equal_blocks(provider: AzureProvider, blob: BlobClient) -> None:
    for content in (OLD[: 16 * MIB - 1], OLD[1 : 16 * MIB]):
        store(provider, content)
        assert len(blob.get_block_list("committed")[0]) == 4
    store(provider, OLD[: 16 * MIB])
    assert len(blob.get_block_list("committed")[0]) > 100


def test_where_content_cannot_be_cut_it_is_in_equal_blocks(
    provider: AzureProvider, blob: BlobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(provider, KEY, OLD)
    monkeypatch.setattr(azure_cut, "can_cut", lambda: False)
    store(provider, NEW)
    assert len(blob.get_block_list("committed")[0]) == 7
    monkeypatch.undo()
    store(provider, OLD)


def test_content_that_is_there_again_and_again(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, blob: BlobClient
) -> None:
    zeros = bytes(20 * MIB)
    put(provider, KEY, zeros)
    store(behind, zeros[:MIB] + b"in the middle" + zeros[MIB:])
    assert proxy.sent < EDITED
    store(behind, zeros + b"behind")
    store(behind, zeros[: 17 * MIB])
    assert proxy.sent < 2 * EDITED
    store(behind, OLD[:MIB] * 20)
    store(behind, OLD[: MIB // 2] + OLD[:MIB] * 20)
    ids = [each.id for each in blob.get_block_list("committed")[0]]
    assert len(set(ids)) == len(ids)


@pytest.mark.usefixtures("cut_early")
@pytest.mark.parametrize("seed", range(4))
def test_any_edits_give_what_was_to_be_stored(
    provider: AzureProvider, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    content = chance.randbytes(3 * MIB)
    for _ in range(12):
        monkeypatch.setattr(azure_cut, "MANY", chance.choice([5, 20, 8192]))
        start, end = sorted(chance.choices(range(len(content)), k=2))
        end = min(end, start + MIB)
        middle = chance.choice([b"", bytes(end - start), chance.randbytes(70), content[start:end] * 2, content[:MIB]])
        content = content[:start] + middle + content[end:]
        content += chance.randbytes(max(0, 2 * MIB - len(content)))
        store(provider, content)


# -- what is read


def fetch(provider: AzureProvider, path: Path, if_match: str | None = None) -> bytes:
    with provider.get_like(KEY, path, if_match=if_match) as download:
        assert replace(download.info, tier=None) == replace(
            provider.head(KEY), tier=None
        )  # a GET does not always tell it
        return b"".join(download)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "arm.blend"
    path.write_bytes(OLD)
    return path


@pytest.mark.parametrize("many", [8192, 100, 20])
def test_only_what_the_file_lacks_is_read(
    provider: AzureProvider,
    behind: AzureProvider,
    proxy: FaultProxy,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    many: int,
) -> None:
    monkeypatch.setattr(azure_cut, "MANY", many)
    put(provider, KEY, NEW)
    assert fetch(behind, path) == NEW
    assert proxy.received < EDITED * (1 if many == 8192 else 10)


def test_the_list_of_blocks_is_asked_for_again(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, path: Path
) -> None:
    put(provider, KEY, NEW)
    proxy.lose_answer(method="GET", path=COMMITTED)
    assert fetch(behind, path) == NEW
    assert proxy.faults == 1
    assert proxy.received < EDITED


def test_of_what_the_file_has_nothing_is_read(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, path: Path
) -> None:
    put(provider, KEY, OLD)
    assert fetch(behind, path) == OLD
    assert not [each for each in proxy.requests if each.method == "GET" and COMMITTED not in each.path]


@pytest.mark.parametrize("there", [b"", b"short", OLD[::-1], None], ids=["empty", "short", "another", "none"])
def test_where_the_file_has_nothing_of_it_the_whole_is_read(
    provider: AzureProvider, path: Path, there: bytes | None
) -> None:
    put(provider, KEY, NEW)
    path.unlink()
    if there is not None:
        path.write_bytes(there)
    assert fetch(provider, path) == NEW


def test_what_another_tool_stored_is_read_whole(provider: AzureProvider, blob: BlobClient, path: Path) -> None:
    for content in (NEW, OLD):
        blob.upload_blob(content, overwrite=True)
        assert fetch(provider, path) == content
    blob.stage_block("mine", OLD[:MIB])
    blob.stage_block("ours", OLD[MIB:])
    blob.commit_block_list([BlobBlock("mine"), BlobBlock("ours")])
    assert fetch(provider, path) == OLD


@pytest.mark.parametrize("then", [OLD[::-1], OLD[: 5 * MIB], None], ids=["another", "shorter", "none"])
def test_a_file_that_changes_meanwhile_spoils_nothing(provider: AzureProvider, path: Path, then: bytes | None) -> None:
    put(provider, KEY, NEW)
    with provider.get_like(KEY, path) as download:
        path.unlink()
        if then is not None:
            path.write_bytes(then)
        assert b"".join(download) == NEW


def test_a_blob_that_is_replaced_meanwhile_is_not_mixed(
    provider: AzureProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(provider, KEY, NEW)
    with provider.get_like(KEY, path) as download:
        put(provider, KEY, NEW[:-4] + b"more")
        with pytest.raises(PreconditionFailedError):
            b"".join(download)
    with pytest.raises(PreconditionFailedError):
        fetch(provider, path, download.info.etag)
    looked = provider._properties

    def replace_after(*arguments: Any) -> Any:
        seen = looked(*arguments)
        monkeypatch.undo()
        put(provider, KEY, NEW)
        return seen

    monkeypatch.setattr(provider, "_properties", replace_after)
    with provider.get_like(KEY, path) as download:
        assert b"".join(download) == NEW


def test_what_is_lacking_arrives_over_a_line_that_keeps_breaking(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, path: Path
) -> None:
    put(provider, KEY, NEW)
    proxy.cut_every(150 * KIB)
    with behind.get_like(KEY, path) as download:
        assert b"".join(download) == NEW
    assert proxy.faults


def test_a_pull_over_the_former_version_reads_what_changed(
    provider: AzureProvider, behind: AzureProvider, configure: Configure, proxy: FaultProxy, path: Path
) -> None:
    put(provider, KEY, NEW)
    moved: list[tuple[int, int]] = []
    manager = CloudStorageManager(configure(), behind)
    info = manager.download_component(KEY, path, progress=lambda done, size: moved.append((done, size)))
    assert path.read_bytes() == NEW
    assert info.sha256 == sha256(NEW)
    assert moved[-1] == (len(NEW), len(NEW))
    assert proxy.received < EDITED


@pytest.mark.usefixtures("cut_early")
@pytest.mark.parametrize("seed", range(4))
def test_any_file_gives_what_is_stored(
    provider: AzureProvider, path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    content = chance.randbytes(3 * MIB)
    for _ in range(8):
        monkeypatch.setattr(azure_cut, "MANY", chance.choice([5, 20, 8192]))
        path.write_bytes(content)
        start, end = sorted(chance.choices(range(len(content)), k=2))
        middle = chance.choice([b"", bytes(end - start), chance.randbytes(70), content[start:end] * 2, content[:MIB]])
        content = content[:start] + middle + content[end:]
        content += chance.randbytes(max(0, 2 * MIB - len(content)))
        put(provider, KEY, content)
        assert fetch(provider, path) == content


# -- a bad network


@pytest.mark.parametrize("content", [NEW, OLD[::-1]], ids=["edited", "all new"])
def test_blocks_arrive_over_a_line_that_keeps_breaking(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, content: bytes
) -> None:
    put(provider, KEY, OLD)
    proxy.cut_every(150 * KIB if content is NEW else 3 * MIB)
    moved: list[int] = []
    behind.put(KEY, BytesSource(content), metadata=METADATA, on_bytes=moved.append)
    assert proxy.faults
    assert sum(moved) == len(content)
    assert read(provider, KEY) == content
    assert provider.head(KEY).sha256 == sha256(content)


@pytest.mark.parametrize("path", [STAGED, COMMITTED])
@pytest.mark.parametrize("condition", ["none", "match"])
def test_lost_answers_and_a_busy_store_change_nothing(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy, path: str, condition: str
) -> None:
    etag = put(provider, KEY, OLD)
    proxy.lose_answer(times=2, method="PUT", path=path)
    proxy.answer(503, times=2, method="(PUT|GET)", path=path)
    store(behind, NEW, IfMatch(etag) if condition == "match" else None)
    assert proxy.faults == 4


def test_a_list_that_does_not_come_changes_nothing(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy
) -> None:
    put(provider, KEY, OLD)
    proxy.lose_answer(method="GET", path=COMMITTED)
    proxy.truncate(method="GET", path=COMMITTED)
    store(behind, NEW)
    assert proxy.faults == 2


# -- others who write


def by_a_plain_request(blob: BlobClient) -> None:
    blob.upload_blob(b"a small one", overwrite=True)


def by_foreign_blocks(blob: BlobClient) -> None:
    ids = [f"{number:08}" for number in range(3)]
    with_small_blocks(blob, ids)


def by_blocks_with_ids_as_long(blob: BlobClient) -> None:
    with_small_blocks(blob, [f"{number:0{ID_SIZE}}" for number in range(3)])


def by_ourselves(blob: BlobClient) -> None:
    """Another machine stores something that has some of the blocks."""
    blocks, _ = blob.get_block_list("committed")
    blob.commit_block_list([BlobBlock(each.id) for each in blocks[::2]])


def by_deleting(blob: BlobClient) -> None:
    blob.delete_blob()


def with_small_blocks(blob: BlobClient, ids: list[str]) -> None:
    for each in ids:
        blob.stage_block(each, b"foreign")
    blob.commit_block_list([BlobBlock(each) for each in ids])


WRITERS = [by_a_plain_request, by_foreign_blocks, by_blocks_with_ids_as_long, by_ourselves, by_deleting]


@pytest.mark.parametrize("write", WRITERS)
def test_what_others_stored_is_replaced_wholly(
    provider: AzureProvider, blob: BlobClient, write: Callable[[BlobClient], None]
) -> None:
    put(provider, KEY, OLD)
    write(blob)
    store(provider, NEW)


class Meddled(BytesSource):
    """A file during whose upload something happens, when all of it was sent."""

    def __init__(self, content: bytes, happen: Callable[[], object]) -> None:
        super().__init__(content)
        self.happen: Callable[[], object] | None = happen

    def verify(self) -> None:
        happen, self.happen = self.happen, None
        if happen is not None:
            happen()


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("write", [each for each in WRITERS if each is not by_foreign_blocks])
@pytest.mark.parametrize("condition", ["none", "match"])
def test_a_blob_that_another_replaces_in_the_middle(
    provider: AzureProvider, blob: BlobClient, write: Callable[[BlobClient], None], condition: str
) -> None:
    """Ours is stored whole, or refused: what another's commit threw away is never missing, nor its content ours."""
    etag = put(provider, KEY, OLD)
    moved: list[int] = []
    source = Meddled(NEW, lambda: write(blob))
    if condition == "match":
        with pytest.raises(PreconditionFailedError):
            provider.put(KEY, source, condition=IfMatch(etag), metadata=METADATA, on_bytes=moved.append)
        assert KEY not in keys(provider) if write is by_deleting else read(provider, KEY) not in (OLD, NEW)
        return
    provider.put(KEY, source, metadata=METADATA, on_bytes=moved.append)
    assert sum(moved) == len(NEW)
    assert read(provider, KEY) == NEW
    assert provider.head(KEY).sha256 == sha256(NEW)


@pytest.mark.usefixtures("cut_early", "proxy")
def test_many_who_store_at_once_all_succeed(provider: AzureProvider, configure: Configure) -> None:
    common = OLD[: 2 * MIB]
    contents = [common[: MIB // 2] + bytes([number]) * 500 + common[MIB // 2 :] for number in range(3)]
    providers = [AzureProvider(configure()) for _ in contents]
    for _ in range(6):
        with ThreadPoolExecutor(len(contents)) as pool:
            list(pool.map(lambda one, content: put(one, KEY, content), providers, contents))
        content = read(provider, KEY)
        assert content in contents
        assert provider.head(KEY).sha256 == sha256(content)


@pytest.mark.parametrize("size", [30, 32, ID_SIZE, 64])
def test_unfinished_uploads_of_others_are_no_obstacle(provider: AzureProvider, blob: BlobClient, size: int) -> None:
    put(provider, KEY, OLD)
    blob.stage_block("f" * size, b"foreign")
    store(provider, NEW)
    blob.stage_block("f" * size, b"foreign")
    store(provider, OLD)


def test_a_block_of_another_length_than_its_id_says_is_sent_again(provider: AzureProvider, blob: BlobClient) -> None:
    put(provider, KEY, OLD)
    ids = [each.id for each in blob.get_block_list("committed")[0]]
    for each in ids[:3]:
        blob.stage_block(each, b"damaged")
    blob.commit_block_list([BlobBlock(each) for each in ids])
    blob.stage_block(ids[7], b"damaged, and not committed")
    store(provider, NEW)


@pytest.mark.parametrize("condition", [IfAbsent(), IfMatch('"0x1"')], ids=["absent", "match"])
def test_a_condition_that_does_not_hold_leaves_all_as_it_is(provider: AzureProvider, condition: Condition) -> None:
    etag = put(provider, KEY, OLD)
    with pytest.raises(PreconditionFailedError):
        put(provider, KEY, NEW, condition)
    assert provider.head(KEY).etag == etag
    assert read(provider, KEY) == OLD
    store(provider, NEW, IfMatch(etag))


# -- ends before the end


def test_a_cancel_stops_the_cutting(behind: AzureProvider, proxy: FaultProxy) -> None:
    with pytest.raises(CancelledError):
        behind.put(KEY, BytesSource(OLD), on_bytes=cancel)
    assert proxy.requests == []


def test_what_was_sent_before_a_cancel_is_not_sent_again(
    provider: AzureProvider, behind: AzureProvider, proxy: FaultProxy
) -> None:
    put(provider, KEY, OLD)
    left = len(OLD) // 2

    def cancel_later(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise CancelledError("Stopped.")

    before = proxy.sent
    with pytest.raises(CancelledError):
        behind.put(KEY, BytesSource(OLD[::-1]), on_bytes=cancel_later)
    assert len(OLD) // 3 < proxy.sent - before < len(OLD) * 3 // 4
    assert read(provider, KEY) == OLD
    before = proxy.sent
    store(behind, OLD[::-1])
    assert proxy.sent - before < len(OLD) * 2 // 3


class ChangingSource(BytesSource):
    """A file that is another one, of the same size or not, when it is read for the second time."""

    def __init__(self, first: bytes, second: bytes) -> None:
        super().__init__(first)
        self.second = second
        self.opened = 0

    def open(self):
        self.opened += 1
        return BytesSource(self.content if self.opened == 1 else self.second).open()


@pytest.mark.parametrize("many", [8192, 20])
@pytest.mark.parametrize(
    "second", [NEW[:6000] + b"?" + NEW[6001:], NEW[:5100], b""], ids=["same size", "shorter", "empty"]
)
def test_a_file_that_changes_after_it_was_cut_is_not_stored(
    provider: AzureProvider, monkeypatch: pytest.MonkeyPatch, second: bytes, many: int
) -> None:
    monkeypatch.setattr(azure_cut, "MANY", many)
    etag = put(provider, KEY, OLD)
    with pytest.raises(SourceChangedError):
        provider.put(KEY, ChangingSource(NEW, second))
    assert provider.head(KEY).etag == etag
    store(provider, NEW)


class FailingSource(BytesSource):
    """A file that cannot be read on when it was read so many times."""

    def __init__(self, content: bytes, good: int) -> None:
        super().__init__(content)
        self.good = good

    def open(self) -> BinaryIO:
        source = self

        class Reader(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                source.good -= 1
                if source.good < 0:
                    raise OSError("The disk is gone.")
                return super().read(size)

            def readinto(self, buffer: Any) -> int:
                content = self.read(len(buffer))
                buffer[: len(content)] = content
                return len(content)

        return Reader(self.content)


@pytest.mark.parametrize("good", [0, 3, 80, 200])
def test_a_file_that_cannot_be_read_is_named(provider: AzureProvider, good: int) -> None:
    with pytest.raises(LocalFileError, match=r'"robot/arm é.blend" was not stored: its file .* cannot be read'):
        provider.put(KEY, FailingSource(OLD, good))
    assert keys(provider) == []


def test_a_file_that_has_grown_or_shrunk_is_not_stored(provider: AzureProvider) -> None:
    for size in (len(OLD) - 1, len(OLD) + 1):
        source = BytesSource(OLD)
        source.size = size
        with pytest.raises(SourceChangedError):
            provider.put(KEY, source)
    assert keys(provider) == []
