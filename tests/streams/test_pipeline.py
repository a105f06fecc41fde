"""The protocol between log, memory and store: whatever goes wrong, each record is applied once."""

import asyncio
import copy
import itertools
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from streams.kafka.batch import DeadLetter
from streams.metrics.columns import Columns
from streams.metrics.registry import catalogue
from streams.pipeline import Pipeline
from streams.runner import PipelineSettings
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.windows.pane import Pane
from streams.windows.partition import Partition
from streams.windows.position import offset_of
from streams.windows.rows import Rows
from streams.windows.uniques import hash64
from tests.streams.fakes import FakeLog, drain
from tests.streams.records import START, Raw, page
from tests.streams.windows.test_partition import content, story

TOPICS = catalogue().topics("experience.")
PAGES = PartitionId("experience.page-load", 0)
CONTACTS = PartitionId("experience.contact", 0)


class Ticks:
    """A clock that moves on at each look."""

    def __init__(self, step: float = 0.3) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Faulty(MemoryStore):
    """Loses replies, refuses calls, applies commands late, and falls back to an earlier state."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng, self.calm = rng, False
        self._late: list[tuple[object, ...]] = []
        self._old: list[dict[PartitionId, dict[bytes, bytes]]] = []

    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        chance = 1.0 if self.calm else self.rng.random()
        if chance < 0.1:
            self._late.append((partition, expected, dict(fields)))
            raise StoreUnavailable("the command is on its way")
        if chance < 0.2:
            await super().checkpoint(partition, expected, fields)
            raise StoreUnavailable("the reply was lost")
        if chance < 0.3:
            raise StoreUnavailable("refused")
        if chance < 0.4 and self._late:
            await super().checkpoint(*self._late.pop(self.rng.randrange(len(self._late))))  # type: ignore[arg-type]
        if chance < 0.45 and self._old:
            self.hashes = copy.deepcopy(self.rng.choice(self._old[-3:]))
        answer = await super().checkpoint(partition, expected, fields)
        self._old.append(copy.deepcopy(self.hashes))
        return answer

    async def forget(self, partition: PartitionId, folded_until: int, fields: Sequence[bytes]) -> None:
        if not self.calm and self.rng.random() < 0.3:
            raise StoreUnavailable("refused")
        await super().forget(partition, folded_until, fields)


def build(store: MemoryStore, log: FakeLog, worker: str = "w", clock: Ticks | None = None) -> Pipeline:
    settings = PipelineSettings(worker=worker, pseudonym=hash64, key_fingerprint="", checkpoint_seconds=0.5)
    return Pipeline(TOPICS, store, store, log, settings, clock or Ticks())


async def expected(records: dict[PartitionId, list[Raw]]) -> dict[PartitionId, dict[bytes, bytes]]:
    """The hashes that a run without faults leaves."""
    store, log = MemoryStore(), FakeLog(dict(records))  # type: ignore[arg-type]
    pipeline = build(store, log)
    await pipeline.positions(list(records))
    await drain(pipeline, log)
    return {partition: content(fields) for partition, fields in store.hashes.items()}


@pytest.mark.parametrize("seed", range(8))
async def test_faults_of_the_store_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost replies, late commands, rollbacks, restarts and zombies: the hash is what a quiet run leaves."""
    monkeypatch.setattr("streams.pauses.FIRST_SECONDS", 0)
    rng = random.Random(seed)
    records = {PAGES: story("page-load", seed, 1500), CONTACTS: story("contact", seed, 700)}
    store, zombie_log = Faulty(rng), FakeLog(dict(records))  # type: ignore[arg-type]
    zombie = build(store, zombie_log, "zombie")
    await zombie.positions(list(records))
    for _ in range(4):  # workers that are killed, one after the other, while the zombie goes on
        log = FakeLog(dict(records))  # type: ignore[arg-type]
        pipeline = build(store, log)
        await pipeline.positions(list(records))
        for _ in range(rng.randint(1, 25)):
            for who, where in ((pipeline, log), (zombie, zombie_log)):
                batch = where.fetch(rng.choice([PAGES, CONTACTS]), rng.randint(1, 120))
                if batch:
                    await who.feed(batch)
                await who.tick()
    store.calm = True
    log = FakeLog(dict(records))  # type: ignore[arg-type]
    pipeline = build(store, log)
    await pipeline.positions(list(records))
    await drain(pipeline, log, rng)
    assert {partition: content(fields) for partition, fields in store.hashes.items()} == await expected(records)


async def test_of_many_partitions_one_applies_in_each_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many have something to apply at once: what else waits for the loop does not wait for all of them."""
    places = [PartitionId(PAGES.topic, number) for number in range(5)]
    log, turns, applied = FakeLog({place: [page(i, i) for i in range(10)] for place in places}), [0], Counter[int]()
    pipeline, apply = build(MemoryStore(), log), Partition.apply

    def noted(self: Partition, *arguments: Any) -> Any:
        applied[turns[0]] += 1
        return apply(self, *arguments)

    async def turn() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    await pipeline.positions(places)
    await pipeline.tick()  # reads what is stored, which is nothing
    monkeypatch.setattr(Partition, "apply", noted)
    turning = asyncio.create_task(turn())
    batches = [batch for place in places if (batch := log.fetch(place, 10))]
    await asyncio.gather(*map(pipeline.feed, batches))
    await pipeline.tick()
    turning.cancel()
    assert applied.total() >= len(places)
    assert max(applied.values()) == 1


async def test_a_batch_lost_on_the_way_is_read_again() -> None:
    """A break in the chain of batches seeks back to where the state stands."""
    records = [page(i, i) for i in range(50)]
    store, log = MemoryStore(), FakeLog({PAGES: list(records)})
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await pipeline.tick()
    log.fetch(PAGES, 10)  # dropped by nobody's fault
    await drain(pipeline, log)
    assert store.hashes[PAGES][b"_next"] == b"50"
    assert b'"records": 50' in store.hashes[PAGES][b"_meta"]


async def test_records_the_log_no_longer_has_are_counted() -> None:
    """Retention that overtakes a stopped worker is a loss with a number, and the stream goes on."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(20)]})
    first = build(store, log)
    await first.positions([PAGES])
    await drain(first, log)
    log.records[PAGES] = [page(i, i) for i in range(60, 80)]
    log.starts[PAGES] = 60
    second = build(store, log)
    await second.positions([PAGES])
    await drain(second, log)
    assert offset_of(int(store.hashes[PAGES][b"_next"])) == 80
    assert b'"offsets_lost": 40' in store.hashes[PAGES][b"_meta"]


@pytest.mark.parametrize(("markers", "start", "lost"), [(1, 21, 1), (0, 45, 25)])
async def test_a_log_that_is_empty_is_gone_on_with(markers: int, start: int, lost: int) -> None:
    """Nothing comes that could show the loss: neither behind a marker that alone was left, nor where the unread end is gone."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(20)]})
    log.markers[PAGES] = markers
    first = build(store, log)
    await first.positions([PAGES])
    await drain(first, log)
    log.records[PAGES], log.starts[PAGES], log.markers[PAGES] = [], start, 0
    second = build(store, log)
    await second.positions([PAGES])
    for _ in range(30):
        await drain(second, log)
    assert offset_of(int(store.hashes[PAGES][b"_next"])) == start
    assert f'"offsets_lost": {lost}' in store.hashes[PAGES][b"_meta"].decode()
    (status,) = (runner.status() for runner in second._runners.values())
    assert (status.next, status.lag, status.problem) == (start, 0, "")


async def test_a_transaction_that_stays_open_is_told_of() -> None:
    """What is behind it may not be read, so nothing is waited for: all would seem to be well."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(20)]})
    pipeline = build(store, log, clock=Ticks(0.01))
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    (runner,) = pipeline._runners.values()
    log.held_back[PAGES] = 7
    assert runner.status().problem == ""
    pipeline._clock.now += 9  # type: ignore[attr-defined]
    assert runner.status().problem == ""
    pipeline._clock.now += 2  # type: ignore[attr-defined]
    assert runner.status().problem.startswith("an open transaction holds back 7 offsets from 20 on")
    log.records[PAGES].append(page(20, 20))  # another one is open now
    assert runner.status().problem == ""


@pytest.mark.parametrize("stored", [0, 5])
@pytest.mark.parametrize("held", [0, 20])
async def test_who_knows_other_records_than_the_store_is_refused_at_the_same_offset(stored: int, held: int) -> None:
    """The log loses records that one worker has taken, or knows to be lost, and of which another has never heard."""
    store, log, clock = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(stored)]}), Ticks(step=0)
    await drain(await joined(store, log), log)
    log.records[PAGES] += [page(i, i) for i in range(stored, 20)]
    zombie_log = FakeLog(log.records)
    zombie = await joined(store, zombie_log, clock)
    await zombie.tick()
    clock.now = -1.0  # its next write is not due yet
    if batch := zombie_log.fetch(PAGES, held):
        await zombie.feed(batch)
    log.starts[PAGES] = zombie_log.starts[PAGES] = 15
    await drain(await joined(store, log), log)
    clock.now = 0.0
    await drain(zombie, zombie_log)
    log.records[PAGES] += [page(i, i) for i in range(20, 25)]
    clock.step = 0.3
    await drain(zombie, zombie_log)
    lost = {"offsets_lost": 10} if stored else {}
    assert json.loads(store.hashes[PAGES][b"_meta"])["counts"] == {**lost, "records": stored + 10}


async def joined(store: MemoryStore, log: FakeLog, clock: Ticks | None = None) -> Pipeline:
    """A worker that has just been given the partition."""
    pipeline = build(store, log, clock=clock)
    for partition, offset in (await pipeline.positions([PAGES])).items():
        await log.seek(partition, offset)
    return pipeline


async def test_a_rollback_of_the_store_is_noticed_without_a_new_record() -> None:
    """A quiet partition is compared with the store every few seconds."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(20)]})
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log, most=7)
    store.hashes.clear()
    for _ in range(10):
        await pipeline.tick()
    await drain(pipeline, log)
    assert store.hashes[PAGES][b"_next"] == b"20"


async def test_what_comes_after_a_pause_is_written_at_once() -> None:
    """The interval is one between two writes: neither a worker that begins nor a quiet partition waits for it."""
    store, log, clock = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(3)]}), Ticks(0)
    pipeline = build(store, log, clock=clock)

    async def feed_one() -> bytes:
        batch = log.fetch(PAGES, 1)
        assert batch
        await pipeline.feed(batch)
        await pipeline.tick()
        return store.hashes[PAGES][b"_next"]

    await pipeline.positions([PAGES])
    await pipeline.tick()
    assert await feed_one() == b"1"
    assert await feed_one() == b"1"
    clock.now += 0.5
    await pipeline.tick()
    assert store.hashes[PAGES][b"_next"] == b"2"
    clock.now += 0.5
    await pipeline.tick()
    assert await feed_one() == b"3"


async def test_dead_letters_are_written_before_the_checkpoint() -> None:
    """A refused record is in the dead-letter topic when its offset is passed."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(0), Raw(1, START, None), Raw(2, START, b"\xff")]})
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    assert [(letter.record.offset, letter.reason) for letter in log.written] == [(1, "null_value"), (2, "not_utf8")]


async def test_feeding_waits_while_the_store_is_away_and_gives_up_when_the_partition_is_gone() -> None:
    """Back-pressure holds until a rebalance takes the partition."""

    class Away(MemoryStore):
        async def load(self, partition: PartitionId) -> dict[bytes, bytes]:
            raise StoreUnavailable("away")

    log = FakeLog({PAGES: [page(0)]})
    pipeline = build(Away(), log)
    await pipeline.positions([PAGES])
    batch = log.fetch(PAGES, 1)
    assert batch
    feeding = asyncio.create_task(pipeline.feed(batch))
    await asyncio.sleep(0.15)
    assert not feeding.done()
    pipeline.assigned(())
    await asyncio.wait_for(feeding, 5)


async def test_a_partition_that_waits_for_kafka_silences_no_other() -> None:
    """Also where it begins to wait while its stored offset is being compared."""

    class NobodyAnswers(FakeLog):
        async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
            if letters:
                await asyncio.Event().wait()

    class Slow(MemoryStore):
        async def next_offsets(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
            await compared.wait()
            return await super().next_offsets(partitions)

    compared, stuck = asyncio.Event(), PartitionId(PAGES.topic, 1)
    compared.set()
    store, clock = Slow(), Ticks(0)
    log = NobodyAnswers({PAGES: [page(0)], stuck: [page(0), Raw(1, START, b"no event")]})
    pipeline = build(store, log, clock=clock)
    await pipeline.positions([PAGES, stuck])
    await pipeline.tick()
    await _feed(pipeline, log, stuck)
    clock.now += 5
    compared.clear()
    tick = asyncio.create_task(pipeline.tick())
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(_feed(pipeline, log, stuck))
    await asyncio.sleep(0.05)
    compared.set()
    await asyncio.wait_for(tick, 5)
    await _feed(pipeline, log, PAGES)
    clock.now += 5
    await asyncio.wait_for(pipeline.tick(), 5)
    assert store.hashes[PAGES][b"_next"] == b"1"
    waiting.cancel()


async def test_a_partition_that_cannot_be_read_again_keeps_no_other_from_being_compared() -> None:
    """The store falls back, and Kafka does not tell of one topic: the other partition is mended as often as that happens."""

    class Silent(FakeLog):
        silent = False

        async def topic_id(self, partition: PartitionId) -> str:
            if self.silent and partition == CONTACTS:
                await asyncio.Event().wait()
            return await super().topic_id(partition)

    records = {PAGES: [page(i, i) for i in range(20)], CONTACTS: story("contact", 1, 20)}
    store, log, clock = MemoryStore(), Silent(dict(records)), Ticks(0)  # type: ignore[arg-type]
    pipeline = build(store, log, clock=clock)
    await pipeline.positions([PAGES, CONTACTS])
    await drain(pipeline, log)
    log.silent = True
    for _ in range(2):
        store.hashes.clear()
        for _ in range(3):
            clock.now += 5
            await pipeline.tick()
        while batch := log.fetch(PAGES, 20):
            await pipeline.feed(batch)
        clock.now += 5
        await pipeline.tick()
        assert store.hashes[PAGES][b"_next"] == b"20"


async def _feed(pipeline: Pipeline, log: FakeLog, partition: PartitionId) -> None:
    batch = log.fetch(partition, 1)
    assert batch
    await pipeline.feed(batch)


async def test_a_machine_without_memory_is_no_fault_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing becomes a dead letter: the worker ends, and whoever follows counts every record."""

    def exhausted(*_: object) -> None:
        raise MemoryError

    store, log = MemoryStore(), FakeLog({PAGES: [page(0)]})
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    monkeypatch.setattr(Partition, "_apply", exhausted)
    with pytest.raises(MemoryError):
        await drain(pipeline, log)
    assert not log.written
    assert not store.hashes


@pytest.mark.parametrize(("owner", "method"), [(Pane, "_reserve"), (Rows, "encode")])
async def test_nothing_half_done_is_written_while_a_worker_ends(
    owner: type, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory gives out once, in the middle of a batch or of a checkpoint; the loop still ticks."""
    records = {PAGES: [page(i, i, page=f"/{i % 50}") for i in range(300)]}
    work, calls = getattr(owner, method), itertools.count()

    def exhausted(*given: object) -> object:
        if next(calls) == 1:
            raise MemoryError
        return work(*given)

    store, log = MemoryStore(), FakeLog(dict(records))  # type: ignore[arg-type]
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    monkeypatch.setattr(owner, method, exhausted)
    with pytest.raises(MemoryError):
        await drain(pipeline, log)
    await drain(pipeline, log)
    assert {PAGES: content(store.hashes[PAGES])} == await expected(records)


async def test_a_record_that_our_own_mistake_meets_becomes_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is found among thousands, put aside, and every other one is counted once."""
    apply = Partition._apply

    def stumble(self: Partition, columns: Columns, times: np.ndarray) -> None:
        if any(event.page == "/stumble" for event in columns.events):
            self.counts["half done"] += 1
            raise ZeroDivisionError("a mistake")
        apply(self, columns, times)

    monkeypatch.setattr(Partition, "_apply", stumble)
    records = [page(i, i, page="/stumble" if i in (70, 71) else "/") for i in range(300)]
    store, log = MemoryStore(), FakeLog({PAGES: list(records)})
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    meta = json.loads(store.hashes[PAGES][b"_meta"])
    assert meta["counts"] == {"dead_letters:invalid": 2, "records": 300}
    assert [letter.record.offset for letter in log.written] == [70, 71]


async def test_a_topic_created_anew_stands_still_even_when_its_log_overtakes() -> None:
    """Its first records were never read: going on behind them would count as if nothing had happened."""
    store, log = MemoryStore(), FakeLog({PAGES: [page(i, i) for i in range(20)]})
    first = build(store, log)
    await first.positions([PAGES])
    await drain(first, log)
    anew = FakeLog({PAGES: [page(i, i) for i in range(5)]})
    second = build(store, anew)
    await second.positions([PAGES])
    await drain(second, anew)
    anew.records[PAGES] = [page(i, i) for i in range(30)]
    await drain(second, anew)
    assert store.hashes[PAGES][b"_next"] == b"20"
    (status,) = (runner.status() for runner in second._runners.values())
    assert "created anew" in status.problem
