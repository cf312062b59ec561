"""Whether a storage does what GGG Cloud needs: tried out there, and said in sentences.

It is the harmless part of ``tests/providers/conformance.py``, on one object, which is removed again.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    StoreUnavailableError,
    UnsupportedError,
)
from .files import BytesSource
from .manager import CloudStorageManager
from .providers.base import Condition, IfAbsent, IfMatch, ObjectInfo

log = logging.getLogger(__name__)

NAME = "ggg-cloud-check-"
"""Begins the name of the object that a check makes."""
CONTENT = bytes(range(256)) * 256
OTHER = CONTENT[::-1]
METADATA = {"checked_by": "GGG Cloud, Größe 1"}
CLOCK_REMARK = timedelta(minutes=1)
CLOCK_LIMIT = timedelta(minutes=14)
"""S3 and Azure refuse requests whose clock is off by 15."""
UNVERSIONED = "null"
"""The version ID that S3 gives while versioning is suspended."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """A short word, such as ``"access"`` or ``"versions"``; ``"missing"``: there is no such bucket yet."""
    ok: bool | None
    """``None``: a remark, or the store does not tell."""
    sentence: str


Findings = Iterator[Finding]


def check_storage(manager: CloudStorageManager, *, create: bool = False, keep_versions: bool = False) -> list[Finding]:
    """Look at the bucket, and try reading, writing, conditions, versions and deletes with an object of our own.

    The object is removed with all its versions, also after a failure and after Ctrl-C. What fails is a finding; after
    one that makes the rest pointless nothing more is tried.

    Args:
        create: make the bucket or container first.
        keep_versions: first switch versions on; that the store then keeps none is a failure.

    Raises:
        ConfigError: the provider's SDK is not installed.
        InvalidIdError: the prefix is too long for more below it.
    """
    trial = _Trial(manager, versions_wanted=keep_versions)
    steps: list[tuple[str, Callable[[], Findings]]] = [
        ("access", lambda: _access(manager)),
        ("bucket", lambda: _facts(manager)),
        ("write", trial.write),
        ("read", trial.read),
        ("metadata", trial.metadata),
        ("conditions", trial.conditions),
        ("versions", trial.versions),
        ("delete", trial.delete),
        ("clock", trial.clock),
    ]
    if keep_versions:
        steps.insert(1, ("versions", lambda: _keep_versions(manager)))
    if create:
        steps.insert(0, ("create", lambda: _create(manager)))
    findings: list[Finding] = []
    try:
        for about, step in steps:
            try:
                findings += step()
            except StorageError as error:
                log.warning("Checking %s: %s failed", about, manager.provider.location, exc_info=error)
                is_missing = isinstance(error, BucketNotFoundError)
                findings.append(Finding("missing" if is_missing else about, False, str(error)))
                if about in ("create", "access", "write") or isinstance(error, StoreUnavailableError):
                    break
    finally:
        findings += trial.remove()
    return findings


def _create(manager: CloudStorageManager) -> Findings:
    try:
        manager.bucket.create()
    except (PreconditionFailedError, UnsupportedError) as error:  # it is there already, or needs no making
        yield Finding("create", None, str(error))
    else:
        readers = "everybody may read it" if manager.config.public_access else "it is private"
        yield Finding("create", True, f"The {manager.provider.location} was made; {readers}.")


def _access(manager: CloudStorageManager) -> Findings:
    manager.provider.check()
    yield Finding("access", True, f"The {manager.provider.location} is there and can be listed.")


def _keep_versions(manager: CloudStorageManager) -> Findings:
    """Whether it helped, the trial tells: there are servers that accept everything."""
    try:
        manager.bucket.keep_versions()
    except UnsupportedError as error:
        if not manager.provider.capabilities.versions:
            yield Finding("versions", None, str(error))


def _facts(manager: CloudStorageManager) -> Findings:
    """What the store says of the bucket."""
    try:
        facts = manager.bucket.facts()
    except UnsupportedError:  # a plain folder
        return
    except AccessDeniedError as error:
        yield Finding("bucket", None, str(error))
        return
    if facts.region:
        yield Finding("region", True, f"The storage lies in the region {facts.region}.")
    yield _public(facts.is_public, manager.config.public_access)
    if facts.encryption:
        yield Finding("encryption", True, f"New components are encrypted at rest ({facts.encryption}).")
    else:
        yield Finding("encryption", None, "The store does not tell whether it encrypts at rest.")
    if facts.unfinished_uploads:
        yield Finding(
            "uploads",
            None,
            f"{facts.unfinished_uploads} uploads were begun more than a day ago and are unfinished; they cost money, "
            "so let a lifecycle rule of the bucket remove such.",
        )


def _public(is_public: bool | None, is_wanted: bool) -> Finding:
    if is_public is None:
        return Finding("public", None, "The store does not tell whether the public may read the components.")
    if is_public and not is_wanted:
        return Finding(
            "public",
            False,
            "The public may read the components, although public_access is false in the settings; block public access "
            "in the cloud's console.",
        )
    if is_public:
        return Finding("public", True, "The public may read the components, as public_access in the settings says.")
    if is_wanted:
        return Finding("public", None, "The storage as a whole is not public, although public_access is set.")
    return Finding("public", True, "The storage as a whole is not public.")


class _Trial:
    """One object's life, step by step."""

    def __init__(self, manager: CloudStorageManager, *, versions_wanted: bool) -> None:
        self._provider = manager.provider
        self._where = f"The {manager.provider.location}"
        self._versions_wanted = versions_wanted
        self._key = manager.key_of(f"{NAME}{secrets.token_hex(8)}")
        self._begun = False
        self._stored: ObjectInfo | None = None
        self._clock_off = timedelta(0)

    def write(self) -> Findings:
        self._begun = True
        before = datetime.now(UTC).replace(microsecond=0)  # as times in headers are
        stored = self._put(CONTENT)
        self._clock_off = max(before - stored.modified, stored.modified - datetime.now(UTC))
        yield Finding("write", True, "Components can be stored.")

    def read(self) -> Findings:
        middle = len(CONTENT) // 2 + 1
        if self._read() == CONTENT and self._read(start=middle) == CONTENT[middle:]:
            yield Finding("read", True, "Components come back as they were, whole and from the middle.")
        else:
            yield Finding("read", False, "Components come back other than they were stored; do not use this storage.")

    def metadata(self) -> Findings:
        info = self._provider.head(self._key)
        if (info.sha256, dict(info.metadata)) == (_sha256(CONTENT), METADATA):
            yield Finding("metadata", True, "Components keep their metadata, and the SHA-256 that pulls check.")
        else:
            yield Finding(
                "metadata",
                False,
                "Components lose their metadata, or the SHA-256 that pulls check; a proxy on the way may drop headers.",
            )

    def conditions(self) -> Findings:
        old = self._put(OTHER)
        self._put(CONTENT, IfMatch(old.etag))
        missed = [
            name
            for name, attempt in {
                "storing only what is new": lambda: self._put(OTHER, IfAbsent()),
                "replacing only what is known": lambda: self._put(OTHER, IfMatch(old.etag)),
                "deleting only what is known": lambda: self._provider.delete(self._key, condition=IfMatch(old.etag)),
            }.items()
            if not _is_refused(attempt)
        ]
        capabilities = self._provider.capabilities
        remarks = replace(capabilities, versions=True).missing_promises(self._provider.location)
        if missed:
            sentence = f"{self._where} fails at {' and at '.join(missed)}, so people can overwrite each other's work."
            yield Finding("conditions", False, sentence)
        elif not remarks:
            yield Finding("conditions", True, "What somebody else has changed meanwhile is not overwritten.")
        for remark in remarks:
            yield Finding("conditions", None, remark)

    def versions(self) -> Findings:
        old = self._put(OTHER)
        self._put(CONTENT)
        capabilities = self._provider.capabilities
        if capabilities.versions:
            history = [each.version_id for each in self._provider.versions(self._key)]
            if old.version_id in history and self._read(version_id=old.version_id) == OTHER:
                yield Finding("versions", True, "What is replaced or deleted stays among the versions.")
            else:
                sentence = f"{self._where} says that it keeps versions, but what was replaced is not among them."
                yield Finding("versions", False, sentence)
        elif old.version_id not in (None, UNVERSIONED):
            sentence = "Versions are kept, but these credentials may not ask for them, nor go back to one."
            yield Finding("versions", None, sentence)
        else:
            for sentence in replace(capabilities, conditional_writes=True).missing_promises(self._provider.location):
                yield Finding("versions", False if self._versions_wanted else None, sentence)

    def delete(self) -> Findings:
        self._provider.delete(self._key)
        try:
            self._provider.head(self._key)
        except ObjectNotFoundError:
            yield Finding("delete", True, "Components can be deleted.")
        else:
            yield Finding("delete", False, "A component that was deleted is still there.")

    def clock(self) -> Findings:
        if self._clock_off < CLOCK_REMARK:
            yield Finding("clock", True, "The clocks of the store and of this machine agree.")
        else:
            minutes = round(self._clock_off.total_seconds() / 60)
            yield Finding(
                "clock",
                None if self._clock_off < CLOCK_LIMIT else False,
                f"The clocks of the store and of this machine are {minutes} min apart; set the wrong one right, as "
                "clouds refuse 15 min.",
            )

    def remove(self) -> list[Finding]:
        """Leave nothing, or say what is left. In a thread, as Ctrl-C ends none, and its process waits for it."""
        if not self._begun:
            return []
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: list(self._remove())).result()

    def _remove(self) -> Findings:
        try:
            self._provider.erase(self._key)
            return
        except StorageError:
            log.warning("%s was not erased", self._key, exc_info=True)
        try:
            self._provider.delete(self._key)
        except ObjectNotFoundError:
            pass
        except StorageError as error:
            if self._stored or not isinstance(error, AccessDeniedError):
                sentence = f'"{self._key}" may be left there, as it could not be removed; delete it by hand.'
                yield Finding("cleanup", False, sentence)
            return
        if self._stored and self._stored.version_id:
            sentence = f'Old versions of "{self._key}" are left, as these credentials may not remove versions for good.'
            yield Finding("cleanup", None, sentence)

    def _put(self, content: bytes, condition: Condition = None) -> ObjectInfo:
        self._stored = self._provider.put(self._key, BytesSource(content), condition=condition, metadata=METADATA)
        return self._stored

    def _read(self, *, version_id: str | None = None, start: int = 0) -> bytes:
        with self._provider.get(self._key, version_id=version_id, start=start) as download:
            return b"".join(download)


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PreconditionFailedError:
        return True
    return False


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
