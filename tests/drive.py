"""Drives as studios have them: a file system of the tests' own that plays them, and real mounts.

This kernel has neither SMB nor exFAT to try, so :mod:`drive_server` plays what they do differently from a local disk.
All mounts are in a mount namespace of this process: the machine's other processes never see them, and whatever is
killed, they are gone with the last process of the tests.
"""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CLONE_NEWNS = 0x20000
MS_BIND = 0x1000
MS_PRIVATE_ALL = 0x4000 | 0x40000
MNT_DETACH = 2
SERVER = Path(__file__).with_name("drive_server.py")


@dataclass(frozen=True)
class Traits:
    """How a drive differs from a local disk."""

    ignores_case: bool = False
    """``arm.blend`` and ``ARM.blend`` are one file, which keeps the spelling that it was made with."""
    ignores_form: bool = False
    """So are two Unicode forms of a name."""
    hard_links: bool = True
    clock_step: int = 0
    """Seconds; times are kept in such steps."""
    rename_flags: bool = True
    """A rename that must not replace, and one that exchanges two files."""
    lock_error: str = ""
    """The name of the error by which each lock is refused: ``"ENOLCK"``, ``"ENOSYS"``."""
    folder_fsync: bool = True
    inode_offset: int = 0
    """Added to each inode number."""


class Drive:
    """A mounted drive, and how to make trouble on it."""

    def __init__(self, mountpoint: Path, backing: Path, traits: Traits) -> None:
        """Mount it; :meth:`close` ends it."""
        self.root = mountpoint
        """Where it is mounted. Without the drive it is an empty folder."""
        self.backing = backing
        """Where its content lies, whether it is mounted or not."""
        self._server = subprocess.Popen(
            [sys.executable, SERVER, backing, mountpoint, json.dumps(asdict(traits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # whoever kills the tests' process group leaves it the time to unmount
        )
        self.mount()

    def close(self) -> None:
        """Unmount it for good."""
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def mount(self) -> None:
        """Mount it again."""
        self._order("mount")

    def unmount(self) -> None:
        """As ``umount --lazy``, also what is dead."""
        self._order("unmount")

    def calls(self) -> dict[str, int]:
        """How often the kernel called since it was last asked, by call; without those that no trouble begins at."""
        found: dict[str, int] = self._order("calls")
        return found

    def fail(self, call: str, *, name: str = "", error: int, after: int = 0, times: int = -1) -> None:
        """Let a call fail: ``"any"``, or one of :data:`drive_server.CALLS`.

        Args:
            name: only where the name of the file or folder begins so.
            after: so many pass first.
            times: so many fail; all if negative.
        """
        self._order("trouble", act="fail", call=call, name=name, errno=error, after=after, times=times)

    def slow_down(self, call: str, seconds: float, *, name: str = "") -> None:
        """Let a call take its time; others go on meanwhile."""
        self._order("trouble", act="wait", call=call, name=name, seconds=seconds)

    def vanish(self, after: int, how: str) -> None:
        """Pull it out after so many calls.

        Args:
            how: ``"lazy"``: the empty mount point is there, and what is open still works; ``"gone"``: nothing works,
                and the empty mount point is there; ``"dead"``: nothing works, nor does the mount point.
        """
        self._order("trouble", act="unmount", call="any", after=after, times=1, how=how)

    def calm(self) -> None:
        """No more trouble."""
        self._order("calm")

    def _order(self, what: str, **more: Any) -> Any:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps({"order": what} | more) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError("The drive's process has ended; see its traceback on stderr.")
        return json.loads(answer)


def why_no_mounts() -> str:
    """Why nothing can be mounted here; empty if it can."""
    if sys.platform != "linux":
        return "drives are played on Linux only"
    if os.geteuid() != 0:
        return "only root can mount drives"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse (load the module fuse, or give it to the container)"
    with tempfile.TemporaryDirectory() as folder:
        try:
            own_namespace()
            with mounted_tmpfs(Path(folder)):
                return ""
        except OSError as error:
            return f"this process may not mount ({error.strerror}); a container needs the right CAP_SYS_ADMIN"


_own: list[None] = []


def own_namespace() -> None:
    """From now on this process and those that it starts have their mounts for themselves."""
    if not _own:
        libc("unshare", CLONE_NEWNS)
        libc("mount", b"none", b"/", None, MS_PRIVATE_ALL, None)
        _own.append(None)


@contextlib.contextmanager
def mounted_tmpfs(folder: Path) -> Iterator[None]:
    """A file system in memory, mounted over a folder. It keeps every time that 64 bits of seconds can tell."""
    own_namespace()
    libc("mount", b"tmpfs", bytes(folder), b"tmpfs", 0, None)
    try:
        yield
    finally:
        libc("umount2", bytes(folder), MNT_DETACH)


@contextlib.contextmanager
def bound(source: Path, folder: Path) -> Iterator[None]:
    """Another folder, mounted over a folder: of the same device, but no rename or link leads across."""
    own_namespace()
    libc("mount", bytes(source), bytes(folder), None, MS_BIND, None)
    try:
        yield
    finally:
        libc("umount2", bytes(folder), MNT_DETACH)


def libc(name: str, *arguments: object) -> None:
    """Call a function of the C library that Python has no name for.

    Raises:
        OSError: it says no.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
