"""Folders as artists have them, from one user through a real store to another and back."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import AzureServer, Server
from users import Tree, User

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.base import Provider

HUGE = 3_000_000_000
"""Bytes."""
ROOM = 200 << 20
"""Bytes of memory that a process may take that moves such a file: the interpreter's own, and few chunks."""
NAMES = {
    "spaces": "the left  arm, final (2).blend",
    "composed": "Bären/Mädchen/é.blend",
    "decomposed": "Ba\u0308ren 2/Ma\u0308dchen/e\u0301.blend",
    "emoji": "🤖/👩‍🚀 astronaut 🏳️‍🌈.blend",
    "other scripts": "日本語/ロボット の 腕.blend",
    "right to left": "عربي/ذراع.blend",
    "200 characters": "x" * 194 + ".blend",
    "200 wide characters in folders": "/".join(["長" * 50] * 4) + "/arm.blend",
    "deep": "/".join(f"d{number}" for number in range(60)) + "/arm.blend",
    "signs": "a+b & c=d % 100%25 #1 ~ ' ; , @ $ ! [x] {y} ^.blend",
    "a dot first": ".hidden/.arm.blend",
    "dots": "arm.v1.2...blend",
    "upper case": "ARM.BLEND",
    "empty": "nothing in it.blend",
}


@pytest.fixture(params=["folder", "aws", "azure"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> Provider:
    """A store of each kind."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings: dict[str, Any] = {"prefix": "models", "bucket_name": bucket_name}
    if request.param == "folder":
        return CloudStorageManager(CloudStorageConfig(root=tmp_path / "store", **settings)).provider
    if request.param == "aws":
        server: Server = request.getfixturevalue("moto")
        settings |= {"provider": "aws", "endpoint_url": server.url}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    else:
        azurite: AzureServer = request.getfixturevalue("azurite")
        settings |= {"provider": "azure", "endpoint_url": azurite.account_url}
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    manager = CloudStorageManager(CloudStorageConfig(**settings))
    manager.bucket.create()
    return manager.provider


def lay(user: User, files: Tree) -> None:
    for name, content in files.items():
        path = user.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_every_name_goes_there_and_comes_back(tmp_path: Path, any_store: Provider) -> None:
    ann, bob = (User(tmp_path / name, any_store) for name in ("ann", "bob"))
    files = {name: b"" if what == "empty" else what.encode() for what, name in NAMES.items()}
    lay(ann, files)
    result = ann.sync()
    assert (result.errors, result.conflicts, result.skipped) == ({}, [], [])
    assert bob.sync().errors == {}
    assert bob.tree() == files
    assert (ann.sync().plan, bob.sync().plan) == ((), ())

    edited = {name: content + b", edited" for name, content in files.items()}
    lay(bob, edited)
    assert len(bob.sync().done) == len(ann.sync().done) == len(files)
    assert ann.tree() == edited

    for name in files:
        (ann.folder / name).unlink()
    assert len(ann.sync(max_delete=1).done) == len(bob.sync(max_delete=1).done) == len(files)
    assert bob.tree() == {}


def test_names_in_every_form_are_kept_apart_or_left_to_a_person(tmp_path: Path, ann: User, bob: User) -> None:
    """Two forms of one name in one folder: two files here, one on macOS."""
    lay(ann, {"é.blend": b"composed", "e\u0301.blend": b"decomposed"})
    result = ann.sync()
    assert {each.path for each in result.conflicts} == {"é.blend", "e\u0301.blend"}
    assert "rename one" in result.get_summary_string()
    assert ann.tree() == {"é.blend": b"composed", "e\u0301.blend": b"decomposed"}


@pytest.mark.parametrize("inside", [True, False], ids=["to a place in the folder", "to a place outside"])
def test_links_are_not_followed(ann: User, bob: User, tmp_path: Path, inside: bool) -> None:
    """Neither to files nor to folders, nor where they lead round in a circle; the place that they lead to is safe."""
    target = ann.folder / "real" if inside else tmp_path / "outside"
    lay(ann, {"real/arm.blend": b"arm"})
    target.mkdir(exist_ok=True)
    (target / "secret.blend").write_bytes(b"secret")
    (ann.folder / "a file.blend").symlink_to(target / "secret.blend")
    (ann.folder / "a folder").symlink_to(target)
    (ann.folder / "a circle").symlink_to(ann.folder)
    (ann.folder / "nowhere.blend").symlink_to(tmp_path / "missing")
    ann.sync()
    bob.sync()
    assert {*bob.tree()} == {"real/arm.blend"} | ({"real/secret.blend"} if inside else set())

    lay(bob, {"a folder/secret.blend": b"by bob", "a file.blend": b"by bob"})
    bob.sync()
    result = ann.sync()
    assert {each.path for each in result.conflicts} == {"a folder/secret.blend", "a file.blend"}
    assert (target / "secret.blend").read_bytes() == b"secret"
    assert (ann.folder / "a file.blend").is_symlink()


CHILD = """
import sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage import *
manager = CloudStorageManager(CloudStorageConfig(root=sys.argv[1], prefix="models"))
result = StorageSynchronizer(manager, SyncConfig(local_dir=sys.argv[2])).synchronize()
assert not result.errors, result.errors
# Not getrusage(), which counts what the parent had when it forked.
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(result.done), int(peak) * 1024)
"""


def test_a_sparse_file_of_3_gb_goes_up_in_little_memory(tmp_path: Path, run_child: Callable[..., Any]) -> None:
    """One way only: each copy takes its room on the disk."""
    here, store = tmp_path / "here", tmp_path / "store"
    here.mkdir()
    (here / "simulation.blend").touch()
    os.truncate(here / "simulation.blend", HUGE)
    child = run_child(CHILD, store, here)
    assert child.returncode == 0, child.stderr
    done, memory = map(int, child.stdout.split())
    stored = store / "models" / "simulation.blend"
    size = stored.stat().st_size
    stored.unlink()  # pytest keeps the folders of the last runs
    assert (done, size) == (1, HUGE)
    assert memory < ROOM
