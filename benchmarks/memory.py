"""How much memory a large file takes on its way up and down: ``PYTHONPATH=tests python benchmarks/memory.py``.

Pushes and pulls a file of 2 GiB in a process of its own, on real servers, and prints the peak of that process's
resident memory above that of a Python that has loaded nothing. The promise is 150 MB. (moto is left out: it puts an
object of this size together in its memory, and may answer 500.)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from servers import azurite_server, rclone_server
from tabulate import tabulate

PROMISED = 150
"""MB."""
CHILD = """
import json, sys
from pathlib import Path

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) // 1000

before = memory("VmRSS")
import time
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

settings, source, target = json.loads(sys.argv[1]), *sys.argv[2:]
manager = CloudStorageManager(CloudStorageConfig(**settings))
begun = time.monotonic()
manager.upload_component(source, "large.blend")
pushed = time.monotonic()
up = memory("VmHWM") - before
manager.download_component("large.blend", target)
print(json.dumps([pushed - begun, time.monotonic() - pushed, up, memory("VmHWM") - before]))
"""


def measure(settings: dict[str, str], environment: dict[str, str], size: int, folder: Path) -> list[float]:
    """Seconds up and down, and MB at the peak up and in all."""
    source, target = folder / "source", folder / "target"
    with source.open("wb") as writer:
        for _ in range(size >> 20):
            writer.write(os.urandom(1 << 20))
    environment = dict(os.environ) | environment | {"XDG_STATE_HOME": str(folder)}
    command = [sys.executable, "-c", CHILD, json.dumps(settings), str(source), str(target)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    if subprocess.run(["cmp", source, target], check=False).returncode:
        raise SystemExit("What came back is not what was pushed.")
    figures: list[float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure on each server and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2 << 30, help="bytes (default: 2 GiB)")
    size = parser.parse_args().size
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = folder / "served"
        (served / "large").mkdir(parents=True)
        with rclone_server(served) as rclone, azurite_server() as azurite:
            azurite.client().create_container("large")
            clouds = [
                ("aws, rclone serve s3", {"provider": "aws", "endpoint_url": rclone.url}, rclone),
                ("azure, Azurite", {"provider": "azure", "endpoint_url": azurite.account_url}, None),
            ]
            for what, settings, server in clouds:
                environment = {"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
                if server:
                    environment = {
                        "AWS_ACCESS_KEY_ID": server.access_key,
                        "AWS_SECRET_ACCESS_KEY": server.secret_key,
                    }
                rows.append((what, *measure({**settings, "bucket_name": "large"}, environment, size, folder)))
    headers = ("Store", "Up, s", "Down, s", "Peak up, MB", "Peak, MB")
    print(tabulate(rows, headers, floatfmt=".1f"))
    if max(row[-1] for row in rows) > PROMISED:
        raise SystemExit(f"More than {PROMISED} MB.")


if __name__ == "__main__":
    main()
