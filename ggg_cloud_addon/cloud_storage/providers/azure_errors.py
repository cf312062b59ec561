"""What the Azure SDK raises, as our errors and in sentences.

Codes: Microsoft Learn, "Common REST API error codes" and "Blob Storage error codes".
"""

import contextlib
import logging
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from azure.core.exceptions import AzureError, DecodeError, HttpResponseError

from ..errors import (
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
from ..redaction import redact
from . import problems
from .streams import Interrupted

log = logging.getLogger(__name__)

KIND = "container"
CLOCK = timedelta(minutes=14)
"""A clock that is off by more explains a refusal: Azure allows 15 minutes."""
ASK = "ask who administers the storage account"


class StrangerError(Exception):
    """Something answers that is not Azure."""


def refuse_strangers(response: Any) -> None:
    """For the SDK's hook for answers, as it takes any page for one: Azure's all have this header."""
    answer = response.http_response
    if answer.status_code < 300 and "x-ms-request-id" not in answer.headers:
        raise StrangerError


class BlocksLostError(StoreUnavailableError):
    """Blocks that were staged are gone, by another writer's commit; they have to be sent again."""


@contextlib.contextmanager
def translated(store: str, container: str, key: str | None = None, version_id: str | None = None) -> Iterator[None]:
    """Turn what the SDK raises into our errors; ``store`` and ``container`` are their names in the sentences.

    What a caller's ``on_bytes`` raised in the middle of a request comes out as it is.
    """
    try:
        yield
    except Interrupted as interrupted:
        raise interrupted.error from None
    except HttpResponseError as error:
        log.info("Azure: %s %s %s", error.status_code, code_of(error), redact(str(error.message)).partition("\n")[0])
        if error.response is None or isinstance(error, DecodeError):
            raise _not_answered(error, store) from error
        answer: Any = error.response  # typed as what all of the SDK's transports have in common
        said = f"{error.message} {getattr(error, 'additional_info', '')}"
        raise refused(
            store, container, key, version_id, answer.status_code, answer.headers, code_of(error), said
        ) from error
    except StrangerError as error:
        raise problems.not_this_kind(store, "Azure Blob Storage") from error
    except (AzureError, urllib3.exceptions.HTTPError, requests.RequestException) as error:
        log.info("Azure: %s", redact(f"{type(error).__name__}: {error}").partition("\n")[0])
        raise _not_answered(error, store) from error


def code_of(error: HttpResponseError) -> str:
    """The store's code, such as ``BlobNotFound``."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code", "")
    return str(getattr(code, "value", code))


def _not_answered(error: Exception, store: str) -> StorageError:
    """No answer, or none of Azure's."""
    chain = list(_chain(error))
    said = " ".join(map(str, chain))

    def has(*types: type[BaseException]) -> bool:
        return any(isinstance(each, types) for each in chain)

    if has(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return problems.proxy_refuses(store)
    if "NO_CERTIFICATE_OR_CRL_FOUND" in said:
        return ConfigError("The file in the setting ca_bundle holds no certificate; name one in PEM format.")
    if has(ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        return problems.not_tls(store) if "WRONG_VERSION_NUMBER" in said else problems.untrusted(store)
    if has(urllib3.exceptions.NameResolutionError):
        return StoreUnavailableError(
            f"{store} is not known in the network; check the account's name and the endpoint, and that this machine is "
            "online."
        )
    if has(urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
        return problems.unreachable(store)
    if has(DecodeError):
        return problems.not_this_kind(store, "Azure Blob Storage")
    if has(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, urllib3.exceptions.LocationValueError):
        return ConfigError(f'The endpoint of "{store}" is no address; write it like https://account.example.com.')
    return problems.broken(store)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it."""
    if error is not None:
        yield error
        yield from _chain(getattr(error, "inner_exception", None) or error.__cause__ or error.__context__)


def refused(
    store: str,
    container: str,
    key: str | None,
    version_id: str | None,
    status: int,
    headers: Mapping[str, str],
    code: str,
    said: str = "",
) -> StorageError:
    """The error for an answer that says no: its HTTP status, its headers, its code and what else it says."""
    what = f'"{key}"' if key else "The request"
    match code:
        case "ContainerNotFound" | "ResourceNotFound" if code == "ContainerNotFound" or key is None:
            return problems.no_bucket(container, KIND)
        case "ContainerAlreadyExists":
            return problems.bucket_exists(container, KIND)
        case "ContainerBeingDeleted":
            return BucketNotFoundError(
                f'The container "{container}" is just being deleted; wait a minute and try again.'
            )
        case "BlobNotFound" | "ResourceNotFound" if key is not None:
            return problems.no_version(key, version_id) if version_id is not None else problems.not_found(key)
        case "CannotVerifyCopySource" if status == 404:
            return ObjectNotFoundError(f"{what} was not made: what it was to be a copy of is gone; list what there is.")
        case "SourceConditionNotMet":
            return PreconditionFailedError(
                f"{what} was not made: what it was to be a copy of was changed meanwhile; look at it again."
            )
        case "InvalidQueryParameterValue" | "InvalidVersionId" | "InvalidInput" if key is not None and version_id:
            return problems.no_version(key, version_id)
        case "BlobAlreadyExists" if key is not None:
            return problems.already_there(key)
        case "ConditionNotMet" | "TargetConditionNotMet" | "BlobOverwritten" if key is not None:
            return problems.changed(key)
        case "BlobArchived" | "BlobBeingRehydrated" if key is not None:
            return problems.archived(key, "Archive")
        case "LeaseIdMissing" | "LeaseIdMismatchWithBlobOperation" | "LeaseAlreadyPresent" | "LeaseAlreadyBroken":
            return AccessDeniedError(f"{what} is locked by somebody else (a lease); wait until they are done.")
        case "LeaseNotPresentWithBlobOperation" | "LeaseLost" | "LeaseNotPresentWithLeaseOperation":
            return PreconditionFailedError(f"Your lock on {what} has ended meanwhile; look at it and lock it again.")
        case "SnapshotsPresent":
            return UnsupportedError(
                f"{what} has snapshots, which a delete would take away with it; delete them in the Azure portal first."
            )
        case "InvalidBlockList":
            return BlocksLostError(f"{what} is being stored by somebody else at the same time; try again.")
        case "InvalidBlobOrBlock":
            return foreign_upload(key or container)
        case "InvalidBlobType":
            return UnsupportedError(f"{what} is a page or append blob of another program; store under another ID.")
        case "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold":
            return AccessDeniedError(f"{what} may not be changed: the container keeps it under an immutability policy.")
        case "ResourceTypeMismatch" | "PathAlreadyExists" | "DirectoryIsNotEmpty" | "PathConflict" if key is not None:
            return UnsupportedError(f"{what} cannot be stored: a folder has that name; choose another ID.")
        case "InvalidResourceName" | "OutOfRangeInput" if key is None:
            return ConfigError(f'"{container}" cannot name a container; use 3 to 63 of a-z, 0-9 and single "-".')
        case (
            "InvalidBlobTier"
            | "BlobTierInadequateForContentLength"
            | "UnsupportedHeader"
            | "BlobAccessTierNotSupported"
        ):
            return ConfigError(
                f"{what} was not stored: the account does not have the storage_tier in the settings; leave it out."
            )
        case "AccountRequiresHttps" | "AuthorizationProtocolMismatch":
            return needs_tls(store)
        case "PublicAccessNotPermitted":
            return ConfigError(
                "The storage account allows no public access; set public_access to false, or allow it in the Azure "
                "portal (storage account > Configuration)."
            )
        case "InsufficientStorage" | "AccountLimitExceeded":
            return StoreFullError(f"{what} was not stored: {store} has no room for it.")
        case "Md5Mismatch" | "Crc64Mismatch":
            return StoreUnavailableError(f"{what} arrived damaged at {store} and was not stored; try again.")
    if status == 407:
        return problems.proxy_refuses(store)
    if "x-ms-request-id" not in headers and status == 400 and "HTTPS" in said:  # nginx and Go say so
        return needs_tls(store)
    if "x-ms-request-id" not in headers:
        return (
            problems.busy(store)
            if status == 429 or status >= 500
            else problems.not_this_kind(store, "Azure Blob Storage")
        )
    if status in (401, 403):
        return _denied(store, f'"{key}"' if key else "this", headers, code, said)
    if status == 412:
        return PreconditionFailedError(f"{what} is not what it was; look at it again.")
    if status in (408, 429) or status >= 500:
        return problems.busy(store)
    return StorageError(f"{what} failed: {store} answers {code or status}; the log has the details.")


def _denied(store: str, what: str, headers: Mapping[str, str], code: str, said: str) -> StorageError:
    """Which of the reasons for a 403 it is."""
    if _clock_is_off(headers):
        return problems.clock_off(store)
    if "Signature not valid in the specified time frame" in said:
        return AccessDeniedError(
            "The shared access signature in the credentials has expired or does not hold yet; ask for a new one."
        )
    match code:
        case "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation":
            return _wrong_key(store)
        case "AuthorizationFailure" if "Server failed to authenticate" in said:  # so says Azurite
            return _wrong_key(store)
        case "AuthorizationFailure" | "AuthorizationSourceIPMismatch":
            return AccessDeniedError(
                f"{store} lets nobody in from this network (its firewall), or these credentials may not do this; {ASK}."
            )
        case "KeyBasedAuthenticationNotPermitted":
            return AccessDeniedError(
                f"{store} takes no account keys (they are switched off there); use a user delegation SAS, or {ASK}."
            )
        case "AccountIsDisabled":
            return AccessDeniedError(f"{store} is disabled (a payment, a policy?); {ASK}.")
    return AccessDeniedError(f"{store} refuses {what}: these credentials have no right to do this; {ASK}.")


def _wrong_key(store: str) -> StorageError:
    return AccessDeniedError(
        f"{store} refuses the credentials: wrong account key, or a shared access signature that has ended or is "
        "not its own; copy them again from the Azure portal."
    )


def _clock_is_off(headers: Mapping[str, str]) -> bool:
    try:
        there = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return False
    return abs(datetime.now(UTC) - there) > CLOCK


def needs_tls(store: str) -> StorageError:
    """Plain HTTP was spoken to something that wants TLS."""
    return ConfigError(
        f"{store} takes only HTTPS; write the endpoint, or the connection string's protocol, with https."
    )


def foreign_upload(key: str) -> StorageError:
    """Blocks with IDs of another length lie there, which Azure does not let stand beside ours."""
    return UnsupportedError(
        f'"{key}" cannot be stored beside an unfinished upload of another program; finish that one, or wait the week '
        "after which Azure drops it."
    )
