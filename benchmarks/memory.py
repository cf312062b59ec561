"""How much memory a large file takes on its way up and down: ``PYTHONPATH=tests python benchmarks/memory.py``.

Pushes and pulls a file of 2 GiB on real servers, each in a process of its own, and prints the peak of that process's
resident memory above that of a Python that has loaded nothing. The promise is 150 MB. (moto is left out: it puts an
object of this size together in its memory, and may answer 500.)

``--sparse`` makes a file that is mostly holes. ``--kill`` kills each process by SIGKILL once, when half of the bytes
have moved, and lets another one do the work; the figures are those of the second.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from servers import azurite_server, rclone_server
from tabulate import tabulate

PROMISED = 150
"""MB."""
MIB = 1 << 20
ISLAND = 256 * MIB
"""Bytes from one MiB that is no hole to the next one, in a sparse file."""
CHILD = """
import json, os, signal, sys
from pathlib import Path

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) // 1000

before = memory("VmRSS")
import time
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.streams import Body

sent = 0
take = Body._take

def counting(body, count):
    global sent
    sent += 0 if body._silent else count
    take(body, count)

Body._take = counting
settings, verb, path, dies = json.loads(sys.argv[1]), *sys.argv[2:]

def progress(done, size):
    if dies and done >= size // 2:
        os.kill(os.getpid(), signal.SIGKILL)

manager = CloudStorageManager(CloudStorageConfig(**settings))
begun = time.monotonic()
if verb == "push":
    manager.upload_component(path, "large.blend", progress=progress)
else:
    manager.download_component("large.blend", path, progress=progress)
print(json.dumps([time.monotonic() - begun, memory("VmHWM") - before, sent // 1000000]))
"""

Cloud = tuple[dict[str, str], dict[str, str]]
"""Settings, and variables of the environment."""


@contextmanager
def rclone_cloud(folder: Path) -> Iterator[Cloud]:
    """An S3 whose objects are files."""
    (folder / "served" / "large").mkdir(parents=True)
    with rclone_server(folder / "served") as server:
        keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
        yield {"provider": "aws", "endpoint_url": server.url}, keys


@contextmanager
def azurite_cloud(folder: Path) -> Iterator[Cloud]:
    """An Azure that has all in its memory."""
    with azurite_server() as azurite:
        azurite.client().create_container("large")
        variables = {"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
        yield {"provider": "azure", "endpoint_url": azurite.account_url}, variables


CLOUDS: dict[str, Callable[[Path], AbstractContextManager[Cloud]]] = {"aws": rclone_cloud, "azure": azurite_cloud}


def make(source: Path, size: int, *, sparse: bool) -> None:
    """Random bytes, all or some of them."""
    with source.open("wb") as writer:
        for start in range(0, size, ISLAND if sparse else MIB):
            writer.seek(start)
            writer.write(os.urandom(MIB))
        writer.truncate(size)


def run(cloud: Cloud, verb: str, path: Path, *, kill: bool) -> list[float]:
    """Seconds, MB at the peak, and MB sent."""
    settings, variables = cloud
    environment = dict(os.environ) | variables | {"XDG_STATE_HOME": str(path.parent)}
    command = [sys.executable, "-c", CHILD, json.dumps({**settings, "bucket_name": "large"}), verb, str(path)]
    if kill:
        killed = subprocess.run([*command, "dies"], env=environment, check=False)
        if killed.returncode != -signal.SIGKILL:
            raise SystemExit(f"The {verb} ended before it was killed.")
    done = subprocess.run([*command, ""], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: list[float] = json.loads(done.stdout)
    return figures


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def on_disk(path: Path) -> float:
    """MB that a file takes there."""
    return path.stat().st_blocks * 512 / 1e6


def main() -> None:
    """Measure on each server and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2 << 30, help="bytes (default: 2 GiB)")
    parser.add_argument("--sparse", action="store_true", help="a file that is mostly holes")
    parser.add_argument("--kill", action="store_true", help="kill each process in the middle and start it again")
    parser.add_argument("--clouds", nargs="+", choices=CLOUDS, default=list(CLOUDS))
    args = parser.parse_args()
    rows = []
    for name in args.clouds:
        with tempfile.TemporaryDirectory() as place, CLOUDS[name](Path(place)) as cloud:
            source, target = Path(place, "source"), Path(place, "target")
            make(source, args.size, sparse=args.sparse)
            up = run(cloud, "push", source, kill=args.kill)
            down = run(cloud, "pull", target, kill=args.kill)
            if sha256(source) != sha256(target):
                raise SystemExit("What came back is not what was pushed.")
            rows.append((name, up[0], down[0], up[1], down[1], up[2], on_disk(source), on_disk(target)))
    headers = ("Store", "Up, s", "Down, s", "Peak up", "Peak down", "Sent", "File, on disk", "Pulled, on disk")
    print(f"{args.size / 1e6:.0f} MB; all else but seconds is MB.\n")
    print(tabulate(rows, headers, floatfmt=".0f"))
    if max(max(row[3:5]) for row in rows) > PROMISED:
        raise SystemExit(f"More than {PROMISED} MB.")


if __name__ == "__main__":
    main()
