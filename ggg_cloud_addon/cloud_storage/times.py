"""Times as file systems and stores give them, as values that cannot overflow."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)
FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
"""Both a day from what Python can tell, so that any time zone can show them."""


def utc_from_ns(ns: int) -> datetime:
    """A time given in nanoseconds since 1970, aware, UTC; the nearest that Python knows, as file systems know more."""
    try:
        return min(max(EPOCH + timedelta(microseconds=ns // 1000), FIRST), LAST)
    except OverflowError:
        return FIRST if ns < 0 else LAST
