"""What a file needs beside itself, through all that it names.

What a single file names is told by others; which files to ask is decided here. BAT's own walk from .blend to .blend
follows the datablocks that are linked, and loses track of the nodes in materials of files of Blender 5.0 (BAT 1.23), so
a library counts with all that it needs.
"""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from . import exchange
from .datablocks import files_of_datablocks
from .dependency import Dependency
from .reader import BlendError, is_blend


@dataclass(frozen=True)
class Trace:
    """All that a file needs, through the libraries that it links and theirs."""

    dependencies: tuple[Dependency, ...]
    """One for each file."""
    unreadable: tuple[BlendError, ...]
    """Of libraries, and of single datablocks."""
    circle: tuple[Path, ...]
    """The first .blend files found that link to each other in a circle, each once."""


def can_need(path: Path) -> bool:
    """Whether a file with such a name may need others."""
    return is_blend(path) or path.suffix.lower() in exchange.SUFFIXES


def trace(path: Path) -> Trace:
    """Find what a file needs: textures with all tiles and frames, libraries, sounds, fonts, caches, movies, buffers.

    What is packed into the file is left out.

    Raises:
        BlendError: the file itself cannot be read.
    """
    start = Path(os.path.abspath(path))  # noqa: PTH100 - links are not followed: paths are relative to this folder
    found: dict[tuple[Path, str], Dependency] = {}
    unreadable: list[BlendError] = []
    links: dict[Path, list[Path]] = {}
    waiting = [start]
    while waiting:
        file = waiting.pop(0)
        if file in links:
            continue
        links[file] = []
        try:
            if is_blend(file):
                named = [*files_of_datablocks(file, unreadable)]
            else:
                named = [*islice(exchange.files_named(file), exchange.MAX_FILES + 1)]
        except BlendError as error:
            if file == start:
                raise
            unreadable.append(error)
            continue
        for each in named:
            if each.path != start:
                found.setdefault((each.path, each.pattern), each)
            if each.names_files and not each.is_missing:
                links[file].append(each.path)
                waiting.append(each.path)
        if len(found) > exchange.MAX_FILES and not is_blend(start):
            raise exchange.too_many(start)
    return Trace(tuple(found.values()), tuple(unreadable), _circle(links))


def _circle(links: dict[Path, list[Path]]) -> tuple[Path, ...]:
    """The files of the first circle that is met."""
    done: set[Path] = set()

    def walk(way: tuple[Path, ...]) -> tuple[Path, ...]:
        for each in links.get(way[-1], ()):
            if each in way:
                return way[way.index(each) :]
            if each not in done and (circle := walk((*way, each))):
                return circle
        done.add(way[-1])
        return ()

    return next((circle for each in links if (circle := walk((each,)))), ())
