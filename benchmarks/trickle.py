"""Page loads at a steady rate, while something else is measured."""

import threading
import time
from random import Random
from typing import Self

from confluent_kafka import Producer

from benchmarks.events import PRODUCER, PageLoads, compact

STEP_SECONDS, PATIENCE_SECONDS = 0.05, 60.0


class Trickle(threading.Thread):
    """Publishes as long as its context lasts."""

    def __init__(self, bootstrap: str, topic: str, loads: PageLoads, rate: float) -> None:
        super().__init__(daemon=True)
        self._producer, self._topic = Producer({"bootstrap.servers": bootstrap, **PRODUCER}), topic
        self._loads, self._rate = loads, rate
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        self._producer.flush(PATIENCE_SECONDS)

    def run(self) -> None:
        rng, began, sent = Random(2), time.monotonic(), 0
        while not self._over.wait(STEP_SECONDS):
            for number in range(sent, int(self._rate * (time.monotonic() - began))):
                event = self._loads.event(rng, number, int(time.time() * 1000))
                self._producer.produce(self._topic, compact(event), event["session"])
                sent += 1
            self._producer.poll(0)
