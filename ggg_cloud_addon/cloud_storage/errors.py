"""The errors of the engine.

``str(error)`` is one sentence for a person: what happened, to which component, and what to do. Each type also is
the built-in that Python programmers expect (``FileNotFoundError``, ``PermissionError``, ...).
"""


class StorageError(Exception):
    """Anything that the engine reports to its user."""


class ConfigError(StorageError, ValueError):
    """A setting, a config file or a credentials file that cannot be used."""


class SdkError(ConfigError):
    """The Python packages that a provider needs are not there, or not those that it needs."""


class InvalidIdError(StorageError, ValueError):
    """A component ID that could not be stored or pulled safely on every system."""


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """The store has no such object, or no such version of it."""


class BucketNotFoundError(StorageError, FileNotFoundError):
    """There is no such bucket or container; never a reason to believe that an object is gone."""


class AccessDeniedError(StorageError, PermissionError):
    """The store refuses: wrong credentials, or no right to do this."""


class PreconditionFailedError(StorageError, FileExistsError):
    """A conditional write or delete lost: the object is not what the caller believed it to be."""


class IntegrityError(StorageError, OSError):
    """The bytes that arrived do not have the SHA-256 that was stored with them."""


class StoreUnavailableError(StorageError, ConnectionError):
    """The store cannot be reached or cannot answer now; trying again later may help."""


class StoreFullError(StorageError, OSError):
    """There is no room for the bytes, on the store's side or on this machine."""


class UnsupportedError(StorageError, NotImplementedError):
    """This store cannot do that; its :class:`~.providers.base.Capabilities` say so."""


class ArchivedError(StorageError, OSError):
    """The object lies in an archive tier and has to be brought back (rehydrated) before it can be read."""


class LocalFileError(StorageError, OSError):
    """A file or folder on this machine that cannot be read or written."""


class SourceChangedError(StorageError, OSError):
    """The file was written to while it was being uploaded; nothing was stored."""


class MassDeleteError(StorageError):
    """A sync would delete more than one run may; a person has to say so."""

    paths: tuple[str, ...] = ()
    """What would be deleted."""


class CancelledError(StorageError):
    """The user stopped it; nothing half-done was left behind."""
