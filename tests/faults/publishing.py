"""Events that keep coming while other things happen, published one by one and in transactions."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self
from zlib import crc32

from confluent_kafka import KafkaError, KafkaException, Producer

from tests.faults.generator import FAMILIES, Generator, Sent
from tests.faults.oracle import MINUTE_MS
from tests.faults.site import Site
from tests.faults.transactions import Transactions

TICK_SECONDS = 0.02
PATIENCE_SECONDS = 600.0
SETTINGS = {
    "linger.ms": 20,
    "topic.metadata.refresh.interval.ms": 1000,  # partitions are added
    "reconnect.backoff.max.ms": 1000,
    "queue.buffering.max.messages": 1_000_000,
    "log_level": 0,
}


def story(
    seed: int, count: int, families: Sequence[str] = FAMILIES, minutes: int = 12, **chances: float
) -> tuple[Iterator[Sent], int, int]:
    """(events, their first and last instant): so many minutes that end now. `chances` of what goes wrong, for the generator."""
    until = int(time.time() * 1000) // 10_000 * 10_000
    start, step = until - minutes * MINUTE_MS, minutes * MINUTE_MS // count
    generator = Generator(seed, tuple(families), start_ms=start, step_ms=step, sessions=max(count // 20, 10), **chances)
    return generator.events(count), start - 10 * MINUTE_MS, until


class Publishing:
    """Over so many seconds, or as `spread` says. At the end the rest comes at once."""

    def __init__(
        self,
        site: Site,
        events: Iterator[Sent],
        count: int,
        seconds: float,
        *,
        in_transactions: float = 0.0,
        idempotent: bool = True,
    ) -> None:
        settings = {**SETTINGS, "bootstrap.servers": site.kafka.bootstrap}
        patience = {"message.timeout.ms": int(PATIENCE_SECONDS * 1000)}
        self._producer = Producer({**settings, **patience, "enable.idempotence": idempotent})
        name = f"{site.monitor.topic_prefix}producer"
        self.transactions = Transactions(settings, name, random.Random(count)) if in_transactions else None
        self._share = in_transactions  # of keys
        self._site, self._events, self._count = site, events, count
        self._thread = ThreadPoolExecutor(1)
        self._hurry = threading.Event()
        self._failed: list[KafkaError] = []
        self.sent = 0
        self.spread(seconds)

    def __enter__(self) -> Self:
        self._published = self._thread.submit(self._publish)
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def spread(self, seconds: float, share: float = 1.0) -> None:
        """So much of what is left at a steady rate, in so many seconds from now. Where there are more of them it goes on, ever
        more slowly, up to twice as much: so events do not run out while a fault takes its time. Of all the second half is slow.
        """
        left = self._count - self.sent
        self._pace = self.sent, min(2 * share, 1) * left, share * left / seconds

    def reach(self, count: int) -> None:
        """Returns when so many have been sent."""
        while self.sent < count and not self._published.done():
            time.sleep(TICK_SECONDS)

    def wait(self) -> None:
        """Publishes the rest at once, and returns when the broker has acknowledged all. Fails where anything was not sent."""
        self._hurry.set()
        with self._thread:
            self._published.result()
        assert self.sent == self._count, f"{self.sent} of {self._count} events were sent"
        assert self._producer.flush(PATIENCE_SECONDS) == 0, "not all events were acknowledged"
        assert not self._failed, self._failed

    def _publish(self) -> None:
        due, before = 0.0, time.monotonic()
        with ExitStack() as open_transactions:
            if self.transactions:
                open_transactions.enter_context(self.transactions)
            while self.sent < self._count:
                (then, most, rate), now = self._pace, time.monotonic()
                due += rate * (now - before) * min(1, 2 * (then + most - self.sent) / most)
                before = now
                while self.sent < due or self._hurry.is_set():
                    event = next(self._events, None)
                    if event is None:
                        return
                    self._send(event)
                self._producer.poll(0)
                self._hurry.wait(TICK_SECONDS)

    def _send(self, event: Sent) -> None:
        number = crc32(event.key or b"")
        width = self._site.width[event.family]
        record: dict[str, Any] = {
            "topic": self._site.monitor.topic(event.family),
            "value": event.value,
            "key": event.key,
            "partition": number % width,
            "timestamp": event.arrival,
        }
        if (
            self.transactions and event.key and number // width % 100 < self._share * 100
        ):  # all of a key, so that it stays in order
            self.transactions.put(**record)
        else:
            self._produce(record)
        self.sent += 1
        if self.sent % 100 == 0:
            self._producer.poll(0)

    def _produce(self, record: dict[str, Any]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._producer.produce(**record, on_delivery=self._delivered)
            except KafkaException as error:  # it has not heard yet of a partition that was added
                if error.args[0].code() != KafkaError._UNKNOWN_PARTITION or time.monotonic() > deadline:
                    raise
                self._producer.poll(TICK_SECONDS)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error:
            self._failed.append(error)
