"""A line to a server as slow as a studio's: a round trip of 25 ms, and 100 Mbit/s each way for all connections.

``python benchmarks/slow_line.py HOST PORT`` is the line, a process of its own, so that it waits for nobody's Python; it
prints its address. A chunk leaves when all before it have left, and arrives half a round trip later. A connection is
made in a round trip, as by TCP. No packet is lost, and no connection has to start slowly, as TCP's would.
"""

import asyncio
import contextlib
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

ROUND_TRIP = 0.025
"""Seconds."""
RATE = 12_500_000
"""Bytes per second each way."""
CHUNK = 1 << 14
"""Bytes: small, so that the connections take turns."""
MEASURED = 25_000_000
"""Bytes sent each way to measure the line."""
PINGS = 11


class Way:
    """One direction of the line."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._free = 0.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bring all that a connection sends this way."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)

        async def deliver() -> None:
            while True:
                arrival, data = await travelling.get()
                await _until(arrival)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver())
            data = b"-"
            while data:
                data = await reader.read(CHUNK)
                await travelling.put((await self._send(len(data)), data))

    async def _send(self, size: int) -> float:
        """Wait until the router before the line, whose queue is a round trip long, takes this; when will it arrive?"""
        async with self._turn:
            begins = max(_now(), self._free)
            self._free = left = begins + size / RATE
            await _until(begins - ROUND_TRIP)
        return left + ROUND_TRIP / 2


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(when: float) -> None:
    if (seconds := when - _now()) > 0:
        await asyncio.sleep(seconds)


async def run(host: str, port: int) -> None:
    """Be the line to this server."""
    up, down = Way(), Way()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ExceptionGroup, OSError):  # either end has gone away
            await asyncio.sleep(ROUND_TRIP)
            there, back = await asyncio.open_connection(host, port)
            with contextlib.closing(back):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(up.carry(reader, back))
                    tasks.create_task(down.carry(there, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", backlog=1024)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def slow_line(url: str) -> Iterator[str]:
    """Lay a line to the server at this URL; the answer is the URL at this end of it."""
    target = urlsplit(url)
    command = [sys.executable, __file__, str(target.hostname), str(target.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()  # the line ends when its stdin is closed, as it is on leaving


class Measured(NamedTuple):
    """What a line really is: seconds, and bytes per second."""

    round_trip: float
    up: float
    down: float


def measure_line() -> Measured:
    """Send plain bytes through a line."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        answers = pool.submit(_answer, listener)
        with slow_line("http://{}:{}".format(*listener.getsockname())) as url:
            line = urlsplit(url)
            with socket.create_connection((line.hostname or "", line.port or 0)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pings = []
                for _ in range(PINGS):
                    begun = time.perf_counter()
                    client.sendall(b"?")
                    client.recv(1)
                    pings.append(time.perf_counter() - begun)
                client.sendall(bytes(MEASURED))
                down = _receive(client)
            return Measured(median(pings), answers.result(), down)


def _answer(listener: socket.socket) -> float:
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(PINGS):
            connection.sendall(connection.recv(1))
        up = _receive(connection)
        connection.sendall(bytes(MEASURED))
        return up


def _receive(connection: socket.socket) -> float:
    """Bytes per second, from the first that comes to the last."""
    left = MEASURED - len(connection.recv(CHUNK))
    begun, counted = time.perf_counter(), left
    while left:
        left -= len(connection.recv(min(left, 1 << 20)))
    return counted / (time.perf_counter() - begun)


def _exact_loop() -> asyncio.AbstractEventLoop:
    """One that waits to the microsecond, where epoll's would to the millisecond; for up to 500 connections."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        measured = measure_line()
        print(f"{measured.round_trip * 1000:.1f} ms, {measured.up / 1e6:.2f} and {measured.down / 1e6:.2f} MB/s")
    else:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        with asyncio.Runner(loop_factory=_exact_loop) as runner:
            runner.run(run(sys.argv[1], int(sys.argv[2])))
