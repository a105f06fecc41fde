"""The page loads that everyone is given while being killed."""

import random
import threading
import time
from collections import Counter

from confluent_kafka import Producer

from benchmarks.events import PRODUCER, compact, page_load
from tests.faults.log import create_topics

PARTITIONS = 4
STEP_SECONDS = 0.02


def create(bootstrap: str, *topics: str) -> None:
    create_topics(bootstrap, dict.fromkeys(topics, PARTITIONS))


def _produce(producer: Producer, topic: str, event: dict[str, object], key: str) -> None:
    producer.produce(topic, compact(event), str(event[key]))
    producer.poll(0)


class Stream:
    """Publishes page loads at a steady rate, keyed by this field, on a thread of its own, and knows what it published."""

    def __init__(self, bootstrap: str, topic: str, key: str, events: int, rate: float) -> None:
        self.pages: Counter[str] = Counter()
        self._producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER})
        self._topic = topic
        self._key = key
        self._events = events
        self._rate = rate
        self._rng = random.Random(1)
        self._thread = threading.Thread(target=self._run)

    def head(self, events: int) -> None:
        """Publishes the first so many at once; they belong to the number of events."""
        self._produce(events)
        self._producer.flush()

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Returns when every event is acknowledged."""
        self._thread.join()
        left = self._producer.flush(60)
        assert left == 0, f"{left} events were not acknowledged"

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        began, before = time.monotonic(), self.pages.total()
        while (done := self.pages.total()) < self._events:
            due = before + int((time.monotonic() - began) * self._rate)
            self._produce(min(due, self._events) - done)
            time.sleep(STEP_SECONDS)

    def _produce(self, events: int) -> None:
        start = self.pages.total()
        for number in range(start, start + events):
            event = page_load(self._rng, number)
            _produce(self._producer, self._topic, event, self._key)
            self.pages[event["page"]] += 1
