"""The files that .gltf, .glb, .obj and .mtl files name.

None of them is parsed as a whole: a hostile one may be of any size and depth, and JSON that is parsed takes twenty
times its room.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from .dependency import Dependency
from .reader import BlendError, NoBlendError

GLTF = (".gltf", ".glb")
SUFFIXES = (*GLTF, ".obj", ".mtl")
MAX_FILES = 2_000
"""No model names more; of a file that does nothing is told, so that nothing is fetched for it either."""
MAX_TEXT = 1 << 24
"""So many bytes of an .obj or .mtl are looked at: an .obj names its materials before all that uses them."""
WINDOW, OVERLAP = 1 << 20, 1 << 14
"""Bytes of a .gltf that are looked at together, and those that are looked at again with the next; a URI is shorter."""

GLB_HEAD = 20
"""Bytes of a binary glTF before its JSON, of which they have the length (glTF 2.0 specification, "GLB File Format")."""
URI = re.compile(rb'"uri"\s{0,99}:\s{0,99}("(?!data:)(?:[^"\\]|\\.){1,4096}")')
"""In JSON, wherever it stands (glTF 2.0 specification, "URIs"): extensions have some as well."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""Of a URI that is no file's: ``http:``. One letter alone is a drive's."""
LIBRARY = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]{1,4096})", re.MULTILINE)
TEXTURE = re.compile(
    rb"^[ \t]*(?:map_\w+|refl|norm|bump|disp|decal)[ \t]+([^\r\n]{1,4096})", re.MULTILINE | re.IGNORECASE
)
"""In a material file (Wavefront, "Object Files", appendix B1, and what other programs have added)."""
OPTION = re.compile(
    r"-(?:(?:o|s|t)(?:\s+-?[\d.eE+-]+){1,3}|mm\s+\S+\s+\S+|(?:blendu|blendv|boost|bm|cc|clamp|imfchan|texres|type)\s+\S+)\s+"
)
"""Before the name of a texture there."""


def files_named(path: Path) -> Iterator[Dependency]:
    """What a file names, each once, as Blender's importers find it: from its own folder.

    Raises:
        BlendError: it cannot be read.
    """
    suffix = path.suffix.lower()
    found: set[str] = set()
    try:
        with path.open("rb") as stream:
            for name in _by_gltf(stream) if suffix in GLTF else _by_text(stream, suffix):
                if name not in found:
                    found.add(name)
                    file = Path(os.path.abspath(path.parent / name))  # noqa: PTH100 - links are not followed
                    is_library = suffix == ".obj" and file.suffix.lower() == ".mtl"
                    yield Dependency(file, path, not is_there(file), names_files=is_library)
    except OSError as error:
        raise NoBlendError(f'"{path}" cannot be read ({error.strerror or error}); check your rights to it.') from error


def too_many(path: Path) -> BlendError:
    """The error of a file that names more files than any model."""
    return BlendError(f'"{path.name}" names more than {MAX_FILES:,} files, as no model does, so it is not told which.')


def is_there(path: Path) -> bool:
    """Whether it is a file; not, if no file can have this name."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name longer than any, or with a NUL
        return False


def _by_gltf(stream: BinaryIO) -> Iterator[str]:
    head = stream.read(GLB_HEAD)
    left = int.from_bytes(head[12:16], "little") if head.startswith(b"glTF") else sys.maxsize
    seen = head
    while window := stream.read(min(WINDOW, left)):
        left -= len(window)
        seen = seen[-OVERLAP:] + window
        for literal in URI.findall(seen):
            try:
                uri = json.loads(literal)
            except ValueError:
                continue
            if not SCHEME.match(uri):
                yield unquote(uri)


def _by_text(stream: BinaryIO, suffix: str) -> Iterator[str]:
    text = stream.read(MAX_TEXT)
    for line in (LIBRARY if suffix == ".obj" else TEXTURE).findall(text):
        name = os.fsdecode(line).strip()
        while suffix == ".mtl" and (option := OPTION.match(name)):
            name = name[option.end() :]
        if name := name.strip('"'):
            yield name
