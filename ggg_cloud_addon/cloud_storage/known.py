"""What this user has seen of the components in a store: so that a push replaces only what its file was made from.

A memory and nothing more, on this machine. An entry that is lost means that a person is asked once more, so a database
that is torn begins anew, and an error of the disk concern nobody but the log. An entry cannot do harm either: it names
an ETag, and whatever is done on the ground of it is done on the condition that the store still has that ETag.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TypeVar

import platformdirs

from .components import ComponentInfo
from .config import APP

log = logging.getLogger(__name__)

SCHEMA = 1
"""Another one's database begins anew."""
DAY = 24 * 3600
MAX_AGE = 365 * DAY
"""Seconds after which an entry that was not confirmed is dropped."""
MAX_ENTRIES = 100_000
"""The oldest beyond them are dropped."""
FRESH = 7 * DAY
"""Younger entries that hold need no new date, so that a listing that is repeated writes nothing."""
WAIT = 5.0
"""Seconds for another process that writes."""

SEEN = ""
"""In the place of a file's path: the version that the user pushed, pulled or was shown last."""
PUSHED = "pushed"
"""The version that the user pushed last. No absolute path looks like these two."""
UPSERT = f"""
INSERT INTO known VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (store, component, place) DO UPDATE SET etag = ?4, at = ?5
WHERE etag != ?4 OR at NOT BETWEEN ?5 - {FRESH} AND ?5
"""
"""Nothing is written where the entry says so already."""

Answer = TypeVar("Answer")


class Known:
    """The memory for one store, for one thread. Any number of processes may have it at once.

    A store is told by its location and prefix: its identity may take a request, and a plain folder gets one only with
    its first sync, which must not make strangers of what was pushed before.
    """

    def __init__(self, store: str, path: Path | None = None) -> None:
        """``path`` is the database, in the user's own folder for state by default. Nothing is read or written yet."""
        self._store = _text(store)
        self._path = path or Path(platformdirs.user_state_dir(APP, appauthor=False)) / "known.db"
        self._database: sqlite3.Connection | None = None

    def of_file(self, component_id: str, file: Path) -> str | None:
        """The ETag of the version that a file was last pulled from or pushed as."""
        return self._recall(component_id, _place(file))

    def pushed(self, component_id: str) -> str | None:
        """That of the version that the user pushed last, from whatever file."""
        return self._recall(component_id, PUSHED)

    def seen(self, component_id: str) -> str | None:
        """That of the version that the user pushed, pulled or was shown last."""
        return self._recall(component_id, SEEN)

    def remember_pushes(self, pushed: Iterable[tuple[ComponentInfo, Path | None]]) -> None:
        """The user pushed these versions, each from this file, or, by going back to it, from none."""
        self._remember(
            (info.component_id, place, info.etag)
            for info, file in pushed
            for place in (SEEN, PUSHED, *([_place(file)] if file else []))
        )

    def remember_pull(self, info: ComponentInfo, *files: Path, is_current: bool = True) -> None:
        """These files were made from this version; one that is not current was not shown as what the store has now."""
        places = [SEEN] * is_current + [_place(file) for file in files]
        self._remember((info.component_id, place, info.etag) for place in places)

    def remember_shown(self, etags: Iterable[tuple[str, str]]) -> None:
        """The user was shown that components, by ID, have these ETags now."""
        self._remember((component_id, SEEN, etag) for component_id, etag in islice(etags, MAX_ENTRIES))

    def _recall(self, component_id: str, place: str) -> str | None:
        def recall(database: sqlite3.Connection) -> str | None:
            found = database.execute(
                "SELECT etag FROM known WHERE store = ? AND component = ? AND place = ?",
                (self._store, _text(component_id), place),
            ).fetchone()
            return str(found[0]) if found else None

        return self._tried(recall)

    def _remember(self, entries: Iterable[tuple[str, str, str]]) -> None:
        now = int(time.time())
        rows = [(self._store, _text(component_id), place, etag, now) for component_id, place, etag in entries]

        def remember(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(UPSERT, rows)
                if database.total_changes:
                    _prune(database, now)

        self._tried(remember)

    def _tried(self, act: Callable[[sqlite3.Connection], Answer]) -> Answer | None:
        """What comes of it with the database; ``None`` where that cannot be used."""
        try:
            try:
                return act(self._opened())
            except sqlite3.OperationalError:  # held by another process, or the disk: it may be good all the same
                raise
            except sqlite3.DatabaseError:
                log.warning("%s cannot be read and begins anew", self._path, exc_info=True)
                self.close()
                for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                    path.unlink(missing_ok=True)
                return act(self._opened())
        except (OSError, sqlite3.Error) as error:
            log.warning("What was seen of the store is not known (%s: %s)", self._path, error)
            self.close()
            return None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, timeout=WAIT)
            self._database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is lost, and may be
            if _schema(self._database) != SCHEMA:
                _make(self._database)
        return self._database

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None


def _schema(database: sqlite3.Connection) -> int:
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    return int(schema)


def _make(database: sqlite3.Connection) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        if _schema(database) == SCHEMA:  # another process has made it meanwhile
            return
        database.execute("DROP TABLE IF EXISTS known")
        database.execute(
            "CREATE TABLE known (store TEXT, component TEXT, place TEXT, etag TEXT NOT NULL,"
            " at INTEGER NOT NULL, PRIMARY KEY (store, component, place)) WITHOUT ROWID"
        )
        database.execute("CREATE INDEX by_age ON known (at)")
        database.execute(f"PRAGMA user_version = {SCHEMA}")


def _prune(database: sqlite3.Connection, now: int) -> None:
    """Drop what is old, and what is too many: first what was only shown."""
    database.execute("DELETE FROM known WHERE at < ?", (now - MAX_AGE,))
    (count,) = database.execute("SELECT count(*) FROM known").fetchone()
    if count > MAX_ENTRIES:
        database.execute(
            "DELETE FROM known WHERE (store, component, place) IN"
            " (SELECT store, component, place FROM known ORDER BY place = ? DESC, at LIMIT ?)",
            (SEEN, count - MAX_ENTRIES),
        )


def _text(text: str) -> str:
    """As SQLite can store it; a file name on Linux may hold bytes that are no text."""
    return text.encode(errors="backslashreplace").decode()


def _place(file: Path) -> str:
    """The file's absolute path with all links followed."""
    return _text(os.path.realpath(file))
