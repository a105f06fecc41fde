"""All rules on one snapshot: what becomes of every alert, and who must be told. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby

from alerts.alert import Alert, Identity, Notification, Said, about
from alerts.growth import FIGURES as OWN
from alerts.rule import PIPELINE_STALLED, Rule
from alerts.selection import Snapshot
from alerts.state import Phase, State, Transition, expire, step

Alerts = Mapping[Identity, Alert]

ENDED_KEPT_MS = 15 * 60_000  # a target that was away for minutes still hears of the end
_MOST_AT_ONCE = 100  # alerts in a notification; receivers limit the size of what they take


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Alerts that are neither inactive nor long over, what happened, and what to tell."""

    alerts: dict[Identity, Alert]
    transitions: tuple[tuple[Transition, Alert], ...]
    notifications: tuple[Notification, ...]


def evaluate(rules: Sequence[Rule], alerts: Alerts, snapshot: Snapshot) -> Evaluation:
    """What the rules, and the built-in one, say of a snapshot that follows on `alerts`."""
    stepped = list(_stepped((PIPELINE_STALLED, *rules), alerts, snapshot))
    stalled = any(a.rule == PIPELINE_STALLED.name and a.state.phase is Phase.FIRING for a, _ in stepped)
    told = [_tell(alert, stalled) for alert, _ in stepped]
    news = [after for after, (before, _) in zip(told, stepped, strict=True) if after.said is not before.said]
    return Evaluation(
        alerts={alert.identity: alert for alert in told if _kept(alert, snapshot.at_ms)},
        transitions=tuple((what, alert) for alert, happened in stepped for what in happened),
        notifications=tuple(_notifications(news, snapshot.at_ms)),
    )


_Stepped = tuple[Alert, tuple[Transition, ...]]


def _stepped(rules: Sequence[Rule], alerts: Alerts, snapshot: Snapshot) -> Iterator[_Stepped]:
    left: dict[str, dict[Identity, Alert]] = defaultdict(dict)
    for identity, alert in alerts.items():
        left[identity.rule][identity] = alert
    for rule in rules:
        if rule.enabled:
            yield from _of_rule(rule, left.pop(rule.name, {}), snapshot)
    for orphans in left.values():  # their rule is gone
        for alert in orphans.values():
            yield _expired(alert, snapshot)


def _of_rule(rule: Rule, known: dict[Identity, Alert], snapshot: Snapshot) -> Iterator[_Stepped]:
    facts = about(rule)
    for seen in rule.condition.observe(rule.selection, snapshot):
        if seen.reading is None:
            continue
        identity = Identity(rule.name, seen.reading.series, seen.reading.labels)
        alert = known.pop(identity, None)
        if alert is None and seen.severity is None:
            continue  # nearly all of them: nothing is bad, nothing is remembered
        alert = alert or Alert(*identity, about=facts, state=State())
        state, happened = step(rule, alert.state, seen, snapshot.at_ms)
        yield replace(alert, about=facts, state=state), happened
    for alert in known.values():
        if not rule.selection.covers(alert.series, alert.labels):  # it was narrowed since
            yield _expired(alert, snapshot)
            continue
        nothing = rule.condition.absent(rule.selection, alert.series, alert.labels, complete=snapshot.complete)
        state, happened = step(rule, alert.state, nothing, snapshot.at_ms)
        yield replace(alert, about=facts, state=state), happened


def _expired(alert: Alert, snapshot: Snapshot) -> _Stepped:
    state, happened = expire(alert.state, snapshot.at_ms)
    return replace(alert, state=state), happened


def _tell(alert: Alert, stalled: bool) -> Alert:
    """The alert with what people are told of it now. A stalled pipeline holds back bad news that missing data may have made,
    never good; and what is clear by then was bad on half the data, or is no news any more."""
    state = alert.state
    held_back = stalled and _doubtful(alert)
    if state.phase is Phase.FIRING and state.severity and not held_back and state.cleared_ms is None:
        return replace(alert, said=Said(state.severity))
    if state.phase in (Phase.RESOLVED, Phase.EXPIRED) and alert.said is not Said.NOTHING:
        return replace(alert, said=Said.OVER)
    return alert


def _doubtful(alert: Alert) -> bool:
    """Whether missing data may make it fire. The monitor's own counters it can only make too low."""
    too_low_at_most = alert.about.figure in OWN and alert.about.relation == "above"
    return alert.rule != PIPELINE_STALLED.name and not too_low_at_most


def _kept(alert: Alert, now_ms: int) -> bool:
    state = alert.state
    return state.phase is not Phase.INACTIVE and (state.ended_ms is None or now_ms - state.ended_ms < ENDED_KEPT_MS)


def _notifications(news: Iterable[Alert], at_ms: int) -> Iterator[Notification]:
    for rule, group in groupby(sorted(news, key=lambda alert: (alert.rule, alert.id)), lambda alert: alert.rule):
        alerts = tuple(group)
        for start in range(0, len(alerts), _MOST_AT_ONCE):
            some = alerts[start : start + _MOST_AT_ONCE]
            parts = "\0".join(f"{alert.id}:{alert.state.fired_ms}:{alert.said}" for alert in some)
            yield Notification(sha256(parts.encode()).hexdigest()[:24], rule, at_ms, some)
