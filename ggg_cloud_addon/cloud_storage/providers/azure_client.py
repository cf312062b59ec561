"""From the settings to a client of Azure Blob Storage: credentials, endpoint, certificates, retries."""

import base64
import logging
import os
import random
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from ..config import CloudStorageConfig
from ..credentials import read_credentials
from ..errors import AccessDeniedError, ConfigError, StorageError
from ..redaction import keep_secret
from . import problems
from .azure_errors import KIND, refuse_strangers, translated
from .azure_lane import Lane, Request, Value
from .fast_lane import Asked, NoAnswerError

log = logging.getLogger(__name__)
# What the SDK's own loggers say is for a log, if there is one, and not for stderr.
logging.getLogger("azure").addHandler(logging.NullHandler())

VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
SINGLE = 4 << 20
"""Bytes up to which an object is one request; above, the size of its blocks: on a bad line short ones get through."""
RETRIES = 5
"""Of the SDK, for one request that found no answer, or 5xx."""
CONNECT_SECONDS = 10
READ_SECONDS = 60
WHOLE = 1 << 50
"""More bytes than a blob can have."""

Answer = TypeVar("Answer")


class Account:
    """The storage account's client, made when it is first needed. Thread-safe, as the SDK's clients are."""

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is read or asked yet.

        Raises:
            ConfigError: the container has no name, or a setting is none of Azure's.
        """
        if not config.bucket_name:
            raise problems.bucket_unnamed(KIND)
        if config.kms_key_id:
            raise ConfigError(
                "The setting kms_key_id is for AWS; Azure encrypts with the keys set in the storage account, so leave "
                "it out."
            )
        self.container_name = config.bucket_name
        self._config = config
        self._lock = threading.Lock()
        self._service: BlobServiceClient | None = None
        self._keeps_versions: bool | None = None

    @property
    def service(self) -> BlobServiceClient:
        """The client of the whole account.

        Raises:
            AccessDeniedError: there are no credentials.
            ConfigError: they cannot be used.
        """
        with self._lock:
            if self._service is None:
                self._service = self._make()
            return self._service

    @property
    def container(self) -> ContainerClient:
        """The client of the container."""
        return self.service.get_container_client(self.container_name)

    @property
    def name(self) -> str:
        """The account's name."""
        return self.service.account_name or self.service.primary_hostname

    @property
    def store(self) -> str:
        """What a sentence about an answer begins with."""
        return self._config.endpoint_url or f"Azure account {self.name}"

    @property
    def location(self) -> str:
        """Where the container is, for people."""
        try:
            account = f"the Azure account {self.name}"
        except StorageError:  # no credentials yet, which is not the place to say so
            account = "an Azure account"
        where = f" at {self._config.endpoint_url}" if self._config.endpoint_url else ""
        return f'container "{self.container_name}" of {account}{where}'

    @property
    def key(self) -> str | None:
        """The account's key, which signs links; ``None`` if the credentials are a shared access signature."""
        return getattr(self.service.credential, "account_key", None)

    def translated(self, key: str | None = None, version_id: str | None = None) -> AbstractContextManager[None]:
        """Around every call of the SDK: its errors become ours."""
        return translated(self.store, self.container_name, key, version_id)

    @cached_property
    def lane(self) -> Lane | None:
        """``None`` where a setting is not for it."""
        container = self.container
        if container.credential is None and "sig=" not in container.url:
            return None
        if select_proxy(container.url, get_environ_proxies(container.url, no_proxy=None)):
            return None
        tls = None
        if container.scheme == "https":
            try:
                tls = ssl.create_default_context(cafile=self._bundle or _bundle_of_requests())
            except OSError:  # of the bundle; the SDK says what is wrong with it
                return None
        return Lane(container, tls, CONNECT_SECONDS, READ_SECONDS)

    def send(self, request: Request) -> Asked | None:
        """Ask by the fast lane, and do not wait; ``None`` if it is closed."""
        lane = self.lane
        return lane.send(request) if lane is not None and lane.is_open else None

    def ask(
        self,
        request: Request,
        value: Value[Answer],
        slow: Callable[[], Answer],
        *,
        again: "Again | None" = None,
        sent: Asked | None = None,
    ) -> Answer:
        """The answer by the fast lane, and where that has none by the SDK, by which ``slow`` asks.

        Args:
            again: is told if the SDK's request may be the second one that the store carries out.
            sent: that request, if it is on its way already.
        """
        lane, sent = self.lane, sent or self.send(request)
        if lane is None or sent is None:
            return slow()
        try:
            return lane.answer(sent, request, value)
        except NoAnswerError as error:
            log.debug("The fast lane has no answer: %s", error)
            if again is not None:
                again.happened = error.maybe_done
        answer = slow()
        lane.failed()
        return answer

    @property
    def keeps_versions(self) -> bool | None:
        """Whether replaced and deleted blobs stay reachable as versions ("blob versioning" of the account).

        Only the account's management says so, which these credentials do not reach. But each answer to a write has a
        version ID if versioning is on (Microsoft Learn, "Blob versioning"), and the listing has the version IDs that
        writes left. So the last write that is known tells: our own, else the newest of the first hundred blobs.
        An empty container tells nothing: ``None``.
        """
        if self._keeps_versions is None:
            with self.translated():
                blobs = list(next(self.container.list_blobs(include=["versions"], results_per_page=100).by_page(), ()))
            if not blobs:
                return None
            begin = datetime.min.replace(tzinfo=UTC)
            newest = max(blobs, key=lambda blob: (blob.last_modified or begin, bool(blob.version_id)))
            self._keeps_versions = bool(newest.version_id)
        return self._keeps_versions

    def wrote(self, version_id: str | None) -> None:
        """Note what a write answered."""
        self._keeps_versions = version_id is not None

    @property
    def _bundle(self) -> str | None:
        bundle = self._config.ca_bundle
        return str(Path(bundle).expanduser()) if bundle else None

    def _make(self) -> BlobServiceClient:
        text, origin = self._connection_string()
        parts = dict(part.split("=", 1) for part in text.strip().strip(";").split(";") if "=" in part)
        known = {name.strip().lower(): value.strip() for name, value in parts.items()}
        keep_secret(text, known.get("accountkey"), known.get("sharedaccesssignature"))
        if self._config.endpoint_url:
            known["blobendpoint"] = self._config.endpoint_url.rstrip("/")
        session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=self._config.max_concurrency * (self._config.max_concurrency + 1))
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        service: BlobServiceClient | None
        try:
            base64.b64decode(known.get("accountkey", ""), validate=True)
            service = BlobServiceClient.from_connection_string(
                ";".join(f"{name}={value}" for name, value in known.items()),
                transport=RequestsTransport(
                    session=session,
                    connection_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    connection_verify=self._bundle or True,
                ),
                retry_policy=_Retry(
                    retry_total=RETRIES, retry_connect=RETRIES, retry_read=RETRIES, retry_status=RETRIES
                ),
                raw_response_hook=refuse_strangers,
                max_single_put_size=WHOLE,
                max_single_get_size=WHOLE,
            )
        except (ValueError, AzureError):  # no "from": it may hold the text
            service = None
        has_key = known.get("accountname") and known.get("accountkey")
        if service is None or not (has_key or known.get("sharedaccesssignature") or known.get("usedevelopmentstorage")):
            raise ConfigError(
                f"The credentials in {origin} cannot be used; copy them again from the Azure portal (storage account > "
                "Access keys)."
            )
        return service

    def _connection_string(self) -> tuple[str, str]:
        """And where it came from."""
        file = self._config.credentials_file
        if file:
            values = read_credentials(file, (("connection_string",), ("account_name", "account_key")))
            if "connection_string" in values:
                return values["connection_string"], f'the credentials file "{file}"'
            name, key = values["account_name"], values["account_key"]
            return f"AccountName={name};AccountKey={key}", f'the credentials file "{file}"'
        text = os.environ.get(VARIABLE, "").strip()
        if not text:
            raise AccessDeniedError(
                f"No Azure credentials were found; set {VARIABLE}, or name a credentials file with "
                '"connection_string", or with "account_name" and "account_key".'
            )
        return text, VARIABLE


def _bundle_of_requests() -> str:
    """Where requests finds its certificates (its documentation, "SSL Cert Verification")."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH


class _Retry(ExponentialRetry):
    """The SDK's retry, with waits as AWS's SDK has them: random up to a doubling bound, at most 16 s."""

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds before the next try."""
        return random.uniform(0, 2 ** (settings["count"] - 1))


class Again:
    """Notes whether the SDK sent a request again (``retry_hook``): then the first one may have been carried out."""

    def __init__(self) -> None:
        """It has not."""
        self.happened = False

    def __call__(self, **details: object) -> None:
        """It has."""
        self.happened = True
