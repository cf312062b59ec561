"""Sizes and times as people read them."""

import time

UNITS = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))
"""How many of it make one of the next, and how it is written."""


def shown_size(size: float, digits: int = 1) -> str:
    """Bytes, from kB on with so many decimals."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB"):
        size /= 1000
        if float(f"{size:.{digits}f}") < 1000:
            return f"{size:.{digits}f} {unit}"
    return f"{size / 1000:.{max(digits, 1)}f} GB"


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
