"""Connections that end while they are used."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka import preflight
from tests.services.service import HOST

assert preflight  # where it is mended


Check = Callable[[Any, socket.socket, list[Any]], Awaitable[None]]
AT_ONCE = struct.pack("ii", 1, 0)  # what closes a socket: a reset


async def connected(check: Check) -> None:
    """A connection to a broker that says nothing, the broker's end of it, and the reasons for which it was closed."""
    reasons: list[Any] = []
    with socket.create_server((HOST, 0)) as server:
        connection = AIOKafkaConnection(HOST, server.getsockname()[1], on_close=lambda _, reason: reasons.append(reason))
        await connection.connect()
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        await check(connection, peer, reasons)
        connection.close()


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(connection: Any) -> None:
        connection._versions = {MetadataRequest.API_KEY: (0, 5)}

    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", look_up)


def test_a_connection_that_is_being_closed_is_an_outage() -> None:
    """uvloop's word for it is a RuntimeError, which no caller in aiokafka expects. Who waits for an answer is told too."""

    async def check(connection: Any, peer: socket.socket, reasons: list[Any]) -> None:
        waiting: list[asyncio.Future[Any]] = []

        async def ask_on() -> None:
            while connection.connected():
                waiting.append(asyncio.ensure_future(connection.send(MetadataRequest([]))))
                await asyncio.sleep(0)

        peer.close()
        with pytest.raises(KafkaConnectionError) as told:
            await ask_on()
        assert "the handler is closed" in str(told.value.__cause__)
        assert not connection.connected()
        assert [reason.name for reason in reasons] == ["CONNECTION_BROKEN"]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in answers} == {KafkaConnectionError}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connected(check))


async def test_an_error_of_kafkas_is_left_as_it_is() -> None:
    """Though it is a RuntimeError by birth, it does not end the connection."""

    async def check(connection: Any, peer: socket.socket, reasons: list[Any]) -> None:
        refusal = KafkaConnectionError("no such request")

        class Refused:
            def prepare(self, _: object) -> None:
                raise refusal

        with pytest.raises(KafkaConnectionError) as told:
            connection.send(Refused())
        assert told.value is refusal
        assert connection.connected()
        assert reasons == []

    await connected(check)
