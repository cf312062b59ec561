"""A server on 127.0.0.1 that answers what a test says, byte by byte: what no real store can be made to say."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Heard(NamedTuple):
    """A request."""

    method: str
    target: str
    """Path and query as they were sent."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    connection: int
    """Numbered from 0 in the order in which they were made."""

    @property
    def by_lane(self) -> bool:
        """Boto3 says its name."""
        return "user-agent" not in self.headers


class Raw(NamedTuple):
    """An answer."""

    content: bytes
    ends: bool = False
    """The connection is closed behind it."""


Script = Callable[[Heard], Raw]


def answer(status: str, body: bytes = b"", *, ends: bool = False, length: int | None = None, **headers: str) -> Raw:
    """A whole answer, as most servers write them; ``length`` is what it says of its body if that is not the truth."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, ends)


class Scripted:
    """What the server has heard."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heard: list[Heard] = []
        self.closed = threading.Semaphore(0)
        """Released for each connection that it has closed."""
        self.url = ""
        self._connections = 0
        self._lock = threading.Lock()

    def connected(self) -> int:
        """The new connection's number."""
        with self._lock:
            self._connections += 1
            return self._connections - 1


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Run it while the block lasts."""
    told = Scripted(script)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            number = told.connected()
            with contextlib.suppress(ConnectionError):
                while line := self.rfile.readline():
                    method, target, _ = line.decode("latin-1").split(" ", 2)
                    headers = {}
                    while (line := self.rfile.readline().rstrip(b"\r\n")) != b"":
                        name, _, value = line.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip(" ")
                    if headers.get("expect"):
                        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    body = self.rfile.read(int(headers.get("content-length", 0)))
                    heard = Heard(method, target, headers, body, number)
                    told.heard.append(heard)
                    content, ends = told.script(heard)
                    self.wfile.write(content)
                    if ends:
                        return

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def shutdown_request(self, request: object) -> None:
            super().shutdown_request(request)  # type: ignore[arg-type]
            told.closed.release()

    with Server(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield told
        server.shutdown()
