"""The drives themselves: that they are what they play, and a plain one is what a local disk is."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest
from drive import Drive


def on(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("drive", [name], indirect=True)


def test_what_is_written_is_read(every_drive: Drive) -> None:
    path = every_drive.root / "robot" / "arm é.blend"
    path.parent.mkdir()
    content = os.urandom((3 << 20) + 1)
    path.write_bytes(content)
    os.replace(path, path.with_name("leg.blend"))
    assert os.listdir(path.parent) == ["leg.blend"]
    assert path.with_name("leg.blend").read_bytes() == content
    path.with_name("leg.blend").unlink()
    path.parent.rmdir()
    assert os.listdir(every_drive.root) == []


def test_an_open_file_outlives_its_name(every_drive: Drive) -> None:
    path = every_drive.root / "arm.blend"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        path.with_name("new").write_bytes(b"newer")
        os.replace(path.with_name("new"), path)
        assert os.fstat(reader.fileno()).st_size == 3
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"


@on("exFAT or macOS")
def test_one_file_has_many_spellings_and_keeps_the_last_given(drive: Drive) -> None:
    path = drive.root / "Größe.blend"
    path.write_bytes(b"1")
    other = drive.root / "gro\u0308ẞe.BLEND"
    assert other.read_bytes() == b"1"
    other.write_bytes(b"2")
    assert os.listdir(drive.root) == ["Größe.blend"]
    with pytest.raises(FileExistsError):
        other.mkdir()
    path.rename(drive.root / "GRÖSSE.blend")
    assert os.listdir(drive.root) == ["GRÖSSE.blend"]
    (drive.root / "x").write_bytes(b"3")
    os.replace(drive.root / "X", path)
    assert os.listdir(drive.root) == ["Größe.blend"]
    assert path.read_bytes() == other.read_bytes() == b"3"


@on("exFAT or macOS")
def test_times_have_steps_and_there_are_no_hard_links(drive: Drive) -> None:
    path = drive.root / "arm.blend"
    path.touch()
    os.utime(path, ns=(0, 1_700_000_001_500_000_000))
    assert path.stat().st_mtime_ns == 1_700_000_000_000_000_000
    assert path.stat().st_ctime_ns % 2_000_000_000 == 0
    with pytest.raises(OSError, match="not permitted"):
        os.link(path, drive.root / "leg.blend")


@pytest.mark.parametrize(
    ("drive", "number"),
    [("SMB or NFS", errno.ENOLCK), ("FUSE without locks", errno.ENOSYS)],
    indirect=["drive"],
)
def test_no_lock_is_given(drive: Drive, number: int) -> None:
    with (drive.root / "lock").open("w") as file:
        for lock in (fcntl.flock, fcntl.lockf):
            with pytest.raises(OSError) as caught:  # noqa: PT011  # its number is what counts
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert caught.value.errno == number


@on("mergerfs or Gluster")
def test_inodes_and_times_are_at_the_limits(drive: Drive) -> None:
    path = drive.root / "arm.blend"
    path.touch()
    assert path.stat().st_ino >= 2**63
    for when in (-(10**18), 2**63, 300_000_000_000 * 10**9):
        os.utime(path, ns=(when, when))
        assert path.stat().st_mtime_ns == when


@on("plain")
def test_any_call_fails_when_told_to(drive: Drive) -> None:
    path = drive.root / "arm.blend"
    path.write_bytes(b"arm")
    drive.fail("open", name="arm", error=errno.EIO, after=1, times=1)
    assert path.read_bytes() == b"arm"
    with pytest.raises(OSError, match="Input/output"):
        path.read_bytes()
    assert path.read_bytes() == b"arm"
    drive.slow_down("unlink", 0.05)
    begun = time.monotonic()
    path.unlink()
    assert time.monotonic() - begun > 0.05


@on("plain")
@pytest.mark.parametrize("how", ["lazy", "gone", "dead"])
def test_a_drive_goes_away_in_the_middle_and_comes_back(drive: Drive, how: str) -> None:
    path = drive.root / "arm.blend"
    writer = os.open(path, os.O_CREAT | os.O_WRONLY)
    drive.vanish(1, how)
    os.write(writer, b"a")
    if how == "lazy":
        os.write(writer, b"r")
        os.close(writer)
    else:
        for act in (lambda: os.write(writer, b"r"), lambda: os.close(writer)):
            with pytest.raises(OSError, match=r"not connected|abort"):
                act()
    if how == "dead":
        with pytest.raises(OSError, match="not connected"):
            path.exists()
    else:
        assert os.listdir(drive.root) == []
    drive.unmount()
    drive.calm()
    drive.mount()
    assert path.read_bytes() == (b"ar" if how == "lazy" else b"a")


def test_no_other_process_of_the_machine_sees_a_mount(every_drive: Drive) -> None:
    assert str(every_drive.root) in Path("/proc/self/mounts").read_text()
    assert str(every_drive.root) not in Path("/proc/1/mounts").read_text()
