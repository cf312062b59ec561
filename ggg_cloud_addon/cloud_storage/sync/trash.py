"""What a sync took out of the folder, or would lose in a store without versions; kept for a while."""

import contextlib
import logging
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from ..names import STATE_FOLDER
from .state import Clock

log = logging.getLogger(__name__)

NAME = "%Y-%m-%d %H-%M-%S.%f"
"""Of the folder that each run has in the trash; its local time."""
YOUNG = timedelta(days=1)
"""So long everything stays, however full the trash is."""


class Trash:
    """One run's place in the trash of a synced folder."""

    def __init__(self, root: Path, clock: Clock) -> None:
        """Nothing is written yet."""
        self._folder = root / STATE_FOLDER / "trash"
        self._clock = clock
        began = clock.now
        while (self._folder / began.strftime(NAME)).exists():  # also where the clock was set back
            began += timedelta(microseconds=1)
        self._run = self._folder / began.strftime(NAME)

    def place(self, path: str) -> Path:
        """Where this run keeps what was under this path."""
        return self._run / path

    def empty(self, days: float, size: int) -> None:
        """Remove what former runs left longer than so many days ago; then, of what is more than so many bytes, the
        oldest, but no more files than have to go. Nothing goes for its age while the clock is in doubt."""
        files: list[tuple[timedelta, int, str]] = []
        for run in sorted(self._folder.glob("*")):
            began = _began(run)
            if began is None or run == self._run:
                continue
            age = self._clock.now - began
            if age > timedelta(days) and self._clock.is_steady:
                log.info("Emptying the trash of %s", run.name)
                shutil.rmtree(run, ignore_errors=True)  # what cannot be removed now is for the next run
            else:
                files += ((age, length, path) for length, path in _files(run))
        self._shrink(files, sum(length for _, length, _ in files) - size)

    def _shrink(self, files: list[tuple[timedelta, int, str]], excess: int) -> None:
        """Remove so many bytes at least, if they are there, of what is not young; the oldest first."""
        chosen: list[tuple[int, str]] = []
        spare = -excess
        for age, length, path in files:
            if spare < 0 and age > YOUNG:
                chosen.append((length, path))
                spare += length
        for length, path in sorted(chosen):
            if length <= spare:  # the larger ones make room enough
                spare -= length
                continue
            log.info("The trash is full: removing %s", path)
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a Path each takes longer
        if chosen:
            for folder, _, _ in os.walk(self._folder, topdown=False):
                with contextlib.suppress(OSError):  # not empty
                    Path(folder).rmdir()


def _began(run: Path) -> datetime | None:
    """When a run began; ``None`` if the folder is not one of ours."""
    try:
        return datetime.strptime(run.name, NAME)
    except ValueError:
        return None


def _files(run: Path) -> list[tuple[int, str]]:
    """Bytes and path of each file that can be looked at; somebody may empty the trash by hand meanwhile."""
    found = []
    for folder, _, names in os.walk(run):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - as above
            with contextlib.suppress(OSError):
                found.append((os.lstat(path).st_size, path))
    return found
