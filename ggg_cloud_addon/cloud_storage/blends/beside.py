"""What a file needs and what lies beside it: it goes and comes as components of its own, in the same places."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..components import ComponentInfo
from ..errors import InvalidIdError, ObjectNotFoundError
from ..names import check_component_id
from .dependency import Dependency
from .reader import BlendError
from .tracing import can_need, trace


class Storage(Protocol):
    """The part of a CloudStorageManager that is needed here."""

    def holds(self, component_id: str, path: Path) -> bool:
        """See :class:`..manager.CloudStorageManager`."""

    def upload_component(self, path: Path, component_id: str) -> ComponentInfo:
        """See :class:`..manager.CloudStorageManager`."""

    def download_component(self, component_id: str, path: Path, *, overwrite: bool) -> ComponentInfo:
        """See :class:`..manager.CloudStorageManager`."""

    def list_folder(self, folder: str) -> list[str]:
        """See :class:`..manager.CloudStorageManager`."""


def push_beside(storage: Storage, path: Path, component_id: str, stop: Callable[[], object]) -> list[str]:
    """Push what a file needs and what lies in its folder or below; returns the IDs of what the storage lacked.

    To be called before the file itself is pushed, so that who pulls it finds all. ``stop`` may raise to end it.
    """
    pushed = []
    for each in _dependencies(path):
        stop()
        relative = _below(each.path, path)
        if relative and not each.is_missing:
            beside = _folder(component_id) + relative
            if not _has(storage, beside, each.path):
                storage.upload_component(each.path, beside)
                pushed.append(beside)
    return pushed


def pull_beside(storage: Storage, component_id: str, path: Path, stop: Callable[[], object]) -> list[Path]:
    """Pull what the file at ``path``, pulled from this component, needs and the storage has beside it.

    Files that are there stay as they are. What a library that comes along needs comes too. ``stop`` may raise to end
    it.
    """
    pulled: list[Path] = []
    asked: set[tuple[Path, str]] = set()
    while True:
        lacking = [each for each in _lacking(path) if (each.path, each.pattern) not in asked]
        if not lacking:
            return pulled
        for each in lacking:
            asked.add((each.path, each.pattern))
            for beside, target in _in_storage(storage, each, component_id, path):
                stop()
                try:
                    storage.download_component(beside, target, overwrite=False)
                except ObjectNotFoundError:
                    continue
                pulled.append(target)


def lacking(storage: Storage, component_id: str, path: Path) -> int:
    """How many files a file needs that belong in its folder or below, and are not there.

    A cache counts as one, where the storage has it.
    """
    return sum(bool(not each.is_cache or _in_storage(storage, each, component_id, path)) for each in _lacking(path))


def _lacking(path: Path) -> list[Dependency]:
    """Nothing hidden: programs are set up by such files, and the one that names them may be a stranger's."""
    missing = [each for each in _dependencies(path) if each.is_missing]
    return [each for each in missing if (below := _below(each.path, path)) and not re.search(r"(^|/)\.", below)]


def _in_storage(storage: Storage, need: Dependency, component_id: str, path: Path) -> list[tuple[str, Path]]:
    """The components that may be a missing file, and where each belongs."""
    beside = _folder(component_id) + _below(need.path, path)
    if not need.pattern:
        return [(beside, need.path)]
    folder, place = (f"{beside}/", need.path) if need.is_cache else (_folder(beside), need.path.parent)
    names = [each.removeprefix(folder) for each in storage.list_folder(folder)]
    return [(folder + name, place / name) for name in names if re.fullmatch(need.pattern, name) and _is_id(name)]


def _is_id(name: str) -> bool:
    try:
        check_component_id(name)
    except InvalidIdError:
        return False
    return True


def _dependencies(path: Path) -> tuple[Dependency, ...]:
    """None of a file that needs no others, or a damaged one."""
    try:
        return trace(path).dependencies if can_need(path) else ()
    except BlendError:
        return ()


def _below(file: Path, used_by: Path) -> str:
    """The path from the folder of the file on that needs it, as a component can have it; else empty."""
    home = Path(os.path.abspath(used_by.parent))  # noqa: PTH100 - as the tracing has it
    if not file.is_relative_to(home):
        return ""
    relative = file.relative_to(home).as_posix()
    # A mark of tiles is no name that a component can have, and is replaced by then.
    return relative if _is_id(re.sub("[<>]", "", relative)) else ""


def _folder(component_id: str) -> str:
    folder, slash, _ = component_id.rpartition("/")
    return folder + slash


def _has(storage: Storage, component_id: str, path: Path) -> bool:
    try:
        return storage.holds(component_id, path)
    except ObjectNotFoundError:
        return False
