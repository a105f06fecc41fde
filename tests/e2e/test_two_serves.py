"""Two `serve` on the same figures: both show them, one of them notifies."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from tests.alerts.receiver import Receiver, Request, receiving
from tests.e2e.monitor import Monitor, Process, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

KEY = b"the key of the receiver, 32 byte"
RULES = """
rules:
  - name: many-views
    summary: page views
    figure: page_views
    statistic: count
    above: {critical: 10}
    window: 5m
    for: 0s
    min_n: 1
    owner: web team
"""
TURNS_SECONDS = 2.5  # in which each engine has more than one turn


def test_one_serve_notifies_and_the_other_follows_when_it_is_killed(monitor: Monitor, tmp_path: Path) -> None:
    """Each alert is told once, signed by Standard Webhooks; figures and alerts are the same on both."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    monitor.create_topics(2)
    monitor.start("worker")
    with receiving() as receiver:
        secret = f"whsec_{base64.b64encode(KEY).decode()}"
        settings = {"XMON_RULES_FILE": rules, "XMON_WEBHOOK_URL": receiver.url, "XMON_WEBHOOK_SECRET": secret}
        serves = [monitor.start("serve", **settings) for _ in range(2)]
        publish_views(monitor, "shop")
        eventually(lambda: told_of(receiver, ["shop"]))
        [leader], [follower] = ([one for one in serves if leads(one) is wanted] for wanted in (True, False))
        evaluates_on(leader)
        told_of(receiver, ["shop"])
        same_figures(serves)
        assert [alert["series"]["app"] for alert in follower.alerts()["alerts"]] == ["shop"]

        leader.kill9()
        publish_views(monitor, "bank")
        eventually(lambda: told_of(receiver, ["shop", "bank"]))
        assert leads(follower)
        leader.start()
        evaluates_on(follower)
        told_of(receiver, ["shop", "bank"])
        assert not leads(leader)


def publish_views(monitor: Monitor, app: str) -> None:
    monitor.publish("page-load", [(f"s-{number}", {"app": app, "session": f"s-{number}"}) for number in range(50)])


def told_of(receiver: Receiver, apps: Sequence[str]) -> None:
    """One request an alert, in this order."""
    assert [alert["labels"]["app"] for request in receiver.requests for alert in verified(request)["alerts"]] == list(apps)
    assert len(receiver.requests) == len(apps)


def verified(request: Request) -> dict[str, list[dict[str, dict[str, str]]]]:
    """The body, after its signature was checked: https://www.standardwebhooks.com."""
    identity, sent_at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    signed = f"{identity}.{sent_at}.".encode() + request.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(time.time() - int(sent_at)) < 300
    body = json.loads(request.body)
    assert body["status"] == "firing"
    return body


def same_figures(serves: Sequence[Process]) -> None:
    """Once both have read everything; until then they may be a second apart."""
    one, other = (serve.settled(50) for serve in serves)
    series = ("app", "environment", "dimension", "value")
    assert one.by("xmon_page_views_total", *series) == other.by("xmon_page_views_total", *series)
    assert one.of("xmon_page_views_total", "shop") == 50


def leads(serve: Process) -> bool:
    return serve.alerts()["engine"]["leading"]


def evaluates_on(leader: Process) -> None:
    """Returns after evaluations that began some time after this call: enough for another engine to have its turns too."""
    begun = time.time()

    def later() -> None:
        evaluated = leader.alerts()["engine"]["evaluated_at"]
        assert evaluated
        assert datetime.fromisoformat(evaluated).timestamp() > begun + TURNS_SECONDS

    eventually(later)
