"""What Blender and the worker say to each other: one JSON object per line.

The first line that the worker reads is no message but its start-up settings, see :mod:`.__main__`.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """Blender asks for one job."""

    id: int
    verb: str
    """``upload``, ``download``, ``list``, or ``cancel`` of the job with this ID."""
    config: dict[str, Any] = field(default_factory=dict)
    """The fields of a CloudStorageConfig."""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Bytes done, and in all."""

    id: int
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The job is done."""

    id: int
    value: Any


@dataclass(frozen=True)
class Failed:
    """The job failed; one sentence for a person."""

    id: int
    sentence: str


Message = Request | Progress | Finished | Failed

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Request, Progress, Finished, Failed)}


def encode(message: Message) -> bytes:
    """One line."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line.

    Raises:
        ValueError: it is none.
    """
    try:
        values = json.loads(line)
        message = _KINDS[values.pop("kind")](**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"Not a message: {line[:100]!r}") from error
    if type(message.id) is not int:
        raise ValueError(f"A message without a job: {line[:100]!r}")
    return message
