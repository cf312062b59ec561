"""The fast lane to Azure gives what the SDK gives, whatever a server says; and steps aside where it has no answer."""

import base64
import contextlib
import hashlib
import random
import socketserver
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from conformance import BIG, MIB, BytesSource, put, read, sha256
from scripted import Heard, Raw, Script, Scripted, answer, scripted
from servers import AzureServer, Certificate
from test_aws_lane import OTHER_WAYS, SPOILT, by_chunks
from test_aws_lane_same import KEYS
from test_azure import sas_of

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    UnsupportedError,
)
from ggg_cloud_addon.cloud_storage.in_flight import all_at_once
from ggg_cloud_addon.cloud_storage.providers import azure, azure_blocks, azure_client, streams
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_client import VARIABLE, Account
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.azure_lane import Lane
from ggg_cloud_addon.cloud_storage.providers.base import Condition, IfAbsent, IfMatch, ObjectInfo
from ggg_cloud_addon.cloud_storage.providers.fast_lane import FAILURES

Act = Callable[[AzureProvider], object]
Configure = Callable[..., CloudStorageConfig]
MakeProvider = Callable[..., AzureProvider]
Outcome = tuple[object, ...]
Outcomes = Callable[..., tuple[Outcome, Outcome, list[bool]]]
Serve = Callable[[Script], Scripted]
Spoil = Callable[[Raw], Raw]

METADATA = {"note": "a, b; c=d", "spaces": "two  spaces,   three", "ends": " x  ", "name": "Zoë 手 🤖", "empty": ""}
ALL_RIGHTS = dict.fromkeys(("read", "write", "delete", "list", "add", "create"), True)
ACCOUNT_KEY = "c2VjcmV0LWtleS1vZi1hLXN0dWRpby1ub2JvZHktc2VlcyE="
MODIFIED = "Wed, 01 Jul 2026 10:00:00 GMT"
ABOUT = {"ETag": '"e1"', "Last_Modified": MODIFIED, "x_ms_request_id": "1"}
TWO_BLOCKS = BIG[: MIB + 1]
LONG_AGO = "2020-01-01T00:00:00.0000000Z"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a MiB goes in blocks of a MiB."""
    for module in (azure, azure_blocks):
        monkeypatch.setattr(module, "SINGLE", MIB)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_client, "RETRIES", 1)
    monkeypatch.setattr(streams, "TRIES", 2)
    monkeypatch.setattr(random, "uniform", lambda low, high: low)


def lane_of(provider: AzureProvider) -> Lane:
    lane = provider._account.lane
    assert lane is not None
    return lane


def close(provider: AzureProvider) -> None:
    for _ in range(FAILURES):
        lane_of(provider).failed()


def closed(provider: AzureProvider) -> AzureProvider:
    """Another one for the same container, by the SDK alone."""
    other = AzureProvider(provider._config)
    close(other)
    return other


def seen(provider: AzureProvider, key: str, **options: Any) -> tuple[ObjectInfo, bytes]:
    with provider.get(key, **options) as download:
        return download.info, b"".join(download)


def said(act: Callable[[], object]) -> tuple[type[StorageError], str]:
    with pytest.raises(StorageError) as caught:
        act()
    return caught.type, str(caught.value)


# -- on Azurite


@pytest.fixture(params=["account key", "signature"])
def make_provider(
    configure: Configure,
    azurite: AzureServer,
    bucket_name: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> MakeProvider:
    """Makes providers on a container of the test's own, with either kind of credentials."""
    AzureContainer(configure()).create()
    if request.param == "account key":
        return lambda **settings: AzureProvider(configure(**settings))
    hour = datetime.now(UTC) + timedelta(hours=1)
    signature = generate_account_sas(  # Azurite takes a container's for no snapshot
        azurite.account_name, azurite.account_key, ResourceTypes(object=True), AccountSasPermissions(**ALL_RIGHTS), hour
    )
    monkeypatch.setenv(VARIABLE, f"BlobEndpoint={azurite.account_url};SharedAccessSignature={signature}")
    return lambda **settings: AzureProvider(configure(credentials_file=None, endpoint_url=None, **settings))


@pytest.fixture
def moved_by_sdk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes by the SDK, of what the lane can."""
    moved: list[str] = []
    send = RequestsTransport.send

    def noting(self: RequestsTransport, request: Any, **options: Any) -> Any:
        if request.method in ("GET", "PUT") and ("comp=" not in request.url or "comp=block&" in request.url):
            moved.append(f"{request.method} {request.url}")
        return send(self, request, **options)

    monkeypatch.setattr(RequestsTransport, "send", noting)
    return moved


@pytest.mark.parametrize("key", [*KEYS, "%41~%7E.blend"])
def test_signatures_hold_for_every_name(make_provider: MakeProvider, moved_by_sdk: list[str], key: str) -> None:
    provider = make_provider()
    by_sdk = closed(provider)
    for writer in (provider, by_sdk):
        made = writer.put(key, BytesSource(key.encode()), metadata=METADATA)
        info, content = seen(provider, key)
        assert writer is by_sdk or moved_by_sdk == []
        assert (info, content) == seen(by_sdk, key)
        assert info == replace(provider.head(key), tier=None)  # which a GET's answer has not
        assert (info.etag, dict(info.metadata), info.sha256) == (made.etag, METADATA, made.sha256)
        assert content == key.encode()
    assert lane_of(provider)._failures == 0


CONTENTS = {"empty": b"", "small": b"arm", "a MiB": BIG[:MIB], "in blocks": BIG}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("tier", [None, "Cool"])
@pytest.mark.parametrize("is_locked", [False, True], ids=["", "locked"])
def test_blobs_are_the_same_by_either_way(
    make_provider: MakeProvider,
    azurite: AzureServer,
    bucket_name: str,
    moved_by_sdk: list[str],
    content: bytes,
    tier: str | None,
    is_locked: bool,
) -> None:
    provider = make_provider(storage_tier=tier)
    by_sdk = closed(provider)
    blob = azurite.client().get_blob_client(bucket_name, "arm.blend")
    stored = []
    for writer in (provider, by_sdk):
        put(by_sdk, "arm.blend", b"of before")
        moved_by_sdk.clear()
        with writer.lease("arm.blend") if is_locked else contextlib.nullcontext():
            made = writer.put("arm.blend", BytesSource(content), metadata=METADATA)
            version_id = writer.snapshot("arm.blend")
            asked: list[dict[str, Any]] = [{}, {"start": len(content) // 2}, {"version_id": version_id}]
            asked += [{"version_id": version_id, "start": len(content) // 2}, {"if_match": made.etag}]
            answers = [seen(provider, "arm.blend", **options) for options in asked]
            assert writer is by_sdk or moved_by_sdk == []
            asked.append({"start": len(content)})  # for which the SDK is asked, as the server refuses it
            answers.append(seen(provider, "arm.blend", **asked[-1]))
            assert answers == [seen(by_sdk, "arm.blend", **options) for options in asked]
        for options, (info, found) in zip(asked, answers, strict=True):
            head = provider.head("arm.blend", version_id=options.get("version_id"))
            assert (head.tier, replace(head, tier=None)) == (tier or "Hot", info)  # a GET's answer has none
            assert (info.etag, info.sha256, dict(info.metadata)) == (made.etag, sha256(content), METADATA)
            assert found == content[options.get("start", 0) :]
        properties = blob.get_blob_properties()
        stored.append((properties.metadata, properties.content_settings, properties.blob_tier, properties.size))
    assert stored[0] == stored[1]
    assert lane_of(provider)._failures == 0


REFUSED: dict[str, tuple[Act, type[StorageError]]] = {
    "get what is missing": (lambda each: read(each, "leg.blend"), ObjectNotFoundError),
    "get a missing version": (
        lambda each: read(each, "arm.blend", version_id=f"snapshot={LONG_AGO}"),
        ObjectNotFoundError,
    ),
    "get another content": (lambda each: seen(each, "arm.blend", if_match='"0x1"'), PreconditionFailedError),
    "put what is there": (lambda each: put(each, "arm.blend", b"new", IfAbsent()), PreconditionFailedError),
    "put over another": (lambda each: put(each, "arm.blend", b"new", IfMatch('"0x1"')), PreconditionFailedError),
    "put over nothing": (lambda each: put(each, "leg.blend", b"new", IfMatch('"0x1"')), StorageError),
    "put what is locked": (lambda each: put(each, "locked.blend", b"new"), AccessDeniedError),
    "put blocks of what is locked": (lambda each: put(each, "locked.blend", TWO_BLOCKS), AccessDeniedError),
}


@pytest.mark.parametrize(("act", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_are_the_same_by_either_way(make_provider: MakeProvider, act: Act, error: type[StorageError]) -> None:
    provider = make_provider()
    by_sdk = closed(provider)
    for key in ("arm.blend", "locked.blend"):
        put(provider, key, b"old")
    with make_provider().lease("locked.blend"):
        for _ in range(FAILURES):
            by_lane = said(lambda: act(provider))
            assert by_lane == said(lambda: act(by_sdk))
            assert issubclass(by_lane[0], error)
    assert lane_of(provider)._failures == 0
    assert {read(by_sdk, key) for key in ("arm.blend", "locked.blend")} == {b"old"}


def sas(server: AzureServer, container: str, **rights: bool) -> str:
    return f"SharedAccessSignature={sas_of(server, container, **rights)}"


USELESS: dict[str, Callable[[AzureServer, str], str]] = {
    "wrong key": lambda server, name: f"AccountName={server.account_name};AccountKey={ACCOUNT_KEY}",
    "no signature": lambda server, name: "SharedAccessSignature=junk",
    "for another container": lambda server, name: sas(server, "other", **ALL_RIGHTS),
    "expired": lambda server, name: sas(server, name, **ALL_RIGHTS).replace("se=20", "se=19"),
    "no right to it": lambda server, name: sas(server, name, list=True),
    "no container": lambda server, name: f"AccountName={server.account_name};AccountKey={server.account_key}",
}


@pytest.mark.parametrize("act", [lambda each: read(each, "arm.blend"), lambda each: put(each, "arm.blend", b"new")])
@pytest.mark.parametrize("why", USELESS)
def test_what_is_of_no_use_is_refused_by_either_way(
    configure: Configure, azurite: AzureServer, bucket_name: str, monkeypatch: pytest.MonkeyPatch, why: str, act: Act
) -> None:
    if why != "no container":
        AzureContainer(configure()).create()
        put(AzureProvider(configure()), "arm.blend", b"old")
    monkeypatch.setenv(VARIABLE, f"BlobEndpoint={azurite.account_url};{USELESS[why](azurite, bucket_name)}")
    refused = []
    for is_open in (True, False):
        monkeypatch.setattr(Lane, "is_open", is_open)
        refused.append(said(lambda: act(AzureProvider(configure(credentials_file=None)))))
    assert refused[0] == refused[1]
    assert refused[0][0] is (BucketNotFoundError if why == "no container" else AccessDeniedError)


# -- whatever a server says


def of_a_range(heard: Heard, content: bytes) -> Raw:
    """What a blob's GET is answered with."""
    if "x-ms-range" not in heard.headers:
        return answer("200 OK", content, **ABOUT)
    first, _, last = heard.headers["x-ms-range"].removeprefix("bytes=").partition("-")
    begin, end = int(first), min(int(last or len(content)) + 1, len(content))
    about = {**ABOUT, "Content_Range": f"bytes {begin}-{end - 1}/{len(content)}"}
    return answer("206 Partial Content", content[begin:end], **about)


def refusal(status: str, code: str) -> Raw:
    return answer(status, x_ms_error_code=code, x_ms_request_id="1")


def is_lanes(heard: Heard) -> bool:
    """Whether it is of those that the lane can."""
    return heard.method in ("GET", "PUT") and "comp=blocklist" not in heard.target


def good(heard: Heard) -> Raw:
    if heard.method == "PUT":
        return answer("201 Created", **ABOUT)
    if "comp=blocklist" in heard.target:
        return refusal("404 The specified blob does not exist.", "BlobNotFound")
    return of_a_range(heard, b"arm")


ACTS: dict[str, Act] = {
    "get": lambda provider: seen(provider, "arm.blend"),
    "get a part": lambda provider: seen(provider, "arm.blend", start=1),
    "put": lambda provider: provider.put("arm.blend", BytesSource(b"arm"), metadata=METADATA),
    "put in blocks": lambda provider: provider.put("arm.blend", BytesSource(TWO_BLOCKS), metadata=METADATA),
}
OF_AZURE: dict[str, Spoil] = {
    "chunks that are none": lambda good: Raw(
        good.content.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", ends=True
    ),
    "400": lambda good: refusal("400 Bad Request", "InvalidHeaderValue"),
    "403": lambda good: refusal("403 Forbidden", "AuthenticationFailed"),
    "404": lambda good: refusal("404 Not Found", "BlobNotFound"),
    "409": lambda good: refusal("409 Conflict", "BlobAlreadyExists"),
    "412": lambda good: refusal("412 Precondition Failed", "ConditionNotMet"),
    "429": lambda good: refusal("429 Too Many Requests", "ServerBusy"),
    "500": lambda good: refusal("500 Internal Server Error", "InternalError"),
    "503": lambda good: refusal("503 Service Unavailable", "ServerBusy"),
    "403 of a stranger": lambda good: answer("403 Forbidden", b"<html>No.</html>"),
    "200 of a stranger": lambda good: answer("200 OK", b"<html>Welcome</html>"),
    "just as Azure, of a stranger": lambda good: Raw(good.content.replace(b"x-ms-request-id: 1\r\n", b"")),
    "200 to a put": lambda good: Raw(good.content.replace(b"201 Created", b"200 OK")),
    "301": lambda good: answer("301 Moved Permanently"),
    "302": lambda good: answer("302 Found", b"<html>Log in</html>", Location="/login"),
    "304": lambda good: answer("304 Not Modified"),
    "307": lambda good: answer("307 Temporary Redirect", x_ms_request_id="1"),
}


def spoilt_as_on_s3(name: str) -> Spoil:
    return lambda good: SPOILT[name](good, "get")


NO_ANSWERS = {name: spoilt_as_on_s3(name) for name in SPOILT} | OF_AZURE
LOST: dict[str, Spoil] = {"nothing": lambda good: Raw(b"", ends=True), "503": OF_AZURE["503"]}


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(scripted(script))


At = Callable[..., AzureProvider]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Makes providers on a server of any kind, which ask for one thing after the other."""
    monkeypatch.setenv(VARIABLE, f"AccountName=studio;AccountKey={ACCOUNT_KEY}")

    def at(server: Scripted | str, **settings: Any) -> AzureProvider:
        url = server if isinstance(server, str) else server.url
        given = {"bucket_name": "models", "endpoint_url": f"{url}/studio", "max_concurrency": 1}
        return AzureProvider(CloudStorageConfig(provider="azure", **(given | settings)))

    return at


@pytest.fixture
def outcomes(serve: Serve, at: At, monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """What an act ends with by the lane, and by the SDK alone; and for each request of the first, whether it was the
    lane's."""

    def outcomes(act: str, script: Callable[[bool], Script], times: int = 1) -> tuple[Outcome, Outcome, list[bool]]:
        found, heard = [], []
        for is_open in (True, False):
            server = serve(script(is_open))
            with monkeypatch.context() as only:
                if not is_open:
                    only.setattr(Lane, "is_open", False)
                provider = at(server)
                try:
                    ended: Outcome = ("done", *(ACTS[act](provider) for _ in range(times)))
                except Exception as problem:  # noqa: BLE001  # the SDK raises some that are nobody's
                    ended = (type(problem), str(problem).replace(server.url, "URL"))
            heard.append([each.by_lane for each in server.heard if is_lanes(each)])
            assert heard[-1][0] == is_open
            found.append(ended)
        return found[0], found[1], heard[0]

    return outcomes


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("act", ["get", "put", "put in blocks"])
@pytest.mark.parametrize("spoil", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
@pytest.mark.parametrize("spoilt", [0, 1, 1000], ids=["once", "twice", "for ever"])
def test_what_is_no_answer_is_asked_again_by_the_sdk(outcomes: Outcomes, spoil: Spoil, act: str, spoilt: int) -> None:
    """So it ends as if the lane had not asked at all."""

    def script(is_open: bool) -> Script:
        asked = iter(range(1 << 30))
        return lambda heard: spoil(good(heard)) if is_lanes(heard) and next(asked) < spoilt + is_open else good(heard)

    by_lane, by_sdk, _ = outcomes(act, script)
    assert by_lane == by_sdk
    assert spoilt or by_lane[0] == "done"


@pytest.mark.usefixtures("short_patience")
def test_a_read_that_the_sdk_asks_for_again_is_read(serve: Serve, at: At) -> None:
    asked = iter(range(1 << 30))
    server = serve(lambda heard: good(heard) if next(asked) else Raw(b"", ends=True))
    provider = at(server)
    close(provider)
    assert read(provider, "arm.blend") == b"arm"


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("start", [0, 1], ids=["resumed", "from the middle"])
def test_the_whole_is_not_taken_for_a_part(serve: Serve, at: At, start: int) -> None:
    """Of a server, or of a cache before it, that knows no ranges."""
    asked = iter(range(1 << 30))
    whole = answer("200 OK", b"BLENDER", **ABOUT)
    server = serve(lambda heard: whole if start or next(asked) else Raw(whole.content[:-3], ends=True))
    with contextlib.suppress(UnsupportedError):
        assert read(at(server), "arm.blend", start=start) == b"BLENDER"[start:]


def test_what_comes_behind_an_answer_is_not_the_next_one(serve: Serve, at: At) -> None:
    server = serve(lambda heard: Raw(named(heard).content + named(heard._replace(target="/leg.blend")).content))
    provider = at(server)
    assert [read(provider, f"{number}.blend") for number in range(3)] == [b"0.blend", b"1.blend", b"2.blend"]


@pytest.mark.usefixtures("short_patience")
def test_a_body_that_ends_too_early_is_read_on(serve: Serve, at: At) -> None:
    asked = iter(range(1 << 30))

    def script(heard: Heard) -> Raw:
        return of_a_range(heard, BIG) if next(asked) else Raw(of_a_range(heard, BIG).content[:MIB], ends=True)

    server = serve(script)
    assert read(at(server), "arm.blend", start=100) == BIG[100:]
    first, second = server.heard
    assert (first.by_lane, second.by_lane) == (True, True)
    assert first.headers["x-ms-range"] == "bytes=100-"
    assert second.headers["if-match"] == ABOUT["ETag"]
    assert 100 < int(second.headers["x-ms-range"].removeprefix("bytes=").removesuffix("-")) < MIB


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("content", [BIG[:MIB], TWO_BLOCKS], ids=["whole", "in blocks"])
@pytest.mark.parametrize("lost", LOST)
def test_progress_is_taken_back_when_the_sdk_sends_again(serve: Serve, at: At, content: bytes, lost: str) -> None:
    server = serve(lambda heard: LOST[lost](good(heard)) if heard.by_lane else good(heard))
    moved: list[int] = []
    at(server).put("arm.blend", BytesSource(content), on_bytes=moved.append)
    assert (sum(moved), min(moved) < 0) == (len(content), True)
    sent = [heard.body for heard in server.heard if is_lanes(heard) and not heard.by_lane]
    assert b"".join(sent) == content


def in_chunks(good: Raw, *, has_length: bool) -> Raw:
    head, _, body = good.content.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if has_length or not line.startswith(b"Content-Length")]
    return by_chunks(b"\r\n".join([*lines, b""]), body, 2)


WAYS: dict[str, Spoil] = {
    **OTHER_WAYS,
    "in chunks": partial(in_chunks, has_length=False),
    "in chunks with a length": partial(in_chunks, has_length=True),
}
del WAYS["closed without a word"]  # the SDK's next read may be on that connection, see above
FOR_THE_SDK = ("HTTP/1.0", "told to go on first")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_good_answer_is_understood_however_it_is_written(outcomes: Outcomes, way: str, act: str) -> None:
    def script(heard: Heard) -> Raw:
        return WAYS[way](good(heard)) if is_lanes(heard) else good(heard)

    by_lane, by_sdk, asked_by_lane = outcomes(act, lambda is_open: script, times=3)
    assert by_lane == by_sdk
    assert by_lane[0] == "done"
    needs_sdk = way in FOR_THE_SDK or (way == "in chunks" and act.startswith("get"))  # or nobody knows the size
    assert all(asked_by_lane) != needs_sdk


@pytest.mark.parametrize("way", ["as it is", "in chunks with a length"])
def test_one_connection_is_enough_for_one_after_the_other(serve: Serve, at: At, way: str) -> None:
    server = serve(lambda heard: WAYS[way](good(heard)))
    provider = at(server)
    for _ in range(3):
        put(provider, "arm.blend", b"arm")
        assert read(provider, "arm.blend") == b"arm"
    assert {heard.connection for heard in server.heard} == {0}


# -- what it asks for

KEY = "a b+é.blend"
ASKED: dict[str, Act] = {
    "a version": lambda each: read(each, KEY, version_id=LONG_AGO, start=1),
    "a snapshot": lambda each: read(each, KEY, version_id=f"snapshot={LONG_AGO}", start=1),
    "a content": lambda each: seen(each, KEY, if_match='"e1"', start=1),
    "put": lambda each: each.put(KEY, BytesSource(b"arm"), metadata=METADATA),
    "put if absent": lambda each: put(each, KEY, b"arm", IfAbsent()),
    "put if the same": lambda each: put(each, KEY, b"arm", IfMatch('"e1"')),
    "put nothing": lambda each: put(each, KEY, b""),
    "put in blocks": lambda each: put(each, KEY, TWO_BLOCKS),
}
OF_THE_SDK = ("accept", "accept-encoding", "connection", "user-agent", "x-ms-client-request-id")
CHANGING = ("authorization", "x-ms-date")


@pytest.mark.parametrize("act", ASKED.values(), ids=ASKED.keys())
def test_the_lane_asks_for_what_the_sdk_asks_for(serve: Serve, at: At, act: Act) -> None:
    server = serve(good)
    asked: dict[bool, set[object]] = {True: set(), False: set()}
    provider = at(server, storage_tier="Cold")
    for each in (provider, closed(provider)):
        each._leases[KEY] = "00000000-0000-0000-0000-000000000001"
        with contextlib.suppress(ObjectNotFoundError):  # the server has no versions
            act(each)
    for heard in filter(is_lanes, server.heard):
        path, _, query = heard.target.partition("?")
        headers = {name: value for name, value in heard.headers.items() if name not in OF_THE_SDK + CHANGING}
        if "x-ms-range" in headers:  # the SDK gives an end, which is beyond all blobs
            headers["x-ms-range"] = headers["x-ms-range"].partition("-")[0]
        asked[heard.by_lane].add((path, *parse_qsl(query), *sorted(headers.items()), heard.body))
    assert asked[True] == asked[False] != set()


# -- answers that were lost


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("condition", [IfAbsent(), IfMatch('"e0"')], ids=["absent", "match"])
@pytest.mark.parametrize("lost", [*LOST, "400"])
@pytest.mark.parametrize("stored", [b"arm", b"leg", None], ids=["done", "by somebody else", "not done"])
def test_a_put_whose_answer_is_lost_is_done_once_or_refused(
    serve: Serve, at: At, condition: Condition, lost: str, stored: bytes | None
) -> None:
    """The server that has the request, and closes or is broken, may have done it: the refusal of its repetition tells.
    One that says 400 has not, and then it is somebody else who stored the same."""
    there: list[bytes] = []

    def script(heard: Heard) -> Raw:
        if heard.method == "HEAD":
            about = answer("200 OK", length=3, **ABOUT).content.removesuffix(b"\r\n")
            md5 = base64.b64encode(hashlib.md5(there[-1], usedforsecurity=False).digest()).decode()
            return Raw(about + f"Content-MD5: {md5}\r\nx-ms-meta-ggg_sha256: {sha256(there[-1])}\r\n\r\n".encode())
        if heard.method == "GET":  # the list of its blocks, of which it has none
            return answer("200 OK", b"<BlockList><CommittedBlocks/></BlockList>", **{"Content-Type": "application/xml"})
        assert (heard.headers.get("if-none-match"), heard.headers.get("if-match")) in (("*", None), (None, '"e0"'))
        if heard.by_lane:
            there.extend([stored] if stored is not None else [])
            return (LOST | OF_AZURE)[lost](good(heard))
        if there:
            return refusal("412 Precondition Failed", "ConditionNotMet")
        there.append(heard.body)
        return good(heard)

    provider = at(serve(script))
    if stored is None or (stored == b"arm" and lost != "400"):
        assert put(provider, "arm.blend", b"arm", condition) == ABOUT["ETag"]
    else:
        with pytest.raises(PreconditionFailedError):
            put(provider, "arm.blend", b"arm", condition)
    assert there == [stored or b"arm"]


# -- asking ahead, and connections


def named(heard: Heard) -> Raw:
    """A GET is answered with the key, a PUT with it as the ETag."""
    key = heard.target.rpartition("/")[2]
    if heard.method == "GET":
        return of_a_range(heard, key.encode())
    return answer("201 Created", **{**ABOUT, "ETag": f'"{key}"'})


def begin(provider: AzureProvider, verb: str, key: str) -> Callable[[], str]:
    """Ask; the answer waits for what tells the key."""
    if verb == "get":
        asked = provider.get(key)

        def end() -> str:
            with asked as download:
                return b"".join(download).decode()

        return end
    moved: list[int] = []
    steps = provider.putting(key, BytesSource(key.encode()), None, {}, moved.append)
    next(steps)
    assert sum(moved) == len(key)
    return lambda: all_at_once(steps).etag.strip('"')


@pytest.mark.parametrize("verb", ["get", "put"])
def test_what_is_asked_ahead_is_answered_each_on_its_own(serve: Serve, at: At, verb: str) -> None:
    server = serve(named)
    provider = at(server)
    for _ in range(3):
        begun = [begin(provider, verb, f"{number}.blend") for number in range(5)]
        for number in (3, 0, 1, 4, 2):
            assert begun[number]() == f"{number}.blend"
    assert {heard.connection for heard in server.heard} == set(range(5))
    assert len(server.heard) == 15


@pytest.mark.parametrize("verb", ["get", "put"])
def test_an_answer_that_nobody_wants_takes_its_connection_along(serve: Serve, at: At, verb: str) -> None:
    """The next one would read it in place of its own."""
    server = serve(named)
    provider = at(server)
    for number in range(3):
        begin(provider, verb, f"{number}.blend")
        assert server.closed.acquire(timeout=10)
    assert read(provider, "arm.blend") == b"arm.blend"
    assert [heard.connection for heard in server.heard] == [0, 1, 2, 3]


def test_a_put_that_is_on_its_way_when_the_lane_is_closed_is_sent_once(serve: Serve, at: At) -> None:
    server = serve(named)
    provider = at(server)
    end = begin(provider, "put", "arm.blend")
    close(provider)
    assert end() == "arm.blend"
    assert [heard.by_lane for heard in server.heard] == [True]


def test_who_is_refused_ahead_hears_it_where_he_asks(serve: Serve, at: At) -> None:
    provider = at(serve(lambda heard: OF_AZURE["404"](good(heard))))
    asked = [provider.get("arm.blend") for _ in range(2)]
    for each in asked:
        with pytest.raises(ObjectNotFoundError), each:
            pytest.fail("There is nothing to read.")


# -- when it steps aside


ONCE: dict[str, Act] = {name: act for name, act in ACTS.items() if "blocks" not in name}


@pytest.mark.parametrize("act", ONCE.values(), ids=ONCE.keys())
def test_the_lane_is_closed_where_the_sdk_has_answers_and_it_has_none(serve: Serve, at: At, act: Act) -> None:
    server = serve(lambda heard: answer("400 Bad Request") if heard.by_lane else good(heard))
    provider = at(server)
    for _ in range(FAILURES + 2):
        act(provider)
    assert [heard.by_lane for heard in server.heard] == [True, False] * FAILURES + [False] * 2


def test_the_lane_stays_open_where_it_fails_now_and_then(serve: Serve, at: At) -> None:
    turns = iter(range(1 << 30))
    server = serve(lambda heard: answer("400") if heard.by_lane and next(turns) % 2 == 0 else good(heard))
    provider = at(server)
    for _ in range(4 * FAILURES):
        read(provider, "arm.blend")
    assert server.heard[-1].by_lane


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("spoil", [OF_AZURE["503"], OF_AZURE["404"]], ids=["503", "404"])
def test_the_lane_stays_open_where_the_sdk_has_no_answer_either(serve: Serve, at: At, spoil: Spoil) -> None:
    server = serve(lambda heard: spoil(good(heard)))
    provider = at(server)
    for _ in range(FAILURES + 1):
        with pytest.raises(StorageError):
            read(provider, "arm.blend")
    server.script = good
    read(provider, "arm.blend")
    assert server.heard[-1].by_lane


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_there_is_no_lane_past_a_proxy(at: At, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.studio.example:3128")  # and NO_PROXY; neither is for this store
    assert at("http://store.studio.example:10000")._account.lane is not None
    monkeypatch.setenv(variable, "http://proxy.studio.example:3128")
    assert at("http://store.studio.example:10000")._account.lane is None
    assert at("http://127.0.0.1:10000")._account.lane is not None  # for which NO_PROXY is


# -- TLS


@pytest.fixture
def over_tls(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Scripted, Path]:
    """A server, and the certificate to trust."""
    (tmp_path / "server").mkdir()
    made = Certificate.self_signed(tmp_path / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)

    def accept(server: socketserver.TCPServer) -> tuple[ssl.SSLSocket, Any]:
        connection, address = server.socket.accept()
        return context.wrap_socket(connection, server_side=True), address

    monkeypatch.setattr(socketserver.TCPServer, "get_request", accept)
    server = serve(good)
    server.url = server.url.replace("http:", "https:")
    return server, made.certificate


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("act", ACTS)
def test_tls_with_a_certificate_of_ones_own(
    over_tls: tuple[Scripted, Path], at: At, monkeypatch: pytest.MonkeyPatch, variable: str | None, act: str
) -> None:
    server, certificate = over_tls
    if variable is not None:
        monkeypatch.setenv(variable, str(certificate))
    providers = [at(server, ca_bundle=None if variable else certificate) for _ in range(2)]
    close(providers[1])
    assert ACTS[act](providers[0]) == ACTS[act](providers[1])
    by_lane = [heard.by_lane for heard in filter(is_lanes, server.heard)]
    half = len(by_lane) // 2
    assert by_lane == [True] * half + [False] * half


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("act", ONCE.values(), ids=ONCE.keys())
def test_tls_with_another_certificate_is_refused_in_the_same_words(
    over_tls: tuple[Scripted, Path],
    at: At,
    monkeypatch: pytest.MonkeyPatch,
    wrong_bundle: Path | None,
    act: Act,
) -> None:
    by_lane = said(lambda: act(at(over_tls[0], ca_bundle=wrong_bundle)))
    monkeypatch.setattr(Account, "lane", None)
    assert by_lane == said(lambda: act(at(over_tls[0], ca_bundle=wrong_bundle)))
    assert over_tls[0].heard == []
