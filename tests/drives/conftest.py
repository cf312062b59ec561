"""Drives for the tests, each mounted once for all tests of a process; a test has a folder of its own on it."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drive import Drive, Traits, mounted_tmpfs, why_no_mounts

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("sync", "providers", "engine")]  # whose tests run here too

from users import User, Watched  # noqa: E402

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider  # noqa: E402
from ggg_cloud_addon.cloud_storage.sync import apply  # noqa: E402

pytest.register_assert_rewrite("test_sync", "test_crash", "test_folder_others")

DRIVES = {
    "exFAT or macOS": Traits(
        ignores_case=True, ignores_form=True, hard_links=False, clock_step=2, rename_flags=False, folder_fsync=False
    ),
    "SMB or NFS": Traits(lock_error="ENOLCK", rename_flags=False, folder_fsync=False),
    "FUSE without locks": Traits(lock_error="ENOSYS", hard_links=False, rename_flags=False),
    "mergerfs or Gluster": Traits(inode_offset=2**63),
    "plain": Traits(),
}
MakeDrive = Callable[[str], Drive]


@pytest.fixture(scope="session")
def _mounts() -> None:
    """Mounts can be made here."""
    if why := why_no_mounts():
        pytest.skip(why)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it so that nobody takes it for tested."""
    skipped = [each.longrepr[2] for each in terminalreporter.stats.get("skipped", ()) if "/drives/" in each.nodeid]
    if skipped:
        terminalreporter.section("NOT TESTED: drives as studios have them", sep="!", red=True, bold=True)
        terminalreporter.line(f"Of tests/drives {len(skipped)} were skipped. {skipped[0]}.")


@pytest.fixture(scope="session")
def home(_mounts: None) -> Iterator[Path]:
    """A folder in memory that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ggg_cloud-drives-"))
    with mounted_tmpfs(folder):
        folder.chmod(0o755)
        yield folder
    folder.rmdir()


@pytest.fixture(scope="session")
def make_drive(home: Path) -> Iterator[MakeDrive]:
    """The drive of a name in :data:`DRIVES`."""
    with ExitStack() as stack:
        made: dict[str, Drive] = {}

        def make(name: str) -> Drive:
            if name not in made:
                mountpoint, backing = (home / f"{part}-{len(made)}" for part in ("drive", "backing"))
                mountpoint.mkdir()
                backing.mkdir()
                made[name] = Drive(mountpoint, backing, DRIVES[name])
                stack.callback(made[name].close)
            return made[name]

        yield make


@pytest.fixture
def drive(request: pytest.FixtureRequest, make_drive: MakeDrive) -> Iterator[Drive]:
    """The drive of the parameter, mounted and empty."""
    yield from fresh(make_drive(request.param))


def fresh(drive: Drive) -> Iterator[Drive]:
    """The drive, and what a test left on it removed at the end."""
    yield drive
    empty(drive)


def empty(drive: Drive) -> None:
    """Remove all that is on it, and in the mount point, and mount it again."""
    drive.calm()
    drive.unmount()
    for each in [*drive.backing.iterdir(), *drive.root.iterdir()]:
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    drive.mount()


@pytest.fixture(autouse=True)
def _no_waiting_for_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program saves anything here, so that nothing has to be absent for a while to count as deleted."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0)


@pytest.fixture
def store(tmp_path: Path) -> FolderProvider:
    return FolderProvider(tmp_path / "store")


@pytest.fixture
def ann(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "ann", Watched(store))


@pytest.fixture
def bob(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "bob", Watched(store))


@pytest.fixture
def arm(ann: User, bob: User) -> bytes:
    """Both have ``arm.blend`` and ``leg.blend``, in sync."""
    ann.save(arm=b"the arm", leg=b"the leg")
    ann.sync()
    bob.sync()
    return b"the arm"


@pytest.fixture
def quarrel(ann: User, bob: User, arm: bytes) -> None:
    """Both changed the arm; ann's is in the store."""
    ann.save(arm=b"by ann")
    ann.sync()
    bob.save(arm=b"by bob")


@pytest.fixture(params=DRIVES)
def every_drive(request: pytest.FixtureRequest, make_drive: MakeDrive) -> Iterator[Drive]:
    """Each drive in turn, mounted and empty."""
    yield from fresh(make_drive(request.param))
