"""How often a worker asks brokers that are away."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiokafka.client
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.metadata import MetadataResponse_v1
from aiokafka.structs import TopicPartition

from streams.kafka.app import build_app
from streams.kafka.pause import PAUSE_SECONDS
from streams.kafka.settings import KafkaSettings
from tests.services.service import HOST, free_port
from tests.streams.kafka.recording import until

LEADER_NOT_AVAILABLE = 5


async def test_a_leader_that_is_missed_is_not_asked_for_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last broker gone aiokafka's fetcher wants new metadata at once, and again when they cannot be had."""
    asked: list[float] = []
    now = asyncio.get_running_loop().time

    async def connect(*_: Any, **__: Any) -> None:
        asked.append(now())
        raise ConnectionRefusedError

    monkeypatch.setattr(aiokafka.client, "create_conn", connect)
    settings = KafkaSettings(bootstrap_servers=f"{HOST}:{free_port()}")
    app = build_app(settings, str(tmp_path))
    consumer = app.consumer._new_consumer_thread()._create_worker_consumer(app.transport)
    client, orphan = consumer._client, TopicPartition("t", 0)
    leaderless = (LEADER_NOT_AVAILABLE, orphan.partition, -1, [1], [])
    client.cluster.update_metadata(MetadataResponse_v1([(1, HOST, 1, None)], 1, [(0, orphan.topic, False, [leaderless])]))
    consumer.assign([orphan])
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    consumer._fetcher = Fetcher(client, consumer._subscription)
    try:
        await until(lambda: len(asked) >= 4)
    finally:
        await consumer.stop()
    assert all(later - earlier > 0.9 * PAUSE_SECONDS for earlier, later in pairwise(asked))
