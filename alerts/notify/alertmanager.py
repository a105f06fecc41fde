"""Alertmanager, API v2: told of all current alerts again and again, as Prometheus does.

A firing alert carries an end four resends ahead: if this monitor dies, Alertmanager takes it for resolved after that, and
no sooner. Severity is a label, and labels identify; so one that escalated is told as two: the warning over, the critical
firing. https://github.com/prometheus/alertmanager/blob/main/docs/alerts_api.md
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx

from alerts.alert import Alert, Notification, Said
from alerts.message import message
from alerts.notify import payload
from alerts.notify.http import post
from alerts.notify.mirror import ENDED_REPEATED_MS
from alerts.observation import Severity

RESEND_MS = 15_000
_RESENDS_AHEAD = 4


class Alertmanager:
    """One server. In a cluster of Alertmanagers each is a target of its own; never balance load between them."""

    resend_ms: ClassVar[int | None] = RESEND_MS

    def __init__(self, name: str, url: str, client: httpx.AsyncClient, *, page_url: str = "") -> None:
        self.name = name
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._client = client
        self._page_url = page_url

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Returns on 2xx."""
        told = [entry for alert in notification.alerts for entry in self._entries(alert, now_ms)]
        await post(self._client, self._url, json.dumps(told, ensure_ascii=False).encode())

    def _entries(self, alert: Alert, now_ms: int) -> Iterator[dict[str, Any]]:
        state, over = alert.state, alert.said is Said.OVER
        severity = state.severity if over else Severity(alert.said)
        ends_ms = state.ended_ms if over else None
        yield self._entry(alert, severity, ends_ms or now_ms + _RESENDS_AHEAD * RESEND_MS, now_ms)
        if state.escalated_ms and severity is Severity.CRITICAL and now_ms - state.escalated_ms < ENDED_REPEATED_MS:
            yield self._entry(alert, Severity.WARNING, state.escalated_ms, now_ms)

    def _entry(self, alert: Alert, severity: Severity | None, ends_ms: int, now_ms: int) -> dict[str, Any]:
        said = message(alert, now_ms, self._page_url)
        return {
            "labels": payload.labels(alert, severity),
            "annotations": payload.annotations(alert, said),
            "startsAt": payload.rfc3339(alert.state.fired_ms or alert.state.since_ms),
            "endsAt": payload.rfc3339(ends_ms),
            "generatorURL": said.link,
        }
