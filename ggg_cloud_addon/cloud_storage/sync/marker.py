"""A small object that each synced folder leaves in the store, by which a store that was put back shows.

After each run that changed something the sync stores a number, one higher than before, under
``.ggg_cloud/folders/<folder>/<0 or 1>`` below the prefix, by turns, and remembers it. If the store has only lower ones
at the next run, or none, it is in an older state than this folder has seen (it was restored from a backup), or it is a
new one under the same name. Each folder has markers of its own, so no two clients write the same one. By turns, as the
former versions of a marker are removed before it is stored anew: at any moment one of both is there.
"""

import contextlib
import json
import logging
import secrets
import socket
from datetime import UTC, datetime

from ..errors import ObjectNotFoundError, StorageError
from ..files import BytesSource
from ..names import STATE_FOLDER
from ..providers.base import Provider
from .state import State

log = logging.getLogger(__name__)

MAX_SIZE = 1000
"""Bytes. What is larger is no marker of ours."""


def is_missing(provider: Provider, prefix: str, state: State) -> bool:
    """Whether the store is older than the number that this folder left there.

    Raises:
        StorageError: the store does not answer.
    """
    folder, _, number = state.marker.partition("/")
    if not folder:
        return False
    turns = (int(number), int(number) + 1)  # another copy of this folder, or of its state, may have gone on
    return all(_number(provider, _key(prefix, folder, each)) < int(number) for each in turns)


def leave(provider: Provider, prefix: str, state: State) -> None:
    """Leave the next number, once the state knows all that the run did.

    Where it cannot be stored (no rights, no connection) the last one stays good: it only proves less.
    """
    folder, _, last = state.marker.partition("/")
    folder, number = folder or secrets.token_hex(8), int(last or 0) + 1
    marker = {
        "number": number,
        "host": socket.gethostname(),
        "synced": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    key = _key(prefix, folder, number)
    try:
        with contextlib.suppress(StorageError):  # it takes more rights than a sync needs; then old markers stay
            provider.erase(key)
        provider.put(key, BytesSource(json.dumps(marker).encode()))
        state.set_marker(f"{folder}/{number}")
    except StorageError:
        log.warning("No marker was left in %s", provider.location, exc_info=True)


def _number(provider: Provider, key: str) -> int:
    try:
        with provider.get(key) as download:
            content = b"".join(download) if download.info.size <= MAX_SIZE else b""
        return int(json.loads(content)["number"])
    except (ObjectNotFoundError, ValueError, KeyError, TypeError):
        return 0


def _key(prefix: str, folder: str, number: int) -> str:
    return f"{prefix}{STATE_FOLDER}/folders/{folder}/{number % 2}"
