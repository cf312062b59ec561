"""The tools that are measured side by side, each as its user would run it, and how a run is measured."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from servers import NEEDED_VARIABLES

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
DIRECTIONS = {"sync-up": "upload", "changed": "upload", "sync-down": "download", "unchanged": "both"}
"""Of our sync, by the kind of work."""
RCLONE_OPTIONS = ("--config", os.devnull, "--transfers", "16", "--checkers", "16", "--fast-list")

LAUNCH = """
import json, os, sys, time
output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
begun = time.perf_counter()
moves = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=moves)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - begun
print(json.dumps([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Starts a program and measures it. It is small itself: Linux counts what a process was before it became a program."""

WARM = """
import json, sys, time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, StorageSynchronizer, SyncConfig

job = json.loads(sys.stdin.readline())
folder, names = Path(job["folder"]), job["names"]
manager = CloudStorageManager(CloudStorageConfig(**job["settings"]))

def work():
    if direction := job["direction"]:
        result = StorageSynchronizer(manager, SyncConfig(local_dir=folder, direction=direction)).synchronize()
        assert result.ok, result.get_summary_string()
    elif job["kind"] == "up" and len(names) == 1:
        manager.upload_component(folder / names[0], names[0])
    elif job["kind"] == "up":
        assert all(each.ok for each in manager.upload_components([(folder / name, name) for name in names]))
    elif len(names) == 1:
        manager.download_component(names[0], folder / names[0])
    else:
        assert all(each.ok for each in manager.download_components([(name, folder / name) for name in names]))

def cpu():
    return sum(each.ru_utime + each.ru_stime for each in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))

small = Path(job["small"])
small.write_bytes(b"warm")
manager.upload_component(small, "warm.blend")
manager.download_component("warm.blend", small)
manager.delete_component("warm.blend")
if job["kind"] == "unchanged":
    work()
print("ready", flush=True)
sys.stdin.readline()
begun, used = time.perf_counter(), cpu()
work()
wall, used = time.perf_counter() - begun, cpu() - used
status = Path("/proc/self/status").read_text().splitlines()
print(json.dumps([wall, used, int(next(line.split()[1] for line in status if line.startswith("VmHWM")))]))
"""
"""Stands for the worker beside Blender, which has been used before."""

STATE = """
import json, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from same_files import remember

remember(CloudStorageManager(CloudStorageConfig(**json.loads(sys.argv[1]))), Path(sys.argv[2]))
"""

BOTO3 = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import boto3
from botocore.config import Config

kind, url, bucket, folder = *sys.argv[1:4], Path(sys.argv[4])
# Else it takes rclone's answer to a range for corruption: that has the checksum of the whole object.
client = boto3.client("s3", endpoint_url=url, config=Config(response_checksum_validation="when_required"))

def listed():
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", ()):
            yield each["Key"], (each["Size"], each["LastModified"].timestamp())

def found():
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            yield path.relative_to(folder).as_posix(), (stat.st_size, stat.st_mtime)

def upload(key):
    client.upload_file(str(folder / key), bucket, key)

def download(key):
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    client.download_file(bucket, key, str(folder / key))

down = kind in ("down", "sync-down")
source = dict(listed() if down else found())
target = {} if kind in ("up", "down") else dict(found() if down else listed())

def is_new(key):
    size, modified = source[key]
    return key not in target or size != target[key][0] or modified > target[key][1]

with ThreadPoolExecutor(10) as pool:
    list(pool.map(download if down else upload, filter(is_new, source)))
"""
"""As a user would write it: copy, or compare sizes and times as s5cmd does."""


class Figures(NamedTuple):
    """What one run took: seconds, seconds, and MB."""

    wall: float
    cpu: float
    """Of all its processes."""
    peak: float
    """Resident memory of the largest process."""


@dataclass(frozen=True)
class Cloud:
    """A bucket or container, as a client is told of it."""

    provider: str
    """``"aws"`` or ``"azure"``."""
    url: str
    bucket: str
    variables: dict[str, str]
    """With the keys, for each of the tools."""

    @property
    def settings(self) -> dict[str, str]:
        """For a :class:`CloudStorageConfig`."""
        return {"provider": self.provider, "bucket_name": self.bucket, "endpoint_url": self.url}


@dataclass(frozen=True)
class Job:
    """Bring what is in a folder to a bucket, or the other way."""

    kind: str
    """``"up"``, ``"down"``, or a key of ``DIRECTIONS``."""
    folder: Path
    names: Sequence[str]
    """Of the files that have to arrive."""
    cloud: Cloud
    home: Path
    """For what our processes write beside their work."""

    @property
    def environment(self) -> dict[str, str]:
        """Of every process: nothing of the user's own settings."""
        ours = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        ours |= {name: str(self.home / name) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        ours |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {name: os.environ[name] for name in NEEDED_VARIABLES if name in os.environ} | ours | self.cloud.variables


def command(job: Job, arguments: Sequence[str | Path]) -> Figures:
    """Run a command and measure it."""
    output = job.home / "output"
    launch = [sys.executable, "-I", "-S", "-c", LAUNCH, output, *arguments]
    done = subprocess.run(
        launch, cwd=job.folder, env=job.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    code, wall, cpu, peak = json.loads(done.stdout)
    if code:
        said = output.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{Path(arguments[0]).name} failed with {code}:\n{said}")
    return Figures(wall, cpu, peak * 1.024 / 1000)


def cold(job: Job) -> Figures:
    """Our command, a process of its own."""
    arguments = ["sync", ".", "--direction", DIRECTIONS.get(job.kind, "download")]
    if job.kind == "up":
        arguments = ["push", *job.names]
    elif job.kind == "down" and len(job.names) == 1:
        arguments = ["pull", job.names[0], job.names[0]]
    cloud = job.cloud
    where = ["--provider", cloud.provider, "--endpoint-url", cloud.url, "--bucket", cloud.bucket, "--json"]
    return command(job, [sys.executable, "-m", "ggg_cloud_addon", *arguments, *where])


def warm(job: Job) -> Figures:
    """Our library in a process that has used the storage before."""
    told = {
        "kind": job.kind,
        "direction": DIRECTIONS.get(job.kind),
        "settings": job.cloud.settings,
        "folder": str(job.folder),
        "names": list(job.names),
        "small": str(job.home / "small"),
    }
    child = [sys.executable, "-c", WARM]
    pipe = subprocess.PIPE
    with subprocess.Popen(child, cwd=job.folder, env=job.environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        print(json.dumps(told), file=process.stdin, flush=True)
        if process.stdout.readline() == "ready\n":
            print("do it", file=process.stdin, flush=True)
        answer = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"The warm process failed with {process.returncode}.")
    wall, cpu, peak = json.loads(answer)
    return Figures(wall, cpu, peak * 1.024 / 1000)


def boto3(job: Job) -> Figures:
    """What a user of the SDK writes."""
    return command(job, [sys.executable, "-c", BOTO3, job.kind, job.cloud.url, job.cloud.bucket, job.folder])


def rclone(job: Job, more: Sequence[str] = ()) -> Figures:
    """With the options that its manual has for many files."""
    remote = f":{'s3' if job.cloud.provider == 'aws' else 'azureblob'}:{job.cloud.bucket}"
    verb = "copy" if job.kind in ("up", "down") else "sync"
    ends = (remote, ".") if job.kind.endswith("down") else (".", remote)
    return command(job, [SCRIPTS / "rclone", verb, *ends, *RCLONE_OPTIONS, *more])


def s5cmd(job: Job) -> Figures:
    """As it comes: it runs 256 at a time."""
    verb = "cp" if job.kind in ("up", "down") else "sync"
    remote = f"s3://{job.cloud.bucket}/"
    ends = (f"{remote}*", "./") if job.kind.endswith("down") else ("./", remote)
    return command(job, [SCRIPTS / "s5cmd", "--endpoint-url", job.cloud.url, verb, *ends])


def write_state(job: Job) -> None:
    """Write what our sync would remember, had it made folder and bucket the same."""
    child = [sys.executable, "-c", STATE, json.dumps(job.cloud.settings), str(job.folder)]
    subprocess.run(child, env=job.environment, check=True)


Tool = Callable[[Job], Figures]
OURS = ("ggg-cloud warm", "ggg-cloud cold")
CONTENDERS: dict[str, Tool] = {
    "ggg-cloud warm": warm,
    "ggg-cloud cold": cold,
    "s5cmd": s5cmd,
    "rclone": rclone,
    "rclone, server times": partial(rclone, more=("--update", "--use-server-modtime")),
    "boto3": boto3,
}


def contenders(kind: str, provider: str) -> list[str]:
    """Those that can do this."""
    left_out: set[str] = set()
    if provider == "azure":
        left_out |= {"s5cmd", "boto3"}
    if kind != "unchanged":
        left_out.add("rclone, server times")
    return [name for name in CONTENDERS if name not in left_out]
