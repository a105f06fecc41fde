"""The rules that come along."""

from dataclasses import replace
from pathlib import Path

import pytest

import alerts
from alerts import rules
from alerts.evaluation import evaluate
from alerts.growth import Growth, Watched
from alerts.rule import PIPELINE_STALLED, Rule
from streams.metrics.registry import catalogue
from streams.reading.figures import Reading
from tests.alerts.fakes import CHECKOUT, START_MS, FakeSnapshot

FILE = Path(alerts.__file__).parent / "defaults.yaml"
ROOT = Path(alerts.__file__).parent.parent
RULES = rules.load(FILE, catalogue().figures)


def test_there_are_nine() -> None:
    """One for each way in which the experience goes bad, and in which the monitor misses what happens."""
    assert [rule.selection.figure for rule in RULES] == [
        "page_load_failure_ratio",
        "page_load_seconds",
        "crash_free_session_ratio",
        "link_errors_per_view",
        "abandonment_ratio",
        "longest_wait_seconds",
        "offsets_lost",
        "dead_letters",
        "late_events",
    ]


@pytest.mark.parametrize("rule", [*RULES, PIPELINE_STALLED], ids=lambda rule: rule.name)
def test_every_rule_has_a_runbook(rule: Rule) -> None:
    """The page exists, is headed by the name of the alert, and says how to silence it."""
    text = (ROOT / rule.runbook).read_text("utf-8")

    assert text.startswith(f"# {rule.name}\n")
    assert {"## First looks", "## Typical causes", "## Silence"} <= set(text.splitlines())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_fires_and_resolves(rule: Rule) -> None:
    """Values far on either side, at one look a second for twenty minutes."""
    awful, fine = (0.0, 1.0) if rule.condition.relation == "below" else (1e6, 0.0)
    heard, known = [], {}
    for second in range(1200):
        value = awful if second < 300 else fine
        selection = rule.selection
        series = replace(CHECKOUT, dimension=selection.by)
        seen = Reading(series, selection.statistic, value, selection.min_n, selection.labels)
        evaluation = evaluate(RULES, known, _Only(selection.figure, FakeSnapshot(second * 1000, (seen,))))
        known = evaluation.alerts
        heard += [(news.rule, str(alert.said)) for news in evaluation.notifications for alert in news.alerts]

    assert heard == [(rule.name, "warning" if rule.condition.critical is None else "critical"), (rule.name, "over")]
    assert rule.owner


@pytest.mark.parametrize(
    ("late", "fires"),
    [
        ({"a": 20}, False),  # 2 % of 1,000 events a second
        ({"a": 40}, True),  # one of twelve partitions that take 500 events a second
        ({"a": 20, "b": 20}, False),  # each topic for itself
    ],
)
def test_late_events_are_told_of_where_they_are_more_than_stragglers(late: dict[str, int], fires: bool) -> None:
    """So many a second for ten minutes; nobody is called for it at night."""
    rule = next(rule for rule in RULES if rule.name == "late-events")
    growth, known, heard = Growth(), {}, []
    for second in range(600):
        at_ms = START_MS + second * 1000
        growth = growth.seen({topic: n * second for topic, n in late.items()}, at_ms)
        evaluation = evaluate([rule], known, Watched(FakeSnapshot(at_ms), {"late_events": growth}))
        known = evaluation.alerts
        heard += [(alert.series.value, str(alert.said)) for news in evaluation.notifications for alert in news.alerts]

    assert heard == [("a", "warning")] * fires


class _Only:
    """A snapshot that knows one figure."""

    def __init__(self, figure: str, inner: FakeSnapshot) -> None:
        self._figure = figure
        self._inner = inner
        self.at_ms = inner.at_ms
        self.complete = True
        self.problems = ()

    def read(self, figure: str, window: str, dimension: str = "all"):
        return self._inner.read(figure, window, dimension) if figure == self._figure else ()
