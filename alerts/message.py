"""What a notification says of one alert."""

from dataclasses import dataclass
from urllib.parse import urlencode

from alerts import words
from alerts.alert import Alert
from alerts.conditions.stalled import PIPELINE
from alerts.growth import FIGURES as OWN
from alerts.rule import PIPELINE_STALLED
from alerts.state import Phase


@dataclass(frozen=True, slots=True)
class Message:
    """One line that says what and how bad, the whole text, and where to look."""

    headline: str
    text: str
    link: str  # empty where the page has no public address


def message(alert: Alert, at_ms: int, page_url: str = "") -> Message:
    """The message on an alert as it was at `at_ms`."""
    headline = _headline(alert, at_ms)
    link = _link(alert, page_url)
    lines = [headline, _when_and_where(alert), *_help(alert), link]
    return Message(headline, "\n".join(line for line in lines if line), link)


def _headline(alert: Alert, at_ms: int) -> str:
    """Says: checkout crash-free sessions 97.2 % (95 % interval 96.9–97.5 %, n 12 034) below 99 % for 2 min."""
    state, subject = alert.state, _subject(alert)
    lasted = f"after {words.duration((state.ended_ms or at_ms) - state.since_ms)}"
    if state.phase is Phase.RESOLVED:
        return f"Resolved {lasted}: {subject}{_measured(alert)}"
    if state.phase is Phase.EXPIRED:
        return f"Ended {lasted} without proof of recovery: {subject}, no data since {words.instant(state.seen_ms)}"
    return f"{subject}{_measured(alert)}{_beyond(alert)} for {words.duration(at_ms - state.since_ms)}"


def _subject(alert: Alert) -> str:
    if _of_pipeline(alert):
        return alert.about.summary
    series = alert.series
    scope = [series.environment] if series.environment not in {"production", PIPELINE.environment} else []
    scope += [f"{series.dimension} {series.value}"] if series.dimension != "all" else []
    scope += [f"{name} {value}" for name, value in alert.labels]
    return words.printable(f"{series.app} {alert.about.summary}" + (f" ({', '.join(scope)})" if scope else ""))


def _measured(alert: Alert) -> str:
    state, unit = alert.state, alert.about.unit
    if _of_pipeline(alert):
        return ""
    known = [] if alert.about.statistic == "count" else [f"n {words.count(state.n)}"]  # of a count, n repeats the value
    if state.low is not None and state.high is not None:
        known.insert(0, f"95 % interval {words.interval(state.low, state.high, unit)}")
    statistic = "" if alert.about.statistic == "value" else f" {alert.about.statistic}"
    return f"{statistic} {words.value(state.value, unit)}" + (f" ({', '.join(known)})" if known else "")


def _beyond(alert: Alert) -> str:
    return "" if _of_pipeline(alert) else f" {alert.about.relation} {words.value(alert.state.limit, alert.about.unit)}"


def _when_and_where(alert: Alert) -> str:
    series = alert.series
    since = f"Bad since {words.instant(alert.state.since_ms)}"
    if _of_pipeline(alert):
        return f"{since}. {alert.state.note or 'No reason is known'}. Alerts on figures are held back until it is over."
    places = [f"app {series.app}", f"environment {series.environment}"]
    places += [f"{series.dimension} {series.value}"] if series.dimension != "all" else []
    return f"{since}. {words.printable(', '.join(places))}, figure {alert.about.figure}, window {alert.about.window}."


def _help(alert: Alert) -> list[str]:
    named = (("Owner", alert.about.owner), ("Runbook", alert.about.runbook))
    return [f"{name}: {text}" for name, text in named if text]


def _link(alert: Alert, page_url: str) -> str:
    """The page of the figure where it went wrong."""
    if not page_url or _of_pipeline(alert) or alert.about.figure in OWN:
        return page_url
    series = alert.series
    query = {"app": series.app, "environment": series.environment, "window": alert.about.window}
    query |= {"by": series.dimension} if series.dimension != "all" else {}
    return f"{page_url.rstrip('/')}/figure/{alert.about.figure}?{urlencode(query)}"


def _of_pipeline(alert: Alert) -> bool:
    return alert.rule == PIPELINE_STALLED.name
