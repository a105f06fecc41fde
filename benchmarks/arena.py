"""Where a part of the benchmark is measured, and how much of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import redis

from benchmarks.machine import cpu_seconds
from tests.e2e.monitor import Monitor
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. The defaults are those of docs/performance.md."""

    rounds: int = 3
    events: int = 1_000_000  # of the race
    peers: bool = True
    rate: int = 5_000  # events a second, of the latency
    seconds: int = 20
    alerts: int = 120
    stage_events: int = 200_000
    growth_events: int = 800_000  # of each kind
    growth_kinds: int | None = None  # all
    pause_seconds: int = 150  # of event time
    memory_cases: int | None = None  # all
    stored_minutes: int = 90  # of event time: more than Redis keeps
    refreshes: int = 90
    held_events: int = 60_000  # of the partitions that move
    moves: int = 5  # of either kind


FULL = Scale()
SMALL = Scale(
    rounds=1,
    events=20_000,
    peers=False,
    rate=200,
    seconds=2,
    alerts=2,
    stage_events=5_000,
    growth_events=10_000,
    growth_kinds=1,
    pause_seconds=20,
    memory_cases=1,
    stored_minutes=5,
    refreshes=4,
    held_events=2_000,
    moves=1,
)
"""A try: its figures are worth nothing."""


@dataclass
class Arena:
    """One Kafka, and a Redis that nobody else uses."""

    kafka: KafkaServer
    redis: RedisServer
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @cached_property
    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis.url)

    @contextmanager
    def monitor(self, name: str) -> Iterator[Monitor]:
        """One of its own; afterwards nothing of it runs, and Redis is empty."""
        directory = self.folder / f"{name}-{next(self._numbers)}"
        directory.mkdir()
        monitor = Monitor(directory, self.kafka, self.redis, directory.name)
        monitor.settings["XMON_LOG_LEVEL"] = "ERROR"
        try:
            yield monitor
        finally:
            monitor.close()
            self.client.flushall()

    def servers_seconds(self) -> float:
        """CPU time that Kafka and Redis have taken since they were started."""
        return sum(cpu_seconds(server.pid) for server in (self.kafka, self.redis))
