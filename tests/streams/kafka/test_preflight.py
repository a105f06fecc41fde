"""What is said before a worker joins its group."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.admin import DescribeConfigsResponse_v2

from streams.kafka import preflight
from streams.kafka.settings import KafkaSettings
from tests.streams.kafka.recording import create_topics


@pytest.mark.kafka
async def test_a_topic_with_the_producers_clocks_is_named_once(
    settings: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """With the command that changes it; topics that carry the broker's clock are not mentioned, nor dead letters."""
    [good] = await create_topics(settings, "good")
    bad = f"{settings.topic_prefix}bad"
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    await admin.create_topics([NewTopic(bad, 1, 1, topic_configs={"message.timestamp.type": "CreateTime"})])
    await admin.close()
    await preflight.ready(settings, [good, bad, settings.dead_letter_topic], asyncio.Event())
    [said] = [message for message in caplog.messages if not message.startswith("waiting")]
    assert said.startswith(f"topic {bad} has the producers' timestamps (CreateTime)")
    assert said.endswith(f"--entity-name {bad} --alter --add-config message.timestamp.type=LogAppendTime")


@dataclass
class Broker:
    """Answers what it is told to answer, or raises it."""

    answer: Any
    asked: list[Any] = field(default_factory=list)

    async def connect(self, _: KafkaSettings) -> "Broker":
        return self

    async def send(self, request: Any) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.asked.append("closed")


@pytest.mark.parametrize(
    "answer",
    [
        DescribeConfigsResponse_v2(0, [(29, "Topic authorization failed.", 2, "a", [])]),
        IncompatibleBrokerVersion("DescribeConfigsRequest is not known"),
        TimeoutError(),
    ],
    ids=["denied", "unknown", "silence"],
)
async def test_a_broker_that_does_not_tell_timestamps_stops_nobody(
    answer: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The right to read the configuration of topics is not needed, and its lack is nothing to warn of."""
    caplog.set_level(logging.INFO)
    broker = Broker(answer)
    monkeypatch.setattr(preflight, "connect", broker.connect)
    await preflight._warn_of_clocks(KafkaSettings(), ["a"])
    assert len(broker.asked) == 2  # the question, and the end of the connection
    assert caplog.messages == []
