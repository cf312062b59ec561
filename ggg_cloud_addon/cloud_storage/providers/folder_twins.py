"""Keys that are one file on Windows and macOS: refused beside each other, and not taken for each other."""

import contextlib
import os
from pathlib import Path

from ..errors import InvalidIdError
from ..names import fold
from .folder_files import file_stat, version_of
from .folder_records import Record, Records


class Twins:
    """Looks for twins (:func:`~..names.fold`) of a key in a plain folder."""

    def __init__(self, root: Path, records: Records) -> None:
        """Nothing is read yet."""
        self._root = root
        self._records = records
        self._spelled: set[Path] = set()
        """Folders that are there under exactly this name."""

    def owns(self, record: Record, stat: os.stat_result) -> bool:
        """Whether a file that the record does not know is a twin's, found because the system ignores case or form."""
        return any(
            twin.find(version_of(stat)) is not None
            and (its := file_stat(self._root / twin.key)) is not None
            and os.path.samestat(its, stat)
            for twin in self._records.twins(record.key)
        )

    def refuse(self, key: str, path: Path) -> None:
        """Refuse a key whose twin is there, or that lies in a twin of a folder.

        Raises:
            InvalidIdError: on Windows and macOS one would overwrite the other.
        """
        self._refuse_folder_twin(key)
        twins = [twin.key for twin in self._records.twins(key) if file_stat(self._root / twin.key)]
        if not twins and path.exists():  # perhaps under another spelling, on a system that does not mind
            names = set(os.listdir(path.parent))
            if path.name not in names:
                twins = [name for name in names if fold(name) == fold(path.name)]
        if twins:
            raise InvalidIdError(
                f'"{key}" cannot be stored beside "{twins[0]}": on Windows and macOS they are one file; rename it.'
            )

    def _refuse_folder_twin(self, key: str) -> None:
        folder = self._root
        for name in key.split("/")[:-1]:
            if folder / name not in self._spelled:
                names: set[str] = set()
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    names.update(os.listdir(folder))
                twins = sorted(each for each in names - {name} if fold(each) == fold(name))
                if name not in names:
                    twins = [each for each in twins if not _removed_if_empty(folder / each)]
                if twins and name not in names:
                    raise InvalidIdError(
                        f'"{key}" cannot be stored beside the folder "{twins[0]}": on Windows and macOS "{name}" is '
                        "the same one; write it alike."
                    )
                if name in names:
                    self._spelled.add(folder / name)
            folder /= name


def _removed_if_empty(folder: Path) -> bool:
    """Remove what another program left when it took the last file out."""
    try:
        folder.rmdir()
    except OSError:  # not empty, or no folder
        return False
    return True
