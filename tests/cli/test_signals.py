"""A signal that asks the process to end gets a sentence, whenever it comes, and JSON if that was asked for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import Shell

from ggg_cloud_addon.cli_entry import STOPPED

MOMENTS = [number * 0.025 for number in range(20)]
SIGNALS = [signal.SIGINT, signal.SIGTERM]

ENTRY = """
import os, sys
sys.argv[:1] = ["ggg-cloud"]
import ggg_cloud_addon.cli_entry as entry
stopping = entry._Stopping
def told(*arguments):  # from here on signals are caught
    made = stopping(*arguments)
    os.write(3, b"!")
    return made
entry._Stopping = told
entry.main()
"""
"""The console script, which says when the first line that may be interrupted has run."""


def interrupted(shell: Shell, number: int, seconds: float, *arguments: str) -> tuple[int, str, str]:
    """Send a signal so long after the process has begun to catch signals."""
    began, told = os.pipe()
    line = [sys.executable, "-c", f"import os; os.dup2({told}, 3)\n{ENTRY}", *arguments, f"--root={shell.store}"]
    process = subprocess.Popen(
        line, cwd=shell.work, env=shell.env, pass_fds=[told], encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(told)
    assert os.read(began, 1)
    os.close(began)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_any_moment_is_told(shell: Shell, number: int) -> None:
    big = shell.write("big.blend", b"")
    os.truncate(big, 2_000_000_000)
    stopped = 0
    for count, seconds in enumerate(MOMENTS):
        json_wanted = count % 2 == 0
        code, out, err = interrupted(shell, number, seconds, "push", "big.blend", "--force", *["--json"] * json_wanted)
        assert "Traceback" not in err, seconds
        if code == 0:
            continue
        assert (code, err) == (1, STOPPED + "\n"), seconds
        assert (json.loads(out) == {"error": STOPPED}) if json_wanted else out == "", seconds
        stopped += 1
    assert stopped > len(MOMENTS) // 2
    assert not shell.parts()
    assert not list(shell.tmp.iterdir())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_it_is_the_same_orderly_stop_as_ctrl_c(shell: Shell, name: str) -> None:
    for number in range(300):
        shell.write(f"models/part {number}.blend", os.urandom(10_000))
    process = shell.start("sync", "models")
    assert process.stdout
    assert process.stderr
    while "upload: " not in process.stdout.readline():
        pass
    process.send_signal(getattr(signal, name))
    assert (process.stderr.read(), process.wait()) == (STOPPED + "\n", 1)
    assert len(list(Path(shell.store).glob("*.blend"))) < 300
    assert not shell.parts()
    shell.run("sync", "models").check_done()


def test_two_signals_at_once_are_one_wish(shell: Shell) -> None:
    huge = shell.write("huge.blend", b"")
    os.truncate(huge, 8_000_000_000)
    process = shell.start("push", "huge.blend", "--json")
    while not any(path.suffix == ".ggg_part" for path in shell.parts()):
        pass
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out), err) == (1, {"error": STOPPED}, STOPPED + "\n")
    assert not shell.parts()


def test_what_was_ignored_stays_ignored(shell: Shell) -> None:
    shell.push("arm.blend", b"arm")
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    process = subprocess.Popen(
        shell.line("list"),
        cwd=shell.work,
        env=shell.env,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: [signal.signal(each, signal.SIG_IGN) for each in numbers] and None,
    )
    while process.poll() is None:
        for number in numbers:
            process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "arm.blend" in out


HANDLER_OF_C = """
import signal, sys
real = signal.signal
def refusing(number, handler):  # as Python does where C has set the handler, which it calls None
    if handler is None:
        raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
    sys.exit(f"{number} was taken from Blender")
signal.signal, signal.getsignal = refusing, lambda number: None
from ggg_cloud_addon import headless
try:
    with headless.blender():
        pass
except headless.SceneError:
    pass
from ggg_cloud_addon.cli import main
sys.exit(main())
"""


def test_where_blender_has_taken_the_signals_they_stay_with_it(shell: Shell) -> None:
    shell.push("arm.blend", b"arm")
    answer = shell.run("list", command=(sys.executable, "-c", HANDLER_OF_C)).check_done()
    assert "arm.blend" in answer.out


SWALLOWED = """
import sys, threading, os, signal
import ggg_cloud_addon.cli_entry as entry
from ggg_cloud_addon import cli

class Swallows:
    def __del__(self):  # Python cannot raise from here
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

def listing(args):
    Swallows()
    threading.Event().wait(30)

cli.VERBS = {"list": listing}
sys.argv[1:] = ["list"]
entry.main()
"""


def test_a_signal_in_a_destructor_is_not_lost(shell: Shell) -> None:
    began = time.monotonic()
    answer = shell.run(command=(sys.executable, "-c", SWALLOWED), root=False)
    assert (answer.code, answer.err) == (1, STOPPED + "\n")
    assert time.monotonic() - began < 20
