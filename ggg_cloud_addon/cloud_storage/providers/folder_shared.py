"""Permissions of what is made in a plain-folder store, so that a group can work in it whatever each one's umask is."""

import contextlib
import os
from pathlib import Path
from stat import S_ISGID, S_IWGRP


class Shared:
    """Gives files and folders the permissions of the store's root folder (as git's ``core.sharedRepository`` does)."""

    def __init__(self, root: Path) -> None:
        """Nothing is read yet: the owner may change the root's permissions at any time."""
        self._root = root

    @property
    def file_mode(self) -> int:
        """The permissions of a new file."""
        return self._root.stat().st_mode & 0o666

    def make_root(self) -> None:
        """Make the store's folder if it is not there; in a folder of a group (setgid) with the permissions of that one,
        whatever the user's umask is."""
        made = [each for each in (self._root, *self._root.parents) if not each.exists()]
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in reversed(made):
            mode = folder.parent.stat().st_mode
            if os.name == "posix" and mode & S_ISGID:
                self._give(folder, mode & 0o2777)

    def make(self, folder: Path, below: Path) -> None:
        """Make a folder and those above it, but never ``below``: a drive that is not mounted has no such folder.

        Raises:
            FileNotFoundError: there is no ``below``.
            FileExistsError, NotADirectoryError: a part of the path is a file.
        """
        to_make = [folder]
        while to_make:
            try:
                to_make[-1].mkdir()
            except FileExistsError:
                if not to_make[-1].is_dir():
                    if os.path.lexists(to_make[-1]):
                        raise
                    continue  # it was there when it was to be made, and a delete pruned it since
            except FileNotFoundError:
                if to_make[-1].parent == below and not below.is_dir():
                    raise
                to_make.append(to_make[-1].parent)
                continue
            else:
                self._give(to_make[-1], self._root.stat().st_mode & 0o2777)
            to_make.pop()

    def give(self, path: Path) -> None:
        """Give a file of the store's own the permissions that the root gives."""
        self._give(path, self.file_mode)

    def give_content(self, path: Path, like: os.stat_result | None) -> None:
        """Give new content the permissions of the file that it replaces (``like``), or those of a new one.

        What belonged to somebody else becomes ours, so the others need the permissions that the root gives them. In a
        store that only its owner may write to, a new file does not get more than it has: a private one stays private.
        """
        mode = self.file_mode
        if os.name == "posix" and like is not None:
            mode = like.st_mode & 0o777 | (mode if like.st_uid != os.geteuid() else 0)
        elif not mode & S_IWGRP:
            mode &= path.stat().st_mode
        self._give(path, mode)

    def _give(self, path: Path, mode: int) -> None:
        with contextlib.suppress(OSError):  # a drive without permissions, or a folder that a delete pruned again
            if os.name == "posix" and path.stat().st_mode & 0o2777 != mode:
                path.chmod(mode)
