"""Workers that get stuck: each ends by itself with an exit code that says why, and the next one goes on where it stood."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from redis import Redis

from streams.kafka.exit_codes import ExitCode
from tests.conftest import real
from tests.e2e.monitor import Monitor, Process, Settings, eventually
from tests.faults import comparison, stuck
from tests.faults.publishing import Publishing, story
from tests.faults.site import Site
from tests.services.kafka import KafkaServer
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.services.service import HOST

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PARTS, PART = 10, 200  # of events
PUBLISH_SECONDS = 10.0
END_SECONDS = 30.0
FULL_SECONDS = 12.0  # a worker has a second, and five more where Redis refused a write
WAYS = (
    (stuck.blocked_loop, ExitCode.LOOP_BLOCKED),
    (stuck.silent_fetcher, ExitCode.NO_PROGRESS),
    (stuck.waiting_agent, ExitCode.NO_PROGRESS),
    (stuck.endless_rebalance, ExitCode.FLOW_STOPPED),
    (stuck.hung_stop, ExitCode.STOP_TIMEOUT),
)


class StuckWorker(Process):
    """A worker that is told when to get stuck, and must end soon after."""

    def __init__(self, directory: Path, fault: str, code: ExitCode, settings: Settings) -> None:
        super().__init__(directory, "worker", settings)
        self._fault, self._code = fault, code

    def command(self) -> list[str]:
        return [*super().command()[:-2], sys.executable, str(stuck.__file__), self._fault, str(int(self._code))]

    def begin(self) -> None:
        (self.directory / "now").touch()

    def must_end(self, code: ExitCode) -> None:
        """With this exit code, of which its last line speaks."""
        assert self._process is not None
        returned, last = self._process.wait(END_SECONDS), self.log.read_text().splitlines()[-1]
        assert returned == code, last
        assert f"exit code {code:d} ({code.name})" in last


class Scene:
    """A site with workers that have a name: the next one has the place of the last at once."""

    def __init__(self, monitor: Monitor, kafka: KafkaServer, redis: RedisServer) -> None:
        monitor.settings["XMON_KAFKA_GROUP_INSTANCE_ID"] = "worker"
        self.site = Site(monitor, kafka, redis, random.Random(1), partitions=1)
        self._events, _, _ = story(1, PARTS * PART)
        self.sent = 0

    def part(self) -> Publishing:
        """The next events: they come while the block lasts, and the rest of them at its end."""
        self.sent += PART
        return Publishing(self.site, islice(self._events, PART), PART, PUBLISH_SECONDS)

    def stuck(self, fault: Callable[[], None], code: ExitCode) -> StuckWorker:
        monitor = self.site.monitor
        process = StuckWorker(monitor._directory / fault.__name__ / code.name, fault.__name__, code, monitor.settings)
        monitor._running.callback(process.kill9)
        process.start()
        return process

    def differences(self) -> list[str]:
        """After a worker without a fault has caught up: every cell in Redis that is not the oracle's."""
        self.site.join()
        self.site.catch_up()
        oracles = comparison.count(self.site)
        assert sum(oracle.counts["records"] for oracle in oracles.values()) == self.sent
        return [line for place, oracle in oracles.items() for line in comparison._in_redis(self.site, place, oracle)]


@pytest.fixture
def scene(kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path, topic_prefix: str) -> Iterator[Scene]:
    with closing(Monitor(tmp_path, kafka, redis_server, topic_prefix.rstrip("."))) as monitor:
        yield Scene(monitor, kafka, redis_server)


def test_each_way_of_being_stuck_has_its_exit_code_and_nothing_is_lost(scene: Scene) -> None:
    """Each worker goes on where the last one stood, then gets stuck in its own way; at the end all is counted once."""
    for fault, code in WAYS:
        with scene.part():
            worker = scene.stuck(fault, code)
        scene.site.catch_up()
        worker.begin()
        if fault is stuck.hung_stop:
            os.kill(worker.pid, signal.SIGTERM)
        with scene.part():
            worker.must_end(code)
    assert scene.differences() == []


def test_a_redis_that_is_full_ends_no_worker(
    start_redis: Callable[..., RedisServer], kafka: KafkaServer, tmp_path: Path, topic_prefix: str
) -> None:
    """Nothing is applied for longer than the watchdog allows, yet nothing is stuck: the worker waits, and goes on by itself."""
    redis = start_redis()
    with (
        closing(Monitor(tmp_path, kafka, redis, topic_prefix.rstrip("."))) as monitor,
        Redis(host=HOST, port=redis.port) as client,
    ):
        scene = Scene(monitor, kafka, redis)
        with scene.part():
            worker = scene.stuck(stuck.nothing, ExitCode.NO_PROGRESS)
        scene.site.catch_up()
        client.config_set("maxmemory", 1)
        worker.begin()
        with scene.part():
            time.sleep(FULL_SECONDS)
            assert worker.lives(), worker.log.read_text()
        says(worker, store=False)
        client.config_set("maxmemory", 0)
        scene.site.catch_up()
        eventually(lambda: says(worker, store=True))
        assert scene.differences() == []


def says(worker: StuckWorker, *, store: bool) -> None:
    assert worker.json("/healthz")["store"] is store


class Misleading(KafkaServer):
    """A broker that names another port than its own: clients bootstrap at its own, and do everything else at that one."""

    advertised = 0

    def _format(self, properties: Path) -> None:
        super()._format(properties)
        own, named = (f"advertised.listeners=PLAINTEXT://{HOST}:{port}\n" for port in (self.port, self.advertised))
        text = properties.read_text()
        assert own in text
        properties.write_text(text.replace(own, named))


def test_an_address_that_leads_nowhere_ends_workers_and_loses_nothing(
    redis_server: RedisServer, tmp_path: Path, topic_prefix: str
) -> None:
    """The broker answers, but not where it says it is: no progress for a worker at work, no assignment for a new one."""
    with real("Kafka"):
        kafka = Misleading(tmp_path / "kafka")
    way, again = Proxy(kafka.port), Proxy(kafka.port)
    kafka.advertised = again.port = way.port
    with kafka, closing(Monitor(tmp_path, kafka, redis_server, topic_prefix.rstrip("."))) as monitor:
        with way:
            scene = Scene(monitor, kafka, redis_server)
            with scene.part():
                working = scene.stuck(stuck.nothing, ExitCode.NO_PROGRESS)
            with scene.part():
                scene.site.catch_up()
        working.begin()
        working.must_end(ExitCode.NO_PROGRESS)
        new = scene.stuck(stuck.nothing, ExitCode.NO_ASSIGNMENT)
        new.begin()
        new.must_end(ExitCode.NO_ASSIGNMENT)
        with again:
            assert scene.differences() == []
