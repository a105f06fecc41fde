"""The life of one alert: a pure step from state and observation to the next state.

    inactive ──bad──► pending ──bad for `for`──► firing ──clear for `keep_firing_for`──► resolved
        ▲                │                        │  ▲
        └────not bad─────┘                        └──┴── no data: stays, stale; after 24 h of it ──► expired

An alert never becomes milder while it fires: its severity is the worst it reached. It may become worse.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from alerts.observation import Observation, Severity
from alerts.rule import Rule

EXPIRES_AFTER_MS = 24 * 3_600_000  # a firing alert without anything to judge
LONGEST_GAP_MS = 60_000  # longer without a look, and `for` starts anew: nobody knows what happened in between


class Phase(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"  # seen to be good again
    EXPIRED = "expired"  # ended without anybody seeing it good


class Transition(StrEnum):
    """What is worth telling; also the label of the self-metric."""

    FIRED = "fired"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered of one alert; instants are epoch milliseconds."""

    phase: Phase = Phase.INACTIVE
    severity: Severity | None = None
    since_ms: int = 0  # began to be bad
    critical_ms: int | None = None  # beyond the critical limit without a break since
    fired_ms: int | None = None
    escalated_ms: int | None = None
    cleared_ms: int | None = None  # clear without a break since
    ended_ms: int | None = None
    seen_ms: int = 0  # last time there was something to judge
    stale: bool = False  # fires on what was known at `seen_ms`
    value: float | None = None  # the latest reading, and the limit it was measured against
    n: int = 0
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    note: str = ""


def step(rule: Rule, state: State, seen: Observation, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    """The state after one observation, and what happened."""
    noted = _note(state, seen)
    if state.phase is Phase.FIRING:
        return _firing(rule, noted, seen, now_ms)
    if seen.severity is not None:
        return _rising(rule, noted, seen, now_ms)
    return (replace(noted, phase=Phase.INACTIVE) if state.phase is Phase.PENDING else state), ()


def expire(state: State, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    """Ends an alert that nobody will see good: its series or its rule is gone."""
    if state.phase is Phase.FIRING:
        return replace(state, phase=Phase.EXPIRED, ended_ms=now_ms), (Transition.EXPIRED,)
    return (replace(state, phase=Phase.INACTIVE) if state.phase is Phase.PENDING else state), ()


def _note(state: State, seen: Observation) -> State:
    """The state with what was just read; without a reading the last one stays."""
    if seen.reading is None:
        return state
    value, low, high = (
        bound if isfinite(bound) else None for bound in (seen.reading.value, seen.reading.low, seen.reading.high)
    )
    return replace(state, value=value, n=seen.reading.n, low=low, high=high, limit=seen.limit, note=seen.note)


def _rising(rule: Rule, state: State, seen: Observation, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    if state.phase is not Phase.PENDING or now_ms - state.seen_ms > LONGEST_GAP_MS:
        start = State(phase=Phase.PENDING, since_ms=now_ms, seen_ms=now_ms)
        state = _note(start, seen)
    state = replace(state, seen_ms=now_ms, critical_ms=_critical_since(state, seen, now_ms))
    if now_ms - state.since_ms < rule.for_ms:
        return state, ()
    severity = Severity.CRITICAL if _held(state.critical_ms, rule.for_ms, now_ms) else Severity.WARNING
    return replace(state, phase=Phase.FIRING, severity=severity, fired_ms=now_ms), (Transition.FIRED,)


def _firing(rule: Rule, state: State, seen: Observation, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    if now_ms - state.seen_ms > LONGEST_GAP_MS:  # nobody looked: what was held then is not known to have been held since
        state = replace(state, cleared_ms=None, critical_ms=None)
    if seen.severity is not None:
        return _worsening(rule, state, seen, now_ms)
    if not (seen.enough and seen.complete):
        return _missing(state, seen, now_ms)
    state = replace(state, seen_ms=now_ms, stale=False, critical_ms=None)
    if not seen.clear:
        return replace(state, cleared_ms=None), ()
    state = replace(state, cleared_ms=now_ms if state.cleared_ms is None else state.cleared_ms)
    if not _held(state.cleared_ms, rule.keep_firing_ms, now_ms):
        return state, ()
    return replace(state, phase=Phase.RESOLVED, ended_ms=now_ms), (Transition.RESOLVED,)


def _worsening(rule: Rule, state: State, seen: Observation, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    critical_ms = _critical_since(state, seen, now_ms)
    state = replace(state, seen_ms=now_ms, stale=False, cleared_ms=None, critical_ms=critical_ms)
    if state.severity is Severity.CRITICAL or not _held(critical_ms, rule.for_ms, now_ms):
        return state, ()
    return replace(state, severity=Severity.CRITICAL, escalated_ms=now_ms), (Transition.ESCALATED,)


def _missing(state: State, seen: Observation, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    """Too little to judge by: it fires on, and the day until it expires runs while the data is complete."""
    state = replace(state, stale=True, critical_ms=None, cleared_ms=None, seen_ms=state.seen_ms if seen.complete else now_ms)
    return expire(state, now_ms) if now_ms - state.seen_ms >= EXPIRES_AFTER_MS else (state, ())


def _critical_since(state: State, seen: Observation, now_ms: int) -> int | None:
    if seen.severity is not Severity.CRITICAL:
        return None
    return now_ms if state.critical_ms is None else state.critical_ms


def _held(since_ms: int | None, wanted_ms: int, now_ms: int) -> bool:
    return since_ms is not None and now_ms - since_ms >= wanted_ms
