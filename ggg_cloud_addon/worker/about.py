"""What is told of components beside their content. It is kept in a folder, so that it is asked for once."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..cloud_storage import CloudStorageManager
from ..cloud_storage.errors import IntegrityError, InvalidIdError, ObjectNotFoundError
from ..cloud_storage.files import part_file, translated
from .harmless import shown_metadata, small_png

log = logging.getLogger(__name__)

SETTLED = timedelta(minutes=3)
"""A preview is made and stored after its component; what has none then gets none."""

CHECKED = "harmless"
"""Tells what is kept from what versions up to 0.5.1 kept, which did not look at it."""

About = tuple[str | None, dict[str, str]]
"""The file with the preview, if there is one, and the metadata."""


def fetch_all(
    manager: CloudStorageManager, items: Sequence[tuple[str, str]], folder: Path, stop: Callable[[], object]
) -> dict[str, About]:
    """By component. The second value of an item changes with the component; ``stop`` may raise to end it."""

    def fetch(item: tuple[str, str]) -> About:
        stop()
        return _fetch(manager, *item, folder)

    with ThreadPoolExecutor(manager.max_concurrency) as pool:
        try:
            return dict(zip((item[0] for item in items), pool.map(fetch, items), strict=True))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def fetch_preview(manager: CloudStorageManager, component_id: str, token: str, folder: Path) -> str | None:
    """The file with the preview; ``None`` if there is none."""
    path = _path(manager, component_id, token, folder).with_suffix(".png")
    if not path.exists():
        stored = manager.get_preview(component_id)
        preview = small_png(stored) if stored else None
        if preview is None:
            if stored:
                log.warning("The picture of %s is left out: it is no PNG, or none of ours", component_id)
            return None
        _write(path, preview)
    return str(path)


def _fetch(manager: CloudStorageManager, component_id: str, token: str, folder: Path) -> About:
    path = _path(manager, component_id, token, folder).with_suffix(".json")
    try:
        preview, metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there yet, or torn by a crash
        pass
    else:
        if preview is None or Path(preview).exists():
            return preview, metadata
    try:
        info = manager.get_info(component_id)
        about = fetch_preview(manager, component_id, token, folder), shown_metadata(info.metadata)
    except ObjectNotFoundError:  # only just deleted
        return None, {}
    except (IntegrityError, InvalidIdError):  # which costs this one only
        log.warning("Of %s nothing is shown", component_id, exc_info=True)
        return None, {}
    if about[0] or datetime.now(UTC) - info.modified > SETTLED:
        _write(path, json.dumps(about).encode())
    return about


def _path(manager: CloudStorageManager, component_id: str, token: str, folder: Path) -> Path:
    about = (manager.provider.location, manager.key_of(component_id), token, CHECKED)
    return folder / hashlib.sha256("\0".join(about).encode()).hexdigest()[:32]


def _write(path: Path, content: bytes) -> None:
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_file(path.parent, path.name) as part:
            part.write_bytes(content)
            os.replace(part, path)
