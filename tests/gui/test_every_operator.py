"""Every operator in the installed extension of a real Blender without a window: its answer, and what it writes."""

import json
import os
import re
import subprocess
from pathlib import Path

from servers import Server

SCRIPT = Path(__file__).with_name("every_operator.py")
OWN = re.compile(r"extensions/\.user/user_default/ggg_cloud_addon(/.*)?|extensions/\.user(/user_default)?")
"""What Blender gives the extension for its own files."""


def test_every_operator(blender: Path, folders: Path, moto_open: Server, bucket_name: str, tmp_path: Path) -> None:
    moto_open.client().create_bucket(Bucket=bucket_name)
    (home := tmp_path / "home").mkdir()
    done = subprocess.run(
        [blender, "-b", "--online-mode", "--python", SCRIPT, "--", folders, tmp_path, moto_open.url, bucket_name],
        env=os.environ | {"BLENDER_USER_RESOURCES": str(folders), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (tmp_path / "told.json").exists(), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    operators, told = json.loads((tmp_path / "told.json").read_text())
    assert {name for name, *_ in told} == set(operators)
    for name, says, said, written in told:
        assert any(says in each for each in said), (name, said)
        assert [each for each in written if not OWN.fullmatch(each)] == [], name
