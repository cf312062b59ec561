"""The plain-folder store, ``"mock"``: ordinary files under their own names, on a disk, a shared drive or a NAS.

Beside the files lies ``.ggg_store``, with what a file system cannot say about a file::

    .ggg_store/id                                         the mark that tells this store from others
    .ggg_store/objects/<hashes of the key>/record.json    SHA-256 and metadata of each version
                                          /stamp          the ETag of the file as the last put left it
                                          /<version ID>   content of a version, the current one too (a hard link)
    .ggg_store/locks/<xx>.lock                            held while one key is compared and swapped
    .ggg_store/tmp/                                       content that is still arriving

What lies under a key's name *is* the object, whoever put it there. People save into the store with Blender, and tools
restore and copy it, so:

- A listing reads no record: version ID and ETag come from the file's own numbers (:mod:`.folder_files`).
- A put writes the record, then links the new content as a version, then swaps it in. Whichever file a crash leaves, old
  or new, its numbers find its own entry. Nothing has to be repaired, only left-overs to be given their place.
- What a swap replaced is looked at afterwards. If it is not what was compared, it is kept as a version too
  (:mod:`.folder_swap` says which gap that leaves, and where).
- The record's SHA-256 counts only for a file that has the ETag of the stamp. Any other file is delivered as it is.
- The files of the versions go by their own numbers, too: one that was written to after it was kept is another version.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from errno import EROFS
from pathlib import Path
from typing import BinaryIO

from ..errors import (
    AccessDeniedError,
    IntegrityError,
    InvalidIdError,
    ObjectNotFoundError,
    StorageError,
    StoreFullError,
    StoreUnavailableError,
    UnsupportedError,
)
from ..files import flush_to_disk, is_full, part_file
from ..names import STORE_FOLDER, check_key
from ..times import utc_from_ns
from . import problems
from .base import (
    CHUNK,
    Capabilities,
    Condition,
    ObjectInfo,
    ObjectVersion,
    OnBytes,
    Page,
    Source,
)
from .folder_changes import Changes
from .folder_files import etag_of, version_of, walk
from .folder_look import TRIES, Look, current_info
from .folder_records import Entry, Records
from .folder_shared import Shared
from .folder_twins import Twins

PAGE_SIZE = 1000


class FolderProvider:
    """A folder as an object store.

    Conditions and versions hold between processes, and between machines as far as the drive passes on file locks
    (SMB and NFSv4 do), and against programs that know nothing of the store.
    """

    capabilities = Capabilities(conditional_writes=True, versions=True, keys_below_keys=False, links=False)

    def __init__(self, root: Path) -> None:
        """Nothing is read or written yet."""
        self.root = root
        shared = Shared(root)
        self._records = Records(root / STORE_FOLDER, shared)
        twins = Twins(root, self._records)
        self._look = Look(root, self._records, twins)
        self._changes = Changes(root, shared, self._records, twins, self._look)
        self._listings: dict[tuple[str, str | None], Iterator[Page]] = {}
        """The last listing that was begun and may go on, by prefix and token: no page reads the folders again."""

    def __repr__(self) -> str:
        return f"FolderProvider({str(self.root)!r})"

    @property
    def location(self) -> str:
        """The folder's path."""
        return f"folder {self.root}"

    @property
    def identity(self) -> str:
        """A mark of the store's own: an unmounted drive leaves an empty folder of the same name, without it."""
        with self._translated():
            return self._look.mark()

    @property
    def local_folder(self) -> Path | None:
        """The folder itself."""
        return self.root

    def check(self) -> None:
        """Make the folder if it is not there, write to it, and give it its mark."""
        with self._translated():
            self._look.begin()

    def list(self, prefix: str = "", *, token: str | None = None) -> Page:
        """One page of at most 1,000 objects; links and what GGG Cloud keeps for itself are left out."""
        with self._translated():
            self._look.mark()
            pages = self._listings.pop((prefix, token), None) or self._pages(prefix, token or "")
            page = next(pages)
        if page.next_token is not None:
            self._listings = {(prefix, page.next_token): pages}
        return page

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Everything the record and the file say; the SHA-256 only where our own record vouches for the bytes."""
        with self._translated(key):
            return self._look.find(key, self._path(key), version_id)[1]

    @contextlib.contextmanager
    def get(
        self, key: str, *, version_id: str | None = None, if_match: str | None = None, start: int = 0
    ) -> Iterator["_FileDownload"]:
        """Read the file; one that is replaced meanwhile is read to its old end."""
        with self._translated(key):
            stream, info = self._open(key, version_id)
        with stream:
            if if_match is not None and info.etag != if_match:
                raise problems.changed(key)
            stream.seek(start)
            yield _FileDownload(info, stream, self._translated)

    def put(
        self,
        key: str,
        source: Source,
        *,
        condition: Condition = None,
        metadata: Mapping[str, str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> ObjectInfo:
        """Write beside, then compare and swap under the key's lock."""
        path = self._path(key)
        with self._translated(key):
            self._look.expect_store()
            with part_file(self._records.tmp(), "put") as part:
                with source.open() as reader:
                    sha256 = _receive(reader, part, source.size, on_bytes)
                    _give_mode(reader, part)
                source.verify()
                with self._records.lock(key):
                    return self._changes.commit(key, path, part, sha256, dict(metadata or {}), condition)

    def copy(self, key: str, target: str, *, version_id: str | None = None, condition: Condition = None) -> ObjectInfo:
        """Copy the file, or the version of it, as a put does; one that is not what was stored is refused."""
        path = self._path(target)
        with self._translated(key):
            self._look.expect_store()
            with part_file(self._records.tmp(), "copy") as part:
                reader, info = self._open(key, version_id)
                with reader:
                    sha256 = _receive(reader, part, info.size)
                if info.sha256 not in (None, sha256):
                    raise IntegrityError(
                        f'This version of "{key}" is damaged in the store (its SHA-256 differs), so it was not copied; '
                        "choose another one."
                    )
                with self._records.lock(target):
                    return self._changes.commit(target, path, part, sha256, info.metadata, condition)

    def delete(self, key: str, *, condition: Condition = None) -> None:
        """Move the content to the versions, and prune the folders that this leaves empty."""
        path = self._path(key)
        with self._translated(key):
            self._look.expect_store()
            with self._records.lock(key):
                self._changes.remove(key, path, condition)
            self._changes.prune(path)

    def delete_many(self, keys: Sequence[str]) -> Sequence[StorageError | None]:
        """One after the other: a folder has no requests to save."""

        def delete(key: str) -> StorageError | None:
            try:
                self.delete(key)
            except StorageError as error:
                return error
            return None

        return [delete(key) for key in keys]

    def vouches_for(self, info: ObjectInfo, path: Path, sha256: str) -> bool:
        """By the record, which has the SHA-256 as long as nobody has changed the file by hand."""
        try:
            seen = self.head(info.key, version_id=info.version_id)
        except ObjectNotFoundError:
            return False
        return (seen.etag, seen.sha256) == (info.etag, sha256)

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """All content that is still there, newest first."""
        path = self._path(key)
        with self._translated(key):
            stat, record, _ = self._look.at(key, path)
            kept = self._records.kept(record)
            entries = list(record.entries)
            known = {entry.version_id for entry in entries}
            # What another program wrote has no entry before the next put gives it one.
            unknown = sorted(kept.keys() - known, key=lambda each: Entry(each, None, "").mtime_ns, reverse=True)
            current = version_of(stat) if stat else None
            if stat and current not in known:
                unknown = [version_of(stat), *(each for each in unknown if each != current)]
            versions = [Entry(each, None, "") for each in unknown] + entries
            found = tuple(
                ObjectVersion(key, each.version_id, each.size, each.modified, is_current=each.version_id == current)
                for each in versions
                if each.version_id == current or each.version_id in kept
            )
        if not found:
            raise problems.not_found(key)
        return found

    def erase(self, key: str) -> None:
        """Remove the file, its versions and its record."""
        with contextlib.suppress(ObjectNotFoundError):
            self.delete(key)
        with self._translated(key), self._records.lock(key):
            self._records.forget(key)

    def tidy(self) -> None:
        """Remove content that never arrived."""
        with contextlib.suppress(StorageError), self._translated():
            self._records.tmp()

    def share_link(self, key: str, seconds: int, *, version_id: str | None = None) -> str:
        """A folder has none; the sentence says where the file lies."""
        self.head(key, version_id=version_id)
        raise UnsupportedError(f'A plain folder has no links to share; the file is "{self._path(key)}".')

    def _path(self, key: str) -> Path:
        """The key's file; never one outside the folder."""
        path = self.root / check_key(key)
        if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(self.root)):
            raise InvalidIdError(f'"{key}" lies behind a link that leads out of the store; use another ID.')
        return path

    def _open(self, key: str, version_id: str | None) -> tuple[BinaryIO, ObjectInfo]:
        """The file, and what is known of exactly this file: looked up again if it was replaced in between."""
        for number in range(10 * TRIES):
            path, info = self._look.find(key, self._path(key), version_id)
            with contextlib.suppress(FileNotFoundError):
                stream = path.open("rb")
                stat = os.fstat(stream.fileno())
                if path != self._path(key) or etag_of(stat) == info.etag:
                    return stream, info
                if version_id is None and number >= TRIES:  # somebody saves all the time; any save will do
                    return stream, current_info(key, self._records.read(key), stat, is_ours=False)
                stream.close()
        raise StoreUnavailableError(f'"{key}" is being written to all the time; try again later.')

    def _pages(self, prefix: str, after: str) -> Iterator[Page]:
        """All pages of a listing; the last one has no token."""
        found: list[ObjectInfo] = []
        unreadable: list[str] = []
        for key, stat in walk(self.root, prefix, after, unreadable):
            if len(found) == PAGE_SIZE:
                yield Page(tuple(found), found[-1].key, tuple(unreadable))
                found.clear()
                unreadable.clear()
            found.append(ObjectInfo(key, stat.st_size, utc_from_ns(stat.st_mtime_ns), etag_of(stat)))
        yield Page(tuple(found), None, tuple(unreadable))

    @contextlib.contextmanager
    def _translated(self, key: str | None = None) -> Iterator[None]:
        """Turn the system's errors about the store's folder into sentences."""
        what = f'"{key}"' if key else "The store"
        try:
            yield
        except StorageError:
            raise
        except OSError as error:
            if isinstance(error, PermissionError) or error.errno == EROFS:
                raise AccessDeniedError(
                    f'{what} cannot be read or written: the folder "{self.root}" refuses; check your rights to it.'
                ) from error
            if is_full(error):
                raise StoreFullError(
                    f'{what} was not stored: there is no room in "{self.root}"; free some space.'
                ) from error
            raise StoreUnavailableError(
                f'{what} cannot be reached in "{self.root}" ({error.strerror or error}); is the drive there?'
            ) from error


class _FileDownload:
    """An open file of the store as a :class:`~.base.Download`."""

    def __init__(
        self, info: ObjectInfo, stream: BinaryIO, translated: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self.info = info
        self._stream = stream
        self._translated = translated
        self._opened = version_of(os.fstat(stream.fileno()))

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._translated(self.info.key):  # not what the caller does with the bytes
                chunk = self._stream.read(CHUNK)
                now = version_of(os.fstat(self._stream.fileno()))  # a rename changes the ctime
            if now != self._opened:  # another program wrote into this very file: the bytes may be of both
                raise problems.changed(self.info.key)
            if not chunk:
                return
            yield chunk


def _receive(reader: BinaryIO, part: Path, size: int, on_bytes: OnBytes | None = None) -> str:
    """Write what is read into ``part``, and return its SHA-256; stops where there is more than ``size``.

    Where the file system can, it only notes that both files share their bytes, which takes neither time nor room.
    """
    digest = hashlib.sha256()
    arrived, is_shared = 0, True
    with part.open("w+b") as writer:
        while arrived <= size and (chunk := reader.read(CHUNK)):
            is_shared = is_shared and _share(reader, writer, arrived, chunk)
            if not is_shared:
                writer.seek(arrived)
                writer.write(chunk)
            digest.update(chunk)
            arrived += len(chunk)
            if on_bytes is not None:
                on_bytes(len(chunk))
        flush_to_disk(writer)
    return digest.hexdigest()


def _give_mode(reader: BinaryIO, part: Path) -> None:
    """Give the file the permissions of the one that it was read from, if it was one."""
    with contextlib.suppress(OSError):  # from memory, or a system without such permissions
        part.chmod(os.fstat(reader.fileno()).st_mode & 0o666 | 0o600)


def _share(reader: BinaryIO, writer: BinaryIO, position: int, chunk: bytes) -> bool:
    """Have the system copy these bytes (Linux manual, "copy_file_range"), and see whether it did.

    It cannot on other systems, between two file systems, or from memory.
    """
    try:
        os.copy_file_range(reader.fileno(), writer.fileno(), len(chunk), position, position)
        return os.pread(writer.fileno(), len(chunk), position) == chunk
    except (OSError, AttributeError):
        return False
