"""Alerts as the page says them: worst first, each with value, limit, interval, place and age."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from urllib.parse import urlencode

from alerts import words
from alerts.overview import AlertView


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


def notice(alert: AlertView, unit: str, now_ms: int, *, linked: bool) -> Notice:
    """Returns one alert for the page; `linked` when its figure has a page of its own."""
    safe = alert.runbook.startswith(("http://", "https://"))
    known = isfinite(alert.value) and isfinite(alert.limit)
    return Notice(
        severity=alert.severity if is_firing(alert) else "pending",
        state=_state(alert),
        summary=alert.summary[:1].upper() + alert.summary[1:],
        value=words.value(alert.value, unit) if isfinite(alert.value) else "",
        limit=f"{'above' if alert.above else 'below'} {words.value(alert.limit, unit)}" if known else "",
        interval=words.interval(alert.low, alert.high, unit) if isfinite(alert.low) and isfinite(alert.high) else "",
        n=words.count(alert.n),
        where=_where(alert),
        note=" ".join(part for part in (alert.common, alert.note) if part),
        since=datetime.fromtimestamp(alert.since_ms / 1000, UTC).strftime("%H:%M"),
        age=_age(now_ms - alert.since_ms),
        href=_href(alert) if linked else "",
        source=tuple(part for part in (alert.rule, alert.owner, alert.window) if part),
        runbook=alert.runbook,
        runbook_href=alert.runbook if safe else "",
    )


def is_firing(alert: AlertView) -> bool:
    return alert.state == "firing"


def _state(alert: AlertView) -> str:
    if not is_firing(alert):
        return "not firing yet"
    if alert.held_back:
        return "nobody was told, the figures are behind"
    return "no recent data" if alert.stale else ""


def announcement(found: Iterable[AlertView]) -> str:
    """Returns the alerts in few words that only change when the alerts do, to be read aloud."""
    firing = [f"{alert.severity}: {alert.summary}, {_where(alert)}" for alert in found if is_firing(alert)]
    return ". ".join(firing) or "No alert is firing"


def _age(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    return words.duration(minutes * 60_000 if minutes else milliseconds)


def _where(alert: AlertView) -> str:
    series = alert.series
    place = [series.app, series.environment]
    if series.dimension != "all":
        place.append(f"{series.dimension} {series.value}")
    return " · ".join([*place, *(f"{name} {value}" for name, value in alert.labels)])


def _href(alert: AlertView) -> str:
    series = alert.series
    query = {"app": series.app, "environment": series.environment, "window": alert.window, "statistic": alert.statistic}
    if series.dimension != "all":
        query["by"] = series.dimension
    return f"/figure/{alert.figure}?{urlencode(query)}"
