"""A wire that fails: stands between clients and a server, loses its replies, and brings commands when nobody waits any more."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from typing import Self

from tests.services.service import HOST, free_port

CHUNK_BYTES = 65_536
QUIET_SECONDS = 10.0
GREETINGS = (b"HELLO", b"AUTH", b"CLIENT", b"SELECT")  # of Redis, before anything is asked


class Proxy:
    """Forwards a port of its own to a local one, in a thread of its own. For clients that ask and then wait for the answer."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listening = threading.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._held: list[bytes] = []  # a connection each
        self.losing = self.holding = False
        self.lost = self.lost_again = 0  # commands without a reply, and those on connections made while replies were being lost

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(QUIET_SECONDS), "the proxy does not listen"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def lose_replies(self, seconds: float) -> None:
        """What is asked is done, and nobody hears of it; then all connections are closed. Whoever connects anew meanwhile is
        greeted, or nothing could be repeated.
        """
        self.losing = True
        time.sleep(seconds)
        self._hang_up()
        self.losing = False

    def hold_commands(self, seconds: float) -> None:
        """Nothing is done; then all connections are closed. What was asked is kept for `deliver`."""
        self.holding = True
        time.sleep(seconds)
        self._hang_up()
        self.holding = False

    def deliver(self, rng: random.Random) -> None:
        """What was held arrives at last, in any order, and the answers go nowhere. With the server away it is lost."""
        held, self._held = self._held, []
        rng.shuffle(held)
        for commands in held:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self._target_port), QUIET_SECONDS) as server:
                server.sendall(commands)
                server.shutdown(socket.SHUT_WR)
                while server.recv(CHUNK_BYTES):
                    pass

    def _hang_up(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result(QUIET_SECONDS)

    async def _close_all(self) -> None:
        closed = set(self._connections)
        for task in closed:
            task.cancel()
        await asyncio.gather(*closed, return_exceptions=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, HOST, self.port)
        self._listening.set()
        await self._stop.wait()
        server.close()
        await self._close_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connection = Connection(self)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await connection.run(reader, writer, self._target_port)
        finally:
            writer.close()
            self._connections.discard(task)
            if connection.held:
                self._held.append(bytes(connection.held))


class Connection:
    """One client with its own connection to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self.held = bytearray()  # whole commands: nothing is held of a request that has begun to pass
        self._proxy = proxy
        self._idle = True  # the server has answered everything
        self._greeting = False  # what was asked last is one
        self._new = proxy.losing  # while others lose their answers

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """Until either end closes."""
        server_reader, server_writer = await asyncio.open_connection(HOST, port)
        both_ways = self._ask(reader, server_writer), self._answer(server_reader, writer)
        pumps = [asyncio.create_task(way) for way in both_ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.held or (self._proxy.holding and self._idle):
                self.held += chunk
                continue
            if self._idle:
                self._greeting = _greets(chunk)
            self._idle = False
            writer.write(chunk)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self._proxy.losing and not self._greeting:
                self._proxy.lost += not self._idle
                self._proxy.lost_again += self._new and not self._idle
            else:
                writer.write(chunk)
                await writer.drain()
            self._idle = True


def _greets(request: bytes) -> bool:
    """*2 $5 HELLO …: the first of what is asked has its name in the third line."""
    return any(name.upper() in GREETINGS for name in request.split(b"\r\n", 3)[2:3])
