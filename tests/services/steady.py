"""Publishing at a steady rate, while something else is looked at."""

import threading
import time
from typing import Self

from confluent_kafka import Producer


class Steady(threading.Thread):
    """Publishes as long as its context lasts; `publish` says what. Not to be acknowledged in the end is an AssertionError,
    and so is an end before that."""

    def __init__(self, producer: Producer, rate: float, *, step_seconds: float, patience_seconds: float) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._producer, self._rate = producer, rate
        self._step_seconds, self._patience_seconds = step_seconds, patience_seconds
        self._over = threading.Event()

    def publish(self, events: int) -> None:
        """Sends the next ones."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        lives = self.is_alive()
        self._over.set()
        self.join()
        assert lives, "publishing ended early"
        assert self._producer.flush(self._patience_seconds) == 0, "not all events were acknowledged"

    def run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(self._step_seconds):
            due = int(self._rate * (time.monotonic() - began))
            self.publish(due - self.sent)
            self._producer.poll(0)
