"""What the command shows of a sync: a bar for a person who watches, lines for everybody else, a table of a plan."""

import argparse
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_parser import UsageError
from .cli_shown import Answer, bar, say
from .cloud_storage import CloudStorageManager, StorageSynchronizer, SyncConfig, SyncResult
from .cloud_storage.sync.events import Looked, Planned, SyncEvent, Totals
from .cloud_storage.sync.plan import SILENT, WAITING, Action
from .cloud_storage.sync.verify import verify

if TYPE_CHECKING:
    from tqdm import tqdm

FAILED = 1
NEEDS_A_PERSON = 3
NAME_WIDTH = 30
"""Columns for the name of a file."""


def run_sync(synchronizer: StorageSynchronizer, say: Callable[[str], object], *, watched: bool) -> SyncResult:
    """Run it with a bar on stderr if a person watches, and else with a line for each step.

    Raises:
        StorageError: as :meth:`StorageSynchronizer.synchronize`.
    """
    if not watched:
        return synchronizer.synchronize(say)
    with contextlib.closing(_Screen()) as screen:
        return synchronizer.synchronize(on_event=screen.show)


class _Screen:
    """A bar that counts files while the sync looks, and then bytes, with the file before it that began first."""

    def __init__(self) -> None:
        self._bar = self._new_bar(desc="Looking", unit=" files")
        self._totals = Totals()

    def show(self, event: SyncEvent) -> None:
        """Bring the bar up to date."""
        totals = self._totals
        totals.add(event)
        if isinstance(event, Looked):
            self._bar.update(event.entries - self._bar.n)
            return
        if isinstance(event, Planned):
            self._bar.close()
            self._bar = self._new_bar(total=totals.total, unit="B", unit_scale=True)
        if name := totals.path.rpartition("/")[2]:
            name = name if len(name) <= NAME_WIDTH else f"...{name[3 - NAME_WIDTH :]}"
            self._bar.set_description(name, refresh=not self._bar.desc)
        self._bar.set_postfix_str(f"{totals.actions - totals.ended:,} left", refresh=False)
        self._bar.update(totals.done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.close()

    @staticmethod
    def _new_bar(**options: Any) -> "tqdm[Any]":
        from tqdm import tqdm  # late, as tabulate below

        columns, rows = shutil.get_terminal_size()  # where a terminal does not know, tqdm itself would show nothing
        return tqdm(leave=False, ncols=columns, nrows=rows, **options)


def exit_code(result: SyncResult) -> int:
    """Of the process."""
    if result.errors:
        return FAILED
    return 0 if result.ok else NEEDS_A_PERSON


def as_table(plan: tuple[Action, ...]) -> str:
    """What the plan does, for a person; what waits for one is in the summary."""
    rows = [
        (each.kind.value, each.path, f"{each.size:,}" if each.size else "", each.reason)
        for each in plan
        if each.kind not in (*SILENT, *WAITING)
    ]
    headers = ("Action", "Path", "Bytes", "Why")
    if not rows:
        return ""
    from tabulate import tabulate  # late: it takes a tenth of a command's start

    return tabulate(rows, headers, disable_numparse=True, colalign=("left", "left", "right", "left"))


def as_document(result: SyncResult) -> dict[str, Any]:
    """The result for ``--json``."""

    def told(actions: Any) -> list[dict[str, Any]]:
        return [
            {"action": each.kind.value} | {k: v for k, v in asdict(each).items() if k != "kind"} for each in actions
        ]

    return {
        "dry_run": result.dry_run,
        "plan": told(result.plan),
        "done": told(result.done),
        "conflicts": told(result.conflicts),
        "skipped": told(result.skipped),
        "errors": {path: str(error) for path, error in result.errors.items()},
        "refused_deletes": list(result.refused_deletes),
        "missing_promises": list(result.missing_promises),
        "store_is_older": result.store_is_older,
        "notes": list(result.notes),
    }


def check_folder(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    """Say what is not as it should be in a synced folder, the store and the state of the sync."""
    if args.create or args.keep_versions:
        raise UsageError("--create and --keep-versions are about the storage; leave out the FOLDER.")
    if not Path(args.folder).is_dir():
        raise UsageError(f'The folder "{args.folder}" does not exist; check the path.')
    with bar(args, "Checking") as progress:
        verdict = verify(manager, SyncConfig(local_dir=args.folder), progress)
    for each in verdict.findings:
        say(args, each.sentence)
    files = f"{verdict.files:,} {'file' if verdict.files == 1 else 'files'}"
    if verdict.findings:
        count = len({each.path for each in verdict.findings})
        say(args, f"Checked {files} by content: {count:,} not as {'it' if count == 1 else 'they'} should be.")
    else:
        say(args, f"Checked {files} by content: all is as it should be.")
    return {"files": verdict.files, "findings": [asdict(each) for each in verdict.findings]}, bool(verdict.findings)
