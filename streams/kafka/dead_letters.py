"""What a dead letter looks like in its topic, and reading them back."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from streams.kafka.batch import DeadLetter
from streams.kafka.exit_codes import KafkaUnreachable
from streams.kafka.settings import KafkaSettings
from streams.state.keys import PartitionId

VALUE_BYTES = 65_536
KEY_BYTES = 1_024  # a key of a megabyte must not make a letter that no broker takes
DETAIL_CHARACTERS = 500
NO_VALUE = -1
Headers = list[tuple[str, bytes]]


def encode(letter: DeadLetter) -> tuple[bytes | None, bytes, Headers]:
    """Key, value and headers; what is too long is cut.

    `size` tells how long the value was, -1 that there was none: a record without key and value cannot be sent.
    """
    record, value = letter.record, letter.record.value
    texts = {
        "topic": letter.partition.topic,
        "partition": letter.partition.number,
        "offset": record.offset,
        "reason": letter.reason,
        "detail": letter.detail[:DETAIL_CHARACTERS],
        "timestamp": record.timestamp,
        "size": NO_VALUE if value is None else len(value),
    }
    headers = [(name, str(text).encode()) for name, text in texts.items()]
    return record.key and record.key[:KEY_BYTES], (value or b"")[:VALUE_BYTES], headers


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as it was read back; `(partition, offset)` names the record, so a letter written twice is seen."""

    partition: PartitionId
    offset: int
    reason: str
    detail: str
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    size: int  # of the original value, bytes; -1: it had none

    @property
    def complete(self) -> bool:
        """Whether the value is whole, so that the record can be sent again."""
        return self.value is None or self.size == len(self.value)


def decode(headers: Sequence[tuple[str, bytes]], key: bytes | None, value: bytes | None) -> StoredLetter:
    texts: Mapping[str, str] = {name: raw.decode(errors="replace") for name, raw in headers}
    size = int(texts.get("size", len(value or b"")))
    return StoredLetter(
        partition=PartitionId(texts.get("topic", "?"), int(texts.get("partition", -1))),
        offset=int(texts.get("offset", -1)),
        reason=texts.get("reason", "?"),
        detail=texts.get("detail", ""),
        timestamp_ms=int(texts.get("timestamp", 0)),
        key=key,
        value=None if size == NO_VALUE else value,
        size=size,
    )


async def read(settings: KafkaSettings, limit: int = 100, reason: str | None = None) -> list[StoredLetter]:
    """The newest `limit` letters, of this reason where one is given, newest last. Reads up to the end there is now."""
    consumer = AIOKafkaConsumer(**settings.client(), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        newest = await _newest(consumer, settings.dead_letter_topic, limit, reason)
    except KafkaConnectionError as error:
        raise KafkaUnreachable(f"no Kafka broker answers at {settings.bootstrap_servers}") from error
    finally:
        await consumer.stop()
    return newest


async def _newest(consumer: Any, topic: str, limit: int, reason: str | None) -> list[StoredLetter]:
    numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic) or ()  # noqa: SLF001
    tps = [TopicPartition(topic, number) for number in sorted(numbers)]
    if not tps:
        return []
    consumer.assign(tps)
    ends = await consumer.end_offsets(tps)
    for tp, start in (await consumer.beginning_offsets(tps)).items():
        consumer.seek(tp, start if reason else max(start, ends[tp] - limit))
    heap: list[tuple[Any, ...]] = []  # the newest so far, oldest first; of the same millisecond as the records stood
    while any([await consumer.position(tp) < ends[tp] for tp in tps]):
        for tp, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                if record.offset < ends[tp] and (reason is None or ("reason", reason.encode()) in record.headers):
                    letter = decode(record.headers, record.key, record.value)
                    place = letter.partition, letter.offset, tp.partition, record.offset
                    heapq.heappush(heap, (record.timestamp, *place, letter))
                    if len(heap) > limit:
                        heapq.heappop(heap)
        await asyncio.sleep(0)
    return [letter for *_, letter in sorted(heap)]
