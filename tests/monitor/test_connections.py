"""Whether Redis is well, as a worker and `serve` find it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from monitor import connections
from monitor.calm import SECONDS as CALM_SECONDS
from monitor.calm import Calm
from monitor.connections import REFUSED_SECONDS, StorePulse, WorkerStore, shared_key
from streams.state.errors import StoreRejected, StoreUnavailable
from streams.state.keys import Keys
from streams.state.redis_client import Client, connect
from tests.services.redis import RedisServer
from tests.streams.state.blocks import PAGES, at

KEYS = Keys("pulse")
LARGE = {b"_next": b"1", b"large": bytes(4_000_000)}
ROOM = 2_000_000  # in memory: enough for what is small


class Clock:
    """Stands still until it is moved."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Client]:
    client = connect(server.url)
    yield client
    await client.aclose()


async def limit(client: Client, maxmemory: int) -> None:
    await client.config_set("maxmemory", maxmemory)


async def test_a_worker_finds_a_full_redis_unwell_until_there_is_room(client: Client) -> None:
    """`serve`, which reads, finds it well."""
    worker, serve = StorePulse(client, KEYS), StorePulse(client)
    for maxmemory, writable in ((1, False), (0, True), (1, False), (0, True)):
        await limit(client, maxmemory)
        await worker.refused()
        await worker.beat()
        await serve.beat()
        assert worker.healthy() is writable
        assert serve.healthy()


async def test_what_is_waited_for_is_said_once_in_half_a_minute(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """As long as it lasts, with a hint."""
    clock = Clock()
    pulse = StorePulse(client, KEYS)
    await limit(client, 1)
    with caplog.filtering(Calm(clock=clock)):  # as the handler of each process
        for _ in range(60):
            await pulse.beat()
            clock.seconds += 1
    assert len(caplog.records) == 60 / CALM_SECONDS
    assert "raise maxmemory" in caplog.text


async def test_near_the_limit_of_memory_a_refused_checkpoint_tells_what_the_pulse_cannot(client: Client) -> None:
    """Small writes are taken, large ones are not: Redis is unwell for a while after each that it refused."""
    clock = Clock()
    pulse = StorePulse(client, KEYS, clock=clock)
    store = WorkerStore(client, KEYS.prefix, pulse)
    assert await store.checkpoint(PAGES, None, at(0)) == 0
    await limit(client, (await client.info())["used_memory"] + ROOM)
    with pytest.raises(StoreUnavailable, match="maxmemory"):
        await store.checkpoint(PAGES, 0, LARGE)
    deaf = StorePulse(client, KEYS)
    async with asyncio.timeout(30):  # until Redis has freed the room that the request took
        while not deaf.healthy():
            await deaf.beat()
            await asyncio.sleep(0.1)
    await pulse.beat()
    assert not pulse.healthy()
    clock.seconds += REFUSED_SECONDS
    assert pulse.healthy()


async def test_a_checkpoint_without_an_answer_is_no_refusal(server: RedisServer, client: Client) -> None:
    """One that hangs while Redis is well is for the watchdog to end."""
    pulse = StorePulse(client, KEYS)
    await pulse.beat()
    server.kill9()
    with pytest.raises(StoreUnavailable):
        await WorkerStore(client, KEYS.prefix, pulse).checkpoint(PAGES, None, at(0))
    assert pulse.healthy()


async def test_the_shared_key_is_asked_for_until_redis_takes_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a beat, or until the worker is asked to stop."""
    monkeypatch.setattr(connections, "PULSE_SECONDS", 0.05)
    stop, pulse = asyncio.Event(), StorePulse(client)  # finds a full Redis well: it is the key itself that is refused
    beating = asyncio.create_task(pulse.run())
    await limit(client, 1)
    asking = [asyncio.create_task(shared_key(client, KEYS, pulse, stop)) for _ in range(2)]
    _, pending = await asyncio.wait(asking, timeout=0.2)
    assert len(pending) == len(asking)
    await limit(client, 0)
    assert 2 <= (await client.info("errorstats"))["errorstat_OOM"]["count"] <= 12
    first, second = await asyncio.gather(*asking)
    assert first == second == await client.get(KEYS.pseudonym_key)

    await limit(client, 1)
    asked = asyncio.create_task(shared_key(client, KEYS, pulse, stop))
    await asyncio.wait([asked], timeout=0.1)
    stop.set()
    assert await asked is None
    beating.cancel()


async def test_a_user_without_the_right_to_write_is_told_at_the_start(client: Client, server: RedisServer) -> None:
    """Of a worker; `serve` goes on."""
    await client.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-@write")
    reader = connect(server.url, username="app", password="pass")
    try:
        await StorePulse(reader).refused()
        with pytest.raises(StoreRejected, match="ACL SETUSER"):
            await StorePulse(reader, KEYS).refused()
    finally:
        await reader.aclose()
