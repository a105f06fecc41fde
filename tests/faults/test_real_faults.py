"""Processes that are killed, frozen and replaced while events come: at the end every figure everywhere is the oracle's.

The long form is a part of `make faults`: all faults, alone and two at once, in 20 seeds of 300,000 events. Its settings are in
`tests/faults/__main__.py`; `XMON_FAULTS_SEEDS=1 XMON_FAULTS_EVENTS=40000 XMON_FAULTS_AWAY_SECONDS=15
XMON_FAULTS_FROZEN_SECONDS=8` takes about five minutes, after those of simulator and scenarios.
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.monitor import Monitor
from tests.faults.run import Plan, survive
from tests.faults.site import Site
from tests.services.kafka import KafkaServer
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SHORT = Plan(
    faults=[
        ("redis kill -9", "serve kill -9"),
        ("redis cut", "worker kill -9"),
        ("commands late",),
        ("replies lost", "worker frozen"),
    ],
    events=15_000,
)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says something although the test passes."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"  {line}\n")

    return say


@pytest.fixture
def site(kafka: KafkaServer, start_redis: Callable[[], RedisServer], tmp_path: Path, topic_prefix: str) -> Iterator[Site]:
    """A Redis of the test's own, to be killed, with a wire to it; processes that end with the test."""
    redis = start_redis()
    monitor = Monitor(tmp_path, kafka, redis, topic_prefix.rstrip("."))
    with Proxy(redis.port) as wire, closing(monitor):
        yield Site(monitor, kafka, redis, random.Random(1), wire=wire, stamped=["app-session"])


def test_kills_cuts_and_a_wire_that_fails_change_no_figure(site: Site, tell: Callable[[str], None]) -> None:
    """Redis killed and cut, workers killed and frozen past their session, a bad wire, `serve` killed: not one cell differs."""
    site.start(workers=2, serves=2)
    differences = survive(site, 1, SHORT, tell)
    assert not differences, "\n".join(differences)
