"""The interface between the engine and a store.

A provider knows keys and bytes, nothing of components, prefixes or sync. Retry, simulated faults and limits are
decorators around one. Every provider passes ``tests/providers/conformance.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, cast, runtime_checkable

from ..errors import StorageError
from ..in_flight import Steps

CHUNK = 1 << 20
"""Bytes read, hashed and written at a time."""


@dataclass(frozen=True)
class Capabilities:
    """What a store can do. What it cannot is refused with :class:`~..errors.UnsupportedError`."""

    conditional_writes: bool
    """Put and delete under a :data:`Condition` are one step, also between processes and machines. Where not, the
    store is asked right before: who writes in that same moment can be overwritten."""
    versions: bool
    """Replaced and deleted content stays reachable by its version ID."""
    keys_below_keys: bool
    """``k`` and ``k/x`` can both be objects (a file system cannot have that)."""
    links: bool
    """Objects can be shared by a link that ends."""

    def missing_promises(self, location: str) -> tuple[str, ...]:
        """What cannot be promised there, in sentences; for a check, and before the first sync."""
        sentences = []
        if not self.conditional_writes:
            sentences.append(
                f"The {location} ignores the conditions of a write: if two people change a component in the same "
                "moment, one change is lost without a word, where other stores refuse it."
            )
        if not self.versions:
            sentences.append(
                f"The {location} keeps no versions: what is replaced or deleted there is gone, but for what a sync "
                "puts into its trash."
            )
        return tuple(sentences)


@dataclass(frozen=True)
class ObjectInfo:
    """One object, or one version of it."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    """Aware, UTC, by the store's clock."""
    etag: str
    version_id: str | None = None
    sha256: str | None = None
    """In hex. ``None`` in listings, and for objects that another tool wrote. It stands in the object's metadata, which
    another tool may have kept when it wrote other bytes: :meth:`Provider.vouches_for` tells."""
    created: datetime | None = None
    tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """ASCII keys in lower case. Empty in listings."""
    md5: str | None = field(default=None, compare=False)
    """In hex, where the store tells one besides the ETag. Not every answer of one store has it."""


@dataclass(frozen=True)
class ObjectVersion:
    """One version in the history of a key."""

    key: str
    version_id: str
    size: int
    modified: datetime
    is_current: bool


@dataclass(frozen=True)
class Page:
    """A part of a listing, each key once, in an order of the store's own."""

    objects: tuple[ObjectInfo, ...]
    next_token: str | None
    """Give it to the next call; ``None`` on the last page."""
    unreadable: tuple[str, ...] = ()
    """Keys that the store could not look at, and with a ``/`` at the end folders of which it knows nothing."""


@dataclass(frozen=True)
class IfAbsent:
    """Only if there is no such object (S3: ``If-None-Match: *``)."""


@dataclass(frozen=True)
class IfMatch:
    """Only if the object still has this ETag (S3: ``If-Match``)."""

    etag: str


Condition = IfAbsent | IfMatch | None

OnBytes = Callable[[int], None]
"""Called with the number of bytes that just moved. What it raises (to cancel) ends the transfer."""


class Source(Protocol):
    """The bytes of one upload."""

    size: int

    def open(self) -> BinaryIO:
        """A fresh reader from the first byte; may be called again for a retry."""

    def verify(self) -> None:
        """Called when all is read and before the object is made.

        Raises:
            SourceChangedError: the bytes changed since the upload began.
        """


class Download(Protocol):
    """An object that is being read: what it is, and its bytes."""

    info: ObjectInfo

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of at most a few MiB, each byte once."""


class Provider(Protocol):
    """A store. Every method raises the errors of :mod:`..errors` and nothing else; instances are thread-safe."""

    @property
    def location(self) -> str:
        """Where the store is, for people."""

    @property
    def identity(self) -> str:
        """Tells this store from every other one, also from an empty one in its place."""

    @property
    def local_folder(self) -> Path | None:
        """The folder on this machine in which the objects lie; ``None`` for a cloud."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do; may ask the store the first time."""

    def check(self) -> None:
        """Ask the store whether it is there and may be read and written.

        Raises:
            StorageError: it cannot be used, with the reason.
        """

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        """One page of the objects whose key begins with ``prefix``."""

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Everything about one object.

        Raises:
            ObjectNotFoundError: there is none.
        """

    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> AbstractContextManager[Download]:
        """Read an object from byte ``start`` on; ``if_match`` refuses another one than that ETag's.

        The request may go out now, and the answer be waited for where the context is entered.

        Raises:
            ObjectNotFoundError: there is none.
            PreconditionFailedError: it is another one by now.
        """

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        """Store the whole source, or leave the store as it was. The answer has the SHA-256 of what was sent.

        Raises:
            PreconditionFailedError: the condition does not hold.
            SourceChangedError: the source changed while it was read.
        """

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        """Copy an object (or a version of it) inside the store, with its metadata; the bytes stay there.

        Raises:
            ObjectNotFoundError: there is no such object or version.
            PreconditionFailedError: the condition, which is on ``target``, does not hold.
        """

    def delete(self, key: str, *, condition: Condition = None) -> None:
        """Delete an object; where the store has versions, its content stays reachable as one.

        Raises:
            ObjectNotFoundError: there is none.
            PreconditionFailedError: the condition does not hold.
        """

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        """Delete objects with as few requests as the store allows; for each, in order, why it was not deleted."""

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """Whether the store's own ETag or checksum shows that the object holds the bytes of a local file.

        ``False``: they differ, or the store cannot tell. The object's metadata plays no part in it.

        Args:
            info: the object, also as a listing gives it.
            sha256: of the file.

        Raises:
            StoreUnavailableError: the store was asked and did not answer.
            LocalFileError: the file cannot be read.
        """

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """The history of a key, newest first; of a deleted one too.

        Raises:
            ObjectNotFoundError: the key never was.
            UnsupportedError: the store keeps no versions.
        """

    def erase(self, key: str) -> None:
        """Remove an object and all its versions for good; nothing happens if there is none."""

    def tidy(self) -> None:
        """End what killed processes of this machine left unfinished in the store; after a run, which may resume it.

        Where there is nothing, the store is not asked. What cannot be ended now is for a later run.
        """

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        """A link that lets anybody read the object for so long; it is itself a secret.

        Raises:
            ObjectNotFoundError: there is no such object.
            UnsupportedError: the store has no links.
        """


@runtime_checkable
class PutsInSteps(Protocol):
    """A provider that can ask for several puts before it waits for the first one's answer."""

    def putting(
        self, key: str, source: Source, condition: Condition, metadata: Mapping[str, str], on_bytes: OnBytes | None
    ) -> Steps[ObjectInfo]:
        """:meth:`Provider.put` in steps."""


def putting(
    provider: Provider,
    key: str,
    source: Source,
    *,
    condition: Condition = None,
    metadata: Mapping[str, str] | None = None,
    on_bytes: OnBytes | None = None,
) -> Steps[ObjectInfo]:
    """:meth:`Provider.put` in as many steps as the provider has for it."""
    if issubclass(type(provider), PutsInSteps):  # of an instance it takes twenty times as long
        return (yield from cast(PutsInSteps, provider).putting(key, source, condition, metadata or {}, on_bytes))
    return provider.put(key, source, condition=condition, metadata=metadata, on_bytes=on_bytes)


@runtime_checkable
class GetsWhatIsLacking(Protocol):
    """A provider whose store tells which ranges of an object a file has already."""

    def get_like(
        self, key: str, path: Path, *, version_id: str | None = None, if_match: str | None = None
    ) -> AbstractContextManager[Download]:
        """:meth:`Provider.get`, for an object that is to replace this file, which may be missing."""


def getting(
    provider: Provider, key: str, path: Path, *, version_id: str | None = None, if_match: str | None = None
) -> AbstractContextManager[Download]:
    """:meth:`Provider.get` of what the file ``path`` is to hold, by way of what it holds where the provider can."""
    if issubclass(type(provider), GetsWhatIsLacking):
        return cast(GetsWhatIsLacking, provider).get_like(key, path, version_id=version_id, if_match=if_match)
    return provider.get(key, version_id=version_id, if_match=if_match)


@dataclass(frozen=True)
class BucketFacts:
    """What a store tells of a bucket or container. ``None``: it does not tell, or not to these credentials."""

    region: str | None = None
    keeps_versions: bool | None = None
    is_public: bool | None = None
    """Whether anybody may read the objects."""
    encryption: str | None = None
    """How new objects are encrypted unless told otherwise."""
    unfinished_uploads: int | None = None
    """Begun longer than a day ago and neither finished nor aborted; they cost money."""


class Bucket(Protocol):
    """The bucket or container itself, apart from what is in it. Raises the errors of :mod:`..errors`."""

    def create(self) -> None:
        """Make it, private unless the configuration says public, with versions where the store can switch them on.

        Raises:
            PreconditionFailedError: there is one of that name.
        """

    def delete(self) -> None:
        """Delete it.

        Raises:
            PreconditionFailedError: it is not empty.
        """

    def facts(self) -> BucketFacts:
        """What is really set, asked of the store."""

    def keep_versions(self) -> None:
        """From now on keep what is replaced or deleted.

        Raises:
            UnsupportedError: the store cannot switch that on here.
        """

    def block_public_access(self) -> None:
        """From now on nobody reads without credentials, whatever single objects allow."""

    def names(self) -> tuple[str, ...]:
        """All buckets that these credentials see."""


def list_pages(provider: Provider, prefix: str = "") -> Iterator[Page]:
    """Page after page of the objects whose key begins with ``prefix``.

    Raises:
        StorageError: a page failed; what came before is then no complete listing.
    """
    token = None
    while True:
        page = provider.list(prefix, token=token)
        yield page
        token = page.next_token
        if token is None:
            return


def list_all(provider: Provider, prefix: str = "") -> Iterator[ObjectInfo]:
    """Every object whose key begins with ``prefix``, but for what cannot be looked at (:attr:`Page.unreadable`).

    Raises:
        StorageError: as :func:`list_pages`.
    """
    for page in list_pages(provider, prefix):
        yield from page.objects
