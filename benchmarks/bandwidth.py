"""How well transfers keep to ``bandwidth_limit``: ``PYTHONPATH=tests python benchmarks/bandwidth.py``.

Pushes and pulls one large file and many small ones, on real servers, and prints their bytes by the wall time of the
whole call as a share of the limit. The promise is 95 to 105 %. The manager has pushed a component in parts before.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

from contenders import Cloud
from stores import open_store
from tabulate import tabulate

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

STORES = {"aws": "rclone serve s3", "azure": "Azurite"}
WORKS = {"one of 20 MB": (1, 20_000_000), "50 of 100 kB": (50, 100_000)}
"""How many files, and the bytes of each."""
WARM = 6_000_000
PROMISED = (95, 105)
"""Percent."""


def measure(cloud: Cloud, limit: int, count: int, size: int, folder: Path) -> tuple[float, float]:
    """Percent of the limit, up and down."""
    os.environ |= dict(cloud.variables)
    manager = CloudStorageManager(
        CloudStorageConfig(
            provider=cloud.provider, endpoint_url=cloud.url, bucket_name=cloud.bucket, bandwidth_limit=limit
        )
    )
    sources = [folder / f"{number}.blend" for number in range(count)]
    for source in sources:
        source.write_bytes(os.urandom(size))
    targets = [folder / f"down-{source.name}" for source in sources]
    ids = [source.name for source in sources]
    warm = folder / "warm"
    warm.write_bytes(bytes(WARM))
    manager.upload_component(warm, "warm")

    def percent(move: Callable[[], object]) -> float:
        begun = time.monotonic()
        move()
        return 100 * count * size / (time.monotonic() - begun) / limit

    up = percent(lambda: manager.upload_components(zip(sources, ids, strict=True)))
    down = percent(lambda: manager.download_components(zip(ids, targets, strict=True)))
    if any(source.read_bytes() != target.read_bytes() for source, target in zip(sources, targets, strict=True)):
        raise SystemExit("What came back is not what was pushed.")
    return up, down


def main() -> None:
    """Measure on each server and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=4_000_000, help="bytes per second (default: 4 MB)")
    parser.add_argument("--rounds", type=int, default=3, help="of each work (default: 3)")
    options = parser.parse_args()
    rows = []
    for provider, server in STORES.items():
        with tempfile.TemporaryDirectory() as name:
            os.environ["XDG_STATE_HOME"] = name
            served = Path(name, "served")
            served.mkdir()
            with open_store(provider, served, slow=False) as store:
                for (work, (count, size)), number in product(WORKS.items(), range(options.rounds)):
                    bucket, folder = f"limited-{count}-{number}", Path(name, f"{count}-{number}")
                    store.create(bucket)
                    folder.mkdir()
                    rows.append((server, work, *measure(store.cloud(bucket), options.limit, count, size, folder)))
    print(tabulate(rows, ("Store", "Files", "Up, %", "Down, %"), floatfmt=".1f"))
    if not all(PROMISED[0] <= percent <= PROMISED[1] for row in rows for percent in row[2:]):
        raise SystemExit("Further from the limit than 5 %.")


if __name__ == "__main__":
    main()
