"""The command replaces and removes only what its user knows: two people with one store."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import Answer, Shell

MINE, THEIRS, MORE = b"mine" * 1000, b"theirs" * 1000, b"more of mine" * 1000
Act = Callable[[Shell], Answer]


def pushed(shell: Shell, content: bytes, *options: str, name: str = "arm.blend") -> Answer:
    shell.write(name, content)
    return shell.run("push", name, *options)


def check_unknown(answer: Answer, *names: str) -> None:
    answer.check_refused(1, '"arm.blend" was pushed by Zoë on 20', "--force", *names)


def versions(shell: Shell) -> int:
    """Of arm.blend, by way of the engine, which nobody is shown."""
    return len(shell.history("arm.blend"))


def test_what_a_colleague_pushed_is_not_replaced(shell: Shell, zoe: Shell) -> None:
    pushed(shell, MINE).check_done()
    zoe.run("pull", "arm.blend").check_done()
    pushed(zoe, THEIRS).check_done()
    check_unknown(pushed(shell, MORE), "pull it first")
    asked = shell.run("push", "arm.blend", "--json")
    assert (asked.code, asked.document["error"]) == (1, asked.err.rstrip("\n"))
    assert shell.pull("arm.blend") == THEIRS

    shell.run("pull", "arm.blend", "--overwrite").check_done()
    pushed(shell, MORE).check_done()
    assert shell.pull("arm.blend") == MORE
    check_unknown_by_her = zoe.run("push", "arm.blend")
    assert check_unknown_by_her.code == 1


def test_force_replaces_it(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, THEIRS).check_done()
    check_unknown(pushed(shell, MINE))
    pushed(shell, MINE, "--force").check_done()
    assert shell.pull("arm.blend") == MINE
    pushed(shell, MORE).check_done()


def test_what_was_there_before_the_first_push_is_not_replaced(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, THEIRS).check_done()
    shell.run("list").check_done()
    shell.run("info", "arm.blend").check_done()
    check_unknown(pushed(shell, MINE))  # to have been shown a name is not to have worked on it


def test_one_file_goes_on_and_another_may_follow_the_last_push(shell: Shell, zoe: Shell) -> None:
    for content in (MINE, MORE, MINE):
        pushed(shell, content).check_done()
    shell.write("copy.blend", MORE)
    shell.run("push", "copy.blend", "--id", "arm.blend").check_done()
    check_unknown_answer = pushed(shell, THEIRS)
    assert check_unknown_answer.code == 1  # arm.blend here is older than what was pushed from the copy
    zoe.run("pull", "arm.blend").check_done()
    pushed(zoe, THEIRS).check_done()
    shell.write("third.blend", MINE)
    check_unknown(shell.run("push", "third.blend", "--id", "arm.blend"))


def test_the_same_content_is_stored_once(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, MINE).check_done()
    answer = pushed(shell, MINE).check_done()
    assert answer.out == "arm.blend is already stored with this content, so nothing was sent.\n"
    assert versions(shell) == 1
    pushed(shell, MORE).check_done()  # which was made from it
    pushed(zoe, MORE, "--json")
    document = zoe.run("push", "arm.blend", "--json").check_done().document
    assert (document["already_stored"], document["size"]) == (False, len(MORE))


def test_json_says_whether_anything_was_sent(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, MINE).check_done()
    shell.write("leg.blend", MINE)
    shell.write("arm.blend", MINE)
    assert shell.run("push", "arm.blend", "--json").check_done().document["already_stored"]
    answer = shell.run("push", "leg.blend", "arm.blend", "--json").check_done().document
    assert [each["already_stored"] for each in answer] == [False, False]
    zoe.write("leg.blend", MINE)
    answer = zoe.run("push", "leg.blend", "--json").check_done().document
    assert answer["already_stored"]


def test_of_several_files_the_unknown_are_refused_and_the_others_go(shell: Shell, zoe: Shell) -> None:
    zoe.write("leg.blend", MINE)
    pushed(zoe, THEIRS).check_done()
    zoe.run("push", "leg.blend").check_done()
    for name in ("arm.blend", "leg.blend", "hand.blend"):
        shell.write(name, MINE)
    answer = shell.run("push", "arm.blend", "leg.blend", "hand.blend")
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    assert line.startswith('"arm.blend" was pushed by Zoë on ')
    assert answer.out.splitlines() == [
        "leg.blend is already stored with this content, so nothing was sent.",
        "Pushed hand.blend.",
    ]
    assert shell.pull("arm.blend") == THEIRS
    assert shell.run("push", "arm.blend", "leg.blend", "--if-absent").code == 1
    shell.run("push", "arm.blend", "leg.blend", "--force").check_done()
    assert shell.pull("arm.blend") == MINE


def test_what_was_deleted_is_pushed_again(shell: Shell, zoe: Shell) -> None:
    pushed(shell, MINE).check_done()
    zoe.run("list").check_done()
    zoe.run("delete", "arm.blend").check_done()
    pushed(shell, MORE).check_done()
    assert shell.pull("arm.blend") == MORE


def test_a_file_of_a_synced_folder_is_known_as_it_was_synced(shell: Shell, zoe: Shell) -> None:
    shell.write("models/robot/arm.blend", MINE)
    shell.write("models/leg.blend", MINE)
    shell.run("sync", "models").check_done()
    for history in (shell.home, shell.tmp):
        for path in history.rglob("known.db"):
            path.unlink()  # only the folder's own state is left
    shell.write("models/robot/arm.blend", MORE)
    push = ("push", "models/robot/arm.blend", "--id", "robot/arm.blend")
    shell.run(*push).check_done()
    assert shell.pull("robot/arm.blend") == MORE
    shell.write("models/robot/arm.blend", MINE)
    shell.run(*push).check_done()

    other_id = shell.run("push", "models/robot/arm.blend", "--id", "leg.blend")
    assert other_id.code == 0, "it has the same content"
    shell.write("models/robot/arm.blend", MORE)
    zoe.run("pull", "leg.blend").check_done()
    zoe.write("leg.blend", THEIRS)
    zoe.run("push", "leg.blend").check_done()
    assert shell.run("push", "models/leg.blend").code == 1
    zoe.run("pull", "robot/arm.blend").check_done()
    pushed(zoe, THEIRS, "--id", "robot/arm.blend").check_done()
    assert shell.run(*push).code == 1
    assert shell.pull("robot/arm.blend") == THEIRS


def test_a_version_from_the_past_is_not_pushed_over_the_present(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, MINE).check_done()
    pushed(zoe, THEIRS).check_done()
    old = zoe.history("arm.blend")[-1]
    shell.run("pull", "arm.blend", "--version-id", old).check_done()
    check_unknown(pushed(shell, MORE))


def test_if_absent_and_if_match_say_what_has_to_be_there(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, THEIRS, "--if-absent").check_done()
    shell.write("arm.blend", THEIRS)
    shell.run("push", "arm.blend", "--if-absent").check_refused(1, "arm.blend", "in the store already")
    shown = shell.run("info", "arm.blend").check_done().out
    etag = dict(line.split(maxsplit=1) for line in shown.splitlines())["etag"]
    pushed(shell, MINE, "--if-match", "0.0").check_refused(1, "arm.blend", "changed in the store")
    pushed(shell, MINE, "--if-match", etag).check_done()
    pushed(zoe, THEIRS, "--if-match", etag).check_refused(1, "arm.blend", "changed in the store")
    shell.run("delete", "arm.blend", "--if-match", etag).check_refused(1, "arm.blend")
    old = shell.history("arm.blend")[-1]
    shell.run("restore", "arm.blend", old, "--if-match", etag).check_refused(1, "arm.blend")
    now = shell.run("info", "arm.blend", "--json").document["etag"]
    shell.run("restore", "arm.blend", old, "--if-match", f'"{now}"').check_done()
    assert shell.pull("arm.blend") == THEIRS


ACTS: dict[str, Act] = {
    "delete": lambda shell: shell.run("delete", "arm.blend"),
    "restore": lambda shell: shell.run("restore", "arm.blend", shell.history("arm.blend")[-1]),
}


@pytest.mark.parametrize(
    ("act", "look"),
    [
        ("delete", ("info", "arm.blend")),
        ("delete", ("list", "--json")),
        ("delete", ("versions", "arm.blend")),
        ("restore", ("list",)),
    ],
)
def test_a_delete_and_a_restore_take_a_look_first(shell: Shell, zoe: Shell, act: str, look: tuple[str, ...]) -> None:
    pushed(zoe, MINE).check_done()
    pushed(zoe, THEIRS).check_done()
    check_unknown(ACTS[act](shell), "ggg-cloud info")
    assert shell.pull("arm.blend") == THEIRS
    shell.run(*look).check_done()
    pushed(zoe, MORE).check_done()
    check_unknown(ACTS[act](shell))
    shell.run(*look).check_done()
    ACTS[act](shell).check_done()
    assert shell.state().get("store/arm.blend") != MORE


@pytest.mark.parametrize("act", ACTS)
def test_what_one_pushed_or_pulled_oneself_needs_no_look(shell: Shell, zoe: Shell, act: str) -> None:
    pushed(shell, MINE).check_done()
    pushed(shell, MORE).check_done()
    ACTS[act](shell).check_done()
    zoe.push("arm.blend", THEIRS)
    shell.run("pull", "arm.blend", "--overwrite").check_done()
    ACTS[act](shell).check_done()


@pytest.mark.parametrize("act", ACTS)
def test_force_deletes_and_restores_unseen(shell: Shell, zoe: Shell, act: str) -> None:
    pushed(zoe, MINE).check_done()
    pushed(zoe, THEIRS).check_done()
    given = ("delete", "arm.blend") if act == "delete" else ("restore", "arm.blend", zoe.history("arm.blend")[-1])
    shell.run(*given, "--force").check_done()
    assert shell.state().get("store/arm.blend") in (None, MINE)


def test_what_was_restored_may_be_pushed_over(shell: Shell) -> None:
    pushed(shell, MINE).check_done()
    pushed(shell, MORE).check_done()
    shell.run("restore", "arm.blend", shell.history("arm.blend")[-1]).check_done()
    answer = pushed(shell, THEIRS)
    assert answer.code == 1, "the file was made from the version that is not current any more"
    shell.write("new.blend", THEIRS)
    shell.run("push", "new.blend", "--id", "arm.blend").check_done()


def test_what_a_sync_brought_may_be_deleted(shell: Shell) -> None:
    shell.write("models/arm.blend", MINE)
    shell.run("sync", "models").check_done()
    shell.run("delete", "arm.blend").check_done()


def test_a_deleted_component_is_restored_without_a_look(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, MINE).check_done()
    zoe.run("delete", "arm.blend").check_done()
    shell.run("restore", "arm.blend", zoe.history("arm.blend")[0]).check_done()
    assert shell.pull("arm.blend") == MINE


def test_a_memory_that_is_lost_asks_once_more(shell: Shell) -> None:
    pushed(shell, MINE).check_done()
    (memory,) = shell.home.rglob("known.db")
    memory.write_bytes(b"torn")
    assert pushed(shell, MORE).code == 1
    shell.run("pull", "arm.blend", "--overwrite").check_done()
    pushed(shell, MORE).check_done()


def test_an_author_that_is_no_name_is_still_one_sentence(shell: Shell, zoe: Shell) -> None:
    zoe.env["LOGNAME"] = "Zoë\n\x1b[31mred" + "!" * 200
    pushed(zoe, THEIRS).check_done()
    answer = pushed(shell, MINE)
    answer.check_refused(1, "Zoë[31mred!!!")
    assert "\x1b" not in answer.err
    assert len(answer.err) < 250


def test_a_large_file_is_not_sent_to_be_refused(shell: Shell, zoe: Shell) -> None:
    pushed(zoe, THEIRS).check_done()
    huge = shell.work / "arm.blend"
    huge.touch()
    os.truncate(huge, 50_000_000_000)
    check_unknown(shell.run("push", "arm.blend", timeout=20))


def test_a_push_of_a_thousand_files_asks_the_memory_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.blend" for number in range(1000)]
    for name in names:
        shell.write(name, b"x")
    shell.run("push", *names).check_done()
    (path,) = shell.home.rglob("known.db")
    with sqlite3.connect(path) as database:
        (count,) = database.execute("SELECT count(*) FROM known").fetchone()
    database.close()
    assert count == 3000
    for name in names:
        shell.write(name, b"y")
    shell.run("push", *names).check_done()


def beside(shell: Shell, *options: Any) -> Answer:
    return shell.run("push", "scene/small.blend", "--id", "robot/small.blend", "--beside", *options)


def test_what_goes_beside_is_guarded_too(shell: Shell, zoe: Shell, blends: Path) -> None:
    for each in blends.rglob("*"):
        if each.is_file():
            shell.write(f"scene/{each.relative_to(blends)}", each.read_bytes())
    assert beside(shell).code == 0
    zoe.run("pull", "robot/small.blend", "scene/").check_done()
    (texture,) = zoe.work.rglob("wood.png")
    component_id = f"robot/{texture.relative_to(zoe.work / 'scene')}"
    texture.write_bytes(THEIRS)
    zoe.run("push", texture, "--id", component_id).check_done()
    (mine,) = shell.work.rglob("wood.png")
    mine.write_bytes(MINE)
    answer = beside(shell)
    assert answer.code == 1
    assert f'"{component_id}" was pushed by Zoë on 20' in answer.err
    assert shell.pull(component_id) == THEIRS
    assert beside(shell, "--force").code == 0
    assert shell.pull(component_id) == MINE
