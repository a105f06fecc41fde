"""The log itself changes under the workers, or is larger than usual: at the end every figure everywhere is the oracle's.

Two parts of `make faults`: the long form, more of everything (XMON_SCENARIOS_LONG=1), and more seeds (XMON_SCENARIOS_SEEDS=20).
"""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, product
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.e2e.monitor import Monitor, Process, eventually
from tests.faults import comparison, eager, figures
from tests.faults.generator import FAMILIES, Sent
from tests.faults.harness import Log, Publishing, Site, differences, stopped, story
from tests.faults.log import create_topics
from tests.faults.oracle import Cells, Oracle
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer
from tests.streams.records import Raw

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LONG = os.environ.get("XMON_SCENARIOS_LONG") == "1"
EVENTS = 60_000 if LONG else 3_000
MINUTES = 30 if LONG else 12
SEEDS = range(1, 1 + int(os.environ.get("XMON_SCENARIOS_SEEDS", "1")))
Place = tuple[str, int]  # family, partition
Earlier = Mapping[Place, Sequence[Raw | int]]  # what was counted and Kafka has no more; a number: the log was lost up to there
Compare = Callable[..., list[str]]


class Scenario(Site):
    """A site with a story, told in parts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.published = 0
        self.admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})

    def tell(self) -> None:
        events, self.start_ms, self.until_ms = story(self.rng.randrange(1 << 20), EVENTS, minutes=MINUTES)
        self._events = list(events)

    def publish(self, share: float, but: Callable[[Sent], bool] = lambda _: False) -> None:
        """So much of the story, at once, without events that are left out."""
        self.put(self._part(share, but))

    def put(self, events: Sequence[Sent]) -> None:
        """At once."""
        with self._putting(events, seconds=1):
            pass

    @contextmanager
    def publishing(self, share: float, seconds: float) -> Iterator[None]:
        """So much of the story in so many seconds, while something else is done; what is left then comes at once."""
        with self._putting(self._part(share), seconds):
            yield

    def _part(self, share: float, but: Callable[[Sent], bool] = lambda _: False) -> list[Sent]:
        count = round(share * EVENTS)
        part, self._events = [event for event in self._events[:count] if not but(event)], self._events[count:]
        return part

    def _putting(self, events: Sequence[Sent], seconds: float) -> Publishing:
        """Nothing cuts the way meanwhile, so it need not be safe to repeat: that takes a producer half a second."""
        self.published += len(events)
        return Publishing(self, iter(events), len(events), seconds, idempotent=False)

    def _worker(self, name: object = None) -> Process:
        worker = super()._worker(name)
        if not LONG:
            worker.program = (sys.executable, str(eager.__file__))
        return worker

    def places_of(self, *families: str) -> list[Place]:
        return [place for place in self.places() if place[0] in families]

    def kept(self, places: Iterable[Place]) -> dict[Place, list[Raw]]:
        """All that Kafka holds of these now."""
        return {place: list(self.log.records(self.topic(place))) for place in places}

    def cut(self, offsets: Mapping[Place, int]) -> None:
        """Retention takes what lies before these offsets."""
        until = [TopicPartition(*self.topic(place), offset) for place, offset in offsets.items()]
        for done in self.admin.delete_records(until).values():
            done.result(30)

    def create_anew(self, families: Sequence[str]) -> None:
        """Deletes topics, and makes others under the same names."""
        topics = {self.monitor.topic(family): self.width[family] for family in families}
        for done in self.admin.delete_topics(list(topics)).values():
            done.result(30)
        create_topics(self.kafka.bootstrap, topics)
        self.log = Log(self.kafka.bootstrap)  # what was known of the old ones holds no more

    def add_partitions(self, family: str, width: int) -> None:
        for done in self.admin.create_partitions([NewPartitions(self.monitor.topic(family), width)]).values():
            done.result(30)
        self.width[family] = width
        self.log.wait_for(self.topic(place) for place in self.places_of(family))

    def problems(self) -> list[str]:
        found: list[str] = self.ask(self.serve, "/api/v1/health")["problems"]
        return found


@pytest.fixture(params=SEEDS)
def opened(
    request: pytest.FixtureRequest, kafka: KafkaServer, redis_server: RedisServer, tmp_path: Path, topic_prefix: str
) -> Iterator[Callable[..., Scenario]]:
    """Topics with so many partitions; processes end with the test."""
    with closing(Monitor(tmp_path, kafka, redis_server, topic_prefix.rstrip("."))) as monitor:

        def open_(partitions: int | Mapping[str, int] = 3, **settings: object) -> Scenario:
            monitor.settings |= {"XMON_KAFKA_SESSION_TIMEOUT_SECONDS": 6, **settings}
            return Scenario(monitor, kafka, redis_server, random.Random(request.param), partitions)

        yield open_


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Differences from the oracle, which is also given what Kafka has no more."""

    def compared(site: Scenario, earlier: Earlier, make: Callable[..., Oracle] = Oracle) -> list[str]:
        oracles = counted(site, earlier, make)
        monkeypatch.setattr(comparison, "count", lambda _: oracles)
        left = site.published - sum(oracle.counts["offsets_lost"] for oracle in oracles.values())
        return differences(site, site.start_ms, site.until_ms, range(left, left + 1))

    return compared


def counted(site: Scenario, earlier: Earlier, make: Callable[..., Oracle]) -> dict[Place, Oracle]:
    """What each partition must hold."""
    oracles = {}
    for place in site.places():
        oracle = oracles[place] = make(place[0], comparison.pseudonym)
        for one in chain(earlier.get(place, ()), site.log.records(site.topic(place))):
            if isinstance(one, int):
                oracle.lose(one)
            else:
                oracle.apply([one])
    return oracles


def same(found: list[str]) -> None:
    assert not found, "\n".join([*found[:20], f"{len(found)} lines"])


def test_retention_overtakes_a_stopped_worker(opened: Callable[..., Scenario], compare: Compare) -> None:
    """What was deleted unread is counted to the record, also where nothing is left, and all that is left is counted once."""
    site = opened()
    site.start(workers=1)
    site.tell()
    site.publish(0.4)
    site.catch_up()
    site.workers.pop().stop()
    stored = {place: site.stored(place) for place in site.places()}
    site.publish(0.4)
    held, ends = site.kept(site.places()), site.ends()
    cuts = {place: site.rng.randint(stored[place] + 1, ends[place]) for place in site.places() if place != ("page-load", 0)}
    empty = "page-load", 1
    cuts[empty] = ends[empty]
    site.cut(cuts)
    site.join()
    site.catch_up({**site.ends(), empty: cuts[empty]})
    site.publish(0.2)
    site.catch_up()
    same(compare(site, {place: [*held[place][: stored[place]], cut] for place, cut in cuts.items()}))
    lost = site.serve.scrape().sum("xmon_offsets_lost_total")
    assert lost == sum(cut - stored[place] for place, cut in cuts.items()) > 100


def test_retention_takes_what_a_zombie_still_holds(opened: Callable[..., Scenario], compare: Compare) -> None:
    """A worker is frozen with records in memory; whoever comes after it never sees them, and then it wakes and would write."""
    site = opened(XMON_CHECKPOINT_INTERVAL_SECONDS=4)
    site.start(workers=1)
    site.tell()
    site.publish(0.2)
    site.catch_up()
    with frozen_with_records(site, site.workers.pop()) as victim:
        stored, cut = site.stored(victim), site.ends()[victim] - 1
        held = site.kept([victim])[victim][:stored]
        site.cut({victim: cut})
        site.monitor.settings["XMON_CHECKPOINT_INTERVAL_SECONDS"] = 0.5
        site.join()
        site.publish(0.1)
        site.catch_up()
    site.publish(0.1)
    site.catch_up()
    same(compare(site, {victim: [*held, cut]}))


@contextmanager
def frozen_with_records(site: Scenario, worker: Process, attempts: int = 6) -> Iterator[Place]:
    """A worker stands still that has taken more than it has stored; gives the partition of which it holds most."""
    for _ in range(attempts):
        site.publish(0.1)
        ends = site.ends()
        eventually(partial(fetched, site, worker, ends))
        with stopped(worker.pid):
            held = unstored(site, ends)
            victim = max(held, key=lambda place: held[place])
            if held[victim] > 3:
                yield victim
                return
    pytest.fail(f"frozen {attempts} times, and each time all it had taken was stored")


def fetched(site: Scenario, worker: Process, ends: Mapping[Place, int]) -> None:
    """Fails until a worker has got all that Kafka has: then it says how much of it is not stored."""
    wanted = {site.topic(place): n for place, n in unstored(site, ends).items()}
    said = worker.scrape().by("xmon_worker_lag_records", "topic", "partition")
    assert {(topic, int(number)): n for (topic, number), n in said.items()} == wanted


def unstored(site: Scenario, ends: Mapping[Place, int]) -> dict[Place, int]:
    return {place: end - site.stored(place) for place, end in ends.items()}


def test_topics_created_anew_are_noticed_and_gone_on_with(opened: Callable[..., Scenario], compare: Compare) -> None:
    """One comes back shorter than what was counted and one longer, beneath a running worker: it stands still until a person
    says go on, and then nothing is missing and nothing twice."""
    site = opened()
    site.start(workers=1)
    site.tell()
    site.publish(0.2)
    site.catch_up()
    longer, shorter = site.places_of("page-load"), site.places_of("link-error")
    earlier, stored = site.kept(longer + shorter), {place: site.stored(place) for place in site.places()}
    site.create_anew(["page-load", "link-error"])
    site.publish(0.55, but=lambda event: event.family == "link-error" and site.rng.random() < 0.9)
    ends = site.ends()
    assert all(ends[place] > stored[place] for place in longer)
    assert all(ends[place] < stored[place] for place in shorter)
    names = {"{}:{}".format(*site.topic(place)) for place in longer + shorter}

    def noticed() -> None:
        assert {problem.partition(": ")[0] for problem in site.problems() if "created anew" in problem} == names

    eventually(noticed, 60)
    assert {place: site.stored(place) for place in longer + shorter} == {place: stored[place] for place in longer + shorter}
    for family in ("page-load", "link-error"):
        done = site.monitor.xmon("topics", "reset", family, "--yes")
        assert done.returncode == 0, done.stderr
    site.publish(0.25)
    site.catch_up()
    same(compare(site, earlier))


def test_partitions_added_while_events_come_are_counted(
    opened: Callable[..., Scenario], compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are read within seconds, from their first record, by workers that go on with the others."""
    site = opened()
    site.start(workers=2)
    site.tell()
    site.publish(0.4)
    with site.publishing(0.3, seconds=3):
        for family in ("page-load", "contact"):
            time.sleep(site.rng.uniform(0, 1))
            site.add_partitions(family, 5)
        began = time.monotonic()
    site.catch_up()
    with capsys.disabled():
        sys.stdout.write(f"  added partitions were read after {time.monotonic() - began:.1f} s\n")
    assert time.monotonic() - began < 120  # who never looks hears of them after 300 s
    site.publish(0.3)
    site.catch_up()
    same(compare(site, {}))


def test_more_than_a_hundred_partitions(opened: Callable[..., Scenario], compare: Compare) -> None:
    """64 of two topics, or of each in the long form, over several workers; one goes, and the others take what it had."""
    site = opened(64 if LONG else {**dict.fromkeys(FAMILIES, 1), "page-load": 64, "app-session": 64})
    site.start(workers=3 if LONG else 2)
    site.tell()
    site.publish(0.5)
    site.catch_up()
    leaving = site.workers.pop()
    leaving.kill9() if LONG else leaving.stop()
    site.publish(0.5)
    site.catch_up()
    same(compare(site, {}))


class WithRest(Oracle):
    """What values that are not kept add to their dimension is shown as `__other__`: the total without the others."""

    def span(self, from_ms: int, to_ms: int) -> Cells:
        found = super().span(from_ms, to_ms)
        for (series, column), amount in list(found.items()):
            if column[1] == "register" or series[0] == "__other__":
                continue
            for dimension in figures.DIMENSIONS[self.family] if series[2] == "all" else [series[2]]:
                found[(*series[:2], dimension, "__other__"), column] += amount if series[2] == "all" else -amount
        return Counter({key: amount for key, amount in found.items() if amount})


@pytest.mark.parametrize("pages", [1000 if LONG else 150])
def test_thousands_of_pages_and_more_than_are_kept(pages: int, opened: Callable[..., Scenario], compare: Compare) -> None:
    """Five apps have as many pages as are kept, and one has a third more: those are counted as dropped, and in the total. A
    worker that was killed on the way drops the same ones."""
    site = opened(1, XMON_MAX_VALUES=pages, XMON_SHOWN_VALUES=10_000)
    site.start(workers=1)
    site.tell()
    names = [(f"app-{app}", f"/{page}") for app, page in product(range(5), range(pages))]
    names += [("blown", f"/{page}") for page in range(4 * pages // 3)]
    names += site.rng.choices(names, k=len(names))
    site.rng.shuffle(names)
    step = (site.until_ms - site.start_ms) // (2 * len(names))
    views = [view(number, *name, site.start_ms + number * step) for number, name in enumerate(names)]
    site.put(views[: len(views) // 2])
    site.workers.pop().kill9()
    site.put(views[len(views) // 2 :])
    site.join()
    site.catch_up()
    same(compare(site, {}, lambda *of: WithRest(*of, max_values=pages)))
    assert site.serve.scrape().sum("xmon_dropped_values_total") > pages // 3


def view(number: int, app: str, page: str, at: int) -> Sent:
    event = {"id": f"{number}", "app": app, "page": page, "timestamp": at, "duration_ms": 7 * number % 9000, "status": 200}
    return Sent("page-load", None, json.dumps(event).encode(), at)
