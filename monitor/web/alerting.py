"""Alerts as the page says them: worst first, each with value, limit, interval, place and age."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from alerts import words
from alerts.alert import Alert
from alerts.observation import Severity
from alerts.state import Phase


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert, ready to be shown."""

    severity: str
    state: str  # empty while it plainly fires
    summary: str
    value: str
    limit: str
    interval: str
    n: str
    where: str
    note: str
    since: str
    age: str
    href: str
    source: tuple[str, ...]  # rule, owner, window
    runbook: str
    runbook_href: str


def shown(alerts: Iterable[Alert]) -> list[Alert]:
    """Returns what fires, critical first, then what is about to; the oldest first."""
    active = [alert for alert in alerts if alert.state.phase in {Phase.FIRING, Phase.PENDING}]
    return sorted(active, key=lambda a: (not is_firing(a), a.state.severity != Severity.CRITICAL, a.state.since_ms))


def is_firing(alert: Alert) -> bool:
    return alert.state.phase is Phase.FIRING


def notice(alert: Alert, now_ms: int, *, linked: bool) -> Notice:
    """Returns one alert for the page; `linked` when its figure has a page of its own."""
    state, about = alert.state, alert.about
    safe = urlsplit(about.runbook).scheme in {"http", "https"}
    known = state.low is not None and state.high is not None
    return Notice(
        severity=str(state.severity or "pending"),
        state="no recent data" if state.stale else "" if is_firing(alert) else "not firing yet",
        summary=about.summary[:1].upper() + about.summary[1:],
        value=words.value(state.value, about.unit) if state.value is not None else "",
        limit=f"{about.relation} {words.value(state.limit, about.unit)}" if state.limit is not None else "",
        interval=words.interval(state.low, state.high, about.unit) if known else "",  # type: ignore[arg-type]
        n=words.count(state.n),
        where=_where(alert),
        note=state.note,
        since=datetime.fromtimestamp(state.since_ms / 1000, UTC).strftime("%H:%M"),
        age=_age(now_ms - state.since_ms),
        href=_href(alert) if linked else "",
        source=tuple(part for part in (alert.rule, about.owner, about.window) if part),
        runbook=about.runbook,
        runbook_href=about.runbook if safe else "",
    )


def announcement(found: Iterable[Alert]) -> str:
    """Returns the alerts in few words that only change when the alerts do, to be read aloud."""
    firing = [f"{alert.state.severity}: {alert.about.summary}, {_where(alert)}" for alert in found if is_firing(alert)]
    return ". ".join(firing) or "No alert is firing"


def _age(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    return words.duration(minutes * 60_000 if minutes else milliseconds)


def _where(alert: Alert) -> str:
    series = alert.series
    place = [series.app, series.environment]
    if series.dimension != "all":
        place.append(f"{series.dimension} {series.value}")
    return " · ".join([*place, *(f"{name} {value}" for name, value in alert.labels)])


def _href(alert: Alert) -> str:
    series, about = alert.series, alert.about
    query = {"app": series.app, "environment": series.environment, "window": about.window, "statistic": about.statistic}
    if series.dimension != "all":
        query["by"] = series.dimension
    return f"/figure/{about.figure}?{urlencode(query)}"
