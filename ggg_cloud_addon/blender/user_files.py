"""The files that the add-on keeps for its user: settings, keys and the log."""

import os
import tempfile
from pathlib import Path

import bpy

ADDON = __package__.rpartition(".")[0]
"""The name that Blender gave this add-on: ``bl_ext.<repository>.ggg_cloud_addon`` as an extension."""


def user_folder() -> Path:
    """The folder that Blender keeps for this extension, also over its upgrades.

    Raises:
        OSError: it cannot be made.
    """
    try:
        return Path(bpy.utils.extension_path_user(ADDON, path="", create=True))
    except ValueError:  # registered by a script, so that it is no extension
        return Path(bpy.utils.user_resource("CONFIG", path="ggg_cloud_addon", create=True))


def write_private(path: Path, text: str) -> None:
    """Replace a file, whole, by one that nobody else on this machine may read (mode 0600).

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp's mode is 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
