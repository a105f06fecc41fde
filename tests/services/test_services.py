"""The servers themselves: that they start, keep what they hold over a kill, and answer on the same port."""

import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from tests.services.kafka import KafkaServer
from tests.services.prometheus import Alertmanager, Prometheus
from tests.services.redis import RedisServer
from tests.services.service import answers_http, on_path

TEN_MEGABYTES = 10 * 1024 * 1024


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def _publish(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * TEN_MEGABYTES) as producer:
        await producer.send_and_wait(topic, value)


async def _first(bootstrap: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return (await consumer.getone()).value


@pytest.mark.kafka
async def test_kafka_carries_a_value_of_ten_megabytes(kafka: KafkaServer, topic_prefix: str) -> None:
    """The largest value a producer may send reaches a consumer whole."""
    topic = f"{topic_prefix}large"
    await _create(kafka.bootstrap, topic)
    await _publish(kafka.bootstrap, topic, bytes(TEN_MEGABYTES))
    assert await _first(kafka.bootstrap, topic) == bytes(TEN_MEGABYTES)


@pytest.mark.kafka
@pytest.mark.slow
async def test_kafka_keeps_its_log_when_killed(start_kafka: Callable[[], KafkaServer]) -> None:
    """A broker killed and started again answers at the same address with the same records."""
    server = start_kafka()
    await _create(server.bootstrap, "kept")
    await _publish(server.bootstrap, "kept", b"still here")
    server.kill9()
    server.start()
    assert await _first(server.bootstrap, "kept") == b"still here"


def test_redis_restarts_on_its_port(start_redis: Callable[..., RedisServer]) -> None:
    """A Redis that was killed comes back under the same URL."""
    server = start_redis()
    before = server.url
    server.kill9()
    assert server.start().url == before


def test_prometheus_and_alertmanager_answer(
    start_prometheus: Callable[[str], Prometheus], start_alertmanager: Callable[[str], Alertmanager]
) -> None:
    """Both start from a configuration given as text."""
    prometheus = start_prometheus("global: {scrape_interval: 1s}")
    alertmanager = start_alertmanager("{route: {receiver: nobody}, receivers: [{name: nobody}]}")
    assert answers_http(f"{prometheus.url}/-/ready")
    assert answers_http(f"{alertmanager.url}/-/ready")


def test_a_server_of_our_environment_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it lies before the others where the environment is active."""
    ours, others = tmp_path / "ours", tmp_path / "others"
    for folder in (ours, others):
        folder.mkdir()
        (folder / "redis-server").touch(mode=0o755)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, (ours, others))))
    assert on_path("redis-server") == str(ours / "redis-server")
    monkeypatch.setattr(sysconfig, "get_path", {"scripts": str(ours)}.__getitem__)
    assert on_path("valkey-server", "redis-server") == str(others / "redis-server")
