"""How this product is measured: what docs/performance.md tells must follow from what was seen."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import growth, latency, report, speed, stages
from benchmarks.markdown import Target, markdown
from benchmarks.parts import PARTS
from benchmarks.peers.job import Job, Meter
from benchmarks.worker import Look, measured, working


def test_a_meter_takes_batches(tmp_path: Path) -> None:
    """What goes beyond a fifth when the clock begins is not measured."""
    job = Job("broker:9092", "redis://", "loads", 4, "group", "", str(tmp_path), 6.0, 100, 20)
    meter = Meter(job)
    for _ in range(3):
        meter.count(30)
    assert not job.report.exists()
    meter.count(30)
    assert json.loads(job.report.read_text())["events"] == 90


def looks(*applied: int, places: str = "ab", begin: float = 0.0) -> list[Look]:
    return [
        Look(number, frozenset(places), n, begin + number, 0.1 * number, 0.2 * (begin + number))
        for number, n in enumerate(applied)
    ]


def test_a_worker_is_measured_while_it_has_work() -> None:
    """From the first word after a fifth of the events to the last one before all are applied."""
    assert [look.applied for look in working(looks(0, 10, 25, 60, 90, 100, 100), 100)] == [25, 60, 90]


def test_a_rebalance_is_not_measured() -> None:
    """Only what a worker says of the partitions it has in the end."""
    found = working([*looks(20, 40, places="abcd"), *looks(25, 45, 60)], 100)
    assert [(look.applied, look.places) for look in found] == [(25, frozenset("ab")), (45, frozenset("ab"))]


def test_a_worker_that_has_less_than_its_share_is_measured_while_it_has_work() -> None:
    """Partitions are never quite even: what it waits for the other one is not its pace."""
    assert [look.applied for look in working(looks(0, 25, 60, 90, 90, 90), 100)] == [25, 60]


def test_workers_side_by_side_are_as_fast_as_both_while_both_work() -> None:
    """What they take is divided by what both have done; what one does while the other is idle is left out."""
    both = measured([looks(0, 100, 200), looks(0, 300, 900, begin=1)])
    assert both is not None
    assert (both.rate, both.cpu_us, both.servers_us) == (400.0, pytest.approx(500.0), pytest.approx(500.0))


def test_what_was_over_at_once_is_not_measured() -> None:
    """One look has no length, and two that do not meet have none together."""
    assert measured([working([], 100)]) is None
    assert measured([working(looks(0, 50, 100), 100)]) is None
    assert measured([looks(0, 100), looks(0, 300, begin=2)]) is None


def raced() -> list[dict[str, object]]:
    rates = {speed.OURS: (100.0, 200.0, 90.0), "Quix": (10.0, 50.0, 10.0)}
    return [
        {"round": number, "name": name, "events": 1000, "rate": rate, "cpu_us": 1e6 / rate, "servers_us": 1.0}
        for name, values in rates.items()
        for number, rate in enumerate(values, 1)
    ]


def test_ratios_are_taken_within_a_round() -> None:
    """The median of ratios, not the ratio of medians."""
    assert sorted(speed.ratios(raced(), "Quix", "rate")) == [4.0, 9.0, 10.0]
    (target,) = speed.targets(raced())
    assert (target.measured, target.bound, target.met) == (9.0, 6, True)
    assert "9.00" in speed.table(raced())


def test_a_peer_that_did_not_finish_is_left_out_of_its_round() -> None:
    """The others keep theirs."""
    nothing = dict.fromkeys(speed.COLUMNS)
    lines = [{**line, **nothing} if (line["name"], line["round"]) == ("Quix", 2) else line for line in raced()]
    assert speed.ratios(lines, "Quix", "rate") == [10.0, 9.0]
    never = [{**line, **nothing} if line["name"] == "Quix" else line for line in raced()]
    assert "did not finish" in speed.table(never)
    assert not list(speed.targets(never))


def test_a_target_is_met_or_not() -> None:
    """At least or at most, with the bound itself."""
    assert Target("x", 0.65, 0.65, at_least=True).met
    assert not Target("x", 0.64, 0.65, at_least=True).met
    assert Target("x", 15, 15, " %").met
    assert Target("x", 15.1, 15, " %").row() == ["x", "15.1 %", "≤ 15 %", "no"]


def test_columns_of_a_table_stand_under_each_other() -> None:
    """The first to the left, numbers to the right."""
    assert markdown(["a", "n"], [["long", "1"], ["b", "22"]]).splitlines() == [
        "| a    |  n |",
        "| :--- | -: |",
        "| long |  1 |",
        "| b    | 22 |",
    ]


def test_every_part_has_its_place_in_the_page() -> None:
    """And whatever else the page has a place for is filled."""
    page = (report.ROOT / "docs/performance.md").read_text()
    for name in (*PARTS, "machine", "runs", "targets", "sizes", "tables", "rest"):
        assert "measured\n" in report.put(page, name, "measured"), name


def test_a_watch_stands_still_while_another_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage without what it calls."""
    watch, now = stages.Stopwatch(), [0.0]
    monkeypatch.setattr(stages.time, "process_time", lambda: now[0])

    def work(seconds: float) -> None:
        now[0] += seconds

    inner = watch.timed("inner", lambda: work(5.0))
    watch.timed("outer", lambda: (work(1.0), inner(), work(2.0)))()
    work(100.0)
    inner()
    assert watch.spent == {"inner": 10.0, "outer": 3.0}


def test_stages_are_put_back() -> None:
    """What was timed is as it was."""
    before = [getattr(owner, name) for owner, name, _ in stages.STAGES]
    with stages.watched(stages.Stopwatch()):
        assert before != [getattr(owner, name) for owner, name, _ in stages.STAGES]
    assert before == [getattr(owner, name) for owner, name, _ in stages.STAGES]


def test_a_short_measurement_of_peers_replaces_nothing() -> None:
    """A table stands until a whole measurement takes its place."""
    assert report.peers([{"name": "Quix", "events": 100, "kills": 1}]) == ""


def test_who_does_not_come_back_is_never_back() -> None:
    """Once is the worst, most of the time also the median."""
    whole = {"events": 100_000, "kills": 5, "session_timeout_seconds": 6.0, "twice": 0, "missing": 0}
    backs = {"once": [1.0, 2.0, None], "mostly": [1.0, None, None]}
    once, mostly = (report.peers([{**whole, "name": name, "back_seconds": back}]).split() for name, back in backs.items())
    assert (once[-4], once[-2]) == ("2.0", "never")
    assert (mostly[-4], mostly[-2]) == ("never", "never")


def test_quantiles_of_events_are_of_their_ranks() -> None:
    """The nineteenth of twenty is the one that 95 % are within; the longest of runs is that of all."""
    runs = [{"what": "figure", **dict.fromkeys(latency.QUANTILES, longest)} for longest in (1.0, 3.0, 2.0)]
    told = latency.summary([*runs, *({"what": "marked", "figure": 0.5, "webhook": float(n)} for n in range(1, 21))])
    assert (told["run"]["p95"], told["run"]["max"]) == (2.0, 3.0)
    assert (told["webhook"]["p50"], told["webhook"]["p95"], told["webhook"]["max"]) == (10.0, 19.0, 20.0)
    assert set(told["figure"].values()) == {0.5}


def test_what_grows_is_measured_on_what_is_published() -> None:
    """Each kind has its source, each point of a picture its kind, and each source as many events as are waited for."""
    assert {kind.source for kind in growth.KINDS} == growth.SOURCES.keys()
    names = {kind.name for kind in growth.KINDS}
    assert all(name in names for points in growth.AXES.values() for name in points.values())
    for name, source in growth.SOURCES.items():
        assert re.fullmatch(r"[\w.-]+", name), "a topic is named after it"
        assert sum(1 for _ in source.tell(100)) == source.events(100)


def test_a_page_is_of_one_machine_and_of_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else it stays as it is, and why is told."""
    (tmp_path / "bench").mkdir()
    monkeypatch.setattr(report, "CACHE", tmp_path)
    report.write_performance()
    assert "not measured: speed, latency" in capsys.readouterr().out
    for name in PARTS:
        head = {"machine": {"machine": "slow" if name == "moves" else "fast"}}
        (tmp_path / "bench" / f"{name}.jsonl").write_text(json.dumps(head) + "\n")
    report.write_performance()
    assert "different machines: fast, slow" in capsys.readouterr().out


def test_what_was_not_seen_is_left_out_of_a_picture() -> None:
    """The others are drawn."""
    plots = pytest.importorskip("benchmarks.plots")
    lines = [
        {"name": name, **dict.fromkeys(growth.COLUMNS, None if name == "2 workers" else 2.0)}
        for name in growth.AXES["workers"].values()
    ]
    assert plots.growth(lines).axes


def test_few_and_held_are_compared_within_a_round() -> None:
    """The median of ratios, of the rounds in which both were seen."""
    costs = {growth.BASE: (1.0, 1.0, 1.0), growth.FEW_AND_HELD[0]: (1.0, 2.0, 4.0), growth.FEW_AND_HELD[1]: (1.5, 4.0, None)}
    lines = [
        {"name": name, "round": number, **dict.fromkeys(growth.COLUMNS, cost)}
        for name, each in costs.items()
        for number, cost in enumerate(each)
    ]
    _, target = growth.targets(lines)
    assert target.measured == 1.75


def test_a_run_that_was_not_seen_is_left_out() -> None:
    """The others tell; without any nothing is told."""
    seen, unseen = ({"name": "x", **dict.fromkeys(growth.COLUMNS, value)} for value in (2.0, None))
    assert growth.middle([seen, unseen])["x"]["rate"] == 2.0
    assert "nan" in growth.table([unseen])


def test_each_contestant_has_a_topic_of_as_many_events_as_it_is_measured_on() -> None:
    """Whoever reads ahead must not be charged for what is not counted."""
    counted = Counter(name for name, _, _ in speed.page_loads(50, {("session", 50): "all", ("page", 30): "some"}))
    assert counted == {"all": 50, "some": 30}
