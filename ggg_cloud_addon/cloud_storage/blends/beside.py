"""What a .blend file needs and what lies beside it: it goes and comes as components of its own, in the same places."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..components import ComponentInfo
from ..errors import InvalidIdError, ObjectNotFoundError
from ..names import check_component_id
from .reader import BlendError, is_blend
from .tracing import Dependency, trace


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
    """Push what a .blend file needs and what lies in its folder or below; returns the IDs of what the storage lacked.

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
    """Pull what the .blend file at ``path``, pulled from this component, needs and the storage has beside it.

    Files that are there stay as they are. What a library that comes along needs comes too.
    """
    pulled: list[Path] = []
    asked: set[Path] = set()
    while True:
        lacking = [each for each in _dependencies(path) if each.is_missing and each.path not in asked]
        if not lacking:
            return pulled
        for each in lacking:
            asked.add(each.path)
            for beside, target in _in_storage(storage, each, component_id, path):
                stop()
                try:
                    storage.download_component(beside, target, overwrite=False)
                except ObjectNotFoundError:
                    continue
                pulled.append(target)


def lacking(path: Path) -> int:
    """How many files a .blend file needs that belong in its folder or below, and are not there."""
    return sum(bool(each.is_missing and _below(each.path, path)) for each in _dependencies(path))


def _in_storage(storage: Storage, need: Dependency, component_id: str, path: Path) -> list[tuple[str, Path]]:
    """The components that may be a missing file, and where each belongs."""
    relative = _below(need.path, path)
    if not relative:
        return []
    beside = _folder(component_id) + relative
    if not need.pattern:
        return [(beside, need.path)]
    names = [each.rpartition("/")[2] for each in storage.list_folder(_folder(beside))]
    return [(_folder(beside) + name, need.path.with_name(name)) for name in names if re.fullmatch(need.pattern, name)]


def _dependencies(path: Path) -> tuple[Dependency, ...]:
    """None of a file that is no .blend, or a damaged one."""
    try:
        return trace(path).dependencies if is_blend(path) else ()
    except BlendError:
        return ()


def _below(file: Path, blend: Path) -> str:
    """The path from the folder of the .blend file on, as a component can have it; else empty."""
    home = Path(os.path.abspath(blend.parent))  # noqa: PTH100 - as the tracing has it
    if not file.is_relative_to(home):
        return ""
    try:
        # A mark of tiles is no name that a component can have, and is replaced by then.
        check_component_id(re.sub("[<>]", "", file.relative_to(home).as_posix()))
    except InvalidIdError:
        return ""
    return file.relative_to(home).as_posix()


def _folder(component_id: str) -> str:
    folder, slash, _ = component_id.rpartition("/")
    return folder + slash


def _has(storage: Storage, component_id: str, path: Path) -> bool:
    try:
        return storage.holds(component_id, path)
    except ObjectNotFoundError:
        return False
