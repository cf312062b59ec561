"""The engine's front, as a pipeline developer meets it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import damage

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager, ComponentInfo, files
from ggg_cloud_addon.cloud_storage.errors import (
    AccessDeniedError,
    CancelledError,
    ConfigError,
    IntegrityError,
    InvalidIdError,
    LocalFileError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    StoreUnavailableError,
)
from ggg_cloud_addon.cloud_storage.providers.base import IfAbsent, IfMatch
from ggg_cloud_addon.cloud_storage.providers.faults import FaultyProvider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

BIG = bytes(range(256)) * 10_000
WriteFile = Callable[[str, bytes], Path]

SNIPPET = '''
import sys

class Blocker:
    """Neither Blender nor an SDK may be asked for."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bpy", "boto3", "botocore", "azure", "numpy"):
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, Blocker())

from ggg_cloud_addon.cloud_storage import *
def progress_callback(message: str): assert isinstance(message, str)

config = CloudStorageConfig(provider="mock", credentials_file="aws_credentials.json",
                            bucket_name="model-components", prefix="models",
                            encryption=True, public_access=False)
manager = CloudStorageManager(config)
if manager.authenticate():
    manager.upload_component("path/to/component.blend", "component_id")
    listed = manager.list_components()                       # -> list of ComponentInfo
    manager.download_component("component_id", "download/path.blend")
    manager.delete_component("component_id")

sync_config = SyncConfig(local_dir="agent_outputs", direction="both", delete_files=True, overwrite=True,
                         file_patterns=["*.blend", "*.fbx", "*.stl", "*.gltf"])
result = StorageSynchronizer(manager, sync_config).synchronize(progress_callback)   # callback(message: str)
print(result.get_summary_string())
print([each.component_id for each in listed], manager.list_components(), config.folder)
'''


def test_the_promised_snippet_runs_without_blender_or_sdk(tmp_path: Path, run_child: Callable[..., object]) -> None:
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "component.blend").write_bytes(b"BLENDER")
    home = {"HOME": tmp_path, "USERPROFILE": tmp_path, "XDG_DATA_HOME": tmp_path / "data", "LOCALAPPDATA": tmp_path}
    environment = os.environ | {name: str(path) for name, path in home.items()}
    child = run_child(SNIPPET, cwd=tmp_path, env=environment)
    assert (child.returncode, child.stderr) == (0, "")  # type: ignore[attr-defined]
    summary, listed = child.stdout.splitlines()  # type: ignore[attr-defined]
    assert "nothing to do" in summary
    assert listed.startswith("['component_id'] [] ")
    assert str(tmp_path) in listed
    assert (tmp_path / "download" / "path.blend").read_bytes() == b"BLENDER"


def test_pushed_is_pulled(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    pushed = manager.upload_component(write("arm.blend", BIG), "robot/arm.blend", metadata={"author": "Zoë"})
    pulled = manager.download_component("robot/arm.blend", tmp_path / "new" / "deep" / "arm.blend")
    assert (tmp_path / "new" / "deep" / "arm.blend").read_bytes() == BIG
    assert pulled == pushed == manager.get_info("robot/arm.blend")
    assert (pushed.component_id, pushed.size, dict(pushed.metadata)) == ("robot/arm.blend", len(BIG), {"author": "Zoë"})
    assert dict(manager.get_metadata("robot/arm.blend")) == {"author": "Zoë"}


def test_a_listing_shows_ids_below_the_prefix_only(manager: CloudStorageManager, write: WriteFile) -> None:
    source = write("x", b"x")
    for key in ("models/b.blend", "models/a/c.blend", "models2/d.blend", "e.blend"):
        CloudStorageManager(CloudStorageConfig(), manager.provider).upload_component(source, key)
    found = manager.list_components()
    assert [each.component_id for each in found] == ["a/c.blend", "b.blend"]
    assert all(isinstance(each, ComponentInfo) and each.modified.tzinfo for each in found)


def test_versions_go_back_and_forth(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    first = manager.upload_component(write("arm", b"first"), "arm.blend")
    manager.upload_component(write("arm", b"second"), "arm.blend")
    manager.delete_component("arm.blend")
    assert [each.size for each in manager.list_versions("arm.blend")] == [6, 5]
    assert first.version_id is not None
    manager.download_component("arm.blend", tmp_path / "old", version_id=first.version_id)
    assert (tmp_path / "old").read_bytes() == b"first"
    assert manager.restore_version("arm.blend", first.version_id).sha256 == first.sha256
    manager.download_component("arm.blend", tmp_path / "now")
    assert (tmp_path / "now").read_bytes() == b"first"


def test_conditions_reach_the_store(manager: CloudStorageManager, write: WriteFile) -> None:
    source = write("arm", b"x")
    info = manager.upload_component(source, "arm.blend", condition=IfAbsent())
    for act in (
        lambda: manager.upload_component(source, "arm.blend", condition=IfAbsent()),
        lambda: manager.delete_component("arm.blend", condition=IfMatch("another")),
    ):
        with pytest.raises(PreconditionFailedError):
            act()
    manager.delete_component("arm.blend", condition=IfMatch(info.etag))


def test_a_restore_on_a_condition_replaces_nothing_unseen(manager: CloudStorageManager, write: WriteFile) -> None:
    old = manager.upload_component(write("arm", b"old"), "arm.blend")
    seen = manager.upload_component(write("arm", b"seen"), "arm.blend")
    manager.upload_component(write("arm", b"unseen"), "arm.blend")
    assert old.version_id is not None
    for condition in (IfMatch(seen.etag), IfAbsent()):
        with pytest.raises(PreconditionFailedError):
            manager.restore_version("arm.blend", old.version_id, condition=condition)
    assert manager.get_info("arm.blend").size == len(b"unseen")
    manager.delete_component("arm.blend")
    assert manager.restore_version("arm.blend", old.version_id, condition=IfAbsent()).sha256 == old.sha256


def test_a_store_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    manager = CloudStorageManager(CloudStorageConfig(root=tmp_path / "file"))
    assert not manager.authenticate()
    assert manager.authentication_error is not None
    assert "file" in manager.authentication_error
    (tmp_path / "file").unlink()
    assert manager.authenticate()
    assert manager.authentication_error is None


def test_no_access_is_a_no_too(manager: CloudStorageManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AccessDeniedError("You may not.")

    monkeypatch.setattr(manager.provider, "check", refuse)
    assert not manager.authenticate()
    assert manager.authentication_error == "You may not."


# -- batches


def test_a_batch_keeps_to_its_conditions(manager: CloudStorageManager, write: WriteFile) -> None:
    seen = {each: manager.upload_component(write(each, b"old"), each).etag for each in ("a", "b", "c")}
    manager.upload_component(write("b", b"unseen"), "b")
    conditions = {"a": IfMatch(seen["a"]), "b": IfMatch(seen["b"]), "new": IfAbsent()}
    pushed = manager.upload_components(
        [(write(each, b"pushed"), each) for each in ("a", "b", "c", "new")], conditions=conditions
    )
    assert [type(each.error) for each in pushed] == [type(None), PreconditionFailedError, type(None), type(None)]
    assert manager.get_info("b").size == len(b"unseen")
    gone = manager.delete_components(
        ["a", "b", "c", "new"], conditions={"a": IfMatch(seen["a"]), "b": IfMatch(manager.get_info("b").etag)}
    )
    assert [each.component_id for each in gone] == ["a", "b", "c", "new"]
    assert [type(each.error) for each in gone] == [PreconditionFailedError, *[type(None)] * 3]
    assert [each.component_id for each in manager.list_components()] == ["a"]


def test_a_batch_goes_on_after_a_failure(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    items = [(write(f"{number}", b"%d" % number), f"{number}.blend") for number in range(5)]
    items[1] = (tmp_path / "missing", "1.blend")
    items[3] = (items[3][0], "../3.blend")
    pushed = manager.upload_components(items)
    assert [each.component_id for each in pushed] == [component_id for _, component_id in items]
    assert [type(each.error) for each in pushed] == [
        type(None), LocalFileError, type(None), InvalidIdError, type(None),
    ]  # fmt: skip
    assert [each.ok for each in pushed] == [each.info is not None for each in pushed]
    pulled = manager.download_components([(f"{number}.blend", tmp_path / f"pulled {number}") for number in range(3)])
    assert [type(each.error) for each in pulled] == [type(None), ObjectNotFoundError, type(None)]
    assert (tmp_path / "pulled 2").read_bytes() == b"2"
    gone = manager.delete_components(["0.blend", "1.blend", "2.blend"])
    assert [each.ok for each in gone] == [True, False, True]
    assert [each.component_id for each in manager.list_components()] == ["4.blend"]


def test_when_a_batch_has_arrived_its_names_are_on_the_disk(
    manager: CloudStorageManager, write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for component_id in ("a/1.blend", "a/2.blend", "b/1.blend"):
        manager.upload_component(write("arm.blend", b"arm"), component_id)
    flush, flushed = files.flush_folder, dict[Path, list[str]]()

    def watched(folder: Path) -> None:
        flushed[folder] = sorted(path.name for path in folder.iterdir())
        flush(folder)

    monkeypatch.setattr(files, "flush_folder", watched)
    items = [(each, tmp_path / "pulled" / each) for each in ("a/1.blend", "a/2.blend", "b/1.blend")]
    assert all(each.ok for each in manager.download_components(items))
    assert flushed == {tmp_path / "pulled/a": ["1.blend", "2.blend"], tmp_path / "pulled/b": ["1.blend"]}


def test_an_empty_batch_is_nothing(manager: CloudStorageManager) -> None:
    assert manager.upload_components([]) == manager.download_components([]) == manager.delete_components([]) == []


# -- metadata


@pytest.mark.parametrize("key", ["", "Author", "my-key", "1st", "über", "a b", "_a", "a\n", "a=b"])
def test_metadata_keys_that_no_cloud_takes_are_refused(
    manager: CloudStorageManager, write: WriteFile, key: str
) -> None:
    with pytest.raises(ConfigError):
        manager.upload_component(write("arm", b"x"), "arm.blend", metadata={key: "x"})
    assert manager.list_components() == []


@pytest.mark.parametrize(("length", "fits"), [(1973, True), (1974, False)])
def test_metadata_with_the_hash_is_two_kilobytes_at_most(
    manager: CloudStorageManager, write: WriteFile, length: int, fits: bool
) -> None:
    as_stored = len("%C3%A9")
    for value in ("x" * length, "é" * (length // as_stored) + "x" * (length % as_stored)):
        try:
            manager.upload_component(write("arm", b"x"), "arm.blend", metadata={"k": value})
        except ConfigError:
            assert not fits
        else:
            assert fits
            assert manager.get_metadata("arm.blend")["k"] == value


# -- progress and cancel


def test_progress_is_told_up_to_the_whole(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source = write("arm", BIG)
    for act in (
        lambda: manager.upload_component(source, "arm.blend", progress=lambda *both: told.append(both)),
        lambda: manager.download_component("arm.blend", tmp_path / "new", progress=lambda *both: told.append(both)),
    ):
        told.clear()
        act()
        assert len(told) > 1
        assert told == sorted(told)
        assert told[-1] == (len(BIG), len(BIG))
        assert {total for _, total in told} == {len(BIG)}


def stop(done: int, total: int) -> None:
    raise CancelledError("Stopped.")


def test_a_cancelled_push_leaves_the_store_as_it_was(manager: CloudStorageManager, write: WriteFile) -> None:
    manager.upload_component(write("arm", b"old"), "arm.blend")
    before = manager.get_info("arm.blend")
    with pytest.raises(CancelledError):
        manager.upload_component(write("arm", BIG), "arm.blend", progress=stop)
    assert manager.get_info("arm.blend") == before


# -- a pull that fails


def fail_by_cancel(manager: CloudStorageManager, target: Path) -> None:
    manager.download_component("arm.blend", target, progress=stop)


def fail_by_damage(manager: CloudStorageManager, target: Path) -> None:
    assert isinstance(manager.provider, FolderProvider)
    damage(manager.provider.root, "models/arm.blend", b"damage" + BIG[6:])
    manager.download_component("arm.blend", target)


def fail_by_absence(manager: CloudStorageManager, target: Path) -> None:
    manager.download_component("leg.blend", target)


def fail_by_a_cut(manager: CloudStorageManager, target: Path) -> None:
    for seed in range(20):
        manager.provider = FaultyProvider(manager.provider, error_rate=1, seed=seed)
        with pytest.raises(StoreUnavailableError):
            manager.download_component("arm.blend", target)
    manager.download_component("arm.blend", target)


FAILURES = {
    "cancelled": (fail_by_cancel, CancelledError),
    "damaged": (fail_by_damage, IntegrityError),
    "not there": (fail_by_absence, ObjectNotFoundError),
    "cut off": (fail_by_a_cut, StoreUnavailableError),
}


@pytest.mark.parametrize(("fail", "error"), FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("before", [b"mine", None], ids=["a file was there", "nothing was there"])
def test_a_failed_pull_leaves_the_folder_as_it_was(
    manager: CloudStorageManager,
    write: WriteFile,
    tmp_path: Path,
    fail: Callable[[CloudStorageManager, Path], None],
    error: type[StorageError],
    before: bytes | None,
) -> None:
    manager.upload_component(write("arm", BIG), "arm.blend")
    target = tmp_path / "here" / "arm.blend"
    target.parent.mkdir()
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(error):
        fail(manager, target)
    assert [path.name for path in target.parent.iterdir()] == (["arm.blend"] if before else [])
    if before is not None:
        assert target.read_bytes() == before


def test_a_file_that_is_cut_while_it_is_pulled_is_not_taken_for_the_whole(
    manager: CloudStorageManager, tmp_path: Path
) -> None:
    """Also of an object without a SHA-256."""
    assert isinstance(manager.provider, FolderProvider)
    path = manager.provider.root / "models" / "arm.blend"
    path.parent.mkdir(parents=True)
    path.write_bytes(BIG)

    def cut(done: int, total: int) -> None:
        os.truncate(path, len(BIG) // 2)

    with pytest.raises(PreconditionFailedError, match=r"arm\.blend"):
        manager.download_component("arm.blend", tmp_path / "arm.blend", progress=cut)
    assert not (tmp_path / "arm.blend").exists()


def test_a_target_that_is_no_file_is_refused(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    manager.upload_component(write("arm", b"x"), "arm.blend")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LocalFileError, match="is a directory"):
        manager.download_component("arm.blend", tmp_path / "folder")
    with pytest.raises(LocalFileError):
        manager.download_component("arm.blend", tmp_path / "arm" / "below a file")


def test_the_longest_file_name_can_be_pulled(manager: CloudStorageManager, write: WriteFile, tmp_path: Path) -> None:
    for name in ("a" * 249 + ".blend", "é" * 124 + ".blend"):
        manager.upload_component(write("arm", b"x"), name)
        manager.download_component(name, tmp_path / "here" / name)
        assert (tmp_path / "here" / name).read_bytes() == b"x"
