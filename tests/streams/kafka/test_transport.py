"""Batches between Kafka and the pipeline, on a real broker."""

import asyncio
import random
from collections import defaultdict

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer

from streams.kafka.batch import Batch
from streams.kafka.settings import KafkaSettings
from streams.state.keys import PartitionId
from tests.streams.kafka.recording import (
    Recording,
    assert_chained,
    assert_contiguous,
    create_topics,
    partitions_of,
    produce,
    producer,
    worker,
)

pytestmark = pytest.mark.kafka

SEEKS = 400


async def test_batches_of_all_partitions_chain_from_where_the_store_stands(settings: KafkaSettings) -> None:
    """Each partition begins at its stored offset, or at 0 without one, and nothing is missing or repeated."""
    names = await create_topics(settings, "a", "b")
    partitions = partitions_of(names)
    await produce(settings, partitions, 20_000)
    stored = dict(zip(partitions, [0, 1, 7_777, 19_999], strict=False))
    async with worker(settings, names, dict(stored)) as running:
        await running.until(lambda: all(running.pipeline.store.get(p) == 20_000 for p in partitions))
        for partition in partitions:
            assert running.pipeline.applied[partition] == list(range(stored.get(partition, 0), 20_000))
        assert_contiguous(running.pipeline.batches)
        assert_chained(running.pipeline.batches)
        assert not running.pipeline.breaks
        assert running.pipeline.assignments == [set(partitions)]
        assert running.pipeline.asked == [partitions]


async def test_committed_offsets_are_not_believed(settings: KafkaSettings) -> None:
    """A second worker of a group that has committed begins where the store stands all the same."""
    [name] = await create_topics(settings, "a")
    partitions = partitions_of([name])
    await produce(settings, partitions, 100)
    for _ in range(2):
        async with worker(settings, [name]) as running:
            await running.until(lambda: sum(map(len, running.pipeline.applied.values())) == 300)
            await running.stop()


async def test_a_record_larger_than_a_fetch_arrives(settings: KafkaSettings) -> None:
    """A value of 5 MB, five times what is asked for at once, does not stop its partition."""
    [name] = await create_topics(settings, "a")
    async with producer(settings, max_request_size=10_000_000) as sender:
        for size in (10, 5_000_000, 10):
            await sender.send_and_wait(name, bytes(size), partition=0)
    async with worker(settings, [name]) as running:
        await running.until(lambda: running.pipeline.applied[PartitionId(name, 0)] == [0, 1, 2])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(settings: KafkaSettings, codec: str) -> None:
    """However a producer compresses: it is not asked, and one batch that cannot be read stops a partition for ever."""
    [name] = await create_topics(settings, "a")
    sender = Producer({"bootstrap.servers": settings.bootstrap_servers, "compression.type": codec, "linger.ms": 50})
    for number in range(1_000):
        sender.produce(name, f"value {number}".encode() * 10, partition=0)
    assert sender.flush(30) == 0
    async with worker(settings, [name]) as running:
        await running.until(lambda: len(running.pipeline.applied[PartitionId(name, 0)]) == 1_000)
        records = list(running.pipeline.batches[0].records)
        assert records[7].value == b"value 7" * 10


async def test_a_record_is_what_stands_in_the_log(settings: KafkaSettings) -> None:
    """Offset, key, value and the time of its arrival; and it is the parser's own record, not a copy of it."""
    [name] = await create_topics(settings, "a")
    async with producer(settings) as sender:
        await sender.send_and_wait(name, b"value", b"key", partition=0, timestamp_ms=1_700_000_000_000)
        sent = await sender.send_and_wait(name, None, b"key", partition=0, timestamp_ms=1_700_000_000_001)
    async with worker(settings, [name]) as running:
        await running.until(lambda: running.pipeline.applied[PartitionId(name, 0)] == [0, 1])
        first, second = (record for batch in running.pipeline.batches for record in batch.records)
    assert [(r.offset, r.key, r.value) for r in (first, second)] == [(0, b"key", b"value"), (1, b"key", None)]
    assert second.timestamp == sent.timestamp > 1_700_000_000_001
    assert type(first).__name__ == "DefaultRecord"


class Restless(Recording):
    """Is sought elsewhere at random moments; what comes while it is being sought is only looked at."""

    sought: dict[PartitionId, dict[int, int]]  # partition, epoch, offset
    seeking: set[PartitionId]

    async def seek_anywhere(self, partition: PartitionId) -> None:
        offset = random.randrange(20_000)
        self.seeking.add(partition)
        await self.log.seek(partition, offset)
        self.seeking.remove(partition)
        self.store[partition] = offset
        self.sought[partition][self.log.epoch(partition)] = offset

    async def feed(self, batch: Batch) -> None:
        if batch.partition in self.seeking:
            self.batches.append(batch)
        else:
            await super().feed(batch)


@pytest.mark.slow
async def test_a_seek_starts_a_new_epoch_exactly_there(settings: KafkaSettings) -> None:
    """Under load, after hundreds of seeks at random moments, no batch carries a label that is not its own."""
    names = await create_topics(settings, "a")
    partitions = partitions_of(names)
    await produce(settings, partitions, 20_000)
    loading = asyncio.create_task(produce(settings, partitions, 100_000))
    async with worker(settings, names, make=Restless) as running:
        pipeline = running.pipeline
        assert isinstance(pipeline, Restless)
        pipeline.sought, pipeline.seeking = defaultdict(dict), set()
        await running.until(lambda: len({batch.partition for batch in pipeline.batches}) == len(partitions))

        async def seek(partition: PartitionId) -> None:
            for _ in range(SEEKS):
                await pipeline.seek_anywhere(partition)
                await asyncio.sleep(random.choice([0, 0, 0.001, 0.02]))

        await asyncio.gather(*(seek(partition) for partition in partitions))
        await loading
        await running.until(lambda: all(pipeline.store[partition] == 120_000 for partition in partitions))

    assert_contiguous(pipeline.batches)
    assert_chained(pipeline.batches)
    firsts = {(batch.partition, batch.epoch): batch.start for batch in reversed(pipeline.batches)}
    for (partition, epoch), start in firsts.items():
        assert start == pipeline.sought[partition].get(epoch, start)
    assert all(len(pipeline.sought[partition]) == SEEKS for partition in partitions)
    assert len(firsts) > 2 * len(partitions)  # how many are seen depends on the machine
    assert not pipeline.breaks


async def test_transaction_markers_and_aborted_records_are_no_breaks(settings: KafkaSettings) -> None:
    """Only committed records arrive, and the holes between them do not break the chain."""
    [name] = await create_topics(settings, "a")
    partition = PartitionId(name, 0)
    committed: list[int] = []
    async with producer(settings, transactional_id=name) as sender:
        for turn in range(60):
            await sender.begin_transaction()
            sent = [await sender.send(name, b"x", partition=0) for _ in range(turn % 7 + 1)]
            written = await asyncio.gather(*sent)
            if turn % 3:
                await sender.commit_transaction()
                committed += [record.offset for record in written]
            else:
                await sender.abort_transaction()
    async with worker(settings, [name]) as running:
        await running.until(lambda: running.pipeline.applied[partition] == committed)
        await running.pipeline.log.seek(partition, 0)
        assert not running.pipeline.breaks
        assert_chained(running.pipeline.batches)
        start, end = await running.pipeline.log.bounds(partition)
        assert (start, end) == (0, committed[-1] + 2)  # the last marker


async def test_what_an_open_transaction_holds_back_is_known(settings: KafkaSettings) -> None:
    """Records of others behind it cannot be read either; once it is decided nothing is held back."""
    [name] = await create_topics(settings, "a")
    partition = PartitionId(name, 0)
    await produce(settings, [partition], 5)
    async with worker(settings, [name]) as running:
        log = running.pipeline.log
        async with producer(settings, transactional_id=name) as sender:
            await sender.begin_transaction()
            await sender.send_and_wait(name, b"x", partition=0)
            await produce(settings, [partition], 3)
            await running.until(lambda: log.undecided(partition) == (5, 4))
            assert log.lag(partition) == 0
            await sender.commit_transaction()
        await running.until(lambda: log.undecided(partition) == (10, 0))


async def test_a_log_that_has_aged_continues_at_its_start_in_a_new_epoch(settings: KafkaSettings) -> None:
    """Where the stored offset has been deleted the next batch starts at the log's start, which `bounds` names."""
    [name] = await create_topics(settings, "a")
    partition, tp = PartitionId(name, 0), TopicPartition(name, 0)
    await produce(settings, [partition], 1_000)
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    await admin.delete_records({tp: RecordsToDelete(before_offset=600)})
    await admin.close()
    store = {partition: 500}
    async with worker(settings, [name], store) as running:
        await running.until(lambda: running.pipeline.breaks[partition] > 0)
        first = running.pipeline.batches[0]
        assert (first.start, first.epoch) == (600, 2)
        assert await running.pipeline.log.bounds(partition) == (600, 1_000)
        store[partition] = 600  # what a pipeline does once it has counted the loss
        await running.until(lambda: running.pipeline.applied[partition] == list(range(600, 1_000)))


async def test_an_offset_beyond_the_log_is_not_waited_for_in_silence(settings: KafkaSettings) -> None:
    """A topic made anew is read from its start, so that the pipeline sees the break."""
    [name] = await create_topics(settings, "a")
    partition = PartitionId(name, 0)
    await produce(settings, [partition], 10)
    async with worker(settings, [name], {partition: 5_000}) as running:
        await running.until(lambda: running.pipeline.breaks[partition] > 0)
        assert running.pipeline.batches[0].start == 0


async def test_a_seek_of_a_partition_that_is_not_ours_does_nothing(settings: KafkaSettings) -> None:
    """After a rebalance a late seek neither fails nor starts an epoch."""
    [name] = await create_topics(settings, "a")
    async with worker(settings, [name]) as running:
        await running.until(lambda: bool(running.pipeline.assignments))
        stranger = PartitionId(name, 99)
        await running.pipeline.log.seek(stranger, 5)
        assert running.pipeline.log.epoch(stranger) == 0
