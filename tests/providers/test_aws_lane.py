"""The fast lane to S3 gives what boto3 gives, whatever a server says; and steps aside where it has no answer."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from conformance import BIG, BytesSource, put, read, sha256
from scripted import Heard, Raw, Script, Scripted, answer, scripted
from servers import Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.errors import ObjectNotFoundError, PreconditionFailedError, StorageError
from ggg_cloud_addon.cloud_storage.in_flight import all_at_once
from ggg_cloud_addon.cloud_storage.providers import aws_client, streams
from ggg_cloud_addon.cloud_storage.providers.aws import AwsProvider
from ggg_cloud_addon.cloud_storage.providers.aws_client import S3
from ggg_cloud_addon.cloud_storage.providers.aws_conditions import ALL
from ggg_cloud_addon.cloud_storage.providers.aws_lane import Lane
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent
from ggg_cloud_addon.cloud_storage.providers.fast_lane import FAILURES

AwsConfig = Callable[..., CloudStorageConfig]

NOBODY = Server("", "AKIAOFNOBODY12345678", "vErYs3cr3tkeyofnobody", 0)
BY_LANE = "by the lane"
BY_BOTO3 = "by boto3"
MODIFIED = "Wed, 01 Jul 2026 10:00:00 GMT"
ABOUT = {"ETag": '"e1"', "Last_Modified": MODIFIED}
LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>b</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false"
    b"</IsTruncated><Contents><Key>old+robots/a%2Bb%25.blend</Key><LastModified>2026-07-01T10:00:00.000Z"
    b"</LastModified><ETag>&quot;e1&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>"
    b"</ListBucketResult>"
)


def of_a_range(heard: Heard, content: bytes) -> Raw:
    """What an object's GET is answered with."""
    begin = int(heard.headers["range"].removeprefix("bytes=").partition("-")[0])
    end = min(int(heard.headers["range"].partition("-")[2]) + 1, len(content))
    about = {**ABOUT, "Content_Range": f"bytes {begin}-{end - 1}/{len(content)}"}
    return answer("206 Partial Content", content[begin:end], **about)


def by_chunks(head: bytes, body: bytes, size: int) -> Raw:
    """The same in HTTP's chunks, with an extension and a trailer."""
    pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
    chunks = b"".join(b"%X;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return Raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: x\r\n\r\n")


OBJECT_HEAD = (
    b'HTTP/1.1 206 Partial Content\r\nETag: "e1"\r\nContent-Range: bytes 0-2/3\r\nLast-Modified: '
    + MODIFIED.encode()
    + b"\r\n"
)
GOOD: dict[str, Callable[[Heard], Raw]] = {
    "list": lambda heard: answer("200 OK", LISTING),
    "get": lambda heard: of_a_range(heard, b"arm"),
    "head": lambda heard: Raw(answer("200 OK", length=3, **ABOUT).content),
    "put": lambda heard: answer("200 OK", ETag='"e1"', Date=MODIFIED),
}
ACTS: dict[str, Callable[[AwsProvider], object]] = {
    "list": lambda provider: provider.list(),
    "get": lambda provider: read(provider, "arm.blend"),
    "head": lambda provider: provider.head("arm.blend"),
    "put": lambda provider: provider.put("arm.blend", BytesSource(b"arm")),
}


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>".encode()


def refusal(status: str, code: str, **headers: str) -> Callable[[Raw, str], Raw]:
    """The answer to a HEAD has no body."""
    return lambda good, act: answer(status, b"" if act == "head" else error(code), **headers)


Spoil = Callable[[Raw, str], Raw]
SPOILT: dict[str, Spoil] = {
    "nothing": lambda good, act: Raw(b"", ends=True),
    "cut in the first line": lambda good, act: Raw(good.content[:9], ends=True),
    "cut in the head": lambda good, act: Raw(good.content[:40], ends=True),
    "cut before the body": lambda good, act: Raw(good.content.partition(b"\r\n\r\n")[0] + b"\r\n", ends=True),
    "no HTTP": lambda good, act: Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ends=True),
    "bytes": lambda good, act: Raw(bytes(range(256)) * 8, ends=True),
    "a line that never ends": lambda good, act: Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 18), ends=True),
    "a length that is no number": lambda good, act: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: three\r\n\r\n", ends=True),
    "400": refusal("400 Bad Request", "RequestTimeout"),
    "429": refusal("429 Too Many Requests", "SlowDown"),
    "500": refusal("500 Internal Server Error", "InternalError"),
    "503": refusal("503 Slow Down", "SlowDown"),
    "503 without a word": lambda good, act: answer("503 Service Unavailable"),
}
CUT_IN_THE_BODY: Spoil = lambda good, act: Raw(good.content[:-2], ends=True)  # noqa: E731
REFUSED: dict[str, Spoil] = {
    "403": refusal("403 Forbidden", "AccessDenied"),
    "404": refusal("404 Not Found", "NoSuchKey"),
    "404 bucket": refusal("404 Not Found", "NoSuchBucket"),
    "412": refusal("412 Precondition Failed", "PreconditionFailed"),
    "403 without a word": lambda good, act: answer("403 Forbidden"),
    "403 in HTML": lambda good, act: answer("403 Forbidden", b"" if act == "head" else b"<html><br>No.</html>"),
    "signature": refusal("403 Forbidden", "SignatureDoesNotMatch"),
    "region": refusal("400 Bad Request", "AuthorizationHeaderMalformed"),
    "400": refusal("400 Bad Request", "InvalidArgument"),
    "301": refusal("301 Moved Permanently", "PermanentRedirect", x_amz_bucket_region="eu-central-1"),
    "307": refusal("307 Temporary Redirect", "TemporaryRedirect"),
    "304": lambda good, act: answer("304 Not Modified"),
    "200 of something else": lambda good, act: answer("200 OK", b"" if act == "head" else b"<html>Welcome</html>"),
}
UNSURE = {name: REFUSED[name] for name in ("signature", "region", "400", "301", "307", "304", "200 of something else")}
"""Boto3 may know what to do."""


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_client, "ATTEMPTS", 2)
    monkeypatch.setattr(streams, "TRIES", 2)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


Serve = Callable[[Script], Scripted]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(scripted(script))


Outcome = tuple[object, ...]


@pytest.fixture
def outcomes(serve: Serve, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    """What an act ends with by the lane, and by boto3 alone; and which of them asked."""

    def outcomes(act: str, script: Callable[[], Script], times: int = 1) -> list[Outcome]:
        found = []
        for is_open in (True, False):
            server = serve(script())
            with monkeypatch.context() as only:
                if not is_open:
                    only.setattr(Lane, "is_open", False)
                provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
                try:
                    said: Outcome = ("done", *(ACTS[act](provider) for _ in range(times)))
                except Exception as problem:  # noqa: BLE001  # boto3 raises some that are nobody's
                    said = (type(problem), str(problem).replace(server.url, "URL"))
            assert server.heard[0].by_lane == is_open
            found.append(said)
        return found

    return outcomes


def first(spoil: Spoil, act: str, spoilt: int = 1) -> Callable[[], Script]:
    """A script that spoils the first answers."""

    def script() -> Script:
        asked = iter(range(1 << 30))
        return lambda heard: spoil(GOOD[act](heard), act) if next(asked) < spoilt else GOOD[act](heard)

    return script


# -- whatever a server says


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize(
    ("spoil", "act"),
    [
        pytest.param(spoil, act, id=f"{name}-{act}")
        for name, spoil in (SPOILT | UNSURE).items()
        for act in ACTS
        if (act, spoil) != ("head", REFUSED["signature"])  # it has no body, and 403 is all that is said
    ],
)
def test_what_is_no_answer_is_asked_again(outcomes: Callable[..., list[Outcome]], spoil: Spoil, act: str) -> None:
    by_lane, by_boto3 = outcomes(act, first(spoil, act))
    assert by_lane[0] == "done"
    if by_boto3[0] == "done":  # it takes some of these for the last word
        assert by_lane == by_boto3


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("act", ["list", "get"])
def test_a_body_that_ends_too_early_is_read_again(outcomes: Callable[..., list[Outcome]], act: str) -> None:
    by_lane, by_boto3 = outcomes(act, first(CUT_IN_THE_BODY, act))
    assert by_lane == by_boto3
    assert by_lane[0] == "done"


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("spoil", [*SPOILT.values(), *REFUSED.values()], ids=[*SPOILT, *(f"only {r}" for r in REFUSED)])
def test_what_never_ends_well_ends_alike(outcomes: Callable[..., list[Outcome]], spoil: Spoil, act: str) -> None:
    by_lane, by_boto3 = outcomes(act, first(spoil, act, 1000))
    assert by_lane == by_boto3


OTHER_WAYS: dict[str, Callable[[Raw], Raw]] = {
    "as it is": lambda good: good,
    "closed behind it": lambda good: Raw(good.content.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), ends=True),
    "closed without a word": lambda good: good._replace(ends=True),
    "HTTP/1.0": lambda good: Raw(good.content.replace(b"HTTP/1.1", b"HTTP/1.0", 1), ends=True),
    "names in lower case": lambda good: Raw(
        b"\r\n".join(
            name.lower() + colon + value
            for line in good.content.partition(b"\r\n\r\n")[0].split(b"\r\n")
            for name, colon, value in [line.partition(b":") if b"HTTP" not in line else (b"", b"", line)]
        )
        + b"\r\n\r\n"
        + good.content.partition(b"\r\n\r\n")[2]
    ),
    "no space": lambda good: Raw(
        good.content.replace(b"ETag: ", b"ETag:").replace(b"Content-Length: ", b"Content-Length:")
    ),
    "no reason": lambda good: Raw(good.content.replace(b"200 OK", b"200").replace(b"206 Partial Content", b"206")),
    "a long head": lambda good: Raw(good.content.replace(b"\r\n", b"\r\nX-Amz-Id-2: " + b"x" * 20000 + b"\r\n", 1)),
    "told to go on first": lambda good: Raw(b"HTTP/1.1 100 Continue\r\n\r\n" + good.content),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("way", OTHER_WAYS.values(), ids=OTHER_WAYS.keys())
def test_a_good_answer_is_understood_however_it_is_written(
    outcomes: Callable[..., list[Outcome]], way: Callable[[Raw], Raw], act: str
) -> None:
    by_lane, by_boto3 = outcomes(act, lambda: lambda heard: way(GOOD[act](heard)), times=5)
    assert by_lane == by_boto3
    assert by_lane[0] == "done"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_in_chunks_is_understood(outcomes: Callable[..., list[Outcome]], size: int) -> None:
    by_lane, by_boto3 = outcomes(
        "list", lambda: lambda heard: by_chunks(b"HTTP/1.1 200 OK\r\n", LISTING, size), times=3
    )
    assert by_lane == by_boto3
    assert by_lane[0] == "done"


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 3\r\n"], ids=["", "with a length too"])
def test_an_object_in_chunks_is_read(outcomes: Callable[..., list[Outcome]], size: int, length: bytes) -> None:
    by_lane, by_boto3 = outcomes("get", lambda: lambda heard: by_chunks(OBJECT_HEAD + length, b"arm", size), times=3)
    assert by_lane == by_boto3 == ("done", b"arm", b"arm", b"arm")


@pytest.mark.usefixtures("short_patience")
def test_chunks_that_are_none_are_asked_for_again(outcomes: Callable[..., list[Outcome]]) -> None:
    bad = Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ends=True)
    by_lane, by_boto3 = outcomes("list", first(lambda good, act: bad, "list"))
    assert by_lane == by_boto3
    assert by_lane[0] == "done"


def test_the_keys_of_a_listing_are_decoded_where_it_says_so(serve: Serve, aws_config: AwsConfig) -> None:
    plain = LISTING.replace(b"<EncodingType>url</EncodingType>", b"")
    for content, key in ((LISTING, "old robots/a+b%.blend"), (plain, "old+robots/a%2Bb%25.blend")):
        server = serve(lambda heard, content=content: answer("200 OK", content))
        provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
        assert [each.key for each in provider.list().objects] == [key]
        assert "encoding-type=url" in server.heard[0].target


# -- connections


def test_one_connection_is_enough_for_one_after_the_other(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: GOOD["put" if heard.method == "PUT" else "get"](heard))
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(5):
        put(provider, "arm.blend", b"arm")
        assert read(provider, "arm.blend") == b"arm"
    assert {heard.connection for heard in server.heard} == {0}


def test_a_connection_that_was_closed_while_it_was_idle_is_not_used(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: GOOD["put"](heard)._replace(ends=True))
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(4):
        put(provider, "arm.blend", b"arm")
        assert server.closed.acquire(timeout=10)
    assert [heard.connection for heard in server.heard] == [0, 1, 2, 3]
    assert all(heard.by_lane for heard in server.heard)


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_a_put_on_a_connection_that_ends_is_done_once(serve: Serve, aws_config: AwsConfig, done: bool) -> None:
    """The server that has the request and closes may have done it: the refusal of its repetition tells."""
    stored: list[bytes] = []

    def script(heard: Heard) -> Raw:
        if heard.method == "HEAD":
            about = ABOUT | {"ETag": f'"{hashlib.md5(stored[0], usedforsecurity=False).hexdigest()}"'}
            return Raw(answer("200 OK", length=3, **about, **{"x_amz_meta_ggg_sha256": sha256(stored[0])}).content)
        assert heard.method == "PUT"
        if heard.by_lane and done:
            stored.append(heard.body)
        if heard.by_lane:
            return Raw(b"", ends=True)
        if stored:
            return answer("412 Precondition Failed", error("PreconditionFailed"))
        stored.append(heard.body)
        return GOOD["put"](heard)

    server = serve(script)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    provider._conditions._held = ALL  # or it would ask the server first
    info = provider.put("arm.blend", BytesSource(b"arm"), condition=IfAbsent())
    assert (info.sha256, stored) == (sha256(b"arm"), [b"arm"])
    assert all(heard.headers["if-none-match"] == "*" for heard in server.heard if heard.method == "PUT")


def test_a_put_that_another_one_was_faster_than_is_refused(serve: Serve, aws_config: AwsConfig) -> None:
    def script(heard: Heard) -> Raw:
        return answer("412 Precondition Failed", error("PreconditionFailed"))

    server = serve(script)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    provider._conditions._held = ALL
    with pytest.raises(PreconditionFailedError):
        provider.put("arm.blend", BytesSource(b"arm"), condition=IfAbsent())
    assert len(server.heard) == 1


def test_progress_is_taken_back_when_boto3_sends_again(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: Raw(b"", ends=True) if heard.by_lane else GOOD["put"](heard))
    moved: list[int] = []
    AwsProvider(aws_config(replace(NOBODY, url=server.url))).put("arm.blend", BytesSource(BIG), on_bytes=moved.append)
    assert sum(moved) == len(BIG)
    assert min(moved) < 0
    assert server.heard[-1].body == BIG


# -- asking ahead


def named(heard: Heard) -> Raw:
    """A GET is answered with the key, a PUT with it as the ETag."""
    key = heard.target.rpartition("/")[2].encode()
    return of_a_range(heard, key) if heard.method == "GET" else answer("200 OK", ETag=f'"{key.decode()}"')


def test_what_is_asked_ahead_is_answered_each_on_its_own(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(named)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(3):
        asked = [provider.get(f"{number}.blend") for number in range(5)]
        for number in (3, 0, 1, 4, 2):
            with asked[number] as download:
                assert b"".join(download) == b"%d.blend" % number
    assert {heard.connection for heard in server.heard} == set(range(5))
    assert len(server.heard) == 15


def test_puts_go_out_ahead_and_their_answers_are_read_later(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(named)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    moved: list[int] = []
    begun = [provider.putting(f"{n}.blend", BytesSource(b"%d" % n), None, {}, moved.append) for n in range(5)]
    for steps in begun:
        next(steps)
    assert sum(moved) == 5
    assert [all_at_once(steps).etag for steps in begun] == [f'"{n}.blend"' for n in range(5)]
    assert sorted(heard.body for heard in server.heard) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("verb", ["get", "put"])
def test_an_answer_that_nobody_wants_takes_its_connection_along(serve: Serve, aws_config: AwsConfig, verb: str) -> None:
    """The next one would read it in place of its own."""
    server = serve(named)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for number in range(3):
        if verb == "get":
            provider.get(f"{number}.blend")
        else:
            steps = provider.putting(f"{number}.blend", BytesSource(b"1"), None, {}, None)
            next(steps)
            steps.close()
            del steps
        assert server.closed.acquire(timeout=10)
    assert read(provider, "arm.blend") == b"arm.blend"
    assert [heard.connection for heard in server.heard] == [0, 1, 2, 3]


def test_a_put_that_is_on_its_way_when_the_lane_is_closed_is_sent_once(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(named)
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    steps = provider.putting("arm.blend", BytesSource(b"arm"), None, {}, None)
    next(steps)
    lane = provider._s3._lane
    assert lane is not None
    for _ in range(FAILURES):
        lane.failed()
    assert all_at_once(steps).etag == '"arm.blend"'
    assert asked_by(server) == [BY_LANE]


def test_who_is_refused_ahead_hears_it_where_he_asks(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: answer("404 Not Found", error("NoSuchKey")))
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    asked = [provider.get("arm.blend") for _ in range(2)]
    for each in asked:
        with pytest.raises(ObjectNotFoundError), each:
            pytest.fail("There is nothing to read.")


# -- keys that change


def test_the_token_of_temporary_keys_is_sent_and_signed(
    serve: Serve, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", NOBODY.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NOBODY.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token/of+nobody==")
    server = serve(GOOD["list"])
    AwsProvider(aws_config(replace(NOBODY, url=server.url), credentials_file=None)).list()
    [heard] = server.heard
    assert heard.headers["x-amz-security-token"] == "token/of+nobody=="
    assert "x-amz-security-token" in heard.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]


def test_keys_that_change_are_used_from_then_on(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(GOOD["list"])
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    provider.list()
    session, _ = provider._s3._session
    session.get_credentials().access_key = "AKIAOFSOMEBODYELSE12"
    provider.list()
    used = [heard.headers["authorization"].partition("Credential=")[2].partition("/")[0] for heard in server.heard]
    assert used == [NOBODY.access_key, "AKIAOFSOMEBODYELSE12"]


# -- when it steps aside


def asked_by(server: Scripted) -> list[str]:
    return [BY_LANE if heard.by_lane else BY_BOTO3 for heard in server.heard]


def test_the_lane_is_closed_where_boto3_has_answers_and_it_has_none(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: answer("400 Bad Request") if heard.by_lane else GOOD["list"](heard))
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(FAILURES + 2):
        provider.list()
    assert asked_by(server) == [BY_LANE, BY_BOTO3] * FAILURES + [BY_BOTO3] * 2


def test_the_lane_stays_open_where_it_fails_now_and_then(serve: Serve, aws_config: AwsConfig) -> None:
    turns = iter(range(1 << 30))
    server = serve(
        lambda heard: answer("400 Bad Request") if heard.by_lane and next(turns) % 2 == 0 else GOOD["list"](heard)
    )
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(4 * FAILURES):
        provider.list()
    assert asked_by(server)[-1] == BY_LANE


@pytest.mark.usefixtures("short_patience")
def test_the_lane_stays_open_where_boto3_has_no_answer_either(serve: Serve, aws_config: AwsConfig) -> None:
    server = serve(lambda heard: answer("503 Slow Down"))
    provider = AwsProvider(aws_config(replace(NOBODY, url=server.url)))
    for _ in range(FAILURES + 1):
        with pytest.raises(StorageError):
            provider.list()
    server.script = GOOD["list"]
    provider.list()
    assert server.heard[-1].by_lane


STORE = replace(NOBODY, url="http://store.studio.example:9000")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_there_is_no_lane_past_a_proxy(aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.studio.example:3128")  # and NO_PROXY; neither is for this store
    assert S3(aws_config(STORE))._lane is not None
    monkeypatch.setenv(variable, "http://proxy.studio.example:3128")
    assert S3(aws_config(STORE))._lane is None


@pytest.mark.parametrize("bucket", ["models--use1-az4--x-s3", "models-abc-s3alias"])
def test_there_is_no_lane_to_what_is_signed_for_in_another_way(aws_config: AwsConfig, bucket: str) -> None:
    assert S3(aws_config(replace(NOBODY, url="http://127.0.0.1:9000"), bucket_name=bucket))._lane is None


def test_a_proxy_that_is_not_for_the_store_is_none(aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.studio.example:3128")
    assert S3(aws_config(replace(NOBODY, url="http://127.0.0.1:9000")))._lane is not None
