"""What this machine knows of the contents in a store: their chunks, so that the next version is sent as changes.

A cache and nothing more. An entry is used only while the store's ETag is the one that it was made with, an entry that
is torn or gone means that the next file is sent whole, and no error of the disk here is anyone's concern but the log's.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from .chunks import CUT, Chunks
from .config import APP

log = logging.getLogger(__name__)

ROOM = 256 << 20
"""Bytes that all entries may have. One takes a 3,000th of its content."""
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Remembered:
    """The content that a key had when its ETag was this one."""

    etag: str
    sha256: str
    """Of the whole content, in hex."""
    chunks: Chunks


class ChunkMemory:
    """The entries of one store, a file for each key. Any number of processes may use them at once."""

    def __init__(self, store: str, folder: Path | None = None, room: int = ROOM) -> None:
        """``store`` tells the bucket from all others; ``folder``, the user's own cache by default, is for all stores.

        Nothing is read or written before the first call.
        """
        self._store = store
        self._folder = folder or Path(platformdirs.user_cache_dir(APP, appauthor=False)) / "chunks"
        self._room = room

    def recall(self, key: str) -> Remembered | None:
        """What is remembered of the key, if anything."""
        try:
            content = self._file(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("The chunks of %s cannot be read: %s", key, error)
            return None
        return self._parsed(key, content)

    def remember(self, key: str, etag: str, sha256: str, chunks: Chunks) -> None:
        """The key has this content now. The entries that were written longest ago make room for it."""
        head = json.dumps([CUT, self._store, key, etag, sha256, chunks.size]).encode() + b"\n"
        content = head + chunks.packed
        file = self._file(key)
        part = file.with_suffix(f".{secrets.token_hex(8)}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(content + hashlib.sha256(content).digest())
                os.replace(part, file)
            finally:
                part.unlink(missing_ok=True)
            self._make_room()
        except OSError as error:
            log.warning("The chunks of %s cannot be remembered: %s", key, error)
            self.forget(key)  # the entry of its former content is of no use

    def forget(self, key: str) -> None:
        """Nothing is known of the key any more."""
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            log.warning("The chunks of %s cannot be removed: %s", key, error)

    def _file(self, key: str) -> Path:
        name = hashlib.sha256(f"{self._store}\0{key}".encode(errors="surrogatepass")).hexdigest()
        return self._folder / name[:40]

    def _parsed(self, key: str, content: bytes) -> Remembered | None:
        body, digest = content[:-_DIGEST], content[-_DIGEST:]
        if hashlib.sha256(body).digest() != digest:
            log.warning("What was remembered of the chunks of %s is damaged.", key)
            return None
        head, _, packed = body.partition(b"\n")
        cut, store, known, etag, sha256, size = json.loads(head)
        if (cut, store, known) != (CUT, self._store, key):  # of another version of this program
            return None
        return Remembered(etag, sha256, Chunks(size, packed))

    def _make_room(self) -> None:
        entries = []
        with os.scandir(self._folder) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    entries.append((stat.st_mtime_ns, stat.st_size, entry.path))
        excess = sum(size for _, size, _ in entries) - self._room
        for _, size, path in sorted(entries):
            if excess <= 0:
                break
            Path(path).unlink(missing_ok=True)
            excess -= size
