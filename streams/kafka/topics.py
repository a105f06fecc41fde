"""Creating and describing topics."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import TopicPartition

from streams.kafka.exit_codes import KafkaRefused, KafkaUnreachable
from streams.kafka.preflight import connect
from streams.kafka.settings import KafkaSettings
from streams.kafka.topic_id import topic_id
from streams.reset import Found

WEEK_MS = 7 * 24 * 3600 * 1000
TIMESTAMPS, RETENTION = "message.timestamp.type", "retention.ms"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is in the cluster."""

    name: str
    partitions: int
    replication: int
    timestamps: str  # "LogAppendTime" is what the monitor wants
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Created:
    """What became of one topic that was asked for."""

    name: str
    created: bool
    partitions: int  # as they are; an existing topic is left as it is, since new partitions move keys
    wanted: int

    @property
    def differs(self) -> bool:
        return self.partitions != self.wanted


async def create(
    settings: KafkaSettings, topics: Sequence[str], partitions: int, replication: int, retention_ms: int = WEEK_MS
) -> list[Created]:
    """Create what is missing; safe to repeat. Returns once the leader of each partition answers: before that it refuses the
    first record of a producer and may take the second, which librdkafka, if idempotent, takes for both being written. Raises
    `KafkaRefused` with the broker's reason.
    """
    config = {TIMESTAMPS: "LogAppendTime", RETENTION: str(retention_ms)}
    async with administrator(settings) as admin:
        wanted = [NewTopic(topic, partitions, replication, topic_configs=config) for topic in topics]
        answer = (await admin.create_topics(wanted)).to_object()["topic_errors"]
        codes = {row["topic"]: (row["error_code"], row.get("error_message")) for row in answer}
        for topic, (code, message) in codes.items():
            if code not in {0, TopicAlreadyExistsError.errno}:
                raise KafkaRefused(f"topic {topic} was not created: {message or for_code(code).__name__}")
        there = await _partitions(admin, [topic for topic, (code, _) in codes.items() if code])
    made = [Created(topic, codes[topic][0] == 0, there.get(topic, partitions), partitions) for topic in topics]
    if new := [TopicPartition(one.name, number) for one in made if one.created for number in range(one.partitions)]:
        async with _asking(settings, "the new topics") as consumer:
            await consumer.end_offsets(new)
    return made


async def describe(settings: KafkaSettings, topics: Collection[str] | None = None) -> list[Topic]:
    """These topics as far as they exist, by name; without an argument all that carry the prefix."""
    async with administrator(settings) as admin:
        found = [
            row
            for row in await admin.describe_topics()
            if (row["topic"] in topics if topics is not None else row["topic"].startswith(settings.topic_prefix))
        ]
        configs = await _configs(admin, [row["topic"] for row in found])
    described = [
        Topic(
            row["topic"],
            len(row["partitions"]),
            len(row["partitions"][0]["replicas"]),
            configs[row["topic"]][TIMESTAMPS],
            int(configs[row["topic"]][RETENTION]),
        )
        for row in found
    ]
    return sorted(described, key=lambda topic: topic.name)


async def find(settings: KafkaSettings, topic: str) -> Found:
    """The id of a topic and the bounds of its logs; no bounds where there is no such topic."""
    (await connect(settings)).close()
    async with _asking(settings, topic) as consumer:
        try:
            id_ = await topic_id(consumer._client, topic)  # noqa: SLF001 - first: out of date it makes workers stand still
        except UnknownTopicOrPartitionError:
            id_ = ""
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - asking for one by name may create it
        tps = [TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())]
        starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    return Found(id_, {tp.partition: (starts[tp], ends[tp]) for tp in tps})


@asynccontextmanager
async def administrator(settings: KafkaSettings) -> AsyncIterator[Any]:
    """An administration client. Raises `KafkaUnreachable` or `KafkaRefused` where there is none to be had."""
    (await connect(settings)).close()
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise KafkaRefused(
            f"{settings.bootstrap_servers} answers, but the brokers it names do not: look at advertised.listeners"
        ) from error
    finally:
        await admin.close()


@asynccontextmanager
async def _asking(settings: KafkaSettings, what: str) -> AsyncIterator[Any]:
    """A consumer of nothing. Raises `KafkaUnreachable` where the brokers tell nothing of what is asked for."""
    consumer = AIOKafkaConsumer(**settings.client(), isolation_level="read_committed")
    try:
        await consumer.start()
        yield consumer
    except KafkaError as error:
        raise KafkaUnreachable(f"Kafka at {settings.bootstrap_servers} tells nothing of {what}: {error!r}") from error
    finally:
        await consumer.stop()


async def _partitions(admin: Any, topics: Sequence[str]) -> dict[str, int]:
    rows = await admin.describe_topics() if topics else []
    return {row["topic"]: len(row["partitions"]) for row in rows if row["topic"] in topics}


async def _configs(admin: Any, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    wanted = {TIMESTAMPS: None, RETENTION: None}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in topics])
    return {resource[3]: {entry[0]: entry[1] for entry in resource[4]} for answer in answers for resource in answer.resources}
