"""What boto3 raises, as our errors and in sentences.

Codes: Amazon S3 API reference, "Error responses".
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from ..errors import (
    AccessDeniedError,
    ConfigError,
    PreconditionFailedError,
    StorageError,
    StoreFullError,
    StoreUnavailableError,
    UnsupportedError,
)
from ..redaction import redact
from . import problems

log = logging.getLogger(__name__)

CLOCK = timedelta(minutes=14)
"""A clock that is off by more explains a refusal: S3 allows 15 minutes."""
KIND = "bucket"


@contextlib.contextmanager
def translated(store: str, bucket: str, key: str | None = None, version_id: str | None = None) -> Iterator[None]:
    """Turn what boto3 raises into our errors; ``store`` and ``bucket`` are their names in the sentences."""
    try:
        yield
    except (sdk.BotoCoreError, sdk.ClientError, ResponseParserError) as error:
        log.info("boto3: %s", redact(f"{type(error).__name__}: {error}"))
        if isinstance(error, sdk.ClientError):
            raise _answered(error, store, bucket, key, version_id) from error
        raise _not_answered(error, store, key) from error


def code_of(error: sdk.ClientError) -> str:
    """The store's code, such as ``NoSuchKey``; of a HEAD, which has no body, the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: sdk.ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refuse_pages(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handles what something else than S3 answers to a listing: boto3 would take it for a broken one, and ask again.

    Raises:
        ResponseParserError: it is no XML, or a page for people.
    """
    if response_dict["status_code"] < 300:
        begin = response_dict["body"].lstrip()[:9].lower()
        if begin and (not begin.startswith(b"<") or begin.startswith((b"<!doctype", b"<html"))):
            raise ResponseParserError(f"an answer that begins with {begin!r}")


def is_out_of_range(error: sdk.ClientError) -> bool:
    """Whether a GET began behind the last byte."""
    return status_of(error) == 416


def was_retried(error: sdk.ClientError) -> bool:
    """Whether this is the answer to a repetition: then the first request may have been carried out."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _not_answered(error: Exception, store: str, key: str | None) -> StorageError:
    """No answer, or none of S3's."""
    match error:
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError():
            return AccessDeniedError(
                "No AWS credentials were found, or only a part; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "name a profile or a credentials file."
            )
        case sdk.ProfileNotFound():
            return ConfigError(f"{redact(str(error))}; see the AWS config file for the profiles that there are.")
        case sdk.ConfigParseError() | sdk.ConfigNotFound():
            return ConfigError("The AWS config file of this user cannot be read; mend or remove it.")
        case (
            sdk.TokenRetrievalError()
            | sdk.SSOError()
            | sdk.CredentialRetrievalError()
            | sdk.RefreshWithMFAUnsupportedError()
        ):
            return AccessDeniedError(
                "The AWS sign-in of this profile gives no credentials, or has expired; sign in again (aws sso login)."
            )
        case sdk.ProxyConnectionError():
            return problems.proxy_refuses(store)
        case sdk.SSLError():
            return problems.not_tls(store) if "WRONG_VERSION" in str(error) else problems.untrusted(store)
        case sdk.EndpointConnectionError() | sdk.ConnectTimeoutError():
            return problems.unreachable(store)
        case sdk.ConnectionClosedError() if "BadStatusLine(" in str(
            error.kwargs.get("error")
        ):  # something answered that is no HTTP
            return problems.not_this_kind(store, "S3")
        case sdk.HTTPClientError() | sdk.ResponseStreamingError() | sdk.IncompleteReadError():
            return problems.broken(store)
        case ResponseParserError():
            return problems.not_this_kind(store, "S3")
        case sdk.InvalidEndpointConfigurationError() | sdk.InvalidRegionError() | sdk.NoRegionError():
            return ConfigError("The region in the settings is not one of AWS; write it like eu-central-1.")
        case sdk.ParamValidationError():
            return ConfigError(
                f"{what(key)} cannot be asked of {store}: a name in the settings breaks the rules of S3."
            )
    return StorageError(f"{what(key)} failed with {store} ({type(error).__name__}); the log has the details.")


def _answered(error: sdk.ClientError, store: str, bucket: str, key: str | None, version_id: str | None) -> StorageError:
    """The store said no."""
    code, status = code_of(error), status_of(error)
    asked = f'"{key}"' if key else "the request"
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if code == "RequestTimeTooSkewed" or (status == 403 and _clock_is_off(headers)):
        return problems.clock_off(store)
    if status == 407:
        return problems.proxy_refuses(store)
    is_page = headers.get("content-type", "").startswith("text/html")
    if is_page and status < 500 and not error.operation_name.startswith("Head"):  # no S3 has a word to say to a HEAD
        return problems.proxy_refuses(store) if get_environ_proxies(store) else problems.not_this_kind(store, "S3")
    match code:
        case "NoSuchBucket":
            return problems.no_bucket(bucket, KIND)
        case "NoSuchVersion":
            return problems.no_version(key or "", version_id)
        case "InvalidArgument" if version_id is not None:
            return problems.no_version(key or "", version_id)
        case "NoSuchKey" | "404" | "NotFound" if key is not None:
            return problems.no_version(key, version_id) if version_id is not None else problems.not_found(key)
        case "NoSuchUpload":
            return StorageError(f"The upload of {what(key)} was ended by somebody else, so push it again.")
        case "PreconditionFailed" | "412" | "ConditionalRequestConflict" if key is not None:
            return problems.changed(key)
        case "InvalidObjectState" if key is not None:
            return problems.archived(key, error.response["Error"].get("StorageClass"))
        case "InvalidAccessKeyId" | "InvalidClientTokenId":
            return AccessDeniedError(f"{store} does not know this access key; check the access key ID.")
        case "SignatureDoesNotMatch":
            return AccessDeniedError(f"{store} refuses the secret access key; check it, it is not the access key's.")
        case "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired":
            return AccessDeniedError("The AWS credentials have expired; sign in again, or renew them.")
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "301":
            return _other_region(error, bucket, headers)
        case "AccessControlListNotSupported":
            return ConfigError(
                f'The bucket "{bucket}" allows no public objects (its access lists are off); set public_access to '
                "false."
            )
        case "InvalidStorageClass":
            return ConfigError(
                "The storage_tier in the settings is none that the bucket knows; STANDARD is always one."
            )
        case "InvalidBucketName":
            return ConfigError(f'"{bucket}" cannot name a bucket; use 3 to 63 of a-z, 0-9 and "-".')
        case "EntityTooLarge" | "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull":
            return StoreFullError(f"{what(key)} was not stored: {store} has no room for it.")
        case "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch":
            return StoreUnavailableError(f"{what(key)} arrived damaged at {store} and was not stored; try again.")
        case "BucketAlreadyExists" | "BucketAlreadyOwnedByYou":
            return problems.bucket_exists(bucket, KIND)
        case "BucketNotEmpty":
            return problems.bucket_not_empty(bucket, KIND)
    if code.startswith("KMS."):
        return ConfigError(
            f"The KMS key in the settings cannot be used ({code}); check kms_key_id and the rights to it."
        )
    if status == 403 or code == "AccessDenied":
        return AccessDeniedError(
            f"{store} refuses {asked}: these credentials have no right to do this; ask who administers it."
        )
    if status == 501 or code in ("NotImplemented", "MethodNotAllowed"):
        return UnsupportedError(f"{store} cannot do what {asked} needs ({code}).")
    if status == 412:
        return PreconditionFailedError(f"{what(key)} is not what it was; look at it again.")
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException"):
        return problems.busy(store)
    if not code or not code[:1].isalpha():  # an answer without S3's error document
        return problems.not_this_kind(store, "S3")
    return StorageError(f"{what(key)} failed: {store} answers {code}; the log has the details.")


def _other_region(error: sdk.ClientError, bucket: str, headers: Mapping[str, Any]) -> StorageError:
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    where = f"in the region {region}; set region to that" if region else "in another region; set region to its own"
    return ConfigError(f'The bucket "{bucket}" is {where}.')


def _clock_is_off(headers: Mapping[str, Any]) -> bool:
    try:
        there = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return False
    return abs(datetime.now(UTC) - there) > CLOCK


def what(key: str | None) -> str:
    """How a sentence names what was asked for."""
    return f'"{key}"' if key else "The request"
