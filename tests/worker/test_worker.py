"""The real process beside Blender: it does its jobs, survives nonsense, and never outlives who started it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import (
    LARGE,
    MAIN,
    MakeClient,
    assert_ends,
    assert_is_sentence,
    content_of,
    launcher,
    process_id,
    wait_until_moving,
)

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.worker.client import JobError, WorkerClient
from ggg_cloud_addon.worker.messages import Failed, Finished, Message, Progress, Request, decode, encode


class TestJobs:
    def test_an_upload_answers_what_was_stored(
        self, worker: WorkerClient, config: dict[str, Any], store: FolderProvider, small_file: Path
    ) -> None:
        answer = worker.submit("upload", config, path=str(small_file), component_id="robot/arm.blend").wait()
        assert (store.root / "robot/arm.blend").read_bytes() == b"small"
        stored = store.head("robot/arm.blend")
        assert (answer["component_id"], answer["size"]) == ("robot/arm.blend", 5)
        assert answer["sha256"] == stored.sha256
        assert answer["modified"] == stored.modified.timestamp()

    def test_a_download_writes_the_file(
        self, worker: WorkerClient, config: dict[str, Any], small_file: Path, tmp_path: Path
    ) -> None:
        worker.submit("upload", config, path=str(small_file), component_id="arm.blend").wait()
        target = tmp_path / "new" / "pulled.blend"
        job = worker.submit("download", config, component_id="arm.blend", path=str(target), overwrite=False)
        assert job.wait()["size"] == 5
        assert target.read_bytes() == b"small"

    def test_a_list_is_that_of_the_prefix(self, worker: WorkerClient, config: dict[str, Any], small_file: Path) -> None:
        for prefix, name in (("", "a.blend"), ("models", "b.blend"), ("models", "c/d.blend")):
            worker.submit("upload", config | {"prefix": prefix}, path=str(small_file), component_id=name).wait()
        answer = worker.submit("list", config | {"prefix": "models"}).wait()
        assert [tuple(row[:2]) for row in answer["rows"]] == [("b.blend", 5), ("c/d.blend", 5)]

    def test_each_of_many_jobs_gets_its_own_answer(
        self, worker: WorkerClient, config: dict[str, Any], tmp_path: Path
    ) -> None:
        names = [f"part{number}.blend" for number in range(20)]
        for size, name in enumerate(names):
            (tmp_path / name).write_bytes(b"x" * size)
        jobs = [worker.submit("upload", config, path=str(tmp_path / name), component_id=name) for name in names]
        answers = [(answer["component_id"], answer["size"]) for answer in (job.wait() for job in jobs)]
        assert answers == [(name, size) for size, name in enumerate(names)]

    def test_a_job_does_not_wait_for_one_that_hangs(
        self, worker: WorkerClient, config: dict[str, Any], small_file: Path, release: Callable[[], None]
    ) -> None:
        hanging = worker.submit("upload", config, path=str(small_file), component_id="arm.blend")
        assert worker.submit("list", config).wait()["rows"] == []
        assert not hanging.ended
        release()
        assert hanging.wait()["component_id"] == "arm.blend"

    def test_progress_tells_bytes_done_and_in_all(
        self, worker: WorkerClient, config: dict[str, Any], large_file: Path
    ) -> None:
        job = worker.submit("upload", config, path=str(large_file), component_id="large.blend")
        wait_until_moving(job)
        assert 0 < job.done <= job.total == LARGE
        job.cancel()


class TestErrors:
    @pytest.mark.parametrize(
        ("verb", "config", "arguments", "named"),
        [
            ("download", {}, {"component_id": "no.blend", "path": "x.blend", "overwrite": False}, '"no.blend"'),
            ("upload", {}, {"path": "/no/such.blend", "component_id": "a.blend"}, "such.blend"),
            ("upload", {}, {"path": "/", "component_id": "../a.blend"}, '"../a.blend"'),
            ("list", {"colour": "red"}, {}, '"colour"'),
            ("list", {"provider": "tape"}, {}, '"tape"'),
            ("list", {"root": "/dev/null/store"}, {}, '"/dev/null/store"'),
        ],
    )
    def test_an_error_is_one_sentence_that_names_its_cause(
        self,
        worker: WorkerClient,
        store: FolderProvider,
        tmp_path: Path,
        verb: str,
        config: dict[str, Any],
        arguments: dict[str, Any],
        named: str,
    ) -> None:
        if verb == "download":
            arguments = arguments | {"path": str(tmp_path / arguments["path"])}
        with pytest.raises(JobError) as caught:
            worker.submit(verb, {"root": str(store.root)} | config, **arguments).wait()
        assert_is_sentence(str(caught.value))
        assert named in str(caught.value)

    @pytest.mark.parametrize(("verb", "arguments"), [("juggle", {}), ("list", {"balls": 3})])
    def test_a_fault_is_a_sentence_and_its_details_are_in_the_log(
        self, worker: WorkerClient, config: dict[str, Any], log_folder: Path, verb: str, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises(JobError) as caught:
            worker.submit(verb, config, **arguments).wait()
        assert_is_sentence(str(caught.value))
        log = (log_folder / "cloud_storage.log").read_text("utf-8")
        assert "Traceback" in log
        assert (verb if verb == "juggle" else "balls") in log

    def test_the_next_job_works_after_one_that_failed(self, worker: WorkerClient, config: dict[str, Any]) -> None:
        with pytest.raises(JobError):
            worker.submit("juggle", config).wait()
        before = process_id(worker)
        assert worker.submit("list", config).wait()["rows"] == []
        assert process_id(worker) == before

    def test_a_log_that_cannot_be_written_stops_no_work(
        self, make_client: MakeClient, config: dict[str, Any], small_file: Path
    ) -> None:
        assert make_client(log_folder=small_file / "log").submit("list", config).wait()["rows"] == []


class TestCancel:
    def test_cancel_in_the_middle_leaves_the_store_as_it_was(
        self, worker: WorkerClient, config: dict[str, Any], store: FolderProvider, small_file: Path, large_file: Path
    ) -> None:
        worker.submit("upload", config, path=str(small_file), component_id="arm.blend").wait()
        before = content_of(store)
        job = worker.submit("upload", config, path=str(large_file), component_id="arm.blend")
        wait_until_moving(job)
        job.cancel()
        with pytest.raises(JobError, match="cancelled"):
            job.wait()
        assert content_of(store) == before

    def test_cancel_in_the_middle_of_a_download_leaves_no_file(
        self, worker: WorkerClient, config: dict[str, Any], store: FolderProvider, large_file: Path, tmp_path: Path
    ) -> None:
        store.root.mkdir()
        large_file.rename(store.root / "large.blend")
        target = tmp_path / "pulled" / "large.blend"
        job = worker.submit("download", config, component_id="large.blend", path=str(target), overwrite=False)
        wait_until_moving(job)
        job.cancel()
        with pytest.raises(JobError, match="cancelled"):
            job.wait()
        assert list(target.parent.iterdir()) == []

    def test_a_job_that_stands_in_line_can_be_cancelled(
        self,
        worker: WorkerClient,
        config: dict[str, Any],
        store: FolderProvider,
        small_file: Path,
        release: Callable[[], None],
    ) -> None:
        jobs = [worker.submit("upload", config, path=str(small_file), component_id=f"{n}.blend") for n in range(8)]
        jobs[-1].cancel()
        release()
        for job in jobs[:-1]:
            job.wait()
        with pytest.raises(JobError, match="cancelled"):
            jobs[-1].wait()
        assert [info.key for info in store.list("").objects] == [f"{n}.blend" for n in range(7)]

    def test_cancel_of_what_has_ended_does_nothing(self, worker: WorkerClient, config: dict[str, Any]) -> None:
        job = worker.submit("list", config)
        job.wait()
        job.cancel()
        assert job.wait()["rows"] == []
        assert worker.submit("list", config).wait()["rows"] == []


class TestProcess:
    def test_it_is_started_by_the_first_job_only(self, client: WorkerClient, config: dict[str, Any]) -> None:
        assert client._worker is None
        client.submit("list", config).wait()
        first = process_id(client)
        client.submit("list", config).wait()
        assert process_id(client) == first

    def test_its_command_line_tells_nothing(self, client: WorkerClient, tmp_path: Path) -> None:
        config = {"root": str(tmp_path / "private-root"), "prefix": "private-prefix", "profile": "private-profile"}
        client.submit("list", config).wait()
        command = Path(f"/proc/{process_id(client)}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        assert command == [sys.executable.encode(), os.fsencode(MAIN)]

    def test_killed_in_the_middle_its_job_fails_and_the_next_starts_it_again(
        self, client: WorkerClient, config: dict[str, Any], store: FolderProvider, small_file: Path, large_file: Path
    ) -> None:
        client.submit("upload", config, path=str(small_file), component_id="arm.blend").wait()
        before = content_of(store)
        job = client.submit("upload", config, path=str(large_file), component_id="arm.blend")
        wait_until_moving(job)
        killed = process_id(client)
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(JobError) as caught:
            job.wait()
        assert_is_sentence(str(caught.value))
        job.cancel()
        client.submit("upload", config, path=str(small_file), component_id="next.blend").wait()
        assert process_id(client) != killed
        after = content_of(store)
        assert after.pop("next.blend")[0] == b"small"
        assert after == before

    def test_killed_it_ends_all_jobs_under_way(
        self, client: WorkerClient, config: dict[str, Any], small_file: Path, release: Callable[[], None]
    ) -> None:
        client.submit("list", config).wait()
        jobs = [client.submit("upload", config, path=str(small_file), component_id=f"{n}.blend") for n in range(6)]
        os.kill(process_id(client), signal.SIGKILL)
        for job in jobs:
            with pytest.raises(JobError):
                job.wait()

    def test_stop_ends_it_and_its_jobs(
        self, client: WorkerClient, config: dict[str, Any], store: FolderProvider, large_file: Path
    ) -> None:
        job = client.submit("upload", config, path=str(large_file), component_id="large.blend")
        wait_until_moving(job)
        process = client._worker and client._worker._process
        client.stop()
        assert process is not None
        assert process.returncode == 0
        with pytest.raises(JobError) as caught:
            job.wait()
        assert_is_sentence(str(caught.value))
        assert content_of(store) == {"half-done": []}

    def test_stop_twice_or_before_the_start_does_nothing(self, client: WorkerClient, config: dict[str, Any]) -> None:
        client.stop()
        client.submit("list", config).wait()
        client.stop()
        client.stop()
        assert client.submit("list", config).wait()["rows"] == []

    def test_stop_after_it_was_killed_is_quiet(self, client: WorkerClient, config: dict[str, Any]) -> None:
        client.submit("list", config).wait()
        os.kill(process_id(client), signal.SIGKILL)
        assert_ends(process_id(client))
        client.stop()

    def test_a_python_that_is_not_there_is_a_sentence(self, make_client: MakeClient, config: dict[str, Any]) -> None:
        with pytest.raises(JobError, match="no-such-python") as caught:
            make_client("no-such-python").submit("list", config).wait()
        assert_is_sentence(str(caught.value))

    def test_a_worker_that_cannot_start_says_why(self, make_client: MakeClient, config: dict[str, Any]) -> None:
        python = launcher("sys.modules['filelock'] = None")
        with pytest.raises(JobError, match="filelock") as caught:
            make_client(*python).submit("list", config).wait()
        assert_is_sentence(str(caught.value))


START_A_JOB_AND_WAIT = """
import json, sys, time
from pathlib import Path
from ggg_cloud_addon.worker.client import WorkerClient

root, path = sys.argv[1:]
client = WorkerClient([sys.executable], Path(path).parent)
job = client.submit("upload", {"root": root}, path=path, component_id="arm.blend")
while not job.done:
    time.sleep(0.002)
print(client._worker._process.pid, flush=True)
job.wait()
"""


class TestOrphans:
    @pytest.fixture
    def kill_parent(self, store: FolderProvider) -> Callable[[Path], int]:
        """Start the upload of a file in a parent of its own and kill that; returns the worker's process ID."""

        def kill(path: Path) -> int:
            command = [sys.executable, "-c", START_A_JOB_AND_WAIT, str(store.root), str(path)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
                assert parent.stdout is not None
                worker = int(parent.stdout.readline())
                parent.kill()
            return worker

        return kill

    def test_it_ends_when_its_parent_is_killed(
        self, kill_parent: Callable[[Path], int], store: FolderProvider, large_file: Path
    ) -> None:
        assert_ends(kill_parent(large_file))
        assert content_of(store) == {"half-done": []}

    def test_it_ends_also_when_the_store_does_not_answer(
        self, kill_parent: Callable[[Path], int], small_file: Path, release: Callable[[], None]
    ) -> None:
        assert_ends(kill_parent(small_file))


class TestPipes:
    def test_what_libraries_print_is_no_message(
        self, make_client: MakeClient, config: dict[str, Any], store: FolderProvider, small_file: Path
    ) -> None:
        noise = """
import os
def print_on_rename(event, arguments):
    if event == "os.rename":
        print("noise", flush=True)
        os.write(1, b"noise without an end")
sys.addaudithook(print_on_rename)
"""
        client = make_client(*launcher(noise))
        client.submit("upload", config, path=str(small_file), component_id="arm.blend").wait()
        assert len(client.submit("list", config).wait()["rows"]) == 1

    def test_what_is_printed_before_the_start_is_no_message(
        self, make_client: MakeClient, config: dict[str, Any]
    ) -> None:
        assert make_client(*launcher("print('hello', flush=True)")).submit("list", config).wait()["rows"] == []

    def test_lines_that_are_no_request_do_not_kill_it(self, config: dict[str, Any], tmp_path: Path) -> None:
        settings = {"sys_path": sys.path, "log_folder": str(tmp_path)}
        lines = [
            json.dumps(settings).encode() + b"\n",
            b"garbage\n",
            b"\xff\xfe\0\n",
            b"[]\n",
            b"\n",
            b'{"message": "Request", "id": [], "verb": "cancel"}\n',
            encode(Progress(1, 2, 3)),
            encode(Request(7, "list", config)),
            encode(Request(8, "list", config, {"more": 1})),
        ]
        pipe = subprocess.PIPE
        with subprocess.Popen([sys.executable, MAIN], stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b"".join(lines))
            process.stdin.flush()
            assert process.stdout.readline() == b"\n"  # it is up
            answers: dict[int, Message] = {
                message.id: message for message in (decode(process.stdout.readline()) for _ in range(2))
            }
            process.stdin.close()
            said = process.stderr.read()
        assert process.returncode == 0
        assert answers.keys() == {7, 8}
        assert answers[7] == Finished(7, {"location": f"folder {config['root']}", "rows": []})
        assert isinstance(answers[8], Failed)
        assert b"Traceback" not in said


class TestImports:
    def test_the_worker_loads_neither_blender_nor_sdks(
        self, make_client: MakeClient, config: dict[str, Any], small_file: Path, tmp_path: Path
    ) -> None:
        loaded = tmp_path / "loaded.txt"
        write = f"import pathlib\npathlib.Path({str(loaded)!r}).write_text(' '.join(sys.modules))"
        client = make_client(*launcher("", write))
        client.submit("upload", config, path=str(small_file), component_id="arm.blend").wait()
        client.submit("list", config).wait()
        client.stop()
        modules = {name.partition(".")[0] for name in loaded.read_text().split()}
        assert "ggg_cloud_addon" in modules
        assert not modules & {"bpy", "boto3", "botocore", "azure", "cryptography", "requests"}

    def test_the_client_loads_no_engine(self, run_child: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = run_child("import ggg_cloud_addon.worker.client, sys; print('\\n'.join(sys.modules))")
        modules = done.stdout.split()
        assert "ggg_cloud_addon.worker.client" in modules
        assert not [name for name in modules if "cloud_storage" in name or "server" in name]
        assert not {"bpy", "boto3", "azure", "filelock", "platformdirs"} & set(modules)
