"""How often a worker asks brokers that are away."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiokafka.client
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataResponse_v1
from aiokafka.structs import TopicPartition

from monitor.embedded import embedded
from streams.events.page_load import FAMILY
from streams.kafka.app import build_app
from streams.kafka.pause import PAUSE_SECONDS
from streams.kafka.publish import Publisher
from streams.kafka.settings import KafkaSettings
from tests.services.service import HOST, free_port
from tests.streams.kafka.recording import until

NOWHERE = KafkaSettings(bootstrap_servers=f"{HOST}:{free_port()}")
ORPHAN = TopicPartition("experience.page-load", 0)
LEADER_NOT_AVAILABLE = 5


def refused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When brokers were asked for a connection, from now on in vain."""
    asked: list[float] = []
    now = asyncio.get_running_loop().time

    async def connect(*_: Any, **__: Any) -> None:
        asked.append(now())
        raise ConnectionRefusedError

    monkeypatch.setattr(aiokafka.client, "create_conn", connect)
    return asked


def forget_leaders(client: Any) -> None:
    leaderless = (LEADER_NOT_AVAILABLE, ORPHAN.partition, -1, [99], [])
    client.cluster.update_metadata(MetadataResponse_v1([(99, HOST, 1, None)], 99, [(0, ORPHAN.topic, False, [leaderless])]))


def unhurried(asked: list[float]) -> bool:
    return all(later - earlier > 0.9 * PAUSE_SECONDS for earlier, later in pairwise(asked))


async def test_a_leader_that_is_missed_is_not_asked_for_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last broker gone aiokafka's fetcher wants new metadata at once, and again when they cannot be had."""
    asked = refused(monkeypatch)
    app = build_app(NOWHERE, str(tmp_path))
    consumer = app.consumer._new_consumer_thread()._create_worker_consumer(app.transport)
    client = consumer._client
    forget_leaders(client)
    consumer.assign([ORPHAN])
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    consumer._fetcher = Fetcher(client, consumer._subscription)
    try:
        await until(lambda: len(asked) >= 4)
    finally:
        await consumer.stop()
    assert unhurried(asked)


async def test_nor_by_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka's producer wants to know who takes what waits to be sent."""
    asked = refused(monkeypatch)
    producer = build_app(NOWHERE, str(tmp_path)).producer._new_producer()
    client = producer.client
    forget_leaders(client)
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    await producer._sender.start()
    try:
        await producer.send(ORPHAN.topic, b"x", partition=ORPHAN.partition)
        await until(lambda: len(asked) >= 4)
    finally:
        producer._message_accumulator.fail_all(KafkaError())
        await producer.stop()
    assert unhurried(asked)


async def test_nor_by_who_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with events; and to ask for all topics takes no longer than to ask for one."""
    now = asyncio.get_running_loop().time
    async with embedded() as both, Publisher(KafkaSettings(bootstrap_servers=both.kafka_bootstrap_servers)) as publisher:
        began = now()
        await publisher.ask_for([f"experience.{number}" for number in range(40)])
        assert now() - began < 20 * PAUSE_SECONDS
        asked = refused(monkeypatch)
        forget_leaders(publisher._producer.client)
        await publisher.send(FAMILY, {"app": "shop", "session": "s1"})
        await until(lambda: len(asked) >= 4)
        publisher._producer._message_accumulator.fail_all(KafkaError())
    assert unhurried(asked)
