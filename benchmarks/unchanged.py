"""What a sync costs that finds nothing changed: ``PYTHONPATH=tests python benchmarks/unchanged.py``.

A folder and a store hold the same small files, and the state says so. Then a sync in a process of its own is measured,
from before its first import: what it asks of the store, seconds, and the peak of its resident memory above that of a
Python that has loaded nothing. The HTTP requests are counted by a proxy in front of the server, whose own time is in
the seconds. A plan that is not empty ends the benchmark.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fault_proxy import FaultProxy
from same_files import PREFIX, fill, put_all, remember
from servers import azurite_server, moto_server, rclone_server
from tabulate import tabulate

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

COUNTS = (1_000, 10_000, 100_000)
SLOW = 10_000
"""The most files for moto and Azurite: to put 100,000 there takes many minutes."""
BUCKET = "unchanged"
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

class Counted:
    def __init__(self, inner):
        self.inner = inner
        self.calls = Counter()

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if callable(found):
            self.calls[name] += 1
        return found

manager = CloudStorageManager(CloudStorageConfig(**json.loads(sys.argv[1])))
manager.provider = Counted(manager.provider)
loaded = time.monotonic()
result = StorageSynchronizer(manager, SyncConfig(local_dir=sys.argv[2], delete_files=True)).synchronize()
ended = time.monotonic()
print(json.dumps({
    "plan": len(result.plan),
    "calls": manager.provider.calls,
    "process_s": ended - begun,
    "sync_s": ended - loaded,
    "cpu_s": time.process_time(),
    "peak_mb": memory("VmHWM") - before,
}))
"""


def put_object(client: Any, key: str, body: bytes) -> None:
    """Put one into S3."""
    client.put_object(Bucket=BUCKET, Key=key, Body=body)


def measure(settings: dict[str, str], folder: Path, count: int, proxy: FaultProxy | None) -> dict[str, Any]:
    """The figures of one sync."""
    remember(CloudStorageManager(CloudStorageConfig(**settings)), folder)
    asked = len(proxy.requests) if proxy else 0
    command = [sys.executable, "-c", CHILD, json.dumps(settings), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures.pop("plan"):
        raise SystemExit("Something had changed.")
    return {"files": count} | figures | {"requests": len(proxy.requests) - asked if proxy else None}


def measure_all(counts: list[int], wanted: list[str], home: Path) -> Iterator[dict[str, Any]]:
    """The figures for each count and store."""
    os.environ["XDG_STATE_HOME"] = str(home / "state_home")
    for count in counts:
        with ExitStack() as stack:
            here = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home)))
            fill(here / "synced", count)

            def cloud(url: str) -> FaultProxy:
                return stack.enter_context(FaultProxy(url))

            for store in wanted:
                proxy = None
                settings = {"bucket_name": BUCKET, "prefix": PREFIX}
                if store in ("moto", "azurite") and count > SLOW:
                    continue
                if store == "folder":
                    fill(here / "store" / PREFIX, count)
                    settings = {"provider": "mock", "root": str(here / "store"), "prefix": PREFIX}
                elif store == "azurite":
                    azurite = stack.enter_context(azurite_server())
                    container = azurite.client().create_container(BUCKET)
                    put_all(container.upload_blob, count)
                    proxy = cloud(azurite.url)
                    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azurite.connection_string
                    settings |= {"provider": "azure", "endpoint_url": f"{proxy.url}/{azurite.account_name}"}
                else:
                    if store == "rclone":
                        fill(here / "served" / BUCKET / PREFIX, count)
                        server = stack.enter_context(rclone_server(here / "served"))
                    else:
                        server = stack.enter_context(moto_server())
                        client = server.client(max_pool_connections=16)
                        client.create_bucket(Bucket=BUCKET)
                        put_all(partial(put_object, client), count)
                    proxy = cloud(server.url)
                    os.environ["AWS_ACCESS_KEY_ID"] = server.access_key
                    os.environ["AWS_SECRET_ACCESS_KEY"] = server.secret_key
                    settings |= {"provider": "aws", "endpoint_url": proxy.url}
                yield {"store": store} | measure(settings, here / "synced", count, proxy)


def main() -> None:
    """Measure, and print a table or JSON."""
    stores = ("folder", "rclone", "moto", "azurite")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=COUNTS, help="default: 1000 10000 100000")
    parser.add_argument("--stores", nargs="+", choices=stores, default=stores)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        rows = []
        for row in measure_all(asked.files, asked.stores, Path(home)):
            rows.append(row)
            print(f"{row['store']}, {row['files']:,} files: {row['sync_s']:.2f} s", file=sys.stderr)
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    shown = [
        (
            row["store"],
            row["files"],
            "-" if row["requests"] is None else row["requests"],
            ", ".join(f"{count} {name}" for name, count in sorted(row["calls"].items())),
            row["process_s"],
            row["sync_s"],
            row["cpu_s"],
            row["peak_mb"],
        )
        for row in rows
    ]
    headers = ("Store", "Files", "Requests", "Calls of the provider", "Process, s", "Sync, s", "CPU, s", "Peak, MB")
    print(tabulate(shown, headers, floatfmt=".2f", intfmt=","))
    if max(asked.files) > SLOW:
        print(f"moto and Azurite are slow to fill, so they were measured up to {SLOW:,} files.")


if __name__ == "__main__":
    main()
