"""What is stored with a file that is pushed as it is."""

import contextlib
import getpass
from pathlib import Path

from ..metadata import AUTHOR, BLENDER
from .reader import BlendError, is_blend
from .thumbnail import version_and_thumbnail


def describe(path: Path) -> tuple[dict[str, str], bytes | None]:
    """Metadata and preview of a file on this machine: who pushes it, and of a .blend file what it tells of itself."""
    metadata: dict[str, str] = {}
    preview = None
    with contextlib.suppress(OSError, KeyError, ImportError):  # what getpass raises where nobody is logged in
        metadata[AUTHOR] = getpass.getuser()
    if is_blend(path):
        with contextlib.suppress(BlendError):
            metadata[BLENDER], preview = version_and_thumbnail(path)
    return metadata, preview
