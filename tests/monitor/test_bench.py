"""`xmon bench`: an open loop, every event counted, latency from when it was due, and a word on what is wrong."""

import asyncio
import itertools
import json
import math
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st

from monitor.bench.latency import Latencies, Seen
from monitor.bench.load import APP, ENVIRONMENT, Load, Visits
from monitor.bench.measurement import Measurement, window_of
from monitor.bench.report import Report
from monitor.bench.sender import Publishes, Sender
from monitor.bench.serve import Serve
from monitor.checking import Checker
from monitor.embedded import Embedded, embedded
from monitor.failures import NotServing
from streams.events.page_load import FAMILY
from streams.kafka.publish import Publisher, key_of
from streams.kafka.settings import KafkaSettings

TOPIC, OTHER = "experience.page-load", "experience.page-load-2:0"
NOON_MS = 1_767_268_800_000


def test_latency_counts_from_when_an_event_was_due() -> None:
    """Ten events a second, all first seen at the end of their second, waited 1.0 s down to 0.1 s."""
    latencies = Latencies(Load(10, 1, "r"), [Seen(0.0, 0), Seen(1.0, 10)])
    assert [latencies.quantile(share) for share in (0.1, 0.5, 0.95, 1.0)] == [0.1, 0.5, 1.0, 1.0]


def test_nothing_seen_has_no_latency() -> None:
    """No guess is made."""
    assert Latencies(Load(10, 1, "r"), [Seen(0.0, 0)]).quantile(0.5) is None


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 40)), min_size=1, max_size=8),
    st.integers(1, 100),
)
def test_quantiles_are_those_of_all_events(rate: int, looks: list[tuple[int, int]], percent: int) -> None:
    """The same as of a list with the latency of every event."""
    load, every, seen, count, at_ms = Load(rate, 100, "r"), [], [], 0, 0
    for pause_ms, more in looks:
        at_ms += pause_ms + math.ceil(more * 1000 / rate)  # so that nothing is seen before it is due
        every += [at_ms / 1000 - load.due_seconds(number) for number in range(count, count + more)]
        count += more
        seen.append(Seen(at_ms / 1000, count))
    found = Latencies(load, seen).quantile(percent / 100)
    if not every:
        assert found is None
        return
    assert found == pytest.approx(sorted(every)[max(math.ceil(percent / 100 * count), 1) - 1], abs=0.0011)


def test_events_keep_their_contract() -> None:
    """About 300 bytes, in an app of their own, each with an id and the release by which the run is counted."""
    visits, checker = Visits("abc"), Checker({FAMILY.name: FAMILY}, 262_144)
    events = [visits.event(number, NOON_MS + number) for number in range(5000)]
    for event in events[::50]:
        checker.check(FAMILY.name, event)
    assert 250 < sum(len(json.dumps(event, separators=(",", ":"))) for event in events) / len(events) < 350
    assert len({event["id"] for event in events}) == len(events)
    assert {(event["app"], event["environment"], event["release"]) for event in events} == {(APP, ENVIRONMENT, "abc")}
    assert [event["timestamp"] for event in events] == [NOON_MS + number for number in range(5000)]


def test_a_session_is_one_person_who_sees_several_pages() -> None:
    """Its events share a key, and what they tell of the person."""
    visits = Visits("abc")
    sessions = defaultdict(list)
    for event in (visits.event(number, NOON_MS) for number in range(20_000)):
        sessions[key_of(FAMILY, event)].append(event)
    assert {len(events) for events in sessions.values()} == {8}
    for events in sessions.values():
        assert len({(event["user"], event["device"], event["os"], event["country"]) for event in events}) == 1
    assert len({event["url"] for event in next(iter(sessions.values()))}) > 2


class Recording:
    """A publisher that takes its time, on a clock of its own."""

    acknowledged = 0

    def __init__(self, send_seconds: float) -> None:
        self.now, self._send_seconds = 100.0, send_seconds
        self.sent_at: list[float] = []
        self.flushed = False

    async def require(self, family: object) -> None:
        """Has every topic."""

    async def send(self, family: object, event: Mapping[str, Any]) -> None:
        self.sent_at.append(self.now - 100)
        self.now += self._send_seconds

    async def flush(self) -> None:
        self.flushed = True

    def clock(self) -> float:
        self.now += 0.01  # as long as a sleep in between
        return self.now


async def test_each_event_is_sent_when_it_is_due() -> None:
    """Neither before nor long after, and all of them."""
    publisher = Recording(send_seconds=0.0)
    sender = Sender(Load(100, 2, "r"), publisher, publisher.clock)
    await sender.run(100.0)
    assert len(publisher.sent_at) == sender.sent == 200
    assert publisher.flushed
    assert all(number / 100 <= at < number / 100 + 0.011 for number, at in enumerate(publisher.sent_at))
    assert sender.behind_seconds < 0.011


async def test_a_slow_broker_does_not_move_the_schedule() -> None:
    """What could not be sent in time is left out, and how far the sender fell behind is told."""
    publisher = Recording(send_seconds=0.1)
    sender = Sender(Load(100, 2, "r"), publisher, publisher.clock)
    await sender.run(100.0)
    assert sender.sent == len(publisher.sent_at) < 50
    assert sender.behind_seconds > 1.5


@pytest.mark.parametrize(("seconds", "window"), [(1, "1m"), (60, "5m"), (300, "15m"), (1000, "1h"), (3400, "1h")])
def test_the_window_holds_the_run(seconds: int, window: str) -> None:
    """And the time in which a slow worker may still finish, where there is such a window."""
    assert window_of(Load(1, seconds, "r")) == window


def report(**numbers: Any) -> Report:
    fine = {"sent": 1000, "acknowledged": 1000, "counted": 1000, "lag": 30, "incomplete": None, "behind_seconds": 0.01}
    latency = {"p50": 0.7, "p95": 1.2, "p99": 1.3, "max": 1.4}
    return Report(
        run="abc", asked_rate=100, rate=100.0, counted_rate=99.2, latency=latency, worker_cpu=0.07, **(fine | numbers)
    )


def test_all_is_told() -> None:
    """To people and to scripts."""
    assert report().problem() is report().remark() is None
    assert dict(report().lines()) == {
        "run": "abc",
        "sent at": "100 events/s of 100",
        "counted at": "99 events/s",
        "sent": "1,000",
        "acknowledged": "1,000",
        "counted": "1,000",
        "lost": "0",
        "twice": "0",
        "lag": "30 records at most",
        "latency": "p50 0.70 s   p95 1.20 s   p99 1.30 s   max 1.40 s",
        "worker": "7% of a core (the process at XMON_WORKER_HOST and XMON_WORKER_PORT)",
    }
    told = json.loads(json.dumps(report(counted=990).as_json()))
    assert (told["lost"], told["twice"], told["latency"]["p95"]) == (10, 0, 1.2)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"acknowledged": 995, "counted": 995}, ("5 of 1,000 events were not acknowledged by Kafka", "brokers")),
        ({"sent": 0, "acknowledged": 0, "counted": 0}, ("nothing could be sent", "brokers")),
        ({"counted": 1001}, ("1 events were counted twice", "Hint")),
        ({"counted": 900, "incomplete": "a:0: 9 records behind"}, ("100 events are not counted yet", "9 records", "--rate")),
        ({"counted": 0}, ("nothing was counted", "XMON_TOPIC_PREFIX")),
        ({"counted": 990}, ("10 events are not counted", "xmon dlq list")),
    ],
)
def test_a_wrong_count_says_what_to_do(numbers: Mapping[str, Any], words: tuple[str, ...]) -> None:
    """By what is wrong with it."""
    problem = report(**numbers).problem()
    assert problem is not None
    for word in words:
        assert word in problem


def test_a_sender_that_cannot_keep_up_is_no_fault_of_the_installation() -> None:
    """It is said, since its delay is part of the latency."""
    remark = report(behind_seconds=3.0).remark()
    assert remark is not None
    assert "3.0 s behind" in remark


def serving(counted: Callable[[], int], problems: tuple[str, ...] = ()) -> httpx.AsyncClient:
    """A `serve` that counts as it is told; a partition of another topic is behind."""
    app = FastAPI()

    @app.get("/api/v1/figures")
    def figures() -> dict[str, Any]:
        return {"readings": [{"n": n} for n in [counted()] if n]}

    @app.get("/api/v1/health")
    def health() -> dict[str, Any]:
        lags = [(f"{TOPIC}:0", 3), (f"{TOPIC}:1", None), (OTHER, 50)]
        return {
            "problems": (f"{OTHER}: 50 records behind", *problems),
            "partitions": [{"partition": name, "lag": lag} for name, lag in lags],
        }

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://serve")


@pytest.fixture
async def both() -> Any:
    async with embedded() as running:
        yield running


async def no_worker() -> None:
    return None


async def measured(
    both: Embedded, client: httpx.AsyncClient, shown: list[tuple[int, int]] | None = None, patience_seconds: float = 30
) -> Report:
    async with client, Publisher(KafkaSettings(bootstrap_servers=both.kafka_bootstrap_servers)) as publisher:
        await publisher.ask_for([TOPIC])
        return await measurement(publisher, client, patience_seconds, shown).run()


def measurement(
    publisher: Publishes,
    client: httpx.AsyncClient,
    patience_seconds: float,
    shown: list[tuple[int, int]] | None = None,
) -> Measurement:
    heard = [] if shown is None else shown
    return Measurement(
        Load(100, 1, "abc"),
        publisher,
        Serve(client, "http://serve", TOPIC),
        worker_cpu=no_worker,
        show=lambda *done: heard.append(done),
        patience_seconds=patience_seconds,
    )


async def test_a_run_whose_events_are_counted(both: Embedded) -> None:
    """Every event is sent and acknowledged; what is counted is shown meanwhile, and when it was."""
    shown: list[tuple[int, int]] = []
    found = await measured(both, serving(lambda: 100 if shown and shown[-1][0] == 100 else 0), shown)
    assert (found.sent, found.acknowledged, found.counted, found.lost, found.twice) == (100, 100, 100, 0, 0)
    assert found.problem() is None
    assert found.lag == 3
    assert found.incomplete is None
    assert found.worker_cpu is None
    assert shown[-1] == (100, 100)
    assert found.latency["max"] is not None
    assert found.latency["max"] > 0.99


async def test_a_run_that_is_not_counted_whole(both: Embedded) -> None:
    """The wait has an end, and what is missing is lost."""
    found = await measured(both, serving(lambda: 90), patience_seconds=4)
    assert (found.counted, found.lost) == (90, 10)


async def test_a_run_that_is_counted_beyond_what_was_sent(both: Embedded) -> None:
    """Also when that comes after the count was right."""
    answers = itertools.chain([0, 100], itertools.repeat(101))
    found = await measured(both, serving(lambda: next(answers)))
    assert found.twice == 1


async def test_a_run_that_is_never_acknowledged() -> None:
    """Brokers that do not come back are not waited for for ever."""

    class Unheard(Recording):
        async def flush(self) -> None:
            await asyncio.Event().wait()

    async with serving(lambda: 0) as client:
        found = await measurement(Unheard(0.0), client, patience_seconds=4).run()
    assert (found.sent, found.acknowledged) == (100, 0)


async def test_what_is_counted_slowly_has_a_rate_of_its_own(both: Embedded) -> None:
    """From the first to the last but one that was seen, whatever the sender did."""
    told: list[tuple[float, int]] = []

    def counted() -> int:
        told.append((time.monotonic(), min(10 * len(told), 100)))
        return told[-1][1]

    found = await measured(both, serving(counted))
    rises = [(at, count) for at, count in told if 0 < count <= 100][:10]
    assert found.rate <= 100
    assert found.counted_rate == pytest.approx(80 / (rises[-2][0] - rises[0][0]), rel=0.2)


async def test_incomplete_figures_are_not_measured(both: Embedded) -> None:
    """Nothing is published, and the reason is that of `serve`."""
    with pytest.raises(NotServing, match="no worker is running"):
        await measured(both, serving(lambda: 0, ("no worker is running: start one with `xmon worker`",)), patience_seconds=1)


async def test_what_is_no_serve_is_told_so() -> None:
    """E.g. another program on that port."""
    app = FastAPI()

    @app.get("/api/v1/health")
    def health() -> Response:
        return Response("<h1>Log in</h1>", 401)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        with pytest.raises(NotServing, match=r"http://there \(with status 401\) is no `serve`.*--url"):
            await Serve(client, "http://there", TOPIC).ready(0)
        with pytest.raises(NotServing, match=r"http://there:x is no address.*--url"):
            await Serve(client, "http://there:x", TOPIC).ready(0)


def xmon(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": "", **settings}, check=False)


async def test_what_is_missing_is_told_in_one_line(both: Embedded) -> None:
    """No topic is code 3, no `serve` is code 5, and each says what to do."""
    brokers = both.kafka_bootstrap_servers
    answer = xmon("--url", "http://127.0.0.1:1", XMON_KAFKA_BOOTSTRAP_SERVERS=brokers)
    assert (answer.returncode, len(answer.stderr.splitlines())) == (3, 1), answer.stderr
    assert "xmon topics create" in answer.stderr
    async with Publisher(KafkaSettings(bootstrap_servers=brokers)) as publisher:
        await publisher.ask_for([TOPIC])
    answer = xmon("--url", "http://127.0.0.1:1", XMON_KAFKA_BOOTSTRAP_SERVERS=brokers)
    assert (answer.returncode, len(answer.stderr.splitlines())) == (5, 1), answer.stderr
    assert "nothing answers at http://127.0.0.1:1" in answer.stderr
    assert "Hint: start `xmon serve`" in answer.stderr


@pytest.mark.parametrize("words", [("--rate", "1000001"), ("--rate", "0"), ("--seconds", "3401"), ("--seconds", "0")])
def test_bounds(words: tuple[str, str]) -> None:
    """What cannot be measured is refused."""
    answer = xmon(*words)
    assert answer.returncode == 2
    assert words[0] in answer.stderr
