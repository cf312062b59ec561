"""One store of two users: a group folder (setgid), each with a user ID and a umask of their own.

Everything that one of them makes in the store the other can replace, delete, restore and sync, as the group may write
to the folder; whatever the umask says, which is about a user's own files.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from children import ended, in_child
from users import User

from ggg_cloud_addon.cloud_storage import CloudStorageManager
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

GROUP = 61000
UMASKS = [(0o002, 0o002), (0o022, 0o022), (0o077, 0o022), (0o022, 0o077)]


@dataclass
class Person:
    """Somebody with a user ID, a home, and a umask."""

    uid: int
    umask: int
    home: Path
    store: Path

    def __call__(self, act: Callable[["Person"], object]) -> None:
        """Do something as this user, in a process of its own."""

        def become_and_act() -> None:
            os.setgroups([GROUP])
            os.setgid(self.uid)
            os.setuid(self.uid)
            os.umask(self.umask)
            os.environ |= {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
            act(self)

        assert ended(in_child(become_and_act)) == 0, "It failed; see stderr."

    @property
    def manager(self) -> CloudStorageManager:
        return self.user.manager

    @property
    def user(self) -> User:
        return User(self.home / "work", FolderProvider(self.store))

    def push(self, component_id: str, content: bytes) -> None:
        source = self.home / "source"
        source.write_bytes(content)
        self.manager.upload_component(source, component_id)

    def pull(self, component_id: str, version: int = 0) -> bytes:
        """The content of a version, the newest first."""
        version_id = self.manager.list_versions(component_id)[version].version_id
        self.manager.download_component(component_id, self.home / "pulled", version_id=version_id)
        return (self.home / "pulled").read_bytes()

    def restore(self, component_id: str, version: int) -> None:
        self.manager.restore_version(component_id, self.manager.list_versions(component_id)[version].version_id)

    def delete(self, component_id: str) -> None:
        self.manager.delete_component(component_id)

    def sync(self) -> None:
        result = self.user.sync()
        assert result.errors == {}


@pytest.fixture
def share(home: Path) -> Iterator[Path]:
    """The group's folder, as an administrator makes it."""
    where = Path(tempfile.mkdtemp(dir=home))
    where.chmod(0o755)
    folder = where / "share"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2775)
    yield folder
    shutil.rmtree(where)


@pytest.fixture(params=UMASKS, ids=lambda masks: " and ".join(f"{mask:03o}" for mask in masks))
def people(request: pytest.FixtureRequest, share: Path, _modules_are_loaded: None) -> tuple[Person, Person]:
    def person(number: int) -> Person:
        home = share.parent / f"home {number}"
        home.mkdir()
        os.chown(home, GROUP + 1 + number, -1)
        return Person(GROUP + 1 + number, request.param[number], home, share / "store")

    return person(0), person(1)


@pytest.fixture(scope="module")
def _modules_are_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By root, as the others may be kept from where Python's packages lie."""
    home = tmp_path_factory.mktemp("root")
    person = Person(0, 0o022, home, home / "store")
    for number in range(3):  # and a trash to empty, and a conflict
        person.push("arm.blend", b"arm %d" % number)
        person.user.save(arm=b"my arm %d" % number, leg=b"leg")
        person.sync()
        person.delete("leg.blend")
        person.sync()
    person.restore("leg.blend", 0)
    person.pull("leg.blend")


def test_each_pushes_replaces_deletes_and_restores_what_the_other_made(people: tuple[Person, Person]) -> None:
    ann, bob = people
    arm = "robot/left/arm.blend"
    ann(lambda me: me.push(arm, b"by ann"))
    bob(lambda me: me.push(arm, b"by bob"))
    ann(lambda me: me.push(arm, b"by ann again"))
    bob(lambda me: me.restore(arm, 2))

    def look(me: Person) -> None:
        versions = [me.pull(arm, number) for number in range(4)]
        assert versions == [b"by ann", b"by ann again", b"by bob", b"by ann"]

    ann(look)
    bob(look)
    ann(lambda me: me.delete(arm))
    bob(lambda me: me.restore(arm, 0))
    bob(lambda me: me.push("robot/left/leg.blend", b"leg"))
    ann(lambda me: me.delete("robot/left/leg.blend"))
    bob(lambda me: me.delete(arm))
    assert not (ann.store / "models" / "robot").exists()


def test_each_syncs_what_the_other_made(people: tuple[Person, Person]) -> None:
    ann, bob = people

    def save(**files: bytes) -> Callable[[Person], None]:
        return lambda me: me.user.save(**files)

    ann(save(arm=b"arm", robot__leg=b"leg", robot__head=b"head"))
    ann(Person.sync)
    bob(Person.sync)
    bob(save(arm=b"by bob", robot__hand=b"hand"))
    bob(lambda me: me.user.delete("robot__leg"))
    bob(Person.sync)
    ann(lambda me: me.user.delete("robot__head"))
    ann(Person.sync)
    ann(save(arm=b"by ann"))
    ann(Person.sync)
    bob(Person.sync)
    expected = {"arm.blend": b"by ann", "robot/hand.blend": b"hand"}
    assert ann.user.tree() == bob.user.tree() == expected


def test_both_sides_of_a_conflict_are_kept(people: tuple[Person, Person]) -> None:
    ann, bob = people
    ann(lambda me: me.user.save(arm=b"arm"))
    ann(Person.sync)
    bob(Person.sync)
    ann(lambda me: me.user.save(arm=b"by ann"))
    bob(lambda me: me.user.save(arm=b"by bob"))
    ann(Person.sync)
    bob(Person.sync)
    ann(Person.sync)
    assert sorted(ann.user.tree().values()) == sorted(bob.user.tree().values()) == [b"by ann", b"by bob"]
    assert ann.user.tree()["arm.blend"] == b"by ann"


def test_the_group_owns_what_is_in_the_store_and_nobody_else_gets_more_rights(people: tuple[Person, Person]) -> None:
    ann, bob = people
    ann(lambda me: me.push("robot/arm.blend", b"arm"))
    for path in [ann.store, *ann.store.rglob("*")]:
        stat = path.stat()
        assert stat.st_gid == GROUP, path
        assert not stat.st_mode & 0o002, path
    if bob.umask & 0o077 != 0o077:
        bob(lambda me: me.pull("robot/arm.blend"))
