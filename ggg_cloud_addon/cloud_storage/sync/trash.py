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
        """Remove what former runs left longer than so many days ago; then, while it is more than so many bytes, the
        oldest of it, the largest files of a run first. What is younger than :data:`GRACE` stays."""
        runs = sorted(filter(None, map(_Run.of, self._folder.glob("*"))), key=lambda each: each.began)
        kept = []
        for run in runs:
            if run.path == self._run:
                continue
            if not self._is_over(run, days):
                kept.append(run)
        files = [(run, run.files()) for run in kept]
        excess = sum(length for _, found in files for length, _ in found) - size
        for run, found in files:
            if excess > 0 and run.age(self._now) > GRACE:
                for length, path in sorted(found, reverse=True):
                    if excess > 0:
                        log.info("The trash is full: removing %s", path)
                        with contextlib.suppress(OSError):
                            os.unlink(path)  # noqa: PTH108 - as above
                            excess -= length
                _prune(run.path)

    def _is_over(self, run: "_Run", days: float) -> bool:
        """Whether the run's time is over; removes it then, or notes that it is over for a run that comes later."""
        is_old = run.age(self._now) > timedelta(days)
        name = run.began.strftime(NAME)
        with contextlib.suppress(OSError):  # what cannot be renamed or removed now is for the next run
            if is_old and run.expired is None:
                os.replace(run.path, run.path.with_name(f"{name}{EXPIRED}{self._now.strftime(NAME)}"))
            elif is_old and run.expired is not None and self._now - run.expired > GRACE:
                log.info("Emptying the trash of %s", name)
                shutil.rmtree(run.path)
            elif not is_old and run.expired is not None:
                os.replace(run.path, run.path.with_name(name))
                return False
        return is_old


@dataclass(frozen=True)
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
