"""Only what changed: cut into chunks, planned with the fewest bytes to send, remembered or not, never wrongly."""

import functools
import hashlib
import io
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ggg_cloud_addon.cloud_storage import chunks
from ggg_cloud_addon.cloud_storage.changes import Limits, Piece, plan, sent_bytes
from ggg_cloud_addon.cloud_storage.chunk_memory import ChunkMemory, Remembered
from ggg_cloud_addon.cloud_storage.chunks import LONGEST, SHORTEST, Chunks, joined, length_of, take
from ggg_cloud_addon.cloud_storage.errors import SourceChangedError

NOISE = random.Random(7).randbytes(12 << 20)
OPEN = Limits(most_sent=1 << 40, most_copied=1 << 40, max_pieces=10_000)


def cut(content: bytes) -> Chunks:
    return take(io.BytesIO(content), len(content))[0]


# Cutting


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 << 20), st.integers(0, len(NOISE) - (3 << 20)))
def test_the_chunks_cover_the_content_and_bear_its_hashes(size: int, start: int) -> None:
    content = NOISE[start : start + size]

    cut_up, sha256 = take(io.BytesIO(content), size)

    assert sha256 == hashlib.sha256(content).hexdigest()
    assert cut_up.size == size
    rest = memoryview(content)
    for chunk in cut_up:
        piece, rest = rest[: length_of(chunk)], rest[length_of(chunk) :]
        assert chunk[4:] == hashlib.sha256(piece).digest()[:16]
        assert len(piece) <= LONGEST
        assert len(piece) >= SHORTEST or not rest
    assert not rest
    assert len(cut_up) == len(list(cut_up))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(NOISE)), st.binary(min_size=1, max_size=100))
def test_an_insertion_leaves_nearly_all_chunks(place: int, inserted: bytes) -> None:
    new = cut(NOISE[:place] + inserted + NOISE[place:])

    assert len(set(new) - set(cut(NOISE))) <= 4


def test_a_run_of_nothing_is_cut_too() -> None:
    nothing = cut(bytes(3 << 20))

    assert [length_of(chunk) for chunk in nothing] == [LONGEST] * 12
    assert sent_bytes(plan(nothing, cut(bytes(2 << 20)), OPEN)) == 0


@pytest.mark.parametrize("count", [1, 4, 16])
def test_chunks_are_joined_where_the_content_says_so(count: int) -> None:
    old, new = (joined(cut(content), count) for content in (NOISE, NOISE[:5_000_000] + b"!" + NOISE[5_000_000:]))

    assert len(cut(NOISE)) / count / 2 < len(old) <= len(cut(NOISE)) / count * 2
    assert sum(map(length_of, new)) == new.size == len(NOISE) + 1
    assert len(set(new) - set(old)) <= 3
    many = joined(cut(bytes(40 << 20)), count)
    assert max(map(length_of, many)) <= 4 * count * LONGEST


class Trickle(io.BytesIO):
    """Gives less than is asked for, as a pipe may."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return super().readinto(buffer[:7777])


def test_a_reader_may_give_less_than_it_is_asked_for() -> None:
    assert take(Trickle(NOISE[: 1 << 20]), 1 << 20)[0] == cut(NOISE[: 1 << 20])


@pytest.mark.parametrize("change", [-(1 << 20), -1, 1, 1 << 20])
def test_a_file_that_is_not_as_long_as_it_was_is_told(change: int) -> None:
    with pytest.raises(SourceChangedError):
        take(io.BytesIO(NOISE[: (2 << 20) + change]), 2 << 20)


def test_what_the_callback_raises_ends_the_work() -> None:
    reader, told = io.BytesIO(NOISE), []

    def cancel(chunk: memoryview) -> None:
        told.append(len(chunk))
        if len(told) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        take(reader, len(NOISE), cancel)
    assert told == [length_of(chunk) for chunk in cut(NOISE)][:3]
    assert reader.tell() <= 2 << 20


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.blend"
    with path.open("wb") as writer:
        writer.truncate(512 << 20)
    code = (
        "import resource, sys; from pathlib import Path; from ggg_cloud_addon.cloud_storage.chunks import take;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "take(Path(sys.argv[1]).open('rb'), 512 << 20);"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)

    assert int(run.stdout) < 16  # MB


def test_without_the_library_the_engine_loads_and_says_that_it_cannot_cut() -> None:
    code = (
        "import sys; sys.modules['pyfastcdc.cy'] = None;"
        "import io; from ggg_cloud_addon.cloud_storage import CloudStorageManager, changes, chunk_memory, chunks;"
        "print(chunks.can_cut()); chunks.take(io.BytesIO(), 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.stdout == "False\n"
    assert run.stderr.splitlines()[-1].startswith("ModuleNotFoundError")
    assert chunks.can_cut()


# Planning. A letter stands for a chunk; how long it is, and what it holds, hangs on the letter alone.


def content_of(letters: str) -> bytes:
    return b"".join(letter.encode() * (1 + ord(letter) % 5) for letter in letters)


def listed(letters: str) -> Chunks:
    packed = b"".join(
        len(content_of(letter)).to_bytes(4, "little") + letter.encode("utf-16-le").ljust(16) for letter in letters
    )
    return Chunks(len(content_of(letters)), packed)


def applied(pieces: tuple[Piece, ...], old: bytes, new: bytes) -> bytes:
    return b"".join(
        new[piece.start : piece.end] if piece.source is None else old[piece.source : piece.source + piece.length]
        for piece in pieces
    )


def fewest_sent(old: str, new: str, least: int) -> int:
    """By trying everything: bytes are copied only where whole chunks or parts of them are the same."""
    old_bytes = [(letter, index) for letter in old for index in range(len(content_of(letter)))]
    new_bytes = [(letter, index) for letter in new for index in range(len(content_of(letter)))]
    size = len(new_bytes)
    # The longest range of the old content that begins with this byte of the new one.
    same = [[0] * (len(old_bytes) + 1) for _ in range(size + 1)]
    for at in reversed(range(size)):
        for place in reversed(range(len(old_bytes))):
            same[at][place] = new_bytes[at] == old_bytes[place] and 1 + same[at + 1][place + 1]

    @functools.cache
    def cost(start: int) -> int:
        if start == size:
            return 0
        found = [size - start]
        reach = start + max(same[start])
        for end in range(min(start + least, size), size + 1):
            found.append(cost(end) + (0 if end <= reach else end - start))
        return min(found)

    return cost(0)


letters = st.text("abcdefghijklmnopqrstuvwxyz", max_size=26)
different_letters = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), unique=True).map("".join)


@st.composite
def edited(draw: Callable[[st.SearchStrategy[str]], str]) -> tuple[str, str]:
    """A content of different chunks, and what edits in some places made of it."""
    old = "".join(chr(0x100 + index) for index in range(40))
    new = old
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(new)))
        new = new[:place] + draw(different_letters)[:4] + new[place + draw(st.integers(0, 4)) :]
    return old, new


def check(old: str, new: str, limits: Limits) -> tuple[Piece, ...]:
    pieces = plan(listed(old), listed(new), limits)
    assert applied(pieces, content_of(old), content_of(new)) == content_of(new)
    assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces)][:-1]
    assert all(piece.length >= limits.least for piece in pieces[:-1])
    assert all(piece.length > 0 for piece in pieces)
    for piece in pieces:
        assert piece.length <= (limits.most_sent if piece.source is None else limits.most_copied)
    assert len(pieces) <= limits.max_pieces
    return pieces


@settings(max_examples=300, deadline=None)
@given(letters, letters, st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_plan_makes_the_new_content_within_the_limits(old: str, new: str, least: int, sent: int, copied: int) -> None:
    limits = Limits(least=least, most_sent=2 * least + sent, most_copied=2 * least + copied, max_pieces=10_000)

    pieces = check(old, new, limits)

    # Copied runs are the longest from the left, which where chunks come more than once may not be the best ones.
    fewest = fewest_sent(old, new, least)
    assert fewest <= sent_bytes(pieces) <= len(content_of(new))
    if least == 1:
        assert sent_bytes(pieces) == fewest


@settings(max_examples=200, deadline=None)
@given(edited(), st.integers(1, 60))
def test_no_plan_sends_fewer_bytes(versions: tuple[str, str], least: int) -> None:
    old, new = versions
    limits = Limits(least=least, most_sent=1000, most_copied=1000, max_pieces=10_000)

    assert sent_bytes(check(old, new, limits)) == fewest_sent(old, new, least)


@settings(max_examples=100, deadline=None)
@given(different_letters, different_letters, st.integers(1, 12))
def test_no_plan_sends_fewer_bytes_when_chunks_change_places(old: str, new: str, least: int) -> None:
    limits = Limits(least=least, most_sent=1000, most_copied=1000, max_pieces=10_000)

    assert sent_bytes(check(old, new, limits)) == fewest_sent(old, new, least)


@given(edited(), st.integers(1, 30), st.integers(1, 12))
def test_too_many_pieces_are_made_fewer(versions: tuple[str, str], least: int, most: int) -> None:
    size = len(content_of(versions[1]))
    check(*versions, Limits(least=least, most_sent=max(2 * least, size), most_copied=2 * least, max_pieces=most))


def test_of_too_many_pieces_the_long_ones_are_still_copied() -> None:
    old = "".join(chr(0x100 + index) for index in range(200))
    new = old[:100] + "".join(f"{letter}!" for letter in old[100:120]) + old[120:]

    pieces = check(old, new, Limits(most_sent=1000, most_copied=1000, max_pieces=3))

    assert [piece.source is None for piece in pieces] == [False, True, False]


def test_what_does_not_go_into_so_many_pieces_is_refused() -> None:
    with pytest.raises(ValueError, match="pieces"):
        plan(listed("ab"), listed("cdefgh"), Limits(most_sent=2, most_copied=2, max_pieces=3))
    with pytest.raises(ValueError, match="twice"):
        Limits(least=5, most_sent=9, most_copied=100, max_pieces=3)


def test_nothing_needs_no_piece_and_the_same_needs_no_byte() -> None:
    assert plan(listed("abc"), listed(""), OPEN) == ()
    assert plan(listed("abc"), listed("abc"), OPEN) == (Piece(0, listed("abc").size, 0),)


def test_a_content_of_one_chunk_over_and_over_takes_no_time() -> None:
    assert sent_bytes(plan(listed("a" * 40_000), listed("b" + "a" * 30_000), OPEN)) == len(content_of("b"))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(NOISE)), st.binary(max_size=50), st.integers(0, 200_000)), max_size=4))
def test_a_real_content_is_put_together_from_the_plan(edits: list[tuple[int, bytes, int]]) -> None:
    new = NOISE
    for place, inserted, removed in edits:
        new = new[:place] + inserted + new[place + removed :]
    limits = Limits(least=1 << 20, most_sent=2 << 20, most_copied=1 << 30, max_pieces=100)

    pieces = plan(cut(NOISE), cut(new), limits)

    assert applied(pieces, NOISE, new) == new
    assert sent_bytes(pieces) <= len(edits) * ((1 << 20) + LONGEST)


# Remembering

ARM = ("models/arm.blend", '"e1"', "ab" * 32)


@pytest.fixture
def memory(tmp_path: Path) -> ChunkMemory:
    return ChunkMemory("s3://studio", tmp_path / "chunks")


def files(folder: Path) -> Iterator[Path]:
    return (folder / "chunks").iterdir()


def test_what_was_remembered_is_recalled_by_another_process_of_the_same_store(
    memory: ChunkMemory, tmp_path: Path
) -> None:
    key, etag, sha256 = ARM
    assert memory.recall(key) is None

    memory.remember(*ARM, listed("abc"))

    again = ChunkMemory("s3://studio", tmp_path / "chunks")
    assert again.recall(key) == Remembered(etag, sha256, listed("abc"))
    assert again.recall("models/leg.blend") is None
    assert ChunkMemory("s3://other", tmp_path / "chunks").recall(key) is None
    again.remember(key, '"e2"', sha256, listed(""))
    assert memory.recall(key) == Remembered('"e2"', sha256, listed(""))
    assert len(list(files(tmp_path))) == 1
    memory.forget(key)
    memory.forget(key)
    assert again.recall(key) is None


@given(st.data())
def test_an_entry_that_is_torn_or_changed_counts_as_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    memory = ChunkMemory("s3://studio", folder / "chunks")
    memory.remember(*ARM, listed("abc"))
    (file,) = files(folder)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)

    assert memory.recall(ARM[0]) is None
    memory.remember(*ARM, listed("abc"))
    assert memory.recall(ARM[0]) is not None


def test_an_entry_of_content_that_was_cut_in_another_way_counts_as_nothing(
    memory: ChunkMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ggg_cloud_addon.cloud_storage.chunk_memory.CUT", "as it was once")
    memory.remember(*ARM, listed("abc"))
    monkeypatch.undo()

    assert memory.recall(ARM[0]) is None


def test_the_oldest_make_room(tmp_path: Path) -> None:
    large = Chunks(1 << 20, bytes(20_000))
    memory = ChunkMemory("s3://studio", tmp_path / "chunks", room=50_000)
    memory.remember("first", '"1"', "", large)
    memory.remember("second", '"2"', "", large)
    for age, file in enumerate(sorted(files(tmp_path), key=lambda file: b"first" in file.read_bytes())):
        os.utime(file, (1000 - age, 1000 - age))
    memory.remember("third", '"3"', "", large)

    assert memory.recall("first") is None
    assert memory.recall("second")
    assert memory.recall("third")


def test_no_error_of_the_disk_is_the_callers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "chunks").write_bytes(b"a file where the folder should be")
    memory = ChunkMemory("s3://studio", tmp_path / "chunks")

    memory.remember(*ARM, listed("abc"))

    assert memory.recall(ARM[0]) is None
    memory.forget(ARM[0])
    assert "cannot be remembered" in caplog.text


def test_a_folder_in_the_place_of_an_entry_is_nobodys_error(memory: ChunkMemory, tmp_path: Path) -> None:
    memory.remember(*ARM, listed("abc"))
    (file,) = files(tmp_path)
    file.unlink()
    file.mkdir()

    memory.remember(*ARM, listed("abc"))

    assert memory.recall(ARM[0]) is None
    memory.forget(ARM[0])


WRITER = """
import sys
from pathlib import Path
from ggg_cloud_addon.cloud_storage.chunk_memory import ChunkMemory
from ggg_cloud_addon.cloud_storage.chunks import Chunks

memory = ChunkMemory("s3://studio", Path(sys.argv[1]), room=100_000)
for turn in range(300):
    size = turn % 7 + int(sys.argv[2])
    memory.remember(f"key {turn % 5}", str(size), "", Chunks(size, bytes([size]) * 20 * 1000))
    found = memory.recall(f"key {(turn + 1) % 5}")
    assert found is None or found.chunks == Chunks(int(found.etag), bytes([int(found.etag)]) * 20 * 1000)
"""


def test_two_processes_may_use_it_at_once(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "chunks", str(number)], stderr=subprocess.PIPE)
        for number in (1, 100)
    ]

    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 200_000
    assert not list((tmp_path / "chunks").glob("*.part"))
