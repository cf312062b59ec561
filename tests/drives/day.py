"""A day's work of two users, after which one sync has something of each kind to do."""

import contextlib
import json
import os
from pathlib import Path

from children import ended, in_child
from users import User, settle

from ggg_cloud_addon.cloud_storage.errors import StorageError

EVENING = {
    "edited_here.blend": b"edited by ann",
    "edited_there.blend": b"edited by bob",
    "kept.blend": b"kept",
    "new_here.blend": b"new by ann",
    "new_there.blend": b"new by bob",
    "quarrel.blend": b"quarrel by bob",
    "robot/new_here.blend": b"robot by ann",
    "robot/new_there.blend": b"robot by bob",
}
"""What both have at the end, and beside it a conflict copy with the content :data:`LOSER`."""
LOSER = b"quarrel by ann"
MORNING = {
    "deleted_here.blend": b"deleted by ann",
    "deleted_there.blend": b"deleted by bob",
    "edited_here.blend": b"before",
    "edited_there.blend": b"before, too",
    "kept.blend": b"kept",
    "quarrel.blend": b"before the quarrel",
    "robot/deleted_here.blend": b"robot deleted by ann",
    "robot/deleted_there.blend": b"robot deleted by bob",
}
"""What both have at the beginning."""
CONTENTS = {LOSER, *MORNING.values(), *EVENING.values()}


def work(ann: User, bob: User) -> None:
    """Bob's work is in the store; ann's waits for her next sync."""
    ann.save(**{name.removesuffix(".blend").replace("/", "__"): content for name, content in MORNING.items()})
    settle(ann, bob)
    bob.save(edited_there=b"edited by bob", new_there=b"new by bob", robot__new_there=b"robot by bob")
    bob.save(quarrel=b"quarrel by bob")
    bob.delete("deleted_there", "robot__deleted_there")
    bob.sync()
    ann.save(edited_here=b"edited by ann", new_here=b"new by ann", robot__new_here=b"robot by ann", quarrel=LOSER)
    ann.delete("deleted_here", "robot__deleted_here")


def is_evening(tree: dict[str, bytes]) -> bool:
    """Whether all of the day's work is there, and nothing else."""
    copies = {name: content for name, content in tree.items() if name not in EVENING}
    return tree.items() >= EVENING.items() and {*copies.values()} == {LOSER}


def kept(*folders: Path) -> set[bytes]:
    """The day's content that lies anywhere in these folders: as file, version, trash or conflict copy."""
    return CONTENTS & {path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def sync_in_child(user: User) -> list[tuple[str, str]]:
    """A run in a process of its own, which may end with an error that is meant for people, and no other; what it told
    as done."""
    reader, writer = os.pipe()

    def sync() -> None:
        with contextlib.suppress(StorageError):
            done = [(action.kind.value, action.path) for action in user.sync().done]
            os.write(writer, json.dumps(done).encode())

    child = in_child(sync)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told = stream.read()
    assert ended(child) == 0, "It ended with a traceback; see stderr."
    return [(kind, path) for kind, path in json.loads(told or "[]")]


def lies(told: list[tuple[str, str]], here: dict[str, bytes], there: dict[str, bytes]) -> list[tuple[str, str]]:
    """What was told as done and is not."""

    def is_true(kind: str, path: str) -> bool:
        if kind == "delete here":
            return path not in here
        if kind == "delete there":
            return path not in there
        return here.get(path) == there.get(path) == EVENING.get(path) and (
            kind != "keep both" or LOSER in there.values()
        )

    return [each for each in told if not is_true(*each)]
