"""One file that another one needs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Dependency:
    """A file that another file needs."""

    path: Path
    """Absolute; if it is missing, as the other file has it: with ``<UDIM>`` for tiles, or with a drive's letter."""
    used_by: Path
    """The first file that names it."""
    is_missing: bool
    pattern: str = ""
    """Of missing tiles or frames: a regular expression of their names. Of a cache: of their paths below ``path``."""
    is_cache: bool = False
    """A folder that may hold a cache, of which nothing is here; it is no fault if there is none."""
    names_files: bool = False
    """Whether what it needs itself is needed, too: a library's textures, a material file's."""
