"""What holds for every history of readings."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.alert import Alert, Identity
from alerts.evaluation import evaluate
from alerts.state import Phase
from streams.reading.figures import Reading
from tests.alerts.fakes import reading, rule, snapshot

RATIOS = st.floats(0, 1)
READINGS = st.builds(reading, value=RATIOS, n=st.integers(1, 200), low=RATIOS, high=RATIOS)
LOOKS = st.tuples(st.integers(1, 90), st.none() | READINGS, st.booleans())  # seconds passed, reading, complete
DURATIONS = st.sampled_from([0, 5_000, 60_000])
RULES = st.builds(rule, critical=st.none() | st.just(0.1), for_ms=DURATIONS, keep_firing_ms=DURATIONS, resolve_at=st.just(0.04))


def _history(watched, looks):
    """(alert before, alert after, reading, complete) of each look."""
    alerts: dict[Identity, Alert] = {}
    second = 0
    for passed, seen, complete in looks:
        second += passed
        before = {**alerts}
        alerts = evaluate([watched], alerts, snapshot(second, *[seen] if seen else [], complete=complete)).alerts
        yield _only(before), _only(alerts), seen, complete


def _only(alerts: dict[Identity, Alert]) -> Alert | None:
    return next((alert for alert in alerts.values() if alert.rule == "failures"), None)


def _phase(alert: Alert | None) -> Phase:
    return alert.state.phase if alert else Phase.INACTIVE


@given(RULES, st.lists(LOOKS, max_size=40))
def test_only_enough_complete_data_resolves(watched, looks) -> None:
    """Whatever came before: no data, too few samples and incomplete data never resolve."""
    for before, after, seen, complete in _history(watched, looks):
        if _phase(before) is Phase.FIRING and _phase(after) is not Phase.FIRING:
            assert isinstance(seen, Reading)
            assert complete
            assert seen.n >= 30
            assert seen.value <= 0.04


@given(RULES, st.lists(LOOKS, max_size=40))
def test_nothing_fires_on_few_samples_or_an_interval_within_the_limit(watched, looks) -> None:
    """What fires does so at a moment with samples enough and a lower bound beyond the limit."""
    for before, after, seen, _ in _history(watched, looks):
        if _phase(before) is not Phase.FIRING and _phase(after) is Phase.FIRING:
            assert isinstance(seen, Reading)
            assert seen.n >= 30
            assert seen.low > 0.05


@given(RULES, st.lists(LOOKS, max_size=40))
def test_a_firing_alert_never_becomes_milder(watched, looks) -> None:
    """Severity falls only by ending."""
    for before, after, _, _ in _history(watched, looks):
        if _phase(before) is _phase(after) is Phase.FIRING:
            assert before.state.severity != "critical" or after.state.severity == "critical"
