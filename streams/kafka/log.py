"""The pipeline's view of Kafka. Every call waits until Kafka has answered: an outage is back-pressure, not an error."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import TopicPartition
from faust.exceptions import ConsumerNotStarted, NotReady, ProducerSendError

from streams.kafka.batch import DeadLetter
from streams.kafka.consumer_thread import ConsumerThread, thread_of
from streams.kafka.dead_letters import encode
from streams.kafka.exit_codes import KafkaRefused
from streams.kafka.topic_id import topic_id
from streams.pauses import pauses
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Question = tuple[str, int]  # topic, and the broker that is asked
LONGEST_PAUSE_SECONDS = 5.0
AT_ONCE = 500  # dead letters in flight
RIGHTS = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)
OUTAGES = (KafkaError, ProducerSendError, TimeoutError, ConsumerNotStarted, NotReady)


class GivenUp(Exception):  # noqa: N818 - says what happened
    """There was a rebalance: whoever waits for an answer has lost the partition, or begins anew. No error, but a cancellation:
    only the worker need know of it."""


async def until_answered(
    what: str, ask: Callable[[], Awaitable[Answer]], given_up: Callable[[], bool] = lambda: False
) -> Answer:
    """What `ask` returns, asked again for as long as Kafka is away. Raises `KafkaRefused` where a right is missing."""
    for pause in pauses(LONGEST_PAUSE_SECONDS):
        if given_up():
            raise GivenUp(what)
        try:
            return await ask()
        except RIGHTS as error:
            raise KafkaRefused(f"{what} is not allowed: {error!r}") from error
        except OUTAGES as error:
            log.warning("Kafka: %s failed, trying again in %.1f s: %r", what, pause, error)
            await asyncio.sleep(pause)
    raise AssertionError  # there is always another pause


class KafkaLog:
    """`Log` on the consumer and producer of a Faust app."""

    def __init__(self, app: Any, dead_letter_topic: str) -> None:
        self._app = app
        self._dead_letter_topic = dead_letter_topic
        self._asking: defaultdict[Question, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ids: dict[Question, tuple[float, str]] = {}  # when it was asked for, and what it was

    def epoch(self, partition: PartitionId) -> int:
        return self._thread.chain.epochs[partition]

    async def seek(self, partition: PartitionId, offset: int) -> None:
        """Start a new epoch there. Does nothing where the partition is no longer ours."""
        await self._thread.seek_to({partition: offset})

    async def bounds(self, partition: PartitionId) -> tuple[int, int]:
        """First offset kept, and the offset after the last committed record."""
        return (await self._until_answered("reading the bounds of a log", lambda: self._bounds([partition])))[partition]

    async def all_bounds(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, tuple[int, int]]:
        return await until_answered("reading the bounds of logs", lambda: self._bounds(partitions))

    async def topic_id(self, partition: PartitionId) -> str:
        """What it is now, not what it was: all who asked while an earlier question was on its way share the next one.

        The leader of the partition tells: what was read came from it, and another broker may not have heard yet that a topic
        was created anew.
        """
        return await self._until_answered("reading a topic's id", lambda: self._topic_id(partition))

    def assignment(self) -> list[PartitionId]:
        """What this worker reads at the moment, sorted; empty before the group has answered."""
        try:
            return sorted(PartitionId(*tp) for tp in self._thread.assignment())
        except ConsumerNotStarted:
            return []

    def by_leader(self) -> list[list[PartitionId]]:
        """The same, those that one broker leads together; without those that none leads."""
        led: defaultdict[int, list[PartitionId]] = defaultdict(list)
        for partition in self.assignment():
            leader = self._thread.leader_now(partition)
            if leader is not None:
                led[leader].append(partition)
        return list(led.values())

    def position(self, partition: PartitionId) -> int | None:
        """The offset of the next fetch. Unlike the end of a batch it is past transaction markers."""
        return self._thread.position_now(partition)

    def taken(self, partition: PartitionId) -> int | None:
        """The offset after the last record that was handed out; None before the first seek."""
        return self._thread.chain.end(partition)

    def lag(self, partition: PartitionId) -> int | None:
        """How many offsets the next fetch is behind the end that the last fetch saw; None before there was one."""
        return self._thread.lag_now(partition)

    def undecided(self, partition: PartitionId) -> tuple[int, int]:
        """The end of what may be read, and how many offsets lie behind it because a transaction is open."""
        return self._thread.undecided_now(partition)

    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Returns when every replica in sync has them all."""
        for first in range(0, len(letters), AT_ONCE):
            sends = (self._send_until_answered(letter) for letter in letters[first : first + AT_ONCE])
            await asyncio.gather(*sends)

    async def _send_until_answered(self, letter: DeadLetter) -> None:
        await self._until_answered("writing a dead letter", lambda: self._send(letter))

    async def _until_answered(self, what: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Or until a rebalance: what has moved to another worker must not keep its topic's agent here waiting."""
        generation = self._app.consumer_generation_id
        return await until_answered(what, ask, lambda: self._app.consumer_generation_id != generation)

    async def _send(self, letter: DeadLetter) -> None:
        key, value, headers = encode(letter)
        written = await self._app.producer.send(self._dead_letter_topic, key, value, None, None, headers)
        await written

    async def _topic_id(self, partition: PartitionId) -> str:
        called, leader = time.monotonic(), self._thread.leader_now(partition)
        if leader is None:
            raise NodeNotReadyError(f"the leader of {partition} is not known yet")
        question = partition.topic, leader
        async with self._asking[question]:
            if self._ids.get(question, (0.0, ""))[0] < called:
                client = self._app.producer._ensure_producer().client  # noqa: SLF001 - the one of this loop
                asked = time.monotonic()
                self._ids[question] = asked, await topic_id(client, *question)
            return self._ids[question][1]

    async def _bounds(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, tuple[int, int]]:
        tps = [TopicPartition(*partition) for partition in partitions]
        starts, ends = await self._thread.earliest_offsets(*tps), await self._thread.highwaters(*tps)
        return {PartitionId(*tp): (starts[tp], ends[tp]) for tp in tps}

    @property
    def _thread(self) -> ConsumerThread:
        return thread_of(self._app)
