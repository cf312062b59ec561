"""This project beside the tools people use: ``PYTHONPATH=tests python benchmarks/side_by_side.py``.

boto3 as a user would write it, rclone, s5cmd and this project do the same works on the same servers, one after another
and round after round, each run with a fresh target. Wall time, CPU time and peak memory are measured from outside, and
whether the right bytes have arrived is checked after the clock has stopped. What is wrong ends the benchmark.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from contenders import CONTENDERS, OURS, Figures, Job, contenders, write_state
from same_files import names as paths
from slow_line import Measured, measure_line
from stores import SOURCE, Store, check_same, open_store, relative_files
from tabulate import tabulate

from ggg_cloud_addon.cloud_storage.names import STATE_FOLDER

SMALL = 10_000
"""Bytes of a small file."""
MB, GIB = 1_000_000, 1 << 30
ROOM = 8 * GIB
"""What the largest works need in the folder."""
MANY = 10_000
"""With so many files boto3 is measured in the first round only: it takes minutes."""
SEED = 7
BLOCK = 1 << 20
OLD_SECONDS = 3600


@dataclass(frozen=True)
class Work:
    """What every tool has to do."""

    kind: str
    """Of a job."""
    sizes: Sequence[int]
    """Of the files, in bytes."""
    provider: str = "aws"
    slow: bool = False

    @property
    def names(self) -> list[str]:
        """Of the files: in folders where they are synced, and side by side where they are pushed by their names."""
        names = paths(len(self.sizes))
        return [name.rpartition("/")[2] if self.kind in ("up", "down") else name for name in names]


def _blend_sizes() -> list[int]:
    chance = random.Random(SEED)
    return [chance.randint(MB, 20 * MB) for _ in range(200)]


def _both_ways(name: str, sizes: Sequence[int], **more: Any) -> dict[str, Work]:
    return {f"{name}-{kind}": Work(kind, sizes, **more) for kind in ("up", "down")}


WORKS = {
    **_both_ways("small-1000", [SMALL] * 1000),
    **_both_ways("small-10000", [SMALL] * 10_000),
    "sync-1000-up": Work("sync-up", [SMALL] * 1000),
    "sync-1000-down": Work("sync-down", [SMALL] * 1000),
    "unchanged-10000": Work("unchanged", [1000] * 10_000),
    "unchanged-100000": Work("unchanged", [1000] * 100_000),
    "changed": Work("changed", [SMALL] * 10_000),
    **_both_ways("large", [GIB]),
    **_both_ways("blends", _blend_sizes()),
    **_both_ways("azure-small-1000", [SMALL] * 1000, provider="azure"),
    **_both_ways("azure-large", [256 * MB], provider="azure"),
    **_both_ways("slow-small", [SMALL] * 1000, slow=True),
    **_both_ways("slow-large", [200 * MB], slow=True),
}


class Rounds:
    """A work with its files and its server."""

    def __init__(self, work: Work, home: Path, store: Store) -> None:
        """``home`` has the files of the work already; see :func:`fill`."""
        self._work = work
        self._home = home
        self._store = store
        self._runs = 0
        self._state = home / "state"
        if work.kind in ("unchanged", "changed"):
            write_state(self._job(home / "files", SOURCE))
            (home / "files" / STATE_FOLDER).rename(self._state)

    def run(self, tools: Sequence[str], rounds: int) -> Iterator[tuple[str, Figures]]:
        """Let each tool do the work in each round; who begins changes from round to round."""
        for number in range(rounds):
            begin = number % len(tools)
            for name in (*tools[begin:], *tools[:begin]):
                if name == "boto3" and len(self._work.sizes) >= MANY and number:
                    continue
                self._runs += 1
                yield name, self._run(name)

    def _run(self, name: str) -> Figures:
        files, store, kind = self._home / "files", self._store, self._work.kind
        folder, bucket = files, SOURCE
        if kind in ("up", "sync-up"):
            store.create(bucket := f"target-{self._runs}")
        elif kind in ("down", "sync-down"):
            (folder := self._home / f"target-{self._runs}").mkdir()
        elif kind == "changed":
            self._change_one_percent()
        if name in OURS and self._state.exists():
            shutil.copytree(self._state, folder / STATE_FOLDER)
        before = self._stamps()
        figures = CONTENDERS[name](self._job(folder, bucket))
        if kind == "unchanged" and self._stamps() != before:
            raise SystemExit(f"{name} wrote files although nothing had changed.")
        if folder is not files:
            check_same(self._home / "served" / SOURCE, folder)
            shutil.rmtree(folder)
        elif kind != "unchanged":
            store.check(bucket, folder)
        if bucket != SOURCE:
            store.drop(bucket)
        shutil.rmtree(files / STATE_FOLDER, ignore_errors=True)
        return figures

    def _job(self, folder: Path, bucket: str) -> Job:
        return Job(self._work.kind, folder, self._work.names, self._store.cloud(bucket), self._home)

    def _change_one_percent(self) -> None:
        """The bucket has the old content again, and the folder new content; the size tells it to every tool."""
        for name in self._work.names[::100]:
            self._store.put(SOURCE, name, _content(name, SMALL))
            (self._home / "files" / name).write_bytes(_content(f"{name} {self._runs}", SMALL + self._runs))

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """Tells of every file in folder and bucket whether it was written."""
        if self._work.kind != "unchanged":
            return {}
        roots = (self._home / "files", self._home / "served" / SOURCE)
        stats = {path: path.stat() for root in roots for path in map(root.joinpath, relative_files(root))}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def fill(work: Work, home: Path) -> None:
    """Write the files of a work where its kind begins: into the folder, into the bucket, or into both."""
    old = int(time.time()) - OLD_SECONDS  # whole seconds: no tool sees a difference in what a server rounds
    files, bucket = home / "files", home / "served" / SOURCE
    first = bucket if work.kind.endswith("down") else files
    for name, size in zip(work.names, work.sizes, strict=True):
        path = first / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as writer:
            for begin in range(0, size, BLOCK):
                writer.write(_content(f"{name} {begin}" if begin else name, min(BLOCK, size - begin)))
        os.utime(path, (old, old))
    if work.kind in ("unchanged", "changed"):
        shutil.copytree(files, bucket)
    files.mkdir(exist_ok=True)
    bucket.mkdir(parents=True, exist_ok=True)


def _content(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@dataclass
class Row:
    """The medians of a tool at a work."""

    work: str
    tool: str
    rounds: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    of_s5cmd: float | None
    of_rclone: float | None
    of_line: float | None
    """The share of the slow line's rate."""
    runs: list[Figures] = field(repr=False)


def as_rows(name: str, runs: dict[str, list[Figures]], line: Measured | None) -> Iterator[Row]:
    """The result of a work."""
    walls = {tool: median(each.wall for each in figures) for tool, figures in runs.items()}
    work = WORKS[name]
    rate = (line.down if work.kind == "down" else line.up) if line and work.slow else None
    for tool, figures in runs.items():
        wall, cpu, peak = (median(values) for values in zip(*figures, strict=True))
        yield Row(
            name,
            tool,
            len(figures),
            wall,
            cpu,
            peak,
            of_s5cmd=wall / walls["s5cmd"] if "s5cmd" in walls else None,
            of_rclone=wall / walls["rclone"] if "rclone" in walls else None,
            of_line=sum(work.sizes) / wall / rate if rate else None,
            runs=figures,
        )


def measure(name: str, asked: argparse.Namespace, line: Measured | None) -> Iterator[Row]:
    """Let the tools do a work."""
    work = WORKS[name]
    tools = [tool for tool in contenders(work.kind, work.provider) if tool in asked.tools]
    if not tools:
        return
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="side_by_side-") as there:
        home = Path(there)
        fill(work, home)
        runs: dict[str, list[Figures]] = {tool: [] for tool in tools}
        with open_store(work.provider, home / "served", slow=work.slow) as store:
            for tool, figures in Rounds(work, home, store).run(tools, asked.rounds):
                runs[tool].append(figures)
                print(f"{name}, {tool}: {figures.wall:.2f} s", file=sys.stderr)
    yield from as_rows(name, runs, line)


def default_folder() -> Path:
    """In memory if there is room: disks differ."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else Path(tempfile.gettempdir())


def main() -> None:
    """Measure, print a table, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, known in (("work", WORKS), ("tool", CONTENDERS)):
        parser.add_argument(
            f"--{name}s", nargs="+", choices=known, default=list(known), metavar=name.upper(), help=", ".join(known)
        )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where all files lie; else in memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    asked = parser.parse_args()
    line = measure_line() if any(WORKS[name].slow for name in asked.works) else None
    about = {"folder": str(asked.folder), "cores": os.cpu_count(), "line": line and line._asdict()}
    rows: list[Row] = []
    for name in asked.works:
        rows += measure(name, asked, line)
        if asked.json:  # what has been measured so far: the whole takes an hour
            asked.json.write_text(json.dumps(about | {"rows": [vars(row) for row in rows]}, indent=2))
    headers = ("Work", "Tool", "Rounds", "Wall, s", "CPU, s", "Peak, MB", "of s5cmd", "of rclone", "of the line")
    shown = [tuple(vars(row).values())[: len(headers)] for row in rows]
    formats = ("", "", "", ".2f", ".2f", ".0f", ".2f", ".2f", ".2f")
    print(tabulate(shown, headers, floatfmt=formats, missingval="-"))
    print(f"\nMedians; all files lay in {asked.folder}, with {os.cpu_count()} cores for the tools and the servers.")
    if line:
        print(
            f"The slow line: a round trip of {line.round_trip * 1000:.1f} ms, {line.up / MB:.2f} MB/s up and "
            f"{line.down / MB:.2f} MB/s down."
        )


if __name__ == "__main__":
    main()
