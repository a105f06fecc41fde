"""A wire that can be cut: stands between a client and a server, and loses replies when told to."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from tests.services.service import HOST


class Proxy:
    """Forwards to a local port. `lose_replies` drops the next so many connections when the server's answer comes."""

    def __init__(self, target_port: int) -> None:
        self.lose_replies = 0
        self.port = 0
        self._target_port = target_port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection(HOST, self._target_port)
        forward = asyncio.create_task(_copy(reader, server_writer))
        try:
            await self._answer(server_reader, writer)
        finally:
            forward.cancel()
            for end in (writer, server_writer):
                end.close()
            self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                if self.lose_replies:
                    self.lose_replies -= 1
                    return
                writer.write(chunk)
                await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
