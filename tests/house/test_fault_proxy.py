"""The proxy that judges how the product takes a bad network does what it claims, and nothing else."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO, ClassVar
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import IncompleteReadError, ResponseStreamingError
from fault_proxy import FaultProxy, Request
from servers import Server

CONTENT = bytes(range(256)) * 4000


class Store(BaseHTTPRequestHandler):
    """A store of one file; ``/chunked`` sends it in chunks, ``/full`` refuses an upload before it has read it."""

    protocol_version = "HTTP/1.1"
    content: ClassVar[bytes]
    seen: ClassVar[list[str]]
    connections: ClassVar[set[int]]
    left: ClassVar[threading.Event]

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(self.client_address[1])

    def finish(self) -> None:
        super().finish()
        self.left.set()

    def do_PUT(self) -> None:
        self.seen.append(f"{self.path} {self.headers['Host']}")
        if self.path == "/full":
            self.close_connection = True
            self.answer(507, b"full")
            return
        received = b""
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                received += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = int(self.headers["Content-Length"])
            received = self.rfile.read(size)
            if len(received) < size:
                raise ConnectionAbortedError
        type(self).content = received
        self.answer(201, b"")

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.answer(200, self.content)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes) -> None:
        chunked = self.path == "/chunked"
        self.send_response(status)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if self.command == "HEAD":
            return
        pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
        for piece in pieces:
            self.wfile.write(b"%x;piece\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\nX-Trailer: end\r\n\r\n")

    def log_message(self, *arguments: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *arguments: object) -> None:
        """Faults are expected here."""


@pytest.fixture
def store() -> Iterator[type[Store]]:
    Store.content, Store.seen, Store.connections, Store.left = CONTENT, [], set(), threading.Event()
    return Store


@pytest.fixture
def proxy(store: type[Store]) -> Iterator[FaultProxy]:
    with QuietServer(("127.0.0.1", 0), store) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        with FaultProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
            yield proxy
        server.shutdown()


class Client(http.client.HTTPConnection):
    """One kept-alive connection."""

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(proxy.url.removeprefix("http://"), timeout=10)

    def ask(self, method: str = "GET", path: str = "/file", body: bytes | None = None) -> tuple[int, bytes]:
        self.request(method, path, body)
        answer = self.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[Client]:
    client = Client(proxy)
    yield client
    client.close()


def test_all_passes_unchanged_on_one_connection(proxy: FaultProxy, client: Client, store: type[Store]) -> None:
    for path in ("/file", "/chunked"):
        assert client.ask(path=path) == (200, CONTENT)
        assert client.ask("HEAD", path) == (200, b"")
    assert client.ask("PUT", "/new?part=1", b"new" * 100_000)[0] == 201
    assert store.content == b"new" * 100_000
    client.request("PUT", "/chunks", iter([b"some ", b"chunks"]), encode_chunked=True)
    assert client.getresponse().read() == b""
    assert client.ask() == (200, b"some chunks")

    assert proxy.requests == [
        *((method, path) for path in ("/file", "/chunked") for method in ("GET", "HEAD")),
        ("PUT", "/new?part=1"),
        ("PUT", "/chunks"),
        ("GET", "/file"),
    ]
    assert f"/new?part=1 127.0.0.1:{client.port}" in store.seen, "The Host header is signed."
    assert len(store.connections) == 1
    assert proxy.faults == 0


def test_a_body_is_sent_when_the_server_says_continue(proxy: FaultProxy, store: type[Store]) -> None:
    with connected(proxy) as connection, connection.makefile("rb") as answers:
        for content in (b"new", b"newer"):
            connection.sendall(UPLOAD_THAT_WAITS % len(content))
            assert read_head(answers)[0] == b"HTTP/1.1 100 Continue"
            connection.sendall(content)
            assert read_head(answers)[0] == b"HTTP/1.1 201 Created"
            assert store.content == content
    assert len(store.connections) == 1


def test_an_upload_that_waits_to_continue_can_be_answered_without(proxy: FaultProxy, store: type[Store]) -> None:
    proxy.answer(503)
    with connected(proxy) as connection, connection.makefile("rb") as answers:
        connection.sendall(UPLOAD_THAT_WAITS % (20 * len(CONTENT)))
        head = read_head(answers)
        assert head[0] == b"HTTP/1.1 503 Service Unavailable"
        assert b"Connection: close" in head
        connection.sendall(20 * CONTENT)
        assert b"<Code>SlowDown</Code>" in answers.read()
    assert store.seen == []


UPLOAD_THAT_WAITS = b"PUT /file HTTP/1.1\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port), timeout=10)


def read_head(answers: BinaryIO) -> list[bytes]:
    return [line.rstrip() for line in iter(answers.readline, b"\r\n")]


def test_an_answer_that_comes_before_the_upload_is_read_arrives(client: Client) -> None:
    with contextlib.suppress(ConnectionError):  # it sends on after the server has left
        client.request("PUT", "/full", CONTENT * 20)
    answer = client.getresponse()

    assert (answer.status, answer.read()) == (507, b"full")


def test_the_server_sees_that_a_client_has_left(client: Client, store: type[Store]) -> None:
    client.ask()
    assert not store.left.is_set()
    client.close()

    assert store.left.wait(10)


def test_it_answers_in_place_of_the_server(proxy: FaultProxy, client: Client, store: type[Store]) -> None:
    proxy.answer(503, times=2, method="PUT", path=r"^/new\?part")

    assert client.ask("PUT", "/file", b"1")[0] == 201
    assert client.ask()[0] == 200
    for _ in range(2):
        status, body = client.ask("PUT", "/new?part=1", CONTENT)
        assert status == 503
        assert b"<Code>SlowDown</Code>" in body
    assert store.content == b"1"
    assert client.ask("PUT", "/new?part=1", b"2")[0] == 201
    assert proxy.faults == 2
    assert proxy.requests.count(Request("PUT", "/new?part=1")) == 3
    assert store.seen.count(f"/new?part=1 127.0.0.1:{client.port}") == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_answers_a_head_without_a_body(status: int, proxy: FaultProxy) -> None:
    proxy.answer(status)
    with connected(proxy) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"HEAD /file HTTP/1.1\r\n\r\nGET /file HTTP/1.1\r\n\r\n")

        assert read_head(answers)[0].startswith(b"HTTP/1.1 %d " % status)
        assert read_head(answers)[0] == b"HTTP/1.1 200 OK"


def test_it_loses_the_answer_to_what_was_done(proxy: FaultProxy, client: Client, store: type[Store]) -> None:
    proxy.lose_answer(method="PUT")

    with pytest.raises(ConnectionResetError):
        client.ask("PUT", body=b"new")
    assert store.content == b"new"
    client.close()
    assert client.ask("PUT", body=b"newer")[0] == 201
    assert proxy.faults == 1


@pytest.mark.parametrize("path", ["/file", "/chunked"])
def test_it_stops_in_the_middle_until_released(path: str, proxy: FaultProxy, client: Client) -> None:
    stall = proxy.stall(60)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.ask, "GET", path)
        assert stall.begun.wait(10)
        other = Client(proxy)
        assert other.ask() == (200, CONTENT), "The others do not wait."
        other.close()
        assert not asked.done()
        stall.release()
        assert asked.result(10) == (200, CONTENT)
    assert proxy.faults == 1


def test_it_stops_in_the_middle_for_a_time(proxy: FaultProxy, client: Client) -> None:
    proxy.stall(0.2, method="HEAD")
    assert client.ask("HEAD") == (200, b"")

    proxy.stall(60)
    client.request("GET", "/file")
    client.sock.settimeout(0.2)
    answer = client.getresponse()
    with pytest.raises(TimeoutError):
        answer.read()
    answer.close()


@pytest.mark.parametrize("path", ["/file", "/chunked"])
def test_it_ends_bodies_early(path: str, proxy: FaultProxy, client: Client) -> None:
    proxy.truncate(path=path)

    assert client.ask("HEAD", path) == (200, b"")
    assert client.ask("PUT", "/other", CONTENT)[0] == 201
    with pytest.raises(http.client.IncompleteRead):
        client.ask("GET", path)
    client.close()
    assert client.ask("GET", path) == (200, CONTENT)
    assert proxy.faults == 1


def test_it_damages_bodies(proxy: FaultProxy, client: Client) -> None:
    proxy.damage(path="/file")

    assert client.ask("HEAD", "/file") == (200, b"")
    assert client.ask("PUT", "/other", CONTENT)[0] == 201
    status, content = client.ask("GET", "/file")
    different = [at for at in range(len(CONTENT)) if content[at] != CONTENT[at]]
    assert (status, len(content), different) == (200, len(CONTENT), [len(CONTENT) // 2])
    assert client.ask("GET", "/file") == (200, CONTENT)
    assert proxy.faults == 1


def test_it_changes_headers(proxy: FaultProxy, client: Client) -> None:
    proxy.set_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
    proxy.set_header("X-New", "new", times=1)

    for new in ("new", None):
        client.request("GET", "/file")
        answer = client.getresponse()
        assert answer.read() == CONTENT
        assert answer.headers.get_all("Date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
        assert answer.headers["X-New"] == new
    assert proxy.faults == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_it_cuts_connections_about_every_so_many_bytes(
    seed: int, proxy: FaultProxy, client: Client, store: type[Store]
) -> None:
    proxy.cut_every(3_000_000, seed=seed)
    cuts = 0
    for number in range(100):
        method, body = ("GET", None) if number % 2 else ("PUT", CONTENT)
        try:
            assert client.ask(method, body=body)[0] < 300
        except (ConnectionResetError, BrokenPipeError):
            client.close()
            cuts += 1
        assert store.content == CONTENT

    assert cuts == proxy.faults
    assert 20 <= cuts <= 40, "About 100 MB passed."


def test_a_connection_to_a_server_that_is_gone_is_reset(unused_port: int) -> None:
    with FaultProxy(f"http://127.0.0.1:{unused_port}") as proxy, pytest.raises(ConnectionResetError):
        Client(proxy).ask()


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_its_end_ends_connections_that_stand_still(proxy: FaultProxy) -> None:
    with ThreadPoolExecutor() as pool:
        with FaultProxy(proxy.url) as second:
            stall = second.stall(60)
            asked = pool.submit(Client(second).ask)
            assert stall.begun.wait(10)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            asked.result(10)


def test_boto3_gets_through_all_of_it(moto: Server, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(moto.url) as proxy:
        client = replace(moto, url=proxy.url).client(retries={"total_max_attempts": 20, "mode": "standard"})
        for order in (lambda: proxy.answer(500), proxy.lose_answer, lambda: proxy.answer(503), proxy.truncate):
            order()
            client.put_object(Bucket=bucket_name, Key="arm.blend", Body=CONTENT)
            client.head_object(Bucket=bucket_name, Key="arm.blend")
        with pytest.raises((IncompleteReadError, ResponseStreamingError)):
            client.get_object(Bucket=bucket_name, Key="arm.blend")["Body"].read()
        assert client.get_object(Bucket=bucket_name, Key="arm.blend")["Body"].read() == CONTENT

        assert proxy.faults == 4
        assert len(proxy.requests) == 4 * 2 + 3 + 2
