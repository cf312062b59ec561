"""How much of a large .blend goes over the wire after an edit: ``PYTHONPATH=tests python benchmarks/edits_sent.py``.

Stores the former version, as over a line of 50 MB/s, and then the edited one, in moto (S3) and in Azurite, and counts
all bytes that reach the server. A client that is not ours reads what came of it; if that is not the file, it ends. Then
the edited one is pulled from Azurite over the former one, and all bytes that come are counted.
"""

import argparse
import filecmp
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edits import SCENES, SESSIONS, edits
from fault_proxy import FaultProxy
from servers import azurite_server, moto_server
from tabulate import tabulate

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

BUCKET, KEY, LINE = "edits", "scene.blend", 50_000_000
Read = Callable[[], bytes]


@contextmanager
def s3() -> Iterator[tuple[CloudStorageManager, FaultProxy, Read]]:
    """A manager, the proxy that it goes through, and a reader that is not ours."""
    with moto_server() as server, FaultProxy(server.url) as proxy:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        os.environ |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
        yield manager("aws", proxy.url), proxy, lambda: client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()


@contextmanager
def azure() -> Iterator[tuple[CloudStorageManager, FaultProxy, Read]]:
    """The same for Azure."""
    with azurite_server() as server, FaultProxy(server.url) as proxy:
        container = server.client().create_container(BUCKET)
        os.environ["AZURE_STORAGE_CONNECTION_STRING"] = server.connection_string
        yield (
            manager("azure", f"{proxy.url}/{server.account_name}"),
            proxy,
            lambda: container.download_blob(KEY).readall(),
        )


def manager(provider: str, url: str) -> CloudStorageManager:
    """A manager of one of the stores."""
    settings: dict[str, Any] = {"endpoint_url": url, "bucket_name": BUCKET, "bandwidth_limit": LINE}
    return CloudStorageManager(CloudStorageConfig(provider=provider, **settings))


def put(path: Path, to: tuple[CloudStorageManager, FaultProxy, Read]) -> int:
    """Store it; the bytes that were sent."""
    stored, proxy, read = to
    before = proxy.sent
    stored.upload_component(path, KEY)
    sent = proxy.sent - before
    if hashlib.sha256(read()).digest() != hashlib.sha256(path.read_bytes()).digest():
        raise SystemExit(f"What was stored is not {path.name}.")
    return sent


def pull_over(former: Path, now: Path, by: tuple[CloudStorageManager, FaultProxy, Read]) -> int:
    """Pull it over a copy of the former version; the bytes that came."""
    stored, proxy, _ = by
    target = former.with_name("pulled.blend")
    shutil.copyfile(former, target)
    before = proxy.received
    stored.download_component(KEY, target)
    if not filecmp.cmp(target, now, shallow=False):
        raise SystemExit(f"What was pulled is not {now.name}.")
    return proxy.received - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bpy", required=True, metavar="PYTHON", help="with bpy")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--sessions", nargs="+", choices=SESSIONS, default=list(SESSIONS))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_STATE_HOME": f"{home}/state", "XDG_CACHE_HOME": f"{home}/cache"}
        for scene in options.scenes:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home)))
                stores = [stack.enter_context(s3()), stack.enter_context(azure())]
                for edit in edits(options.bpy, scene, False, folder):
                    if edit.session not in options.sessions:
                        continue
                    for store in stores:
                        put(edit.before, store)
                    size = edit.after.stat().st_size
                    moved = [put(edit.after, store) for store in stores] + [
                        pull_over(edit.before, edit.after, stores[1])
                    ]
                    shares = [f"{each / size:.2%}" for each in moved]
                    rows.append((edit.blender, SCENES[scene], edit.name, edit.session, f"{size / 1e6:.0f}", *shares))
                    print(*rows[-1], flush=True)
    print(
        tabulate(
            rows, ("Blender", "Scene", "Edit", "Session", "MB", "S3", "Azure", "Azure, pull"), disable_numparse=True
        )
    )


if __name__ == "__main__":
    main()
