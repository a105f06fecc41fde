"""Publishing events as a producer does: to the family's topic, with the key that keeps together what belongs together."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError

from streams.events.envelope import EventFamily
from streams.events.route import host, route
from streams.kafka.exit_codes import KafkaRefused, KafkaUnreachable, WorkerError
from streams.kafka.pause import pause_between_questions
from streams.kafka.preflight import connect
from streams.kafka.settings import KafkaSettings

MOST_WAITING = 20_000
"""Events sent and not acknowledged yet: beyond, sending waits."""
CLOSE_SECONDS = 3.0


def key_of(family: EventFamily, event: Mapping[str, Any]) -> bytes | None:
    """The record's key, so that one partition sees all of a session, a customer or a target; None spreads evenly."""
    if family.key == "target":
        target = str(event.get("target", ""))
        return f"{host(target)}{route(target)}".encode()
    key = event.get(family.key) or event.get("contact") or event.get("user")
    return str(key).encode() if key else None


class Publisher:
    """Sends events and knows whether the brokers have acknowledged them. Opened and closed by `async with`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._waiting: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self.acknowledged = 0

    async def __aenter__(self) -> Self:
        (await connect(self._settings)).close()  # says best what is wrong
        self._producer = AIOKafkaProducer(**self._settings.client(), enable_idempotence=True, linger_ms=20)
        pause_between_questions(self._producer.client)
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise _told(error, self._settings) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):  # it would wait for ever for brokers that are away
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.stop()

    async def ask_for(self, topics: Iterable[str]) -> None:
        """Names topics to the brokers: those that make topics on demand, as the embedded one does, then have them."""
        names = list(topics)
        for topic in names:  # all in one question: there is a pause before the next
            self._producer.client.add_topic(topic)
        for topic in names:
            await self._producer.partitions_for(topic)

    async def require(self, family: EventFamily) -> None:
        """Raises `KafkaRefused` at once where there is no topic for these events; asking for it by name might create it."""
        topic = self._topic(family)
        try:
            cluster = await self._producer.client.fetch_all_metadata()
        except KafkaError as error:
            raise _told(KafkaConnectionError(), self._settings) from error
        if not cluster.partitions_for_topic(topic):
            raise _told(UnknownTopicOrPartitionError(), self._settings, topic)

    async def send(self, family: EventFamily, event: Mapping[str, Any], timestamp_ms: int | None = None) -> None:
        """Hands an event over; raises what became of an earlier one that was not acknowledged."""
        if len(self._waiting) >= MOST_WAITING:
            await self.flush()
        topic, key = self._topic(family), key_of(family, event)
        value = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        self._raise_failure()
        try:
            sent = await self._producer.send(topic, value, key=key, timestamp_ms=timestamp_ms)
        except KafkaError as error:
            raise _told(error, self._settings, topic) from error
        self._waiting.add(sent)
        sent.add_done_callback(self._acknowledged)

    async def flush(self) -> None:
        """Returns when everything sent is acknowledged."""
        if self._waiting:
            await asyncio.wait(self._waiting)
        self._raise_failure()

    def _topic(self, family: EventFamily) -> str:
        return f"{self._settings.topic_prefix}{family.name}"

    def _acknowledged(self, sent: asyncio.Future[Any]) -> None:
        self._waiting.discard(sent)
        if sent.cancelled():
            return
        failure = sent.exception()
        self._failure = failure or self._failure
        self.acknowledged += failure is None

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if isinstance(failure, KafkaError):
            raise _told(failure, self._settings) from failure
        if failure:
            raise failure


def _told(error: KafkaError, settings: KafkaSettings, topic: str = "") -> WorkerError:
    if isinstance(error, KafkaConnectionError):
        return KafkaUnreachable(f"no Kafka broker answers at {settings.bootstrap_servers}")
    if isinstance(error, UnknownTopicOrPartitionError):
        return KafkaRefused(f"there is no topic {topic or 'of that name'}: create it with `xmon topics create`")
    return KafkaRefused(f"Kafka refused an event: {error or type(error).__name__}")
