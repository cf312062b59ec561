"""What both sides held when they were last the same, kept in ``.ggg_cloud`` inside the synced folder."""

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import LocalFileError
from ..files import sweep_parts, translated
from ..names import STATE_FOLDER
from .scan import Base, BaseFile, Fingerprint

log = logging.getLogger(__name__)

TMP_FOLDER = f"{STATE_FOLDER}/tmp"
"""Where downloads arrive; each sync sweeps what a killed one left there."""
SCHEMA = 1
"""Written into the database; another one's state counts as lost."""


COLUMNS = ("path", "size", "mtime_ns", "inode", "ctime_ns", "sha256", "etag")


class State:
    """The snapshot of the last sync.

    It may lag behind what was done (a crash), be lost, torn, or of another store: then less is known, and where
    nothing is known nothing is deleted.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use :func:`open_state`."""
        self._database = database

    def load(self) -> Base:
        """Every path of the last sync."""
        rows = self._database.execute("SELECT * FROM files")
        return {row[0]: BaseFile(Fingerprint(*row[1:5]), row[5], row[6]) for row in rows}

    def remember(self, path: str, file: BaseFile) -> None:
        """Both sides hold this content now."""
        seen = file.fingerprint
        self._database.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
            (path, seen.size, seen.mtime_ns, seen.inode, seen.ctime_ns, file.sha256, file.etag),
        )

    def forget(self, path: str) -> None:
        """Neither side holds it any more."""
        self._database.execute("DELETE FROM files WHERE path = ?", (path,))


@contextlib.contextmanager
def open_state(local_dir: Path, store: str, *, read_only: bool = False) -> Iterator[State]:
    """The state of a folder with a store, held against any other sync of it; saved at the end, also after an error.

    With ``read_only`` it is a copy, which nothing is saved of and nobody is kept from.

    Raises:
        LocalFileError: another sync of this folder runs, or the folder cannot be written.
    """
    folder = local_dir / STATE_FOLDER
    if read_only:
        with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as copy, translated(folder):
            for path in folder.glob("state.db*"):
                shutil.copy(path, copy)
            with contextlib.closing(_open_database(Path(copy, "state.db"), store)) as database:
                yield State(database)
        return
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LocalFileError(f'Another sync of "{local_dir}" is running; wait until it ends.') from None
    try:
        with translated(folder):
            (local_dir / TMP_FOLDER).mkdir(exist_ok=True)
            sweep_parts(local_dir / TMP_FOLDER)
        with contextlib.closing(_open_database(folder / "state.db", store)) as database:
            try:
                yield State(database)
            finally:
                database.commit()
    except sqlite3.Error as error:
        raise LocalFileError(f'The sync state in "{folder}" cannot be written ({error}); is the disk full?') from error
    finally:
        lock.release()


def _open_database(path: Path, store: str) -> sqlite3.Connection:
    try:
        return _prepared(sqlite3.connect(path), store)
    except sqlite3.OperationalError:  # locked, or the disk: it may be good all the same
        raise
    except sqlite3.DatabaseError:
        log.warning("The sync state %s cannot be read; this is a first sync again", path, exc_info=True)
        os.replace(path, path.with_suffix(".damaged"))
        return _prepared(sqlite3.connect(path), store)


def _prepared(database: sqlite3.Connection, store: str) -> sqlite3.Connection:
    try:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the integrity check failed")
        database.execute("CREATE TABLE IF NOT EXISTS about (schema INTEGER, store TEXT)")
        if database.execute("SELECT * FROM about").fetchall() != [(SCHEMA, store)]:
            log.info("A first sync with the store %s", store)
            database.execute("DELETE FROM about")
            database.execute("DROP TABLE IF EXISTS files")
            database.execute("INSERT INTO about VALUES (?, ?)", (SCHEMA, store))
        database.execute(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER,"
            " inode INTEGER, ctime_ns INTEGER, sha256 TEXT, etag TEXT) WITHOUT ROWID"
        )
        if [row[1] for row in database.execute("PRAGMA table_info(files)")] != list(COLUMNS):
            raise sqlite3.DatabaseError("it has other columns")
        database.commit()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
