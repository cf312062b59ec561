"""Blob versions, which Azurite has not: answers as Azure's documentation has them ("List Blobs", "Get Blob")."""

import http.server
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from conformance import read

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_client import VARIABLE
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer

FIRST, SECOND, THIRD = (f"2026-11-2{day}T10:00:00.1234567Z" for day in (1, 2, 3))
BLOBS = [  # as Azure lists them: by name, then the older version first
    ("arm.blend", FIRST, "", 3),
    ("arm.blend", SECOND, "", 5),
    ("arm.blend", THIRD, "<IsCurrentVersion>true</IsCurrentVersion>", 7),
    ("arm.blend.bak", THIRD, "<IsCurrentVersion>true</IsCurrentVersion>", 1),
    ("deleted.blend", FIRST, "", 3),
    ("deleted.blend", SECOND, "", 5),
]


def listing(prefix: str) -> bytes:
    blobs = "".join(
        f"<Blob><Name>{name}</Name><VersionId>{version}</VersionId>{current}<Properties>"
        f"<Last-Modified>Sat, {version[8:10]} Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D{size}</Etag>"
        f"<Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
        for name, version, current, size in BLOBS
        if name.startswith(prefix)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://studio.blob.core.windows.'
        f'net/" ContainerName="models"><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>'
    ).encode()


class Azure(http.server.BaseHTTPRequestHandler):
    """Answers to listings, and to reads of a version with its ID."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        headers = {"x-ms-request-id": "1", "Content-Type": "application/xml"}
        body = b""
        if query.get("comp") == "list":
            body = listing(query.get("prefix", ""))
        elif "restype" not in query:
            body = query["versionid"].encode()
            headers |= {"x-ms-version-id": query["versionid"], "ETag": '"0x8D1"', "x-ms-blob-type": "BlockBlob"}
            headers |= {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
            headers |= {"Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"}
        self.send_response(206 if "Content-Range" in headers and self.command == "GET" else 200)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudStorageConfig]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Azure) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/studio"
        monkeypatch.setenv(VARIABLE, f"AccountName=studio;AccountKey=c2VjcmV0;BlobEndpoint={url}")
        yield CloudStorageConfig(provider="azure", bucket_name="models")
        server.shutdown()
        thread.join()


def test_an_account_with_versions_is_known_by_its_blobs(config: CloudStorageConfig) -> None:
    assert AzureProvider(config).capabilities.versions is True
    assert AzureContainer(config).facts().keeps_versions is True


def test_versions_come_newest_first(config: CloudStorageConfig) -> None:
    history = AzureProvider(config).versions("arm.blend")
    assert [(each.version_id, each.size, each.is_current) for each in history] == [
        (THIRD, 7, True),
        (SECOND, 5, False),
        (FIRST, 3, False),
    ]


def test_a_deleted_blob_has_versions_and_none_is_current(config: CloudStorageConfig) -> None:
    history = AzureProvider(config).versions("deleted.blend")
    assert [(each.version_id, each.is_current) for each in history] == [(SECOND, False), (FIRST, False)]


def test_a_key_that_never_was_has_no_history(config: CloudStorageConfig) -> None:
    for key in ("arm", "leg.blend"):
        with pytest.raises(ObjectNotFoundError):
            AzureProvider(config).versions(key)


def test_a_version_is_read_by_its_id(config: CloudStorageConfig) -> None:
    provider = AzureProvider(config)
    assert read(provider, "arm.blend", version_id=SECOND) == SECOND.encode()
    assert provider.head("arm.blend", version_id=SECOND).version_id == SECOND


def test_a_link_to_a_version_names_and_signs_it(config: CloudStorageConfig) -> None:
    link = AzureProvider(config).share_link("arm.blend", 60, version_id=SECOND)
    query = parse_qs(urlsplit(link).query)
    assert query["versionid"] == [SECOND]
    assert query["sr"] == ["bv"]
