"""``ggg-cloud sync``: what it does, how it tells it, and its exit codes."""

import os
import signal
from pathlib import Path

from damage import damage
from shell import Shell

DEFAULT_DELETES = 10
"""So many files may always be deleted."""


def sync_arm_and_leg(shell: Shell) -> None:
    shell.write("models/arm.blend", b"arm")
    shell.write("models/robot/leg.fbx", b"leg")
    shell.run("sync", "models").check_done()


def test_a_folder_and_the_storage_become_the_same(shell: Shell) -> None:
    sync_arm_and_leg(shell)
    assert shell.pull("robot/leg.fbx") == b"leg"
    (shell.work / "models/arm.blend").unlink()
    shell.push("hand.glb", b"hand")
    shell.push("robot/leg.fbx", b"leg, new")
    lines = shell.run("sync", "models", "--delete").check_done().out.splitlines()
    assert "delete there: arm.blend (deleted here)" in lines
    assert "download: robot/leg.fbx (changed there)" in lines
    assert lines[-1] == "Sync: 2 downloaded, 1 deleted there."
    assert (shell.work / "models/robot/leg.fbx").read_bytes() == b"leg, new"
    assert (shell.work / "models/hand.glb").read_bytes() == b"hand"
    assert not (shell.store / "arm.blend").exists()
    assert shell.run("sync", "models").check_done().out.splitlines()[-1] == "Sync: nothing to do."


def test_a_dry_run_shows_the_plan_and_does_nothing(shell: Shell) -> None:
    sync_arm_and_leg(shell)
    shell.write("models/hand.blend", b"new" * 500)
    (shell.work / "models/arm.blend").unlink()
    before = shell.state()
    shown = shell.run("sync", "models", "--delete", "--dry-run").check_done().out.splitlines()
    assert [line.split() for line in shown[3:5]] == [
        ["delete", "there", "arm.blend", "deleted", "here"],
        ["upload", "hand.blend", "1,500", "new", "here"],
    ]
    assert shown[5] == "Would be done: 1 uploaded, 1 deleted there."
    document = shell.run("sync", "models", "--delete", "--dry-run", "--json").check_done().document
    assert [(each["action"], each["path"], each["size"]) for each in document["plan"]] == [
        ("delete there", "arm.blend", 0),
        ("upload", "hand.blend", 1500),
    ]
    assert (document["dry_run"], document["done"]) == (True, [])
    assert shell.state() == before


def test_the_options_say_what_takes_part(shell: Shell) -> None:
    for name in ("arm.blend", "wip/arm.blend", "arm.stl", "notes.txt"):
        shell.write(f"models/{name}", name.encode())
    only = ("--include", "*.blend", "--include", "*.txt", "--exclude", "wip/*")
    document = shell.run("sync", "models", *only, "--json").check_done().document
    assert sorted(each["path"] for each in document["done"]) == ["arm.blend", "notes.txt"]
    shell.push("hand.blend", b"hand")
    shell.write("models/leg.blend", b"leg")
    up = shell.run("sync", "models", "--direction", "upload", "--json").check_done().document
    assert {each["action"] for each in up["done"]} == {"upload"}
    assert [each["path"] for each in up["skipped"]] == ["hand.blend"]
    shell.push("leg.blend", b"leg, new")
    down = shell.run("sync", "models", "--direction", "download", "--no-overwrite", "--json").check_done().document
    assert [each["path"] for each in down["done"]] == ["hand.blend"]
    assert [each["path"] for each in down["skipped"]] == ["leg.blend"]


def test_a_conflict_that_waits_for_a_person_is_code_3(shell: Shell) -> None:
    sync_arm_and_leg(shell)
    shell.write("models/arm.blend", b"mine")
    shell.push("arm.blend", b"theirs")
    answer = shell.run("sync", "models", "--conflict", "ask")
    assert (answer.code, answer.err) == (3, "")
    assert "Conflict: arm.blend: changed on both sides." in answer.out.splitlines()
    asked = shell.run("sync", "models", "--conflict", "ask", "--json")
    assert (asked.code, [each["path"] for each in asked.document["conflicts"]]) == (3, ["arm.blend"])
    shell.run("sync", "models").check_done()
    assert sorted(path.read_bytes() for path in (shell.work / "models").glob("*.blend")) == [b"mine", b"theirs"]


def test_a_mass_delete_is_code_3_and_goes_through_when_told_to(shell: Shell) -> None:
    names = [f"part {number:02}.blend" for number in range(DEFAULT_DELETES + 2)]
    for name in names:
        shell.write(f"models/{name}", name.encode())
    shell.run("sync", "models").check_done()
    for name in names[1:]:
        (shell.work / "models" / name).unlink()
    before = shell.state()
    sync = ("sync", "models", "--delete")
    refused, told, dry, meant = shell.run_each(sync, (*sync, "--json"), (*sync, "--dry-run"), (*sync, "--max-delete=1"))
    (sentence,) = refused.err.splitlines()
    assert refused.code == told.code == dry.code == 3
    assert sentence.startswith("11 of 12 files would be deleted (part 01.blend, part 02.blend, ")
    assert "--max-delete 1" in sentence
    assert told.document == {"error": sentence, "refused_deletes": names[1:]}
    assert all(f"delete there  {name}" in dry.out for name in names[1:])
    assert "Refused: 11 files would be deleted" in dry.out
    after = shell.state()
    assert {name: before[f"store/{name}"] for name in names} == {name: name.encode() for name in names}
    assert meant.code == 0
    assert [name for name in names if f"store/{name}" in after] == names[:1]


def test_what_failed_is_told_and_code_1(shell: Shell) -> None:
    sync_arm_and_leg(shell)
    shell.write("models/hand.blend/x.blend", b"x")
    shell.push("robot/hand.blend", b"was pushed")
    damage(shell.store, "robot/hand.blend", b"was damage")
    answer = shell.run("sync", "models")
    assert answer.code == 1
    assert "Failed: robot/hand.blend: " in answer.out
    assert (shell.store / "hand.blend/x.blend").read_bytes() == b"x"
    document = shell.run("sync", "models", "--json")
    assert document.code == 1
    assert list(document.document["errors"]) == ["robot/hand.blend"]


def test_wrong_use_is_one_sentence(shell: Shell) -> None:
    sync_arm_and_leg(shell)
    shell.check_each_refused(
        (("sync",), 2, "FOLDER"),
        (("sync", ""), 2, "empty"),
        (("sync", "models", "--max-delete", "2"), 2, "max_delete"),
        (("sync", "models", "--conflict", "mine"), 2, "keep_both"),
        (("sync", "models", "--direction", "up"), 2, "upload"),
        (("sync", "models/arm.blend"), 1, "models/arm.blend"),
        (("sync", str(shell.store)), 2, str(shell.store)),
    )


def test_a_person_who_watches_sees_a_bar(shell: Shell) -> None:
    shell.write("models/arm.blend", os.urandom(50_000_000))
    shell.push("leg.blend", b"leg")
    answer, shown = shell.watch("sync", "models")
    assert answer.out == "Sync: 1 uploaded, 1 downloaded.\n"
    assert b"arm.blend: " in shown
    assert b" left" in shown
    assert b"\n" not in shown
    assert shell.watch("sync", "models", "--json")[1] == b""


def test_stopped_by_ctrl_c_it_says_so_and_goes_on_the_next_time(shell: Shell) -> None:
    for number in range(200):
        shell.write(f"models/part {number}.blend", os.urandom(10_000))
    process = shell.start("sync", "models")
    assert process.stdout
    assert process.stderr
    while "upload: " not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert (process.stderr.read(), process.wait()) == ("Stopped; nothing half-done was left behind.\n", 1)
    assert len(list(Path(shell.store).glob("*.blend"))) < 200
    shell.run("sync", "models").check_done()
    assert len(list(Path(shell.store).glob("*.blend"))) == 200
    assert not shell.parts()
