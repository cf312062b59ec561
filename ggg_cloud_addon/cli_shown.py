"""How the command tells things: lines and tables on stdout, a bar on stderr, or one JSON document."""

import argparse
import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from .cloud_storage import BatchResult
from .cloud_storage.transfers import Progress

Answer = tuple[Any, int]
"""What ``--json`` prints, and the exit code."""

CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What makes a terminal do something, or turns the direction of text; names and metadata are anybody's."""


class StdoutError(OSError):
    """The answer cannot be written: the disk that it is to go to is full, for one."""


def say(args: argparse.Namespace, text: str) -> None:
    """A line for a person."""
    if args.json:
        return
    try:
        print(harmless(text))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StdoutError(*error.args) from error


def complain(sentence: object) -> None:
    """A line on stderr for a person."""
    print(harmless(str(sentence)), file=sys.stderr)


def harmless(text: str) -> str:
    """Of a text for a terminal, what no program there acts upon."""
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def show_table(args: argparse.Namespace, rows: Sequence[Sequence[Any]], headers: Sequence[str] = ()) -> None:
    """A table for a person."""
    align = ["right" if name == "Bytes" else "left" for name in headers] or None
    style = "simple" if headers else "plain"
    from tabulate import tabulate  # late: it takes a tenth of a command's start

    say(args, tabulate(rows, headers, style, disable_numparse=True, colalign=align))


def shown_time(time: datetime) -> str:
    """A time of this machine's zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def show_batch(args: argparse.Namespace, results: list[BatchResult], done: Callable[[str], str]) -> Answer:
    """What became of each item; ``done`` says it, by ID, of those that went well."""
    for each in results:
        if each.error is None:
            say(args, done(each.component_id))
        else:
            complain(each.error)
    answer = [
        {"component_id": each.component_id}
        | (vars(each.info) if each.info else {})
        | {"error": str(each.error) if each.error else None}
        for each in results
    ]
    return answer, not all(each.ok for each in results)


@contextlib.contextmanager
def bar(args: argparse.Namespace, name: str) -> Iterator[Progress | None]:
    """A progress bar on stderr while a person watches."""
    if not is_watched(args):
        yield None
        return
    from tqdm import tqdm  # late, as tabulate above

    columns, rows = shutil.get_terminal_size()  # where a terminal does not know, tqdm itself would show nothing
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, ncols=columns, nrows=rows) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def is_watched(args: argparse.Namespace) -> bool:
    """Whether a person looks at the terminal."""
    return sys.stderr.isatty() and not args.json
