"""Counters are exact, whatever happens to workers."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.e2e.monitor import Monitor, Process, eventually
from tests.e2e.story import assert_counted, publish, tell

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

EVENTS, KILLS, SEED = 100_000, 5, 20_260_302
LATEST_KILL_SECONDS = 0.8  # after events began to come: while they are read, applied and written


def test_a_hundred_thousand_events_are_counted_exactly_through_five_kills(monitor: Monitor) -> None:
    """A worker that dies at any moment, and one that joins, leave no trace in any counter of any app and dimension."""
    rng = random.Random(SEED)
    records = tell(SEED, EVENTS, int(time.time() * 1000))
    cuts = [EVENTS * part // (KILLS + 1) for part in range(KILLS + 2)]
    first, *parts = [records[start:end] for start, end in pairwise(cuts)]
    monitor.create_topics(4)
    serve, worker = monitor.start("serve"), monitor.start("worker")
    publish(monitor, first)
    serve.settled(len(first))

    with ThreadPoolExecutor(1) as publisher:
        for kill, part in enumerate(parts, 1):
            publishing = publisher.submit(publish, monitor, part)
            time.sleep(rng.uniform(0, LATEST_KILL_SECONDS))  # any moment will do
            worker.kill9()
            before = serve.newer().sum("xmon_records_total")
            worker.start()
            if kill == KILLS - 1:
                monitor.start("worker")
            publishing.result()
            works_again(serve, before, cuts[kill + 1])

    assert_counted(serve.settled(EVENTS), records, monitor.topic_prefix)


def works_again(serve: Process, before: float, sent: int) -> None:
    """Returns once something was applied after the kill, if anything was left to apply."""

    def goes_on() -> None:
        assert before < serve.scrape().sum("xmon_records_total") or before == sent

    eventually(goes_on, 60)
