"""A pipeline that records what it is given, a worker around it, and producers for the tests of this directory."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.kafka import topics
from streams.kafka.batch import Batch, Log
from streams.kafka.settings import KafkaSettings
from streams.kafka.worker import run_worker
from streams.state.keys import PartitionId

PATIENCE_SECONDS = 60.0


class Recording:
    """Keeps positions as the real pipeline does: applies what continues them, drops old epochs, seeks at a break.

    `store` may be shared by workers; like the real store it takes a batch only at the offset it stands at.
    """

    def __init__(self, log: Log, store: dict[PartitionId, int], applied: dict[PartitionId, list[int]]) -> None:
        self.log = log
        self.store = store
        self.applied = applied
        self.batches: list[Batch] = []
        self.assignments: list[set[PartitionId]] = []
        self.asked: list[Sequence[PartitionId]] = []
        self.breaks: Counter[PartitionId] = Counter()
        self.ticks = 0
        self.open = asyncio.Event()  # while it is not set, `feed` waits
        self.open.set()

    async def positions(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
        self.asked.append(partitions)
        return {partition: self.store[partition] for partition in partitions if partition in self.store}

    def assigned(self, partitions: Collection[PartitionId]) -> None:
        self.assignments.append(set(partitions))

    async def feed(self, batch: Batch) -> None:
        self.batches.append(batch)
        await self.open.wait()
        if batch.epoch != self.log.epoch(batch.partition):
            return
        if batch.start != self.store.setdefault(batch.partition, batch.start):
            self.breaks[batch.partition] += 1
            await self.log.seek(batch.partition, self.store[batch.partition])
            return
        self.store[batch.partition] = batch.end
        self.applied[batch.partition] += [record.offset for record in batch.records]

    async def tick(self) -> None:
        self.ticks += 1


class Running:
    """A worker under way."""

    def __init__(self, pipeline: Recording, task: asyncio.Task[None], stop: asyncio.Event, exits: list[int]) -> None:
        self.pipeline = pipeline
        self.task = task
        self.exits = exits
        self._stop = stop

    @property
    def rebalancing(self) -> bool:
        """Whether it waits for the others to join."""
        return bool(self.pipeline.log._app.rebalancing)  # type: ignore[attr-defined]

    async def stop(self) -> None:
        self._stop.set()
        await self.task

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when the condition holds; fails when the worker ends or a minute passes before."""
        await until(lambda: self.task.done() or condition())
        if self.task.done():
            self.task.result()
        assert condition(), "the worker ended"


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds, looking often; fails after a minute."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in threads and other programs
            await asyncio.sleep(0.01)


def new_store() -> dict[PartitionId, int]:
    return {}


def new_applied() -> dict[PartitionId, list[int]]:
    return defaultdict(list)


@asynccontextmanager
async def worker(
    settings: KafkaSettings,
    names: Sequence[str],
    store: dict[PartitionId, int] | None = None,
    applied: dict[PartitionId, list[int]] | None = None,
    make: Callable[..., Recording] = Recording,
) -> AsyncIterator[Running]:
    """A worker that is stopped at the end, unless it has ended; `exits` is filled where the process would end."""
    made: asyncio.Future[Recording] = asyncio.get_running_loop().create_future()
    stop, exits = asyncio.Event(), []

    def factory(log: Log) -> Recording:
        made.set_result(make(log, {} if store is None else store, new_applied() if applied is None else applied))
        return made.result()

    task = asyncio.create_task(run_worker(settings, names, factory, stop, exit_process=exits.append))
    await asyncio.wait({task, made}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield Running(made.result(), task, stop, exits)
    finally:
        stop.set()
        await asyncio.wait({task})


async def create_topics(settings: KafkaSettings, *names: str, partitions: int = 3) -> list[str]:
    """Full names of new topics; the dead-letter topic is made too."""
    full = [f"{settings.topic_prefix}{name}" for name in names]
    await topics.create(settings, [*full, settings.dead_letter_topic], partitions, 1)
    return full


@asynccontextmanager
async def producer(settings: KafkaSettings, **options: Any) -> AsyncIterator[Any]:
    sender = AIOKafkaProducer(**settings.client(), **options)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


async def produce(settings: KafkaSettings, partitions: Iterable[PartitionId], count: int, size: int = 100) -> None:
    """`count` records to each partition."""
    async with producer(settings, linger_ms=5) as sender:
        for partition in partitions:
            sent = [await sender.send(partition.topic, bytes(size), partition=partition.number) for _ in range(count)]
            await asyncio.gather(*sent)


def partitions_of(names: Iterable[str], count: int = 3) -> list[PartitionId]:
    return [PartitionId(name, number) for name in names for number in range(count)]


def assert_contiguous(batches: Iterable[Batch]) -> None:
    """For logs without holes: each batch begins exactly at its start, and its records follow each other."""
    for batch in batches:
        assert [record.offset for record in batch.records] == list(range(batch.start, batch.end))


def assert_chained(batches: Iterable[Batch]) -> None:
    """Within an epoch of a partition each batch continues the one before."""
    ends: dict[tuple[PartitionId, int], int] = {}
    for batch in batches:
        key = (batch.partition, batch.epoch)
        assert batch.start == ends.get(key, batch.start)
        ends[key] = batch.end
