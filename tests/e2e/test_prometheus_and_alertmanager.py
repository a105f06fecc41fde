"""The neighbours: a real Prometheus scrapes the figures, a real Alertmanager hears of alerts and of their end."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.alerts.receiver import Receiver, receiving
from tests.e2e.monitor import Monitor, eventually
from tests.services.prometheus import Alertmanager, Prometheus
from tests.services.service import on_path

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

RULES = """
rules:
  - name: queue-is-long
    summary: contacts waiting
    figure: contacts_waiting
    above: {warning: 3, resolve_at: 1}
    window: 1m
    for: 0s
    owner: support leads
"""
ROUTES = """
route: {{receiver: test, group_wait: 0s, group_interval: 1s}}
receivers: [{{name: test, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""
SCRAPES = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: xmon, static_configs: [{{targets: ["{address}"]}}]}}]
"""


def contacts(state: str) -> list[tuple[str, dict[str, object]]]:
    at_ms = int(time.time() * 1000)
    common = {"app": "help", "queue": "orders", "state": state, "timestamp": at_ms}
    return [(f"c-{number}", {**common, "id": f"{number}-{state}", "contact": f"c-{number}"}) for number in range(10)]


def test_prometheus_has_the_figures_and_alertmanager_the_alert_and_its_end(
    monitor: Monitor,
    start_prometheus: Callable[[str], Prometheus],
    start_alertmanager: Callable[[str], Alertmanager],
    tmp_path: Path,
) -> None:
    """`promtool` finds nothing to say about `/metrics`, a query gives the count, and an alert comes and goes."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    monitor.create_topics(2)
    with receiving() as receiver:
        alertmanager = start_alertmanager(ROUTES.format(url=receiver.url))
        xmon = monitor.start("run", XMON_RULES_FILE=rules, XMON_ALERTMANAGER_URL=alertmanager.url)
        prometheus = start_prometheus(SCRAPES.format(address=xmon.url.removeprefix("http://")))
        views = [("s", {"app": "shop", "session": "s", "duration_ms": 900, "lcp_ms": 100, "cls": 0.1, "status": 200})] * 20
        records = monitor.publish("page-load", views) + monitor.publish("contact", contacts("queued"))

        scrape = xmon.settled(records)
        assert promtool(scrape.text) == ""
        eventually(lambda: scraped(prometheus))
        eventually(lambda: heard(receiver, ["firing"]))
        assert active(alertmanager) == [("queue-is-long", "help", "warning")]

        xmon.settled(records + monitor.publish("contact", contacts("answered")))
        eventually(lambda: heard(receiver, ["firing", "resolved"]))
        assert active(alertmanager) == []


def promtool(metrics: str) -> str:
    """What `promtool check metrics` has to say."""
    command = [on_path("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=metrics, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def scraped(prometheus: Prometheus) -> None:
    query = 'xmon_page_views_total{app="shop",environment="production",dimension="all"}'
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params={"query": query}).json()
    assert [result["value"][1] for result in answer["data"]["result"]] == ["20"]


def heard(receiver: Receiver, statuses: list[str]) -> None:
    """What Alertmanager passed on, in order."""
    bodies = [json.loads(request.body) for request in receiver.requests]
    assert [body["status"] for body in bodies] == statuses
    assert {alert["labels"]["alertname"] for body in bodies for alert in body["alerts"]} == {"queue-is-long"}
    assert all("contacts waiting" in alert["annotations"]["summary"] for body in bodies for alert in body["alerts"])


def active(alertmanager: Alertmanager) -> list[tuple[str, str, str]]:
    alerts = httpx.get(f"{alertmanager.url}/api/v2/alerts").json()
    return [(alert["labels"]["alertname"], alert["labels"]["app"], alert["labels"]["severity"]) for alert in alerts]
