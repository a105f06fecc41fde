"""That a broker or a store is away is said many times a second, by aiokafka and by all that waits; now and then is enough."""

import logging
import time
from collections.abc import Callable

SECONDS = 30.0
RESTLESS = ("aiokafka.", "faust.", "mode.", "streams.kafka.log.", "streams.patience.", "monitor.connections.")  # and below


class Calm(logging.Filter):
    """For a handler: lets each kind of message of these loggers through once per half minute."""

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._clock = seconds, clock
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not f"{record.name}.".startswith(RESTLESS):
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        if now - self._said.get(kind, float("-inf")) < self._seconds:
            return False
        self._said[kind] = now
        return True
