"""Alerts as Alertmanager's world knows them: labels that identify and route, annotations that explain."""

from datetime import UTC, datetime

from alerts.alert import Alert
from alerts.message import Message
from alerts.observation import Severity


def labels(alert: Alert, severity: Severity | None = None) -> dict[str, str]:
    """Identify the alert at Alertmanager; `severity` other than its own for one that has escalated since."""
    series = alert.series
    named = {
        "alertname": alert.rule,
        "severity": str(severity or alert.state.severity or Severity.WARNING),
        "app": series.app,
        "environment": series.environment,
        "dimension": series.dimension,
        "value": series.value,
        "figure": alert.about.figure,
        "window": alert.about.window,
        "owner": alert.about.owner,
    }
    return {name: text for name, text in (dict(alert.labels) | named).items() if text}


def annotations(alert: Alert, message: Message) -> dict[str, str]:
    """For people: one line, everything, and what to do."""
    named = {"summary": message.headline, "description": message.text, "runbook_url": alert.about.runbook}
    return {name: text for name, text in named.items() if text}


def rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
