"""What the page, the API and `/metrics` are told of alerts and of the engine."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan

from alerts.alert import Alert
from alerts.notify.target import TargetStatus
from alerts.observation import Severity
from alerts.state import Phase
from streams.reading.figures import Labels, Series


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert that fires, or is about to, as a person needs to see it. Numbers that do not exist are nan."""

    id: str
    rule: str
    summary: str
    severity: str  # "critical" | "warning"
    state: str  # "firing" | "pending"
    figure: str
    statistic: str
    window: str
    series: Series
    value: float
    limit: float
    above: bool  # bad is above the limit
    since_ms: int
    fired_ms: int | None = None
    stale: bool = False  # nothing to judge at present: it fires on what was seen last
    held_back: bool = False  # fires, and nobody was told, because the pipeline stalls
    labels: Labels = ()
    n: int = 0
    low: float = nan
    high: float = nan
    note: str = ""
    owner: str = ""
    runbook: str = ""
    common: str = ""  # what the bad ones have in common


@dataclass(frozen=True, slots=True)
class AlertsStatus:
    """How the engine itself is doing."""

    rules: int = 0
    leading: bool = False  # whether this process evaluates
    evaluated_at_ms: int | None = None
    firing: Mapping[str, int] = field(default_factory=dict)  # by severity
    transitions: Mapping[tuple[str, str], int] = field(default_factory=dict)  # ever, by rule and transition
    targets: tuple[TargetStatus, ...] = ()
    problem: str = ""  # why evaluation waits


def views(alerts: Iterable[Alert]) -> tuple[AlertView, ...]:
    """What fires or is pending, the worst and oldest first."""
    current = [_view(alert) for alert in alerts if alert.state.phase in (Phase.FIRING, Phase.PENDING)]
    return tuple(sorted(current, key=lambda a: (a.state != "firing", a.severity != "critical", a.since_ms, a.id)))


def firing(alerts: Iterable[Alert]) -> dict[str, int]:
    """How many fire, by severity; those that are zero too."""
    counts = Counter(str(alert.state.severity) for alert in alerts if alert.state.phase is Phase.FIRING)
    return {str(severity): counts[severity] for severity in Severity}


def _view(alert: Alert) -> AlertView:
    state, facts = alert.state, alert.about
    pending = Severity.CRITICAL if state.critical_ms is not None else Severity.WARNING
    return AlertView(
        id=alert.id,
        rule=alert.rule,
        summary=facts.summary,
        severity=str(state.severity or pending),
        state=str(state.phase),
        figure=facts.figure,
        statistic=facts.statistic,
        window=facts.window,
        series=alert.series,
        value=_number(state.value),
        limit=_number(state.limit),
        above=facts.relation == "above",
        since_ms=state.since_ms,
        fired_ms=state.fired_ms,
        stale=state.stale,
        held_back=state.phase is Phase.FIRING and str(alert.said) != str(state.severity),
        labels=alert.labels,
        n=state.n,
        low=_number(state.low),
        high=_number(state.high),
        note=state.note,
        owner=facts.owner,
        runbook=facts.runbook,
    )


def _number(value: float | None) -> float:
    return nan if value is None else value
