"""``ggg-cloud check`` and ``share`` on the plain folder, and clouds in a Blender that may not use the network."""

import sys

import pytest
from shell import Shell

ABOUT = ["access", "write", "read", "metadata", "conditions", "versions", "delete", "clock"]


def test_a_check_says_what_the_folder_can_do_and_leaves_it_as_it_was(shell: Shell) -> None:
    shell.push("robot/arm.blend", b"arm")
    before = shell.state()
    lines = shell.run("check", "--prefix", "robot").check_done().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", about] for about in ABOUT]
    found = shell.run("check", "--json", "--create", "--keep-versions").check_done().document
    assert [(each["about"], each["ok"]) for each in found] == [("create", None), *((each, True) for each in ABOUT)]
    assert all(each["sentence"].endswith(".") for each in found)
    assert shell.state() == before


def test_a_check_that_finds_a_failure_is_one(shell: Shell) -> None:
    shell.push("file", b"no folder")
    answer = shell.run("check", "--bucket", "file")
    assert (answer.code, answer.err) == (1, "")
    assert answer.out.startswith("!!  access ")
    assert str(shell.store / "file") in answer.out
    (found,) = shell.run("check", "--bucket", "file", "--json").document
    assert (found["about"], found["ok"]) == ("access", False)


def test_a_folder_has_no_links(shell: Shell) -> None:
    shell.push("arm.blend", b"arm")
    shell.check_each_refused(
        (("share", "arm.blend"), 1, str(shell.store / "arm.blend")),
        (("share", "gone.blend"), 1, '"gone.blend"'),
        (("share", "../arm.blend"), 2, "../arm.blend"),
    )
    answer = shell.run("share", "gone.blend", "--json")
    assert (answer.code, answer.document) == (1, {"error": answer.err.rstrip("\n")})


@pytest.mark.parametrize("hours", ["0", "-1", "1.5", "a day", "", "9000", "9" * 5000])
def test_hours_are_a_whole_number_up_to_a_year(shell: Shell, hours: str) -> None:
    shell.check_each_refused((("share", "arm.blend", f"--hours={hours}"), 2, "--hours"))


def test_wrong_use_is_one_sentence(shell: Shell) -> None:
    shell.check_each_refused(
        (("share",), 2, "ID"),
        (("share", "a", "b"), 2, "b"),
        (("check", "a"), 2, '"a" does not exist'),
        (("check", ".", "--create"), 2, "--create"),
        (("check", "a", "b"), 2, "b"),
        (("check", "--provider", "ftp"), 2, "ftp"),
        (("check", "--provider", "aws"), 2, ""),
        (("check", "--provider", "azure"), 2, ""),
        root=False,
    )


def test_help_names_the_verbs_and_their_options(shell: Shell) -> None:
    text = shell.run("--help", root=False).check_done().out
    share, check = shell.run_each(("share", "--help"), ("check", "--help"), root=False)
    assert "\n    share " in text
    assert "\n    check " in text
    assert "--hours" in share.check_done().out
    assert "--create" in check.check_done().out


def test_offline_the_clouds_are_refused_and_the_folder_is_not(shell: Shell) -> None:
    offline = "import sys; from ggg_cloud_addon.cli import main; sys.exit(main(offline='Not now.'))"
    command = (sys.executable, "-c", offline)
    shell.write("cloud.json", b'{"provider": "azure", "bucket_name": "parts"}')
    shell.run("list", command=command).check_done()
    for cloud in (("--provider", "aws", "--bucket", "parts"), ("--config", "cloud.json")):
        for verb in (("list",), ("check",), ("share", "arm.blend")):
            answer = shell.run(*verb, *cloud, command=command, root=False)
            answer.check_refused(1)
            assert answer.err == "Not now.\n"
