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
    return bool(folder) and max(_numbers(provider, prefix, folder)) < int(number)


def leave(provider: Provider, prefix: str, state: State) -> None:
    """Leave the next number, once the state knows all that the run did.

    Where it cannot be stored (no rights, no connection) the last one stays good: it only proves less.
    """
    folder, _, last = state.marker.partition("/")
    folder = folder or secrets.token_hex(8)
    try:
        there = _numbers(provider, prefix, folder)
        # Higher than any that is there: this state may be an older copy that somebody put back.
        number = max(int(last or 0), *there) + 1
        key = _key(prefix, folder, there.index(min(there)))
        with contextlib.suppress(StorageError):  # it takes more rights than a sync needs; then old markers stay
            provider.erase(key)
        provider.put(key, BytesSource(_marker(number)))
        state.set_marker(f"{folder}/{number}")
    except StorageError:
        log.warning("No marker was left in %s", provider.location, exc_info=True)


def _marker(number: int) -> bytes:
    synced = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"number": number, "host": socket.gethostname(), "synced": synced}).encode()


def _numbers(provider: Provider, prefix: str, folder: str) -> list[int]:
    return [_number(provider, _key(prefix, folder, turn)) for turn in range(2)]


def _number(provider: Provider, key: str) -> int:
    try:
        with provider.get(key) as download:
            content = b"".join(download) if download.info.size <= MAX_SIZE else b""
        return int(json.loads(content)["number"])
    except (ObjectNotFoundError, ValueError, KeyError, TypeError):
        return 0


def _key(prefix: str, folder: str, turn: int) -> str:
    return f"{prefix}{STATE_FOLDER}/folders/{folder}/{turn}"
