"""Another extension ships other versions of what ours ships, into the one folder that Blender has for both.

Blender keeps the wheel whose file name has the newest version. So that it is the other's, its wheels are renamed.
"""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import window
from servers import Server
from test_window import CONNECTION, keys_of, look_into

WHEELS = {"botocore": "1.35.99", "urllib3": "1.26.20"}
MANIFEST = """schema_version = "1.0.0"
id = "other_addon"
version = "1.0.0"
name = "Other"
tagline = "Ships other versions"
maintainer = "Nobody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
wheels = [{wheels}]
"""


@pytest.fixture(scope="session")
def other_extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its zip."""
    cache = platformdirs.user_cache_path("ggg_cloud_tests") / "other-wheels"
    wheels = [cache / f"{name}-{version}-py2.py3-none-any.whl" for name, version in WHEELS.items()]
    wheels[0] = cache / f"botocore-{WHEELS['botocore']}-py3-none-any.whl"
    if not all(wheel.exists() for wheel in wheels):
        pins = [f"{name}=={version}" for name, version in WHEELS.items()]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={cache}", *pins]
        subprocess.run(command, check=True)
    path = tmp_path_factory.mktemp("other") / "other_addon-1.0.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        names = [f"./wheels/{name}-99.0-py3-none-any.whl" for name in WHEELS]
        archive.writestr("blender_manifest.toml", MANIFEST.format(wheels=", ".join(f'"{name}"' for name in names)))
        archive.writestr("__init__.py", "def register():\n    pass\n\n\ndef unregister():\n    pass\n")
        for wheel, name in zip(wheels, names, strict=True):
            archive.write(wheel, name.removeprefix("./"))
    return path


def test_ours_works_or_says_in_one_sentence_what_to_do(
    blender: Path, resources: Path, other_extension: Path, open_window: Any, moto: Server, bucket_name: str
) -> None:
    window.install(blender, resources, other_extension)
    for name, version in WHEELS.items():
        assert list(resources.rglob(f"site-packages/{name}-{version}.dist-info")), "Ours was kept; nothing is tested."
    moto.client().create_bucket(Bucket=bucket_name)
    shown: window.Window = open_window(**keys_of(moto))
    look_into(shown)
    shown.execute(
        f"c = {CONNECTION}.connections[0]\nc.provider, c.bucket_name = 'aws', {bucket_name!r}\n"
        f"c.endpoint_url = {moto.url!r}\n"
    )
    shown.click("bpy.ops.ggg_cloud.export_upload")
    told, icon = shown.wait("not runs() and view.messages and [view.messages[0].text, view.messages[0].icon]", 60)
    shown.picture("other-extension")
    if icon == "ERROR":
        assert "\n" not in told
        assert "Traceback" not in told
        assert any(name in told for name in WHEELS)
    else:
        assert told.startswith("Pushed ")
