"""A webhook: the body is Alertmanager's (version 4) with more fields in each alert, signed by Standard Webhooks.

Receivers that know Alertmanager read it as it is. https://www.standardwebhooks.com says how to verify the signature.
"""

import base64
import binascii
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any, ClassVar

import httpx

from alerts.alert import Alert, Notification, Said
from alerts.message import message
from alerts.notify import payload
from alerts.notify.http import post

_PREFIX = "whsec_"
_NEVER = "0001-01-01T00:00:00Z"  # how Alertmanager writes the end of what has not ended


class Webhook:
    """POSTs every notification once it can. `secret`: any text, or `whsec_` and base64; without it nothing is signed."""

    resend_ms: ClassVar[int | None] = None

    def __init__(self, name: str, url: str, client: httpx.AsyncClient, *, secret: str = "", page_url: str = "") -> None:
        self.name = name
        self._url = url
        self._client = client
        self._key = _key(secret)
        self._page_url = page_url

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Returns on 2xx; the id is the same in every attempt."""
        text = json.dumps(self._body(notification), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"webhook-id": f"msg_{notification.id}", "webhook-timestamp": str(now_ms // 1000)}
        if self._key:
            headers["webhook-signature"] = sign(self._key, headers["webhook-id"], headers["webhook-timestamp"], text)
        await post(self._client, self._url, text, headers)

    def _body(self, notification: Notification) -> dict[str, Any]:
        alerts = [self._alert(alert, notification.at_ms) for alert in notification.alerts]
        return {
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{notification.rule}"}}',
            "truncatedAlerts": 0,
            "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
            "receiver": self.name,
            "groupLabels": {"alertname": notification.rule},
            "commonLabels": _common([alert["labels"] for alert in alerts]),
            "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
            "externalURL": self._page_url,
            "alerts": alerts,
        }

    def _alert(self, alert: Alert, at_ms: int) -> dict[str, Any]:
        said = message(alert, at_ms, self._page_url)
        state = alert.state
        return {
            "status": "resolved" if alert.said is Said.OVER else "firing",
            "labels": payload.labels(alert),
            "annotations": payload.annotations(alert, said),
            "startsAt": payload.rfc3339(state.fired_ms or state.since_ms),
            "endsAt": payload.rfc3339(state.ended_ms) if state.ended_ms else _NEVER,
            "generatorURL": said.link,
            "fingerprint": alert.id,
            "phase": state.phase,
            "figure": alert.about.figure,
            "statistic": alert.about.statistic,
            "unit": alert.about.unit,
            "window": alert.about.window,
            "relation": alert.about.relation,
            "value": state.value,
            "limit": state.limit,
            "n": state.n,
            "low": state.low,
            "high": state.high,
            "since": payload.rfc3339(state.since_ms),
            "owner": alert.about.owner,
        }


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature` of a body."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    with suppress(binascii.Error):
        if key := base64.b64decode(secret.removeprefix(_PREFIX), validate=True):
            return key
    raise ValueError("the webhook secret begins with whsec_, but no base64 follows")


def _common(named: list[dict[str, str]]) -> dict[str, str]:
    first = named[0]
    return {name: text for name, text in first.items() if all(other.get(name) == text for other in named)}
