"""Which component IDs are allowed.

An ID is an object's key below the prefix, and in a synced folder the relative path. So it has to be a path that
every artist's system can hold: what Windows, macOS or Linux cannot write is refused before anything is sent.
"""

import re
import unicodedata
from functools import lru_cache

from pathvalidate import ErrorReason, ValidationError, validate_filename

from .errors import InvalidIdError
from .files import is_part

MAX_KEY_BYTES = 1024
"""Longest object key in UTF-8 (Amazon S3 user guide, "Naming Amazon S3 objects"; Azure allows 1,024 characters)."""
MAX_NAME_BYTES = 255
"""Longest name of one file or folder in UTF-8 on Linux; Windows and macOS allow 255 UTF-16 units, which is no less."""

STATE_FOLDER = ".ggg_cloud"
"""In a synced folder: the state between runs. In a store, below the prefix: what syncs note there."""
STORE_FOLDER = ".ggg_store"
"""In a plain-folder store: what is known of its files."""
PREVIEW_FOLDER = ".ggg_previews"
"""In a store, below the prefix: a picture of each component, under its ID with ``.png``."""
RESERVED_FOLDERS = (STATE_FOLDER, STORE_FOLDER, PREVIEW_FOLDER)
"""All begin with ``.ggg_``. No component may lie in them; neither a listing nor a sync shows what does."""
SYSTEM_FOLDERS = ("lost+found", "System Volume Information", "$RECYCLE.BIN", "#recycle", "@eaDir")
"""What systems keep at the top of a drive; not for us, and often not readable."""

PLAIN = re.compile(r"[a-z0-9_-]{5,100}(\.[a-z0-9]{1,8})?", re.ASCII | re.IGNORECASE)
"""Most names, which need no closer look: what Windows reserves is shorter (``COM1``) or has a ``$``."""


def is_reserved(key: str) -> bool:
    """Whether it lies in a folder of ours."""
    return ".ggg_" in key and any(part in RESERVED_FOLDERS for part in key.split("/"))  # "in" first: of very many


def check_component_id(component_id: str) -> str:
    """Return the ID unchanged if it can be stored and pulled on every system.

    Raises:
        InvalidIdError: it is empty, absolute, has ``..``, a drive letter, a backslash or NUL, a name that Windows
            reserves, a part that ends with a dot or a space, lies in a folder of ours, or is too long.
    """
    return _check(component_id, RESERVED_FOLDERS)


def check_key(key: str) -> str:
    """The same for an object's key, which may be that of a preview or of a marker."""
    return _check(key, (STORE_FOLDER,))


def preview_of(component_id: str) -> str:
    """Where a component's preview lies, below the prefix."""
    return f"{PREVIEW_FOLDER}/{component_id}.png"


def _check(component_id: str, reserved: tuple[str, ...]) -> str:
    if not component_id:
        raise InvalidIdError('The component ID is empty; give it a name such as "arm.blend".')
    shown = f'The component ID "{component_id if component_id.isprintable() else ascii(component_id)[1:-1]}"'
    if component_id.startswith(("/", "\\")):
        raise InvalidIdError(f"{shown} is an absolute path; give the path below the store's prefix.")
    try:
        encoded = component_id.encode()
    except UnicodeEncodeError:
        raise InvalidIdError(f"{shown} is not valid Unicode; rename the file.") from None
    if len(encoded) > MAX_KEY_BYTES:
        raise InvalidIdError(
            f'The component ID "{component_id[:40]}..." is longer than {MAX_KEY_BYTES} bytes; shorten it.'
        )
    for part in component_id.split("/"):
        _check_part(part, shown, reserved)
    return component_id


def _check_part(part: str, shown: str, reserved: tuple[str, ...]) -> None:
    if part in ("", ".", ".."):
        raise InvalidIdError(f'{shown} has an empty, "." or ".." part; give a plain path such as "robot/arm.blend".')
    if part.casefold() in reserved or is_part(part):
        raise InvalidIdError(f'{shown} has the part "{part}", which GGG Cloud keeps for itself; choose another name.')
    if why := _why_no_file(part):
        raise InvalidIdError(f"{shown} cannot be used: {why}; rename the component.")


@lru_cache(maxsize=4096)
def _why_no_file(part: str) -> str | None:
    """Why a file cannot have this name on every system; kept, as an ID and then the key with it are checked."""
    if PLAIN.fullmatch(part):
        return None
    try:
        validate_filename(part, platform="universal")
        # Windows also takes "con .blend" and these two for devices (Microsoft: "Naming Files, Paths, and Namespaces").
        device = part.split(".")[0].rstrip()
        if device.upper() in ("CONIN$", "CONOUT$"):
            raise ValidationError(reason=ErrorReason.RESERVED_NAME)
        if device and device != part:
            validate_filename(device, platform="universal")
    except ValidationError as error:
        if error.reason == ErrorReason.RESERVED_NAME:
            return f'"{part}" is a reserved name on Windows'
        if error.reason == ErrorReason.INVALID_LENGTH:
            return f"a part of it is longer than {MAX_NAME_BYTES} bytes"
        return f"{part!r} has a character that not every system can have in a file name"
    return None


def fold(key: str) -> str:
    """The key as a system sees it that ignores case and Unicode form (Windows, macOS).

    Two keys with one folded form are twins: they cannot both be files in one folder there.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def with_folders(path: str) -> list[str]:
    """The path, and each folder that it lies in."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
