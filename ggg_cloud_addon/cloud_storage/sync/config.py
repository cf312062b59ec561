"""What to sync, and which way."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property
from pathlib import Path

from ..errors import ConfigError
from ..names import fold

MODELS = (
    *("*.blend", "*.fbx", "*.stl", "*.gltf", "*.glb", "*.bin", "*.obj", "*.mtl", "*.ply", "*.usd", "*.usd?"),
    "*blender_assets.cats.txt",
)
"""Models, the meshes of glTF, the materials of OBJ, and the catalogues of an asset library. Images are not among them,
as the folder may hold gigabytes of renders; which of them a .blend file needs is told after its upload."""
DIRECTIONS = ("both", "upload", "download")
CHOICES = ("keep_both", "local", "remote")
CONFLICT_POLICIES = ("keep_both", "newer", "local", "remote", "ask")
DEFAULT_MAX_DELETE = 0.25
MIN_DELETES = 10
"""So many deletes in one run are no mass delete unless ``max_delete`` says so."""


@dataclass(frozen=True, kw_only=True)
class SyncConfig:
    """How a folder is synced.

    Raises:
        ConfigError: a value that cannot be used, with the values that can.
    """

    local_dir: str | Path
    direction: str = "both"
    """``"both"``, ``"upload"`` (nothing here is changed) or ``"download"`` (nothing there is changed)."""
    delete_files: bool = False
    """Whether a file that was deleted on one side is deleted on the other."""
    overwrite: bool = True
    """Whether a changed file replaces its old content on the other side."""
    file_patterns: Sequence[str] = MODELS
    """Which paths take part; ``*`` also spans ``/``, and case does not matter."""
    exclude_patterns: Sequence[str] = ()
    conflict: str = "keep_both"
    """When both sides changed: ``"keep_both"``, ``"newer"``, ``"local"``, ``"remote"`` or ``"ask"``."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """How a person solved the conflict of a path: ``"keep_both"``, ``"local"`` or ``"remote"``, also where
    ``overwrite`` is off. Of a file that one side lost, the side that has it may be chosen: it is sent again."""
    max_delete: float | None = None
    """The share of the known files that one run may delete; more needs a person. ``None``: a quarter, and always ten
    files. 0 allows none. That one side is empty now always needs a person, who allows it by 1."""
    dry_run: bool = False
    trash_days: float = 30
    """So long what a sync took away stays in the folder's trash."""
    trash_size: int = 20_000_000_000
    """Bytes that former runs may leave in the trash; the oldest go first."""

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        if self.direction not in DIRECTIONS:
            raise ConfigError(f'The direction "{self.direction}" is unknown; use one of {", ".join(DIRECTIONS)}.')
        if self.conflict not in CONFLICT_POLICIES:
            raise ConfigError(
                f'The conflict policy "{self.conflict}" is unknown; use one of {", ".join(CONFLICT_POLICIES)}.'
            )
        for path, choice in self.choices.items():
            if choice not in CHOICES:
                raise ConfigError(f'The choice "{choice}" for "{path}" is unknown; use one of {", ".join(CHOICES)}.')
        if self.max_delete is not None and not 0 <= self.max_delete <= 1:
            raise ConfigError("max_delete is a share of the known files, from 0 to 1.")
        if self.trash_days < 0 or self.trash_size < 0:
            raise ConfigError("trash_days and trash_size cannot be below 0.")
        for name in ("file_patterns", "exclude_patterns"):
            if isinstance(getattr(self, name), str):
                raise ConfigError(f'{name} has to be a list, such as ["*.blend"].')

    def takes(self, path: str) -> bool:
        """Whether this path takes part; neither case nor Unicode form matter."""
        folded = path.casefold() if path.isascii() else fold(path)
        return bool(self._taken.match(folded)) and not self._left_out.match(folded)

    @cached_property
    def _taken(self) -> re.Pattern[str]:
        return _any_of(self.file_patterns)

    @cached_property
    def _left_out(self) -> re.Pattern[str]:
        return _any_of(self.exclude_patterns)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """One expression for all, as it is tried on every path; of no pattern, one that fits nothing."""
    return re.compile("|".join(translate(fold(each)) for each in patterns) or "(?!)")
