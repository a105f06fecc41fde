"""Workers that come and go, on a real broker."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.batch import Batch
from streams.kafka.settings import KafkaSettings
from streams.state.keys import PartitionId
from tests.streams.kafka.recording import (
    Recording,
    assert_chained,
    assert_contiguous,
    create_topics,
    new_applied,
    new_store,
    partitions_of,
    produce,
    worker,
)

pytestmark = pytest.mark.kafka

LONG_SECONDS = 60


async def test_workers_share_the_partitions_and_lose_none(settings: KafkaSettings) -> None:
    """While one worker joins and the other leaves under load, each record is applied once."""
    names = await create_topics(settings, "a", "b")
    partitions = partitions_of(names)
    store, applied = new_store(), new_applied()
    await produce(settings, partitions, 1_000)
    loading = asyncio.create_task(produce(settings, partitions, 20_000))
    async with worker(settings, names, store, applied) as first:
        await first.until(lambda: len(store) == len(partitions))
        async with worker(settings, names, store, applied) as second:
            await second.until(lambda: len(second.pipeline.assignments) > 0)
            await first.until(lambda: len(first.pipeline.assignments) > 1)
            mine, others = first.pipeline.assignments[-1], second.pipeline.assignments[-1]
            assert sorted([*mine, *others]) == partitions
            assert len(mine) == len(others) == 3
            await first.stop()
            await loading
            await second.until(lambda: all(store[partition] == 21_000 for partition in partitions))
    assert all(applied[partition] == list(range(21_000)) for partition in partitions)
    for pipeline in (first.pipeline, second.pipeline):
        assert_contiguous(pipeline.batches)
        assert_chained(pipeline.batches)


class Asking(Recording):
    """Waits with its first batch for what nobody knows: who leads a partition."""

    async def feed(self, batch: Batch) -> None:
        if not self.batches:
            self.batches.append(batch)
            await self.log.topic_id(PartitionId(batch.partition.topic, 99))
        await super().feed(batch)


async def test_a_question_without_an_answer_is_given_up_in_a_rebalance(settings: KafkaSettings) -> None:
    """A partition that has moved to another worker must not keep the others of its topic waiting here."""
    names = await create_topics(settings, "a")
    partitions = partitions_of(names)
    await produce(settings, partitions, 10)
    store, applied = new_store(), new_applied()
    async with worker(settings, names, store, applied, make=Asking) as first:
        await first.until(lambda: bool(first.pipeline.batches))
        async with worker(settings, names, store, applied):
            await first.until(lambda: len(first.pipeline.assignments) > 1)
            await first.until(lambda: all(store.get(partition) == 10 for partition in partitions))
    assert all(applied[partition] == list(range(10)) for partition in partitions)


async def test_what_a_rebalance_drops_is_fetched_again(settings: KafkaSettings) -> None:
    """Batches waiting in Faust's queue at a rebalance are gone; the next epoch begins where the store stands."""
    names = await create_topics(settings, "a")
    partitions = partitions_of(names)
    await produce(settings, partitions, 50_000, size=500)
    store, applied = new_store(), new_applied()
    async with worker(settings, names, store, applied) as first:
        await first.until(lambda: len(store) == len(partitions))
        first.pipeline.open.clear()
        fed = len(first.pipeline.batches)
        async with worker(settings, names, store, applied) as second:
            await first.until(lambda: len(first.pipeline.assignments) > 1)
            await second.until(lambda: bool(second.pipeline.assignments))
            first.pipeline.open.set()
            await second.until(lambda: all(store[partition] == 50_000 for partition in partitions))
        kept = first.pipeline.assignments[1]
        epochs = {batch.epoch for batch in first.pipeline.batches[fed + 1 :] if batch.partition in kept}
        assert kept
        assert min(epochs, default=2) > 1
    assert all(applied[partition] == list(range(50_000)) for partition in partitions)


async def join_and_die(settings: KafkaSettings, names: Iterable[str]) -> None:
    """A member that is gone without a word: until its session ends a rebalance waits for it."""
    times = {"session_timeout_ms": LONG_SECONDS * 1000, "rebalance_timeout_ms": LONG_SECONDS * 1000}
    member = AIOKafkaConsumer(*names, group_id=settings.group_id, group_instance_id="dead", **times, **settings.client())
    await member.start()
    await member.stop()


async def members(settings: KafkaSettings) -> int:
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        [answer] = await admin.describe_consumer_groups([settings.group_id])
        return len(answer.groups[0][5])
    finally:
        await admin.close()


async def test_a_stop_does_not_wait_for_a_rebalance(settings: KafkaSettings) -> None:
    """Even one that waits, with a long session, for a dead worker; and the group is left, so that none waits for these too."""
    long = replace(settings, session_timeout_seconds=LONG_SECONDS)
    names = await create_topics(settings, "a")
    async with worker(long, names) as old:
        await old.until(lambda: bool(old.pipeline.assignments))
        dying = asyncio.create_task(join_and_die(settings, names))
        await old.until(lambda: len(old.pipeline.assignments) == 2)
        await dying
        async with worker(long, names) as new:
            await old.until(lambda: old.rebalancing and new.rebalancing)
            began = time.monotonic()
            await asyncio.gather(old.stop(), new.stop())
    assert time.monotonic() - began < settings.stop_within_seconds / 2
    assert (old.exits, new.exits) == ([], [])
    assert await members(settings) == 1
