"""How much of a large .blend is sent again after an edit: ``python benchmarks/edits.py``.

Makes real .blend files of 180 to 340 MB with bpy, edits them in the same session and after opening them again, and
prints for each edit the share of the file that a replacement of the stored object sends: what the plan says, with no
store. For Azure that is what lies in chunks that the former version does not have, and no plan can send less. ``--bpy``
names other Pythons that have a bpy, to measure other Blenders beside the one here.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from ggg_cloud_addon.cloud_storage.changes import Limits, plan, sent_bytes
from ggg_cloud_addon.cloud_storage.chunks import Chunks, length_of, take
from ggg_cloud_addon.cloud_storage.providers.aws_changes import LIMITS

SCENES = {"many": "60 meshes", "few": "3 meshes and 5 pictures"}
EDITS = ("none", "object_moved", "vertex_moved", "sculpted", "renamed", "new_material", "added_first", "deleted")
STORES = {
    "S3": LIMITS,
    "Azure": Limits(most_sent=8 << 20, most_copied=100 << 20, max_pieces=50_000),
}
SESSIONS = {
    "same": "saved, edited and saved in one session",
    "first": "opened, edited and saved, the first time after the session in which it was made",
    "later": "the same with a file that has been opened and saved before, as most have",
}
ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Edit:
    """One edit of one file, both versions on the disk until the next one is asked for."""

    blender: str
    scene: str
    is_compressed: bool
    name: str
    session: str
    """One of SESSIONS."""
    before: Path
    after: Path


@dataclass(frozen=True)
class Row:
    """What an edit costs."""

    blender: str
    scene: str
    is_compressed: bool
    edit: str
    session: str
    size: int
    new: float
    """Share of the file in chunks that the former version does not have: no plan can send less."""
    sent: dict[str, float]
    """Share of the file that is sent, by store."""
    pieces: dict[str, int]
    """Requests, by store."""


def edits(python: str, scene: str, is_compressed: bool, folder: Path) -> Iterator[Edit]:
    """Make a scene, and yield its edits as they are made."""
    version = _run(python, "-c", "import bpy; print('bpy', bpy.app.version_string)").split("bpy ")[-1].strip()
    script, made = ROOT / "edit_blends.py", folder / "made.blend"
    _run(python, script, "make", scene, is_compressed, folder)
    before = made
    for index, name in enumerate(EDITS):
        after = folder / f"{index}.blend"
        yield Edit(version, scene, is_compressed, name, "same", before, after)
        if before != made:
            before.unlink()
        before = after
    opened = folder / "opened.blend"
    _run(python, script, "edit", "none", is_compressed, made, opened)
    for session, before in (("first", made), ("later", opened)):
        for name in EDITS:
            _run(python, script, "edit", name, is_compressed, before, folder / "edited.blend")
            yield Edit(version, scene, is_compressed, name, session, before, folder / "edited.blend")


def planned(edit: Edit) -> Row:
    """Measure by the plan alone. (A measurement with a real store has the same files to send.)"""
    old, new = chunks_of(edit.before), chunks_of(edit.after)
    known = set(old)
    plans = {store: plan(old, new, limits) for store, limits in STORES.items()}
    return Row(
        blender=edit.blender,
        scene=edit.scene,
        is_compressed=edit.is_compressed,
        edit=edit.name,
        session=edit.session,
        size=new.size,
        new=sum(length_of(chunk) for chunk in new if chunk not in known) / new.size,
        sent={store: sent_bytes(pieces) / new.size for store, pieces in plans.items()},
        pieces={store: len(pieces) for store, pieces in plans.items()},
    )


def chunks_of(path: Path) -> Chunks:
    """Cut a file."""
    with path.open("rb") as reader:
        return take(reader, path.stat().st_size)[0]


def table(rows: list[Row]) -> str:
    """A line for each edit of a scene, with its sessions beside each other; shares in percent."""
    lines: dict[tuple[object, ...], list[str]] = {}
    for row in rows:
        form = "zstd" if row.is_compressed else "plain"
        line = lines.setdefault(
            (row.blender, row.scene, form, row.edit),
            [row.blender, SCENES[row.scene], form, str(round(row.size / 1e6)), row.edit.replace("_", " ")],
        )
        line += map(_percent, row.sent.values())
    headers = ["Blender", "Scene", "Form", "MB", "Edit"]
    headers += [f"{session}: {store}" for session in SESSIONS for store in STORES]
    return tabulate(lines.values(), headers, tablefmt="github", disable_numparse=True)


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"


def _run(*command: object) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bpy", nargs="+", default=[sys.executable], metavar="PYTHON", help="with bpy (default: this)")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    rows = []
    for python in options.bpy:
        for scene in options.scenes:
            for is_compressed in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    rows += [planned(edit) for edit in edits(python, scene, is_compressed, Path(folder))]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
