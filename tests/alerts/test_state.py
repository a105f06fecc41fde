"""The life of an alert as tables: at second s, after this observation, expect that."""

from dataclasses import replace

import pytest

from alerts.observation import Observation, Severity, absent
from alerts.state import Phase, State, expire, step
from tests.alerts.fakes import START_MS, reading, rule

BAD = Observation(reading(0.06), Severity.WARNING, 0.05, enough=True, complete=True, clear=False)
WORSE = Observation(reading(0.2), Severity.CRITICAL, 0.1, enough=True, complete=True, clear=False)
BETWEEN = Observation(reading(0.045), None, 0.05, enough=True, complete=True, clear=False)
GOOD = Observation(reading(0.01), None, 0.05, enough=True, complete=True, clear=True)
THIN = Observation(reading(0.0, n=4), None, 0.05, enough=False, complete=True, clear=True)
GONE = absent(complete=True)
LOST = absent(complete=False)
PARTIAL_BAD = replace(BAD, complete=False)
PARTIAL_GOOD = replace(GOOD, complete=False)

HOUR = 3600
Row = tuple[float, Observation, str]

TABLES: dict[str, tuple[dict[str, int], list[Row]]] = {
    "nothing bad, nothing remembered": ({}, [(0, GOOD, "inactive"), (1, THIN, "inactive"), (2, GONE, "inactive")]),
    "fires at once without `for`": ({}, [(0, BAD, "firing warning +fired"), (1, BAD, "firing warning")]),
    "fires when `for` has passed": (
        {"for_ms": 120_000},
        [
            (0, BAD, "pending"),
            (60, BAD, "pending"),
            (119, BAD, "pending"),
            (120, BAD, "firing warning +fired"),
        ],
    ),
    "`for` begins anew after a good moment": (
        {"for_ms": 120_000},
        [(0, BAD, "pending"), (60, GOOD, "inactive"), (90, BAD, "pending"), (130, BAD, "pending")],
    ),
    "`for` begins anew after a moment without data": (
        {"for_ms": 30_000},
        [(0, BAD, "pending"), (10, GONE, "inactive"), (20, BAD, "pending"), (30, BAD, "pending")],
    ),
    "`for` begins anew after more than a minute without a look": (
        {"for_ms": 120_000},
        [(0, BAD, "pending"), (60, BAD, "pending"), (150, BAD, "pending"), (200, BAD, "pending")],
    ),
    "resolves at once without `keep_firing_for`": (
        {},
        [(0, BAD, "firing warning +fired"), (1, GOOD, "resolved warning +resolved"), (2, GOOD, "resolved warning")],
    ),
    "does not resolve between the limit and the point of return": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (1, BETWEEN, "firing warning"),
            (2, GOOD, "resolved warning +resolved"),
        ],
    ),
    "keeps firing until it was good for `keep_firing_for`": (
        {"keep_firing_ms": 60_000},
        [
            (0, BAD, "firing warning +fired"),
            (10, GOOD, "firing warning"),
            (40, BETWEEN, "firing warning"),
            (50, GOOD, "firing warning"),
            (109, GOOD, "firing warning"),
            (110, GOOD, "resolved warning +resolved"),
        ],
    ),
    "what is missing for a moment is not known to have been good": (
        {"keep_firing_ms": 60_000},
        [
            (0, BAD, "firing warning +fired"),
            (10, GOOD, "firing warning"),
            (70, GONE, "firing warning stale"),
            (71, GOOD, "firing warning"),
            (131, GOOD, "resolved warning +resolved"),
        ],
    ),
    "escalates without a gap": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (1, WORSE, "firing critical +escalated"),
            (2, WORSE, "firing critical"),
        ],
    ),
    "escalates when it was critical for `for`": (
        {"for_ms": 60_000},
        [
            (0, BAD, "pending"),
            (30, WORSE, "pending"),
            (60, WORSE, "firing warning +fired"),
            (89, WORSE, "firing warning"),
            (90, WORSE, "firing critical +escalated"),
        ],
    ),
    "a moment of critical does not escalate": (
        {"for_ms": 60_000},
        [(0, BAD, "pending"), (60, WORSE, "firing warning +fired"), (61, BAD, "firing warning")],
    ),
    "fires as critical when it was so all along": (
        {"for_ms": 60_000},
        [(0, WORSE, "pending"), (60, WORSE, "firing critical +fired")],
    ),
    "stays critical when it gets better": (
        {},
        [
            (0, WORSE, "firing critical +fired"),
            (1, BAD, "firing critical"),
            (2, GOOD, "resolved critical +resolved"),
        ],
    ),
    "no data never resolves, and ends after a day": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (1, GONE, "firing warning stale"),
            (HOUR, GONE, "firing warning stale"),
            (24 * HOUR - 1, GONE, "firing warning stale"),
            (24 * HOUR, GONE, "expired warning stale +expired"),
            (25 * HOUR, GONE, "expired warning stale"),
        ],
    ),
    "too few samples never resolve, and end it after a day": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (12 * HOUR, THIN, "firing warning stale"),
            (24 * HOUR, THIN, "expired warning stale +expired"),
        ],
    ),
    "data that comes back ends the wait for expiry": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (23 * HOUR, BAD, "firing warning"),
            (25 * HOUR, GONE, "firing warning stale"),
            (26 * HOUR, GOOD, "resolved warning +resolved"),
        ],
    ),
    "incomplete data may fire, never resolve": (
        {},
        [
            (0, PARTIAL_BAD, "firing warning +fired"),
            (1, PARTIAL_GOOD, "firing warning stale"),
            (2, LOST, "firing warning stale"),
            (3, GOOD, "resolved warning +resolved"),
        ],
    ),
    "a day of incomplete data expires nothing": (
        {},
        [
            (0, BAD, "firing warning +fired"),
            (25 * HOUR, LOST, "firing warning stale"),
            (26 * HOUR, GONE, "firing warning stale"),
            (49 * HOUR, GONE, "expired warning stale +expired"),
        ],
    ),
    "fires again after it was resolved": (
        {"for_ms": 10_000},
        [
            (0, BAD, "pending"),
            (10, BAD, "firing warning +fired"),
            (20, GOOD, "resolved warning +resolved"),
            (30, BAD, "pending"),
            (40, BAD, "firing warning +fired"),
        ],
    ),
}


@pytest.mark.parametrize(("policy", "rows"), TABLES.values(), ids=TABLES.keys())
def test_life_of_an_alert(policy: dict[str, int], rows: list[Row]) -> None:
    """Each table: second, observation, expected phase, severity, staleness and transition."""
    state, expected, found = State(), [], []
    for second, seen, wanted in rows:
        state, happened = step(rule(**policy), state, seen, START_MS + round(second * 1000))
        expected.append((second, wanted))
        found.append((second, _said(state, happened)))

    assert found == expected


def test_a_new_occurrence_begins_with_nothing_of_the_old() -> None:
    """What fires again has its own beginning and its own severity."""
    state = State()
    for second, seen in ((0, BAD), (1, WORSE), (2, GOOD), (3, BAD)):
        state, _ = step(rule(), state, seen, START_MS + second * 1000)

    assert (state.since_ms, state.fired_ms) == (START_MS + 3000, START_MS + 3000)
    assert (state.severity, state.escalated_ms, state.ended_ms) == (Severity.WARNING, None, None)


def test_a_stale_alert_keeps_what_was_seen_last() -> None:
    """The value shown for a stale alert is the one it fired on."""
    state, _ = step(rule(), State(), BAD, START_MS)
    state, _ = step(rule(), state, GONE, START_MS + 1000)

    assert (state.value, state.n, state.low) == (0.06, 1000, None)


@pytest.mark.parametrize(
    ("phase", "ends_as"),
    [
        (Phase.FIRING, Phase.EXPIRED),
        (Phase.PENDING, Phase.INACTIVE),
        (Phase.RESOLVED, Phase.RESOLVED),
        (Phase.EXPIRED, Phase.EXPIRED),
    ],
)
def test_an_alert_whose_rule_is_gone(phase: Phase, ends_as: Phase) -> None:
    """What fires expires, what waits is forgotten, what is over stays over."""
    state, _ = expire(State(phase=phase), START_MS)

    assert state.phase is ends_as


def _said(state: State, happened: tuple[str, ...]) -> str:
    stale = "stale" if state.stale else ""
    words = [state.phase, state.severity or "", stale, *(f"+{what}" for what in happened)]
    return " ".join(word for word in words if word)
