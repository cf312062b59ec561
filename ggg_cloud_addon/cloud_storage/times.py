"""Times as file systems give them, which may be any number."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
"""A day from either end of what ``datetime`` holds, so that ``astimezone`` works for every time zone."""


def utc_from_ns(ns: int) -> datetime:
    """Nanoseconds since 1970 as an aware time, or the nearest that ``datetime`` can hold."""
    try:
        return min(max(EPOCH + timedelta(microseconds=ns // 1000), EARLIEST), LATEST)
    except OverflowError:
        return LATEST if ns > 0 else EARLIEST
