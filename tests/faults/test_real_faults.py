"""Processes that are killed, frozen and replaced while events come: at the end every figure everywhere is the oracle's.

The long form: `make faults`, with XMON_FAULT_EVENTS=300000 XMON_FAULT_RUNS=10 XMON_FAULTS_EACH=6 in the environment.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.monitor import Monitor
from tests.faults.harness import FAULTS, Publishing, Site, story
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

EVENTS = int(os.environ.get("XMON_FAULT_EVENTS", "20000"))
RUNS = int(os.environ.get("XMON_FAULT_RUNS", "0"))
EACH = int(os.environ.get("XMON_FAULTS_EACH", "6"))
PUBLISH_SECONDS, PAUSE_SECONDS = 22.0, 1.5  # for all events; between two faults, at most
SHORT = ("redis kill -9", "worker kill -9", "redis cut", "worker frozen")

Told = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Told:
    """Says something although the test passes."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    return say


def survive(site: Site, seed: int, faults: Sequence[str], seconds: float, tell: Told) -> None:
    """Publishes, inflicts the faults one after the other, and compares everything."""
    events, start, until = story(seed, EVENTS)
    tell(f"\nseed {seed}, {EVENTS} events")
    with Publishing(site.kafka.bootstrap, site.monitor.topic, events, EVENTS, seconds):
        for fault in faults:
            time.sleep(site.rng.uniform(0, PAUSE_SECONDS))
            tell(f"  {site.inflict(fault)}")
    site.catch_up()
    if site.ended:
        tell(f"  workers ended by themselves with {dict(site.ended)}")
    assert site.differences(start, until) == []


@pytest.fixture
def monitor(kafka: KafkaServer, redis: RedisServer, tmp_path: Path, topic_prefix: str) -> Iterator[Monitor]:
    """Processes that end with the test."""
    made = Monitor(tmp_path, kafka, redis, topic_prefix.rstrip("."))
    yield made
    made.close()


@pytest.fixture
def redis(start_redis: Callable[[], RedisServer]) -> RedisServer:
    """A Redis of the test's own, to be killed."""
    return start_redis()


def test_kills_a_cut_and_a_frozen_worker_change_no_figure(
    monitor: Monitor, kafka: KafkaServer, redis: RedisServer, tell: Told
) -> None:
    """Redis killed and cut, a worker killed and another frozen past its session: not one cell differs."""
    site = Site(monitor, kafka, redis, random.Random(1))
    site.start(workers=2)
    survive(site, 1, SHORT, PUBLISH_SECONDS, tell)


@pytest.mark.skipif(not RUNS, reason="the long form is asked for with XMON_FAULT_RUNS")
@pytest.mark.parametrize("seed", range(100, 100 + RUNS))
def test_any_faults_in_any_order_change_no_figure(
    seed: int, start_kafka: Callable[[], KafkaServer], redis: RedisServer, tmp_path: Path, topic_prefix: str, tell: Told
) -> None:
    """Kafka is killed too; each seed draws its faults and begins with one, two or three workers."""
    rng, kafka = random.Random(seed), start_kafka()
    monitor = Monitor(tmp_path, kafka, redis, topic_prefix.rstrip("."))
    try:
        site = Site(monitor, kafka, redis, rng)
        site.start(workers=rng.randint(1, 3))
        survive(site, seed, rng.choices(list(FAULTS), k=EACH), max(PUBLISH_SECONDS, EVENTS / 5000), tell)
    finally:
        monitor.close()
