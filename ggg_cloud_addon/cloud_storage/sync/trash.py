"""What a sync took out of the folder, or would lose in a store without versions; kept for a while.

Each run has a folder of its own in the trash, named by its local time. A run whose time is over is first renamed, with
the time of that at the end (``2026-11-30 10-00-00.000000 expired 2026-12-30 10-05-00.000000``), and removed by a run a
day later at the earliest: by then a clock that was wrong once has been put right, and the run gets its name back.
"""

import contextlib
import logging
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..names import STATE_FOLDER

log = logging.getLogger(__name__)

NAME = "%Y-%m-%d %H-%M-%S.%f"
EXPIRED = " expired "
GRACE = timedelta(days=1)
"""So long everything stays, however full the trash is and whatever the clock says."""


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
        """Remove what former runs left longer than so many days ago; then, of what is more than so many bytes, the
        oldest, but no more files than have to go. What is younger than :data:`GRACE` stays."""
        runs = sorted(filter(None, map(_Run.of, self._folder.glob("*"))), key=lambda each: each.began)
        for run in runs:
            if run.path != self._run:
                self._remove_if_over(run, days)
        files = [(run, *file) for run in runs if run.path != self._run for file in run.files()]
        excess = sum(length for _, length, _ in files) - size
        chosen: list[tuple[int, str]] = []
        spare = -excess
        for run, length, path in files:
            if spare < 0 and run.age(self._now) > GRACE:
                chosen.append((length, path))
                spare += length
        for length, path in sorted(chosen):
            if length <= spare:  # a large one among the chosen makes room enough
                spare -= length
                continue
            log.info("The trash is full: removing %s", path)
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a Path each takes longer
        for run in {run.path: run for run, _, _ in files}.values() if chosen else ():
            _prune(run.path)

    def _remove_if_over(self, run: "_Run", days: float) -> None:
        """Remove a run whose time is over, or note that it is over for a run of the sync that comes later."""
        is_over = run.age(self._now) > timedelta(days)
        name = run.began.strftime(NAME)
        with contextlib.suppress(OSError):  # what cannot be renamed or removed now is for the next run
            if is_over and run.expired is None:
                run.rename(f"{name}{EXPIRED}{self._now.strftime(NAME)}")
            elif is_over and run.expired is not None and self._now - run.expired > GRACE:
                log.info("Emptying the trash of %s", name)
                shutil.rmtree(run.path)
            elif not is_over and run.expired is not None:
                run.rename(name)


@dataclass
class _Run:
    """What one former run left."""

    path: Path
    began: datetime
    expired: datetime | None

    @classmethod
    def of(cls, path: Path) -> "_Run | None":
        """``None`` if the folder is not one of ours."""
        began, _, expired = path.name.partition(EXPIRED)
        try:
            return cls(path, datetime.strptime(began, NAME), datetime.strptime(expired, NAME) if expired else None)
        except ValueError:
            return None

    def rename(self, name: str) -> None:
        new = self.path.with_name(name)
        os.replace(self.path, new)
        self.path = new

    def age(self, now: datetime) -> timedelta:
        return now - self.began

    def files(self) -> list[tuple[int, str]]:
        """Bytes and path of each that can be looked at; somebody may empty the trash by hand meanwhile."""
        found = []
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path each takes longer
                with contextlib.suppress(OSError):
                    found.append((os.lstat(path).st_size, path))
        return found


def _prune(run: Path) -> None:
    """Remove the folders that hold nothing any more."""
    for folder, _, _ in os.walk(run, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
