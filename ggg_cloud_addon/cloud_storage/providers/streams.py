"""Bytes on their way to and from a cloud: bodies that tell their progress, parts side by side, reads that go on.

A request is retried by the cloud's own SDK. A long transfer is more than a request: as long as any of its bytes get
through it goes on (:class:`Patience`), so parts are sent without the SDK's retries, and there is one retry, not two.
"""

import contextlib
import io
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

from ..changes import Piece
from ..chunks import Chunks, take
from ..errors import LocalFileError, SourceChangedError, StorageError, StoreUnavailableError
from . import problems
from .base import ObjectInfo, OnBytes, Source
from .limits import Rate

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Answer = TypeVar("Answer")

TRIES = 10
"""Failures in a row that achieved nothing, after which a transfer gives up: about a minute."""
LONGEST_WAIT = 20.0
"""Seconds."""


class Interrupted(BaseException):
    """Carries an error of the caller's through an SDK, which would take an ``Exception`` for a broken connection."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Body(io.BytesIO):
    """The bytes of one request; tells how many went out, and takes them back when a retry sends them again."""

    def __init__(self, content: bytes, on_bytes: OnBytes | None, rate: Rate) -> None:
        """``on_bytes`` may raise, to stop the request: :class:`Interrupted` comes out of it then.

        What is read to be sent is taken of ``rate``.
        """
        super().__init__(content)
        self._size = len(content)
        self._on_bytes = on_bytes
        self._rate = rate
        self._silent = False

    def __len__(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; of a rate that is limited, fewer than asked for, as a pipe gives them."""
        content = super().read(size if self._silent or size is None else self._rate.piece(size))
        self._take(len(content))
        return content

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """The next bytes, into a buffer."""
        count = super().readinto(buffer)
        self._take(count)
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; going back takes bytes back."""
        before = self.tell()
        after = super().seek(offset, whence)
        self._tell(after - before)
        return after

    def signal_not_transferring(self) -> None:
        """From now on it is read to be signed, not sent (called by s3transfer's handlers)."""
        self._silent = True

    def signal_transferring(self) -> None:
        """From now on it is read to be sent."""
        self._silent = False

    def _take(self, count: int) -> None:
        if not self._silent:
            self._rate.take(count)
        self._tell(count)

    def _tell(self, count: int) -> None:
        if self._on_bytes is None or self._silent or not count:
            return
        try:
            self._on_bytes(count)
        except Exception as error:
            raise Interrupted(error) from error


class Patience:
    """Decides whether something that keeps failing is tried again, and waits before it is."""

    def __init__(
        self, achieved: Callable[[], object] = lambda: None, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """``achieved`` tells how far the work is: while that changes, nobody gives up; ``wait`` takes seconds."""
        self._achieved = achieved
        self._wait = wait
        self._before: object = None
        self._failures = 0

    def failed(self, error: StoreUnavailableError) -> None:
        """Wait, longer each time; raise the error after :data:`TRIES` failures that achieved nothing.

        The waits are random up to a doubling bound (AWS Architecture Blog, "Exponential Backoff And Jitter").
        """
        now = self._achieved()
        self._failures = 1 if now != self._before else self._failures + 1
        self._before = now
        if self._failures >= TRIES:
            raise error
        if self._failures > 1:  # a connection that did some work and then broke is replaced at once
            self._wait(random.uniform(0, min(LONGEST_WAIT, 0.25 * 2**self._failures)))


Fetch = Callable[[int, int], Iterator[bytes]]
"""Gives the bytes from one position up to another."""


class ResumingDownload:
    """An object that is being read, over as many connections as it takes."""

    def __init__(self, info: ObjectInfo, start: int, stream: Iterator[bytes], fetch: Fetch) -> None:
        """Read ``stream``; where that breaks, ``fetch`` gives the rest, of the same ETag.

        Both raise StoreUnavailableError for a broken connection.
        """
        self.info = info
        self._start = start
        self._stream = stream
        self._fetch = fetch

    def __iter__(self) -> Iterator[bytes]:
        return resumed(self.info.key, self._start, self.info.size, self._stream, self._fetch)


def resumed(
    key: str,
    start: int,
    stop: int,
    stream: Iterator[bytes],
    fetch: Fetch,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[bytes]:
    """The bytes of a stream, and where that breaks, of others from there on; ``wait`` takes seconds.

    Raises:
        StoreUnavailableError: nothing gets through any more.
    """
    position = start
    patience = Patience(lambda: position, wait)
    while position < stop:
        try:
            for chunk in stream:
                position += len(chunk)
                yield chunk
            if position < stop:
                raise StoreUnavailableError(
                    f'The connection ended after {position} of {stop} bytes of "{key}"; try again.'
                )
        except StoreUnavailableError as error:
            patience.failed(error)
            stream = late(fetch, position, stop)


def late(fetch: Fetch, start: int, stop: int) -> Iterator[bytes]:
    """The request is made when the first byte is wanted: it may fail too."""
    yield from fetch(start, stop)


@contextlib.contextmanager
def reading(key: str) -> Iterator[None]:
    """Turn the system's errors about a file that is uploaded into a sentence (LocalFileError)."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise LocalFileError(
            f'"{key}" was not stored: its file on this machine cannot be read ({error.strerror or error}).'
        ) from error


def read_source(reader: BinaryIO, size: int, key: str) -> bytes:
    """The next ``size`` bytes of a file that is uploaded, or what is left of it.

    Raises:
        LocalFileError: it cannot be read.
    """
    with reading(key):
        content = reader.read(size)
        while len(content) < size and (more := reader.read(size - len(content))):
            content += more
    return content


def cut_source(key: str, source: Source, on_chunk: Callable[[memoryview], object]) -> tuple[Chunks, str]:
    """The chunks of a file that is uploaded, and its SHA-256; see :func:`~..chunks.take`.

    Raises:
        LocalFileError: it cannot be read.
        SourceChangedError: it is written to meanwhile.
    """
    try:
        with reading(key), source.open() as reader:
            return take(reader, source.size, on_chunk)
    except SourceChangedError as error:
        raise problems.source_changed(key) from error


class Parts(Generic[Answer]):
    """Sends the parts of one file side by side, reading it in order."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        key: str,
        source: Source,
        pieces: Sequence[Piece],
        send: Callable[[int, bytes, OnBytes], Answer],
        on_read: Callable[[bytes], object] = lambda content: None,
    ) -> None:
        """``send(number, content, on_bytes)`` sends one piece, numbered from 0, without a retry of its own.

        ``on_read`` gets what is read, in order.

        Of a piece that the store has already and copies, the content is empty. A piece lies in memory only while a
        thread of the pool has it: the pool's size bounds the memory of all files.
        """
        self._pool = pool
        self._key = key
        self._source = source
        self._pieces = pieces
        self._send = send
        self._moved: SimpleQueue[int | None] = SimpleQueue()
        self._stop = threading.Event()
        self._reading = threading.Lock()
        self._next = 0
        self._on_read = on_read

    def send_all(self, on_bytes: OnBytes | None) -> list[Answer]:
        """Send everything; the pieces' answers in order.

        Raises:
            StorageError: the source cannot be read, or the store did not take a part.
            Exception: what ``on_bytes`` raises, to cancel.
        """
        answers: dict[int, Answer] = {}
        with self._source.open() as reader:
            jobs = [self._pool.submit(self._job, reader, answers) for _ in self._pieces]
            try:
                for job in jobs:
                    job.add_done_callback(self._finished)
                left = len(self._pieces)
                while left:
                    moved = self._moved.get()
                    if moved is None:
                        left -= 1
                        if self._stop.is_set():
                            break
                    elif on_bytes is not None:
                        on_bytes(moved)
            finally:
                self._stop.set()
                errors = [error for job in jobs if not job.cancel() and (error := job.exception())]
        for error in errors:
            if not isinstance(error, _EndedError | Interrupted):
                raise error
        return [answers[number] for number in range(len(self._pieces))]

    def _finished(self, job: Future[None]) -> None:
        if job.cancelled() or job.exception():
            self._stop.set()
        self._moved.put(None)

    def _job(self, reader: BinaryIO, answers: dict[int, Answer]) -> None:
        with self._reading:
            number, self._next = self._next, self._next + 1
            piece, content = self._pieces[number], b""
            if piece.source is None:
                reader.seek(piece.start)
                content = read_source(reader, piece.length, self._key)
                self._on_read(content)
        patience = Patience(lambda: len(answers), self._stop.wait)
        while True:
            sent = 0

            def report(count: int) -> None:
                nonlocal sent
                if self._stop.is_set():
                    raise _EndedError
                sent += count
                self._moved.put(count)

            try:
                report(0)
                answers[number] = self._send(number, content, report)
                return
            except StoreUnavailableError as error:
                self._moved.put(-sent)
                patience.failed(error)


def equal_pieces(size: int, length: int) -> list[Piece]:
    """A content in pieces of one length, but the last; an empty one is a piece too."""
    return [Piece(begin, min(length, size - begin)) for begin in range(0, max(1, size), length)]


class _EndedError(Exception):
    """Ends a part, because its upload has ended."""
