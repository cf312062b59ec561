"""The file system of :mod:`drive`: a process of its own that answers the kernel's FUSE requests in their raw form.

It speaks the protocol itself (Linux, "include/uapi/linux/fuse.h"), because what the tests need lies below the usual
libraries: an inode number of 2^63, a lock that is refused, a call that never comes back from a drive that was pulled
out. It needs no library and no package, only ``/dev/fuse`` and the right to mount.

All content lies in a backing folder; the traits of :class:`drive.Traits` are played on top of it. Orders come as JSON
lines on stdin, and each is answered by one on stdout. When stdin ends, as it does when the tests are killed, the drive
is unmounted.
"""

import contextlib
import errno
import itertools
import json
import os
import stat as kinds
import struct
import sys
import threading
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from drive import MNT_DETACH, libc

RENAME_FLAGS = 3
"""RENAME_NOREPLACE and RENAME_EXCHANGE."""
MAX_WRITE = 1 << 20
BUFFER = MAX_WRITE + 4096
HEADER = struct.Struct("<IIQQIIII")
ATTRIBUTES = struct.Struct("<6Q10I")
FOREVER = 10
"""Seconds that the kernel may remember a name, where only one spelling of it can be there."""
ROOT = 1
FOLDER, FILE = 4, 8
"""As in a directory's entries; there are no others here."""
BIG_WRITES, POSIX_LOCKS, FLOCK_LOCKS, MAX_PAGES = 1 << 5, 1 << 1, 1 << 10, 1 << 22
CALLS = {
    1: "lookup", 3: "getattr", 4: "setattr", 9: "mkdir", 10: "unlink",
    11: "rmdir", 12: "rename", 13: "link", 14: "open", 15: "read", 16: "write", 17: "statfs", 18: "release",
    20: "fsync", 25: "flush", 26: "init", 27: "opendir", 28: "readdir", 29: "releasedir", 30: "fsyncdir", 31: "getlk",
    32: "setlk", 33: "setlkw", 35: "create", 45: "rename2",
}  # fmt: skip
FORGET, INTERRUPT, DESTROY, BATCH_FORGET = 2, 36, 38, 42
UNCOUNTED = ("init", "release", "releasedir", "flush", "other")
"""Calls at which no trouble begins: the kernel makes them when it likes, or nobody hears how they end."""


def fold(name: bytes, *, form: bool) -> bytes:
    """The name as a system sees it that ignores case, and perhaps the Unicode form."""
    text = os.fsdecode(name)
    return os.fsencode(unicodedata.normalize("NFC", text).casefold() if form else text.casefold())


@dataclass
class Node:
    """What the kernel has looked up: a descriptor that stays valid when the name is gone."""

    fd: int
    key: tuple[object, ...]
    lookups: int = 0


@dataclass
class Trouble:
    """What happens at a call, once so many like it have passed."""

    call: str
    act: str
    name: str = ""
    after: int = 0
    times: int = -1
    errno: int = errno.EIO
    seconds: float = 0.0
    how: str = ""
    seen: int = field(default=0, init=False)

    def strikes(self, call: str, name: str) -> bool:
        """Whether it is this call's turn."""
        if self.call not in (call, "any") or not name.startswith(self.name):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times < 0 or self.seen <= self.after + self.times)


class FileSystem:
    """One mount of the backing folder."""

    def __init__(self, backing: str, mountpoint: str, traits: SimpleNamespace, troubles: list[Trouble]) -> None:
        """Mount it; :meth:`serve` has to run beside."""
        self._traits = traits
        self._mountpoint = mountpoint
        self.troubles = troubles
        self.calls: Counter[str] = Counter()
        self._numbers = itertools.count(ROOT)
        self._nodes: dict[int, Node] = {}
        self._ids: dict[tuple[object, ...], int] = {}
        self._spellings: dict[int, dict[bytes, bytes]] = {}
        """By folder's inode: the stored spelling of each folded name."""
        self._listings: dict[int, list[tuple[bytes, int, int]]] = {}
        self._handles = itertools.count(1)
        self._busy = threading.Lock()
        self._node(os.open(backing, os.O_PATH), ("root",))
        self._device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        libc("mount", b"drive", os.fsencode(mountpoint), b"fuse.drive", 0, options.encode())

    # -- requests

    def serve(self) -> None:
        """Answer until it is unmounted."""
        while True:
            try:
                request = os.read(self._device, BUFFER)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                break
            self._take(request)
        for node in self._nodes.values():
            os.close(node.fd)

    def _take(self, request: bytes) -> None:
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        body = request[HEADER.size :]
        if opcode == FORGET:
            self._forget(node, *struct.unpack_from("<Q", body))
        elif opcode == BATCH_FORGET:
            for position in range(struct.unpack_from("<I", body)[0]):
                self._forget(*struct.unpack_from("<QQ", body, 8 + 16 * position))
        elif opcode not in (INTERRUPT, DESTROY):
            call = CALLS.get(opcode, "other")
            if wait := self._trouble(call, node, body, unique):
                threading.Timer(wait, self._answer, (call, unique, node, body)).start()
            elif wait is not None:
                self._answer(call, unique, node, body)

    def _trouble(self, call: str, node: int, body: bytes, unique: int) -> float | None:
        """Let happen what was ordered; the answer is how long the call takes; ``None`` if it is not done."""
        self.calls[call] += 1
        if call in UNCOUNTED or not self.troubles:
            return 0.0
        name = os.fsdecode(self._name_in(call, node, body))
        wait = 0.0
        for trouble in self.troubles:
            if not trouble.strikes(call, name):
                continue
            if trouble.act == "fail":
                self._reply(unique, -trouble.errno)
                return None
            if trouble.act == "wait":
                wait += trouble.seconds
            elif trouble.act == "unmount":
                self.unmount(trouble.how)
                if trouble.how != "lazy":
                    return None
        return wait

    def _name_in(self, call: str, node: int, body: bytes) -> bytes:
        """The name that a call is about."""
        skip = {"lookup": 0, "unlink": 0, "rmdir": 0, "mkdir": 8, "link": 8, "rename": 8, "rename2": 16, "create": 16}
        if call in skip:
            return body[skip[call] :].split(b"\0")[0]
        return os.path.basename(os.fsencode(os.readlink(f"/proc/self/fd/{self._nodes[node].fd}")))

    def _answer(self, call: str, unique: int, node: int, body: bytes) -> None:
        try:
            with self._busy:
                method: Callable[[int, bytes], bytes] | None = getattr(self, f"_on_{call}", None)
                if method is None:  # the kernel does without
                    raise OSError(errno.ENOSYS, call)
                answer = method(node, body)
        except OSError as error:
            self._reply(unique, -(error.errno or errno.EIO))
        except Exception:  # noqa: BLE001  # the tests see it on stderr, and an EIO
            traceback.print_exc()
            self._reply(unique, -errno.EIO)
        else:
            self._reply(unique, 0, answer)

    def _reply(self, unique: int, error: int, answer: bytes = b"") -> None:
        try:
            os.write(self._device, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)
        except OSError as problem:  # who asked was interrupted, or the drive is gone
            if problem.errno not in (errno.ENOENT, errno.ENODEV, errno.EBADF, errno.EPERM):
                traceback.print_exc()

    def unmount(self, how: str) -> None:
        """``"lazy"``: the empty mount point is there, and what is open still works. ``"gone"``: nothing works, and the
        empty mount point is there. ``"dead"``: nothing works, and the mount point does not either."""
        if how != "dead":
            libc("umount2", os.fsencode(self._mountpoint), MNT_DETACH)
        if how != "lazy":
            device, self._device = self._device, os.open(os.devnull, os.O_WRONLY)
            os.close(device)

    # -- nodes and names

    def _node(self, fd: int, key: tuple[object, ...]) -> int:
        number = self._ids.get(key)
        if number is None:
            number = self._ids[key] = next(self._numbers)
            self._nodes[number] = Node(fd, key)
        else:
            os.close(fd)
        self._nodes[number].lookups += 1
        return number

    def _forget(self, number: int, count: int) -> None:
        with self._busy:
            node = self._nodes.get(number)
            if node is None or number == ROOT:
                return
            node.lookups -= count
            if node.lookups <= 0:
                del self._nodes[number], self._ids[node.key]
                os.close(node.fd)

    def _fd(self, number: int) -> int:
        return self._nodes[number].fd

    def _path(self, number: int) -> str:
        return f"/proc/self/fd/{self._fd(number)}"

    def _stored(self, folder: int, name: bytes) -> bytes:
        """The name under which the backing folder has it, or would get it."""
        if not self._traits.ignores_case:
            return name
        return self._spelled(folder).get(fold(name, form=self._traits.ignores_form), name)

    def _spelled(self, folder: int) -> dict[bytes, bytes]:
        inode = os.fstat(folder).st_ino
        if inode not in self._spellings:
            names = map(os.fsencode, os.listdir(f"/proc/self/fd/{folder}"))
            self._spellings[inode] = {fold(each, form=self._traits.ignores_form): each for each in names}
        return self._spellings[inode]

    def _came(self, folder: int, name: bytes) -> None:
        if self._traits.ignores_case:
            self._spelled(folder)[fold(name, form=self._traits.ignores_form)] = name

    def _went(self, folder: int, name: bytes) -> None:
        if self._traits.ignores_case:
            self._spelled(folder).pop(fold(name, form=self._traits.ignores_form), None)

    def _entry(self, parent: int, asked: bytes) -> bytes:
        """The kernel gets a node of its own for each spelling, else it would take a rename of the case for none."""
        stored = self._stored(self._fd(parent), asked)
        fd = os.open(stored, os.O_PATH | os.O_NOFOLLOW, dir_fd=self._fd(parent))
        stat = os.fstat(fd)
        is_folder = kinds.S_ISDIR(stat.st_mode)
        key: tuple[object, ...] = (stat.st_ino,)
        if self._traits.ignores_case and (is_folder or stored != asked):
            key = (parent, asked, stat.st_ino)
        seconds = FOREVER if not self._traits.ignores_case else int(is_folder and stored == asked)
        return struct.pack("<QQQQII", self._node(fd, key), 0, seconds, self._trusted(), 0, 0) + self._attributes(stat)

    def _trusted(self) -> int:
        """Seconds that the kernel may remember what it knows of a file."""
        return 0 if self._traits.ignores_case else FOREVER

    def _attributes(self, stat: os.stat_result) -> bytes:
        times = [stat.st_atime_ns, stat.st_mtime_ns, stat.st_ctime_ns]
        if step := self._traits.clock_step * 10**9:
            times = [each // step * step for each in times]
        return ATTRIBUTES.pack(
            (stat.st_ino + self._traits.inode_offset) % 2**64,
            stat.st_size,
            stat.st_blocks,
            *(each // 10**9 % 2**64 for each in times),
            *(each % 10**9 for each in times),
            stat.st_mode,
            stat.st_nlink,
            stat.st_uid,
            stat.st_gid,
            stat.st_rdev,
            4096,
            0,
        )

    # -- calls, each named after its opcode

    def _on_init(self, node: int, body: bytes) -> bytes:
        major, minor, readahead, offered = struct.unpack_from("<4I", body)
        flags = BIG_WRITES | MAX_PAGES | (POSIX_LOCKS | FLOCK_LOCKS if self._traits.lock_error else 0)
        pages = MAX_WRITE // 4096
        return struct.pack(
            "<4IHHIIHH8I", major, min(minor, 31), readahead, flags & offered, 16, 12, MAX_WRITE, 1, pages, *[0] * 9
        )

    def _on_lookup(self, node: int, body: bytes) -> bytes:
        return self._entry(node, body.split(b"\0")[0])

    def _on_getattr(self, node: int, body: bytes) -> bytes:
        return struct.pack("<QII", self._trusted(), 0, 0) + self._attributes(os.fstat(self._fd(node)))

    def _on_setattr(self, node: int, body: bytes) -> bytes:
        valid, _, handle, size, _, *times = struct.unpack_from("<IIQQQ3Q", body)
        parts, mode, owner, group = times, *struct.unpack_from("<I4xII", body, 68)
        fractions = struct.unpack_from("<3I", body, 56)
        path = self._path(node)
        if valid & 1:
            os.chmod(path, kinds.S_IMODE(mode))
        if valid & 6:
            os.chown(path, owner if valid & 2 else -1, group if valid & 4 else -1)
        if valid & 8:
            os.truncate(handle if valid & 64 else path, size)
        if valid & (16 | 32):
            now, stat = time.time_ns(), os.stat(path)

            def chosen(which: int, bit: int, now_bit: int, before: int) -> int:
                if not valid & bit:
                    return before
                if valid & now_bit:
                    return now
                seconds: int = parts[which] - (2**64 if parts[which] >= 2**63 else 0)
                return seconds * 10**9 + int(fractions[which])

            os.utime(path, ns=(chosen(0, 16, 128, stat.st_atime_ns), chosen(1, 32, 256, stat.st_mtime_ns)))
        return self._on_getattr(node, b"")

    def _on_mkdir(self, node: int, body: bytes) -> bytes:
        (mode,) = struct.unpack_from("<I", body)
        name = self._new(node, body[8:])
        os.mkdir(name, mode, dir_fd=self._fd(node))
        self._came(self._fd(node), name)
        return self._entry(node, name)

    def _new(self, node: int, rest: bytes) -> bytes:
        """A name that nothing has yet, in any spelling."""
        name = rest.split(b"\0")[0]
        if os.path.lexists(self._path(node).encode() + b"/" + self._stored(self._fd(node), name)):
            raise FileExistsError(errno.EEXIST, "")
        return name

    def _on_unlink(self, node: int, body: bytes) -> bytes:
        name = self._stored(self._fd(node), body.split(b"\0")[0])
        os.unlink(name, dir_fd=self._fd(node))
        self._went(self._fd(node), name)
        return b""

    def _on_rmdir(self, node: int, body: bytes) -> bytes:
        name = self._stored(self._fd(node), body.split(b"\0")[0])
        os.rmdir(name, dir_fd=self._fd(node))
        self._went(self._fd(node), name)
        return b""

    def _on_rename(self, node: int, body: bytes) -> bytes:
        (into,) = struct.unpack_from("<Q", body)
        return self._rename(node, into, 0, body[8:])

    def _on_rename2(self, node: int, body: bytes) -> bytes:
        into, flags = struct.unpack_from("<QI", body)
        return self._rename(node, into, flags, body[16:])

    def _rename(self, node: int, into: int, flags: int, names: bytes) -> bytes:
        if flags & RENAME_FLAGS and not self._traits.rename_flags:
            raise OSError(errno.EINVAL, "")
        old, new, _ = names.split(b"\0")
        here, there = self._fd(node), self._fd(into)
        old, target = self._stored(here, old), self._stored(there, new)
        libc("renameat2", here, old, there, target, flags)
        if flags & RENAME_FLAGS == 2:
            return b""
        self._went(here, old)
        if target != new:  # in another spelling until now, its own or what it replaced
            os.rename(target, new, src_dir_fd=there, dst_dir_fd=there)
        self._came(there, new)
        return b""

    def _on_link(self, node: int, body: bytes) -> bytes:
        if not self._traits.hard_links:
            raise OSError(errno.EPERM, "")
        (source,) = struct.unpack_from("<Q", body)
        name = self._new(node, body[8:])
        os.link(self._path(source), name, dst_dir_fd=self._fd(node), follow_symlinks=True)
        self._came(self._fd(node), name)
        return self._entry(node, name)

    def _on_open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        flags &= ~(os.O_NOFOLLOW | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        return struct.pack("<QII", os.open(self._path(node), flags), 0, 0)

    def _on_create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        name = self._stored(self._fd(node), body[16:].split(b"\0")[0])
        fd = os.open(name, (flags | os.O_CREAT) & ~os.O_APPEND, mode, dir_fd=self._fd(node))
        self._came(self._fd(node), name)
        return self._entry(node, body[16:].split(b"\0")[0]) + struct.pack("<QII", fd, 0, 0)

    def _on_read(self, node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(handle, size, offset)

    def _on_write(self, node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(handle, memoryview(body)[40 : 40 + size], offset), 0)

    def _on_statfs(self, node: int, body: bytes) -> bytes:
        free = os.statvfs(self._path(node))
        sizes = free.f_blocks, free.f_bfree, free.f_bavail, free.f_files, free.f_ffree
        return struct.pack("<5Q4I6I", *sizes, free.f_bsize, free.f_namemax, free.f_frsize, 0, *[0] * 6)

    def _on_release(self, node: int, body: bytes) -> bytes:
        os.close(*struct.unpack_from("<Q", body))
        return b""

    def _on_fsync(self, node: int, body: bytes) -> bytes:
        return b""

    _on_flush = _on_fsync

    def _on_fsyncdir(self, node: int, body: bytes) -> bytes:
        if not self._traits.folder_fsync:
            raise OSError(errno.EINVAL, "")
        return b""

    def _on_opendir(self, node: int, body: bytes) -> bytes:
        return struct.pack("<QII", next(self._handles), 0, 0)

    def _on_readdir(self, node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        if offset == 0:
            with os.scandir(self._path(node)) as entries:
                found = [(os.fsencode(each.name), each.inode(), FOLDER if each.is_dir() else FILE) for each in entries]
            self._listings[handle] = [(b".", 1, FOLDER), (b"..", 1, FOLDER), *found]
        answer = b""
        for position, (name, inode, kind) in enumerate(self._listings[handle][offset:], offset + 1):
            number = (inode + self._traits.inode_offset) % 2**64
            entry = struct.pack("<QQII", number, position, len(name), kind) + name
            entry += b"\0" * (-len(entry) % 8)
            if len(answer) + len(entry) > size:
                break
            answer += entry
        return answer

    def _on_releasedir(self, node: int, body: bytes) -> bytes:
        self._listings.pop(struct.unpack_from("<Q", body)[0], None)
        return b""

    def _on_setlk(self, node: int, body: bytes) -> bytes:
        (kind,) = struct.unpack_from("<I", body, 32)
        if kind != 2:  # F_UNLCK
            raise OSError(getattr(errno, self._traits.lock_error), "")
        return b""

    _on_setlkw = _on_getlk = _on_setlk


def unmount_all(mountpoint: str) -> None:
    """Whatever is mounted there, also what is dead."""
    with contextlib.suppress(OSError):  # until nothing is mounted there any more
        while True:
            libc("umount2", os.fsencode(mountpoint), MNT_DETACH)


def main() -> None:
    """Mount, and follow orders until there are no more."""
    backing, mountpoint, traits = sys.argv[1], sys.argv[2], SimpleNamespace(**json.loads(sys.argv[3]))
    mounted: FileSystem | None = None
    troubles: list[Trouble] = []
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        what = order.pop("order")
        answer: Any = None
        if what == "mount":
            mounted = FileSystem(backing, mountpoint, traits, troubles)
            threading.Thread(target=mounted.serve, daemon=True).start()
        elif what == "trouble":
            troubles.append(Trouble(**order))
        elif what == "calm":
            troubles.clear()
        elif what == "calls" and mounted is not None:
            answer = {name: count for name, count in mounted.calls.items() if name not in UNCOUNTED}
            mounted.calls.clear()
        elif what == "unmount":
            unmount_all(mountpoint)
        print(json.dumps(answer), flush=True)
    unmount_all(mountpoint)


if __name__ == "__main__":
    main()
