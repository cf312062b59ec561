"""What the sidebar asks for, on real stores, through the real process."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import assert_is_sentence, settings, wait_until
from fault_proxy import FaultProxy
from pictures import PICTURE

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.providers import open_bucket
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.worker.client import JobError, WorkerClient
from ggg_cloud_addon.worker.harmless import small_png

Config = dict[str, Any]


@pytest.fixture(params=["folder", "aws", "azure"])
def any_config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A new store of each kind."""
    if request.param == "folder":
        return {"root": str(tmp_path / "store"), "prefix": "models"}
    config: Config = request.getfixturevalue(f"{request.param}_config")
    open_bucket(CloudStorageConfig(**config)).create()
    return config | {"prefix": "models"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """To be synced; arm and leg are in it."""
    made = tmp_path / "folder"
    made.mkdir()
    (made / "arm.blend").write_bytes(b"the arm")
    (made / "leg.blend").write_bytes(b"the leg")
    return made


@pytest.fixture
def sync(worker: WorkerClient, config: Config, folder: Path) -> Callable[..., dict[str, Any]]:
    """Sync the folder with the plain-folder store, as the sidebar does."""

    def sync(**arguments: Any) -> dict[str, Any]:
        asked = {"sync": settings(folder), "confirmed": [], "choices": {}, "dry_run": False}
        answer: dict[str, Any] = worker.submit("sync", config, **asked | arguments).wait()
        return answer

    return sync


def statuses(worker: WorkerClient, config: Config, folder: Path, **options: Any) -> dict[str, str]:
    answer = worker.submit("list", config, folder=settings(folder, **options)).wait()
    return {path: status for path, _, _, status, _ in answer["rows"]}


def change(path: Path, content: bytes) -> None:
    """As a save does, at a later time."""
    seen = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(content)
    if seen:
        os.utime(path, ns=(seen + 10**9, seen + 10**9))


class TestOnEveryStore:
    def test_a_day_of_an_artist(self, worker: WorkerClient, any_config: Config, folder: Path, tmp_path: Path) -> None:
        done = worker.submit("sync", any_config, sync=settings(folder), confirmed=[], choices={}, dry_run=False).wait()
        assert (done["state"], done["errors"], done["conflicts"]) == ("done", {}, [])
        assert sorted(step[:3] for step in done["plan"]) == [["upload", "arm.blend", 7], ["upload", "leg.blend", 7]]
        listed = worker.submit("list", any_config, folder=settings(folder)).wait()
        assert [[row[0], row[1], row[3]] for row in listed["rows"]] == [
            ["arm.blend", 7, "same"],
            ["leg.blend", 7, "same"],
        ]
        assert any_config.get("bucket_name", any_config.get("root")) in listed["location"]

        new = tmp_path / "new.blend"
        new.write_bytes(b"a longer arm")
        worker.submit("upload", any_config, path=str(new), component_id="arm.blend").wait()
        assert statuses(worker, any_config, folder) == {"arm.blend": "newer_there", "leg.blend": "same"}
        deleted = worker.submit("delete", any_config, component_ids=["leg.blend", "../leg.blend"]).wait()
        assert [each[0] for each in deleted] == ["leg.blend", "../leg.blend"]
        assert deleted[0][1] is None
        assert_is_sentence(deleted[1][1])
        assert statuses(worker, any_config, folder) == {"arm.blend": "newer_there", "leg.blend": "deleted_there"}
        target = tmp_path / "pulled.blend"
        worker.submit("download", any_config, component_id="arm.blend", path=str(target), overwrite=False).wait()
        assert target.read_bytes() == b"a longer arm"

    def test_check_says_what_it_found(self, worker: WorkerClient, any_config: Config) -> None:
        findings = worker.submit("check", any_config).wait()
        assert {each["about"] for each in findings} >= {"access", "write", "read", "delete"}
        for each in findings:
            assert each["ok"] in (True, None)
            assert_is_sentence(each["sentence"])


def test_check_makes_the_bucket_when_asked(worker: WorkerClient, aws_config: Config) -> None:
    found = {each["about"]: each["ok"] for each in worker.submit("check", aws_config).wait()}
    assert found == {"missing": False}
    found = {each["about"]: each["ok"] for each in worker.submit("check", aws_config, create=True).wait()}
    assert (found["create"], found["access"], found["write"]) == (True, True, True)


def test_an_older_version_comes_back(
    worker: WorkerClient, config: Config, folder: Path, store: FolderProvider, tmp_path: Path
) -> None:
    for content in (b"first", b"second"):
        change(folder / "arm.blend", content)
        worker.submit("upload", config, path=str(folder / "arm.blend"), component_id="arm.blend").wait()
    versions = worker.submit("details", config, component_id="arm.blend", folder=str(tmp_path)).wait()["versions"]
    assert [(size, current) for _, size, _, current in versions] == [(6, True), (5, False)]
    old = versions[1][0]
    target = tmp_path / "old.blend"
    worker.submit(
        "download", config, component_id="arm.blend", path=str(target), overwrite=False, version_id=old
    ).wait()
    assert target.read_bytes() == b"first"
    assert worker.submit("restore", config, component_id="arm.blend", version_id=old).wait()["size"] == 5
    assert (store.root / "arm.blend").read_bytes() == b"first"


class TestStatus:
    def test_each_status(
        self, worker: WorkerClient, config: Config, folder: Path, store: FolderProvider, sync: Callable[..., Any]
    ) -> None:
        names = ("same", "newer_here", "newer_there", "both", "deleted_here", "deleted_there")
        for name in names:
            (folder / f"{name}.blend").write_bytes(b"synced")
        for path in folder.iterdir():  # long ago, so that no later edit can hide in the same tick
            if path.is_file():
                os.utime(path, ns=(10**18, 10**18))
        sync()
        for name in ("newer_here", "both"):
            change(folder / f"{name}.blend", b"changed here")
        for name in ("newer_there", "both"):
            other = folder.parent / "other.blend"
            other.write_bytes(b"changed there")
            worker.submit("upload", config, path=str(other), component_id=f"{name}.blend").wait()
        (folder / "deleted_here.blend").unlink()
        store.delete("deleted_there.blend")
        (folder / "here.blend").write_bytes(b"only here")
        worker.submit("upload", config, path=str(other), component_id="there.blend").wait()
        (folder / "ARM.blend").write_bytes(b"clashes with arm")
        worker.submit("upload", config, path=str(other), component_id="notes.fbx").wait()
        expected = {f"{name}.blend": name for name in (*names, "here", "there")}
        expected |= {"ARM.blend": "problem", "arm.blend": "same", "leg.blend": "same", "notes.fbx": ""}
        assert statuses(worker, config, folder) == expected

    def test_what_only_reading_can_tell_is_left_open(self, worker: WorkerClient, config: Config, folder: Path) -> None:
        worker.submit("upload", config, path=str(folder / "arm.blend"), component_id="arm.blend").wait()
        worker.submit("upload", config, path=str(folder / "arm.blend"), component_id="leg.blend").wait()
        (folder / "leg.blend").write_bytes(b"another length")
        assert statuses(worker, config, folder) == {"arm.blend": "", "leg.blend": "both"}

    def test_a_listing_changes_nothing(self, worker: WorkerClient, config: Config, folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        statuses(worker, config, folder)
        assert sorted(folder.rglob("*")) == before
        assert statuses(worker, config, folder / "not-there") == {}


class TestSync:
    def test_a_preview_does_nothing(self, sync: Callable[..., Any], folder: Path, store: FolderProvider) -> None:
        answer = sync(dry_run=True)
        assert answer["state"] == "planned"
        assert {step[1] for step in answer["plan"]} == {"arm.blend", "leg.blend"}
        assert not (folder / ".ggg_cloud").exists()
        assert not store.root.exists()

    def test_nothing_is_done_until_every_delete_is_confirmed(
        self, sync: Callable[..., Any], folder: Path, store: FolderProvider
    ) -> None:
        sync()
        store.delete("arm.blend")
        (folder / "leg.blend").unlink()
        (folder / "new.blend").write_bytes(b"new")
        for confirmed in ([], ["arm.blend"], ["leg.blend", "new.blend"]):
            answer = sync(confirmed=confirmed)
            assert (answer["state"], sorted(answer["deletes"])) == ("confirm", ["arm.blend", "leg.blend"])
            assert (folder / "arm.blend").exists()
            assert [info.key for info in store.list("").objects] == ["leg.blend"]
        assert sync(confirmed=answer["deletes"])["state"] == "done"
        assert not (folder / "arm.blend").exists()
        assert [info.key for info in store.list("").objects] == ["new.blend"]

    def test_a_mass_delete_can_be_confirmed_too(
        self, worker: WorkerClient, config: Config, sync: Callable[..., Any], folder: Path, store: FolderProvider
    ) -> None:
        for number in range(20):
            (folder / f"{number}.blend").write_bytes(b"part")
        sync()
        for path in folder.glob("*.blend"):
            path.unlink()
        asked = sync()
        assert (asked["state"], len(asked["deletes"])) == ("confirm", 22)
        with pytest.raises(JobError, match="22 of 22"):  # a script, with nobody to ask
            worker.submit("sync", config, sync=settings(folder)).wait()
        assert len(store.list("").objects) == 22
        assert sync(confirmed=asked["deletes"])["state"] == "done"
        assert store.list("").objects == ()

    @pytest.fixture
    def quarrel(self, worker: WorkerClient, config: Config, sync: Callable[..., Any], folder: Path) -> None:
        """The arm was changed on both sides."""
        sync()
        other = folder.parent / "other.blend"
        other.write_bytes(b"by another")
        worker.submit("upload", config, path=str(other), component_id="arm.blend").wait()
        change(folder / "arm.blend", b"by me")

    @pytest.mark.parametrize(
        ("choice", "here", "there"),
        [
            ("local", [b"by me"], [b"by me"]),
            ("remote", [b"by another"], [b"by another"]),
            ("keep_both", [b"by another", b"by me"], [b"by another", b"by me"]),
        ],
    )
    def test_a_conflict_is_shown_with_both_sides_and_solved_by_a_choice(
        self,
        sync: Callable[..., Any],
        quarrel: None,
        folder: Path,
        store: FolderProvider,
        choice: str,
        here: list[bytes],
        there: list[bytes],
    ) -> None:
        (conflict,) = sync()["conflicts"]
        seen = (folder / "arm.blend").stat()
        assert conflict["path"] == "arm.blend"
        assert conflict["can_choose"]
        assert conflict["here"] == [5, pytest.approx(seen.st_mtime_ns / 1e9, abs=1e-5)]
        assert conflict["there"] == [10, store.head("arm.blend").modified.timestamp()]
        answer = sync(choices={"arm.blend": choice}, sync=settings(folder, overwrite=False))
        assert (answer["state"], answer["conflicts"], answer["errors"]) == ("done", [], {})
        assert sorted(path.read_bytes() for path in folder.glob("arm*.blend")) == here
        keys = [info.key for info in store.list("arm").objects]
        assert sorted((store.root / key).read_bytes() for key in keys) == there

    def test_no_choice_is_offered_for_names_that_clash(self, sync: Callable[..., Any], folder: Path) -> None:
        sync()
        (folder / "ARM.blend").write_bytes(b"clashes")
        (conflict,) = sync()["conflicts"]
        assert (conflict["path"], conflict["can_choose"], conflict["there"]) == ("ARM.blend", False, None)

    def test_what_fails_is_said_for_each_file(self, worker: WorkerClient, aws_config: Config, folder: Path) -> None:
        open_bucket(CloudStorageConfig(**aws_config)).create()
        with FaultProxy(aws_config["endpoint_url"]) as proxy:
            proxy.answer(403, times=9, method="PUT", path=r"leg\.blend")
            aws_config["endpoint_url"] = proxy.url
            answer = worker.submit("sync", aws_config, sync=settings(folder)).wait()
            found = statuses(worker, aws_config, folder)
        assert list(answer["errors"]) == ["leg.blend"]
        assert "no right to do this; ask" in answer["errors"]["leg.blend"]
        assert answer["summary"].startswith("Sync: 1 uploaded.")
        assert found == {"arm.blend": "same", "leg.blend": "here"}

    def test_progress_tells_bytes_and_files(self, worker: WorkerClient, config: Config, folder: Path) -> None:
        with (folder / "large.blend").open("wb") as file:
            file.truncate(1 << 30)
        job = worker.submit("sync", config, sync=settings(folder), confirmed=[])
        wait_until(lambda: job.done > 0, job)
        assert job.total == (1 << 30) + 14
        assert 0 < job.done < job.total
        assert job.items == 3
        assert 0 <= job.items_done < 3
        assert job.text.endswith(".blend")
        job.cancel()
        with pytest.raises(JobError, match="cancelled"):
            job.wait()


class TestAboutAComponent:
    @pytest.fixture
    def pushed(self, worker: WorkerClient, any_config: Config, folder: Path, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "arm.png").write_bytes(PICTURE)
        answer: dict[str, Any] = worker.submit(
            "upload",
            any_config,
            path=str(folder / "arm.blend"),
            component_id="robot/arm.blend",
            metadata={"blender": "5.0.1", "author": "Zoë"},
            condition="absent",
        ).wait()
        picture = {"component_id": "robot/arm.blend", "path": str(tmp_path / "arm.png")}
        worker.submit("put_preview", any_config, **picture).wait()
        return answer

    def test_details(self, worker: WorkerClient, any_config: Config, pushed: dict[str, Any], tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        found = worker.submit("details", any_config, component_id="robot/arm.blend", folder=str(cache)).wait()
        assert found["info"]["metadata"] == {"blender": "5.0.1", "author": "Zoë"}
        assert (found["info"]["etag"], found["info"]["size"]) == (pushed["etag"], 7)
        assert len(found["versions"]) <= 1
        assert Path(found["preview"]).read_bytes() == small_png(PICTURE)
        assert Path(found["preview"]).parent == cache

    def test_preview_and_metadata_are_fetched_once(
        self, worker: WorkerClient, any_config: Config, pushed: dict[str, Any], tmp_path: Path
    ) -> None:
        items = [["robot/arm.blend", pushed["etag"]], ["nothing.blend", "x"]]
        ask = {"items": items, "folder": str(tmp_path / "cache")}
        found = worker.submit("about", any_config, **ask).wait()
        assert found["nothing.blend"] == [None, {}]
        preview, metadata = found["robot/arm.blend"]
        assert metadata == {"blender": "5.0.1", "author": "Zoë"}
        Path(preview).write_bytes(b"as it was fetched")
        assert worker.submit("about", any_config, **ask).wait() == found
        assert Path(preview).read_bytes() == b"as it was fetched"
        Path(preview).unlink()
        worker.submit("about", any_config, **ask).wait()
        assert Path(preview).read_bytes() == small_png(PICTURE)
        items[0][1] = "a new version"
        newer = worker.submit("about", any_config, **ask).wait()
        assert newer["robot/arm.blend"][0] != preview

    def test_a_condition_that_does_not_hold_is_told_apart(
        self, worker: WorkerClient, any_config: Config, folder: Path, pushed: dict[str, Any]
    ) -> None:
        ask = {"path": str(folder / "leg.blend"), "component_id": "robot/arm.blend"}
        second = worker.submit("upload", any_config, **ask, condition=pushed["etag"]).wait()
        for condition in ("absent", pushed["etag"]):
            with pytest.raises(JobError) as caught:
                worker.submit("upload", any_config, **ask, condition=condition).wait()
            assert_is_sentence(str(caught.value))
            assert caught.value.kind == "PreconditionFailedError"
        worker.submit("upload", any_config, **ask, condition=second["etag"]).wait()

    def test_a_preview_that_is_not_there_is_said(self, worker: WorkerClient, config: Config, folder: Path) -> None:
        ask = {"path": str(folder / "nothing.png"), "component_id": "leg.blend"}
        with pytest.raises(JobError, match=r"nothing\.png") as caught:
            worker.submit("put_preview", config, **ask).wait()
        assert caught.value.kind == "LocalFileError"

    def test_a_file_tells_of_itself(self, worker: WorkerClient, config: Config, blends: Path, tmp_path: Path) -> None:
        ask = {"path": str(blends / "library.blend"), "component_id": "library.blend"}
        answer = worker.submit("upload", config, **ask).wait()
        assert answer["metadata"]["blender"] == "5.0"
        assert "needs 2 files beside it" in answer["missing"][0]
        given = worker.submit("upload", config, **ask, metadata={"comment": "mine"}).wait()
        assert (given["metadata"], given["missing"]) == ({"comment": "mine"}, [])

    def test_a_sync_notes_what_does_not_go_along(
        self, sync: Callable[..., dict[str, Any]], blends: Path, folder: Path
    ) -> None:
        (folder / "deep.blend").write_bytes((blends / "deep.blend").read_bytes())
        for dry_run in (True, False):
            answer = sync(dry_run=dry_run)
            assert [each for each in answer["notes"] if '"deep.blend" needs, is missing' in each]
