"""What a notification says."""

from dataclasses import replace

from alerts.alert import Alert
from alerts.conditions.threshold import Above, Below
from alerts.evaluation import evaluate
from alerts.message import message
from alerts.rule import Rule
from alerts.selection import Selection
from streams.reading.figures import Series
from tests.alerts.fakes import START_MS, reading, rule, snapshot

CRASHES = Rule(
    name="crash-free-sessions",
    summary="crash-free sessions",
    selection=Selection(figure="crash_free_session_ratio", window="15m"),
    condition=Below(critical=0.99),
    unit="ratio",
    for_ms=60_000,
    owner="mobile team",
    runbook="https://wiki/crashes",
)
BAD = reading(0.972, 12_034, 0.969, 0.975)


def _alert(*looks, watched: Rule = CRASHES) -> Alert:
    alerts = {}
    for second, *readings in looks:
        alerts = evaluate([watched], alerts, snapshot(second, *readings)).alerts
    (alert,) = alerts.values()
    return alert


def test_firing() -> None:
    """What, value against limit with interval and n, since when, where, owner, runbook, and the page."""
    said = message(_alert((0, BAD), (60, BAD), (120, BAD)), START_MS + 120_000, "https://xmon.example/")

    assert said.text.splitlines() == [
        "checkout crash-free sessions 97.2 % (95 % interval 96.9–97.5 %, n 12 034) below 99 % for 2 min",
        "Bad since 2025-11-22 08:00:00 UTC. app checkout, environment production, figure crash_free_session_ratio, window 15m.",
        "Owner: mobile team",
        "Runbook: https://wiki/crashes",
        "https://xmon.example/figure/crash_free_session_ratio?app=checkout&environment=production&window=15m",
    ]
    assert said.headline == said.text.splitlines()[0]


def test_resolved() -> None:
    """How long it lasted, and how good it is now."""
    alert = _alert((0, BAD), (60, BAD), (840, reading(0.996, 900, 0.992, 0.998)))

    assert message(alert, START_MS + 840_000).headline == (
        "Resolved after 14 min: checkout crash-free sessions 99.6 % (95 % interval 99.2–99.8 %, n 900)"
    )


def test_expired() -> None:
    """That nobody saw it good, and since when there has been nothing to see."""
    alert = _alert((0, BAD), (60, BAD), (61,), (86_460,))

    assert message(alert, alert.state.ended_ms or 0).headline == (
        "Ended after 1 d 1 min without proof of recovery: checkout crash-free sessions, no data since 2025-11-22 08:01:00 UTC"
    )


def test_a_part_of_an_app() -> None:
    """Environment, dimension and extra labels stand where they are not the usual ones."""
    cart = Series("checkout", "staging", "page", "/cart")
    alert = _alert((0, reading(0.07, series=cart, labels=(("variant", "raw"),))), watched=rule(by="page"))

    assert message(alert, START_MS).headline == (
        "checkout failed loads (staging, page /cart, variant raw) 7 % (n 1 000) above 5 % for 0 s"
    )
    link = message(alert, START_MS, "https://x").link
    assert link == "https://x/figure/page_load_failure_ratio?app=checkout&environment=staging&window=5m&by=page"


def test_a_name_writes_no_line_of_its_own() -> None:
    """Names come from events, and what forwards a message may not know that."""
    series = Series("shop\nRunbook: https://evil.example", "production\u202e", "page", "/\x1b[2J")
    watched = replace(CRASHES, selection=replace(CRASHES.selection, by="page"))
    said = message(_alert((0, reading(0.9, 5_000, 0.89, 0.91, series)), watched=watched), START_MS)

    assert len(said.text.splitlines()) == 4
    assert "shop\\nRunbook" in said.headline
    assert all(line.isprintable() for line in said.text.splitlines())


def test_another_statistic_is_named() -> None:
    """A quantile is not mistaken for the mean."""
    alert = _alert((0, 3.4), watched=replace(rule(warning=3), unit="seconds", summary="page load time"))
    alert = replace(alert, about=replace(alert.about, statistic="p75"))

    assert message(alert, START_MS).headline == "checkout page load time p75 3.4 s (n 1 000) above 3 s for 0 s"


def test_of_a_count_there_are_no_samples() -> None:
    """It is the number itself; and what the monitor counts of itself has neither environment nor page."""
    topic = Series("monitor", "all", "topic", "experience.contact")
    selection = Selection(figure="offsets_lost", statistic="count", window="1h", by="topic", min_n=1)
    lost = Rule(name="records-lost", summary="lost records", selection=selection, condition=Above(critical=0.0))
    alert = _alert((0, replace(reading(40, 40, series=topic), statistic="count")), watched=lost)
    said = message(alert, START_MS, "https://x")

    assert said.headline == "monitor lost records (topic experience.contact) count 40 above 0 for 0 s"
    assert said.link == "https://x"


def test_a_stalled_pipeline_says_why() -> None:
    """The reason, and what it means for other alerts."""
    alerts = {}
    for second in (0, 30, 60):
        alerts = evaluate([], alerts, snapshot(second, complete=False)).alerts
    (alert,) = alerts.values()
    said = message(alert, START_MS + 60_000, "https://x")

    assert said.headline == "figures are incomplete for 1 min"
    assert "page-load:0 is 7 s behind. Alerts on figures are held back" in said.text
    assert said.link == "https://x"
