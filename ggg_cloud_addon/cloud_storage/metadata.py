"""What is stored with an object beside its bytes, in the form that both clouds take.

S3 and Azure keep metadata as HTTP headers: ASCII only, and no space survives at either end. So values are written
percent-encoded where they have to be (RFC 3986); what other tools wrote is read as it is.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from .errors import ConfigError

MAX_BYTES = 2048
"""Keys and values together, as stored (Amazon S3 user guide, "Working with object metadata"; Azure takes 8 KB)."""
SHA256 = "ggg_sha256"
"""The key of our own: the SHA-256 of the content, in hex."""
BLENDER = "blender"
"""The Blender that saved the component: ``5.0.1``, or ``5.0`` where only the file was asked."""
OBJECTS = "objects"
VERTICES = "vertices"
MATERIALS = "materials"
"""How many there are."""
BOUNDS = "bounds"
"""Of all objects together along x, y and z, in metres: ``1.2 0.5 3.1``."""
UNITS = "units"
"""Of the scene: system and scale, ``METRIC 1``."""
AUTHOR = "author"
COMMENT = "comment"
EMPTY = "%"
"""Stands for an empty value, which not every store takes; no encoded value looks like it."""
PRINTABLE = "".join(map(chr, range(32, 127))).replace("%", "")


def version_of(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """The series of Blender that saved a component, such as ``(5, 0)``; ``None`` if it is not known."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", metadata.get(BLENDER, ""), re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def can_open(blender: tuple[int, int], saved_by: tuple[int, int]) -> bool:
    """Whether a Blender opens at all what a newer one saved. The header of 5.0's files is read from 4.5 on (release
    notes of Blender 5.0, "Core"); no other change is known to this release."""
    return saved_by <= blender or saved_by[0] < 5 or blender >= (4, 5)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse what not every store can keep.

    Raises:
        ConfigError: a key that is not of ``a-z``, ``0-9`` and ``_``, a value that is no Unicode, or more than
            :data:`MAX_BYTES` in all.
    """
    for key, value in metadata.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", key) or key == SHA256:
            raise ConfigError(f'The metadata key "{key}" cannot be stored everywhere; use a-z, 0-9 and "_".')
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigError(f'The metadata "{key}" is not valid Unicode; write it again.') from None
    stored = encode_metadata(metadata, "0" * 64)
    if sum(len(key) + len(value) for key, value in stored.items()) > MAX_BYTES:
        raise ConfigError(
            f"The metadata takes more than the {MAX_BYTES} bytes that S3 has for it (a letter outside ASCII takes six "
            "or more); shorten it."
        )


def encode_metadata(metadata: Mapping[str, str], sha256: str | None) -> dict[str, str]:
    """The headers' values for a user's metadata and the content's hash."""
    encoded = {key: _encode(value) for key, value in metadata.items()}
    return encoded | ({SHA256: sha256} if sha256 else {})


def decode_metadata(stored: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """The user's metadata and the hash, of what a store answered."""
    plain = {key.lower(): value for key, value in stored.items()}
    sha256 = plain.pop(SHA256, None)
    return {key: "" if value == EMPTY else unquote(value) for key, value in plain.items()}, sha256


def _encode(value: str) -> str:
    inner = value.strip(" ")
    before, after = len(value) - len(value.lstrip(" ")), len(value) - len(value.rstrip(" "))
    if not inner:
        return "%20" * len(value) or EMPTY
    return "%20" * before + quote(inner, safe=PRINTABLE) + "%20" * after
