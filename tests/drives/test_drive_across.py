"""Files of a plain-folder store on another file system than its ``.ggg_store``, to which no rename leads (EXDEV)."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import test_crash
import test_folder_others as others
from by_hand import contents, left_over, save
from children import Act, ended, in_child
from conformance import put, read
from drive import bound
from test_drive_store import OnDrive

from ggg_cloud_addon.cloud_storage import CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers import folder_swap
from ggg_cloud_addon.cloud_storage.providers.base import Provider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

KEY = others.KEY
at_the_swap = others.at_the_swap
system = others.system


@pytest.fixture
def tmp_path(home: Path) -> Iterator[Path]:
    """The store's ``robot`` is bound into it from elsewhere: the same device, but no rename or link leads across."""
    folder = Path(tempfile.mkdtemp(dir=home))
    robot, elsewhere = folder / "store" / "robot", folder / "elsewhere"
    robot.mkdir(parents=True)
    elsewhere.mkdir()
    with bound(elsewhere, robot):
        yield folder
    shutil.rmtree(folder)


class TestAcross(OnDrive):
    """Here all that is not ``.ggg_store`` is on the other file system."""

    @pytest.fixture
    def provider(self, home: Path) -> Iterator[Provider]:
        folder = Path(tempfile.mkdtemp(dir=home))
        private, elsewhere = folder / "store" / ".ggg_store", folder / "elsewhere"
        private.mkdir(parents=True)
        elsewhere.mkdir()
        with bound(elsewhere, private):
            yield FolderProvider(folder / "store")
        shutil.rmtree(folder)


class TestOthers:
    """What other programs write there is kept."""

    test_swap = staticmethod(others.test_what_comes_between_compare_and_swap_is_kept)
    test_two_edits = staticmethod(others.test_of_two_edits_around_a_swap_the_newest_stays)
    test_a_new_file = staticmethod(others.test_a_file_that_comes_where_none_was_is_not_replaced)
    test_delete = staticmethod(others.test_an_edit_at_a_delete_is_kept)
    test_edits = staticmethod(others.test_an_edit_is_a_version_of_its_own_whatever_its_time)
    test_readers = staticmethod(others.test_a_swap_at_random_moments_of_a_reader_is_one_whole_content)


@pytest.mark.parametrize(
    ("begin", "verb", "before", "after"),
    [
        ([b"content a"], test_crash.push_b, b"content a", b"content b"),
        ([b"content a", "by hand"], test_crash.push_b, b"edited by hand", b"content b"),
        ([b"content a", "by hand"], test_crash.delete, b"edited by hand", None),
        ([b"content a", "deleted"], test_crash.restore, None, b"content a"),
    ],
    ids=["overwrite", "overwrite a hand's edit", "delete a hand's edit", "restore what was deleted"],
)
def test_killed_at_any_step_it_is_done_or_not(
    tmp_path: Path,
    begin: list[bytes | str],
    verb: Callable[[CloudStorageManager, Path], Act],
    before: bytes | None,
    after: bytes | None,
) -> None:
    test_crash.test_killed_at_any_step_it_is_done_or_not(tmp_path, begin, verb, before, after, "push")


@pytest.mark.parametrize("change", ["put", "delete"])
def test_what_a_killed_swap_caught_is_kept(store: FolderProvider, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Another program saves right before the swap, and we are killed right after it."""
    put(store, KEY, b"pushed")

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def rename(source: Path, target: Path, *how: int) -> object:
            if {source.parent, target.parent} != {store.root / "robot"}:
                return call(source, target, *how)
            save(store.root / KEY, b"by hand")
            call(source, target, *how)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return rename

    def killed() -> None:
        if change == "put":
            monkeypatch.setattr(folder_swap, "_rename", dying(folder_swap._rename))
            put(store, KEY, b"new")
        else:
            monkeypatch.setattr(Path, "rename", dying(Path.rename))
            store.delete(KEY)

    assert ended(in_child(killed)) == -signal.SIGKILL
    store = FolderProvider(store.root)  # sweeps once in its life
    put(store, KEY, b"newer")
    assert read(store, KEY) == b"newer"
    assert b"by hand" in contents(store, KEY)
    assert left_over(store.root) == []
