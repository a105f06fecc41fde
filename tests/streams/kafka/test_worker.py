"""How a worker starts, fails and stops, on a real broker."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import CorruptRecordException, NodeNotReadyError
from aiokafka.record.default_records import DefaultRecord
from aiokafka.structs import TopicPartition

from streams.kafka import worker as life
from streams.kafka.batch import Batch, DeadLetter
from streams.kafka.consumer_thread import ConsumerThread
from streams.kafka.exit_codes import ConsumerFailed, ExitCode, KafkaRefused, KafkaUnreachable, PipelineFailed
from streams.kafka.settings import KafkaSettings
from streams.kafka.watchdog import Vitals
from streams.state.keys import PartitionId
from tests.services.kafka import KafkaServer
from tests.services.service import free_port
from tests.streams.kafka.recording import (
    Recording,
    assert_chained,
    create_topics,
    new_applied,
    partitions_of,
    produce,
    until,
    worker,
)

pytestmark = pytest.mark.kafka


async def test_a_stop_leaves_the_group_in_time(settings: KafkaSettings) -> None:
    """After the stop signal the worker ends by itself, well before the process would be ended."""
    names = await create_topics(settings, "a")
    await produce(settings, partitions_of(names), 100)
    async with worker(settings, names) as running:
        await running.until(lambda: len(running.pipeline.store) == 3)
        began = time.monotonic()
        await running.stop()
    assert time.monotonic() - began < settings.stop_within_seconds
    assert running.exits == []
    assert running.pipeline.ticks > 0


async def test_a_stop_does_not_wait_for_a_store_that_is_away(settings: KafkaSettings) -> None:
    """A pipeline that waits inside `feed` is interrupted by a stop."""
    names = await create_topics(settings, "a")
    await produce(settings, partitions_of(names), 100)
    async with worker(settings, names) as running:
        running.pipeline.open.clear()
        await running.until(lambda: bool(running.pipeline.batches))
        await running.stop()
    assert running.exits == []


class Deaf(Recording):
    """Blocks the whole loop when it is cancelled, as a stuck library may, until the process would have ended."""

    exits: list[int]

    async def feed(self, batch: Batch) -> None:
        self.batches.append(batch)
        try:
            await asyncio.Event().wait()
        finally:
            while not self.exits:
                time.sleep(0.01)  # noqa: ASYNC251 - to block the loop is the point


async def test_a_stop_that_hangs_ends_the_process(settings: KafkaSettings) -> None:
    """Whatever does not end is ended, with an exit code of its own."""
    names = await create_topics(settings, "a")
    await produce(settings, partitions_of(names), 100)
    async with worker(replace(settings, stop_within_seconds=1.0), names, make=Deaf) as running:
        assert isinstance(running.pipeline, Deaf)
        running.pipeline.exits = running.exits
        await running.until(lambda: bool(running.pipeline.batches))
        await running.stop()
    assert running.exits == [ExitCode.STOP_TIMEOUT]


class Writing(Recording):
    """Has a dead letter to write."""

    async def tick(self) -> None:
        if self.assignments:
            record = DefaultRecord(0, 1, 0, None, b"no event", [])
            await self.log.dead_letters([DeadLetter(PartitionId("a", 0), record, "invalid", "")])
            self.ticks += 1


async def test_a_stop_does_not_wait_for_a_dead_letter_that_cannot_be_delivered(settings: KafkaSettings) -> None:
    """Whoever has the partition next writes it. The group is left, and no thread keeps the process alive."""
    names = await create_topics(settings, "a")
    threads = set(threading.enumerate())
    async with worker(settings, names, make=Writing) as running:
        await running.until(lambda: running.pipeline.ticks > 0)
        client = running.pipeline.log._app.producer._ensure_producer().client  # type: ignore[attr-defined]
        asked: list[object] = []

        async def away(*request: object, **_: object) -> None:
            asked.append(request)
            raise NodeNotReadyError

        client.send = away
        await running.until(lambda: len(asked) > 1)
        began = time.monotonic()
        await running.stop()
    assert time.monotonic() - began < settings.stop_within_seconds
    assert running.exits == []
    assert [thread for thread in threading.enumerate() if thread not in threads and not thread.daemon] == []


async def test_a_process_whose_worker_did_not_stop_is_ended(settings: KafkaSettings) -> None:
    """The consumer's thread, which nobody has told to stop, would keep it alive for ever, and in the group."""
    names = await create_topics(settings, "a")
    async with worker(replace(settings, stop_within_seconds=2.0), names) as running:
        await running.until(lambda: bool(running.pipeline.assignments))
        app = running.pipeline.log._app  # type: ignore[attr-defined]
        app.on_stop = asyncio.Event().wait
        await running.stop()
        try:
            await until(lambda: running.exits == [ExitCode.STOP_TIMEOUT])
        finally:
            await app._stop_children()


async def test_a_stop_before_the_group_has_answered(settings: KafkaSettings) -> None:
    """A worker that has not got its first partitions yet can be stopped."""
    names = await create_topics(settings, "a")
    async with worker(settings, names) as running:
        await running.stop()
    assert running.exits == []


class Failing(Recording):
    async def feed(self, batch: Batch) -> None:
        raise ZeroDivisionError("a mistake of ours")


class FailingTick(Recording):
    async def tick(self) -> None:
        raise ZeroDivisionError("a mistake of ours")


class FailingPositions(Recording):
    async def positions(self, partitions: object) -> dict[PartitionId, int]:
        raise ZeroDivisionError("a mistake of ours")


@pytest.mark.parametrize("make", [Failing, FailingTick])
async def test_a_mistake_in_the_pipeline_ends_the_worker(settings: KafkaSettings, make: type[Recording]) -> None:
    """The cause is kept, and the exit code says that it was ours."""
    names = await create_topics(settings, "a")
    await produce(settings, partitions_of(names), 10)
    with pytest.raises(PipelineFailed) as failed:
        async with worker(settings, names, make=make) as running:
            await asyncio.wait_for(running.task, 30)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert failed.value.exit_code == ExitCode.PIPELINE_FAILED


class Unreadable(Recording):
    async def feed(self, batch: Batch) -> None:
        raise CorruptRecordException(f"{batch.partition}: offsets of a batch up to {batch.end - 1} cannot be unpacked")


async def test_what_cannot_be_unpacked_ends_the_worker_and_is_no_mistake_of_ours(settings: KafkaSettings) -> None:
    """As a wrong checksum does; where it lies is said."""
    [name] = await create_topics(settings, "a")
    await produce(settings, partitions_of([name]), 10)
    with pytest.raises(ConsumerFailed, match=f"{name}.* cannot be unpacked"):
        async with worker(settings, [name], make=Unreadable) as running:
            await asyncio.wait_for(running.task, 30)


async def test_a_mistake_while_seeking_ends_the_worker(settings: KafkaSettings) -> None:
    """An error in a rebalance does not leave a worker that only seems to live."""
    names = await create_topics(settings, "a")
    async with worker(settings, names, make=FailingPositions) as running:
        with pytest.raises(Exception, match="ZeroDivisionError"):
            await asyncio.wait_for(running.task, 30)


async def test_no_broker_is_said_in_one_line(topic_prefix: str) -> None:
    """Without a broker the worker gives up after its time, naming the address and what to look at."""
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}", unreachable_after_seconds=1.5)
    with pytest.raises(KafkaUnreachable, match=r"^no Kafka broker answers \(127.0.0.1:\d+: .*_SECURITY_PROTOCOL.*$") as said:
        async with worker(nowhere, [f"{topic_prefix}a"]):
            pass
    assert said.value.exit_code == ExitCode.KAFKA


async def test_a_refusal_ends_at_once() -> None:
    """A server that cannot be trusted, here because it speaks no TLS, is no outage to be waited for."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", security_protocol="SSL")
        began = time.monotonic()
        with pytest.raises(KafkaRefused, match="refuses"):
            async with worker(settings, ["a"]):
                pass
        assert time.monotonic() - began < settings.unreachable_after_seconds / 2


async def test_missing_topics_are_named_and_waited_for(settings: KafkaSettings, caplog: pytest.LogCaptureFixture) -> None:
    """The worker says which topics are missing and how to make them, and begins when they are there."""
    caplog.set_level(logging.WARNING, "streams.kafka.preflight")
    names = [f"{settings.topic_prefix}a"]
    starting = worker(settings, names)
    entering = asyncio.create_task(starting.__aenter__())
    await until(lambda: bool(caplog.records))
    assert f"{names[0]}, {settings.dead_letter_topic} (create them with `xmon topics create`)" in caplog.messages[0]
    await create_topics(settings, "a")
    running = await asyncio.wait_for(entering, 30)
    await running.until(lambda: bool(running.pipeline.assignments))
    await starting.__aexit__(None, None, None)


LEADERS = {0: None, 1: 1, 2: 1, 3: 2}


class Brokers:
    """A consumer's thread as the worker sees it: of four partitions with a record each the first has no leader, the second
    is read to its end, and the broker of the last is away."""

    in_line_now = ConsumerThread.in_line_now

    def __init__(self, fetched: Mapping[PartitionId, object]) -> None:
        self._fetcher = SimpleNamespace(_records=fetched)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("a", number) for number in LEADERS}

    def leader_now(self, partition: PartitionId) -> int | None:
        return LEADERS[partition.number]

    async def earliest_offsets(self, *tps: TopicPartition) -> dict[TopicPartition, int]:
        if {LEADERS[tp.partition] for tp in tps} != {1}:
            await asyncio.Event().wait()
        return dict.fromkeys(tps, 0)

    async def highwaters(self, *tps: TopicPartition) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 1)

    def position_now(self, partition: PartitionId) -> int | None:
        return {1: 1}.get(partition.number)

    def _ensure_consumer(self) -> Self:
        return self


async def test_a_partition_without_a_leader_says_nothing_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor can any worker read it. Only where records wait, or a leader does not answer, may the watchdog ask for progress."""
    monkeypatch.setattr(life, "LAG_SECONDS", 0.01)
    monkeypatch.setattr(life, "LAG_PATIENCE_SECONDS", 0.05)
    one = life.Worker(KafkaSettings(), ["a"], lambda log: Recording(log, {}, {}), str(tmp_path), lambda: True)
    one._app.consumer._thread = Brokers({})
    measuring = asyncio.create_task(one._measure_lag())
    await until(lambda: bool(one._lagging))
    measuring.cancel()
    assert sorted(one._vitals().waiting) == [PartitionId("a", 2), PartitionId("a", 3)]


async def test_each_partition_is_judged_by_itself_unless_it_waits_its_turn(tmp_path: Path) -> None:
    """Not one with an error, or not fetched, or of which a batch is being applied: that others move says nothing of it."""
    waits, failed, missing, applying, other = (PartitionId("a", number) for number in range(5))
    one = life.Worker(KafkaSettings(), ["a"], lambda log: Recording(log, {}, {}), str(tmp_path), lambda: True)
    fetched = {waits: object(), failed: FetchError(error=ValueError(), backoff=0), applying: object()}
    one._app.consumer._thread, one._lagging = Brokers(fetched), [waits, failed, missing, applying]
    one._taken[applying] = 1
    before = one._vitals().waiting
    one._fed[other] += 1
    after = one._vitals().waiting
    assert {which for which in after if after[which] != before[which]} == {waits}


class Slow(Recording):
    async def feed(self, batch: Batch) -> None:
        await asyncio.sleep(0.01)
        await super().feed(batch)


async def test_partitions_that_wait_their_turn_are_not_stuck(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With very many of them, after an outage, each waits for longer than a stuck one may; the worker is busy all the time."""
    looks: list[Callable[[], Vitals]] = []

    class Looking(life.Watchdog):
        def __init__(self, look: Callable[[], Vitals], *rest: Any) -> None:
            looks.append(look)
            super().__init__(look, *rest)

    monkeypatch.setattr(life, "Watchdog", Looking)
    monkeypatch.setattr(life, "LAG_SECONDS", 0.05)
    names = await create_topics(settings, "a")
    await produce(settings, partitions_of(names), 1_000)
    async with worker(replace(settings, max_poll_records=10), names, make=Slow) as running:
        begun = running.pipeline.store

        def moving() -> bool:
            return any(looks[0]().waiting.get(partition) for partition in partitions_of(names) if partition not in begun)

        await running.until(lambda: moving() or len(begun) == 3)
        assert len(begun) < 3


@pytest.mark.slow
async def test_a_stop_while_the_broker_is_away(start_kafka: Callable[[], KafkaServer]) -> None:
    """A worker that cannot say good-bye to its group goes all the same, and in time."""
    server = start_kafka()
    settings = KafkaSettings(bootstrap_servers=server.bootstrap, group_id="g")
    names = await create_topics(settings, "a")
    async with worker(settings, names) as running:
        await running.until(lambda: bool(running.pipeline.assignments))
        server.kill9()
        await running.until(lambda: running.pipeline.ticks > 20)
        began = time.monotonic()
        await running.stop()
    assert time.monotonic() - began < settings.stop_within_seconds
    assert running.exits == []


@pytest.mark.slow
async def test_a_broker_that_goes_and_comes_back(start_kafka: Callable[[], KafkaServer]) -> None:
    """Killed under load and started again, the broker costs no record and no restart of the worker."""
    server = start_kafka()
    settings = KafkaSettings(bootstrap_servers=server.bootstrap, group_id="g")
    names = await create_topics(settings, "a")
    partitions = partitions_of(names)
    applied = new_applied()
    await produce(settings, partitions, 5_000)
    async with worker(settings, names, applied=applied) as running:
        await running.until(lambda: len(applied) == 3)
        server.kill9()
        await running.until(lambda: running.pipeline.ticks > 50)
        server.start()
        await produce(settings, partitions, 5_000)
        await running.until(lambda: all(len(applied[partition]) >= 10_000 for partition in partitions))
        assert_chained(running.pipeline.batches)
    assert all(applied[partition] == list(range(10_000)) for partition in partitions)
    assert running.exits == []
