"""What Blender and the worker say to each other: one JSON object per line.

The first line that the worker reads is no message but its start-up settings, see :mod:`.__main__`. Its own first line
is empty and says that it is up; no request is sent before.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

PART_ITEMS = 500
"""Of a long list or mapping go over in one message: whoever decodes it holds Blender up for less than a millisecond."""


@dataclass(frozen=True)
class Request:
    """Blender asks for one job."""

    id: int
    verb: str
    """One of :data:`.verbs.VERBS`, or ``cancel`` of the job with this ID."""
    config: dict[str, Any] = field(default_factory=dict)
    """The fields of a CloudStorageConfig."""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    id: int
    done: int
    """Bytes."""
    total: int
    """Bytes in all; 0 while nothing is known."""
    text: str = ""
    """The file under way."""
    items_done: int = 0
    """Files; while a sync still looks, those seen so far."""
    items: int = 0
    """Files in all; 0 where it is one, or not known yet."""


@dataclass(frozen=True)
class Part:
    """Some items of a long answer, on their way before the message that ends the job."""

    id: int
    key: str | None
    """Where they belong in the answer; ``None``: they are the answer itself."""
    items: Any
    """A list or a mapping, to be added at the end."""


@dataclass(frozen=True)
class Finished:
    """The job is done."""

    id: int
    value: Any
    """The answer, but for its parts."""


@dataclass(frozen=True)
class Failed:
    """The job failed; one sentence for a person."""

    id: int
    sentence: str
    kind: str = ""
    """The name of the engine's error, such as ``PreconditionFailedError``; empty for a fault of ours."""


Message = Request | Progress | Part | Finished | Failed

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Request, Progress, Part, Finished, Failed)}


def encode(message: Message) -> bytes:
    """One line."""
    return json.dumps({"message": type(message).__name__, **vars(message)}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line.

    Raises:
        ValueError: it is none.
    """
    try:
        values = json.loads(line)
        message = _KINDS[values.pop("message")](**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"Not a message: {line[:100]!r}") from error
    if type(message.id) is not int:
        raise ValueError(f"A message without a job: {line[:100]!r}")
    return message


def answer(job: int, value: Any) -> Iterator[Part | Finished]:
    """The messages that end a job with this answer."""
    if isinstance(value, dict):
        rest = dict(value)
        for key, each in value.items():
            if _is_long(each):
                rest[key] = type(each)()
                yield from _parts(job, key, each)
        yield Finished(job, rest)
    elif _is_long(value):
        yield from _parts(job, None, value)
        yield Finished(job, [])
    else:
        yield Finished(job, value)


def add_part(value: Any, part: Part) -> None:
    """Put a part into its place in the answer ``value``, which begins as an empty one (see :func:`answer`)."""
    place = value if part.key is None else value[part.key]
    if isinstance(place, dict):
        place.update(part.items)
    else:
        place.extend(part.items)


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(value) > PART_ITEMS


def _parts(job: int, key: str | None, value: Any) -> Iterator[Part]:
    items = iter(value.items() if isinstance(value, dict) else value)
    while part := list(islice(items, PART_ITEMS)):
        yield Part(job, key, dict(part) if isinstance(value, dict) else part)
