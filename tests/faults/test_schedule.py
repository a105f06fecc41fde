"""What a run relies on: it fails where its publisher or a worker does, and its faults and events are what they say."""

import random
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from streams.kafka.exit_codes import ExitCode
from tests.faults.faults import FAULTS, Lengths
from tests.faults.generator import Generator, Sent, logs
from tests.faults.oracle import Oracle
from tests.faults.publishing import Publishing
from tests.faults.run import Plan, every_fault, paced, unexplained
from tests.faults.transactions import Transactions

EVENT = Sent("page-load", None, b"{}", 0)
NOWHERE = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}


def publishing(events: Iterator[Sent], count: int) -> Publishing:
    """Without a broker."""
    monitor = SimpleNamespace(topic=str, topic_prefix="")
    site: Any = SimpleNamespace(
        kafka=SimpleNamespace(bootstrap=NOWHERE["bootstrap.servers"]), monitor=monitor, width={"page-load": 1}
    )
    return Publishing(site, events, count, seconds=1)


def test_a_publisher_that_dies_is_heard_of() -> None:
    """In the end, and by those who wait for so many events."""

    def events() -> Iterator[Sent]:
        yield EVENT
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), publishing(events(), 3) as dying:
        dying.reach(2)


def test_a_publisher_must_send_all_that_was_planned() -> None:
    """Not only all that there was."""
    with pytest.raises(AssertionError, match="2 of 3 events were sent"), publishing(iter([EVENT] * 2), 3):
        pass


def test_transactions_that_die_are_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have a thread of their own."""
    monkeypatch.setattr(Transactions, "_begin_anew", lambda _: None)
    with pytest.raises(AttributeError), Transactions(NOWHERE, "", random.Random(1)) as dying:
        dying.put(topic="page-load")


def test_each_fault_comes_once_alone_and_pairs_come_in_between() -> None:
    """Half of the pairs are of workers alone."""
    faults = every_fault(random.Random(1), pairs=6)
    assert sorted(names for names in faults if len(names) == 1) == sorted((name,) for name in FAULTS)
    pairs = [[FAULTS[name].target for name in names] for names in faults if len(names) == 2]
    assert Counter(one == two == "worker" for one, two in pairs) == {True: 3, False: 3}
    assert {len(names) for names in faults[:12]} == {1, 2}


def test_an_exit_code_needs_a_reason() -> None:
    """A broker that is away is one for a worker that could not start, and for no other."""
    ended = Counter({ExitCode.KAFKA: 1, ExitCode.NO_PROGRESS: 2})
    assert unexplained(("kafka away", "redis cut"), ended) == [
        "kafka away + redis cut: 2 times a worker ended with exit code 88"
    ]
    assert len(unexplained(("redis cut",), ended)) == len(unexplained((), ended)) == 2


def test_repetitions_come_within_two_minutes_and_later() -> None:
    """Most are recognised, the latest are late; where nobody asks for them there are none."""
    late, near = (
        Generator(1, ("page-load",), step_ms=100, duplicates=0.2, late=0, reordered=0, repeated_late=share) for share in (1, 0)
    )
    counts = []
    for generator in (late, near):
        oracle = Oracle("page-load")
        oracle.apply(logs(generator, 3000)["page-load", 0])
        counts.append(oracle.counts)
    assert counts[0]["late"] > 30
    assert counts[0]["duplicates"] > counts[0]["late"]
    assert counts[1]["late"] == 0


def test_what_is_left_to_publish_is_spread_over_the_faults_that_are_left() -> None:
    """A long outage has a share of its own, and no fault may use up what the others need."""
    plan = Plan([("redis cut",), ("kafka away",), ("serve frozen",)], 1000, lengths=Lengths(kafka_away=100))
    spread: list[tuple[float, float]] = []
    list(paced(plan, SimpleNamespace(spread=lambda *pace: spread.append(pace))))  # type: ignore[arg-type]
    assert [share for _, share in spread] == [pytest.approx(0.1, abs=0.02), pytest.approx(0.9, abs=0.03), 1]
    assert spread[1][0] > 100
