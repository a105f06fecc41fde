"""The monitor's own counters as figures of rules: how much they grew, also while nobody looked."""

from math import inf, isnan, nan
from pathlib import Path

import pytest

import alerts
from alerts import rules
from alerts.board import Board, packed, unpacked
from alerts.engine import Engine
from alerts.growth import FIGURES, Growth, Watched, seen
from alerts.memory_store import MemoryAlertStore
from alerts.message import message
from alerts.outbox import Outbox
from streams.metrics.registry import catalogue
from streams.reading.reader import Reader
from tests.alerts.fakes import START_MS, FakeSnapshot, reading
from tests.streams.records import START, Raw, page
from tests.streams.world import PREFIX, World, partition

PAGES = partition("page-load")
MINUTE, WEEK = 60_000, 7 * 24 * 3_600_000
BEFORE = {"pages": 100, "links": 10}


def _grown(*looks: tuple[int, dict[str, int]]) -> Growth:
    growth = Growth()
    for ms, totals in looks:
        growth = growth.seen(totals, START_MS + ms)
    return growth


def _read(growth: Growth, ms: int, window: str, by: str) -> dict[str, float]:
    return {reading.series.value: reading.value for reading in growth.read(window, by, START_MS + ms)}


def test_what_was_counted_before_anybody_looked_is_no_growth() -> None:
    """The first look at a monitor that has run for a year says nothing of today."""
    assert _read(_grown((0, BEFORE)), 0, "1h", "topic") == {"pages": 0, "links": 0}


def test_growth_is_read_by_its_label_and_in_all() -> None:
    """The difference between two looks; what was not there at the first counts in full."""
    growth = _grown((0, BEFORE), (1000, {"pages": 107, "links": 10, "calls": 2}))

    assert _read(growth, 1000, "5m", "topic") == {"pages": 7, "links": 0, "calls": 2}
    assert _read(growth, 1000, "5m", "all") == {"all": 9}
    assert _read(_grown((0, {}), (1000, {"pages": 3})), 1000, "5m", "all") == {"all": 3}


def test_a_window_reaches_back_to_a_whole_minute() -> None:
    """Growth is in every window that overlaps the minute in which it was seen, and then in no more."""
    growth = _grown((0, BEFORE), (30_000, {"pages": 140}))
    read = {ms: _read(growth, ms, "5m", "topic")["pages"] for ms in (30_000, 6 * MINUTE - 1, 6 * MINUTE)}

    assert read == {30_000: 40, 6 * MINUTE - 1: 40, 6 * MINUTE: 0}


def test_an_hour_is_kept_and_no_more() -> None:
    """What no window reaches is forgotten."""
    looks = [(ms, {"pages": ms}) for ms in range(0, 5 * 60 * MINUTE, MINUTE)]
    growth = _grown(*looks)

    assert len(growth.minutes) == 61
    assert _read(growth, looks[-1][0], "1h", "all")["all"] == 61 * MINUTE


def test_a_counter_that_began_anew_grows_from_there() -> None:
    """Where the number is smaller than it was, what comes after it counts."""
    growth = _grown((0, BEFORE), (1000, {"pages": 3}), (2000, {"pages": 5}))

    assert _read(growth, 2000, "5m", "all") == {"all": 2}


def test_that_nothing_was_added_is_known() -> None:
    """It is a reading like another, and lets an alert resolve."""
    readings = list(_grown((0, BEFORE)).read("5m", "topic", START_MS))

    assert {(reading.value, reading.n) for reading in readings} == {(0, 1)}
    assert {reading.statistic for reading in readings} == set(FIGURES["records"].statistics)


@pytest.mark.parametrize(("ms", "high"), [(0, inf), (60 * MINUTE - 1, inf), (60 * MINUTE, nan)])
def test_until_a_window_has_been_watched_its_growth_is_known_as_at_least(ms: int, high: float) -> None:
    """What was added before the first look may have been any number; none is above it, and all may be."""
    (read,) = _grown((0, BEFORE), (1000, {"pages": 107, "links": 10})).read("1h", "all", START_MS + ms)

    assert (read.value, read.low, read.high) == pytest.approx((7, nan if isnan(high) else 7, high), nan_ok=True)


def test_nothing_is_known_of_a_counter_that_was_never_seen() -> None:
    """Not that it was nothing, either."""
    assert [(read.value, read.low, read.high) for read in Growth().read("5m", "all", START_MS)] == [(0, 0, inf)]


def test_while_the_reader_is_not_sure_nothing_is_learnt() -> None:
    """A reader that has just begun knows no counters; that is no fall to zero, after which all would be new."""
    counts = {"records_total": BEFORE}
    known = seen({}, ["records", "page_views"], counts, START_MS)

    assert known == {"records": Growth(BEFORE, since_ms=START_MS)}
    assert seen(known, ["records"], {}, START_MS + 1000) == known
    assert seen({}, ["records"], {}, START_MS) == {"records": Growth()}


def test_what_no_rule_asks_for_is_not_kept() -> None:
    """A rule that comes back after a month begins with what there is then."""
    counts = {"records_total": BEFORE}
    known = seen({}, ["records"], counts, START_MS)

    assert seen(known, [], counts, START_MS) == {}


def test_it_is_kept_with_the_alerts() -> None:
    """Minutes too: a restart does not shorten a window."""
    known = {"records": _grown((0, BEFORE), (1000, {"pages": 107})), "offsets_lost": Growth()}

    assert unpacked(packed(Board(growth=known))).growth == known


def test_what_was_stored_without_its_beginning_was_watched_for_long() -> None:
    """As versions before stored it: an upgrade delays no alert."""
    (growth,) = (unpacked({"growth": '{"records":{"totals":{"pages":100},"minutes":{}}}'}).growth or {}).values()
    (read,) = growth.read("1h", "all", START_MS)

    assert isnan(read.high)


def test_other_figures_are_read_as_they_were() -> None:
    """A rule sees the snapshot, and beside its figures those counters that rules ask for."""
    snapshot = FakeSnapshot(START_MS, (reading(0.2),))
    watched = Watched(snapshot, {"records": Growth(BEFORE)})

    assert watched.read("page_load_failure_ratio", "5m") == snapshot.read("page_load_failure_ratio", "5m")
    assert [one.value for one in watched.read("records", "5m")] == [0]


def test_no_figure_of_the_catalogue_has_such_a_name() -> None:
    """A rule means the one or the other."""
    assert not FIGURES.keys() & catalogue().figures.keys()


RULES = rules.load(Path(alerts.__file__).parent / "defaults.yaml", catalogue().figures)


def _told(outbox: Outbox, at_ms: int) -> list[str]:
    return [message(alert, at_ms).headline for news in outbox.waiting("chat") for alert in news.alerts]


async def test_records_that_retention_deleted_while_all_was_down_are_told() -> None:
    """The whole monitor stands still for a week, and the log moves on; nobody saw the counter at its old value."""
    world, store = World(PAGES), MemoryAlertStore()
    world.write(PAGES, *[{}] * 20)
    first = Engine(RULES, store, Outbox(), notified=["chat"])
    await first.turn(await world.at(1000))
    await first.stop()

    world.log.records[PAGES], world.log.starts[PAGES] = [page(i, WEEK) for i in range(60, 80)], 60
    world.pipeline, world.reader = world.worker("w"), Reader(world.store, catalogue(), PREFIX, clock=world.seconds)
    outbox = Outbox()
    await Engine(RULES, store, outbox, notified=["chat"]).turn(await world.at(WEEK))

    assert _told(outbox, world.now_ms) == [
        "monitor records deleted before they were read (topic experience.page-load) count 40 above 0 for 0 s"
    ]


async def test_a_loss_is_told_while_the_pipeline_stalls() -> None:
    """To catch up may take longer than the window in which the loss is seen."""
    outbox = Outbox()
    engine = Engine(RULES, MemoryAlertStore(), outbox, notified=["chat"])
    for second in range(0, 100, 10):
        counts = {own.counter: {} for own in FIGURES.values()} | {"offsets_lost_total": {"page-load": 40 * (second >= 80)}}
        await engine.turn(FakeSnapshot(START_MS + second * 1000, complete=False, counts=counts))

    told = [((news.at_ms - START_MS) // 1000, news.rule) for news in outbox.waiting("chat")]
    assert told == [(60, "PipelineStalled"), (80, "records-lost")]


async def test_silence_is_told() -> None:
    """By the rule that the check of rule files names to those who would judge a figure, which is absent then."""
    text = "rules: [{name: silence, summary: records read, figure: records, below: {critical: 1}, for: 1m}]"
    world, outbox = World(PAGES), Outbox()
    engine = Engine(rules.load(text, catalogue().figures), MemoryAlertStore(), outbox, notified=["chat"])
    told = []
    for second in range(0, 1200, 5):
        world.now_ms = START + second * 1000
        world.write(PAGES, *[{}] * (not 300 <= second < 900))
        await engine.turn(await world.at(second * 1000))
        for item in outbox.waiting("chat"):
            told += [(second, str(alert.said)) for alert in item.alerts]
            outbox.finish("chat", item)

    assert told == [(660, "critical"), (900, "over")]


@pytest.mark.parametrize(("condition", "told"), [("below: {critical: 1000}", 3660), ("above: {critical: 5}", 120)])
async def test_a_new_rule_fires_on_what_it_has_watched(condition: str, told: int) -> None:
    """Six records a minute: too few in an hour only once there was one to watch, too many as soon as they are."""
    text = f"rules: [{{name: new, summary: records, figure: records, window: 1h, {condition}, for: 1m}}]"
    outbox = Outbox()
    engine = Engine(rules.load(text, catalogue().figures), MemoryAlertStore(), outbox, notified=["chat"])
    for second in range(0, 3700, 10):
        counts = {"records_total": {"pages": 100 + second // 10}}
        await engine.turn(FakeSnapshot(START_MS + second * 1000, counts=counts))

    (news,) = outbox.waiting("chat")
    assert (news.at_ms - START_MS) // 1000 == told
    assert "interval" not in message(news.alerts[0], news.at_ms).headline


async def test_a_flood_of_refused_records_is_told_with_its_reason() -> None:
    """Two a second for five minutes are told once, and their end once; what it was that was refused stands in it."""
    world, outbox = World(PAGES), Outbox()
    engine = Engine(RULES, MemoryAlertStore(), outbox, notified=["chat"])
    told = []
    for second in range(0, 1200, 5):
        world.now_ms = START + second * 1000
        log = world.log.records[PAGES]
        log += [Raw(len(log) + i, world.now_ms, b"{") for i in range(10 if second < 300 else 0)]
        world.write(PAGES, {})
        await engine.turn(await world.at(second * 1000))
        told += _told(outbox, world.now_ms)
        for item in outbox.waiting("chat"):
            outbox.finish("chat", item)

    fired, resolved = told
    assert fired.startswith("monitor refused records (reason invalid_json) count")
    assert resolved.startswith("Resolved after")
