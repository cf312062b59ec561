"""The Python packages that the extension brings along, and whether this process got them.

All extensions of a Blender share one folder of packages, in which the newest version of each wins. So another
extension can put a package out of step with the others that GGG Cloud was made with.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

MANIFEST = Path(__file__).parents[1] / "blender_manifest.toml"
"""Lies there in an installed extension only; its wheels are named after package and version."""


def advice() -> str | None:
    """What to do about packages that are out of step, as one sentence for a person; ``None`` if none is."""
    found = [
        f"{name} {wanted} and found {version}" if version else f"{name} {wanted} and did not find it"
        for name, wanted in _bundled()
        if (version := _version(name)) != wanted
    ]
    if not found:
        return None
    return (
        f"GGG Cloud needs the Python package{'s' if len(found) > 1 else ''} {', '.join(found)}, which another "
        "extension may have replaced; disable that extension, then disable and enable GGG Cloud and restart Blender."
    )


def _bundled() -> Iterator[tuple[str, str]]:
    """Names and versions."""
    if MANIFEST.exists():
        for wheel in tomllib.loads(MANIFEST.read_text("utf-8")).get("wheels", ()):
            name, version, *_ = Path(wheel).name.split("-")
            yield re.sub("[_.]+", "-", name).lower(), version


def _version(name: str) -> str | None:
    """Of what an import would find."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
