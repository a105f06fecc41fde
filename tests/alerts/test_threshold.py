"""What the limits say of one reading."""

from math import inf, nan

import pytest

from alerts.conditions import registry
from alerts.conditions.threshold import Above, Below, Threshold
from alerts.selection import Selection
from tests.alerts.fakes import CHECKOUT, reading, snapshot

ABOVE = Above(warning=0.05, critical=0.1, resolve_at=0.04)
BELOW = Below(warning=0.99, critical=0.98, resolve_at=0.995)


@pytest.mark.parametrize(
    ("condition", "value", "low", "high", "severity"),
    [
        (ABOVE, 0.07, 0.051, 0.09, "warning"),
        (ABOVE, 0.07, 0.05, 0.09, None),
        (ABOVE, 0.2, 0.101, 0.3, "critical"),
        (ABOVE, 0.2, 0.1, 0.3, "warning"),
        (ABOVE, 0.06, nan, nan, "warning"),
        (ABOVE, 0.05, nan, nan, None),
        (ABOVE, inf, nan, nan, "critical"),
        (ABOVE, nan, nan, nan, None),
        (BELOW, 0.985, 0.97, 0.989, "warning"),
        (BELOW, 0.985, 0.97, 0.99, None),
        (BELOW, 0.97, 0.96, 0.979, "critical"),
        (BELOW, 0.985, nan, nan, "warning"),
        (Above(critical=0.1), 0.2, 0.11, 0.3, "critical"),
        (Above(critical=0.1), 0.09, 0.08, 0.3, None),
    ],
)
def test_bad_is_decided_by_the_bound(condition: Threshold, value, low, high, severity) -> None:
    """`above` asks the lower bound, `below` the upper one, and the value where there is no interval."""
    assert condition.judge(reading(value, 1000, low, high), enough=True, complete=True).severity == severity


@pytest.mark.parametrize(
    ("condition", "value", "clear"),
    [
        (ABOVE, 0.045, False),
        (ABOVE, 0.04, True),
        (ABOVE, nan, False),
        (BELOW, 0.994, False),
        (BELOW, 0.995, True),
        (Above(warning=0.05), 0.05, True),
        (Above(warning=0.05, critical=0.1), 0.07, False),
        (Above(critical=0.0), 0.0, True),
    ],
)
def test_recovery_is_decided_by_the_value(condition: Threshold, value, clear) -> None:
    """Recovery needs the value at `resolve_at`, or at the mildest limit where none is given."""
    assert condition.judge(reading(value), enough=True, complete=True).clear is clear


def test_four_samples_are_never_bad() -> None:
    """Too few samples are judged by nobody, however bad they look."""
    seen = ABOVE.judge(reading(1.0, n=4), enough=False, complete=True)

    assert (seen.severity, seen.enough) == (None, False)


COUNTED = Selection(figure="crashes", statistic="value", min_n=30, counted=True)


@pytest.mark.parametrize(
    ("condition", "value", "enough"),
    [(Above(critical=20), 5, True), (Above(critical=4), 5, False), (Below(critical=20), 5, False)],
)
def test_few_of_what_is_counted_are_good_news(condition: Threshold, value, enough) -> None:
    """Few samples of a ratio say nothing. Few crashes are few crashes; but what is bad needs its samples."""
    (seen,) = condition.observe(COUNTED, snapshot(0, reading(value, n=value)))

    assert (seen.severity, seen.enough) == (None, enough)


def test_none_of_what_is_counted_is_known() -> None:
    """No crash in a window is a count of zero; without page loads there is no failure ratio."""
    of_ratio = Selection(figure="page_load_failure_ratio")
    gone = [
        condition.absent(selection, CHECKOUT, (), complete=True)
        for condition, selection in ((ABOVE, COUNTED), (BELOW, COUNTED), (ABOVE, of_ratio))
    ]

    assert [(seen.enough, seen.clear) for seen in gone] == [(True, True), (False, False), (False, False)]
    assert gone[0].reading == reading(0, n=0)


def test_conditions_are_found_by_their_keys() -> None:
    """A rule file may use what the files of the room offer; the built-in one is not among them."""
    assert dict(registry.find()) == {"above": Above, "below": Below}
