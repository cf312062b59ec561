"""HTTP/1.1 as far as the fast lane to S3 needs it: http.client's own answers take longer than all else that it does."""

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from botocore.exceptions import ResponseStreamingError
from urllib3.util.wait import wait_for_read

PIECE = 1 << 18
"""Bytes sent at a time; a longer one would make the progress jump."""
LONGEST_LINE = 1 << 16
BUFFER = 1 << 16
"""Bytes; a small object comes with its headers at once."""


class Connection:
    """One that is made already, for one request after the other."""

    def __init__(self, made: http.client.HTTPConnection) -> None:
        self._made = made
        self._reader = cast("io.BufferedReader", made.sock.makefile("rb", BUFFER))

    @property
    def is_alive(self) -> bool:
        """What is idle and can be read from was closed by the server."""
        return self._made.sock is not None and not wait_for_read(self._made.sock, timeout=0.0)

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
        lines = self._reader.read(end + 4)[:-4].decode("latin-1").split("\r\n") if end > 0 else self._lines()
        version, status, *_ = lines[0].split(" ", 2)
        if version != "HTTP/1.1":
            raise ValueError(f"{version!r} is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(status), headers

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
        return line[:-2].decode("latin-1")

    def read(self, size: int) -> bytes:
        """At most so many bytes of the body, as soon as there are any."""
        return self._reader.read1(size)

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

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        """Bytes as they come, ``size`` at most at a time.

        Raises:
            ResponseStreamingError: the connection broke.
        """
        try:
            if self._is_chunked:
                yield self.read()
            while (connection := self._connection) is not None:
                yield self._some(connection.read(min(size, self._left)))
                self._end_if_done()
        except (OSError, ValueError) as error:
            raise ResponseStreamingError(error=error) from error

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
