"""The sentences that stores have in common."""

from ..errors import (
    AccessDeniedError,
    ArchivedError,
    BucketNotFoundError,
    ConfigError,
    ObjectNotFoundError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    StoreUnavailableError,
    UnsupportedError,
)


def not_found(key: str) -> StorageError:
    """There is no such object."""
    return ObjectNotFoundError(f'The store has no "{key}"; list what it has.')


def no_version(key: str, version_id: str | None) -> StorageError:
    """There is no such version of it."""
    return ObjectNotFoundError(f'"{key}" has no version "{version_id}"; list its versions.')


def source_changed(key: str) -> StorageError:
    """The file that is uploaded is another one than it was when the upload began."""
    return SourceChangedError(
        f'"{key}" was written to on this machine while it was uploaded, so nothing was stored; try again.'
    )


def changed(key: str) -> StorageError:
    """It is another object than the caller knows."""
    return PreconditionFailedError(f'"{key}" was changed in the store meanwhile; look at it again.')


def already_there(key: str) -> StorageError:
    """The key was to be new, and is not."""
    return PreconditionFailedError(f'"{key}" is in the store already; pull it, or choose another ID.')


def archived(key: str, tier: str | None) -> StorageError:
    """Its bytes are in an archive."""
    return ArchivedError(
        f'"{key}" lies in the {tier or "archive"} tier, where it cannot be read at once; bring it back (rehydrate or '
        "restore it) in the cloud's console and pull it again later."
    )


def unreachable(store: str) -> StorageError:
    """No connection."""
    return StoreUnavailableError(f"{store} cannot be reached; check the network and the endpoint's address.")


def broken(store: str) -> StoreUnavailableError:
    """The connection was there and went away."""
    return StoreUnavailableError(f"The connection to {store} broke; try again.")


def busy(store: str) -> StorageError:
    """It answers that it cannot now (429, 5xx), also after retries."""
    return StoreUnavailableError(f"{store} is overloaded or out of order at the moment; try again later.")


def proxy_refuses(store: str) -> StorageError:
    """A proxy between here and the store says no."""
    return StoreUnavailableError(
        f"The proxy on the way to {store} refuses or cannot be reached; check the settings HTTPS_PROXY and HTTP_PROXY."
    )


def untrusted(store: str) -> StorageError:
    """TLS: the certificate."""
    return StoreUnavailableError(
        f"The certificate of {store} is not trusted on this machine; if it is your own server, give its certificate in "
        "the setting ca_bundle."
    )


def not_tls(store: str) -> StorageError:
    """TLS was spoken to something that speaks plain HTTP, or the other way round."""
    return ConfigError(f"{store} does not speak HTTPS; write the endpoint with http:// if it is a server of your own.")


def not_this_kind(store: str, kind: str) -> StorageError:
    """Something else answers there."""
    return ConfigError(f"{store} answers, but not as {kind} does; check the endpoint's address.")


def no_ranges(store: str) -> StorageError:
    """It was asked for the rest of an object, and sends something else."""
    return UnsupportedError(
        f"{store} cannot read an object from the middle, so a broken transfer cannot go on; try again on a better line."
    )


def clock_off(store: str) -> StorageError:
    """Signatures hold for minutes only."""
    return AccessDeniedError(
        f"The clock of this machine is off by more than {store} allows (15 minutes); set it right and try again."
    )


def no_bucket(name: str, kind: str) -> StorageError:
    """There is no such bucket or container."""
    return BucketNotFoundError(
        f'There is no {kind} "{name}" there; check the name, or create it (Test Connection in Blender, or '
        "ggg-cloud check --create)."
    )


def bucket_unnamed(kind: str) -> StorageError:
    """The configuration lacks it."""
    return ConfigError(f"The {kind} has no name in the settings; set bucket_name (--bucket).")


def bucket_exists(name: str, kind: str) -> StorageError:
    """It was to be made, and is there."""
    return PreconditionFailedError(f'There is a {kind} "{name}" already; use it, or choose another name.')


def bucket_not_empty(name: str, kind: str) -> StorageError:
    """It was to be deleted, and is in use."""
    return PreconditionFailedError(
        f'The {kind} "{name}" is not empty, so it was not deleted; delete what is in it first, all versions too.'
    )
