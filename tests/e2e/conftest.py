"""A monitor of the test's own: `monitor` on the shared servers, `new_monitor` on others."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.monitor import Monitor
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer


@pytest.fixture
def new_monitor(kafka: KafkaServer, tmp_path: Path) -> Iterator[Callable[[RedisServer], Monitor]]:
    """Makes a monitor on the shared Kafka and a Redis that is given."""
    with ExitStack() as open_monitors:

        def make(redis: RedisServer) -> Monitor:
            name = f"e2e-{uuid.uuid4().hex[:12]}"
            return open_monitors.enter_context(closing(Monitor(tmp_path, kafka, redis, name)))

        yield make


@pytest.fixture
def monitor(new_monitor: Callable[[RedisServer], Monitor], redis_server: RedisServer) -> Monitor:
    """A monitor without topics; what it starts ends with the test."""
    return new_monitor(redis_server)
