"""Another extension, whose wheel lies in the folder that Blender has for those of all."""

import base64
import hashlib
import zipfile
from pathlib import Path

import window

WHEEL = "ggg_neighbour-1.0-py3-none-any.whl"
MANIFEST = f"""schema_version = "1.0.0"
id = "neighbour"
version = "1.0.0"
name = "Neighbour"
tagline = "Keeps a wheel beside ours"
maintainer = "Nobody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
wheels = ["./wheels/{WHEEL}"]
"""


def install_neighbour(blender: Path, resources: Path, scratch: Path) -> None:
    """Install and enable it."""
    path = scratch / "neighbour-1.0.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("blender_manifest.toml", MANIFEST)
        archive.writestr("__init__.py", "import ggg_neighbour\ndef register(): ...\ndef unregister(): ...\n")
        archive.writestr(f"wheels/{WHEEL}", _wheel(scratch).read_bytes())
    window.install(blender, resources, path)
    assert list(resources.glob("extensions/.local/**/ggg_neighbour.py")), "Its wheel was not installed."


def _wheel(scratch: Path) -> Path:
    home = "ggg_neighbour-1.0.dist-info"
    files = {
        "ggg_neighbour.py": "",
        f"{home}/METADATA": "Metadata-Version: 2.1\nName: ggg-neighbour\nVersion: 1.0\n",
        f"{home}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items()) + f"{home}/RECORD,,\n"
    with zipfile.ZipFile(scratch / WHEEL, "w") as archive:
        for name, text in (*files.items(), (f"{home}/RECORD", record)):
            archive.writestr(name, text)
    return scratch / WHEEL


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
