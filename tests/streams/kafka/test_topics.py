"""Making topics and reading dead letters back, on a real broker."""

from contextlib import closing
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.kafka import dead_letters, topics
from streams.kafka.batch import DeadLetter
from streams.kafka.exit_codes import KafkaRefused
from streams.kafka.settings import KafkaSettings
from streams.state.keys import PartitionId
from tests.streams.kafka.recording import create_topics, worker

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Bad:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


async def test_topics_are_made_once(settings: KafkaSettings) -> None:
    """Making them again changes nothing and says what is different."""
    name = f"{settings.topic_prefix}a"
    [made] = await topics.create(settings, [name], 3, 1)
    [again] = await topics.create(settings, [name], 5, 1)
    assert (made.created, made.partitions, made.differs) == (True, 3, False)
    assert (again.created, again.partitions, again.differs) == (False, 3, True)
    assert await topics.describe(settings) == [topics.Topic(name, 3, 1, "LogAppendTime", 7 * 86_400_000)]


async def test_topics_are_there_once_they_are_made(settings: KafkaSettings) -> None:
    """The leader of each partition answers: a producer may begin, and none of its first records is refused."""
    name, count = f"{settings.topic_prefix}a", 300
    await topics.create(settings, [name], count, 1)
    with closing(Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "asks", "log_level": 0})) as consumer:
        for number in reversed(range(count)):
            assert consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10) == (0, 0)


async def test_a_refused_topic_says_why(settings: KafkaSettings) -> None:
    """More replicas than brokers is the broker's refusal, in its words."""
    with pytest.raises(KafkaRefused, match="replication factor"):
        await topics.create(settings, [f"{settings.topic_prefix}a"], 1, 3)


async def test_dead_letters_come_back_as_they_were_written(settings: KafkaSettings) -> None:
    """Everything about the record is kept; a long value is cut and says so; the newest stand last."""
    names = await create_topics(settings, "a")
    partition = PartitionId(names[0], 2)
    records = [Bad(1, 1_000, b"k", b"{"), Bad(2, 2_000, None, None), Bad(3, 3_000, b"k" * 5_000, b"v" * 100_000)]
    letters = [DeadLetter(partition, record, "not_json" if record.offset == 1 else "empty", "é") for record in records]
    async with worker(settings, names) as running:
        await running.until(lambda: bool(running.pipeline.assignments))
        for letter in letters:
            await running.pipeline.log.dead_letters([letter])

    back = await dead_letters.read(settings)
    assert [letter.offset for letter in back] == [1, 2, 3]
    assert back[0] == dead_letters.StoredLetter(partition, 1, "not_json", "é", 1_000, b"k", b"{", 1)
    assert back[1].value is None
    assert back[1].complete
    assert (len(back[2].value or b""), back[2].size, back[2].complete) == (65_536, 100_000, False)
    assert back[2].key == b"k" * 1_024
    assert [letter.offset for letter in await dead_letters.read(settings, reason="empty")] == [2, 3]
    assert [letter.offset for letter in await dead_letters.read(settings, limit=1)] == [3]


async def test_many_dead_letters_are_all_acknowledged(settings: KafkaSettings) -> None:
    """A flood of them is written whole."""
    names = await create_topics(settings, "a")
    letters = [DeadLetter(PartitionId(names[0], 0), Bad(n, n, None, b"x"), "r", "d") for n in range(3_000)]
    async with worker(settings, names) as running:
        await running.until(lambda: bool(running.pipeline.assignments))
        await running.pipeline.log.dead_letters(letters)
    assert {letter.offset for letter in await dead_letters.read(settings, limit=5_000)} == set(range(3_000))


async def test_no_dead_letter_topic_is_no_dead_letters(settings: KafkaSettings) -> None:
    """Reading before anything was set up answers with nothing."""
    assert await dead_letters.read(settings) == []
