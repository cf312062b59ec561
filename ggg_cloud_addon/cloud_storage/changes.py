"""What to send and what to copy, so that a content that the store has becomes another one.

Pure arithmetic on two lists of chunks; the store's limits come as numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .chunks import Chunks, length_of

_TRIED = 8
"""Places in the old content that are tried for a chunk which is there again and again, such as an empty picture's."""
_NODES = 3
"""How many runs lie between two that are kept, and one: see :func:`_keep`."""


@dataclass(frozen=True)
class Piece:
    """A range of the new content: sent, or copied from the old one."""

    start: int
    """Its first byte in the new content."""
    length: int
    source: int | None = None
    """Its first byte in the old content; ``None`` for what is sent."""

    @property
    def end(self) -> int:
        """Behind its last byte in the new content."""
        return self.start + self.length


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the store allows, in bytes."""

    least: int = 1
    """Of every piece but the last."""
    most_sent: int
    most_copied: int
    max_pieces: int

    def __post_init__(self) -> None:
        """Refuse what cannot be kept: a range is halved only where both halves have the least."""
        if not 2 <= 2 * self.least <= min(self.most_sent, self.most_copied):
            raise ValueError("The most of a piece has to be at least twice the least.")


def plan(old: Chunks, new: Chunks, limits: Limits) -> tuple[Piece, ...]:
    """Return pieces that make up the new content in order, with as few sent bytes as the limits allow.

    Where they would be too many, the shortest copied ones are sent instead.

    Raises:
        ValueError: the content has too many bytes for so many pieces.
    """
    if new.size > limits.most_sent * limits.max_pieces:
        raise ValueError(f"{new.size} bytes do not go into {limits.max_pieces} pieces.")
    runs = list(_common_runs(old, new))
    shortest = 0
    while True:
        kept = _keep([run for run in runs if run.length >= shortest], new.size, limits.least)
        pieces = tuple(_pieces(kept, new.size, limits))
        if len(pieces) <= limits.max_pieces:
            return pieces
        shortest = 2 * max(shortest, min(run.length for run in kept))


def sent_bytes(pieces: Iterable[Piece]) -> int:
    """How many bytes of the pieces are sent."""
    return sum(piece.length for piece in pieces if piece.source is None)


def _common_runs(old: Chunks, new: Chunks) -> Iterator[Piece]:
    """Ranges of the new content that the old one has too, each as long as can be."""
    old_chunks, new_chunks = list(old), list(new)
    places: dict[bytes, list[int]] = {}
    offsets = [0]
    for index, chunk in enumerate(old_chunks):
        places.setdefault(chunk, []).append(index)
        offsets.append(offsets[-1] + length_of(chunk))
    at = start = shift = 0
    while at < len(new_chunks):
        chunk, longest, source = new_chunks[at], 0, 0
        found = places.get(chunk, [])
        # As far from its old place as the last run is what an edit in place leaves behind.
        expected = at + shift
        tried = found if len(found) <= _TRIED else [*found[:_TRIED], expected]
        for place in tried:
            count = _in_common(old_chunks, place, new_chunks, at)
            if count > longest or (count == longest and place == expected):
                longest, source = count, place
        if longest:
            length = offsets[source + longest] - offsets[source]
            yield Piece(start, length, offsets[source])
            shift = source - at
        at += longest or 1
        start += length if longest else length_of(chunk)


def _in_common(old: list[bytes], old_at: int, new: list[bytes], new_at: int) -> int:
    count = 0
    most = min(len(old) - old_at, len(new) - new_at)
    while count < most and old[old_at + count] == new[new_at + count]:
        count += 1
    return count


@dataclass(frozen=True)
class _State:
    """The runs are decided up to one that is kept, from ``start`` on and, so far, to its end."""

    run: Piece
    start: int
    copied: int
    """Bytes in all."""
    before: "_State | None"
    before_end: int
    """Where the run that is kept before this one ends now."""


def _keep(runs: list[Piece], size: int, least: int) -> list[Piece]:
    """Choose the runs to copy and where to shorten them, so that most is copied; exact, in linear time.

    What lies between two copied runs is sent. Where it is shorter than the least, it takes bytes of the run before it,
    and what that one cannot spare, of the run behind: it costs the same, and leaves the runs behind most to spare. So a
    state is how much was copied and where the last run begins, and only states count that are not worse in both.
    Of three runs in a row that are all left out, the middle one could be kept, since either neighbour is
    enough to send: thus a run's forerunner is among the three before it.
    """
    begin = _State(Piece(0, 0, 0), 0, 0, None, 0)
    usable = [run for run in runs if run.length >= least or run.end == size]
    states = [[begin]]
    for run in usable:
        shortest = 1 if run.end == size else least
        found = [_next(state, run, least) for some in states[-_NODES:] for state in some]
        states.append(_best(state for state in found if run.end - state.start >= shortest))
    best: _State | None = max((state for some in states for state in some), key=lambda state: state.copied)
    end, kept = best.run.end if best else 0, []
    while best is not None and best.before is not None:
        source = (best.run.source or 0) + best.start - best.run.start
        kept.append(Piece(best.start, end - best.start, source))
        best, end = best.before, best.before_end
    return kept[::-1]


def _next(state: _State, run: Piece, least: int) -> _State:
    gap = run.start - state.run.end
    lacking = max(0, least - gap) if gap else 0
    spared = min(lacking, max(0, state.run.end - state.start - least))
    start = run.start + lacking - spared
    return _State(run, start, state.copied - spared + run.end - start, state, state.run.end - spared)


def _best(states: Iterable[_State]) -> list[_State]:
    """Those that no other one equals or beats in both: bytes copied, and bytes of the last run to spare."""
    best: list[_State] = []
    for state in sorted(states, key=lambda state: (-state.copied, state.start)):
        if not best or state.start < best[-1].start:
            best.append(state)
    return best


def _pieces(kept: list[Piece], size: int, limits: Limits) -> Iterator[Piece]:
    end = Piece(size, 0, 0)
    for before, run in pairwise([Piece(0, 0, 0), *kept, end]):
        yield from _divided(Piece(before.end, run.start - before.end), limits.most_sent)
        yield from _divided(run, limits.most_copied)


def _divided(whole: Piece, most: int) -> Iterator[Piece]:
    """The range in as few pieces as can be, of about one length."""
    count = -(-whole.length // most)
    cuts = [whole.length * index // count for index in range(count + 1)] if count else []
    for start, end in pairwise(cuts):
        source = None if whole.source is None else whole.source + start
        yield Piece(whole.start + start, end - start, source)
