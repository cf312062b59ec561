"""What both sides held when they were last the same, kept in ``.ggg_cloud`` inside the synced folder."""

import contextlib
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from filelock import Timeout

from ..errors import LocalFileError
from ..files import NO_LOCKS, sweep_parts, take_lock, translated
from ..names import STATE_FOLDER
from .snapshot import Base, BaseFile, Fingerprint

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

TMP_FOLDER = f"{STATE_FOLDER}/tmp"
"""Where downloads arrive; each sync sweeps what a killed one left there."""
DATABASE = "state.db"
LOCK = "lock"
SCHEMA = 3
"""Written into the database; another one's state counts as lost."""
FORMER_SCHEMA = 2
"""That of 0.5, whose state is taken over."""
COMMIT_SECONDS = 1
"""At least so often what was done is saved; what a killed run did after that is found out anew."""
JUMP, DOUBT = timedelta(days=10), timedelta(days=3)
"""A clock that goes back or on by more than the one from one run to the next is not believed for the other."""
COLUMNS = ("path", "size", "mtime_ns", "inode", "ctime_ns", "settled", "sha256", "etag", "observed")


@dataclass(frozen=True)
class Clock:
    """The user's clock."""

    now: datetime
    """Local, and never before what the last run saw, should the clock have been set back."""
    is_steady: bool
    """Whether it has gone on for some days as clocks do. If it was just set, or nobody knows how it went, what is young
    may look old."""


class State:
    """The snapshot of the last sync.

    It may lag behind what was done (a crash), be lost, torn, or of another store: then less is known, and where
    nothing is known nothing is deleted.
    """

    def __init__(self, database: sqlite3.Connection, flush: Callable[[], object], folder: Path | None = None) -> None:
        """Use :func:`open_state`; ``folder`` is where the state lies, if it is not a copy."""
        self._database = database
        self._flush = flush
        self._folder = folder
        self._place = _place(folder)
        self._news: dict[str, BaseFile | None] = {}
        self._saved = time.monotonic()

    def expect_folder(self) -> None:
        """See that the folder is still there in which this state was opened: its drive can go away at any moment, and
        then all its files are missing, but not deleted.

        Raises:
            LocalFileError: it is not.
        """
        if self._folder is not None and (self._place is None or _place(self._folder) != self._place):
            raise LocalFileError(
                f'"{self._folder.parent}" went away during the sync; connect its drive again and sync once more.'
            )

    def load(self) -> Base:
        """Every path of the last sync."""
        return {
            path: BaseFile(
                Fingerprint(size, int(mtime), int(inode), None if ctime is None else int(ctime), bool(settled)),
                sha256,
                etag,
                bool(observed),
            )
            for path, size, mtime, inode, ctime, settled, sha256, etag, observed in self._database.execute(
                "SELECT * FROM files"
            )
        }

    @property
    def marker(self) -> str:
        """The name of the marker that this folder left in the store last; empty if it left none."""
        (marker,) = self._database.execute("SELECT marker FROM about").fetchone()
        return str(marker)

    def set_marker(self, marker: str) -> None:
        """Remember the marker, and save what it stands for."""
        self._database.execute("UPDATE about SET marker = ?", (marker,))
        self.save()

    def remember(self, path: str, file: BaseFile | None) -> None:
        """Both sides hold this content now, or neither holds any."""
        self._news[path] = file
        if time.monotonic() - self._saved > COMMIT_SECONDS:
            self.save()

    def clock(self, now: datetime) -> Clock:
        """What to think of the user's clock, which says ``now``, by what it said at the last runs."""
        seen, doubted = (
            datetime.fromisoformat(each) if each else None
            for each in self._database.execute("SELECT clock, doubted FROM about").fetchone()
        )
        if seen is None or now < seen or now - seen > JUMP:
            doubted = now
        self._database.execute("UPDATE about SET clock = ?, doubted = ?", (str(now), str(doubted) if doubted else None))
        latest = max(now, seen or now)
        return Clock(latest, is_steady=doubted is None or now - doubted > DOUBT)

    def save(self) -> None:
        """Write down what is new, in one transaction, when what it tells is on the disk."""
        self._flush()
        self._database.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_row(path, file) for path, file in self._news.items() if file is not None),
        )
        gone = [(path,) for path, file in self._news.items() if file is None]
        self._database.executemany("DELETE FROM files WHERE path = ?", gone)
        self._database.commit()
        self._news.clear()
        self._saved = time.monotonic()


@contextlib.contextmanager
def open_state(
    local_dir: Path, store: str, location: str, flush: Callable[[], object] = lambda: None, *, read_only: bool = False
) -> Iterator[State]:
    """The state of a folder with a store, held against any other sync of it; saved at the end, also after an error.

    Args:
        store: tells the store from every other one, also from another one in its place.
        location: where the store is.
        flush: makes what was done to the files survive a power cut.
        read_only: it is a copy, which nothing is saved of and nobody is kept from.

    Raises:
        LocalFileError: another sync of this folder runs, or the folder cannot be written.
    """
    folder = local_dir / STATE_FOLDER
    if read_only:
        try:
            with contextlib.closing(_copied(folder / DATABASE, store, location)) as database:
                yield State(database, flush)
        except sqlite3.Error as error:
            raise LocalFileError(f'The sync state in "{folder}" cannot be read ({error}); try again.') from error
        return
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = take_lock(folder / LOCK, 0)
        except Timeout:
            raise LocalFileError(f'Another sync of "{local_dir}" is running; wait until it ends.') from None
    try:
        with translated(folder):
            (local_dir / TMP_FOLDER).mkdir(exist_ok=True)
            sweep_parts(local_dir / TMP_FOLDER)
        with contextlib.closing(_open_database(folder / DATABASE, store, location)) as database:
            state = State(database, flush, folder)
            try:
                yield state
            finally:
                state.save()
    except sqlite3.Error as error:
        raise LocalFileError(f'The sync state in "{folder}" cannot be written ({error}); is the disk full?') from error
    finally:
        lock.release()


@dataclass(frozen=True)
class LastStore:
    """The store that a folder was last synced with."""

    store: str
    """As for :func:`open_state`."""
    location: str


def last_store(local_dir: Path) -> LastStore | None:
    """The store that the folder was last synced with, if that is known."""
    path = local_dir / STATE_FOLDER / DATABASE
    try:
        with _connected(path) as database:
            schemas = (SCHEMA, FORMER_SCHEMA)
            query = "SELECT store, location FROM about WHERE schema IN (?, ?)"
            return LastStore(*database.execute(query, schemas).fetchone())
    except (sqlite3.Error, TypeError):  # none, torn, or of another version of GGG Cloud
        return None


def known_etags(local_dir: Path, store: str, paths: Iterable[str]) -> dict[str, str]:
    """The ETags that paths had when the folder was last synced with this store, of those that were."""
    found: dict[str, str] = {}
    with contextlib.suppress(sqlite3.Error), _connected(local_dir / STATE_FOLDER / DATABASE) as database:
        about = "SELECT 1 FROM about WHERE schema IN (?, ?) AND store = ?"
        if database.execute(about, (SCHEMA, FORMER_SCHEMA, store)).fetchone():
            for path in paths:
                for (etag,) in database.execute("SELECT etag FROM files WHERE path = ?", (path,)):
                    found[path] = etag
    return found


def _copied(path: Path, store: str, location: str) -> sqlite3.Connection:
    """A copy in memory, whole even while a sync writes to the original."""
    copy = sqlite3.connect(":memory:")
    try:
        if path.exists():
            with _connected(path) as original:
                original.backup(copy)
        return _prepared(copy, store, location)
    except sqlite3.OperationalError:
        copy.close()
        raise
    except sqlite3.DatabaseError:  # torn
        copy.close()
        return _prepared(sqlite3.connect(":memory:"), store, location)


def _connected(path: Path) -> contextlib.closing[sqlite3.Connection]:
    """A database that is there already.

    Not with "ro", by which SQLite refuses to read what a killed sync left half written, instead of rolling it back.
    """
    return contextlib.closing(_connect(path, "rw"))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A database on a drive without file locks is opened without (SQLite, "URI filenames": nolock); our own lock keeps
    other syncs away there."""
    nolock = "" if _has_locks(path.parent) else "&nolock=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}{nolock}", uri=True)


def _has_locks(folder: Path) -> bool:
    if sys.platform == "win32":
        return True
    try:
        with (folder / LOCK).open("rb+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    return True


def _place(folder: Path | None) -> tuple[int, int] | None:
    """What tells a folder from another one in its place."""
    if folder is not None:
        with contextlib.suppress(OSError):
            stat = folder.stat()
            return stat.st_dev, stat.st_ino
    return None


def _open_database(path: Path, store: str, location: str) -> sqlite3.Connection:
    try:
        return _prepared(_connect(path, "rwc"), store, location)
    except sqlite3.OperationalError:  # locked, or the disk: it may be good all the same
        raise
    except sqlite3.DatabaseError:
        log.warning("The sync state %s cannot be read; this is a first sync again", path, exc_info=True)
        os.replace(path, path.with_suffix(".damaged"))
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # which SQLite would play back into the new one
        return _prepared(_connect(path, "rwc"), store, location)


def _prepared(database: sqlite3.Connection, store: str, location: str) -> sqlite3.Connection:
    try:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the integrity check failed")
        database.execute("CREATE TABLE IF NOT EXISTS about (schema INTEGER, store TEXT, location TEXT)")
        found = [each[:3] for each in database.execute("SELECT * FROM about").fetchall()]
        if found != [(SCHEMA, store, location)]:
            _begin(database, found, store, location)
        if [row[1] for row in database.execute("PRAGMA table_info(files)")] != list(COLUMNS):
            raise sqlite3.DatabaseError("it has other columns")
        database.commit()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _begin(database: sqlite3.Connection, found: list[tuple[int, str, str]], store: str, location: str) -> None:
    """Make a state for this store, of what is known of it. ``found`` is whose state it was so far."""
    if [each[:2] for each in found] == [(SCHEMA, store)]:  # the store is in another place now
        database.execute("UPDATE about SET location = ?", (location,))
        return
    rows: list[tuple[object, ...]] = []
    if [each[:2] for each in found] == [(FORMER_SCHEMA, store)]:
        rows = database.execute("SELECT *, 1 FROM files").fetchall()
    else:
        log.info("A first sync with the store %s", store)
    database.execute("DROP TABLE IF EXISTS files")
    database.execute("DROP TABLE about")
    database.execute(
        "CREATE TABLE about (schema INTEGER, store TEXT, location TEXT, marker TEXT, clock TEXT, doubted TEXT)"
    )
    database.execute("INSERT INTO about VALUES (?, ?, ?, '', NULL, NULL)", (SCHEMA, store, location))
    # Times and inodes as text: mergerfs and Gluster have inodes of 64 bits, which SQLite's signed integers cannot hold.
    database.execute(
        "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns TEXT, inode TEXT, ctime_ns TEXT,"
        " settled INTEGER, sha256 TEXT, etag TEXT, observed INTEGER) WITHOUT ROWID"
    )
    database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _row(path: str, file: BaseFile) -> tuple[object, ...]:
    seen = file.fingerprint
    ctime = None if seen.ctime_ns is None else str(seen.ctime_ns)
    times = (str(seen.mtime_ns), str(seen.inode), ctime)
    return (path, seen.size, *times, seen.settled, file.sha256, file.etag, file.observed)
