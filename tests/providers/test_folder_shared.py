"""The plain folder on a group's drive: several users, rights, a drive that goes away, and what drives cannot do."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from by_hand import contents, drop, pull, save
from children import ended, in_child
from conformance import BytesSource, keys, put, race, read

from ggg_cloud_addon.cloud_storage.errors import AccessDeniedError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.files import (
    FileSource,
    flush_folder,
    move_into_place,
    part_file,
    sweep_parts,
    take_lock,
)
from ggg_cloud_addon.cloud_storage.providers import folder_changes, folder_look
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent, IfMatch
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.times import utc_from_ns

KEY = "robot/arm.blend"
MEMORY = Path("/dev/shm")
"""Its file system takes any time."""
GROUP = 54321
ANN, BOB = 50001, 50002
posix = pytest.mark.skipif(os.name != "posix", reason="permissions as on Linux and macOS")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# -- permissions


@posix
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_what_is_made_has_the_permissions_of_the_root(store: FolderProvider, umask: int) -> None:
    store.root.mkdir()
    store.root.chmod(0o2775)
    before = os.umask(umask)
    try:
        put(store, KEY, b"one")
        put(store, KEY, b"two")
        drop(store, "robot/leg.blend", b"by hand").chmod(0o664)
        store.delete("robot/leg.blend")
    finally:
        os.umask(before)
    modes = {path.relative_to(store.root): mode_of(path) for path in store.root.rglob("*") if ".lock" not in path.name}
    assert {path: mode for path, mode in modes.items() if mode not in (0o2775, 0o664)} == {}
    assert {mode_of(path) for path in (store.root / ".ggg_store" / "locks").iterdir()} == {0o664}


@posix
def test_a_replaced_file_keeps_its_permissions(store: FolderProvider, tmp_path: Path) -> None:
    put(store, KEY, b"one")
    (store.root / KEY).chmod(0o600)
    put(store, KEY, b"two")
    store.copy(KEY, KEY)
    assert mode_of(store.root / KEY) == 0o600
    target = tmp_path / "pulled.blend"
    target.write_bytes(b"private")
    target.chmod(0o600)
    pull(store, KEY, target)
    assert (target.read_bytes(), mode_of(target)) == (b"two", 0o600)


@posix
def test_a_file_moved_over_a_link_or_a_new_name_has_its_own_permissions(tmp_path: Path) -> None:
    (tmp_path / "private").touch(0o600)
    (tmp_path / "link").symlink_to("private")
    for name in ("link", "new"):
        (tmp_path / "part").touch()
        (tmp_path / "part").chmod(0o640)
        move_into_place(tmp_path / "part", tmp_path / name)
        assert mode_of(tmp_path / name) == 0o640


WORK = """
import os, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage.errors import StorageError
from ggg_cloud_addon.cloud_storage.files import BytesSource
from ggg_cloud_addon.cloud_storage.providers.base import IfMatch
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
root, user, group, umask, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4], 8), sys.argv[5]
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.umask(umask)
store = FolderProvider(Path(root))
store.check()
for number in range(3):
    store.put(f"{name}/new {number}.blend", BytesSource(name.encode()))
    for key in ("shared.blend", "by hand.blend"):
        store.put(key, BytesSource(f"{name} {number}".encode()), condition=IfMatch(store.head(key).etag))
    oldest = store.versions("shared.blend")[-1].version_id
    store.copy("shared.blend", "shared.blend", version_id=oldest)
    store.delete("goes.blend")
    store.put("goes.blend", BytesSource(name.encode()))
print("done")
"""


@pytest.fixture
def group_folder() -> Iterator[Path]:
    """A group's folder, as an administrator makes it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "store")
        root.mkdir()
        os.chown(root, -1, GROUP)
        root.chmod(0o2775)
        yield root


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes on other users' IDs")
def test_users_of_a_group_do_not_lock_each_other_out(group_folder: Path, run_child: Callable[..., object]) -> None:
    """Each with a umask that gives the others nothing; both write by hand, too, and over files of former versions."""
    store = FolderProvider(group_folder)
    for key in ("shared.blend", "goes.blend"):
        put(store, key, b"begin")
    by_hand = drop(store, "by hand.blend", b"by hand")
    os.chown(by_hand, ANN, GROUP)
    by_hand.chmod(0o644)
    for turn, (name, user, umask) in enumerate([("ann", ANN, "077"), ("bob", BOB, "027")] * 2):
        child = run_child(WORK, group_folder, str(user), str(GROUP), umask, name)
        assert (child.stdout, child.stderr) == ("done\n", ""), f"turn {turn}"  # type: ignore[attr-defined]
    assert {b"begin", b"ann 0", b"bob 0"} <= set(contents(store, "shared.blend"))
    assert b"by hand" in contents(store, "by hand.blend")


OVER = """
import os, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage.files import BytesSource
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
FolderProvider(Path(sys.argv[1])).put("arm.blend", BytesSource(b"three"))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes on other users' IDs")
def test_another_users_file_with_the_numbers_of_a_version_is_kept_apart(
    group_folder: Path, run_child: Callable[..., object]
) -> None:
    """Its time is not ours to set, so a copy is kept."""
    store = FolderProvider(group_folder)
    put(store, "arm.blend", b"one")
    when = (store.root / "arm.blend").stat().st_mtime_ns
    put(store, "arm.blend", b"two")
    path = drop(store, "arm.blend", b"ONE")
    os.utime(path, ns=(when, when))
    os.chown(path, ANN, GROUP)
    child = run_child(OVER, group_folder, str(BOB), str(GROUP))
    assert child.stderr == ""  # type: ignore[attr-defined]
    assert {b"one", b"ONE", b"three"} <= set(contents(store, "arm.blend"))


READ_ONLY = """
import os, sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage.errors import StorageError
from ggg_cloud_addon.cloud_storage.files import BytesSource
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
store = FolderProvider(Path(sys.argv[1]))
print(len(store.list().objects), store.head("arm.blend").size, bool(store.identity) == (sys.argv[2] == "marked"))
with store.get("arm.blend") as download:
    print(b"".join(download))
print(len(store.versions("arm.blend")))
for act in (store.check, lambda: store.put("new.blend", BytesSource(b"x")), lambda: store.delete("arm.blend")):
    try:
        act()
        print("done")
    except StorageError as error:
        print(type(error).__name__)
"""


@posix
@pytest.mark.parametrize("marked", ["marked", "plain files"])
def test_a_folder_that_may_only_be_read_can_be_read(
    group_folder: Path, run_child: Callable[..., object], marked: str
) -> None:
    drop(FolderProvider(group_folder), "arm.blend", b"by hand")
    if marked == "marked":
        put(FolderProvider(group_folder), "arm.blend", b"arm")
    for path in [*group_folder.rglob("*"), group_folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        child = run_child(READ_ONLY, group_folder, marked)
    finally:
        group_folder.chmod(0o755)
    assert child.stderr == ""  # type: ignore[attr-defined]
    assert child.stdout.splitlines() == [  # type: ignore[attr-defined]
        f"1 {3 if marked == 'marked' else 7} True",
        repr(b"arm" if marked == "marked" else b"by hand"),
        "2" if marked == "marked" else "1",
        *["AccessDeniedError"] * 3,
    ]


def test_a_file_system_that_is_mounted_to_be_read_is_no_missing_drive(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    put(store, "arm.blend", b"arm")
    monkeypatch.setattr(folder_look.Records, "tmp", refuse)
    for act in (store.check, lambda: put(store, "arm.blend", b"new")):
        with pytest.raises(AccessDeniedError):
            act()


# -- a drive that goes away


def unmount(store: FolderProvider) -> None:
    """The mount point stays, as an empty folder."""
    store.root.rename(store.root.with_name("the drive"))
    store.root.mkdir()


@pytest.mark.parametrize("seen_by", ["check", "identity", "list", "put"])
def test_nothing_lands_in_an_empty_mount_point(store: FolderProvider, seen_by: str) -> None:
    put(store, KEY, b"arm")
    store = store if seen_by == "put" else FolderProvider(store.root)
    if seen_by != "put":
        getattr(store, seen_by) if seen_by == "identity" else getattr(store, seen_by)()
    unmount(store)
    for act in (
        lambda: put(store, "new.blend", b"x"),
        lambda: put(store, KEY, b"x", IfAbsent()),
        lambda: store.copy(KEY, "copy.blend"),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(StoreUnavailableError, match="is the drive there"):
            act()
    assert list(store.root.iterdir()) == []
    assert store.identity == ""


@pytest.mark.parametrize("when", ["while it is read", "before the swap", "after the swap"])
@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
def test_a_drive_that_goes_away_during_a_put_is_told(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch, when: str, there: bool
) -> None:
    etag = put(store, KEY, b"arm") if there else None

    class Slow(BytesSource):
        def verify(self) -> None:
            if when == "while it is read":
                unmount(store)

    for name in ("swap", "rename_new"):
        swap = getattr(folder_changes, name)

        def around(*arguments: object, swap: Callable[..., object] = swap) -> object:
            if when == "before the swap":
                unmount(store)
            answer = swap(*arguments)
            if when == "after the swap":
                unmount(store)
            return answer

        monkeypatch.setattr(folder_changes, name, around)
    with pytest.raises(StoreUnavailableError):
        store.put(KEY, Slow(b"new"), condition=IfMatch(etag) if etag else None)
    assert [path for path in store.root.rglob("*") if not path.is_dir()] == []
    on_the_drive = FolderProvider(store.root.with_name("the drive"))
    if there:
        assert b"arm" in contents(on_the_drive, KEY)


def test_a_drive_that_is_another_one_is_told(store: FolderProvider) -> None:
    put(store, KEY, b"arm")
    unmount(store)
    FolderProvider(store.root).check()
    with pytest.raises(StoreUnavailableError):
        put(store, KEY, b"new")
    assert keys(store) == []


# -- what a drive cannot do


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def no_flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


@posix
@pytest.mark.usefixtures("no_flock")
def test_without_flock_of_many_changers_exactly_one_wins(store: FolderProvider) -> None:
    etag = put(store, KEY, b"begin")
    for number in range(10):

        def change(racer: int, number: int = number, etag: str = etag) -> str:
            return put(store, KEY, b"%d by %d" % (number, racer), IfMatch(etag))

        (etag,), losses = race(change)
        assert len(losses) == 2
    assert [path.name for path in store.root.rglob("*") if path.name.endswith("ggg_part")] == []


@posix
@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_dead_process_holds_no_lock_and_a_living_one_does(tmp_path: Path) -> None:
    def die() -> None:
        take_lock(tmp_path / "lock", 1)
        with part_file(tmp_path, "arm") as part:
            part.write_bytes(b"dead")
            os._exit(0)

    assert ended(in_child(die)) == 0
    lock = take_lock(tmp_path / "lock", 5)
    with pytest.raises(TimeoutError):
        take_lock(tmp_path / "lock", 0.05)
    lock.release()
    with part_file(tmp_path, "leg") as living:
        living.write_bytes(b"alive")
        sweep_parts(tmp_path)
        assert [path.read_bytes() for path in tmp_path.glob("*.ggg_part")] == [b"alive"]


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_folder_that_cannot_be_flushed_is_no_failure(
    store: FolderProvider, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    put(store, KEY, b"arm")
    store.delete(KEY)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "The disk is broken")))
    with pytest.raises(OSError, match="broken"):
        flush_folder(store.root)


# -- numbers and depths


@pytest.mark.parametrize(
    "when",
    [0, -1, -(10**18), 2**63 - 1, 2**63, 253_402_300_800 * 10**9, -62_135_596_801 * 10**9, 2**62 * 10**9],
    ids=["1970", "before", "1938", "2262", "after int64", "year 10000", "year 0", "the last"],
)
@pytest.mark.skipif(not MEMORY.is_dir(), reason="only the file system in memory takes any time")
def test_any_time_of_a_file_is_told_and_can_be_replaced(when: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        store = FolderProvider(Path(folder))
        path = drop(store, KEY, b"arm")
        os.utime(path, ns=(0, when))
        assert path.stat().st_mtime_ns == when
        (listed,) = store.list().objects
        assert listed.modified == store.head(KEY).modified == utc_from_ns(when)
        listed.modified.astimezone(timezone(timedelta(hours=14)))
        listed.modified.astimezone(timezone(timedelta(hours=-12)))
        put(store, KEY, b"new", IfMatch(listed.etag))
        save(path, b"ARM")
        os.utime(path, ns=(0, when))  # the numbers of a version, and other bytes
        put(store, KEY, b"newer")
        assert sorted(contents(store, KEY)) == [b"ARM", b"arm", b"new", b"newer"]
        path.write_bytes(b"Arm")  # in place, so the content of the last push is gone
        os.utime(path, ns=(0, when))
        put(store, KEY, b"newest")
        assert sorted(contents(store, KEY)) == [b"ARM", b"Arm", b"arm", b"new", b"newest"]


def test_times_are_true_where_they_can_be() -> None:
    assert utc_from_ns(1_700_000_000_123_456_789) == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert utc_from_ns(-1) == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert utc_from_ns(10**40) == datetime(9999, 12, 31, tzinfo=UTC)
    assert utc_from_ns(-(10**40)) == datetime(1, 1, 2, tzinfo=UTC)


def test_folders_five_hundred_deep(store: FolderProvider) -> None:
    key = "a/" * 500 + "arm.blend"
    etag = put(store, key, b"arm")
    drop(store, "b/" * 500 + "arm.blend", b"by hand")
    assert keys(store) == [key, key.replace("a/", "b/")]
    put(store, key, b"new", IfMatch(etag))
    assert read(store, key) == b"new"
    for each in keys(store):
        store.delete(each)
    assert sorted(path.name for path in store.root.iterdir()) == [".ggg_store"]


def test_the_provider_tells_its_folder(store: FolderProvider) -> None:
    assert store.local_folder == FaultyProvider(store).local_folder == store.root


@pytest.mark.parametrize(
    ("root", "private", "expected"),
    [(0o755, 0o600, 0o600), (0o755, 0o644, 0o644), (0o700, 0o644, 0o600), (0o2775, 0o600, 0o664)],
    ids=lambda mode: f"{mode:o}",
)
def test_a_private_file_stays_private_where_no_group_shares_the_store(
    store: FolderProvider, tmp_path: Path, root: int, private: int, expected: int
) -> None:
    store.check()
    store.root.chmod(root)
    source = tmp_path / "arm.blend"
    source.write_bytes(b"arm")
    source.chmod(private)
    store.put("arm.blend", FileSource(source))
    assert (store.root / "arm.blend").stat().st_mode & 0o777 == expected
