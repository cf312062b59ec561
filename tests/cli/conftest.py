import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("shell", "cases_sync")

from shell import Shell  # noqa: E402


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def zoe(shell: Shell, tmp_path: Path) -> Shell:
    """A colleague with a home of her own and the same store."""
    (tmp_path / "zoe").mkdir()
    zoe = Shell(tmp_path / "zoe")
    zoe.store = shell.store
    zoe.env["LOGNAME"] = "Zoë"
    return zoe


@pytest.fixture
def open_shell() -> Iterator[Shell]:
    """In a folder that users without any rights can reach too, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_test_") as folder:
        path = Path(folder)
        path.chmod(0o755)
        shell = Shell(path)
        for each in (shell.work, shell.home, shell.tmp):
            each.chmod(0o777)
        yield shell
        for root, folders, _ in os.walk(folder):
            for name in folders:
                Path(root, name).chmod(0o755)  # so that it can be removed
