"""Redis is a cluster of three primaries, and loses two of them for a while."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import RedisCluster as Client

from tests.e2e.monitor import Monitor
from tests.e2e.story import assert_counted, publish, tell
from tests.faults import observed
from tests.faults.comparison import pseudonym
from tests.faults.generator import FAMILIES
from tests.faults.log import Log
from tests.faults.oracle import Oracle
from tests.faults.site import KEY
from tests.services.kafka import KafkaServer
from tests.services.redis_cluster import Primary, RedisCluster
from tests.services.service import HOST

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

EVENTS, PARTITIONS, SEED = 12_000, 3, 20_260_302
LATEST_KILL_SECONDS = 1.0  # after events began to come
AWAY_SECONDS = 3.0  # longer than the others take to notice


def test_primaries_that_are_killed_change_no_figure(
    new_monitor: Callable[..., Monitor], start_redis_cluster: Callable[[], RedisCluster], kafka: KafkaServer
) -> None:
    """Events come while one primary after the other is killed and comes back: every hash and every counter is exact."""
    cluster = start_redis_cluster()
    monitor = new_monitor(cluster)
    monitor.settings["XMON_PSEUDONYM_KEY"] = KEY
    records, rng = tell(SEED, EVENTS, int(time.time() * 1000)), random.Random(SEED)
    monitor.create_topics(PARTITIONS)
    processes = [monitor.start("worker"), monitor.start("worker"), serve := monitor.start("serve")]
    third = EVENTS // 3
    publish(monitor, records[:third])
    serve.settled(third)

    with ThreadPoolExecutor(1) as publisher:
        for part, primary in enumerate(cluster.primaries[1::-1], 1):  # the one that the URL names is the second
            publishing = publisher.submit(publish, monitor, records[part * third : (part + 1) * third])
            time.sleep(rng.uniform(0, LATEST_KILL_SECONDS))
            _lose(primary)
            publishing.result()
            serve.settled((part + 1) * third)

    assert_counted(serve.settled(EVENTS), records, monitor.topic_prefix)
    assert list(_unlike(monitor, cluster, Log(kafka.bootstrap))) == []
    assert all(process.lives() for process in processes)


def _lose(primary: Primary) -> None:
    primary.kill9()
    time.sleep(AWAY_SECONDS)
    primary.start()


def _unlike(monitor: Monitor, cluster: RedisCluster, log: Log) -> Iterator[str]:
    """Where a hash differs from what the oracle counts in the log."""
    with Client(host=HOST, port=cluster.primaries[0].port) as client:
        for family in FAMILIES:
            for number in range(PARTITIONS):
                place = monitor.topic(family), number
                oracle = Oracle(family, pseudonym)
                oracle.apply(log.records(place))
                if not oracle.next:
                    continue
                stored = client.hgetall(f"{monitor.settings['XMON_REDIS_PREFIX']}:{{{place[0]}:{number}}}")
                lines = observed.differences(oracle.state, observed.state(family, stored))
                yield from (f"{place}: {line}" for line in lines)
