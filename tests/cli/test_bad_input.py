"""Bad input gets one sentence and an exit code, and changes nothing on either side."""

import os
import resource
import sys

import pytest
from damage import damage
from hostile_store import fill
from shell import Shell

from ggg_cloud_addon.cli_shown import CONTROLS

OLD, NEW = b"old" * 1000, b"new" * 1000
MB = 1_000_000

BAD_IDS = {
    "": "empty",
    "../x.blend": "..",
    "a/../../x.blend": "..",
    "/etc/x.blend": "absolute",
    "C:/x.blend": "C:",
    "a\\x.blend": "a\\x",
    "robot/con.blend": "con.blend",
    "lpt1": "lpt1",
    ".ggg_store/id": ".ggg_store",
}
WITH_ID = (
    ("push", "mine.blend", "--id", "ID"),
    ("push", "mine.blend", "--scene", "--id", "ID"),
    ("pull", "ID"),
    ("pull", "ID", "here.blend"),
    ("pull", "ID", "--into", "scene.blend", "--link"),
    ("info", "ID"),
    ("delete", "good.blend", "ID"),
    ("versions", "ID"),
    ("restore", "ID", "1.1"),
)


@pytest.mark.parametrize("bad_id", BAD_IDS)
def test_an_id_that_no_system_could_hold_is_wrong_use(shell: Shell, bad_id: str) -> None:
    shell.write("mine.blend", NEW)
    shell.store.mkdir()
    (shell.store / "good.blend").write_bytes(OLD)
    lines = [[bad_id if each == "ID" else each for each in line] for line in WITH_ID]
    shell.check_each_refused(*((line, 2, BAD_IDS[bad_id]) for line in lines))


def test_an_id_with_dots_is_wrong_use_of_a_process(shell: Shell) -> None:
    shell.push("arm.blend", OLD)
    before = shell.state()
    shell.run("pull", "../arm.blend").check_refused(2, "../arm.blend")
    assert shell.state() == before


def test_what_is_not_there_or_in_the_way_is_named(shell: Shell) -> None:
    shell.push("kept.blend", OLD)
    shell.push("deep/x.blend", OLD)
    shell.push("folder", OLD)
    shell.write("mine.blend", NEW)
    (shell.work / "folder").mkdir()
    shell.check_each_refused(
        (("push", "gone.blend"), 1, '"gone.blend" does not exist'),
        (("push", "folder"), 1, '"folder" is a directory'),
        (("push", "mine.blend/x"), 1, "mine.blend/x"),
        (("push", "mine.blend", "--id", "deep"), 1, '"deep"'),
        (("push", "mine.blend", "--id", "KEPT.blend"), 2, '"KEPT.blend" cannot be stored beside "kept.blend"'),
        (("pull", "gone.blend"), 1, "gone.blend"),
        (("pull", "gone.blend", "mine.blend"), 1, "gone.blend"),
        (("pull", "kept.blend", "mine.blend"), 1, '"mine.blend" is there already with other content'),
        (("pull", "kept.blend", "mine.blend/x"), 1, "mine.blend/x"),
        (("pull", "folder", "."), 1, '"folder" is a directory'),
        (("pull", "kept.blend", "--version-id", "1.1"), 1, '"kept.blend" has no version "1.1"'),
        (("info", "gone.blend"), 1, "gone.blend"),
        (("info", "deep"), 1, "deep"),
        (("delete", "gone.blend"), 1, "gone.blend"),
        (("versions", "gone.blend"), 1, "gone.blend"),
        (("restore", "kept.blend", "1.1", "--force"), 1, '"kept.blend" has no version "1.1"'),
        (("restore", "gone.blend", "1.1"), 1, "gone.blend"),
        (("restore", "kept.blend", "../../x"), 1, "kept.blend"),
        (("list", "--bucket", "kept.blend"), 1, "kept.blend"),
    )


def test_a_component_is_no_folder_for_another(shell: Shell) -> None:
    shell.push("kept.blend", OLD)
    shell.write("mine.blend", NEW)
    shell.run("push", "mine.blend", "--id", "kept.blend/x.blend").check_refused(1, "kept.blend/x.blend")
    assert [each["component_id"] for each in shell.run("list", "--json").document] == ["kept.blend"]
    assert shell.pull("kept.blend") == OLD
    assert not shell.parts()


def test_bytes_that_were_changed_in_the_store_are_not_pulled(shell: Shell) -> None:
    shell.push("arm.blend", OLD)
    damaged = bytearray(OLD)
    damaged[1234] ^= 1
    damage(shell.store, "arm.blend", bytes(damaged))
    shell.write("arm.blend", NEW)
    before = shell.state()
    shell.run("pull", "arm.blend", "--overwrite").check_refused(1, "arm.blend", "SHA-256")
    shell.run("pull", "arm.blend", "elsewhere.blend").check_refused(1, "arm.blend", "SHA-256")
    assert shell.state() == before


def test_a_damaged_version_is_not_restored(shell: Shell) -> None:
    old = shell.push("arm.blend", OLD)
    shell.push("arm.blend", NEW)
    (version,) = shell.store.rglob(old)
    stat = version.stat()
    version.write_bytes(OLD[::-1])
    os.utime(version, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    before = shell.state()
    shell.run("restore", "arm.blend", old, "--force").check_refused(1, "arm.blend", "SHA-256")
    assert shell.state() == before


def test_a_config_file_that_cannot_be_used_is_wrong_use(shell: Shell) -> None:
    cases = []
    for number, (content, told) in enumerate(
        (
            (b"root = somewhere", '.json" is not JSON'),
            (b"", '.json" is not JSON'),
            (b'["mock"]', '.json" has to be a JSON object'),
            (b'{"provider": "mock", "colour": 1}', '.json" has the unknown key "colour"'),
            (b'{"bucket_name": 5}', '.json" has a wrong value for "bucket_name": 5'),
            (b'{"provider": "ftp"}', "ftp"),
            (b'{"prefix": "../up"}', "../up"),
            (b'{"max_concurrency": 0}', "max_concurrency"),
            (b"\xff\xfe\x00", '.json" cannot be read'),
        )
    ):
        shell.write(f"{number}.json", content)
        cases.append((("list", "--config", f"{number}.json"), 2, told))
    shell.check_each_refused(*cases, (("list", "--config", "gone.json"), 2, "gone.json"))


WRONG_USE = (
    (),
    ("nonsense",),
    ("list", "--nonsense"),
    ("list", "more"),
    ("list", "--roo=."),
    ("list", "--root="),
    ("list", "--config="),
    ("list", "--provider", "ftp"),
    ("list", "--bucket", "a/b"),
    ("list", "--prefix", "../up"),
    ("push",),
    ("push", ""),
    ("push", "--id", "x.blend"),
    ("push", "a.blend", "b.blend", "--id", "x.blend"),
    ("push", "a.blend", "b.blend", "--if-match", "1.1"),
    ("push", "a.blend", "--force", "--if-absent"),
    ("push", "a.blend", "--if-match", "1.1", "--if-absent"),
    ("delete", "a.blend", "b.blend", "--if-match", "1.1"),
    ("delete", "a.blend", "--force", "--if-match", "1.1"),
    ("delete", "a.blend", "--if-absent"),
    ("restore", "a.blend", "1.1", "--force", "--if-match", "1.1"),
    ("push", "a.blend", "there/a.blend"),
    ("push", "a.blend", "--scene", "--selection"),
    ("push", "a.blend", "b.blend", "--scene"),
    ("pull",),
    ("pull", "x.blend", ""),
    ("pull", "x.blend", "y.blend", "--into", "z.blend"),
    ("pull", "x.blend", "--into", "z.fbx"),
    ("pull", "x.blend", "--into="),
    ("pull", "x.blend", "--link"),
    ("info",),
    ("delete",),
    ("versions",),
    ("restore", "x.blend"),
    ("demo", "--input="),
    ("demo", "x.blend"),
)


def test_wrong_use_is_one_sentence(shell: Shell) -> None:
    for name in ("a.blend", "b.blend", "there/a.blend"):
        shell.write(name, NEW)
    shell.check_each_refused(*((line, 2, "") for line in WRONG_USE), root=False)
    assert not list(shell.home.rglob("*.blend"))


def full_at(size: int) -> None:
    """In the child: no file can grow beyond this, which a write sees as it sees a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # Python ignores SIGXFSZ


@pytest.mark.parametrize("log_is_full", [False, True])
def test_a_full_disk_leaves_the_old_content(shell: Shell, log_is_full: bool) -> None:
    big, small = os.urandom(3 * MB), OLD
    big_version = shell.push("big.blend", big)
    shell.push("small.blend", small)
    shell.push("big.blend", small)
    shell.push("other.blend", big)
    shell.write("big.blend", big)
    shell.write("mine.blend", NEW)
    if log_is_full:
        shell.run("list").check_done()
        (log,) = shell.home.rglob("cloud_storage.log")
        log.write_bytes(b"x" * (MB * 3 // 2))
    shell.check_each_refused(
        (("push", "big.blend", "--force"), 1, "big.blend"),
        (("push", "big.blend", "--id", "small.blend", "--force"), 1, "small.blend"),
        (("push", "big.blend", "--id", "new/place.blend"), 1, "new/place.blend"),
        (("pull", "other.blend"), 1, "no room"),
        (("pull", "other.blend", "mine.blend", "--overwrite"), 1, "no room"),
        (("restore", "big.blend", big_version, "--force"), 1, "big.blend"),
        preexec_fn=lambda: full_at(MB),
    )
    shell.run("push", "big.blend", "--force", preexec_fn=lambda: full_at(MB)).check_refused(1, "big.blend", "no room")


def test_a_folder_that_refuses_is_told_and_left_alone(open_shell: Shell) -> None:
    shell = open_shell
    shell.push("arm.blend", OLD)
    shell.write("mine.blend", NEW)
    for folder in (shell.store, *shell.store.rglob("*/")):
        folder.chmod(0o555)
    closed = shell.work / "closed"
    closed.mkdir(mode=0o555)
    secret = shell.write("secret.blend", NEW)
    secret.chmod(0)
    for path in shell.home.rglob("*"):
        path.chmod(0o777)
    shell.check_each_refused(
        (("push", "mine.blend", "--id", "new.blend"), 1, "new.blend"),
        (("push", "mine.blend", "--id", "arm.blend", "--force"), 1, "arm.blend"),
        (("push", "secret.blend"), 1, "secret.blend"),
        (("delete", "arm.blend", "--force"), 1, "arm.blend"),
        (("pull", "arm.blend", "closed/arm.blend"), 1, "closed/arm.blend"),
        (("pull", "arm.blend", "closed/new/arm.blend"), 1, "closed/new"),
        (("pull", "arm.blend", "secret.blend"), 1, "secret.blend"),
        nobody=True,
    )
    (shell.store / "arm.blend").chmod(0)
    shell.check_each_refused((("pull", "arm.blend", "here.blend"), 1, "arm.blend"), nobody=True)
    shell.store.chmod(0)
    refused, listed = shell.run_each(("info", "arm.blend"), ("list",), nobody=True)
    refused.check_refused(1, "arm.blend")
    listed.check_refused(1, str(shell.store))


def test_without_a_place_for_the_log_the_work_is_done(open_shell: Shell) -> None:
    open_shell.home.chmod(0o555)
    open_shell.store.mkdir()
    open_shell.store.chmod(0o777)
    open_shell.write("arm.blend", NEW)
    (answer,) = open_shell.run_each(("push", "arm.blend", "--json"), nobody=True)
    assert answer.code == 0
    assert answer.document["component_id"] == "arm.blend"
    assert len(answer.err.splitlines()) == 1
    assert "cloud_storage.log" in answer.err
    assert open_shell.pull("arm.blend") == NEW


def test_one_bad_file_among_several_does_not_stop_the_others(shell: Shell) -> None:
    for name in ("a.blend", "b.blend", "con.blend"):
        shell.write(name, name.encode())
    answer = shell.run("push", "a.blend", "gone.blend", "con.blend", "b.blend")
    assert answer.code == 1
    assert answer.out == "Pushed a.blend.\nPushed b.blend.\n"
    gone, reserved = answer.err.splitlines()
    assert "gone.blend" in gone
    assert "con.blend" in reserved
    assert shell.pull("a.blend") == b"a.blend"
    assert shell.pull("b.blend") == b"b.blend"
    answer = shell.run("delete", "a.blend", "gone.blend", "b.blend", "--json")
    assert answer.code == 1
    assert [(each["component_id"], each["error"] is None) for each in answer.document] == [
        ("a.blend", True),
        ("gone.blend", False),
        ("b.blend", True),
    ]
    assert answer.err == answer.document[1]["error"] + "\n"
    assert shell.run("list", "--json").document == []


def test_the_scene_verbs_say_where_blender_is_missing(shell: Shell) -> None:
    without_bpy = (
        sys.executable,
        "-c",
        """
import sys
from importlib.abc import MetaPathFinder
class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "bpy":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from ggg_cloud_addon.cli import main
sys.exit(main())
""",
    )
    shell.push("arm.blend", OLD)
    shell.write("mine.blend", NEW)
    before = shell.state()
    for arguments in (
        ("push", "mine.blend", "--scene"),
        ("push", "mine.blend", "--collection", "Arm"),
        ("push", "mine.blend", "--selection"),
        ("push", "--scene"),
        ("pull", "arm.blend", "--into", "mine.blend"),
        ("pull", "arm.blend", "--into", "new.blend", "--link"),
    ):
        shell.run(*arguments, command=without_bpy).check_refused(1, "needs Blender", "pip install")
        assert shell.state() == before
    answer = shell.run("demo", "--json", root=False, command=without_bpy)
    assert answer.code == 1
    assert "needs Blender" in answer.document["error"]
    assert shell.state() == before


def test_nothing_of_a_store_in_anybodys_hand_controls_the_terminal_or_ends_in_a_traceback(shell: Shell) -> None:
    names = fill(shell.store)
    lines = [(verb, name) for verb in ("info", "versions") for name in names if not name.startswith("picture")]
    answers = shell.run_each(("list",), *lines, ("sync", ".", "--dry-run"))
    for line, answer in zip(("list", *lines, "sync"), answers, strict=True):
        assert not CONTROLS.search(answer.out + answer.err), line
        assert "Traceback" not in answer.err, line
    assert len(answers[0].out.splitlines()) >= len(names)
    assert any("a record of the store is damaged" in each.err.lower() for each in answers)
