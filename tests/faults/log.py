"""Topics as whoever reads committed records finds them: their ends, and all that they hold."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.streams.records import Raw

Place = tuple[str, int]  # topic, partition
PATIENCE_SECONDS = 90.0
WEEK_MS = 7 * 24 * 3_600_000
FIRST_LOOK, GROWTH = 4, 50  # so many offsets from the end a last record is looked for, then so many times more


def create_topics(bootstrap: str, partitions: Mapping[str, int]) -> None:
    """Topics with so many partitions each; with the producers' timestamps, so that story time may run faster than ours. Returns
    once the leader of each partition answers: see `streams.kafka.topics.create`."""
    config = {"message.timestamp.type": "CreateTime", "retention.ms": str(WEEK_MS)}
    topics = [NewTopic(topic, n, 1, config=config) for topic, n in partitions.items()]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics(topics).values():
        created.result(30)
    Log(bootstrap).wait_for((topic, number) for topic, n in partitions.items() for number in range(n))


class Log:
    """Asks and reads without a group to speak of; a broker that has just come back is asked again."""

    def __init__(self, bootstrap: str) -> None:
        self._settings = {
            "bootstrap.servers": bootstrap,
            "group.id": "harness",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
        self._consumer = Consumer(self._settings)

    def wait_for(self, places: Iterable[Place]) -> None:
        """Until the leader of each answers."""
        for place in places:
            self._bounds(place)

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last committed record; what lies behind it, markers and aborted records, is none."""
        bounds = {place: self._bounds(place) for place in places}
        found, look = {place: 0 for place, (first, end) in bounds.items() if first == end}, FIRST_LOOK
        while missing := bounds.keys() - found.keys():
            starts = {place: max(bounds[place][0], bounds[place][1] - look) for place in missing}
            last = {(m.topic(), m.partition()): m.offset() + 1 for m in self._read(starts, {p: bounds[p][1] for p in missing})}
            found |= last | {place: 0 for place, start in starts.items() if start == bounds[place][0] and place not in last}
            look *= GROWTH
        return found

    def records(self, place: Place) -> Iterator[Raw]:
        """From the beginning to the end that there is now."""
        for message in self._all(place):
            yield Raw(message.offset(), message.timestamp()[1], message.value(), message.key())

    def headers(self, place: Place) -> Iterator[dict[str, str]]:
        for message in self._all(place):
            yield {name: value.decode() for name, value in message.headers()}

    def _all(self, place: Place) -> Iterator[Any]:
        first, end = self._bounds(place)
        return self._read({place: first}, {place: end}) if end > first else iter(())

    def _bounds(self, place: Place) -> Place:
        """First offset, and the end of what is decided: the broker tells it to those who read committed records."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
            with suppress(KafkaException):  # a topic that a starting broker did not know yet is not asked for again otherwise
                self._consumer.list_topics(timeout=10)

    def _read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Any]:
        """All messages until each place has come to its end. Each reading has a consumer of its own: the end of a partition
        that another reading came to may still lie in the queue of an old one."""
        with closing(Consumer(self._settings)) as consumer:
            consumer.assign([TopicPartition(*place, start) for place, start in starts.items()])
            unread, deadline = set(starts), time.monotonic() + PATIENCE_SECONDS
            while unread:
                assert time.monotonic() < deadline, f"could not be read to the end: {unread}"
                for message in consumer.consume(2000, timeout=0.02):
                    place = (message.topic(), message.partition())
                    if message.error() is None:
                        deadline = time.monotonic() + PATIENCE_SECONDS
                        yield message
                    if message.error() is None and message.offset() + 1 < ends[place]:
                        continue
                    if message.error() is None or message.error().code() == KafkaError._PARTITION_EOF:
                        unread.discard(place)
