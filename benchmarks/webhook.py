"""From the event that crosses a limit to the webhook call, while the worker has other things to do."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from confluent_kafka import Producer

from benchmarks.events import QUIET
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


@contextmanager
def receiver() -> Iterator[tuple[str, Mapping[str, float]]]:
    """Its URL, and when each app was first heard of."""
    heard: dict[str, float] = {}

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            for alert in body["alerts"]:
                heard.setdefault(alert["labels"].get("app", ""), time.monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silence."""

    with listening(Receiver) as url:
        yield f"{url}/", heard


def delays(bootstrap: str, topic: str, heard: Mapping[str, float], count: int) -> Iterator[float]:
    """Seconds of each alert, at instants that have nothing to do with the monitor's own rhythm."""
    rng = random.Random(1)
    producer = Producer({"bootstrap.servers": bootstrap, **QUIET, "linger.ms": 0})
    _delay(producer, topic, heard, "warm-up")
    for number in range(count):
        time.sleep(rng.uniform(0, 1))
        yield _delay(producer, topic, heard, f"app-{number}")


def _delay(producer: Producer, topic: str, heard: Mapping[str, float], app: str) -> float:
    value = json.dumps({"app": app, "target": "https://example.org/gone", "timestamp": int(time.time() * 1000)})
    sent = time.monotonic()
    producer.produce(topic, value, app)
    producer.flush()
    while app not in heard:
        if time.monotonic() > sent + PATIENCE_SECONDS:
            raise TimeoutError(f"no webhook call for {app}")
        time.sleep(0.002)
    return heard[app] - sent
