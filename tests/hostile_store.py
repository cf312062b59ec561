"""A plain folder in which somebody has put whatever a program may stumble over: pictures, metadata, records, names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pictures import HOSTILE, PICTURE, bomb, lying

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

Versions = dict[str, Any]
DEEP = "[" * 99_999


def with_metadata(metadata: object) -> Callable[[Versions], object]:
    return lambda version: [version | {"metadata": metadata}]


def with_value(key: str, value: object) -> Callable[[Versions], object]:
    return lambda version: [version | {key: value}]


METADATA: dict[str, object] = {
    "deep": DEEP,
    "list": [["comment", "x"]],
    "text": "text",
    "number": 7,
    "none": None,
    "types": {"comment": {"a": 1}, "author": 7, "objects": "9" * 99},
    "control": {"comment": "a\nb\x1b[2J\u202eexe", "x" * 999: "y" * 99_999, "blender": "9" * 9999 + ".\u0663"},
    "many": {f"key {number}": "x" * 2000 for number in range(9999)},
}
RECORDS: dict[str, Callable[[Versions], object]] = {
    "etag number": with_value("etag", 7),
    "etag list": with_value("etag", ["a"]),
    "etag no dot": with_value("etag", "x"),
    "etag huge": with_value("etag", "f" * 99_999 + ".1"),
    "etag path": lambda version: [version, version | {"etag": "../../x.1"}],
    "sha256 number": with_value("sha256", 7),
    "sha256 huge": with_value("sha256", "x" * 2_000_000),
    "created number": with_value("created", 7),
    "created text": with_value("created", "never"),
    "created huge": with_value("created", "x" * 2_000_000),
    "versions mapping": lambda version: {"a": 1},
    "versions number": lambda version: 3,
    "versions many": lambda version: [version] * 30_000,
} | {f"metadata {name}": with_metadata(metadata) for name, metadata in METADATA.items()}
"""What stands in the place of a component's one version."""
PICTURES = HOSTILE | {"bomb": bomb(), "lying": lying(32 << 20)}


def fill(root: Path) -> list[str]:
    """Put all of it there, and "good.blend"; answers the IDs of the hostile ones."""
    manager = CloudStorageManager(CloudStorageConfig(root=root))
    source = root.parent / "arm.blend"
    source.write_bytes(b"the arm")
    for name, picture in PICTURES.items():
        manager.upload_component(source, f"picture {name}.blend", preview=picture[: 1 << 20])
    for name in (*RECORDS, "good"):
        manager.upload_component(source, f"{name}.blend", preview=PICTURE)
    for path in (root / ".ggg_store").rglob("record.json"):
        record = json.loads(path.read_bytes())
        change = RECORDS.get(record["key"].removesuffix(".blend"))
        if change:
            record["versions"] = change(record["versions"][0])
            path.write_text(json.dumps(record).replace(json.dumps(DEEP), DEEP))
    (root / "a\nb\x1b[2J.blend").write_bytes(b"a name that breaks a line")
    (root / "\u202ednelb.blend").write_bytes(b"a name that is read from the right")
    return [f"picture {name}.blend" for name in PICTURES] + [f"{name}.blend" for name in RECORDS]
