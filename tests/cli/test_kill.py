"""A process that dies at any moment leaves old or new content, whole, and the next run cleans up."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import Shell

KILLS = 30
SIZE = 30_000_000
CONTENTS = [random.Random(seed).randbytes(SIZE) for seed in (1, 2)]


@pytest.fixture
def big_shell(tmp_path: Path) -> Iterator[Shell]:
    """Its files are removed at the end, as they are many."""
    yield Shell(tmp_path)
    shutil.rmtree(tmp_path)


def kill(shell: Shell, moment: float, *arguments: str | Path) -> bool:
    """Kill it when this share of the bytes is there, or beyond 1 somewhat later; tells whether it was still at work."""
    before = shell.parts()
    process = shell.start(*arguments)
    while process.poll() is None and part_size(shell, before) < min(moment, 1) * SIZE:
        pass
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=max(0, moment - 1) / 5)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def part_size(shell: Shell, before: list[Path]) -> int:
    """Of the part file that grows."""
    sizes = [0]
    for path in shell.parts():
        with contextlib.suppress(FileNotFoundError):  # moved meanwhile
            sizes.append(path.stat().st_size if path not in before else 0)
    return max(sizes)


def moments(seed: int) -> list[float]:
    """Most while the bytes are written, some while the file takes its place."""
    draw = random.Random(seed)
    return [draw.uniform(0, 1.4) for _ in range(KILLS)]


def test_killed_pushes_leave_whole_components(big_shell: Shell) -> None:
    shell = big_shell
    files = [shell.write(f"{number}.blend", content) for number, content in enumerate(CONTENTS)]
    stored = shell.store / "arm.blend"
    shell.run("push", files[0], "--id=arm.blend").check_done()
    killed, current = 0, 0
    for moment in moments(seed=11):
        killed += kill(shell, moment, "push", files[1 - current], "--id=arm.blend", "--force")
        content = stored.read_bytes()
        assert content in (CONTENTS[current], CONTENTS[1 - current])
        current = CONTENTS.index(content)
    assert killed
    shell.run("push", files[1], "--id=arm.blend", "--force").check_done()
    assert not shell.parts()
    assert shell.pull("arm.blend") == CONTENTS[1]
    versions = shell.run("versions", "arm.blend", "--json").check_done().document
    oldest = shell.work / "oldest.blend"
    shell.run("pull", "arm.blend", oldest, "--version-id", versions[-1]["version_id"]).check_done()
    assert oldest.read_bytes() == CONTENTS[0]


def test_killed_pulls_leave_whole_files(big_shell: Shell) -> None:
    shell = big_shell
    for number, content in enumerate(CONTENTS):
        shell.push(f"{number}.blend", content)
    target = shell.work / "arm.blend"
    shell.run("pull", "0.blend", target).check_done()
    before = {name: content for name, content in shell.state().items() if name.startswith("store/")}
    killed, current = 0, 0
    for moment in moments(seed=22):
        killed += kill(shell, moment, "pull", f"{1 - current}.blend", target, "--overwrite")
        content = target.read_bytes()
        assert content in (CONTENTS[current], CONTENTS[1 - current])
        current = CONTENTS.index(content)
    assert killed
    shell.run("pull", "1.blend", target, "--overwrite").check_done()
    assert target.read_bytes() == CONTENTS[1]
    assert not shell.parts()
    assert {name: content for name, content in shell.state().items() if name.startswith("store/")} == before


def sparse(path: Path) -> Path:
    """A file that takes seconds to read and no room."""
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, 8_000_000_000)
    return path


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_ctrl_c_stops_with_a_sentence_and_leaves_nothing(big_shell: Shell, verb: str) -> None:
    shell = big_shell
    shell.push("other.blend", b"old")
    huge = sparse(shell.work / "huge.blend" if verb == "push" else shell.store / "huge.blend")
    target = shell.write("mine.blend", b"old")
    given = (
        ("push", huge, "--id=other.blend", "--force") if verb == "push" else ("pull", huge.name, target, "--overwrite")
    )
    process = shell.start(*given)
    while not any(path.suffix == ".ggg_part" for path in shell.parts()) and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.startswith("Stopped")
    assert len(err.splitlines()) == 1
    assert not shell.parts()
    assert target.read_bytes() == b"old"
    assert shell.pull("other.blend") == b"old"
