"""Another file system inside the synced folder, or inside the store: no rename leads into it (EXDEV)."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import bound, mounted_tmpfs
from users import User, history, objects_of, settle

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


@pytest.fixture
def tmp_path(home: Path) -> Iterator[Path]:
    """All on one file system, of which a part is bound into another."""
    folder = Path(tempfile.mkdtemp(dir=home))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["another device", "the same device, bound"])
def _inside(request: pytest.FixtureRequest, tmp_path: Path, where: Path) -> Iterator[None]:
    """Another file system at ``robot``."""
    inside = where / "robot"
    inside.mkdir(parents=True)
    if request.param == "another device":
        with mounted_tmpfs(inside):
            yield
    else:
        (tmp_path / "elsewhere").mkdir()
        with bound(tmp_path / "elsewhere", inside):
            assert os.stat(inside).st_dev == os.stat(where).st_dev  # noqa: PTH116
            yield


class InFolder:
    @pytest.fixture
    def where(self, ann: User) -> Path:
        return ann.folder


class InStore:
    @pytest.fixture
    def where(self, store: FolderProvider) -> Path:
        return store.root / "models"


@pytest.mark.usefixtures("_inside")
class Scenarios:
    def test_files_arrive_there_and_go_from_there(self, ann: User, bob: User) -> None:
        bob.save(robot__arm=b"arm", robot__deep__leg=b"leg", head=b"head")
        ann.save(robot__foot=b"foot")
        settle(ann, bob)
        assert {*ann.tree()} == {"head.blend", "robot/arm.blend", "robot/deep/leg.blend", "robot/foot.blend"}

    def test_files_are_replaced_there_and_the_old_ones_kept(self, ann: User, bob: User) -> None:
        bob.save(robot__arm=b"arm")
        settle(ann, bob)
        bob.save(robot__arm=b"edited by bob")
        settle(ann, bob)
        ann.save(robot__arm=b"edited by ann")
        settle(ann, bob)
        assert bob.tree() == {"robot/arm.blend": b"edited by ann"}
        assert b"arm" in ann.trash()
        assert history(ann, "robot/arm") == [b"edited by ann", b"edited by bob", b"arm"]

    def test_deletes_reach_it_and_leave_it(self, ann: User, bob: User) -> None:
        bob.save(robot__arm=b"arm", robot__deep__leg=b"leg", robot__foot=b"foot", head=b"head")
        settle(ann, bob)
        bob.delete("robot__arm", "robot__deep__leg")
        ann.delete("robot__foot")
        settle(ann, bob)
        assert ann.tree() == {"head.blend": b"head"}
        assert {b"arm", b"leg"} <= {*ann.trash()}
        assert history(ann, "robot/foot") == [b"foot"]

    def test_both_sides_of_a_conflict_are_kept_there(self, ann: User, bob: User) -> None:
        ann.save(robot__arm=b"arm")
        settle(ann, bob)
        bob.save(robot__arm=b"by bob")
        bob.sync()
        ann.save(robot__arm=b"by ann")
        settle(ann, bob)
        assert sorted(ann.tree().values()) == [b"by ann", b"by bob"]
        assert ann.tree()["robot/arm.blend"] == b"by bob"

    def test_nothing_is_left_over_there(self, ann: User, bob: User, where: Path) -> None:
        bob.save(robot__arm=b"arm")
        settle(ann, bob)
        bob.save(robot__arm=b"edited")
        settle(ann, bob)
        assert objects_of(ann) == {"robot/arm.blend": b"edited"}
        assert [each.name for each in (where / "robot").iterdir() if each.name != ".ggg_cloud"] == ["arm.blend"]


class TestInTheFolder(InFolder, Scenarios):
    pass


class TestInTheStore(InStore, Scenarios):
    pass
