"""Forked children: real processes that start, and can be killed, within milliseconds."""

import faulthandler
import os
import traceback
from collections.abc import Callable

Act = Callable[[], object]

DEADLINE = 120
"""Seconds after which a child hangs: it ends itself, and its threads are on stderr."""


def in_child(act: Act) -> int:
    """Fork a child that does this and ends; the answer is its ID."""
    child = os.fork()
    if child:
        return child
    faulthandler.dump_traceback_later(DEADLINE, file=2, exit=True)
    try:
        act()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # the parent sees it on stderr
        traceback.print_exc()
    finally:
        os._exit(1)


def ended(child: int) -> int:
    """How the child ended: 0, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
