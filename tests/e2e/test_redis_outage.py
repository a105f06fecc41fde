"""Redis goes away for a while, or takes no writes: everybody waits, nothing is lost."""

import os
import time
from collections.abc import Callable

import pytest
from redis import Redis

from tests.e2e.monitor import Monitor, Process, eventually
from tests.e2e.story import assert_counted, publish, tell
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LONG = "XMON_LONG_FAULTS" in os.environ
OUTAGE_SECONDS = 30 if LONG else 8
STALE_AFTER_SECONDS = 15
EVENTS, FEW = 20_000, 500
FULL_SECONDS = 6.0


def test_nothing_is_lost_while_redis_is_away(
    new_monitor: Callable[[RedisServer], Monitor], start_redis: Callable[..., RedisServer]
) -> None:
    """Workers, one of them started meanwhile, live on and say what they wait for; afterwards every counter is right."""
    redis = start_redis()
    monitor = new_monitor(redis)
    records = tell(7, EVENTS, int(time.time() * 1000))
    monitor.create_topics(4)
    worker, serve = monitor.start("worker"), monitor.start("serve")
    publish(monitor, records[: EVENTS // 2])
    serve.settled(EVENTS // 2)

    publish(monitor, records[EVENTS // 2 :])  # while these are being counted
    redis.kill9()
    away_since = time.monotonic()
    late_worker, late_serve = monitor.start("worker"), monitor.start("serve")
    pids = [process.pid for process in (worker, serve, late_worker, late_serve)]
    eventually(lambda: workers_say_so(worker, late_worker))
    eventually(lambda: serves_say_so(serve, late_serve))
    time.sleep(max(0.0, away_since + OUTAGE_SECONDS - time.monotonic()))  # the outage itself
    if LONG:
        assert OUTAGE_SECONDS > STALE_AFTER_SECONDS
        assert serve.get("/readyz").status_code == 503
        assert serve.get("/api/v1/figures", figure="page_views").status_code == 503
        assert serve.scrape().by("xmon_page_views_total", "app") == {}
    redis.start()

    for one in (serve, late_serve):
        assert_counted(one.settled(EVENTS), records, monitor.topic_prefix)
    assert [process.pid for process in (worker, serve, late_worker, late_serve) if process.lives()] == pids


def test_a_worker_that_starts_on_a_full_redis_waits(
    new_monitor: Callable[[RedisServer], Monitor], start_redis: Callable[..., RedisServer]
) -> None:
    """It says for what, and goes on by itself once there is room."""
    redis = start_redis(options=["--maxmemory", "1"])
    monitor = new_monitor(redis)
    records = tell(7, FEW, int(time.time() * 1000))
    monitor.create_topics(1)
    publish(monitor, records)
    worker = monitor.start("worker")
    time.sleep(FULL_SECONDS)  # nothing is to happen
    assert worker.lives(), worker.log.read_text()
    assert worker.json("/healthz") == {"joined": False, "store": False, "problems": []}
    assert worker.scrape().value("xmon_worker_store_up") == 0
    assert worker.log.read_text().count("raise maxmemory") == 1
    with Redis(port=redis.port) as client:
        client.config_set("maxmemory", 0)
    assert_counted(monitor.start("serve").settled(FEW), records, monitor.topic_prefix)
    assert worker.lives()
    assert worker.scrape().value("xmon_worker_store_up") == 1


def workers_say_so(worker: Process, late: Process) -> None:
    assert worker.json("/healthz")["store"] is False
    condition = late.json("/healthz")
    assert condition["store"] is False
    assert condition["joined"] is False


def serves_say_so(serve: Process, late: Process) -> None:
    assert serve.json("/healthz")["problems"] == ["the store of figures does not answer"]
    assert serve.scrape().value("xmon_up") == 0
    assert late.json("/healthz")["status"] == "starting"
    assert late.get("/readyz").status_code == 503
