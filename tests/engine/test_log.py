"""The log: written where it was asked for, bounded, and in nobody's way."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageManager, log
from ggg_cloud_addon.cloud_storage.errors import LocalFileError

LOGGER = logging.getLogger("ggg_cloud_addon")


@pytest.fixture(autouse=True)
def _no_handlers_stay() -> Iterator[None]:
    before = list(LOGGER.handlers), LOGGER.level
    yield
    for handler in [each for each in LOGGER.handlers if each not in before[0]]:
        LOGGER.removeHandler(handler)
        handler.close()
    LOGGER.setLevel(before[1])


def test_what_was_done_and_what_failed_is_written(manager: CloudStorageManager, tmp_path: Path) -> None:
    path = log.start_log(tmp_path / "new" / "logs")
    assert path == tmp_path / "new" / "logs" / "cloud_storage.log"
    (tmp_path / "ü.blend").write_bytes(b"x")
    manager.upload_component(tmp_path / "ü.blend", "ü.blend")
    manager.upload_components([(tmp_path / "missing.blend", "missing.blend")])
    written = path.read_text(encoding="utf-8")
    assert "models/ü.blend" in written
    assert "missing.blend failed" in written
    assert "Traceback" in written


def test_it_stays_small(tmp_path: Path) -> None:
    path = log.start_log(tmp_path)
    for _ in range(120):
        LOGGER.info("x" * 100_000)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["cloud_storage.log", *(f"cloud_storage.log.{n}" for n in (1, 2, 3))]
    assert path.stat().st_size <= 2_000_000


def test_started_twice_it_writes_each_line_once(tmp_path: Path) -> None:
    log.start_log(tmp_path)
    path = log.start_log(tmp_path)
    LOGGER.info("once")
    assert path.read_text(encoding="utf-8").count("once") == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalFileError, match=r'cloud_storage\.log" cannot be read or written'):
        log.start_log(tmp_path / "file")
    (tmp_path / "cloud_storage.log").mkdir()
    with pytest.raises(LocalFileError):
        log.start_log(tmp_path)


def test_nothing_is_written_unasked(
    manager: CloudStorageManager, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manager.upload_components([(tmp_path / "missing.blend", "missing.blend")])
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.rglob("*.log"))
