"""Sizes and times as people read them."""

import time

UNITS = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))
"""How many of it make one of the next, and how it is written."""


def shown_size(size: float, *, short: bool = False) -> str:
    """Bytes; ``short`` leaves away the decimal that says little."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95 or unit == "GB":
            break
    return f"{size:.{0 if short and size >= 9.95 else 1}f} {unit}"


def shown_seconds(seconds: float) -> str:
    """A duration, in the largest unit of which there is one."""
    left = max(seconds, 0)
    for count, unit in UNITS:
        if left < count:
            return f"{left:.0f} {unit}"
        left /= count
    return f"{left:.0f} y"


def shown_age(modified: float) -> str:
    """How long it is since a time that is given in seconds since 1970; less than a minute is nothing."""
    seconds = time.time() - modified
    return "now" if seconds < 60 else shown_seconds(seconds)


def shown_ago(modified: float) -> str:
    """The same within a sentence."""
    age = shown_age(modified)
    return "just now" if age == "now" else f"{age} ago"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
