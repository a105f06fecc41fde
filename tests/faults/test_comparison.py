"""The API and `/metrics` without Kafka and Redis: they say what the oracle counts, and what they say otherwise is noticed."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient

from monitor.api import create_app
from streams.metrics import formulas
from streams.metrics.catalogue import Catalogue
from streams.metrics.registry import catalogue
from streams.reading.reader import Reader
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.partition import Partition
from streams.windows.storage import Ledger
from tests.e2e.monitor import Process
from tests.faults import asked, comparison, intervals, scraped
from tests.faults.equal import Near, unequal
from tests.faults.expected import Expected
from tests.faults.generator import Generator, logs
from tests.faults.model import FIGURES, NOW
from tests.faults.oracle import MINUTE_MS, Oracle
from tests.faults.site import Place, Site
from tests.streams.records import START, Raw, raw

EVENTS, STEP_MS = 1500, 800  # 20 minutes
NOW_MS = START + EVENTS * STEP_MS + 3_210
WHOLE = START - 10 * MINUTE_MS, NOW_MS // MINUTE_MS * MINUTE_MS
Logs = Mapping[Place, list[Raw]]


@dataclass
class Said:
    """A site as far as it is asked."""

    http: TestClient
    url: str = "http://testserver"
    directory: Path = Path("serve-1")
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def monitor(self) -> "Said":
        return self

    def topic(self, family: str) -> str:
        return family

    def ask(self, _: object, path: str, **parameters: object) -> Any:
        answer = self.http.get(path, params=cast("dict[str, str]", parameters))
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def records() -> Logs:
    """Two partitions of each family."""
    return logs(Generator(1, step_ms=STEP_MS), EVENTS, partitions=2)


@pytest.fixture(scope="module")
def oracles(records: Logs) -> Mapping[Place, Oracle]:
    found = {place: Oracle(place[0]) for place in records}
    for place, oracle in found.items():
        oracle.apply(records[place])
    return found


async def snapshot(records: Logs, figures: Catalogue) -> Reader:
    """What a reader has of these records."""
    store, statuses = MemoryStore(), []
    for (family, number), log in records.items():
        ledger = Ledger(Partition(next(one for one in catalogue().families if one.name == family)))
        ledger.partition.apply(log)
        taken = ledger.checkpoint()
        await store.checkpoint(PartitionId(family, number), taken.expected, taken.fields)
        said = {"lag": 0, "age_seconds": 0, "checkpoint_seconds": 0, "checkpoint_bytes": 0}
        statuses.append(PartitionStatus(topic=family, number=number, next=taken.next, **said))
    await store.announce("worker", WorkerStatus("worker", "1", 1, tuple(statuses)).encode(), 60)
    reader = Reader(store, figures, "", clock=lambda: NOW_MS / 1000)
    await reader.refresh(NOW_MS)
    return reader


def differences(records: Logs, oracles: Mapping[Place, Oracle], figures: Catalogue | None = None) -> list[str]:
    """Between what is said of these records, and the oracles."""
    reader = asyncio.run(snapshot(records, figures or catalogue()))
    assert reader.health.complete, reader.health.problems
    with TestClient(create_app(reader, exposed_windows=())) as http:
        said, expected = Said(http), Expected(oracles)
        site, serve = cast("Site", said), cast("Process", said)
        return scraped.differences(site, serve, expected) + asked.differences(site, serve, expected, WHOLE)


def test_everything_that_is_said_is_the_oracles(records: Logs, oracles: Mapping[Place, Oracle]) -> None:
    """Every figure in every stretch, window and dimension, with its samples and its interval."""
    assert differences(records, oracles) == []
    assert len(asked.stretches(Expected(oracles), *WHOLE)) == 4


def test_the_oracle_knows_every_figure(oracles: Mapping[Place, Oracle]) -> None:
    """What it never says would never be compared."""
    expected = Expected(oracles)
    said = {(key[0], key[4]) for key in expected.said(WHOLE)} | {(key[0], key[3]) for key in expected.now(NOW_MS)}
    assert {(figure, by) for figure, dimensions in FIGURES.items() for by in ("all", *dimensions)} <= said
    assert set(NOW) < set(FIGURES)


def test_one_event_too_few_is_noticed(records: Logs, oracles: Mapping[Place, Oracle]) -> None:
    """By the API and by `/metrics`, since the beginning and in a window."""
    place, event = ("contact", 1), {"app": "shop", "contact": "new", "state": "queued"}
    oracle = Oracle(place[0])
    oracle.apply([*records[place], raw(len(records[place]), event, NOW_MS - 20_000)])
    found = "\n".join(differences(records, {**oracles, place: oracle}))
    assert "serve-1 API" in found
    assert "contacts_waiting" in found
    assert "xmon_contacts_queued_total" in found
    assert "xmon_contacts_queued_per_second" in found


def test_a_figure_that_is_gone_is_noticed(records: Logs, oracles: Mapping[Place, Oracle]) -> None:
    """From the catalogue, and with it from everywhere."""
    family = next(one for one in catalogue().families if one.name == "page-load")
    fewer = replace(family, figures=tuple(one for one in family.figures if one.name != "page_load_apdex"))
    others = tuple(fewer if one is family else one for one in catalogue().families)
    found = differences(records, oracles, Catalogue(others))
    assert any("catalogue page_load_apdex" in line for line in found)
    assert any("API (" in line and "page_load_apdex" in line for line in found)
    assert any("/metrics" in line and "page_load_apdex" in line for line in found)


def test_an_interval_that_is_wrong_is_noticed(
    records: Logs, oracles: Mapping[Place, Oracle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a thousandth."""
    right = formulas.wilson

    def wrong(part: Any, whole: Any) -> tuple[Any, Any]:
        low, high = right(part, whole)
        return low, high * 1.001

    monkeypatch.setattr(formulas, "wilson", wrong)
    found = differences(records, oracles)
    assert any("API" in line and "'high'" in line for line in found)
    assert any("/metrics" in line and "_interval" in line and "'high'" in line for line in found)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718), (29, 29, 0.8830, 1)],
)
def test_wilsons_interval_is_the_published_one(part: int, whole: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I."""
    assert intervals.wilson(part, whole) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)]
)
def test_poissons_interval_is_near_the_exact_one(count: int, low: float, high: float) -> None:
    """Garwood (1936)."""
    assert intervals.poisson(count, 2) == pytest.approx((low / 2, high / 2), rel=0.01, abs=0.01)


def test_counts_are_equal_to_the_last_one_and_are_there() -> None:
    """What is counted has no tolerance, what is divided a small one, and what is not there is never the same as 0."""
    assert unequal("", {"a": 10**15, "b": Near(0.1), "c": 0}, {"a": 10.0**15, "b": 0.1 + 1e-15, "c": 0.0}) == []
    assert len(unequal("", {"a": 10**15}, {"a": 10**15 + 1})) == 1
    assert len(unequal("", {"b": Near(0.1)}, {"b": 0.1 + 1e-10})) == 1
    assert len(unequal("", {"a": 0}, {})) == len(unequal("", {}, {"a": 0})) == len(unequal("", {"b": Near(0)}, {})) == 1


class Letters:
    """A site as far as dead letters go."""

    width = {"dead-letter": 1}  # noqa: RUF012

    def __init__(self, written: list[tuple[str, int, int, str]]) -> None:
        names = ("topic", "partition", "offset", "reason")
        self._written = [dict(zip(names, map(str, one), strict=True)) for one in written]

    log = monitor = property(lambda self: self)

    def topic(self, name: object) -> Any:
        return name

    def headers(self, _: object) -> list[dict[str, str]]:
        return self._written


def test_dead_letters_are_those_that_must_be() -> None:
    """Each at least once, for its reason, and none of a record that is good; of a record that is lost nobody knows."""
    oracle = Oracle("page-load")
    oracle.apply([Raw(0, START, None), Raw(1, START, b"{"), Raw(2, START, b'{"app":"shop"}')])
    oracle.lose(5)
    good = [("page-load", 0, 0, "null_value"), ("page-load", 0, 1, "invalid_json")]

    def found(*written: tuple[str, int, int, str]) -> list[str]:
        return comparison._letters(cast("Site", Letters(list(written))), {("page-load", 0): oracle})

    assert found(*good) == found(*good, good[0]) == found(*good, ("page-load", 0, 4, "not_utf8")) == []
    assert len(found(good[0])) == 1
    assert len(found(*good, ("page-load", 0, 2, "not_utf8"))) == 1
    assert len(found(good[0], ("page-load", 0, 1, "not_utf8"))) == 2
    assert len(found(*good, ("page-load", 1, 4, "not_utf8"))) == 1


@pytest.mark.parametrize(
    ("rest", "whole", "low", "high"), [(0, 20, 0.8389, 1), (20, 20, 0, 0.1733), (1e8, 1e9, 0.9 - 0.00637, 0.9 + 0.00637)]
)
def test_the_interval_of_a_share_of_people_is_wider(rest: float, whole: float, low: float, high: float) -> None:
    """Wilson's where nobody is left out; 1.96 · √2 · 1.04 / √2048 of the rest where there are many."""
    assert intervals.people_without(rest, whole, 2048) == pytest.approx((low, high), abs=5e-5)
