"""Page loads at a steady rate, while something else is measured."""

import time
from random import Random

from confluent_kafka import Producer

from benchmarks.events import PRODUCER, PageLoads, compact
from tests.services.steady import Steady

STEP_SECONDS, PATIENCE_SECONDS = 0.05, 60.0


class Trickle(Steady):
    """Of some visitors, keyed by session."""

    def __init__(self, bootstrap: str, topic: str, loads: PageLoads, rate: float) -> None:
        producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER})
        super().__init__(producer, rate, step_seconds=STEP_SECONDS, patience_seconds=PATIENCE_SECONDS)
        self._topic, self._loads, self._rng = topic, loads, Random(2)

    def publish(self, events: int) -> None:
        for number in range(self.sent, self.sent + events):
            event = self._loads.event(self._rng, number, int(time.time() * 1000))
            self._producer.produce(self._topic, compact(event), event["session"])
            self.sent += 1
