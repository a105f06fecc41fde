"""What only a real Redis can show: refusals and lost replies."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from streams.state.errors import StoreError, StoreRejected, StoreUnavailable
from streams.state.keys import Keys, PartitionId
from streams.state.memory_store import MemoryStore
from streams.state.redis_client import Client
from streams.state.redis_store import LOADED_AT_ONCE, RedisStore
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.streams.state.blocks import PAGES, at, opened

StartRedis = Callable[..., RedisServer]


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Client]:
    async with opened(redis_server.url) as client:
        yield client


async def test_a_reply_lost_on_the_wire_is_repeated_unseen(redis_server: RedisServer, redis_prefix: str) -> None:
    """The client's own retries meet "refused" and still answer that the write stands."""
    with Proxy(redis_server.port) as proxy:
        async with opened(f"redis://127.0.0.1:{proxy.port}") as client:
            store = RedisStore(client, redis_prefix)
            await store.checkpoint(PAGES, None, at(0))
            for offset in range(1, 8):
                async with _replies_lost(proxy, times=offset % 3):
                    assert await store.checkpoint(PAGES, offset - 1, at(offset)) == offset
                assert await store.load(PAGES) == at(offset)


async def test_a_checkpoint_of_unknown_outcome_can_be_repeated(redis_server: RedisServer, redis_prefix: str) -> None:
    """When every reply is lost the store is unavailable; the same call later is told that the write stands."""
    with Proxy(redis_server.port) as proxy:
        async with opened(f"redis://127.0.0.1:{proxy.port}") as client:
            store = RedisStore(client, redis_prefix)
            await store.checkpoint(PAGES, None, at(1))
            async with _replies_lost(proxy, times=8):
                with pytest.raises(StoreUnavailable):
                    await store.checkpoint(PAGES, 1, at(2))
            assert await store.checkpoint(PAGES, 1, at(2)) == 2


@asynccontextmanager
async def _replies_lost(proxy: Proxy, times: int) -> AsyncIterator[None]:
    """The connection is closed so many times, and no reply comes before."""

    async def lose() -> None:
        for _ in range(times):
            await asyncio.to_thread(proxy.lose_replies, 0.05)

    losing = asyncio.create_task(lose())
    while times and not proxy.losing:  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0.001)
    yield
    await losing


async def test_a_server_that_forgot_the_scripts_is_taught_again(client: Client, redis_prefix: str) -> None:
    """A restart or SCRIPT FLUSH is not noticed."""
    store = RedisStore(client, redis_prefix)
    for offset in range(3):
        await client.script_flush()
        assert await store.checkpoint(PAGES, offset - 1 if offset else None, at(offset)) == offset


async def test_a_name_lost_in_a_rollback_is_written_again(client: Client, redis_prefix: str) -> None:
    """A partition is put back among the names within a minute, and not with every checkpoint."""
    now = 0.0
    store = RedisStore(client, redis_prefix, clock=lambda: now)
    await store.checkpoint(PAGES, None, at(0))
    await client.delete(Keys(redis_prefix).partitions)
    now = 59.0
    await store.checkpoint(PAGES, 0, at(1))
    assert await store.partitions() == []
    now = 60.0
    await store.checkpoint(PAGES, 1, at(2))
    assert await store.partitions() == [PAGES]


async def test_many_partitions_are_loaded_a_few_at_a_time(
    client: Client, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All answers share one line: if all were on their way, none might be whole in time."""
    store, under_way, most = RedisStore(client, redis_prefix), 0, 0
    load = store._load.run

    async def counted(*arguments: object) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await load(*arguments)  # type: ignore[arg-type]
        finally:
            under_way -= 1

    monkeypatch.setattr(store._load, "run", counted)
    await store.checkpoint(PAGES, None, at(0))
    found = await asyncio.gather(*(store.load(PAGES) for _ in range(50)))
    assert all(fields[b"_next"] == b"0" for fields in found)
    assert 1 < most <= LOADED_AT_ONCE


async def test_names_are_written_in_one_go(client: Client, redis_prefix: str) -> None:
    """A worker of many partitions has little time to find out where it goes on."""
    partitions = [PartitionId(PAGES.topic, number) for number in range(300)]
    for partition in partitions:
        await RedisStore(client, redis_prefix).checkpoint(partition, None, at(0))
    await client.delete(Keys(redis_prefix).partitions)
    store, written = RedisStore(client, redis_prefix), await _calls(client, "sadd")
    assert len(await store.next_offsets(partitions)) == 300
    assert await store.partitions() == partitions
    assert await _calls(client, "sadd") == written + 1


async def _calls(client: Client, command: str) -> int:
    statistics = await client.info("commandstats")
    return int(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def test_a_name_of_no_partition_is_left_out_and_told_of_once(
    client: Client, redis_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever wrote it there, all others are read. An id of no worker is dropped like one of a worker that is gone."""
    store, odd = RedisStore(client, redis_prefix), (b"page-load", b"page-load:x", b"page-load:-1", b"page-load:01", b"\xff:1")
    await store.checkpoint(PAGES, None, at(0))
    await client.sadd(Keys(redis_prefix).partitions, *odd)
    for _ in range(3):
        assert await store.partitions() == [PAGES]
    assert sorted(caplog.messages) == sorted(
        f"a member of {redis_prefix}:partitions is no partition and is left out: {name!r}" for name in odd
    )
    await store.announce("w", b"well", 60)
    await client.sadd(Keys(redis_prefix).workers, b"\xff")
    assert await store.workers() == [b"well"]
    assert await client.smembers(Keys(redis_prefix).workers) == {b"w"}


@pytest.mark.parametrize("seed", range(6))
async def test_memory_and_redis_answer_alike(client: Client, redis_prefix: str, seed: int) -> None:
    """Any sequence of calls gets the same answers from both stores, so a simulation in memory speaks for Redis."""
    stores: Sequence[MemoryStore | RedisStore] = (MemoryStore(), RedisStore(client, redis_prefix))
    draw = random.Random(seed)
    for _ in range(120):
        partition = PartitionId("topic", draw.randrange(2))
        expected, offset, fold = draw.choice([None, 0, 1, 2]), draw.randrange(3), draw.randrange(4)
        fields = {b"_next": b"%d" % offset, draw.choice([b"a", b"b", b"_folded_until"]): b"%d" % draw.randrange(4)}
        call = draw.randrange(3)
        answers = []
        for store in stores:
            if call:
                answers.append(await store.checkpoint(partition, expected, fields | {b"m:%d" % fold: b"m"}))
            else:
                await store.forget(partition, fold, [b"a", b"b"])
            answers.append([await store.load(partition), await store.read(partition, [b"m:%d" % i for i in range(4)])])
            answers.append([await store.partitions(), await store.next_offsets([partition])])
        assert answers[: len(answers) // 2] == answers[len(answers) // 2 :]


async def _error_of_a_checkpoint(url: str, prefix: str = "errors") -> StoreError:
    async with opened(url) as client:
        with pytest.raises(StoreError) as caught:
            await RedisStore(client, prefix).checkpoint(PAGES, None, at(1))
        return caught.value


async def test_a_wrong_password_is_rejected_with_a_hint(start_redis: StartRedis) -> None:
    """Repeating would not help: the message says what to look at, without the password."""
    server = start_redis(password="right")
    for url in (server.url.replace("right", "guess"), f"redis://127.0.0.1:{server.port}"):
        error = await _error_of_a_checkpoint(url)
        assert isinstance(error, StoreRejected)
        assert "password" in error.hint
        assert "guess" not in str(error)


async def test_a_server_that_is_down_is_unavailable(start_redis: StartRedis) -> None:
    """Every call says so, and the store works again as soon as the server does."""
    server = start_redis(options=["--appendfsync", "always"])  # what was written must be there again
    async with opened(server.url) as client:
        store = RedisStore(client, "down")
        await store.checkpoint(PAGES, None, at(1))
        server.kill9()
        for call in (store.load(PAGES), store.partitions(), store.workers(), store.next_offsets([PAGES])):
            with pytest.raises(StoreUnavailable, match="is it running"):
                await call
        server.start()
        assert await store.checkpoint(PAGES, 1, at(2)) == 2


async def test_an_abandoned_call_leaves_no_reply_behind(start_redis: StartRedis) -> None:
    """A caller may stop waiting for a server that hangs; the next call gets its own answer, not the one left over."""
    server = start_redis()
    async with opened(server.url) as client:
        store = RedisStore(client, "hang")
        await store.checkpoint(PAGES, None, at(1))
        for offset in range(1, 6):
            os.kill(server.pid, signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.checkpoint(PAGES, offset, at(offset + 1)), 0.05)
            os.kill(server.pid, signal.SIGCONT)
            assert await store.partitions() == [PAGES]
            assert await store.checkpoint(PAGES, offset, at(offset + 1)) == offset + 1
            assert await store.load(PAGES) == at(offset + 1)


@pytest.mark.parametrize("server_fixture", ["redis_server", "redis_6"])
async def test_a_full_memory_is_waited_for(request: pytest.FixtureRequest, server_fixture: str) -> None:
    """Out of memory is no reason to give up: nothing is lost while an operator raises the limit."""
    server: RedisServer = request.getfixturevalue(server_fixture)
    async with opened(server.url) as client:
        await client.sadd(Keys("full").partitions, str(PAGES))
        store = RedisStore(client, "full", clock=lambda: 0.0)
        await store.checkpoint(PAGES, None, at(0))
        await client.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await store.checkpoint(PAGES, 0, at(1))
        await client.config_set("maxmemory", "0")
        assert await store.checkpoint(PAGES, 0, at(1)) == 1


@pytest.mark.parametrize("server_fixture", ["redis_server", "redis_6"])
async def test_a_key_of_another_type_is_rejected(request: pytest.FixtureRequest, server_fixture: str) -> None:
    """Somebody else's key under the same name is a matter of settings."""
    server: RedisServer = request.getfixturevalue(server_fixture)
    async with opened(server.url) as client:
        await client.set(Keys("type").partition(PAGES), "text")
        with pytest.raises(StoreRejected, match="another prefix"):
            await RedisStore(client, "type").checkpoint(PAGES, None, at(1))


async def test_missing_rights_are_rejected(start_redis: StartRedis) -> None:
    """A user without the commands gets the name of the command that failed."""
    server = start_redis()
    async with opened(server.url) as client:
        await client.execute_command("ACL", "SETUSER", "reader", "on", ">pass", "~*", "+@read", "+@connection")
    error = await _error_of_a_checkpoint(server.url.replace("redis://", "redis://reader:pass@"))
    assert isinstance(error, StoreRejected)
    assert "sadd" in error.problem


@pytest.mark.parametrize("stale", ["yes", "no"])
async def test_a_replica_is_waited_for(start_redis: StartRedis, stale: str) -> None:
    """During a failover writes are refused for a while; read-only and cut-off replicas both mean wait."""
    server = start_redis()
    async with opened(server.url) as client:
        await client.config_set("replica-serve-stale-data", stale)
        await client.replicaof("127.0.0.1", "1")
    assert isinstance(await _error_of_a_checkpoint(server.url), StoreUnavailable)


async def test_a_cluster_url_for_a_single_server_is_rejected(redis_server: RedisServer) -> None:
    """The hint is the scheme to write instead."""
    error = await _error_of_a_checkpoint(redis_server.url.replace("redis://", "redis+cluster://"))
    assert isinstance(error, StoreRejected)
    assert "write redis://" in error.hint
