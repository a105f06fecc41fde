"""Workers with a name (static membership), on a real broker."""

import asyncio
import time
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.protocol.group import HeartbeatRequest

from streams.kafka.exit_codes import ConsumerFailed, ExitCode
from streams.kafka.membership import _NamedHeartbeat
from streams.kafka.settings import KafkaSettings
from tests.streams.kafka.recording import Running, create_topics, partitions_of, produce, worker


@pytest.fixture
def named(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Settings of a worker with a name, which hears of new partitions within a second instead of five minutes."""
    monkeypatch.setenv("CONSUMER_METADATA_MAX_AGE_MS", "1000")  # read by Faust
    return replace(settings, instance_id="one", session_timeout_seconds=20)


async def joined(running: Running) -> None:
    await running.until(lambda: bool(running.pipeline.assignments))


async def die(running: Running) -> None:
    """Without a word to the group, as when killed."""
    running.task.cancel()
    await asyncio.wait({running.task})


@pytest.mark.kafka
async def test_a_worker_that_was_killed_has_its_place_at_once(named: KafkaSettings) -> None:
    """It need not wait for its own session to end."""
    names = await create_topics(named, "a")
    async with worker(named, names) as running:
        await joined(running)
        await die(running)
    began = time.monotonic()
    async with worker(named, names) as running:
        await joined(running)
        assert time.monotonic() - began < 0.75 * named.session_timeout_seconds
        assert running.pipeline.assignments == [set(partitions_of(names))]


@pytest.mark.kafka
async def test_a_worker_that_is_stopped_gives_up_its_place(named: KafkaSettings) -> None:
    """Another one has its partitions before its session would have ended."""
    names = await create_topics(named, "a")
    async with worker(named, names) as one, worker(replace(named, instance_id="other"), names) as other:
        await joined(one)
        await one.until(lambda: len(one.pipeline.assignments[-1]) < 3 and bool(other.pipeline.assignments))
        began = time.monotonic()
        await one.stop()
        await other.until(lambda: other.pipeline.assignments[-1] == set(partitions_of(names)))
        assert time.monotonic() - began < 0.75 * named.session_timeout_seconds


@pytest.mark.kafka
async def test_a_worker_that_came_back_sees_new_partitions(named: KafkaSettings) -> None:
    """The broker tells it that it does not lead, so nobody else would look for them."""
    names = await create_topics(named, "a")
    async with worker(named, names) as running:
        await joined(running)
        await die(running)
    async with worker(named, names) as running:
        await joined(running)
        await asyncio.sleep(2)  # so that it knows of three partitions
        admin = AIOKafkaAdminClient(**named.client())
        await admin.start()
        await admin.create_partitions({names[0]: NewPartitions(4)})
        await admin.close()
        await running.until(lambda: running.pipeline.assignments[-1] == set(partitions_of(names, 4)))


@pytest.mark.kafka
async def test_the_older_of_two_workers_with_one_name_ends_and_says_why(
    named: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer one keeps the place: it is not taken back, and every record is applied."""
    monkeypatch.setattr("streams.kafka.worker.MEMBERSHIP_SECONDS", 0.001)  # some look comes when its thread has ended
    names = await create_topics(named, "a")
    partitions = partitions_of(names)
    async with worker(named, names) as older:
        await joined(older)
        async with worker(named, names) as newer:
            with pytest.raises(ConsumerFailed, match="another worker has the same XMON_KAFKA_GROUP_INSTANCE_ID") as failed:
                await asyncio.wait_for(older.task, 20)
            assert failed.value.exit_code == ExitCode.CONSUMER_FAILED
            await produce(named, partitions, 100)
            await newer.until(lambda: all(newer.pipeline.store.get(partition) == 100 for partition in partitions))
            await asyncio.sleep(2)
            assert len(newer.pipeline.assignments) == 1
            assert not newer.task.done()


def test_an_old_broker_is_sent_a_heartbeat_without_a_name() -> None:
    """Before Kafka 2.3 there was no field for it."""
    beat = _NamedHeartbeat("group", 7, "member", "name")
    assert beat.prepare({12: (0, 4)}) is beat
    assert beat.prepare({12: (0, 2)}) == HeartbeatRequest("group", 7, "member").prepare({12: (0, 2)})
