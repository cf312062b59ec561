"""What this user has seen of a store: remembered between processes, forgotten without harm."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage import ComponentInfo, known
from ggg_cloud_addon.cloud_storage.known import DAY, Known

ARM = ComponentInfo("arm.blend", 3, datetime.now(UTC), "e1")
NEWER = replace(ARM, etag="e2")


@pytest.fixture
def open_known(tmp_path: Path) -> Callable[..., Known]:
    """The memory as a new process has it."""
    return lambda store="store": Known(store, tmp_path / "state" / "known.db")


def test_a_file_is_known_by_where_it_really_lies(open_known: Callable[..., Known], tmp_path: Path) -> None:
    file = tmp_path / "arm.blend"
    file.touch()
    (tmp_path / "link.blend").symlink_to(file)
    open_known().remember_pull(ARM, file)
    assert open_known().of_file("arm.blend", file) == "e1"
    assert open_known().of_file("arm.blend", tmp_path / "link.blend") == "e1"
    assert open_known().of_file("arm.blend", tmp_path / "other.blend") is None
    assert open_known().of_file("leg.blend", file) is None
    assert open_known("another store").of_file("arm.blend", file) is None


def test_what_was_pushed_is_told_from_what_was_only_seen(open_known: Callable[..., Known], tmp_path: Path) -> None:
    open_known().remember_pushes([(ARM, tmp_path / "arm.blend")])
    open_known().remember_shown([("arm.blend", "e2")])
    assert open_known().pushed("arm.blend") == open_known().of_file("arm.blend", tmp_path / "arm.blend")
    assert open_known().pushed("arm.blend") == "e1"
    assert open_known().seen("arm.blend") == "e2"


def test_an_older_version_is_not_what_the_store_shows(open_known: Callable[..., Known], tmp_path: Path) -> None:
    open_known().remember_pull(NEWER)
    open_known().remember_pull(ARM, tmp_path / "old.blend", is_current=False)
    assert open_known().seen("arm.blend") == "e2"
    assert open_known().of_file("arm.blend", tmp_path / "old.blend") == "e1"


def damage_head(content: bytes) -> bytes:
    return b"no database" + content


def damage_pages(content: bytes) -> bytes:
    return content[:200] + b"\xff" * (len(content) - 200)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def lose(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [damage_head, damage_pages, cut, lose])
def test_a_damaged_memory_knows_nothing_and_begins_anew(
    open_known: Callable[..., Known], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    open_known().remember_pushes([(ARM, None)])
    path = tmp_path / "state" / "known.db"
    path.write_bytes(damage(path.read_bytes()))
    assert open_known().seen("arm.blend") is None
    path.write_bytes(damage(path.read_bytes()))
    open_known().remember_pull(NEWER)
    assert open_known().seen("arm.blend") == "e2"


def test_another_schema_begins_anew(open_known: Callable[..., Known], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "known.db") as database:
        database.execute("CREATE TABLE known (something TEXT)")
        database.execute("PRAGMA user_version = 999")
    database.close()
    open_known().remember_pull(ARM)
    assert open_known().seen("arm.blend") == "e1"


def test_without_a_place_for_it_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = Known("store", tmp_path / "file" / "known.db")
    memory.remember_pull(ARM)
    assert memory.seen("arm.blend") is None


def test_a_memory_that_is_held_is_not_waited_for_long(
    open_known: Callable[..., Known], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_known().remember_pull(ARM)
    monkeypatch.setattr(known, "WAIT", 0.05)
    holder = sqlite3.connect(tmp_path / "state" / "known.db")
    holder.execute("BEGIN EXCLUSIVE")
    assert open_known().seen("arm.blend") is None
    open_known().remember_pull(NEWER)
    holder.close()
    assert open_known().seen("arm.blend") == "e1", "it is not taken for damaged"


def test_several_at_once_lose_nothing(open_known: Callable[..., Known]) -> None:
    def remember(number: int) -> None:
        memory = open_known()
        memory.remember_pull(replace(ARM, component_id=f"{number}.blend"))
        memory.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember, range(80)))
    memory = open_known()
    assert all(memory.seen(f"{number}.blend") for number in range(80))


def test_what_is_old_is_forgotten(open_known: Callable[..., Known], monkeypatch: pytest.MonkeyPatch) -> None:
    open_known().remember_pull(ARM)
    open_known().remember_pull(replace(ARM, component_id="leg.blend"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 200 * DAY)
    open_known().remember_shown([("leg.blend", "e1")])
    monkeypatch.setattr(time, "time", lambda: now + 400 * DAY)
    open_known().remember_pull(replace(ARM, component_id="hand.blend"))
    assert open_known().seen("arm.blend") is None
    assert open_known().seen("leg.blend") == "e1"


def test_too_much_makes_room_by_what_was_only_shown(
    open_known: Callable[..., Known], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MAX_ENTRIES", 10)
    open_known().remember_pushes([(ARM, tmp_path / "arm.blend")])
    open_known().remember_shown((f"{number}.blend", "e") for number in range(100))
    assert open_known().pushed("arm.blend")
    assert open_known().of_file("arm.blend", tmp_path / "arm.blend")
    assert 7 <= sum(open_known().seen(f"{number}.blend") is not None for number in range(100)) <= 8


def test_names_that_are_no_text_are_no_obstacle(open_known: Callable[..., Known], tmp_path: Path) -> None:
    memory = open_known("folder /stores/\udcff")
    memory.remember_pull(replace(ARM, component_id="\udcfe.blend"), tmp_path / "\udcfd.blend")
    assert memory.of_file("\udcfe.blend", tmp_path / "\udcfd.blend") == "e1"
