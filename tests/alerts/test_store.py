"""The contract of the store, held by memory and by a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from alerts.memory_store import MemoryAlertStore
from alerts.redis_store import RedisAlertStore
from alerts.store import AlertStore
from streams.state.redis_client import connect
from tests.services.redis import RedisServer


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[AlertStore]:
    """Each implementation of the port."""
    if request.param == "memory":
        yield MemoryAlertStore()
        return
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster")
    client = connect(server.url)
    yield RedisAlertStore(client, redis_prefix)
    await client.aclose()


async def test_the_lease_is_held_by_one(store: AlertStore) -> None:
    """The first one has it and renews it; another one does not get it meanwhile."""
    assert await store.hold("a", 60_000)
    assert await store.hold("a", 60_000)
    assert not await store.hold("b", 60_000)


async def test_the_lease_passes_on_when_it_runs_out(store: AlertStore) -> None:
    """A lease that is not renewed is free after its time."""
    assert await store.hold("a", 1)
    async with asyncio.timeout(5):
        while not await store.hold("b", 60_000):  # noqa: ASYNC110 - time passes in the server
            await asyncio.sleep(0.001)

    assert not await store.hold("a", 60_000)


async def test_the_lease_can_be_let_go_of(store: AlertStore) -> None:
    """The next one has it at once; letting go of what another one holds does nothing."""
    assert await store.hold("a", 60_000)
    assert not await store.hold("b", 0)
    assert await store.hold("a", 0)
    assert await store.hold("b", 60_000)


async def test_what_is_put_is_read_until_it_is_dropped(store: AlertStore) -> None:
    """A write adds, replaces and drops; the token is no part of what is read."""
    await store.take_over("t1")

    assert await store.read() == {}
    assert await store.write("t1", {"alert:1": "ä", "alert:2": "b"}, [])
    assert await store.write("t1", {"alert:1": "c"}, ["alert:2", "alert:3"])
    assert await store.read() == {"alert:1": "c"}


async def test_nothing_to_write_still_needs_the_token(store: AlertStore) -> None:
    """An engine that has nothing to say notices all the same that another one took over."""
    await store.take_over("t1")
    assert await store.write("t1", {}, [])
    await store.take_over("t2")
    assert not await store.write("t1", {}, [])


async def test_a_write_with_an_old_token_does_nothing(store: AlertStore) -> None:
    """Whoever was taken over can neither put nor drop."""
    await store.take_over("t1")
    await store.write("t1", {"alert:1": "a"}, [])
    await store.take_over("t2")

    assert not await store.write("t1", {"alert:1": "b"}, [])
    assert not await store.write("t1", {}, ["alert:1"])
    assert await store.read() == {"alert:1": "a"}


async def test_nothing_can_be_written_before_a_takeover(store: AlertStore) -> None:
    """An empty store, such as after a loss of all data, accepts no token."""
    assert not await store.write("", {"alert:1": "a"}, [])
    assert not await store.write("t1", {"alert:1": "a"}, [])


async def test_writes_may_be_large(store: AlertStore) -> None:
    """Ten thousand alerts fit in one call of the port."""
    await store.take_over("t1")
    many = {f"alert:{number}": "x" for number in range(10_000)}

    assert await store.write("t1", many, [])
    assert await store.read() == many
    assert await store.write("t1", {}, list(many))
    assert await store.read() == {}


@pytest.mark.parametrize("broken", [{b"alert:1": b"\xff"}, {b"alert:\xff": b"a"}], ids=["text", "name"])
async def test_what_is_no_text_is_logged_and_left_out(
    redis_server: RedisServer, redis_prefix: str, caplog: pytest.LogCaptureFixture, broken: dict[bytes, bytes]
) -> None:
    """The rest is read; the log names it."""
    client = connect(redis_server.url)
    store = RedisAlertStore(client, redis_prefix)
    await store.take_over("t1")
    await store.write("t1", {"alert:2": "b"}, [])
    await client.hset(f"{redis_prefix}:{{alerts}}:board", mapping=broken)

    assert await store.read() == {"alert:2": "b"}
    assert str(next(iter(broken))) in caplog.text
    await client.aclose()
