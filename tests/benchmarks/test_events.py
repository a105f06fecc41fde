"""What everybody is measured on."""

import json
import random
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from benchmarks import sizing
from benchmarks.events import OTHERS, PageLoads, compact, spread, story
from monitor.checking import Checker
from streams.metrics.page_load import METRICS
from streams.metrics.registry import catalogue
from streams.windows.pane import BLOCKS
from streams.windows.partition import Partition
from streams.windows.rows import HEADER
from streams.windows.storage import Ledger
from tests.streams.records import raw

FAMILIES = {family.name: family.event for family in catalogue().families}
NOON_MS = 1_767_268_800_000


def test_sessions_are_spread_and_see_many_pages() -> None:
    """No two of a session's ten views come soon after another, so caches find what they would find in life."""
    rng, loads = random.Random(1), PageLoads()
    views = defaultdict(list)
    for number in range(200_000):
        event = loads.event(rng, number, NOON_MS)
        views[event["session"]].append((number, event["page"]))
    assert Counter(len(seen) for seen in views.values()) == {10: 20_000}
    for seen in list(views.values())[::1000]:
        numbers, pages = zip(*seen, strict=True)
        assert {b - a for a, b in pairwise(numbers)} == {10_000}
        assert len(set(pages)) == 10


@pytest.mark.parametrize(
    ("loads", "size"), [(PageLoads(), 300), (PageLoads(padding=700), 1000), (PageLoads(padding=2700), 3000)]
)
def test_events_keep_their_contract_and_their_size(loads: PageLoads, size: int) -> None:
    """Whatever else is measured on them."""
    event = loads.event(random.Random(1), 123_456, NOON_MS)
    Checker(FAMILIES, 262_144).check("page-load", event)
    assert len(compact(event)) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("loads", [PageLoads(pages=33), PageLoads(apps=3, pages=40)])
def test_a_partition_holds_as_many_series_as_is_said(loads: PageLoads) -> None:
    """Once it has seen enough events."""
    partition = Partition(METRICS)
    rng = random.Random(1)
    partition.apply([raw(number, loads.event(rng, number, NOON_MS)) for number in range(5000)])
    assert len(partition.series) == loads.series


def test_events_are_spread_over_their_time() -> None:
    """In order, but for those that are late; and two stretches follow one another."""
    first = [json.loads(value)["timestamp"] for _, _, value in spread(PageLoads(), 100, 10, ended_ago=20, late=0)]
    second = [json.loads(value)["timestamp"] for _, _, value in spread(PageLoads(), 100, 10, begin=100, late=0)]
    assert first == sorted(first)
    assert second == sorted(second)
    assert second[0] - first[-1] == pytest.approx(10_000, abs=1000)
    ids = {json.loads(value)["id"] for begin in (0, 100) for _, _, value in spread(PageLoads(), 100, 10, begin=begin)}
    assert len(ids) == 200


def test_the_story_has_all_families() -> None:
    """Each of its events keeps its contract."""
    checker, seen = Checker(FAMILIES, 262_144), Counter()
    for family, _, value in story(2000):
        checker.check(family, json.loads(value))
        seen[family] += 1
    assert set(seen) >= {"page-load", "app-session", "contact"}


@pytest.mark.parametrize("rate", [5, 60])
def test_the_size_of_a_pane_is_what_is_said(rate: int) -> None:
    """Of many series with few events each, and of few with many: within a tenth."""
    pages, seconds, rng = 200, 10, random.Random(1)
    loads, ledger = PageLoads(pages=pages), Ledger(Partition(METRICS))
    numbers = range(rate * seconds)
    ledger.partition.apply([raw(n, loads.event(rng, n * 7, NOON_MS + 1000 * n // rate), NOON_MS + 10_000) for n in numbers])
    stored = sum(len(value) for name, value in ledger.checkpoint().fields.items() if name.startswith(b"p:"))
    parts = [1, *(n for n in (pages, *OTHERS) for _ in range(n))]
    heads = HEADER.size * BLOCKS
    assert sizing.stretch(len(numbers), parts, BLOCKS) == pytest.approx(stored - heads, rel=0.1)
