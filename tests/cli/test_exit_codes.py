"""Every row of docs/exit-codes.md is run: what happens has the exit code and the sentence that stand there."""

import os
import random
import re
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import cases_sync  # noqa: F401  # its cases are among CASES
import pytest
from cases import CASES, NEW, OLD, THEIRS, Studio, case, line
from shell import Answer, Shell

TABLE = Path(__file__).parents[2] / "docs" / "exit-codes.md"
MB = 1_000_000


@dataclass(frozen=True)
class Row:
    name: str
    code: int
    sentence: str

    def fits(self, line: str) -> bool:
        """Whether a line says it: what stands in ``<...>`` is anything, and columns may be wide."""
        words = re.split(r"(<[A-Z]+>|\s+)", self.sentence)
        pattern = "".join(
            ".+" if word.startswith("<") and word.endswith(">") else r"\s+" if word.isspace() else re.escape(word)
            for word in words
        )
        return re.fullmatch(pattern, line.strip()) is not None


def rows() -> list[Row]:
    found = re.findall(
        r"^\| `([a-z0-9-]+)` \| .+? \| (\d) \| `(.+)` \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [Row(name, int(code), sentence) for name, code, sentence in found]


def test_every_row_has_a_function_and_every_function_a_row() -> None:
    names = [row.name for row in rows()]
    assert sorted(names) == sorted(CASES)
    unread = [text for text in TABLE.read_text(encoding="utf-8").splitlines() if re.match(r"\| `", text)]
    assert len(unread) == len(names), "a row that the test cannot read"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_is_true(row: Row, shell: Shell, zoe: Shell) -> None:
    answer = CASES[row.name](Studio(shell, zoe))
    told = [*answer.out.splitlines(), *answer.err.splitlines()]
    assert "Traceback" not in answer.err
    assert answer.code == row.code, told
    assert any(row.fits(each) for each in told), told
    if row.code == 2 or (row.code == 1 and not row.name.startswith(("sync", "check", "push-some"))):
        assert (answer.out, len(answer.err.splitlines())) == ("", 1)


# -- every verb

line("use-unknown-option", "list", "--nonsense")
line("use-exclusive-options", "push", "mine.blend", "--force", "--if-absent")
line("use-empty-path", "sync", "")
line("use-id-up", "pull", "../arm.blend")
line("use-id-reserved", "push", "mine.blend", "--id", "con.blend")
line("use-config-missing", "list", "--config", "none.json")
line("use-provider", "list", "--provider", "ftp")


@case
def use_no_verb(studio: Studio) -> Answer:
    return studio.me.run(root=False)


@case
def use_config_key(studio: Studio) -> Answer:
    studio.me.write("config.json", b'{"colour": 1}')
    return studio.me.run_each(("list", "--config", "config.json"))[0]


@case
def store_unreachable(studio: Studio) -> Answer:
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}
    where = ("--provider", "aws", "--bucket", "parts", "--endpoint-url", "http://127.0.0.1:9")
    return studio.me.run("list", *where, root=False, env=keys)


@case
def store_no_folder(studio: Studio) -> Answer:
    studio.me.store.write_bytes(b"no folder")
    return studio.me.run_each(("list",))[0]


NO_BLENDER = """
import sys
sys.modules["bpy"] = None
from ggg_cloud_addon.cli import main
sys.exit(main())
"""


@case
def blender_missing(studio: Studio) -> Answer:
    studio.me.write("mine.blend", NEW)
    return studio.me.run("push", "mine.blend", "--scene", command=(sys.executable, "-c", NO_BLENDER))


@case
def stdout_full(studio: Studio) -> Answer:
    studio.me.push("arm.blend", OLD)
    with Path("/dev/full").open("wb") as full:
        return studio.me.run("list", stdout=full)


def stopped(studio: Studio, number: int) -> Answer:
    huge = studio.me.write("huge.blend", b"")
    os.truncate(huge, 8 * 1000 * MB)
    process = studio.me.start("push", "huge.blend")
    while not any(path.suffix == ".ggg_part" for path in studio.me.parts()):
        pass
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert not studio.me.parts()
    return Answer(process.returncode, out, err)


@case
def stopped_ctrl_c(studio: Studio) -> Answer:
    return stopped(studio, signal.SIGINT)


@case
def stopped_sigterm(studio: Studio) -> Answer:
    return stopped(studio, signal.SIGTERM)


HEEDS_SLOWLY = """
import os, signal, time
from ggg_cloud_addon import cli, cli_entry

def slow(args):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    finally:
        time.sleep(cli_entry.PATIENCE + 0.1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

cli.VERBS = {"list": slow}
cli_entry.main()
"""


@case
def stopped_twice(studio: Studio) -> Answer:
    return studio.me.run("list", command=(sys.executable, "-c", HEEDS_SLOWLY))


# -- push

line("push-no-file", "push", "gone.blend")
line("push-directory", "push", "there")
line("push-folder-there", "push", "mine.blend", "--id", "deep")
line("push-twin", "push", "mine.blend", "--id", "ARM.blend")
line("push-option-form", "push", "mine.blend", "--scene", "--export-option", "use_triangles")
line("push-option-file", "push", "mine.blend", "--export-option", "use_triangles=true")
line("push-nothing", "push")
line("push-several-id", "push", "mine.blend", "there/mine.blend", "--id", "x.blend")
line("push-one-name", "push", "mine.blend", "there/mine.blend")
line("push-unknown-author", "push", "mine.blend", "--id", "arm.blend")


@case
def push_done(studio: Studio) -> Answer:
    return studio.push(studio.me, OLD)


@case
def push_several(studio: Studio) -> Answer:
    for name in ("arm.blend", "leg.blend"):
        studio.me.write(name, OLD)
    return studio.me.run_each(("push", "arm.blend", "leg.blend"))[0]


@case
def push_same(studio: Studio) -> Answer:
    studio.push(studio.zoe, OLD).check_done()
    return studio.push(studio.me, OLD)


@case
def push_unknown(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.push(studio.me, NEW)


@case
def push_force(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.push(studio.me, NEW, "--force")


@case
def push_if_absent(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.push(studio.me, NEW, "--if-absent")


@case
def push_if_match(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.push(studio.me, NEW, "--if-match", "0.0")


@case
def push_some(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    for name in ("arm.blend", "leg.blend"):
        studio.me.write(name, NEW)
    answer = studio.me.run_each(("push", "arm.blend", "leg.blend"))[0]
    assert studio.me.pull("leg.blend") == NEW
    return answer


def full() -> None:
    """No file can grow beyond this, which a write sees as it sees a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, MB))


@case
def push_disk_full(studio: Studio) -> Answer:
    studio.me.write("big.blend", random.Random(1).randbytes(3 * MB))
    return studio.me.run("push", "big.blend", preexec_fn=full)


# -- pull, list, info, versions, share

line("pull-done", "pull", "arm.blend")
line("pull-none", "pull", "gone.blend")
line("pull-no-version", "pull", "arm.blend", "--version-id", "1.1")
line("pull-other-content", "pull", "arm.blend", "mine.blend")
line("pull-overwrite", "pull", "arm.blend", "mine.blend", "--overwrite")
line("pull-into-no-blend", "pull", "arm.blend", "--into", "scene.fbx")
line("pull-link-alone", "pull", "arm.blend", "--link")
line("pull-override-alone", "pull", "arm.blend", "--override")
line("pull-reuse-alone", "pull", "arm.blend", "--reuse")
line("list-done", "list")
line("list-empty", "list", "--prefix", "nothing")
line("info-done", "info", "arm.blend")
line("info-none", "info", "gone.blend")
line("versions-done", "versions", "arm.blend")
line("versions-none", "versions", "gone.blend")
line("share-folder", "share", "arm.blend")
line("share-none", "share", "gone.blend")
line("share-hours", "share", "arm.blend", "--hours", "0")


@case
def pull_directory(studio: Studio) -> Answer:
    studio.me.push("arm.blend", OLD)
    studio.me.write("arm.blend/x", OLD)
    return studio.me.run_each(("pull", "arm.blend", "."))[0]


@case
def pull_disk_full(studio: Studio) -> Answer:
    studio.me.push("big.blend", random.Random(1).randbytes(3 * MB))
    return studio.me.run("pull", "big.blend", preexec_fn=full)


# -- delete, restore

line("delete-none", "delete", "gone.blend")
line("delete-force", "delete", "arm.blend", "--force")
line("delete-if-match", "delete", "arm.blend", "--if-match", "0.0")
line("delete-several-if-match", "delete", "arm.blend", "deep/x.blend", "--if-match", "0.0")
line("restore-no-version", "restore", "arm.blend", "1.1", "--force")


@case
def delete_done(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.me.run_each(("info", "arm.blend"), ("delete", "arm.blend"))[1]


@case
def delete_unseen(studio: Studio) -> Answer:
    studio.push(studio.zoe, THEIRS).check_done()
    return studio.me.run_each(("delete", "arm.blend"))[0]


@case
def restore_done(studio: Studio) -> Answer:
    studio.push(studio.me, OLD).check_done()
    studio.push(studio.me, NEW).check_done()
    return studio.me.run_each(("restore", "arm.blend", studio.me.history("arm.blend")[-1]))[0]


@case
def restore_unseen(studio: Studio) -> Answer:
    studio.push(studio.me, OLD).check_done()
    studio.push(studio.zoe, THEIRS, "--force").check_done()
    return studio.me.run_each(("restore", "arm.blend", studio.me.history("arm.blend")[-1]))[0]


@case
def restore_damaged(studio: Studio) -> Answer:
    old = studio.me.push("arm.blend", OLD)
    studio.me.push("arm.blend", NEW)
    (version,) = studio.me.store.rglob(old)
    stat = version.stat()
    version.write_bytes(OLD[::-1])
    os.utime(version, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return studio.me.run_each(("restore", "arm.blend", old, "--force"))[0]


# -- check

line("check-done", "check")
line("check-folder-none", "check", "nowhere")
line("check-folder-create", "check", "models", "--create")


@case
def check_fails(studio: Studio) -> Answer:
    studio.me.store.write_bytes(b"no folder")
    return studio.me.run_each(("check",))[0]


@case
def check_folder_done(studio: Studio) -> Answer:
    studio.synced()
    return studio.me.run_each(("check", "models"))[0]


@case
def check_folder_changed(studio: Studio) -> Answer:
    studio.synced()
    studio.me.write("models/arm.blend", NEW)
    return studio.me.run_each(("check", "models"))[0]


@case
def check_folder_one_side(studio: Studio) -> Answer:
    studio.synced()
    studio.me.write("models/new.blend", NEW)
    return studio.me.run_each(("check", "models"))[0]
