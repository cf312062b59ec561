"""What a sync took out of the folder, or would lose in a store without versions; kept for a while."""

import contextlib
import logging
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from ..names import STATE_FOLDER

log = logging.getLogger(__name__)

NAME = "%Y-%m-%d %H-%M-%S.%f"
"""Of the folder that each run has in the trash; its local time."""


class Trash:
    """One run's place in the trash of a synced folder."""

    def __init__(self, root: Path) -> None:
        """Nothing is written yet."""
        self._folder = root / STATE_FOLDER / "trash"
        self._now = datetime.now()
        self._run = self._folder / self._now.strftime(NAME)

    def place(self, path: str) -> Path:
        """Where this run keeps what was under this path."""
        return self._run / path

    def empty(self, days: float, size: int) -> None:
        """Remove former runs, the oldest first, until what is left of them is younger than so many days and within so
        many bytes. What this run put there stays, and does not count."""
        for run in sorted(self._folder.glob("*"), reverse=True):
            began = _began(run)
            if began is None or run == self._run:
                continue
            size -= _size(run)
            if size < 0 or self._now - began > timedelta(days):
                log.info("Emptying the trash of %s", run.name)
                shutil.rmtree(run, ignore_errors=True)  # what cannot be removed now is for the next run


def _began(run: Path) -> datetime | None:
    """When a run began; ``None`` if the folder is not one of ours."""
    try:
        return datetime.strptime(run.name, NAME)
    except ValueError:
        return None


def _size(run: Path) -> int:
    """Bytes, of what can be looked at; somebody may empty the trash by hand meanwhile."""
    size = 0
    for folder, _, names in os.walk(run):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - a Path each takes longer
    return size
