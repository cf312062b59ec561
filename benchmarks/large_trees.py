"""What a sync of a large tree costs: ``PYTHONPATH=tests python benchmarks/large_trees.py``.

Three trees of small files: 100,000 in 1,000 folders, 50,000 in one folder, and a chain of 1,000 folders with a file in
every tenth. Each is synced by three runs, each in a process of its own: up into an empty store, down into an empty
folder, and once more, when nothing has changed. A key has at most 1,024 bytes, so that half of the chain cannot be
stored: it has to be told, and must not stop the rest.

Measured are seconds, CPU, the peak of the resident memory above that of a Python that has loaded nothing, and what came
of it. A run that ends with an exception is a row too. The store is a plain folder; with ``--stores rclone`` it is
``rclone serve s3``, whose own time is in the seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from servers import rclone_server
from tabulate import tabulate

BUCKET, PREFIX = "trees", "models"
LEVELS = 1_000
EVERY = 10
"""So many levels of the chain are from one file to the next."""
CHILD = """
import json, sys, time
begun = time.monotonic()
from pathlib import Path

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) // 1000

before = memory("VmRSS")
from collections import Counter
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import StorageError

manager = CloudStorageManager(CloudStorageConfig(**json.loads(sys.argv[1])))
told = {}
try:
    result = StorageSynchronizer(manager, SyncConfig(local_dir=sys.argv[2], delete_files=True)).synchronize()
    told = Counter(each.kind.value for each in result.done) + Counter(each.kind.value for each in result.skipped)
    told["errors"] = len(result.errors)
    problem = next((str(each) for each in [*result.errors.values(), *(each.reason for each in result.skipped)]), "")
except StorageError as error:
    problem = f"{type(error).__name__}: {error}"
except Exception as error:
    problem = f"TRACEBACK of {type(error).__name__}: {error}"
print(json.dumps({
    "seconds": time.monotonic() - begun,
    "cpu_s": time.process_time(),
    "peak_mb": memory("VmHWM") - before,
    "told": {name: count for name, count in told.items() if count},
    "problem": problem[:300],
}))
"""


def wide(root: Path, count: int) -> None:
    """Files in 1,000 folders."""
    for number in range(count):
        path = root / f"set_{number % 1000:03}" / f"part_{number:06}.blend"
        if number < 1000:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"The content of %d." % number)


def flat(root: Path, count: int) -> None:
    """Files in one folder."""
    root.mkdir()
    for number in range(count):
        (root / f"part_{number:06}.blend").write_bytes(b"The content of %d." % number)


def chain(root: Path, levels: int) -> None:
    """A folder in a folder in a folder; the last path has some 2,000 characters.

    Deeper files are larger, so that they go first, and all folders above one have to be made at once.
    """
    path = str(root)
    Path(path).mkdir()
    for level in range(levels):
        path += "/d"
        Path(path).mkdir()
        if level % EVERY == EVERY - 1:
            Path(path, f"part_{level:04}.blend").write_bytes(b"x" * level)


TREES: dict[str, Callable[[Path, int], None]] = {"wide": wide, "flat": flat, "chain": chain}
SIZES = {"wide": 100_000, "flat": 50_000, "chain": LEVELS}


def sync(settings: dict[str, str], folder: Path) -> dict[str, Any]:
    """The figures of one sync."""
    command = [sys.executable, "-c", CHILD, json.dumps(settings), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"problem": f"the process ended with {done.returncode}"}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure(tree: str, size: int, store: str, home: Path) -> Iterator[dict[str, Any]]:
    """The figures of the three runs."""
    with ExitStack() as stack:
        # Not a TemporaryDirectory: Python removes a tree by recursion, which the chain is too deep for.
        here = Path(tempfile.mkdtemp(dir=home))
        stack.callback(subprocess.run, ["rm", "-rf", str(here)], check=True)
        settings = {"provider": "mock", "root": str(here / "store"), "prefix": PREFIX}
        if store == "rclone":
            (here / "served" / BUCKET).mkdir(parents=True)
            server = stack.enter_context(rclone_server(here / "served"))
            os.environ["AWS_ACCESS_KEY_ID"] = server.access_key
            os.environ["AWS_SECRET_ACCESS_KEY"] = server.secret_key
            settings = {"provider": "aws", "endpoint_url": server.url, "bucket_name": BUCKET, "prefix": PREFIX}
        TREES[tree](here / "one", size)
        for run, folder in (("up", "one"), ("down", "two"), ("unchanged", "one")):
            yield {"tree": tree, "size": size, "store": store, "run": run} | sync(settings, here / folder)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", nargs="+", choices=TREES, default=[*TREES])
    parser.add_argument("--stores", nargs="+", choices=("folder", "rclone"), default=["folder"])
    parser.add_argument("--files", type=int, help="files (of the chain: folders), instead of the full size")
    parser.add_argument("--folder", type=Path, help="where the files lie; default: the folder for temporary files")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as home:
        os.environ["XDG_STATE_HOME"] = str(Path(home, "state"))
        for store in asked.stores:
            for tree in asked.trees:
                for row in measure(tree, asked.files or SIZES[tree], store, Path(home)):
                    rows.append(row)
                    print(json.dumps(row), file=sys.stderr)
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    shown = [
        (
            *(row[name] for name in ("tree", "size", "store", "run")),
            *(row.get(name) for name in ("seconds", "cpu_s", "peak_mb")),
            ", ".join(f"{count:,} {name}" for name, count in row.get("told", {}).items()) or "nothing to do",
            row["problem"],
        )
        for row in rows
    ]
    headers = ("Tree", "Size", "Store", "Run", "Seconds", "CPU, s", "Peak, MB", "Done", "First problem")
    print(tabulate(shown, headers, floatfmt=".2f", intfmt=",", maxcolwidths=[None] * 8 + [60]))


if __name__ == "__main__":
    main()
