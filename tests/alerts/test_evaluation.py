"""All rules on a run of snapshots: which alerts there are, and who is told."""

from dataclasses import replace
from typing import Any

import pytest

from alerts.alert import Alert, Identity, Said
from alerts.conditions.condition import Condition
from alerts.conditions.threshold import Above, Below
from alerts.evaluation import evaluate
from alerts.rule import PIPELINE_STALLED, Rule
from alerts.state import Phase
from streams.reading.figures import Labels, Reading, Series
from tests.alerts.fakes import CHECKOUT, FakeSnapshot, reading, rule, snapshot

CART = Series("checkout", "production", "page", "/cart")
HOME = Series("checkout", "production", "page", "/")


def _told(rules: list[Rule], snapshots: list[FakeSnapshot]) -> list[tuple[float, str, str]]:
    """(second, rule, what was said) of every notification, alert by alert."""
    alerts: dict[Identity, Alert] = {}
    told = []
    for now in snapshots:
        evaluation = evaluate(rules, alerts, now)
        alerts = evaluation.alerts
        second = (now.at_ms - snapshots[0].at_ms) / 1000
        told += [(second, news.rule, str(alert.said)) for news in evaluation.notifications for alert in news.alerts]
    return told


def test_people_are_told_of_each_change_once() -> None:
    """Fired, escalated, over: one notification each, nothing in between."""
    values = [0.01, 0.07, 0.07, 0.2, 0.2, 0.07, 0.01, 0.01]
    watched = rule(critical=0.1)

    assert _told([watched], [snapshot(second, value) for second, value in enumerate(values)]) == [
        (1, "failures", "warning"),
        (3, "failures", "critical"),
        (6, "failures", "over"),
    ]


def test_a_stalled_pipeline_is_one_alert_and_holds_back_the_rest() -> None:
    """After a minute of incomplete data one alert is told; what fires meanwhile waits until it is over."""
    stalled = [snapshot(second, 0.01, complete=False) for second in range(0, 70, 10)]
    bad = [snapshot(second, 0.2, complete=False) for second in range(70, 90, 10)]
    mended = [snapshot(second, 0.2) for second in range(90, 140, 10)]

    assert _told([rule()], stalled + bad + mended) == [
        (60, PIPELINE_STALLED.name, "critical"),
        (120, PIPELINE_STALLED.name, "over"),
        (120, "failures", "warning"),
    ]


def test_what_fires_and_ends_while_held_back_is_never_told() -> None:
    """Nobody hears the end of what they did not hear of."""
    stalled = [snapshot(second, complete=False) for second in range(0, 70, 10)]
    blip = [snapshot(70, 0.2, complete=False), snapshot(80, 0.01), snapshot(90, 0.01), snapshot(130, 0.01)]

    assert [rule for _, rule, _ in _told([rule()], stalled + blip)] == [PIPELINE_STALLED.name] * 2


@pytest.mark.parametrize("after", [[], [reading(28, n=28), reading(3, n=3)]])
def test_a_burst_is_over_when_it_is_over(after: list[Reading]) -> None:
    """A window without crashes has no figure of them, and one with few has few samples: both are good news."""
    watched = rule(warning=50, keep_firing_ms=10_000)
    watched = replace(watched, selection=replace(watched.selection, counted=True))
    calm = [snapshot(second, *after[-1:]) for second in range(20, 60, 10)]

    burst = [snapshot(0, reading(200, n=200)), *(snapshot(10, one) for one in after[:1])]
    assert [said for _, _, said in _told([watched], burst + calm)] == ["warning", "over"]


@pytest.mark.parametrize(("condition", "told"), [(Above(warning=50), 70), (Below(warning=500), 120)])
def test_a_stalled_pipeline_does_not_hold_back_what_missing_data_makes_too_low_at_most(condition: Condition, told: int) -> None:
    """The monitor's own counters: so many are lost at least. That they are few may be because data is missing."""
    watched = rule()
    watched = replace(watched, selection=replace(watched.selection, figure="offsets_lost"), condition=condition)
    stalled = [snapshot(second, *[200] * (second >= 70), complete=False) for second in range(0, 90, 10)]
    mended = [snapshot(second, 200) for second in range(90, 140, 10)]

    assert [second for second, name, _ in _told([watched], stalled + mended) if name == "failures"] == [told]


def _after_a_stall(*after: FakeSnapshot, before: float = 0.01) -> list[FakeSnapshot]:
    """Half the data, and so bad, for 100 s; then whole again, and the stall over 30 s later."""
    half = [snapshot(second, 0.2, complete=False) for second in range(10, 110, 10)]
    return [snapshot(0, before), *half, *(snapshot(second, 0.01) for second in range(110, 160, 10)), *after]


STALL = [(70, PIPELINE_STALLED.name, "critical"), (140, PIPELINE_STALLED.name, "over")]


def test_what_is_clear_when_a_stall_ends_is_not_told() -> None:
    """It fired on half the data; on all of it it is clear, waits for `keep_firing_for`, and ends without a word."""
    watched = rule(for_ms=65_000, keep_firing_ms=300_000)

    assert _told([watched], _after_a_stall(*(snapshot(second, 0.01) for second in range(160, 500, 10)))) == STALL


def test_what_is_bad_again_after_a_stall_is_told() -> None:
    """Silence lasts while it is clear, and no longer."""
    watched = rule(for_ms=65_000, keep_firing_ms=300_000)

    assert _told([watched], _after_a_stall(snapshot(160, 0.2))) == [*STALL, (160, "failures", "warning")]


def test_that_it_became_worse_during_a_stall_is_not_told_once_it_is_clear() -> None:
    """People know of the warning, and hear of its end."""
    watched = rule(critical=0.1, for_ms=65_000, keep_firing_ms=300_000)
    warned = [snapshot(second, 0.07) for second in range(-100, 0, 10)]
    clear = [snapshot(second, 0.01) for second in range(160, 500, 10)]

    told = _told([watched], [*warned, *_after_a_stall(*clear, before=0.07)])

    assert [(name, said) for _, name, said in told] == [
        ("failures", "warning"),
        *((name, said) for _, name, said in STALL),
        ("failures", "over"),
    ]


def test_good_news_passes_a_stalled_pipeline() -> None:
    """While the stall's own end is awaited, the end of another alert is told at once."""
    snapshots = [snapshot(0, 0.2), *(snapshot(second, 0.2, complete=False) for second in range(10, 80, 10))]
    snapshots += [snapshot(80, 0.01)]

    assert (80, "failures", "over") in _told([rule()], snapshots)


def test_a_short_stall_holds_nothing_back() -> None:
    """Below a minute the built-in alert is only pending."""
    snapshots = [snapshot(0, complete=False), snapshot(30, 0.2, complete=False)]

    assert _told([rule()], snapshots) == [(30, "failures", "warning")]


def test_one_alert_for_each_value_of_a_dimension() -> None:
    """`by` makes one alert a value, told together when they fire together."""
    now = snapshot(0, reading(0.2, series=CART), reading(0.2, series=HOME), reading(0.2, series=CHECKOUT))
    evaluation = evaluate([rule(by="page")], {}, now)

    assert {alert.series.value for alert in evaluation.alerts.values()} == {"/cart", "/"}
    (news,) = evaluation.notifications
    assert len(news.alerts) == 2


def test_many_alerts_are_told_in_parts() -> None:
    """A storm of 250 pages makes three notifications, not 250 and not one of a megabyte."""
    pages = [reading(0.2, series=Series("checkout", "production", "page", f"/{n}")) for n in range(250)]

    assert [len(news.alerts) for news in evaluate([rule(by="page")], {}, snapshot(0, *pages)).notifications] == [
        100,
        100,
        50,
    ]


def test_extra_labels_make_alerts_of_their_own() -> None:
    """Two variants of a figure are two alerts with two ids."""
    now = snapshot(0, *(reading(0.2, labels=(("variant", name),)) for name in ("raw", "excluding_short")))

    assert len({alert.id for alert in evaluate([rule()], {}, now).alerts.values()}) == 2


def test_app_and_environment_narrow_a_rule() -> None:
    """`where` leaves out everything else."""
    staging = Series("checkout", "staging")
    watched = rule()
    narrowed = Rule(
        name="staging",
        summary="s",
        selection=type(watched.selection)(figure="f", app="checkout", environment="staging"),
        condition=watched.condition,
    )
    now = snapshot(0, reading(0.2), reading(0.2, series=staging), reading(0.2, series=Series("shop", "staging")))

    assert [alert.series for alert in evaluate([narrowed], {}, now).alerts.values()] == [staging]


def test_an_alert_whose_rule_is_gone_or_switched_off_expires() -> None:
    """Its end is told, and that nobody saw it good."""
    firing = evaluate([rule()], {}, snapshot(0, 0.2)).alerts
    for rules in ([], [rule(enabled=False)]):
        evaluation = evaluate(rules, firing, snapshot(1, 0.2))
        (alert,) = evaluation.alerts.values()

        assert (alert.state.phase, alert.said) == (Phase.EXPIRED, Said.OVER)
        assert len(evaluation.notifications) == 1


STAGING = Series("checkout", "staging")
RAW = (("variant", "raw"),)


@pytest.mark.parametrize(
    ("series", "labels", "narrowed"),
    [
        (STAGING, RAW, {"environment": "production"}),
        (STAGING, RAW, {"app": "shop"}),
        (CHECKOUT, RAW, {"by": "page"}),
        (CHECKOUT, RAW, {"labels": (("variant", "excluding_short"),)}),
    ],
    ids=["environment", "app", "dimension", "labels"],
)
def test_an_alert_that_its_rule_no_longer_looks_at_expires(series: Series, labels: Labels, narrowed: Any) -> None:
    """As one whose rule is gone: at once, and told. It would fire on without data for a day."""
    now = snapshot(1, reading(0.2, series=series, labels=labels))
    firing = evaluate([rule()], {}, now).alerts
    watched = rule()
    watched = replace(watched, selection=replace(watched.selection, **narrowed))
    evaluation = evaluate([watched], firing, now)
    (alert,) = evaluation.alerts.values()

    assert (alert.state.phase, alert.said) == (Phase.EXPIRED, Said.OVER)
    assert len(evaluation.notifications) == 1


def test_an_alert_that_its_rule_still_looks_at_stays_without_data() -> None:
    """A rule narrowed to what fires ends nothing."""
    firing = evaluate([rule()], {}, snapshot(0, reading(0.2, labels=RAW))).alerts
    watched = rule()
    watched = replace(watched, selection=replace(watched.selection, app="checkout", environment="production", labels=RAW))
    (alert,) = evaluate([watched], firing, snapshot(1)).alerts.values()

    assert (alert.state.phase, alert.state.stale) == (Phase.FIRING, True)


def test_what_is_over_is_kept_a_quarter_of_an_hour() -> None:
    """A target that was away for minutes still hears of the end; then the alert is forgotten."""
    alerts: dict[Identity, Alert] = {}
    kept = []
    for second, value in ((0, 0.2), (1, 0.01), (900, 0.01), (901, 0.01)):
        alerts = evaluate([rule()], alerts, snapshot(second, value)).alerts
        kept.append(len(alerts))

    assert kept == [1, 1, 1, 0]


def test_the_id_of_a_notification_tells_occurrences_apart() -> None:
    """The same change has the same id wherever it is computed; another occurrence has another one."""
    first = evaluate([rule()], {}, snapshot(0, 0.2)).notifications
    again = evaluate([rule()], {}, snapshot(0, 0.2)).notifications
    later = evaluate([rule()], {}, snapshot(60, 0.2)).notifications

    assert first[0].id == again[0].id != later[0].id


def test_what_a_rule_says_of_itself_is_renewed() -> None:
    """A new owner is seen on an alert that fires already."""
    alerts = evaluate([rule()], {}, snapshot(0, 0.2)).alerts
    (alert,) = evaluate([rule(owner="night shift")], alerts, snapshot(1, 0.2)).alerts.values()

    assert alert.about.owner == "night shift"
