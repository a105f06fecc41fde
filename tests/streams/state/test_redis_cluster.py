"""What a cluster of several primaries adds: partitions lie apart, a primary may be away, slots may move."""

import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from streams.state.errors import StoreUnavailable
from streams.state.keys import Keys, PartitionId
from streams.state.redis_store import RedisStore
from tests.services.redis_cluster import Primary, RedisCluster
from tests.services.service import HOST
from tests.streams.state.blocks import PAGES, at, changed, opened

PARTITIONS = [PartitionId("experience.page-load", number) for number in range(12)]
StartCluster = Callable[..., RedisCluster]


async def _held(primary: Primary, prefix: str) -> set[bytes]:
    async with Redis.from_url(primary.url.replace("redis+cluster", "redis")) as client:
        return set(await client.keys(f"{prefix}*"))


async def test_each_primary_holds_some_partitions_and_each_partition_lies_whole(
    redis_cluster: RedisCluster, redis_prefix: str
) -> None:
    """One call asks for the offsets on all of them."""
    async with opened(redis_cluster.url) as client:
        store = RedisStore(client, redis_prefix)
        for partition in PARTITIONS:
            assert await store.checkpoint(partition, None, at(partition.number)) == partition.number
        assert await store.next_offsets(PARTITIONS) == {partition: partition.number for partition in PARTITIONS}
        assert await store.partitions() == PARTITIONS
    keys, found = Keys(redis_prefix), 0
    for primary in redis_cluster.primaries:
        held = await _held(primary, redis_prefix)
        here = [partition for partition in PARTITIONS if keys.partition(partition).encode() in held]
        assert here
        found += len(here)
    assert found == len(PARTITIONS)


async def test_a_killed_primary_is_waited_for(start_redis_cluster: StartCluster) -> None:
    """While it is away its partitions are unavailable, never refused; then they go on, on the same client."""
    cluster = start_redis_cluster()
    for primary in cluster.primaries:
        primary.ask("CONFIG SET appendfsync always")  # otherwise a busy disk may lose whatever was written
    async with opened(cluster.url) as client:
        store = RedisStore(client, "killed")
        stored = dict.fromkeys(PARTITIONS, 10)
        for partition in PARTITIONS:
            await store.checkpoint(partition, None, at(10))
        for primary in cluster.primaries[:2]:  # the first is the one that the URL names
            held = await _held(primary, "killed")
            primary.kill9()
            for partition, before in stored.items():
                if Keys("killed").partition(partition).encode() in held:
                    with pytest.raises(StoreUnavailable):
                        await store.checkpoint(partition, before, changed(before, before + 1))
            primary.start()
            for partition, before in stored.items():
                assert await _patiently(store, partition, before) == before + 1
                assert await store.load(partition) == at(before + 1)
                stored[partition] = before + 1


async def test_slots_that_move_are_followed(start_redis_cluster: StartCluster) -> None:
    """A partition goes on while its slot is moved to another primary, key by key; at most it is told to wait."""
    cluster = start_redis_cluster(missed_after_ms=15_000)
    async with opened(cluster.url) as client:
        store, key = RedisStore(client, "moved"), Keys("moved").partition(PAGES)
        await store.checkpoint(PAGES, None, at(0))
        slot = cluster.primaries[0].ask(f"CLUSTER KEYSLOT {key}").strip(":\r\n")
        (source,) = [primary for primary in cluster.primaries if key.encode() in await _held(primary, "moved")]
        target = next(primary for primary in cluster.primaries if primary is not source)
        target.ask(f"CLUSTER SETSLOT {slot} IMPORTING {_id(source)}")
        source.ask(f"CLUSTER SETSLOT {slot} MIGRATING {_id(target)}")
        offset = 0
        for moving in sorted(await _held(source, "moved:{experience")):
            source.ask(f"MIGRATE {HOST} {target.port} {moving.decode()} 0 5000")
            stored = (await store.load(PAGES))[b"_next"]
            assert stored == b"%d" % offset
            try:
                offset = await store.checkpoint(PAGES, offset, changed(offset, offset + 1)) or -1
            except StoreUnavailable:
                continue
        for primary in cluster.primaries:
            primary.ask(f"CLUSTER SETSLOT {slot} NODE {_id(target)}")
        assert await _patiently(store, PAGES, offset) == offset + 1
        assert await store.load(PAGES) == at(offset + 1)
        assert not await _held(source, "moved:{experience")


def _id(primary: Primary) -> str:
    return primary.ask("CLUSTER MYID").split("\r\n")[1]


async def _patiently(store: RedisStore, partition: PartitionId, before: int, seconds: float = 20) -> int:
    """A checkpoint that is repeated while the store is unavailable, as a worker does; the offset that is stored then."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await store.checkpoint(partition, before, changed(before, before + 1)) or 0
        except StoreUnavailable:
            assert time.monotonic() < deadline
