"""Another tool rewrites an object and keeps its metadata, in which our SHA-256 then is that of other bytes.

Who has the bytes asks the store whether it vouches for them; the metadata alone is not believed.
"""

import base64
import hashlib
import io
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobBlock, ContentSettings
from boto3.s3.transfer import TransferConfig
from conformance import METADATA, MIB, BytesSource, put, read, sha256
from fault_proxy import FaultProxy
from memory_store import AZURE, S3, MemoryProvider
from servers import AzureServer, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.chunks import take
from ggg_cloud_addon.cloud_storage.errors import IntegrityError, PreconditionFailedError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.providers import aws_changes, aws_client, aws_vouched, azure_cut
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_bucket import AwsBucket
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent, ObjectInfo, Provider, list_all
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

AwsConfig = Callable[..., CloudStorageConfig]
Configure = Callable[..., CloudStorageConfig]
Rewrite = Callable[[bytes, int], None]

KEY = "arm.blend"
SIZES = {"small": 3000, "in parts": 11 * MIB + 5, "cut": 17 * MIB}
"""One request on either cloud; parts and blocks; blocks cut by the content."""


def content_of(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def changed(content: bytes) -> bytes:
    """As many other bytes: one differs."""
    third = len(content) // 3
    return content[:third] + bytes([content[third] ^ 1]) + content[third + 1 :]


@dataclass
class Place:
    """A bucket behind a proxy, and another tool's way to write there."""

    provider: Provider
    proxy: FaultProxy
    rewrite: Rewrite
    """Replaces the object by such bytes, in parts of so many, and keeps the metadata."""
    folder: Path

    def file(self, content: bytes) -> Path:
        path = self.folder / sha256(content)
        path.write_bytes(content)
        return path

    def vouches_for(self, info: ObjectInfo, content: bytes) -> bool:
        return self.provider.vouches_for(info, self.file(content), sha256(content))

    def infos(self) -> list[ObjectInfo]:
        """What a listing, a head and a get say of the object."""
        with self.provider.get(KEY) as download:
            return [*list_all(self.provider), self.provider.head(KEY), download.info]

    @contextmanager
    def asking(self, requests: int) -> Iterator[None]:
        """Exactly so many requests go to the store meanwhile."""
        before = len(self.proxy.requests)
        yield
        assert self.proxy.requests[before:] == self.proxy.requests[before : before + requests]
        assert len(self.proxy.requests) == before + requests


@pytest.fixture(params=["moto", "rclone_s3", "azurite"])
def place(
    request: pytest.FixtureRequest,
    aws_config: AwsConfig,
    configure: Configure,
    bucket_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    server = request.getfixturevalue(request.param)
    monkeypatch.setattr(random, "uniform", lambda low, high: low)  # retries come at once
    monkeypatch.setattr(aws_changes, "FAST", 1 << 50)  # as over a slow line
    with FaultProxy(server.url) as proxy:
        if isinstance(server, AzureServer):
            AzureContainer(configure()).create()
            there = replace(server, url=proxy.url).account_url
            provider: Provider = AzureProvider(configure(endpoint_url=there))
            rewrite = blob_rewriter(server, bucket_name)
        else:
            AwsBucket(aws_config(server)).create()
            provider = AwsProvider(aws_config(server, endpoint_url=proxy.url))
            rewrite = object_rewriter(server, bucket_name)
        yield Place(provider, proxy, rewrite, tmp_path)


def object_rewriter(server: Server, bucket: str) -> Rewrite:
    """Boto3, as in people's scripts."""
    client = server.client()

    def rewrite(content: bytes, part_size: int) -> None:
        metadata = client.head_object(Bucket=bucket, Key=KEY)["Metadata"]
        client.upload_fileobj(
            BytesSource(content).open(),
            bucket,
            KEY,
            ExtraArgs={"Metadata": metadata},
            Config=TransferConfig(multipart_threshold=part_size, multipart_chunksize=part_size),
        )

    return rewrite


def blob_rewriter(server: AzureServer, container: str) -> Rewrite:
    """The Azure SDK, as in people's scripts."""

    def rewrite(content: bytes, part_size: int) -> None:
        options = {"max_single_put_size": part_size, "max_block_size": part_size}
        blob = server.client(**options).get_blob_client(container, KEY)
        blob.upload_blob(content, overwrite=True, metadata=blob.get_blob_properties().metadata)

    return rewrite


@pytest.fixture(params=SIZES.values(), ids=SIZES.keys())
def old(request: pytest.FixtureRequest) -> bytes:
    return content_of(request.param, 1)


@pytest.fixture(params=[8 * MIB, 7 * MIB], ids=["usual parts", "other parts"])
def part_size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


# -- what the store vouches for


def test_it_vouches_for_what_was_put_and_for_nothing_else(place: Place, old: bytes) -> None:
    place.provider.put(KEY, BytesSource(old), metadata=METADATA)
    for info in place.infos():
        assert place.vouches_for(info, old)
        assert not place.vouches_for(info, changed(old))
        assert not place.vouches_for(info, old[:-1])
    answer = place.provider.put(KEY, BytesSource(changed(old)))
    assert place.vouches_for(answer, changed(old))
    assert not place.vouches_for(answer, old)


def test_it_vouches_for_an_empty_file(place: Place) -> None:
    put(place.provider, KEY, b"")
    assert all(place.vouches_for(info, b"") for info in place.infos())


def test_it_does_not_vouch_for_what_was_replaced_or_deleted(place: Place) -> None:
    old, new = b"old", b"new"
    put(place.provider, KEY, old)
    before = place.provider.head(KEY)
    put(place.provider, KEY, new)
    assert not place.vouches_for(before, new)
    place.provider.delete(KEY)
    assert not place.vouches_for(before, new)


def test_it_asks_as_little_as_it_can(place: Place, old: bytes) -> None:
    """Of S3 nothing, as the ETag tells all; of Azure whether the MD5 is the store's own, or the blocks."""
    put(place.provider, KEY, old)
    [listed] = list_all(place.provider)
    with place.asking(1 if isinstance(place.provider, AzureProvider) else 0):
        assert place.vouches_for(listed, old)


def test_it_vouches_for_an_object_that_was_made_of_its_former_content(place: Place) -> None:
    old = content_of(48 * MIB, 2)
    new = old[:1000] + b"inserted" + old[1000:-9] + b"changed"
    put(place.provider, KEY, old)
    sent = place.proxy.sent
    put(place.provider, KEY, new)
    if isinstance(place.provider, AzureProvider) or place.provider.capabilities.versions:
        assert place.proxy.sent - sent < len(new) // 2
    for info in place.infos():
        assert place.vouches_for(info, new)
        assert not place.vouches_for(info, changed(new))


def test_it_vouches_for_a_copy(place: Place, old: bytes) -> None:
    put(place.provider, "leg.blend", old)
    place.provider.copy("leg.blend", KEY)
    info = place.provider.head(KEY)
    assert place.vouches_for(info, old)
    assert not place.vouches_for(info, changed(old))


def test_it_vouches_for_what_another_tool_wrote(place: Place, old: bytes, part_size: int) -> None:
    put(place.provider, KEY, old)
    place.rewrite(changed(old), part_size)
    for info in place.infos():
        assert place.vouches_for(info, changed(old))
        assert not place.vouches_for(info, old)


@pytest.mark.parametrize("place", ["azurite"], indirect=True)
def test_the_md5_that_a_client_claims_of_blocks_is_not_believed(
    place: Place, azurite: AzureServer, bucket_name: str
) -> None:
    old = content_of(5 * MIB, 1)
    put(place.provider, KEY, old)
    blob = azurite.client().get_blob_client(bucket_name, KEY)
    blob.stage_block("0001", changed(old))
    md5 = hashlib.md5(old, usedforsecurity=False).digest()
    blob.commit_block_list([BlobBlock("0001")], content_settings=ContentSettings(content_md5=bytearray(md5)))
    for info in place.infos():
        assert not place.vouches_for(info, old)
        assert place.vouches_for(info, changed(old))


@pytest.mark.parametrize("count", azure_cut.JOINED)
def test_the_name_of_a_block_tells_its_content_however_many_chunks_it_has(count: int) -> None:
    content = content_of(4 * MIB, 3)
    way = azure_cut.Cut(take(io.BytesIO(content), len(content))[0], count)
    assert len(way) > 1
    for name, piece in zip(way.ids(azure_cut.ID_SIZE), way.pieces, strict=True):
        block = content[piece.start : piece.end]
        assert azure_cut.is_named_after(name, len(block), io.BytesIO(block))
        assert not azure_cut.is_named_after(name, len(block), io.BytesIO(changed(block)))
        assert not azure_cut.is_named_after(f"another tool's {name}", len(block), io.BytesIO(block))


def crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4)


def in_base64(checksum: bytes) -> str:
    return base64.b64encode(checksum).decode()


CHECKSUMS = {
    "of one request": (3000, "sha256", lambda old: in_base64(hashlib.sha256(old).digest())),
    "of the parts": (
        11 * MIB,
        "crc32",
        lambda old: in_base64(crc32(b"".join(crc32(old[at : at + 5 * MIB]) for at in (0, 5 * MIB, 10 * MIB)))) + "-3",
    ),
    "of changes": (11 * MIB, "crc32", lambda old: in_base64(crc32(old))),
}
"""What Amazon tells of objects that we upload; the server here does not."""


@pytest.mark.parametrize("place", ["moto"], indirect=True)
@pytest.mark.parametrize(("size", "algorithm", "checksum"), CHECKSUMS.values(), ids=CHECKSUMS.keys())
def test_amazons_checksums_vouch_where_the_etag_is_no_md5(
    place: Place, size: int, algorithm: str, checksum: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a KMS key."""
    old = content_of(size, 1)
    put(place.provider, KEY, old)
    info = place.provider.head(KEY)
    monkeypatch.setattr(aws_vouched._Hashes, "etag", lambda self, in_parts: "another one")
    assert not place.vouches_for(info, old)
    monkeypatch.setattr(aws_client.S3, "is_amazon", property(lambda s3: True))
    place.proxy.set_header(f"x-amz-checksum-{algorithm}", checksum(old), method="HEAD")
    with place.asking(1):
        assert place.vouches_for(info, old)
    assert not place.vouches_for(info, changed(old))


@pytest.mark.parametrize("place", ["moto"], indirect=True)
def test_a_store_that_does_not_answer_is_no_proof_of_damage(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    old = content_of(3000, 1)
    put(place.provider, KEY, old)
    info = place.provider.head(KEY)
    monkeypatch.setattr(aws_client.S3, "is_amazon", property(lambda s3: True))
    place.proxy.answer(503, times=100, method="HEAD")
    with pytest.raises(StoreUnavailableError):
        place.vouches_for(info, changed(old))
    place.proxy.heal()
    place.proxy.answer(403, method="HEAD")
    assert not place.vouches_for(info, changed(old))


@pytest.mark.parametrize("open_provider", [FolderProvider, lambda root: MemoryProvider(S3)], ids=["folder", "memory"])
def test_the_stores_without_a_network_vouch_too(open_provider: Callable[[Path], Provider], tmp_path: Path) -> None:
    provider = open_provider(tmp_path / "store")
    path = tmp_path / "arm.blend"
    path.write_bytes(b"arm")
    put(provider, KEY, b"arm")
    assert all(provider.vouches_for(info, path, sha256(b"arm")) for info in [provider.head(KEY), *list_all(provider)])


def test_a_rewritten_object_in_memory_keeps_its_metadata(tmp_path: Path) -> None:
    provider = MemoryProvider(S3)
    provider.put(KEY, BytesSource(b"arm"), metadata=METADATA)
    provider.rewrite(KEY, b"leg")
    info = provider.head(KEY)
    assert (info.sha256, info.metadata, read(provider, KEY)) == (sha256(b"arm"), METADATA, b"leg")
    pulled = CloudStorageManager(CloudStorageConfig(), provider).download_component(KEY, tmp_path / "pulled.blend")
    assert pulled.sha256 == sha256(b"leg")


def test_bytes_that_nothing_vouches_for_are_refused(tmp_path: Path) -> None:
    provider = MemoryProvider(AZURE)
    put(provider, KEY, b"arm")
    provider.rewrite(KEY, b"leg")
    with pytest.raises(IntegrityError, match=KEY):
        CloudStorageManager(CloudStorageConfig(), provider).download_component(KEY, tmp_path / "pulled.blend")


# -- what is pulled


def test_a_pull_gives_the_bytes_that_another_tool_wrote(
    place: Place, old: bytes, part_size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    manager = CloudStorageManager(CloudStorageConfig(), place.provider)
    put(place.provider, KEY, old)
    target = tmp_path / "pulled.blend"
    manager.download_component(KEY, target)
    new = changed(old)
    place.rewrite(new, part_size)
    assert place.provider.head(KEY).sha256 == sha256(old)

    pulled = manager.download_component(KEY, target)

    assert target.read_bytes() == new
    assert pulled.sha256 == sha256(new)
    assert f"Another tool wrote {KEY} and kept the metadata: its SHA-256 is {sha256(new)}" in caplog.text


def test_damaged_bytes_are_still_refused(place: Place, old: bytes, tmp_path: Path) -> None:
    manager = CloudStorageManager(CloudStorageConfig(), place.provider)
    target = tmp_path / "pulled.blend"
    target.write_bytes(b"before")
    put(place.provider, KEY, old)
    place.proxy.damage(method="GET", path=KEY)
    with pytest.raises(IntegrityError, match=KEY):
        manager.download_component(KEY, target)
    assert target.read_bytes() == b"before"

    place.rewrite(changed(old), 8 * MIB)
    place.proxy.damage(method="GET", path=KEY)
    with pytest.raises(IntegrityError, match=KEY):
        manager.download_component(KEY, target)
    assert target.read_bytes() == b"before"
    assert place.proxy.faults == 2
    manager.download_component(KEY, target)
    assert target.read_bytes() == changed(old)


def test_a_pull_of_what_was_pushed_asks_nothing_more(place: Place, tmp_path: Path) -> None:
    manager = CloudStorageManager(CloudStorageConfig(), place.provider)
    put(place.provider, KEY, b"arm")
    manager.download_component(KEY, tmp_path / "first.blend")
    with place.asking(1):
        manager.download_component(KEY, tmp_path / "second.blend")


# -- what else could believe it


@pytest.mark.parametrize("place", ["moto", "azurite"], indirect=True)
def test_a_refused_write_is_not_taken_for_done_because_of_the_metadata(place: Place, old: bytes) -> None:
    """The first request was not carried out and its repetition is refused: the object is somebody else's."""
    put(place.provider, KEY, old)
    place.rewrite(changed(old), 8 * MIB)
    writes = r"arm\.blend($|\?uploadId=[^&]*$|\?comp=blocklist)"
    place.proxy.answer(500, method="PUT|POST" if isinstance(place.provider, AwsProvider) else "PUT", path=writes)
    with pytest.raises(PreconditionFailedError):
        place.provider.put(KEY, BytesSource(old), condition=IfAbsent())
    assert place.proxy.faults == 1
    assert read(place.provider, KEY) == changed(old)


def test_a_manager_tells_whether_a_component_is_a_file(place: Place, old: bytes) -> None:
    manager = CloudStorageManager(CloudStorageConfig(), place.provider)
    put(place.provider, KEY, old)
    assert manager.holds(KEY, place.file(old))
    place.rewrite(changed(old), 8 * MIB)
    assert not manager.holds(KEY, place.file(old))
    assert manager.holds(KEY, place.file(changed(old)))
