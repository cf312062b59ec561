"""A small object that each synced folder leaves in the store, by which a store that was put back shows.

After a run that changed something the sync stores ``.ggg_cloud/folders/<folder>/<number>`` below the prefix, remembers
its name, and removes the one before it. If the marker is missing at the next run, the store is in an older state than
this folder has seen (it was restored from a backup), or it is a new one under the same name. Each folder has markers of
its own, so no two clients ever write the same one.
"""

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


def is_missing(provider: Provider, prefix: str, state: State) -> bool:
    """Whether the store lacks the marker that this folder left there.

    Raises:
        StorageError: the store does not answer.
    """
    if not state.marker:
        return False
    try:
        provider.head(_key(prefix, state.marker))
    except ObjectNotFoundError:
        return True
    return False


def leave(provider: Provider, prefix: str, state: State) -> None:
    """Leave a new marker in place of the last one, once the state knows all that the run did.

    Where it cannot be stored (no rights, no connection) the last one stays good: it only proves less.
    """
    last = state.marker
    folder, _, number = last.partition("/")
    new = f"{folder or secrets.token_hex(8)}/{int(number or 0) + 1}"
    about = {"host": socket.gethostname(), "synced": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        provider.put(_key(prefix, new), BytesSource(json.dumps(about).encode()))
        state.set_marker(new)
        if last:
            provider.erase(_key(prefix, last))
    except StorageError:
        log.warning("No marker was left in %s", provider.location, exc_info=True)


def _key(prefix: str, marker: str) -> str:
    return f"{prefix}{STATE_FOLDER}/folders/{marker}"
