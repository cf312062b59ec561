"""Whether the files that a sync uploads arrive whole: with all that they need."""

import time
from collections.abc import Iterable
from pathlib import Path

from ..blends import can_need, needs
from .config import SyncConfig
from .events import LooksInto, OnEvent
from .plan import Action, Kind

MAX_NOTES = 20
"""More are only counted: a library with a broken path makes as many as it has textures."""
MAX_SECONDS = 20.0
"""So long files are looked into after a sync; one takes a tenth of a second, a scene with a million datablocks ten."""


def notes(actions: Iterable[Action], config: SyncConfig, tell: OnEvent) -> tuple[str, ...]:
    """What the uploaded files need and the other side will not have, in sentences; each said once.

    Raises:
        CancelledError: a callback stopped it.
    """
    root = Path(config.local_dir)
    paths = [each.path for each in actions if each.kind is Kind.UPLOAD and can_need(Path(each.path))]
    said: dict[str, None] = {}
    end = time.monotonic() + MAX_SECONDS
    for number, path in enumerate(paths):
        if time.monotonic() > end:
            left = f"{len(paths) - number} of {len(paths)} files"
            said[f"{left} were not looked into for what they need, as that takes long; the files are whole."] = None
            break
        tell(LooksInto(path))
        said |= dict.fromkeys(needs(root / path, root, config.takes))
    shown = list(said)
    if len(shown) > MAX_NOTES:
        rest = len(shown) - MAX_NOTES + 1
        shown[MAX_NOTES - 1 :] = [f"And {rest} more such notes about what files need."]
    return tuple(shown)
