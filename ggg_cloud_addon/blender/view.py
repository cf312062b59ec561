"""What the sidebar shows, in memory: drawing reads it, and jobs fill it when they end."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SHOWN_ROWS = 200
"""So many lines the list holds at once, as Blender waits while it is filled; a search narrows it down."""
MESSAGES = 5

STATUSES: Mapping[str, tuple[str, Any]] = {
    "same": ("The same here and there", "CHECKMARK"),
    "here": ("Only here", "EXPORT"),
    "there": ("Only there", "IMPORT"),
    "newer_here": ("Newer here", "TRIA_UP"),
    "newer_there": ("Newer there", "TRIA_DOWN"),
    "both": ("Changed on both sides", "ERROR"),
    "deleted_here": ("Deleted here", "TRASH"),
    "deleted_there": ("Deleted there", "TRASH"),
    "problem": ("Cannot be synced", "CANCEL"),
    "": ("", "BLANK1"),
}
"""How a component in the storage stands to the synced folder: in words, and Blender's icon for it."""
ONLY_HERE = ("here", "deleted_there")
"""What the storage does not have."""


class Row(NamedTuple):
    """A component. A tuple, as 20,000 of them are made at once while Blender waits."""

    component_id: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since 1970."""
    status: str = ""
    """One of :data:`STATUSES`."""
    etag: str = ""
    """Of what the storage has; another one is another version."""


@dataclass(frozen=True)
class Version:
    """One version of a component."""

    version_id: str
    size: int
    modified: float
    is_current: bool


@dataclass(frozen=True)
class Details:
    """What the storage knows of one component."""

    component_id: str
    metadata: Mapping[str, str]
    versions: tuple[Version, ...]
    """The newest first."""


@dataclass(frozen=True)
class InFile:
    """A component in the open file."""

    collection: str
    """Its name; the component's, if it was linked."""
    component_id: str
    is_linked: bool
    etag: str
    """Of the version in the file."""
    storage: str = ""
    """``"newer"``: the storage has another version; ``"gone"``: it has none; or ``""``."""
    changed: tuple[str, ...] | None = ()
    """What is not as it was pulled, by name; ``None``: not looked for."""


@dataclass(frozen=True)
class Refused:
    """A push that was refused, and the way on."""

    component_id: str
    text: str
    button: str
    """What the way on is called."""
    settings: Mapping[str, Any]
    """Of the operator ``ggg_cloud.export_upload``, to go it."""
    is_newer: bool = False
    """The storage has another version than this file knows, so that an update is a way on too."""


@dataclass(frozen=True)
class Undecided:
    """An update that was refused until somebody says whose changes count."""

    component_id: str
    text: str
    settings: Mapping[str, Any]
    """Of the operator ``ggg_cloud.update``, to ask for it again."""


@dataclass(frozen=True)
class Message:
    """How a job ended."""

    text: str
    icon: Any
    """``CHECKMARK``, ``ERROR`` if it failed, ``CANCEL`` if it was cancelled."""
    at: float
    """Seconds since 1970."""


@dataclass
class View:
    """All of it; there is one."""

    storage: int = 0
    """Another number with each other storage: what a job brings of a former one is not shown."""
    rows: list[Row] = field(default_factory=list)
    """In the order of their IDs."""
    matching: int = 0
    """How many of the rows the search lets through."""
    is_listed: bool = False
    details: Details | None = None
    """Of the component that they were asked for last."""
    previews: dict[str, str] = field(default_factory=dict)
    """By component ID, the file with its picture."""
    metadata: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """By component ID, what was stored with it; of those that were shown."""
    in_file: list[InFile] = field(default_factory=list)
    """The components of this storage in the open file, as they were at the last look."""
    refused: Refused | None = None
    undecided: Undecided | None = None
    """The last push, if it was."""
    own_etags: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """By storage, component and ETag: the next one, which was pushed from the open file. Outlives an undo in it."""
    outcome: dict[str, Any] | None = None
    """What the last sync or its preview answered (the worker's verb ``sync``)."""
    messages: "deque[Message]" = field(default_factory=lambda: deque(maxlen=MESSAGES))
    """The newest first."""

    def tell(self, text: str, *, icon: str = "CHECKMARK") -> None:
        """Keep how a job ended."""
        self.messages.appendleft(Message(text, icon, time.time()))

    @property
    def last_message(self) -> str:
        """How the last job ended."""
        return self.messages[0].text if self.messages else ""

    def forget_storage(self) -> None:
        """Another storage, or another folder in sync with it, is used from now on."""
        self.storage += 1
        self.rows, self.is_listed = [], False
        self.details, self.previews, self.metadata = None, {}, {}
        self.outcome = self.refused = self.undecided = None
        self.in_file = []

    def newest_own(self, storage: str, component_id: str, etag: str) -> str:
        """The ETag of what was made here out of a version, by pushes."""
        seen = {etag}
        while (etag_next := self.own_etags.get((storage, component_id, etag), etag)) not in seen:
            seen.add(etag := etag_next)
        return etag

    def put(self, row: Row) -> None:
        """Add a component, or bring it up to date."""
        self.drop({row.component_id})
        index = sum(each.component_id < row.component_id for each in self.rows)
        self.rows.insert(index, row)

    def drop(self, component_ids: set[str]) -> None:
        """Take components out, and what else was known of them."""
        if self.details and self.details.component_id in component_ids:
            self.details = None
        for component_id in component_ids:
            self.previews.pop(component_id, None)
            self.metadata.pop(component_id, None)
        self.rows = [each for each in self.rows if each.component_id not in component_ids]

    def search(self, text: str, *, only_differences: bool) -> list[Row]:
        """The first rows that have all words of the text in ID or metadata, and differ if only such count."""
        words = text.casefold().split()
        found = self.rows
        if words or only_differences:
            found = [
                row
                for row in self.rows
                if not (only_differences and row.status in ("same", ""))
                and all(word in self._searched(row.component_id) for word in words)
            ]
        self.matching = len(found)
        return found[:SHOWN_ROWS]

    def _searched(self, component_id: str) -> str:
        """The text in which the search looks: the ID and, once known, who pushed it, what they said, and the like."""
        return " ".join((component_id, *self.metadata.get(component_id, {}).values())).casefold()


view = View()
"""Of this Blender."""
