"""From the settings to a client of S3: credentials, region, endpoint, retries."""

import logging
import ssl
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies, parse_timestamp, validate_region_name

from ..config import CloudStorageConfig
from ..credentials import read_credentials
from ..redaction import keep_secret
from . import problems
from .aws_errors import KIND, refuse_pages, translated
from .aws_lane import Lane
from .fast_lane import Asked, NoAnswerError

log = logging.getLogger(__name__)

DEFAULT_REGION = "us-east-1"
"""Where S3 sends a client on to a bucket's own region from."""
ATTEMPTS = 6
"""Of the SDK, for one request."""
CONNECT_SECONDS = 10
READ_SECONDS = 60
SLOW_READ_SECONDS = 600
"""For an answer that comes when many bytes were written there. Amazon's sends something meanwhile, others do not."""


SPECIAL = ("--x-s3", "-s3alias")
"""End the names of what looks like a bucket and is signed for, or addressed, in another way (Amazon S3 user guide,
"Bucket naming rules")."""


class S3:
    """One bucket's clients, made when they are first needed. Thread-safe, as boto3's clients are."""

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is read or asked yet.

        Raises:
            ConfigError: the bucket has no name.
        """
        if not config.bucket_name:
            raise problems.bucket_unnamed(KIND)
        self.bucket = config.bucket_name
        self.store = config.endpoint_url or "Amazon S3"
        self._config = config
        self._lock = threading.RLock()
        self._made: dict[tuple[int, int], Any] = {}

    @property
    def is_amazon(self) -> bool:
        """Whether it is the original, whose documentation says what it can do."""
        endpoint = self._config.endpoint_url
        return endpoint is None or endpoint.rstrip("/").endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def send(self, operation: str, options: Mapping[str, Any]) -> Asked | None:
        """Ask by the fast lane, and do not wait; ``None`` if it is closed."""
        lane = self._lane
        return lane.send(operation, options) if lane is not None and lane.is_open else None

    def ask(self, operation: str, options: Mapping[str, Any], *, once: bool = False, sent: Asked | None = None) -> Any:
        """What the bucket answers to ``client.operation(**options)``: by the fast lane, and else by boto3.

        Args:
            once: boto3 does not retry it.
            sent: that request, if it is on its way already.

        Raises:
            ConfigError: something answers that is no S3.
        """
        lane, maybe_done = self._lane, False
        if lane is not None and sent is None and not lane.is_open:
            lane = None
        if lane is not None:
            try:
                return lane.answer(sent or lane.send(operation, options), operation, options)
            except NoAnswerError as error:
                log.debug("The fast lane has no answer to %s: %s", operation, error)
                maybe_done = error.maybe_done
                if "Body" in options:
                    options["Body"].seek(0)
        try:
            answer = getattr(self.single if once else self.client, operation)(Bucket=self.bucket, **options)
        except ClientError as error:
            if maybe_done:
                error.response["ResponseMetadata"]["RetryAttempts"] += 1
            raise
        if "Key" in options and "ETag" not in answer:  # what says nothing of the object is something else
            raise problems.not_this_kind(self.store, KIND)
        if lane is not None:
            lane.failed()
        return answer

    @property
    def client(self) -> Any:
        """The client for requests, which retries them: throttling, 5xx and broken connections, with jitter."""
        return self._client(ATTEMPTS, READ_SECONDS)

    @property
    def slow(self) -> Any:
        """The same, for requests by which the server puts together or copies a whole object."""
        return self._client(ATTEMPTS, SLOW_READ_SECONDS)

    @property
    def single(self) -> Any:
        """A client that tries once: for the pieces of long transfers, see :class:`~.streams.Patience`."""
        return self._client(1, READ_SECONDS)

    @cached_property
    def region(self) -> str:
        """The one that requests are signed for."""
        with self._lock:
            return self._session[1]

    def translated(self, key: str | None = None, version_id: str | None = None) -> AbstractContextManager[None]:
        """Turn what the clients raise into our errors; around every use of them."""
        return translated(self.store, self.bucket, key, version_id)

    @cached_property
    def _lane(self) -> Lane | None:
        """``None`` where a setting is not for it."""
        with self._lock:
            session, region = self._session
            validate_region_name(region)
            endpoint, credentials = self._config.endpoint_url, session.get_credentials()
            if credentials is None or ":" in self.bucket or self.bucket.endswith(SPECIAL):
                return None
            if endpoint is not None:
                url = f"{endpoint.rstrip('/')}/{self.bucket}"
            else:  # boto3 knows which of Amazon's addresses
                link = self.client.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "k"})
                url = link.partition("?")[0].removesuffix("/k")
            if urlsplit(url).scheme in get_environ_proxies(url):
                return None
            tls = None
            if urlsplit(url).scheme == "https":
                bundle = self._bundle or session.get_config_variable("ca_bundle")
                try:
                    tls = ssl.create_default_context(cafile=bundle or get_cert_path(True))
                except OSError:  # of the bundle; boto3 says what is wrong with it
                    return None
            return Lane(url, region, credentials.get_frozen_credentials, tls, CONNECT_SECONDS, READ_SECONDS)

    @property
    def _bundle(self) -> str | None:
        bundle = self._config.ca_bundle
        return str(Path(bundle).expanduser()) if bundle else None

    def _client(self, attempts: int, read_seconds: int) -> Any:
        with self._lock:
            kind = attempts, read_seconds
            if kind not in self._made:
                self._made[kind] = self._make(*kind)
            return self._made[kind]

    @cached_property
    def _session(self) -> tuple[Any, str]:
        """Botocore's session, and the region."""
        given: dict[str, str] = {}
        if self._config.credentials_file:
            given = read_credentials(self._config.credentials_file, (("aws_access_key_id", "aws_secret_access_key"),))
        region = self._config.region or given.pop("region", None)
        session = botocore.session.Session(profile=None if given else self._config.profile)
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time_of)
        if given:
            session.set_credentials(given["aws_access_key_id"], given["aws_secret_access_key"])
        credentials = session.get_credentials()
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            keep_secret(frozen.secret_key, frozen.token)
        return session, region or session.get_config_variable("region") or DEFAULT_REGION

    @cached_property
    def _clients(self) -> Any:
        """Boto3's session. Late: it takes a tenth of a second, and where the lane has all answers nobody needs it."""
        import boto3

        return boto3.Session(botocore_session=self._session[0])

    def _make(self, attempts: int, read_seconds: int) -> Any:
        from s3transfer.utils import signal_not_transferring, signal_transferring  # late, as boto3 below

        _, region = self._session
        settings = Config(
            region_name=region,
            signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            max_pool_connections=self._config.max_concurrency * (self._config.max_concurrency + 1),
            tcp_keepalive=True,
            # We give checksums of our own; the SDK's default ones are refused by several S3-compatible servers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "auto" if self._config.endpoint_url is None else "path"},
        )
        client = self._clients.client(
            "s3", config=settings, endpoint_url=self._config.endpoint_url, verify=self._bundle
        )
        # By "*" it comes before the SDK's own handler, which turns such answers into errors of the server.
        client.meta.events.register_first("before-parse.*.ListObjectsV2", refuse_pages)
        # What is read to be signed is not sent yet: a body's progress must not count it.
        client.meta.events.register_first("request-created.s3", signal_not_transferring)
        client.meta.events.register_last("request-created.s3", signal_transferring)
        return client


def _time_of(value: Any) -> Any:
    """A time in an answer. The SDK's own way, which knows many formats, is most of what a long listing costs."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):  # not ISO 8601: a header's time
        return parse_timestamp(value)
