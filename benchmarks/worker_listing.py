"""How long a listing of 20,000 components holds Blender's main thread up, as it comes over from the worker.

The thread that reads it shares the interpreter with the one that draws. Run it with
``python benchmarks/worker_listing.py``; the first line is without a worker, the machine's own unrest.
"""

import sys
import tempfile
import time
from pathlib import Path

from ggg_cloud_addon.worker.client import Job, WorkerClient

COMPONENTS = 20_000
TICK = 0.001
"""Seconds between two looks of the main thread."""


def longest_gap(seconds: float, job: Job | None = None) -> tuple[float, float]:
    """How late the main thread ran at most, and 1 time in 100; in milliseconds."""
    gaps, last = [], time.perf_counter()
    until = last + seconds
    while last < until and not (job and job.ended):
        time.sleep(TICK)
        now = time.perf_counter()
        gaps.append((now - last - TICK) * 1e3)
        last = now
    gaps.sort()
    return gaps[-1], gaps[len(gaps) * 99 // 100]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(COMPONENTS):
            path = Path(folder, "store", f"kitchen {number % 100}", f"part {number}.blend")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        worker = WorkerClient([sys.executable], Path(folder, "log"))
        config = {"root": str(Path(folder, "store"))}
        worker.submit("versions", config, component_id="none.blend").join()
        print(f"{'':24}{'longest':>10}{'99 %':>10}   (ms that the main thread ran late)")
        print("{:24}{:10.2f}{:10.2f}".format("idle", *longest_gap(3)))
        for _ in range(3):
            job = worker.submit("list", config)
            late = longest_gap(60, job)
            assert len(job.wait()["rows"]) == COMPONENTS
            print("{:24}{:10.2f}{:10.2f}".format("a listing comes over", *late))
        worker.stop()


if __name__ == "__main__":
    main()
