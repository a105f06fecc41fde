"""Ids of topics, on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import UnknownTopicOrPartitionError
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from monitor.embedded import embedded
from streams.kafka import log, topics
from streams.kafka.settings import KafkaSettings
from streams.kafka.topic_id import METADATA, topic_id
from tests.streams.kafka.recording import PATIENCE_SECONDS, create_topics, partitions_of, produce, worker

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def client(servers: str) -> AsyncIterator[Any]:
    opened = AIOKafkaClient(bootstrap_servers=servers)
    await opened.bootstrap()
    try:
        yield opened
    finally:
        await opened.close()


async def known(asked: Any, name: str, but: str = "") -> str:
    """The id, once the broker has heard of the topic; not the one of before."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(UnknownTopicOrPartitionError):
                if (found := await topic_id(asked, name)) != but:
                    return found
            await asyncio.sleep(0.01)


async def test_the_id_is_the_one_that_other_clients_tell(settings: KafkaSettings) -> None:
    """In the form that Kafka's tools print, whatever the number of partitions; a name nobody uses is an error."""
    [name] = await create_topics(settings, "a", partitions=64)
    other = AdminClient({"bootstrap.servers": settings.bootstrap_servers, "log_level": 0})
    async with client(settings.bootstrap_servers) as asked:
        found = await known(asked, name)
        [described] = other.describe_topics(TopicCollection([name])).values()
        assert found == str(described.result(10).topic_id).translate(str.maketrans("+/", "-_"))  # librdkafka's own spelling
        with pytest.raises(UnknownTopicOrPartitionError):
            await topic_id(asked, f"{name}-nobody")
        assert f"{name}-nobody" not in (await asked.fetch_all_metadata()).topics()


async def test_a_topic_created_anew_has_another_id(settings: KafkaSettings) -> None:
    """Everything else about it may be the same."""
    [name] = await create_topics(settings, "a")
    async with client(settings.bootstrap_servers) as asked:
        before = await known(asked, name)
        assert await topic_id(asked, name) == before
        async with topics.administrator(settings) as admin:
            await admin.delete_topics([name])
        await create_topics(settings, "a")
        assert await known(asked, name, but=before)


async def test_a_broker_older_than_ids_gives_none(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked what it cannot answer."""
    [name] = await create_topics(settings, "a")
    look_up = AIOKafkaConnection._do_version_lookup

    async def older(self: AIOKafkaConnection) -> None:
        await look_up(self)
        self._versions[METADATA] = (0, 9)

    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", older)
    async with client(settings.bootstrap_servers) as asked:
        assert await topic_id(asked, name) == ""


async def test_the_broker_that_comes_along_is_asked_too() -> None:
    """librdkafka's mock cluster speaks the same protocol: the answer is the same each time."""
    async with embedded() as running, client(running.kafka_bootstrap_servers) as asked:
        await asked.add_topic("a")  # the mock cluster makes what is asked for by name
        assert await topic_id(asked, "a") == await topic_id(asked, "a")


async def test_many_who_ask_share_an_answer_that_is_not_older_than_their_question(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that is on its way may have been answered before a topic was created anew: the next one is waited for."""
    names = await create_topics(settings, "a")
    partition = partitions_of(names)[0]
    asked: list[str] = []
    answer = asyncio.Event()

    async def slow(client: Any, topic: str, node: int) -> str:
        asked.append(topic)
        number = len(asked)
        await answer.wait()
        return f"answer {number}"

    monkeypatch.setattr(log, "topic_id", slow)
    async with worker(settings, names) as running:
        await running.until(lambda: bool(running.pipeline.asked))
        first = asyncio.create_task(running.pipeline.log.topic_id(partition))
        await running.until(lambda: len(asked) == 1)
        later = [asyncio.create_task(running.pipeline.log.topic_id(partition)) for _ in range(50)]
        await asyncio.sleep(0)
        answer.set()
        assert await first == "answer 1"
        assert set(await asyncio.gather(*later)) == {"answer 2"}
        assert len(asked) == 2


async def test_what_kafka_has_under_a_name(settings: KafkaSettings) -> None:
    """The id, and the bounds of each partition; nothing where there is no such topic."""
    [name] = await create_topics(settings, "a")
    await produce(settings, partitions_of([name])[:2], 7)
    async with client(settings.bootstrap_servers) as asked:
        found = await topics.find(settings, name)
        assert found.id == await topic_id(asked, name)
    assert found.bounds == {0: (0, 7), 1: (0, 7), 2: (0, 0)}
    assert (await topics.find(settings, f"{name}-nobody")).bounds == {}
