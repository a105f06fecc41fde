"""From the event that crosses a limit to the webhook call."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from confluent_kafka import Producer

from benchmarks.events import QUIET
from tests.e2e.monitor import Monitor, eventually
from tests.services.http import listening

RULES = """
rules:
  - name: LinkBroken
    summary: broken links
    figure: link_errors
    statistic: count
    labels: {kind: page-link, reason: http}
    window: 1m
    above: {critical: 0.01}
    for: 0s
    min_n: 1
"""
PATIENCE_SECONDS = 60.0


class Receiver(BaseHTTPRequestHandler):
    """Notes when each app was first heard of."""

    heard: ClassVar[dict[str, float]] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for alert in body["alerts"]:
            self.heard.setdefault(alert["labels"].get("app", ""), time.monotonic())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silence."""


def alert_delays(monitor: Monitor, bootstrap: str, directory: Path, count: int) -> Iterator[float]:
    """Seconds of each alert, at instants that have nothing to do with the monitor's own rhythm."""
    rng = random.Random(1)
    producer = Producer({"bootstrap.servers": bootstrap, **QUIET, "linger.ms": 0})
    rules = directory / "rules.yaml"
    rules.write_text(RULES)
    with _receiver() as url:
        monitor.start("worker")
        serve = monitor.start("serve", XMON_RULES_FILE=rules, XMON_WEBHOOK_URL=url)
        eventually(lambda: _complete(serve.json("/healthz")))
        _delay(producer, monitor.topic("link-error"), "warm-up")
        for number in range(count):
            time.sleep(rng.uniform(0, 1))
            yield _delay(producer, monitor.topic("link-error"), f"app-{number}")


def _complete(health: Any) -> None:
    assert health["complete"], health


def _delay(producer: Producer, topic: str, app: str) -> float:
    value = json.dumps({"app": app, "target": "https://example.org/gone", "timestamp": int(time.time() * 1000)})
    sent = time.monotonic()
    producer.produce(topic, value, app)
    producer.flush()
    while app not in Receiver.heard:
        if time.monotonic() > sent + PATIENCE_SECONDS:
            raise TimeoutError(f"no webhook call for {app}")
        time.sleep(0.002)
    return Receiver.heard[app] - sent


@contextmanager
def _receiver() -> Iterator[str]:
    Receiver.heard.clear()
    with listening(Receiver) as url:
        yield f"{url}/"
