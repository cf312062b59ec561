"""The log, ``cloud_storage.log``: what was done, and the details behind every error sentence."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from .config import APP
from .files import translated
from .redaction import redact

LOG_NAME = "cloud_storage.log"


def default_log_folder() -> Path:
    """The user's own folder for logs, where the command writes."""
    return Path(platformdirs.user_log_dir(APP, appauthor=False))


def start_log(folder: Path) -> Path:
    """Write this process's log to ``cloud_storage.log`` in ``folder``, 2 MB and three older files at most.

    Called again for the same folder it changes nothing. A library must not do so on its own: the command, the worker
    and who else owns a process call this.

    Raises:
        LocalFileError: the folder cannot be written.
    """
    path = folder.absolute() / LOG_NAME
    logger = logging.getLogger(__package__.rpartition(".")[0])
    if any(isinstance(each, RotatingFileHandler) and each.baseFilename == str(path) for each in logger.handlers):
        return path
    with translated(path):
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=3, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return path


class _Redacting(logging.Formatter):
    """Takes secrets out of the whole text, tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        known = record.__dict__  # the handler asks twice: whether it fits in, and what it is
        if "redacted" not in known:
            known["redacted"] = redact(super().format(record))
        return str(known["redacted"])
