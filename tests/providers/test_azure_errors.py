"""What the user reads when Azure cannot be used, and that no secret is in it."""

import contextlib
import http.server
import json
import logging
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from conformance import put, read
from fault_proxy import FaultProxy
from servers import AzureServer, Certificate, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, log
from ggg_cloud_addon.cloud_storage.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConfigError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    StoreFullError,
    StoreUnavailableError,
    UnsupportedError,
)
from ggg_cloud_addon.cloud_storage.providers import azure_client
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_client import VARIABLE
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.azure_errors import refused
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent
from ggg_cloud_addon.cloud_storage.redaction import HIDDEN, redact

KEY = "c2VjcmV0LWtleS1vZi1hLXN0dWRpby1ub2JvZHktc2VlcyE="


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no credentials of the developer's, and one try."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", VARIABLE):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(azure_client, "RETRIES", 0)


def config(monkeypatch: pytest.MonkeyPatch, text: str, **settings: object) -> CloudStorageConfig:
    monkeypatch.setenv(VARIABLE, text)
    return CloudStorageConfig(provider="azure", **({"bucket_name": "model-components"} | settings))


def account(url: str, key: str = KEY) -> str:
    return f"AccountName=studio;AccountKey={key};BlobEndpoint={url}"


def said(config: CloudStorageConfig, error: type[StorageError]) -> str:
    """The sentence of a check that fails."""
    with pytest.raises(StorageError) as caught:
        AzureProvider(config).check()
    assert type(caught.value) is error
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@contextlib.contextmanager
def something_else(status: int = 200, body: bytes = b"<html></html>", tls: Certificate | None = None) -> Iterator[str]:
    """A server that is no store; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# -- credentials


def test_missing_credentials_are_named() -> None:
    sentence = said(CloudStorageConfig(provider="azure", bucket_name="models"), AccessDeniedError)
    assert VARIABLE in sentence
    assert '"account_key"' in sentence


@pytest.mark.parametrize(
    "text",
    [
        "open sesame, the secret",
        "AccountKey=c2VjcmV0",
        "AccountName=;AccountKey=",
        "AccountName=studio",
        f"AccountKey={KEY};EndpointSuffix=core.windows.net",
        "BlobEndpoint=http://127.0.0.1:1/studio",
        "AccountName=studio;AccountKey=no-base64!",
    ],
)
def test_a_connection_string_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    sentence = said(config(monkeypatch, text), ConfigError)
    assert sentence.startswith(f"The credentials in {VARIABLE} cannot be used")
    assert text not in sentence


@pytest.mark.parametrize("kind", ["connection_string", "account"])
def test_a_credentials_file_goes_before_the_environment(
    azurite: AzureServer, bucket_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / "azure.json"
    given = {"connection_string": azurite.connection_string}
    if kind == "account":
        given = {"account_name": azurite.account_name, "account_key": azurite.account_key}
    file.write_text(json.dumps(given))
    file.chmod(0o600)
    endpoint = azurite.account_url if kind == "account" else None
    settings = config(monkeypatch, "junk", credentials_file=file, bucket_name=bucket_name, endpoint_url=endpoint)
    AzureContainer(settings).create()
    AzureProvider(settings).check()


def test_settings_of_another_cloud_are_refused() -> None:
    for settings in ({"bucket_name": ""}, {"bucket_name": "models", "kms_key_id": "k"}):
        for make in (AzureProvider, AzureContainer):
            with pytest.raises(ConfigError):
                make(CloudStorageConfig(provider="azure", **settings))


def test_the_location_needs_no_credentials() -> None:
    nameless = AzureProvider(CloudStorageConfig(provider="azure", bucket_name="models"))
    assert nameless.location == 'container "models" of an Azure account'


# -- reasons, each from a real server


def test_a_wrong_key(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "wrong account key" in said(config(monkeypatch, account(azurite.account_url)), AccessDeniedError)


def test_a_clock_that_is_off(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultProxy(azurite.url) as proxy:
        proxy.set_header("Date", format_datetime(datetime.now(UTC) - timedelta(minutes=20), usegmt=True))
        url = replace(azurite, url=proxy.url).account_url
        assert "The clock of this machine is off" in said(config(monkeypatch, account(url)), AccessDeniedError)


def test_a_signature_that_ended(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sas = generate_container_sas(
        azurite.account_name,
        "model-components",
        azurite.account_key,
        permission=ContainerSasPermissions(list=True),
        expiry=datetime.now(UTC) - timedelta(hours=1),
    )
    text = f"BlobEndpoint={azurite.account_url};SharedAccessSignature={sas}"
    said(config(monkeypatch, text), AccessDeniedError)


def test_no_such_container(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(monkeypatch, azurite.connection_string, bucket_name="never-was")
    assert said(settings, BucketNotFoundError).startswith('There is no container "never-was"')
    with pytest.raises(BucketNotFoundError):
        put(AzureProvider(settings), "arm.blend", b"arm")
    with pytest.raises(BucketNotFoundError):
        read(AzureProvider(settings), "arm.blend")


def test_a_name_that_no_container_can_have(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = said(config(monkeypatch, azurite.connection_string, bucket_name="Model_Components"), ConfigError)
    assert sentence.startswith('"Model_Components" cannot name a container')


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be reached" in said(config(monkeypatch, account("http://127.0.0.1:9/studio")), StoreUnavailableError)


def test_no_such_account(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"AccountName=no-such-studio;AccountKey={KEY};EndpointSuffix=core.invalid"
    sentence = said(config(monkeypatch, text), StoreUnavailableError)
    assert sentence.startswith("Azure account no-such-studio is not known in the network")


@pytest.mark.parametrize("body", [b"<html></html>", b"<a/>", b"{}", b""])
@pytest.mark.parametrize("status", [200, 301, 400, 403, 404])
def test_something_else_answers(monkeypatch: pytest.MonkeyPatch, status: int, body: bytes) -> None:
    with something_else(status, body) as address:
        settings = config(monkeypatch, account(f"http://{address}/studio"))
        assert "not as Azure Blob Storage does" in said(settings, ConfigError)
        with pytest.raises(ConfigError, match="not as Azure Blob Storage does"):
            read(AzureProvider(settings), "arm.blend")


def test_s3_answers(moto_open: Server, rclone_s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for server in (moto_open, rclone_s3):
        said(config(monkeypatch, account(f"{server.url}/studio")), ConfigError)


def test_a_gateway_is_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with something_else(502) as address:
        assert "overloaded or out of order" in said(
            config(monkeypatch, account(f"http://{address}/studio")), StoreUnavailableError
        )


def test_a_certificate_is_trusted_only_if_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = Certificate.self_signed(tmp_path)
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    with something_else(tls=certificate) as address:
        text = account(f"https://{address}/studio")
        assert "is not trusted" in said(config(monkeypatch, text), StoreUnavailableError)
        assert "holds no certificate" in said(config(monkeypatch, text, ca_bundle=junk), ConfigError)
        trusted = config(monkeypatch, text, ca_bundle=certificate.certificate)
        assert "not as Azure Blob Storage does" in said(trusted, ConfigError)


def test_https_to_a_server_without(azurite: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = account(azurite.account_url.replace("http://", "https://"))
    assert "does not speak HTTPS" in said(config(monkeypatch, text), ConfigError)


def test_http_to_a_server_that_wants_https(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"Client sent an HTTP request to an HTTPS server.\n"  # as servers in Go do; nginx has such a sentence too
    with something_else(400, body) as address:
        assert "takes only HTTPS" in said(config(monkeypatch, account(f"http://{address}/studio")), ConfigError)


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with something_else(407) as address:
        for proxy in (f"http://{address}", "http://127.0.0.1:9"):
            for scheme in ("http", "https"):
                monkeypatch.setenv(f"{scheme}_proxy", proxy)
                text = account(f"{scheme}://studio.example.com/studio")
                assert "The proxy on the way" in said(config(monkeypatch, text), StoreUnavailableError)


# -- reasons that only Azure itself has: codes from its documentation

ANSWERS = [
    (403, "AuthorizationPermissionMismatch", AccessDeniedError, "no right to do this"),
    (403, "AuthorizationFailure", AccessDeniedError, "firewall"),
    (403, "AuthenticationFailed", AccessDeniedError, "wrong account key"),
    (403, "KeyBasedAuthenticationNotPermitted", AccessDeniedError, "takes no account keys"),
    (403, "AccountIsDisabled", AccessDeniedError, "is disabled"),
    (401, "NoAuthenticationInformation", AccessDeniedError, "refuses the credentials"),
    (400, "AccountRequiresHttps", ConfigError, "takes only HTTPS"),
    (409, "PublicAccessNotPermitted", ConfigError, "public_access"),
    (409, "ContainerBeingDeleted", BucketNotFoundError, "just being deleted"),
    (409, "BlobImmutableDueToPolicy", AccessDeniedError, "immutability policy"),
    (409, "ResourceTypeMismatch", UnsupportedError, "a folder has that name"),
    (409, "BlobBeingRehydrated", StorageError, "Archive"),
    (404, "CannotVerifyCopySource", ObjectNotFoundError, "copy of is gone"),
    (412, "SourceConditionNotMet", PreconditionFailedError, "changed meanwhile"),
    (400, "InvalidBlobTier", ConfigError, "storage_tier"),
    (400, "Md5Mismatch", StoreUnavailableError, "arrived damaged"),
    (409, "AccountLimitExceeded", StoreFullError, "no room"),
    (503, "ServerBusy", StoreUnavailableError, "overloaded"),
    (500, "OperationTimedOut", StoreUnavailableError, "overloaded"),
    (429, "TooManyRequests", StoreUnavailableError, "overloaded"),
    (412, "SomethingNew", PreconditionFailedError, "look at it again"),
    (400, "SomethingNew", StorageError, "answers SomethingNew"),
]


@pytest.mark.parametrize(("status", "code", "error", "part"), ANSWERS, ids=[each[1] for each in ANSWERS])
def test_every_code_has_its_sentence(status: int, code: str, error: type[StorageError], part: str) -> None:
    headers = {"x-ms-request-id": "1", "date": format_datetime(datetime.now(UTC), usegmt=True)}
    for key in ("arm.blend", None) if code not in ("ResourceTypeMismatch", "BlobBeingRehydrated") else ("arm.blend",):
        answer = refused("Azure account studio", "models", key, None, status, headers, code)
        assert isinstance(answer, error)
        assert part in str(answer)
        assert str(answer).endswith(".")
        assert str(answer)[0] in '"' + str(answer)[0].upper()


def test_a_signature_outside_its_time_is_told_from_a_wrong_key() -> None:
    said = "Signature not valid in the specified time frame: Start [...] - Expiry [...] - Current [...]"
    answer = refused("Azure", "models", None, None, 403, {"x-ms-request-id": "1"}, "AuthenticationFailed", said)
    assert "has expired" in str(answer)


# -- secrets


def test_no_secret_leaves(
    azurite: AzureServer,
    bucket_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = log.start_log(tmp_path)
    caplog.set_level(logging.DEBUG)
    settings = config(monkeypatch, azurite.connection_string, bucket_name=bucket_name)
    texts: list[str] = []

    def note(act: Callable[[], object]) -> None:
        try:
            texts.append(repr(act()))
        except StorageError as error:
            texts.extend(traceback.format_exception(error))

    provider, container = AzureProvider(settings), AzureContainer(settings)
    note(provider.check)
    container.create()
    put(provider, "arm.blend", b"arm")
    for act in (
        provider.check,
        lambda: put(provider, "arm.blend", b"arm", IfAbsent()),
        lambda: provider.copy("arm.blend", "copy"),
        lambda: provider.copy("never", "copy"),
        lambda: provider.delete_many(["never"]),
        lambda: (provider, container, provider.location, provider.identity, settings),
        lambda: AzureProvider(config(monkeypatch, account(azurite.account_url), bucket_name=bucket_name)).check(),
    ):
        note(act)
    link = provider.share_link("arm.blend", 60)
    texts += [path.read_text(encoding="utf-8"), caplog.text]
    signature = link.partition("sig=")[2].partition("&")[0]
    for text in texts:
        for secret in (azurite.account_key, KEY, signature):
            assert secret not in text
    assert redact(azurite.account_key) == HIDDEN  # should an SDK's error have it one day
