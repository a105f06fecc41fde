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

CLOCKS = "message.timestamp.type=CreateTime: ", "message.timestamp.type=LogAppendTime"
COMPACTED = "cleanup.policy=compact,delete: ", "cleanup.policy=delete"


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        ({"message.timestamp.type": "CreateTime"}, [CLOCKS]),
        ({"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact,delete"}, [COMPACTED]),
        ({"cleanup.policy": "compact,delete"}, [CLOCKS, COMPACTED]),
    ],
)
async def test_a_topic_that_makes_events_late_or_forgets_them_is_named_once(
    settings: KafkaSettings, config: dict[str, str], warnings: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """With the command that changes it; topics that are as they should be are not mentioned, nor dead letters."""
    [good] = await create_topics(settings, "good")
    bad = f"{settings.topic_prefix}bad"
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    await admin.create_topics([NewTopic(bad, 1, 1, topic_configs=config)])
    await admin.close()
    await preflight.ready(settings, [good, bad, settings.dead_letter_topic], asyncio.Event())
    ours = [record.message for record in caplog.records if record.name == preflight.log.name]  # a task of before may be told of
    said = [message for message in ours if not message.startswith("waiting")]
    for message, (what, setting) in zip(said, warnings, strict=True):
        assert message.startswith(f"topic {bad} has {what}")
        assert message.endswith(f"--entity-name {bad} --alter --add-config {setting}")


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
async def test_a_broker_that_does_not_tell_configurations_stops_nobody(
    answer: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The right to read the configuration of topics is not needed, and its lack is nothing to warn of."""
    caplog.set_level(logging.INFO)
    broker = Broker(answer)
    monkeypatch.setattr(preflight, "connect", broker.connect)
    await preflight._warn_of_topics(KafkaSettings(), ["a"])
    assert len(broker.asked) == 2  # the question, and the end of the connection
    assert caplog.messages == []
