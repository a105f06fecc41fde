"""How a worker starts, fails and stops, on a real broker."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.kafka.batch import Batch
from streams.kafka.exit_codes import ExitCode, KafkaRefused, KafkaUnreachable, PipelineFailed
from streams.kafka.settings import KafkaSettings
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
    assert time.monotonic() - began < settings.stop_within_seconds / 2
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
    assert time.monotonic() - began < settings.stop_within_seconds / 2
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
