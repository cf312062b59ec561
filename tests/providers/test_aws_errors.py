"""What a user reads when S3 cannot be used: one sentence for each cause, that names it, and no secret anywhere."""

import contextlib
import json
import logging
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from servers import Certificate, Server, moto_server, user_with_policy

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageError
from ggg_cloud_addon.cloud_storage.errors import AccessDeniedError, ConfigError
from ggg_cloud_addon.cloud_storage.log import start_log
from ggg_cloud_addon.cloud_storage.providers import open_bucket, open_provider

AwsConfig = Callable[..., CloudStorageConfig]

SECRET = "vErYs3cr3t/key+of=nobodyABCDEFGHIJKLMNOP"
TOKEN = "FwoGZXIvYXdzEJr//////////wEaDSESSIONTOKENofnobody"
KEY_ID = "AKIAOFNOBODY12345678"
KEYS = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}


@dataclass
class World:
    """What a case may use to bring its cause about."""

    moto: Server
    bucket: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    stack: contextlib.ExitStack

    def config(self, url: str, keys: object = KEYS, **settings: object) -> CloudStorageConfig:
        """Settings with a credentials file of this content."""
        file = self.folder / "credentials.json"
        file.write_text(keys if isinstance(keys, str) else json.dumps(keys))
        file.chmod(0o600)
        given = {"endpoint_url": url, "bucket_name": self.bucket, "credentials_file": file}
        return CloudStorageConfig(provider="aws", **(given | settings))  # type: ignore[arg-type]

    def right_keys(self) -> dict[str, str]:
        return {"aws_access_key_id": self.moto.access_key, "aws_secret_access_key": self.moto.secret_key}

    def answering(self, status: int, body: str = "", **headers: str) -> str:
        """The URL of a server that answers this to everything."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stack.enter_context(answering(status, body.encode(), named))

    def refusing(self, status: int, code: str, more: str = "", **headers: str) -> str:
        """The URL of a server that answers this error in the words of S3."""
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message>{more}</Error>"
        return self.answering(status, body, content_type="application/xml", **headers)


@contextlib.contextmanager
def answering(status: int, body: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def greeting(banner: bytes) -> Iterator[str]:
    """The URL of a server that speaks first, and no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.sendall(banner)
                        client.recv(1 << 16)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def with_user(world: World, action: str) -> CloudStorageConfig:
    world.moto.client().create_bucket(Bucket=world.bucket)
    rights = {"Effect": "Allow", "Action": action, "Resource": "*"}
    key, secret = user_with_policy(world.moto, {"Version": "2012-10-17", "Statement": [rights]})
    return world.config(world.moto.url, {"aws_access_key_id": key, "aws_secret_access_key": secret})


def wrong_secret(world: World) -> CloudStorageConfig:
    return world.config(world.moto.url, KEYS | {"aws_access_key_id": world.moto.access_key})


def proxied(world: World, proxy: str, url: str) -> CloudStorageConfig:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        world.monkeypatch.setenv(name, proxy)
    return world.config(url)


def with_clock_off(world: World) -> CloudStorageConfig:
    """The server's clock, since ours cannot be set: the answer's Date is 20 minutes away."""
    proxy = world.stack.enter_context(FaultProxy(world.moto.url))
    proxy.set_header("Date", format_datetime(datetime.now(UTC) - timedelta(minutes=20), usegmt=True))
    return replace(wrong_secret(world), endpoint_url=proxy.url)


def with_certificate(world: World) -> tuple[Server, CloudStorageConfig]:
    server = world.stack.enter_context(moto_server(certificate=Certificate.self_signed(world.folder)))
    server.client().create_bucket(Bucket=world.bucket)
    return server, world.config(server.url)


def in_environment(world: World, **variables: str) -> CloudStorageConfig:
    for name, value in variables.items():
        world.monkeypatch.setenv(name, value)
    return world.config(world.moto.url, credentials_file=None)


HTML = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>It works!</body></html>"
REGION = "is in the region eu-central-1; set region"
PROXY = r"^The proxy on the way to \S+ refuses or cannot be reached; check the settings HTTPS_PROXY"
CLOCK = "^The clock of this machine is off"
NOT_S3 = r"answers, but not as S3 does; check the endpoint"
FILE = r'^The credentials file "\S+credentials\.json" '
JSON_KEYS = FILE + 'has to be a JSON object with "aws_access_key_id" and "aws_secret_access_key"'

Cause = Callable[[World], CloudStorageConfig]
CASES: dict[str, tuple[str, Cause]] = {
    "wrong access key": ("does not know this access key; check", lambda w: w.config(w.moto.url)),
    "wrong secret": ("refuses the secret access key; check", wrong_secret),
    "no bucket": (r'^There is no bucket "test-\w+" there; check', lambda w: w.config(w.moto.url, w.right_keys())),
    "no right to list": ("no right to do this; ask", lambda w: with_user(w, "s3:PutObject")),
    "bucket in another region, by header": (
        REGION,
        lambda w: w.config(w.refusing(301, "PermanentRedirect", x_amz_bucket_region="eu-central-1")),
    ),
    "bucket in another region, by body": (
        REGION,
        lambda w: w.config(w.refusing(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>")),
    ),
    "untrusted certificate": (
        r"^The certificate of https://\S+ is not trusted on this machine; .*ca_bundle",
        lambda w: with_certificate(w)[1],
    ),
    "proxy that refuses HTTP": (
        PROXY,
        lambda w: proxied(w, w.answering(403, HTML, content_type="text/html"), "http://s3.example.com"),
    ),
    "proxy that wants a password": (
        PROXY,
        lambda w: proxied(w, w.answering(407, HTML, proxy_authenticate="Basic"), "http://s3.example.com"),
    ),
    "proxy that refuses HTTPS": (
        PROXY,
        lambda w: proxied(w, w.answering(403, HTML, content_type="text/html"), "https://s3.example.com"),
    ),
    "proxy that wants a password for HTTPS": (
        PROXY,
        lambda w: proxied(w, w.answering(407, HTML, proxy_authenticate="Basic"), "https://s3.example.com"),
    ),
    "proxy that is not there": (PROXY, lambda w: proxied(w, closed_port(), "http://s3.example.com")),
    "proxy that is not there for HTTPS": (PROXY, lambda w: proxied(w, closed_port(), "https://s3.example.com")),
    "clock that is off, by the answer's date": (CLOCK, with_clock_off),
    "clock that is off, by S3's code": (CLOCK, lambda w: w.config(w.refusing(403, "RequestTimeTooSkewed"))),
    "a web page": (NOT_S3, lambda w: w.config(w.answering(200, HTML, content_type="text/html"))),
    "a web page that is not found": (NOT_S3, lambda w: w.config(w.answering(404, HTML, content_type="text/html"))),
    "a web page that is forbidden": (NOT_S3, lambda w: w.config(w.answering(403, HTML, content_type="text/html"))),
    "an empty answer": (NOT_S3, lambda w: w.config(w.answering(200))),
    "an empty answer in XML": (NOT_S3, lambda w: w.config(w.answering(200, "<Empty/>", content_type="text/xml"))),
    "JSON": (NOT_S3, lambda w: w.config(w.answering(200, "{}", content_type="application/json"))),
    "SSH": (NOT_S3, lambda w: w.config(w.stack.enter_context(greeting(b"SSH-2.0-OpenSSH_9.2\r\n")))),
    "HTTPS to a server of HTTP": (
        "does not speak HTTPS; write the endpoint with http://",
        lambda w: w.config(w.answering(200, HTML).replace("http:", "https:")),
    ),
    "a closed port": (r"^http://127\S+ cannot be reached; check", lambda w: w.config(closed_port())),
    "an unknown host": (r"^http://s3\.invalid cannot be reached; check", lambda w: w.config("http://s3.invalid")),
    "credentials file that is missing": (
        r'^The credentials file "\S+nowhere\.json" cannot be read: No such file',
        lambda w: w.config(w.moto.url, credentials_file=w.folder / "nowhere.json"),
    ),
    "credentials file that is a folder": (
        r'^The credentials file "\S+" cannot be read: Is a directory',
        lambda w: w.config(w.moto.url, credentials_file=w.folder),
    ),
    "credentials file of broken JSON": (
        FILE + r"is not JSON: .* in line 1\.",
        lambda w: w.config(w.moto.url, json.dumps(KEYS)[:-1]),
    ),
    "credentials file that is a list": (
        JSON_KEYS,
        lambda w: w.config(w.moto.url, [KEY_ID, SECRET]),
    ),
    "credentials file of Azure": (
        JSON_KEYS,
        lambda w: w.config(w.moto.url, {"account_name": "studio", "account_key": SECRET}),
    ),
    "credentials file with an unknown key": (
        FILE + 'has the unknown key "secret"',
        lambda w: w.config(w.moto.url, KEYS | {"secret": SECRET}),
    ),
    "credentials file with a number": (
        FILE + 'has a value for "aws_session_token" that is no text',
        lambda w: w.config(w.moto.url, KEYS | {"aws_session_token": 1234567890}),
    ),
    "unknown profile": (
        r"profile \(?(\"|')?studio",
        lambda w: w.config(w.moto.url, profile="studio", credentials_file=None),
    ),
    "no credentials": ("^No AWS credentials were found", lambda w: w.config(w.moto.url, credentials_file=None)),
    "half of the credentials": (
        "^No AWS credentials were found",
        lambda w: in_environment(w, AWS_ACCESS_KEY_ID=KEY_ID),
    ),
    "expired token": (
        "have expired; sign in again",
        lambda w: w.config(w.refusing(400, "ExpiredToken"), KEYS | {"aws_session_token": TOKEN}),
    ),
    "region that is none": ("The region in the settings is not one", lambda w: w.config(w.moto.url, region="the moon")),
    "a busy store": ("overloaded or out of order", lambda w: w.config(w.refusing(503, "SlowDown"))),
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the SDK's tries."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    logger = logging.getLogger("ggg_cloud_addon")
    before, level = list(logger.handlers), logger.level
    yield start_log(tmp_path / "log")
    for handler in [each for each in logger.handlers if each not in before]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


@pytest.fixture
def world(moto: Server, bucket_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(moto, bucket_name, tmp_path, monkeypatch, stack)


@pytest.mark.parametrize("name", CASES)
def test_each_cause_has_its_sentence_and_tells_no_secret(name: str, world: World, log: Path) -> None:
    pattern, cause = CASES[name]
    config = cause(world)
    manager = CloudStorageManager(config)
    assert not manager.authenticate()
    said = str(manager.authentication_error)
    assert {each for each, _ in CASES.values() if re.search(each, said)} == {pattern}, said
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 400
    with pytest.raises(StorageError) as caught:
        manager.provider.check()
    assert str(caught.value).partition("port")[0] == said.partition("port")[0]
    logging.getLogger("ggg_cloud_addon").exception("Once more", exc_info=caught.value)
    told = [said, str(caught.value), repr(caught.value), log.read_text(encoding="utf-8")]
    told += [repr(each) for each in (manager, manager.provider, config, vars(manager))]
    for each in (SECRET, TOKEN, world.moto.secret_key):
        assert not [text for text in told if each in text]
    assert KEY_ID not in said
    assert "Traceback" not in said


def test_no_error_of_ours_has_a_secret_in_its_chain(world: World) -> None:
    for name in ("wrong secret", "expired token", "credentials file of broken JSON", "credentials file that is a list"):
        with pytest.raises(StorageError) as caught:
            CloudStorageManager(CASES[name][1](world)).list_components()
        chain = "".join(traceback.format_exception(caught.value))
        assert SECRET not in chain
        assert TOKEN not in chain


@pytest.mark.parametrize("more", ["", "<NextMarker>a</NextMarker>"], ids=["no token", "an older listing"])
def test_a_listing_that_has_more_and_does_not_tell_how_to_get_it_is_no_listing(world: World, more: str) -> None:
    """Else what it leaves out would look deleted to a sync."""
    item = (
        "<Contents><Key>a</Key><Size>1</Size><ETag>x</ETag><LastModified>2026-11-22T00:00:00Z</LastModified></Contents>"
    )
    body = f"<ListBucketResult><IsTruncated>true</IsTruncated>{more}{item}</ListBucketResult>"
    manager = CloudStorageManager(world.config(world.answering(200, body, content_type="application/xml")))
    with pytest.raises(ConfigError, match=NOT_S3):
        manager.list_components()


def test_a_certificate_of_ones_own_is_trusted_when_it_is_given(world: World) -> None:
    server, config = with_certificate(world)
    assert not CloudStorageManager(config).authenticate()
    manager = CloudStorageManager(replace(config, ca_bundle=server.ca_bundle))
    assert manager.authenticate(), manager.authentication_error
    assert manager.authentication_error is None


def test_rights_to_a_part_of_the_bucket_are_enough_there(world: World) -> None:
    config = with_user(world, "s3:ListBucket")
    assert CloudStorageManager(config).authenticate()
    with pytest.raises(AccessDeniedError, match="no right"):
        CloudStorageManager(config).delete_component("arm.blend")


@pytest.mark.parametrize("name", ["wrong access key", "wrong secret", "no bucket", "no credentials", "a closed port"])
def test_every_verb_says_the_same(name: str, world: World, tmp_path: Path) -> None:
    manager = CloudStorageManager(CASES[name][1](world))
    (tmp_path / "arm.blend").write_bytes(b"arm")
    for act in (
        manager.list_components,
        lambda: manager.upload_component(tmp_path / "arm.blend", "arm.blend"),
        lambda: manager.download_component("arm.blend", tmp_path / "pulled.blend"),
        lambda: manager.delete_component("arm.blend"),
        lambda: manager.get_info("arm.blend"),
        lambda: manager.list_versions("arm.blend"),
        lambda: manager.share_link("arm.blend"),
        manager.bucket.facts,
    ):
        with pytest.raises(StorageError) as caught:
            act()
        assert type(caught.value) is not StorageError
        assert SECRET not in str(caught.value)
    assert not (tmp_path / "pulled.blend").exists()


def test_settings_that_cannot_be_right_are_refused_before_anything_is_asked() -> None:
    for opened in (open_provider, open_bucket, CloudStorageManager):
        with pytest.raises(ConfigError, match="bucket has no name"):
            opened(CloudStorageConfig(provider="aws"))
    for settings in (
        {"endpoint_url": "s3.example.com"},
        {"endpoint_url": "https://studio:secretofnobody@s3.example.com"},
    ):
        with pytest.raises(ConfigError, match="endpoint") as caught:
            CloudStorageConfig(provider="aws", bucket_name="models", **settings)  # type: ignore[arg-type]
        assert "secretofnobody" not in str(caught.value)


def test_the_credentials_of_the_file_go_before_those_of_the_environment(world: World) -> None:
    world.moto.client().create_bucket(Bucket=world.bucket)
    world.monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    world.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert CloudStorageManager(world.config(world.moto.url, world.right_keys())).authenticate()


def test_the_credentials_of_the_environment_and_of_a_profile_are_found(world: World) -> None:
    world.moto.client().create_bucket(Bucket=world.bucket)
    keys = world.right_keys()
    config = in_environment(world, **{name.upper(): value for name, value in keys.items()})
    assert CloudStorageManager(config).authenticate()
    for name in keys:
        world.monkeypatch.delenv(name.upper())
    lines = ["[studio]", *(f"{name} = {value}" for name, value in keys.items())]
    (world.folder / "credentials").write_text("\n".join(lines))
    world.monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(world.folder / "credentials"))
    assert not CloudStorageManager(config).authenticate()
    assert CloudStorageManager(replace(config, profile="studio")).authenticate()
