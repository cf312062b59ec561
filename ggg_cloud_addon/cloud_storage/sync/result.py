"""What a sync did."""

from dataclasses import dataclass, field

from ..errors import StorageError
from .plan import Action, Kind
from .snapshot import Local, Remote

ALLOW_DELETES = "If that is meant, allow it for one run by max_delete=1 (on the command line: --max-delete 1)."
"""What a person can do about a refused mass delete."""


STORE_IS_OLDER = (
    "The storage is in an older state than this folder has seen (was it restored from a backup?), so nothing was "
    'deleted and nothing here was replaced by it. Where both differ, the conflict policy "local" sends this folder\'s '
    'files again and "remote" takes the storage\'s (on the command line: --conflict local).'
)


@dataclass
class SyncResult:
    """The plan, and what became of it. In a dry run nothing became of it."""

    plan: tuple[Action, ...]
    dry_run: bool = False
    refused_deletes: tuple[str, ...] = ()
    """In a dry run: what would be deleted, were it not more than one run may."""
    missing_promises: tuple[str, ...] = ()
    """At the first sync with a store: what cannot be promised there, in sentences."""
    store_is_older: bool = False
    """Whether the store is in an older state than at the last sync."""
    notes: tuple[str, ...] = ()
    """What uploaded .blend files need and the other side does not have, in sentences; in a dry run, of those that would
    be uploaded."""
    done: list[Action] = field(default_factory=list)
    errors: dict[str, StorageError] = field(default_factory=dict)
    """By path; the others were done all the same."""
    local: Local = field(default_factory=dict, repr=False)
    remote: Remote = field(default_factory=dict, repr=False)
    """What the plan was made of: both sides, to show what a conflict is about."""

    @property
    def conflicts(self) -> list[Action]:
        """What waits for a person."""
        return [each for each in self.plan if each.kind is Kind.CONFLICT]

    @property
    def skipped(self) -> list[Action]:
        """What the settings or a name forbid."""
        return [each for each in self.plan if each.kind is Kind.SKIP]

    @property
    def ok(self) -> bool:
        """Whether everything that was planned is done (in a dry run: would be) and nothing waits for a person."""
        is_misnamed = any(each.is_misnamed for each in self.skipped)
        return not (self.errors or self.conflicts or is_misnamed or self.refused_deletes)

    def get_summary_string(self) -> str:
        """Counts in one line, then a line for each problem."""
        actions = self.plan if self.dry_run else self.done
        counts = [
            f"{sum(action.kind is kind for action in actions)} {words}"
            for kind, words in (
                (Kind.UPLOAD, "uploaded"),
                (Kind.DOWNLOAD, "downloaded"),
                (Kind.DELETE_REMOTE, "deleted there"),
                (Kind.DELETE_LOCAL, "deleted here"),
                (Kind.KEEP_BOTH, "kept as both versions"),
            )
            if any(action.kind is kind for action in actions)
        ]
        head = ", ".join(counts) or "nothing to do"
        lines = [f"{'Would be done' if self.dry_run else 'Sync'}: {head}."]
        if self.refused_deletes:
            lines.append(
                f"Refused: {len(self.refused_deletes)} files would be deleted, more than one sync may; a real run "
                f"would do nothing. {ALLOW_DELETES}"
            )
        if self.store_is_older:
            lines.append(STORE_IS_OLDER)
        lines += [f"Conflict: {each.path}: {each.reason}." for each in self.conflicts]
        lines += [f"Skipped: {each.path}: {each.reason.rstrip('.')}." for each in self.skipped]
        lines += [f"Failed: {path}: {error}" for path, error in self.errors.items()]
        lines += [f"Note: {each}" for each in self.notes]
        # A file name on Linux may hold bytes that are no text, which could not be printed.
        return "\n".join(lines).encode(errors="replace").decode()
