"""Azure Blob Storage, ``"azure"``: each component is one block blob, an ordinary object that any tool can fetch.

Conditions hold on every write and delete (ETags). Content up to :data:`~.azure_client.SINGLE` is one Put Blob; more is
blocks, see :mod:`.azure_blocks`. Older content is reachable where the account keeps blob versions, and as snapshots.

An account with a hierarchical namespace (Data Lake) has real folders: there ``k`` and ``k/x`` cannot both be blobs.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from azure.core.exceptions import HttpResponseError
from azure.core.utils import case_insensitive_dict
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    BlobSasPermissions,
    StandardBlobTier,
    generate_blob_sas,
)

from ..config import CloudStorageConfig
from ..errors import (
    ArchivedError,
    ConfigError,
    LocalFileError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    StoreUnavailableError,
    UnsupportedError,
)
from ..files import FileSource, translated
from ..in_flight import Steps, all_at_once
from ..metadata import decode_metadata, encode_metadata
from . import problems
from .azure_answers import (
    SNAPSHOT,
    conditions,
    etag_of,
    is_object,
    listed,
    md5_of,
    object_info,
    object_version,
    split_version,
    version_query,
)
from .azure_blocks import Blocks
from .azure_client import SINGLE, Account, Again
from .azure_cut import is_cut
from .azure_errors import refused
from .azure_known import Part, PatchedDownload, blocks_of, parts_of
from .azure_lane import METADATA, RANGE, BlobBody, Request, condition_headers, lease_headers, properties_of, written
from .azure_streams import READ, Sent, Taken
from .azure_vouched import vouches
from .base import (
    Capabilities,
    Condition,
    Download,
    IfAbsent,
    IfMatch,
    ObjectInfo,
    ObjectVersion,
    OnBytes,
    Page,
    Source,
)
from .fast_lane import Asked
from .limits import Rate
from .streams import Body, ResumingDownload, read_source

log = logging.getLogger(__name__)

TIERS = {tier.value.lower(): tier for tier in StandardBlobTier if tier.value in ("Hot", "Cool", "Cold", "Archive")}
PAGE = 5000
"""Blobs in one answer: the most there are (Microsoft Learn, "List Blobs")."""
BATCH = 256
"""Blobs that one request deletes (Microsoft Learn, "Blob Batch")."""
COPY_LINK_SECONDS = 3600
"""How long the store may read the source of a copy."""


class AzureProvider:
    """One container of an Azure storage account."""

    local_folder = None

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is asked of the store yet.

        Raises:
            ConfigError: the container has no name, or a setting is none of Azure's.
        """
        self._config = config
        self._account = Account(config)
        self._tier: StandardBlobTier | None = None
        if config.storage_tier:
            if config.storage_tier.lower() not in TIERS:
                known = ", ".join(tier.value for tier in TIERS.values())
                raise ConfigError(f'The storage_tier "{config.storage_tier}" is none of Azure\'s; use one of: {known}.')
            self._tier = TIERS[config.storage_tier.lower()]
        self._pool = ThreadPoolExecutor(config.max_concurrency, thread_name_prefix="azure")
        self._small_pool = ThreadPoolExecutor(config.max_concurrency**2, thread_name_prefix="azure-small")
        self._leases: dict[str, str] = {}
        self._rate = Rate(config.bandwidth_limit)

    def __repr__(self) -> str:
        return f"AzureProvider({self._account.container_name!r})"

    @property
    def location(self) -> str:
        """The container and its account."""
        return self._account.location

    @property
    def identity(self) -> str:
        """The account, its endpoint and the container."""
        return f"azure:{self._account.name}:{self._account.service.primary_hostname}:{self._account.container_name}"

    @property
    def capabilities(self) -> Capabilities:
        """Asks once whether the account keeps versions (see :attr:`~.azure_client.Account.keeps_versions`)."""
        versions = bool(self._account.keeps_versions)
        return Capabilities(conditional_writes=True, versions=versions, keys_below_keys=True, links=True)

    def check(self) -> None:
        """List one blob: whether the account, the credentials and the container are good for it."""
        with self._account.translated():
            pages = self._account.container.list_blobs(self._config.prefix or None, results_per_page=1).by_page()
            next(pages, None)

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        """One page of blobs; folders, and what GGG Cloud keeps for itself in folders, are left out."""
        with self._account.translated():
            # The metadata tells a Data Lake's folders from files.
            pages = self._account.container.list_blobs(
                prefix or None, include=["metadata"], results_per_page=PAGE
            ).by_page(token)
            blobs = list(next(pages, ()))
            following = getattr(pages, "continuation_token", None)
        return Page(tuple(listed(blob) for blob in blobs if is_object(blob)), following or None)

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """The blob's properties."""
        return object_info(key, self._properties(key, version_id), version_id)

    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> AbstractContextManager[ResumingDownload]:
        """Read the bytes as they are stored, by one connection at a time, each for all that is left. The first request
        goes out at once."""
        with self._account.translated(key, version_id):
            sent = self._account.send(_part(key, version_id, if_match, start))
        return self._reading(key, version_id, if_match, start, sent)

    @contextlib.contextmanager
    def _reading(
        self, key: str, version_id: str | None, if_match: str | None, start: int, sent: Asked | None
    ) -> Iterator[ResumingDownload]:
        with contextlib.ExitStack() as connections:

            def open_at(position: int, etag: str | None, **options: Any) -> tuple[BlobProperties, Iterator[bytes]]:
                properties, body = self._open(key, version_id, etag, position, **options)
                connections.callback(body.close)
                return properties, self._chunks(key, body)

            try:
                properties, stream = open_at(start, if_match, sent=sent)
                whole = properties.content_range  # none where nothing less was asked for
                size = int(str(whole).rpartition("/")[2]) if whole else properties.size
            except _PastEndError:
                properties, stream = self._properties(key, version_id, if_match), iter(())
                size = properties.size
            info = object_info(key, properties, version_id, size)
            # The SDK retries the first request; what comes after is ResumingDownload's.
            yield ResumingDownload(info, start, stream, lambda begin, end: open_at(begin, info.etag, retry_total=0)[1])

    def get_like(
        self, key: str, path: Path, *, version_id: str | None = None, if_match: str | None = None
    ) -> AbstractContextManager[Download]:
        """A large blob that is in blocks which tell their content: only those are read that the file lacks."""
        try:
            is_worth_it = is_cut(path.stat().st_size)
        except OSError:
            is_worth_it = False
        if is_worth_it:
            return self._reading_what_is_lacking(key, path, version_id, if_match)
        return self.get(key, version_id=version_id, if_match=if_match)

    @contextlib.contextmanager
    def _reading_what_is_lacking(
        self, key: str, path: Path, version_id: str | None, if_match: str | None
    ) -> Iterator[Download]:
        known = self._known(key, path, version_id, if_match)
        if known is None:
            with self.get(key, version_id=version_id, if_match=if_match) as download:
                yield download
            return
        info, parts = known
        with contextlib.ExitStack() as connections:

            def fetch(begin: int, end: int) -> Iterator[bytes]:
                _, body = self._open(key, version_id, info.etag, begin, end, retry_total=0)
                connections.callback(body.close)
                return self._chunks(key, body)

            yield PatchedDownload(info, parts, path, fetch)

    def _known(
        self, key: str, path: Path, version_id: str | None, if_match: str | None
    ) -> tuple[ObjectInfo, Sequence[Part]] | None:
        """What a file has of a blob; ``None`` if it is not worth it, or not known."""
        info = object_info(key, self._properties(key, version_id, if_match), version_id)
        if not is_cut(info.size):
            return None
        try:
            with self._account.translated(key, version_id):
                blocks = blocks_of(self._blob(key, version_id), info)
        except StorageError as error:
            log.info("%s does not tell its blocks: %s", key, error)
            return None
        parts = parts_of(blocks, path)
        return (info, parts) if parts else None

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        """One request, or blocks that an upload begun before has perhaps left."""
        return all_at_once(self.putting(key, source, condition, metadata or {}, on_bytes))

    def putting(
        self, key: str, source: Source, condition: Condition, metadata: Mapping[str, str], on_bytes: OnBytes | None
    ) -> Steps[ObjectInfo]:
        """The same in steps, see :class:`~.base.PutsInSteps`."""
        if source.size > SINGLE:
            blocks = self._blocks(key)
            answer, sha256 = blocks.put(
                source,
                on_bytes,
                lambda ids, sha256: self._commit(key, ids, encode_metadata(metadata, sha256), condition),
            )
            return self._written(key, answer, source.size, sha256, metadata)
        with source.open() as reader:
            content = read_source(reader, source.size, key)
        source.verify()
        sha256 = hashlib.sha256(content).hexdigest()
        stored, body = encode_metadata(metadata, sha256), Body(content, on_bytes, self._rate)
        headers = {f"{METADATA}{name}": value for name, value in stored.items()}
        headers |= {"x-ms-blob-type": "BlockBlob", **condition_headers(condition), **lease_headers(self._lease(key))}
        if self._tier is not None:
            headers["x-ms-access-tier"] = self._tier.value
        request = Request("PUT", key, headers, body=body)
        with self._account.translated(key):
            sent = self._account.send(request)
        yield
        answer = self._write(
            key,
            condition,
            sha256,
            lambda **options: self._blob(key).upload_blob(
                content,
                length=len(content),
                overwrite=True,  # the condition says whether
                metadata=stored,
                standard_blob_tier=self._tier,
                **Sent(body).options,
                **options,
            ),
            (request, sent),
            is_ours=lambda properties: md5_of(properties) == hashlib.md5(content, usedforsecurity=False).hexdigest(),
        )
        return self._written(key, answer, len(content), sha256, metadata)

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        """Have the store read the blob into blocks of the target, and commit them: the target is old or new, whole.

        (Copy Blob, which needs no blocks, leaves an empty target where a large copy fails: Microsoft Learn.)
        """
        properties = self._properties(key, version_id)
        info = object_info(key, properties, version_id)
        if info.tier == StandardBlobTier.ARCHIVE.value:  # the answer to a block's request would not say so
            raise problems.archived(key, info.tier)

        def commit(ids: Sequence[str]) -> Mapping[str, Any]:
            stored = dict(properties.metadata or {})
            return self._commit(target, ids, stored, condition, content_settings=properties.content_settings)

        with self._account.translated(key, version_id):
            url = self._url(key, version_id, COPY_LINK_SECONDS)
        answer = self._blocks(target).copy(info, url, commit)
        written = self._written(target, answer, info.size, info.sha256, info.metadata)
        try:
            return object_info(target, self._properties(target, if_match=written.etag), None)
        except StorageError:  # replaced again already
            return written

    def delete(self, key: str, *, condition: Condition = None) -> None:
        """Delete the blob; the account keeps it as a version if it has those."""
        if isinstance(condition, IfAbsent):
            self.head(key)
            raise problems.already_there(key)
        again = Again()
        try:
            with self._account.translated(key):
                self._blob(key).delete_blob(retry_hook=again, **conditions(condition), **self._lease(key))
        except (ObjectNotFoundError, PreconditionFailedError):
            if not (again.happened and self._is_gone(key)):  # else the first request, whose answer was lost, did it
                raise

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        """By batches of 256; without the account's key side by side, as a signature need not allow batches."""
        if self._account.key is None:
            return list(self._pool.map(self._delete_one, keys))
        rest = iter(keys)
        errors: list[StorageError | None] = []
        while batch := list(islice(rest, BATCH)):
            errors += self._delete_batch(batch)
        return errors

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """By one request at least, which tells whether the MD5 is the store's own."""
        if FileSource(path).size != info.size:
            return False
        try:
            with self._account.translated(info.key, info.version_id), translated(path):
                return vouches(self._blob(info.key, info.version_id), info, path)
        except (StoreUnavailableError, LocalFileError):
            raise
        except StorageError as error:
            log.info("%s tells no checksum: %s", info.key, error)
            return False

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """Blob versions and snapshots."""
        found = []
        with self._account.translated(key):
            for blob in self._account.container.list_blobs(key, include=["versions", "snapshots"]):
                if blob.name != key:  # the listing is in order, and the key comes before what begins with it
                    break
                found.append(blob)
        if not any(blob.version_id or blob.snapshot for blob in found) and not self._account.keeps_versions:
            raise UnsupportedError(
                f'The Azure account keeps no versions of "{key}"; switch versioning on in the Azure portal (storage '
                "account > Data protection)."
            )
        if not found:
            raise problems.not_found(key)
        history = (object_version(key, blob) for blob in found)
        # Both kinds of ID are a time in ISO 8601, to 100 ns.
        return tuple(
            sorted(history, key=lambda each: (each.is_current, each.version_id.removeprefix(SNAPSHOT)), reverse=True)
        )

    def snapshot(self, key: str) -> str:
        """Keep the blob as it is now; the answer is a version ID.

        Raises:
            ObjectNotFoundError: there is no such object.
        """
        with self._account.translated(key):
            return f"{SNAPSHOT}{self._blob(key).create_snapshot()['snapshot']}"

    @contextlib.contextmanager
    def lease(self, key: str, seconds: int | None = 60) -> Iterator[None]:
        """Lock an object: meanwhile only this instance writes to it, and others get AccessDeniedError.

        Args:
            seconds: after which the lock ends by itself, 15 to 60 (Microsoft Learn, "Lease Blob"); ``None`` is never.

        Raises:
            AccessDeniedError: somebody else has locked it.
            ConfigError: another number of seconds.
            ObjectNotFoundError: there is no such object.
        """
        if seconds is not None and not 15 <= seconds <= 60:
            raise ConfigError(f"A lock of {seconds} s is none that Azure has; use 15 to 60 s, or None for no end.")
        with self._account.translated(key):
            lease = self._blob(key).acquire_lease(-1 if seconds is None else seconds)
        self._leases[key] = str(lease.id)
        try:
            yield
        finally:
            del self._leases[key]
            try:
                with self._account.translated(key):
                    lease.release()
            except StorageError as error:  # deleted meanwhile, or it ended by itself
                log.info('The lock on "%s" was not released: %s', key, error)

    def erase(self, key: str) -> None:
        """Delete the blob, its snapshots and its versions. (Soft delete, if it is on, keeps them a while longer.)"""
        with contextlib.suppress(ObjectNotFoundError), self._account.translated(key):
            self._blob(key).delete_blob(delete_snapshots="include", **self._lease(key))
        with self._account.translated(key):
            for blob in self._account.container.list_blobs(key, include=["versions"]):
                if blob.name != key:
                    break
                if blob.version_id:
                    self._blob(key, blob.version_id).delete_blob()

    def tidy(self) -> None:
        """Nothing: Azure drops blocks that no commit took up."""

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        """A URL with a shared access signature that only reads."""
        self.head(key, version_id=version_id)
        if self._account.key is None:
            raise UnsupportedError(
                f'No link to "{key}" can be made: the credentials are a shared access signature; it takes the '
                "account's key to sign links."
            )
        with self._account.translated(key, version_id):
            return self._url(key, version_id, seconds)

    # -- one blob

    def _blob(self, key: str, version_id: str | None = None) -> BlobClient:
        return self._account.container.get_blob_client(key, **split_version(version_id))

    def _lease(self, key: str) -> dict[str, Any]:
        return {"lease": self._leases[key]} if key in self._leases else {}

    def _properties(self, key: str, version_id: str | None = None, if_match: str | None = None) -> BlobProperties:
        with self._account.translated(key, version_id):
            return self._blob(key, version_id).get_blob_properties(
                **conditions(IfMatch(if_match) if if_match else None)
            )

    def _is_gone(self, key: str) -> bool:
        try:
            self._properties(key)
        except ObjectNotFoundError:
            return True
        return False

    def _open(
        self,
        key: str,
        version_id: str | None,
        if_match: str | None,
        start: int,
        stop: int | None = None,
        sent: Asked | None = None,
        **options: Any,
    ) -> tuple[BlobProperties, Taken | BlobBody]:
        """The properties, and the bytes from ``start`` up to ``stop``, or to the end."""

        def by_sdk() -> tuple[BlobProperties, Taken | BlobBody]:
            body = Taken()
            try:
                download = self._blob(key, version_id).download_blob(
                    start or None if stop is None else start,
                    None if stop is None else stop - start,
                    **conditions(IfMatch(if_match) if if_match else None),
                    **body.options,
                    **options,
                )
            except HttpResponseError as error:
                if error.status_code == 416 and start:
                    raise _PastEndError from error
                raise
            except ValueError as error:  # the SDK's, of a whole that came for a part
                raise problems.no_ranges(self._account.store) from error
            return download.properties, body

        with self._account.translated(key, version_id):
            request = _part(key, version_id, if_match, start, stop)
            return self._account.ask(request, lambda headers, body: (properties_of(headers), body), by_sdk, sent=sent)

    def _chunks(self, key: str, body: Taken | BlobBody) -> Iterator[bytes]:
        while True:
            with self._account.translated(key):
                chunk = body.read_some(self._rate.piece(READ))
            if not chunk:
                return
            self._rate.take(len(chunk))
            yield chunk

    def _url(self, key: str, version_id: str | None, seconds: int) -> str:
        """The blob's address, with a signature for reading it, or with the one that the credentials are."""
        url = self._blob(key, version_id).url
        version = split_version(version_id)
        parameters = []
        if "version_id" in version and "versionid=" not in url:
            parameters.append(f"versionid={quote(version['version_id'], safe='')}")
        if self._account.key is not None:
            signature = generate_blob_sas(
                self._account.name,
                self._account.container_name,
                key,
                account_key=self._account.key,
                permission=BlobSasPermissions(read=True),
                expiry=datetime.now(UTC) + timedelta(seconds=seconds),
                protocol="https" if url.startswith("https:") else "https,http",
                **version,
            )
            parameters.append(signature)
        for parameter in parameters:
            url += ("&" if "?" in url else "?") + parameter
        return url

    # -- writing

    def _blocks(self, key: str) -> Blocks:
        pools = self._pool, self._small_pool
        return Blocks(key, self._account, self._blob(key), *pools, self._lease(key), self._rate)

    def _commit(
        self, key: str, ids: Sequence[str], stored: Mapping[str, str], condition: Condition, **options: Any
    ) -> Mapping[str, Any]:
        """Make blocks the blob's content; ``stored`` is its encoded metadata."""

        def is_ours(properties: BlobProperties) -> bool:
            with self._account.translated(key):
                blocks = blocks_of(self._blob(key), object_info(key, properties, None))
            return [block.id for block in blocks or ()] == [*ids]

        return self._write(
            key,
            condition,
            decode_metadata(stored)[1],
            lambda **more: self._blob(key).commit_block_list(
                [BlobBlock(each) for each in ids],
                metadata=dict(stored),
                standard_blob_tier=self._tier,
                **options,
                **more,
            ),
            is_ours=is_ours,
        )

    def _write(
        self,
        key: str,
        condition: Condition,
        sha256: str | None,
        send: Callable[..., Mapping[str, Any]],
        fast: tuple[Request, Asked | None] | None = None,
        *,
        is_ours: Callable[[BlobProperties], bool],
    ) -> Mapping[str, Any]:
        """Send a write; one whose answer was lost, and which a retry then found done, is done.

        Args:
            send: by the SDK, with these options.
            fast: the same for the fast lane, and whether it is on its way already.
            is_ours: whether a blob with this SHA-256 in its metadata, which could be stale, has the content written.
        """
        again = Again()

        def slow() -> Mapping[str, Any]:
            return send(retry_hook=again, **conditions(condition), **self._lease(key))

        try:
            with self._account.translated(key):
                if fast is None:
                    answer = slow()
                else:
                    request, sent = fast
                    answer = self._account.ask(request, written, slow, again=again, sent=sent)
        except ArchivedError as error:
            raise ArchivedError(
                f'"{key}" lies in the Archive tier, where it cannot be replaced; bring it back in the Azure portal, or '
                "delete it, and try again."
            ) from error
        except StorageError:
            if again.happened and condition is not None and sha256 is not None:
                with contextlib.suppress(StorageError):
                    properties = self._properties(key)
                    if decode_metadata(properties.metadata or {})[1] == sha256 and is_ours(properties):
                        return dict(properties)
            raise
        self._account.wrote(answer.get("version_id"))
        return answer

    def _written(
        self, key: str, answer: Mapping[str, Any], size: int, sha256: str | None, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        return ObjectInfo(
            key,
            size,
            answer["last_modified"],
            etag_of(answer["etag"]),
            answer.get("version_id"),
            sha256,
            tier=self._tier.value if self._tier else None,
            metadata=dict(metadata),
        )

    def _delete_one(self, key: str) -> StorageError | None:
        try:
            self.delete(key)
        except StorageError as error:
            return error
        return None

    def _delete_batch(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        again = Again()
        blobs = [{"name": key, "lease_id": self._leases.get(key)} for key in keys]
        with self._account.translated():
            parts = list(self._account.container.delete_blobs(*blobs, raise_on_any_failure=False, retry_hook=again))
        errors: list[StorageError | None] = []
        for key, part in zip(keys, parts, strict=True):
            headers = case_insensitive_dict(part.headers)
            code = headers.get("x-ms-error-code", "")
            if part.status_code < 300 or (again.happened and part.status_code == 404):
                errors.append(None)
            else:
                store = f"Azure account {self._account.name}"
                errors.append(refused(store, self._account.container_name, key, None, part.status_code, headers, code))
        return errors


def _part(key: str, version_id: str | None, if_match: str | None, start: int, stop: int | None = None) -> Request:
    """Asks for the bytes from ``start`` up to ``stop``, or to the end."""
    headers = condition_headers(IfMatch(if_match) if if_match else None)
    if start or stop is not None:
        headers[RANGE] = f"bytes={start}-{'' if stop is None else stop - 1}"
    return Request("GET", key, headers, version_query(version_id))


class _PastEndError(Exception):
    """A read from the end on (416)."""
