"""What the command does when all is well, and how it tells it."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from shell import Shell

from ggg_cloud_addon import __version__

OLD, NEW = b"old" * 1000, b"newer" * 1000
VERBS = ("demo", "push", "pull", "list", "info", "delete", "versions", "restore", "sync", "share", "check")


def test_a_component_goes_its_whole_way(shell: Shell) -> None:
    shell.write("arm.blend", OLD)
    assert "arm.blend (3,000 bytes)" in shell.run("push", "arm.blend", "--id", "robot/arm.blend").check_done().out
    shell.write("arm.blend", NEW)
    shell.run("push", "arm.blend", "--id", "robot/arm.blend").check_done()
    assert (shell.store / "robot/arm.blend").read_bytes() == NEW

    assert "5,000" in shell.run("list").check_done().out
    (listed,) = shell.run("list", "--json").check_done().document
    info = shell.run("info", "robot/arm.blend", "--json").check_done().document
    assert (listed["component_id"], listed["size"], listed["etag"]) == ("robot/arm.blend", 5000, info["etag"])
    assert datetime.fromisoformat(info["modified"]).utcoffset() is not None
    assert info["sha256"] in shell.run("info", "robot/arm.blend").check_done().out

    (shell.work / "arm.blend").unlink()
    assert "arm.blend" in shell.run("pull", "robot/arm.blend").check_done().out
    assert (shell.work / "arm.blend").read_bytes() == NEW

    shown = shell.run("versions", "robot/arm.blend").check_done().out
    new, old = shell.run("versions", "robot/arm.blend", "--json").check_done().document
    assert [new["is_current"], old["is_current"]] == [True, False]
    assert [line.endswith("current") for line in shown.splitlines()[2:]] == [True, False]
    pulled = shell.run("pull", "robot/arm.blend", "old.blend", "--version-id", old["version_id"], "--json")
    assert pulled.check_done().document["path"] == "old.blend"
    assert (shell.work / "old.blend").read_bytes() == OLD

    shell.run("restore", "robot/arm.blend", old["version_id"]).check_done()
    assert shell.pull("robot/arm.blend") == OLD
    shell.run("delete", "robot/arm.blend").check_done()
    assert shell.run("list", "--json").check_done().document == []
    assert "No components" in shell.run("list").check_done().out
    shell.run("restore", "robot/arm.blend", new["version_id"]).check_done()
    assert shell.pull("robot/arm.blend") == NEW
    assert not shell.parts()


def test_several_files_go_under_their_names(shell: Shell) -> None:
    shell.write("a.blend", OLD)
    shell.write("there/b.stl", NEW)
    answer = shell.run("push", "a.blend", "there/b.stl", "--json").check_done().document
    assert [(each["component_id"], each["size"], each["error"]) for each in answer] == [
        ("a.blend", len(OLD), None),
        ("b.stl", len(NEW), None),
    ]
    assert shell.pull("a.blend") == OLD
    assert shell.pull("b.stl") == NEW


def test_a_pull_replaces_other_content_only_when_told_to(shell: Shell) -> None:
    shell.push("arm.blend", NEW)
    mine = shell.write("mine.blend", OLD)
    shell.run("pull", "arm.blend", mine).check_refused(1, "mine.blend")
    assert mine.read_bytes() == OLD
    shell.run("pull", "arm.blend", mine, "--overwrite").check_done()
    assert mine.read_bytes() == NEW
    shell.run("pull", "arm.blend", mine).check_done()


def test_a_folder_gets_the_file_under_its_name(shell: Shell) -> None:
    shell.push("robot/arm.blend", NEW)
    (shell.work / "there").mkdir()
    shell.run("pull", "robot/arm.blend", "there").check_done()
    shell.run("pull", "robot/arm.blend", "new/folder/").check_done()
    assert (shell.work / "there/arm.blend").read_bytes() == NEW
    assert (shell.work / "new/folder/arm.blend").read_bytes() == NEW


def test_without_options_the_store_is_a_folder_of_the_user(shell: Shell) -> None:
    shell.write("arm.blend", NEW)
    shell.run("push", "arm.blend", root=False).check_done()
    (stored,) = shell.home.rglob("arm.blend")
    assert stored.read_bytes() == NEW
    assert [each["component_id"] for each in shell.run("list", "--json", root=False).document] == ["arm.blend"]
    (shell.work / "arm.blend").unlink()
    shell.run("pull", "arm.blend", root=False).check_done()
    assert (shell.work / "arm.blend").read_bytes() == NEW


def test_options_win_over_the_config_file(shell: Shell) -> None:
    shell.write("arm.blend", NEW)
    root, other = shell.work / "root", shell.work / "other"
    settings = {"provider": "mock", "root": str(root), "bucket_name": "parts", "prefix": "one"}
    shell.write("config.json", json.dumps(settings).encode())
    for options, expected in (
        ((), root / "parts/one/arm.blend"),
        (("--prefix", "two"), root / "parts/two/arm.blend"),
        (("--prefix="), root / "parts/arm.blend"),
        (("--bucket", "more"), root / "more/one/arm.blend"),
        (("--root", str(other)), other / "parts/one/arm.blend"),
    ):
        given = [options] if isinstance(options, str) else options
        shell.run("push", "arm.blend", "--config", "config.json", *given, root=False).check_done()
        assert expected.read_bytes() == NEW
    listed = shell.run("list", "--json", "--config", "config.json", root=False).check_done().document
    assert [each["component_id"] for each in listed] == ["arm.blend"]


def failing(verb: str) -> tuple[str, ...]:
    given = {
        "push": ("gone.blend",),
        "restore": ("gone.blend", "1.1"),
        "list": ("--bucket=file",),
        "demo": ("--input=no",),
        "sync": ("../store/file",),
    }
    return verb, *given.get(verb, ("gone.blend",))


@pytest.mark.parametrize("verb", [each for each in VERBS if each != "check"])  # that one tells its findings
def test_json_is_one_document_also_for_a_failure(shell: Shell, verb: str) -> None:
    shell.push("file", OLD)
    answer = shell.run(*failing(verb), "--json", root=verb != "demo")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    document = answer.document[0] if verb == "delete" else answer.document
    assert document["error"] == answer.err.rstrip("\n")


@pytest.mark.parametrize("arguments", [("list",), ("pull", "gone.blend"), ("nonsense",), ("info",), ("list", "--x")])
def test_json_may_stand_before_the_verb(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell.push("arm.blend", OLD)
    before = shell.run("--json", *arguments, root=False)
    after = shell.run(*arguments, "--json", root=False)
    assert (before.code, before.document, before.err) == (after.code, after.document, after.err)


def test_json_as_a_file_name_is_no_option(shell: Shell) -> None:
    shell.write("--json", OLD)
    assert shell.run("push", "--id", "x.json", "--", "--json").check_done().out == "Pushed x.json (3,000 bytes).\n"


@pytest.mark.parametrize("arguments", [("pull", "../x"), ("push",), ("nonsense",), ("list", "--config", "none")])
def test_json_is_one_document_also_for_wrong_use(shell: Shell, arguments: tuple[str, ...]) -> None:
    answer = shell.run(*arguments, "--json", root=False)
    assert answer.code == 2
    assert answer.document == {"error": answer.err.rstrip("\n")}


def test_help_names_every_verb(shell: Shell) -> None:
    assert shell.run("--version", root=False).check_done().out == f"ggg-cloud {__version__}\n"
    text = shell.run("--help", root=False).check_done().out
    for verb, answer in zip(VERBS, shell.run_each(*((verb, "--help") for verb in VERBS), root=False), strict=True):
        assert f"\n    {verb} " in text
        assert f"ggg-cloud {verb}" in answer.check_done().out


def test_the_log_has_the_detail_behind_the_sentence(shell: Shell) -> None:
    shell.run("push", "gone.blend").check_refused(1, "gone.blend")
    (log,) = shell.home.rglob("cloud_storage.log")
    text = log.read_text(encoding="utf-8")
    assert "gone.blend" in text
    assert "Traceback" in text


def test_a_person_at_a_terminal_sees_a_bar_and_a_pipe_does_not(shell: Shell) -> None:
    shell.write("arm.blend", os.urandom(2_000_000))
    answer, shown = shell.watch("push", "arm.blend")
    assert b"arm.blend: " in shown
    assert b"\n" not in shown
    assert answer.out == "Pushed arm.blend (2,000,000 bytes).\n"


def test_a_reader_that_has_seen_enough_is_no_error_to_tell(shell: Shell) -> None:
    shell.push("arm.blend", NEW)
    reader, writer = os.pipe()
    os.close(reader)
    answer = shell.run("list", stdout=writer)
    os.close(writer)
    assert (answer.code, answer.err) == (1, "")


def test_an_answer_that_cannot_be_written_is_a_failure(shell: Shell) -> None:
    shell.push("arm.blend", NEW)
    for more in ((), ("--json",)):
        with Path("/dev/full").open("wb") as full:
            shell.run("list", *more, stdout=full).check_refused(1, "The answer cannot be written", "No space left")


def test_a_name_that_the_terminal_cannot_show_is_no_obstacle(shell: Shell) -> None:
    name = "größe腕.blend"
    shell.write(name, NEW)
    shell.run("push", name, env={"PYTHONIOENCODING": "ascii"}).check_done()
    assert ".blend" in shell.run("list", env={"PYTHONIOENCODING": "ascii"}).check_done().out
    (listed,) = shell.run("list", "--json", env={"PYTHONIOENCODING": "ascii"}).check_done().document
    assert listed["component_id"] == name
    gone = shell.run("info", "x" + name, env={"PYTHONIOENCODING": "ascii"})
    assert gone.code == 1
    assert "Traceback" not in gone.err


def test_the_installed_command_is_the_same(shell: Shell) -> None:
    answer = shell.run("--version", root=False, command=["ggg-cloud"], env={"PATH": beside_python()})
    assert answer.check_done().out == f"ggg-cloud {__version__}\n"


def beside_python() -> str:
    import sysconfig

    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
