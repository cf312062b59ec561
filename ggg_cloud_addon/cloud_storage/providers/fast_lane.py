"""What the fast lanes to S3 and Azure have in common: the few requests that transfers consist of, past the SDK.

A lane knows success, and maybe plain refusals. Whatever else comes, such as a busy server or a broken connection, is no
answer: then the SDK asks the same again, and knows the rest.

This is HTTP/1.1 as far as that needs it: http.client's own answers take longer than all else that a lane does.
"""

import contextlib
import http.client
import io
import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from urllib3.util.wait import wait_for_read

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

PIECE = 1 << 18
"""Bytes sent at a time; a longer one would make the progress jump."""
LONGEST_LINE = 1 << 16
BUFFER = 1 << 16
"""Bytes; a small object comes with its headers at once."""
FAILURES = 3
"""So often in a row the SDK could what the lane could not; then the lane is closed."""

Answer = TypeVar("Answer")


class NoAnswerError(Exception):
    """The lane got no answer that it knows; nobody sees this, as the SDK is asked then."""

    def __init__(self, why: str, *, maybe_done: bool) -> None:
        """``maybe_done``: the server may have done all the same what it was asked."""
        super().__init__(why)
        self.maybe_done = maybe_done


class _Counting(socket.SocketIO):
    """Counts the bytes that came."""

    count = 0

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """See :class:`io.RawIOBase`."""
        count = super().readinto(buffer)
        self.count += count or 0
        return count


class Connection:
    """One that is made already, for one request after the other."""

    def __init__(self, made: http.client.HTTPConnection) -> None:
        self._made = made
        self._taken = _Counting(made.sock, "rb")
        self._reader = io.BufferedReader(self._taken, BUFFER)
        self._read = 0

    @property
    def is_alive(self) -> bool:
        """What is idle and can be read from was closed by the server, or has more to say than was asked for."""
        is_clean = self._taken.count == self._read
        return is_clean and self._made.sock is not None and not wait_for_read(self._made.sock, timeout=0.0)

    def send(self, head: bytes, body: Any) -> None:
        """The head in one packet with the body's beginning."""
        if body is None:
            self._made.sock.sendall(head)
            return
        body.seek(0)
        self._made.sock.sendall(head + body.read(PIECE))
        while piece := body.read(PIECE):
            self._made.sock.sendall(piece)

    def answer(self) -> tuple[int, dict[str, str]]:
        """Status, and headers in lower case."""
        begin = self._reader.peek()
        end = begin.find(b"\r\n\r\n")  # nearly always all of it has come
        lines = self._head(end + 4) if end > 0 else self._lines()
        version, status, *_ = lines[0].split(" ", 2)
        if version != "HTTP/1.1":
            raise ValueError(f"{version!r} is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(status), headers

    def _head(self, size: int) -> list[str]:
        self._read += size
        return self._reader.read(size)[:-4].decode("latin-1").split("\r\n")

    def _lines(self) -> list[str]:
        """Up to an empty one."""
        lines = [self.line()]
        while line := self.line():
            lines.append(line)
        return lines

    def line(self) -> str:
        """The next one, without its end."""
        line = self._reader.readline(LONGEST_LINE)
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        self._read += len(line)
        return line[:-2].decode("latin-1")

    def read(self, size: int) -> bytes:
        """At most so many bytes of the body, as soon as there are any."""
        content = self._reader.read1(size)
        self._read += len(content)
        return content

    def close(self) -> None:
        """Both are closed, as either would keep the socket open; a thread that waits for bytes waits no more."""
        if self._made.sock is not None:
            with contextlib.suppress(OSError):
                self._made.sock.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._made.close()


class Stream:
    """The body of an answer; at its end the connection is free for the next request."""

    def __init__(
        self,
        connection: Connection,
        headers: Mapping[str, str],
        free: Callable[[Connection, Mapping[str, str]], object],
        *,
        is_empty: bool,
    ) -> None:
        self._connection: Connection | None = connection
        self._letting_go = threading.Lock()
        self._headers = headers
        self._free = free
        self._is_chunked = not is_empty and headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = 0 if is_empty or self._is_chunked else int(headers["content-length"])
        self._end_if_done()

    def read(self) -> bytes:
        """All of it.

        Raises:
            OSError, ValueError: the connection broke.
        """
        whole = io.BytesIO()
        while self._connection is not None:
            if self._is_chunked and not self._next_chunk(self._connection):
                break
            while self._left:
                whole.write(self._some(self._connection.read(self._left)))
            if self._is_chunked:
                self._connection.line()
            self._end_if_done()
        return whole.getvalue()

    def chunk(self, size: int) -> bytes:
        """The next bytes as they come, at most ``size`` unless they are in HTTP's own chunks; none at the end.

        Raises:
            OSError, ValueError: the connection broke.
        """
        connection = self._connection
        if connection is None or self._is_chunked:
            return self.read()
        content = self._some(connection.read(min(size, self._left)))
        self._end_if_done()
        return content

    def close(self) -> None:
        """A body that was not read to its end takes its connection with it; another thread may be reading."""
        connection = self._let_go()
        if connection is not None:
            connection.close()

    def _let_go(self) -> Connection | None:
        """The connection, once."""
        with self._letting_go:
            connection, self._connection = self._connection, None
            return connection

    def _some(self, content: bytes) -> bytes:
        if not content:
            raise ConnectionError("the connection ended")
        self._left -= len(content)
        return content

    def _next_chunk(self, connection: Connection) -> bool:
        self._left = int(connection.line().partition(";")[0], 16)
        if self._left:
            return True
        while connection.line():  # trailers
            pass
        self._is_chunked = False
        self._end_if_done()
        return False

    def _end_if_done(self) -> None:
        if self._left or self._is_chunked:
            return
        connection = self._let_go()
        if connection is not None:
            self._free(connection, self._headers)


class Asked:
    """A request on its way; who never wants the answer just drops it."""

    def __init__(self, connection: Connection | None, error: Exception | None = None) -> None:
        self.connection = connection
        self.error = error

    def __del__(self) -> None:
        """The answer is on this connection, which so is of no more use."""
        if self.connection is not None:
            self.connection.close()


class FastLane:
    """Requests to one bucket or container. Thread-safe."""

    REFUSAL: ClassVar[tuple[type[Exception], ...]] = ()
    """What is raised for an answer that says no and was read to its end."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, connect_s: float, read_s: float) -> None:
        """``url`` is the bucket's own address, with no ``/`` at its end; ``tls`` is for https; times are seconds."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._netloc = parts.netloc
        self._path = parts.path
        self._tls = tls
        self._connect_s = connect_s
        self._read_s = read_s
        self._idle: deque[Connection] = deque()
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether it is of any use here."""
        return self._failures < FAILURES

    def failed(self) -> None:
        """The SDK could what the lane could not."""
        self._failures += 1
        if not self.is_open:
            log.info("The fast lane is closed: the SDK has answers where it has none")

    def _send(self, head: Callable[[], bytes], body: Any) -> Asked:
        """Ask, and do not wait: :meth:`_answered` has what comes."""
        connection = self._connection()
        try:
            connection = connection or self._connect()
            connection.send(head(), body)
        except (OSError, ValueError, LookupError) as error:  # of the connection
            if connection is not None:
                connection.close()
            return Asked(None, error)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return Asked(connection)

    def _answered(self, asked: Asked, read: Callable[[Connection], Answer]) -> Answer:
        """What ``read`` makes of the answer.

        Raises:
            NoAnswerError: what came is no answer; of a body, a :class:`~.streams.Body`, bytes may have been sent then.
        """
        connection, asked.connection = asked.connection, None
        if connection is None:
            raise NoAnswerError(repr(asked.error), maybe_done=True) from asked.error
        try:
            answer = read(connection)
        except self.REFUSAL:  # all was read, and the connection is free
            raise
        except (OSError, ValueError, LookupError) as error:  # of the connection; of what came
            connection.close()
            raise NoAnswerError(repr(error), maybe_done=True) from error
        except BaseException:
            connection.close()
            raise
        self._failures = 0
        return answer

    def _free(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Keep a connection, whose answer was read, for the next request."""
        if headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._idle.append(connection)

    def _connection(self) -> Connection | None:
        """One that is idle and that the server has not closed."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.is_alive:
                    return connection
                connection.close()
        return None

    def _connect(self) -> Connection:
        made: http.client.HTTPConnection
        if self._tls is not None:
            made = http.client.HTTPSConnection(self._host, self._port, timeout=self._connect_s, context=self._tls)
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=self._connect_s)
        made.connect()
        made.sock.settimeout(self._read_s)
        return Connection(made)


@lru_cache
def time_of(header: str) -> datetime:
    """The time in a header; kept, as many answers have the same one.

    Raises:
        ValueError: it is none.
    """
    return parsedate_to_datetime(header)
