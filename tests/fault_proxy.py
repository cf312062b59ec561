"""A bad network in front of a real server, on a schedule.

Clients use the proxy's URL as their endpoint. Requests pass byte for byte, so that signatures, which cover the Host
header, stay good. Only what a test orders goes wrong, and every fault dealt is counted.
"""

import asyncio
import contextlib
import math
import random
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

CHUNK = 1 << 18
"""Bytes read at a time."""

_BLANK_LINE = b"\r\n\r\n"
DRAIN_SECONDS = 0.05
_S3_CODES = {409: "ConditionalRequestConflict", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}


class Request(NamedTuple):
    """A request that the proxy saw; the path is as it was sent, with its query."""

    method: str
    path: str


@dataclass(frozen=True)
class Stall:
    """Answers that stop in the middle."""

    begun: threading.Event
    """Set when one stands still."""
    release: Callable[[], None]
    """Let the rest pass before the time is over."""


class FaultProxy:
    """A reverse proxy for one server, run by a thread while its block lasts.

    Orders may be given at any time, and several at once. ``times`` is how many requests or answers they spoil;
    ``method`` is a regular expression for the whole method, ``path`` one for any part of the path and the query.
    """

    def __init__(self, url: str) -> None:
        """``url`` is the server's, plain HTTP."""
        target = urlsplit(url)
        if target.scheme != "http":
            raise ValueError(f'The proxy reads what passes, and "{url}" is not plain HTTP.')
        self.requests: list[Request] = []
        """All requests seen, the oldest first."""
        self.faults = 0
        """How many faults were dealt so far."""
        self.sent = 0
        """Bytes that went to the server so far."""
        self.received = 0
        """Bytes that came from it and went to the clients so far."""
        self._target = (target.hostname, target.port)
        self._orders: list[_Order] = []
        self._cuts: _Cuts | None = None

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._accept())
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()
        self._listener.close()
        if not self._task.cancelled():
            self._task.result()  # raises what went wrong in the proxy itself

    @property
    def url(self) -> str:
        """The endpoint for clients."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_every(self, n_bytes: int, *, seed: int = 0) -> None:
        """From now on reset the connection that carries about every ``n_bytes``-th byte of all, of either direction.

        Each distance is random, of 0.5 to 1.5 times that.
        """
        self._cuts = _Cuts(n_bytes, random.Random(seed))

    def answer(self, status: int, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Answer with this status, as S3 does when it is busy or broken, and keep the requests from the server."""
        self._order("answer", times, method, path, status)

    def lose_answer(self, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Let the server do what was asked, then reset the connection instead of passing on its answer."""
        self._order("lose", times, method, path)

    def stall(self, seconds: float, *, times: int = 1, method: str = "", path: str = "") -> Stall:
        """Stop in the middle of the body, or of the head if there is no body."""
        begun, released = threading.Event(), asyncio.Event()
        self._order("stall", times, method, path, (begun, released, seconds))

        def release() -> None:
            self._loop.call_soon_threadsafe(released.set)

        return Stall(begun, release)

    def truncate(self, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Close the connection as if all were well in the middle of the body. Answers without one are let through."""
        self._order("truncate", times, method, path)

    def damage(self, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Change a bit in the middle of the body. Answers without one, or with one in chunks, are let through."""
        self._order("damage", times, method, path)

    def set_header(self, name: str, value: str, *, times: int | None = None, method: str = "", path: str = "") -> None:
        """Replace this header in every answer, or in so many."""
        self._order("header", times, method, path, (name, value))

    def heal(self) -> None:
        """Forget the orders; what stands still already goes on doing so."""
        self._orders.clear()

    def _order(self, fault: str, times: int | None, method: str, path: str, value: Any = None) -> None:
        left = math.inf if times is None else times
        self._orders.append(_Order(fault, re.compile(method or ".*"), re.compile(path), left, value))

    def _dealt(self, fault: str, request: Request) -> Iterator["_Order"]:
        """The orders to do this to the request, each used up by one as it is taken."""
        for order in self._orders:
            if order.fault == fault and order.left and order.fits(request):
                order.left -= 1
                self.faults += 1
                yield order

    def _deal(self, fault: str, request: Request) -> "_Order | None":
        return next(self._dealt(fault, request), None)

    def _allowed(self, count: int) -> int:
        """How many of so many bytes pass before the next cut."""
        allowed = self._cuts.allowed(count) if self._cuts else count
        self.faults += allowed < count
        return allowed

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._task]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _accept(self) -> None:
        async with asyncio.TaskGroup() as connections:
            while True:
                client, _ = await self._loop.sock_accept(self._listener)
                connections.create_task(self._connect(client))

    async def _connect(self, client: socket.socket) -> None:
        server = socket.socket()
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(self, _Peer(client), _Peer(server))
        with client, server:
            try:
                await self._loop.sock_connect(server, self._target)
                await link.run()
            except* _CloseError:
                pass
            except* (_CutError, OSError):
                # A reset throws away what the other side has not read yet: on a busy machine all, again and again.
                await asyncio.sleep(DRAIN_SECONDS)
                link.client.reset_on_close()
                link.server.reset_on_close()


@dataclass
class _Order:
    fault: str
    method: re.Pattern[str]
    path: re.Pattern[str]
    left: float
    value: Any

    def fits(self, request: Request) -> bool:
        return bool(self.method.fullmatch(request.method) and self.path.search(request.path))


class _Cuts:
    """Counts the bytes between cuts."""

    def __init__(self, distance: int, chance: random.Random) -> None:
        self._distance = distance
        self._chance = chance
        self._left = self._next()

    def _next(self) -> int:
        return max(1, round(self._distance * self._chance.uniform(0.5, 1.5)))

    def allowed(self, count: int) -> int:
        if count < self._left:
            self._left -= count
            return count
        before, self._left = self._left - 1, self._next()
        return before


class _CutError(Exception):
    """Reset this connection."""


class _CloseError(Exception):
    """Close this connection cleanly."""


@dataclass(frozen=True)
class _Framing:
    """How long a body is: so many bytes, in chunks, or up to the end of the connection."""

    length: int | None = 0
    chunked: bool = False

    @classmethod
    def of_request(cls, fields: dict[str, str]) -> Self:
        return cls(int(fields.get("content-length", 0)), "chunked" in fields.get("transfer-encoding", "").lower())

    @classmethod
    def of_answer(cls, request: Request, status: int, fields: dict[str, str]) -> Self:
        """RFC 9112, 6.3."""
        if request.method == "HEAD" or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            return cls()
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return cls(None, chunked=True)
        return cls(int(fields["content-length"]) if "content-length" in fields else None)


class _Peer:
    """One end of a connection: the client's or the server's."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = b""

    async def head(self) -> bytes:
        """The first line and the headers of the next message.

        Raises:
            EOFError: The peer has no more to send; so do :meth:`body` and :meth:`discard`.
        """
        return await self._until(_BLANK_LINE)

    async def body(self, framing: _Framing) -> AsyncIterator[bytes]:
        """The bytes of a body as they were sent, a piece at a time."""
        if framing.chunked:
            size = -1
            while size:
                line = await self._until(b"\r\n")
                yield line
                size = int(line.partition(b";")[0], 16)
                if size:
                    async for piece in self._exactly(size + len(b"\r\n")):
                        yield piece
            while line != b"\r\n":  # the trailer
                line = await self._until(b"\r\n")
                yield line
        elif framing.length is None:
            with contextlib.suppress(EOFError):
                while True:
                    yield await self._some(CHUNK)
        else:
            async for piece in self._exactly(framing.length):
                yield piece

    async def discard(self) -> None:
        """Read to the end."""
        while True:
            await self._some(CHUNK)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def finish(self) -> None:
        """Say that nothing more will come; it may still send."""
        with contextlib.suppress(OSError):  # it has left
            self._socket.shutdown(socket.SHUT_WR)

    def reset_on_close(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _some(self, limit: int) -> bytes:
        data = self._rest or await asyncio.get_running_loop().sock_recv(self._socket, CHUNK)
        if not data:
            raise EOFError
        self._rest = data[limit:]
        return data[:limit]

    async def _exactly(self, count: int) -> AsyncIterator[bytes]:
        while count:
            piece = await self._some(count)
            count -= len(piece)
            yield piece

    async def _until(self, end: bytes) -> bytes:
        data = b""
        while end not in data:
            data += await self._some(CHUNK)
        data, _, self._rest = data.partition(end)
        return data + end


@dataclass
class _Exchange:
    """A request and what became of it so far."""

    request: Request
    waits: bool = False
    """The client sends the body when it is told to continue, not before."""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class _Link:
    """A client's connection and its own connection to the server.

    One task passes requests, one passes answers, for a server may answer before it has all of the request.
    """

    def __init__(self, proxy: FaultProxy, client: _Peer, server: _Peer) -> None:
        self.client = client
        self.server = server
        self._proxy = proxy
        self._exchange = _Exchange(Request("", ""))
        self._over = False

    async def run(self) -> None:
        """Pass on until both sides have ended.

        Raises:
            ExceptionGroup: of _CloseError, _CutError, and OSError when a side was reset.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_requests())
            tasks.create_task(self._pass_answers())

    async def _pass_requests(self) -> None:
        with contextlib.suppress(EOFError):
            while not self._over:
                head = await self.client.head()
                if not self._over:
                    await self._pass_request(head)
            await self.client.discard()
        self.server.finish()

    async def _pass_request(self, head: bytes) -> None:
        method, path, _ = head.decode("latin-1").split(" ", 2)
        fields = _fields(head)
        request = Request(method, path)
        waits = fields.get("expect", "").lower() == "100-continue"
        body = self.client.body(_Framing.of_request(fields))
        self._proxy.requests.append(request)
        if order := self._proxy._deal("answer", request):
            if not waits:
                async for _ in body:
                    pass
            await self._to_client(_error_answer(order.value, request, close=waits))
            if waits:
                self._end()
            return
        self._exchange = exchange = _Exchange(request, waits)
        await self._to_server(head)
        async for piece in body:
            await self._to_server(piece)
        await exchange.done.wait()

    async def _pass_answers(self) -> None:
        with contextlib.suppress(EOFError):
            while not self._over:
                head = await self.server.head()
                status = int(head.split(b" ", 2)[1])
                exchange = self._exchange
                if status < HTTPStatus.OK:
                    exchange.waits = False
                    await self._to_client(head)
                    continue
                framing = _Framing.of_answer(exchange.request, status, _fields(head))
                if exchange.waits:  # nobody could tell the body, if it is still sent, from the next request
                    head = _with_header(head, "Connection", "close")
                await self._pass_answer(exchange.request, head, framing)
                if exchange.waits:
                    break
                exchange.done.set()
        self._end()

    async def _pass_answer(self, request: Request, head: bytes, framing: _Framing) -> None:
        for order in self._proxy._dealt("header", request):
            head = _with_header(head, *order.value)
        if self._proxy._deal("lose", request):
            raise _CutError
        has_body = framing.length != 0
        damage = self._proxy._deal("damage", request) if framing.length else None
        stop = (self._proxy._deal("truncate", request) if has_body else None) or self._proxy._deal("stall", request)
        middle = len(head) + (framing.length or 2) // 2 if has_body else len(head) // 2
        async for piece in _chain(head, self.server.body(framing)):
            if damage and len(piece) > middle:
                piece = piece[:middle] + bytes([piece[middle] ^ 1]) + piece[middle + 1 :]
                damage = None
            if stop and len(piece) > middle:
                await self._to_client(piece[:middle])
                if stop.fault == "truncate":
                    raise _CloseError
                await self._stand_still(*stop.value)
                piece, stop = piece[middle:], None
            middle -= len(piece)
            await self._to_client(piece)

    async def _stand_still(self, begun: threading.Event, released: asyncio.Event, seconds: float) -> None:
        begun.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(released.wait(), seconds)

    def _end(self) -> None:
        """Nothing more comes for the client; what it still sends is read, or the reset would overtake the answer."""
        self._over = True
        self.client.finish()
        self._exchange.done.set()

    async def _to_client(self, data: bytes) -> None:
        allowed = self._proxy._allowed(len(data))
        await self.client.send(data[:allowed])
        self._proxy.received += allowed
        if allowed < len(data):
            raise _CutError

    async def _to_server(self, data: bytes) -> None:
        allowed = self._proxy._allowed(len(data))
        with contextlib.suppress(OSError):  # it has left: the other task passes on what it said before, and ends
            await self.server.send(data[:allowed])
            self._proxy.sent += allowed
        if allowed < len(data):
            raise _CutError


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _with_header(head: bytes, name: str, value: str) -> bytes:
    first, *lines = head.removesuffix(_BLANK_LINE).split(b"\r\n")
    others = [line for line in lines if line.partition(b":")[0].strip().lower() != name.lower().encode()]
    return b"\r\n".join([first, *others, f"{name}: {value}".encode("latin-1")]) + _BLANK_LINE


def _error_answer(status: int, request: Request, *, close: bool) -> bytes:
    """In the words of S3; Azure's SDK goes by the status."""
    phrase = HTTPStatus(status).phrase
    code = _S3_CODES.get(status, phrase.replace(" ", ""))
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{phrase}</Message></Error>'
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    head += "Connection: close\r\n\r\n" if close else "\r\n"
    return (head if request.method == "HEAD" else head + body).encode()
