"""What every store promises, held against memory and every kind of Redis there is: alone, as a cluster, the oldest version."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from copy import deepcopy

import pytest

from streams.state.keys import Keys, PartitionId
from streams.state.limits import MOST_FIELDS
from streams.state.memory_store import MemoryStore
from streams.state.redis_client import Client, connect
from streams.state.redis_store import RedisStore
from tests.services.redis import RedisServer
from tests.services.redis_variants import redis_variants, variants

PAGES = PartitionId("experience.page-load", 3)
CRASHES = PartitionId("experience.crash", 0)
BINARY = bytes(range(256))
MINUTE = 1_767_225_600_000


class Bench(ABC):
    """A store, and what a test must do behind its back."""

    store: MemoryStore | RedisStore
    other: MemoryStore | RedisStore  # the same state as another process sees it

    @abstractmethod
    async def save(self, partition: PartitionId) -> None: ...

    @abstractmethod
    async def roll_back(self, partition: PartitionId) -> None:
        """Puts back what was there at `save`, or nothing."""

    @abstractmethod
    async def let_expire(self, worker: str) -> None: ...


class MemoryBench(Bench):
    def __init__(self) -> None:
        self.now = 0.0
        self.store = self.other = MemoryStore(clock=lambda: self.now)
        self.saved: dict[PartitionId, dict[bytes, bytes]] = {}

    async def save(self, partition: PartitionId) -> None:
        self.saved = deepcopy(self.store.hashes)

    async def roll_back(self, partition: PartitionId) -> None:
        self.store.hashes = deepcopy(self.saved)

    async def let_expire(self, worker: str) -> None:
        self.now = self.store._workers[worker][1]


class RedisBench(Bench):
    def __init__(self, client: Client, prefix: str) -> None:
        self.client = client
        self.keys = Keys(prefix)
        self.store, self.other = RedisStore(client, prefix), RedisStore(client, prefix)
        self.saved: bytes | None = None

    async def save(self, partition: PartitionId) -> None:
        self.saved = await self.client.dump(self.keys.partition(partition))

    async def roll_back(self, partition: PartitionId) -> None:
        key = self.keys.partition(partition)
        await self.client.delete(key)
        if self.saved is not None:
            await self.client.restore(key, 0, self.saved)

    async def let_expire(self, worker: str) -> None:
        await self.client.delete(self.keys.worker(worker))


@pytest.fixture(params=["memory", "redis_server", "redis_cluster", "redis_6", *variants()])
async def bench(
    request: pytest.FixtureRequest, redis_prefix: str, redis_variant: Callable[[str], RedisServer]
) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
        return
    other = request.param in redis_variants()
    client = connect((redis_variant(request.param) if other else request.getfixturevalue(request.param)).url)
    try:
        yield RedisBench(client, redis_prefix)
    finally:
        await client.aclose()


def at(offset: int, **fields: bytes) -> dict[bytes, bytes]:
    """The fields of a checkpoint that leads to an offset."""
    return {b"_next": b"%d" % offset, **{name.encode(): value for name, value in fields.items()}}


async def test_an_unknown_partition_is_empty(bench: Bench) -> None:
    """Before the first checkpoint there is no offset, no field and no name."""
    assert await bench.store.next_offsets([PAGES, CRASHES]) == {}
    assert await bench.store.load(PAGES) == {}
    assert await bench.store.read(PAGES, [b"_next", b"a"]) == [None, None]
    assert await bench.store.partitions() == []


async def test_nothing_asked_is_nothing_answered(bench: Bench) -> None:
    """Empty questions are no errors."""
    assert await bench.store.next_offsets([]) == {}
    assert await bench.store.read(PAGES, []) == []
    await bench.store.forget(PAGES, MINUTE, [])


async def test_a_checkpoint_is_read_back_as_it_was_written(bench: Bench) -> None:
    """Names and values of fields may be any bytes."""
    fields = {**at(10), BINARY: BINARY, b"empty": b""}
    assert await bench.store.checkpoint(PAGES, None, fields) == 10
    assert await bench.other.load(PAGES) == fields
    assert await bench.other.read(PAGES, [b"none", BINARY, b"empty"]) == [None, BINARY, b""]


async def test_a_checkpoint_changes_only_its_own_fields(bench: Bench) -> None:
    """A second checkpoint replaces what it names and keeps the rest."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"1", b=b"1"))
    assert await bench.store.checkpoint(PAGES, 10, at(20, b=b"2")) == 20
    assert await bench.store.load(PAGES) == at(20, a=b"1", b=b"2")


async def test_partitions_are_apart(bench: Bench) -> None:
    """Each partition has its own offset and its own fields; offsets are told of the stored ones only."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"pages"))
    await bench.store.checkpoint(CRASHES, None, at(0, a=b"crashes"))
    assert await bench.store.next_offsets([PAGES, PartitionId("none", 0), CRASHES]) == {PAGES: 10, CRASHES: 0}
    assert await bench.store.load(CRASHES) == at(0, a=b"crashes")
    assert await bench.other.partitions() == [CRASHES, PAGES]


async def test_hundreds_of_partitions_may_be_asked_at_once(bench: Bench) -> None:
    """Nobody is refused because others ask too: a worker may hold any number of partitions, and so may a node of a cluster."""
    many = [PartitionId("experience.page-load", number) for number in range(400)]
    stored = await asyncio.gather(*(bench.store.checkpoint(partition, None, at(partition.number)) for partition in many))
    assert stored == [partition.number for partition in many]
    read = await asyncio.gather(*(bench.other.read(partition, [b"_next"]) for partition in many))
    assert read == [[b"%d" % partition.number] for partition in many]


async def test_repeating_after_a_lost_reply_changes_nothing(bench: Bench) -> None:
    """Who does not know whether a checkpoint stands may send it again and is told that it does."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"1"))
    for _ in range(3):
        assert await bench.store.checkpoint(PAGES, 10, at(20, a=b"2")) == 20
    assert await bench.store.load(PAGES) == at(20, a=b"2")


async def test_a_zombie_is_refused(bench: Bench) -> None:
    """A worker that lost the partition writes nothing and learns where the new owner is."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"1"))
    await bench.store.checkpoint(PAGES, 10, at(25, a=b"new owner"))
    assert await bench.other.checkpoint(PAGES, 10, at(20, a=b"zombie")) == 25
    assert await bench.store.load(PAGES) == at(25, a=b"new owner")


async def test_a_second_first_checkpoint_is_refused(bench: Bench) -> None:
    """Of two workers that both found nothing, one wins."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"first"))
    assert await bench.other.checkpoint(PAGES, None, at(7, a=b"second")) == 10
    assert await bench.store.load(PAGES) == at(10, a=b"first")


async def test_a_rollback_is_refused(bench: Bench) -> None:
    """After the store lost its latest writes, a worker that is ahead of it writes nothing on top of the gap."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"1"))
    await bench.save(PAGES)
    await bench.store.checkpoint(PAGES, 10, at(20, a=b"2"))
    await bench.roll_back(PAGES)
    assert await bench.store.checkpoint(PAGES, 20, at(30, b=b"3")) == 10
    assert await bench.store.load(PAGES) == at(10, a=b"1")


async def test_a_store_that_lost_everything_answers_none(bench: Bench) -> None:
    """A checkpoint that continues from an offset is refused where there is no hash any more."""
    await bench.save(PAGES)
    await bench.store.checkpoint(PAGES, None, at(10))
    await bench.roll_back(PAGES)
    assert await bench.store.checkpoint(PAGES, 10, at(20)) is None
    assert await bench.store.load(PAGES) == {}


async def test_offset_zero_is_not_nothing(bench: Bench) -> None:
    """A partition that applied no record yet is told from one without a hash."""
    await bench.store.checkpoint(PAGES, None, at(0))
    assert await bench.store.checkpoint(PAGES, None, at(5)) == 0
    assert await bench.store.checkpoint(PAGES, 0, at(5)) == 5


async def test_of_minutes_only_the_names_are_loaded(bench: Bench) -> None:
    """They are most of the hash, and whoever goes on counting needs to know only that they are there."""
    fields = {**at(10, a=b"1"), b"m:60000": b"first", b"m:0": BINARY, b"minute": b"none"}
    await bench.store.checkpoint(PAGES, None, fields)
    assert await bench.other.load(PAGES) == {**fields, b"m:60000": b"", b"m:0": b""}
    assert await bench.other.read(PAGES, [b"m:60000", b"m:1", b"m:0"]) == [b"first", None, BINARY]


async def test_forget_deletes_what_was_folded(bench: Bench) -> None:
    """Fields go once the stored fold reaches the one given; names that are gone already do no harm."""
    await bench.store.checkpoint(PAGES, None, at(10, _folded_until=b"60000", a=b"1", b=b"1"))
    await bench.store.forget(PAGES, 60_000, [b"a", b"gone"])
    assert await bench.store.load(PAGES) == at(10, _folded_until=b"60000", b=b"1")


@pytest.mark.parametrize("stored", [{}, {"_folded_until": b"59999"}, {"_folded_until": b"9999"}])
async def test_forget_keeps_what_may_be_open_again(bench: Bench, stored: dict[str, bytes]) -> None:
    """A deletion from before a rollback is refused: the stored fold is lower, or there is none. Numbers, not texts."""
    await bench.store.checkpoint(PAGES, None, at(10, a=b"1", **stored))
    await bench.store.forget(PAGES, 60_000, [b"a"])
    assert await bench.store.load(PAGES) == at(10, a=b"1", **stored)


async def test_forget_takes_any_number_of_fields(bench: Bench) -> None:
    """More fields than one script takes are deleted all the same."""
    names = [f"f{number}" for number in range(MOST_FIELDS - 2)]
    fold = {b"_folded_until": b"60000"}
    await bench.store.checkpoint(PAGES, None, {**at(10), **fold, **{name.encode(): b"" for name in names}})
    asked = [f"g{number}".encode() for number in range(2 * MOST_FIELDS)] + [name.encode() for name in names]
    await bench.store.forget(PAGES, 60_000, asked)
    assert await bench.store.load(PAGES) == {**at(10), **fold}


async def test_a_checkpoint_takes_fields_up_to_the_limit(bench: Bench) -> None:
    """The limit named is one that a script really takes."""
    fields = {**at(10), **{b"f%d" % number: b"v" for number in range(MOST_FIELDS - 1)}}
    assert await bench.store.checkpoint(PAGES, None, fields) == 10
    assert await bench.store.load(PAGES) == fields


async def test_a_checkpoint_over_the_limit_is_an_error(bench: Bench) -> None:
    """Too many fields are refused by number before anything is written."""
    fields = {**at(10), **{b"f%d" % number: b"v" for number in range(MOST_FIELDS)}}
    with pytest.raises(ValueError, match="3901 fields in one checkpoint, at most 3900"):
        await bench.store.checkpoint(PAGES, None, fields)
    assert await bench.store.load(PAGES) == {}


async def test_a_checkpoint_needs_its_offset(bench: Bench) -> None:
    """Fields without the offset they lead to are an error."""
    with pytest.raises(ValueError, match="_next"):
        await bench.store.checkpoint(PAGES, None, {b"a": b"1"})


async def test_workers_are_seen_while_they_live(bench: Bench) -> None:
    """The latest status of each worker is told, and none of one that fell silent."""
    await bench.store.announce("b", b"old", 5)
    await bench.store.announce("b", b"new", 50)
    await bench.other.announce("a", BINARY, 5)
    assert await bench.other.workers() == [BINARY, b"new"]
    await bench.let_expire("a")
    assert await bench.other.workers() == [b"new"]
    assert await bench.other.workers() == [b"new"]
    await bench.store.announce("a", b"back", 50)
    assert await bench.other.workers() == [b"back", b"new"]
