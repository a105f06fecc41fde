"""Single events under load, each of an app of its own: when the figures of `serve` have it, and when a webhook hears of it."""

import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from confluent_kafka import Producer

from benchmarks.events import QUIET
from tests.services.http import listening

RULES = """
rules:
  - name: PageFailed
    summary: failed page loads
    figure: page_load_failures
    statistic: count
    window: 1m
    above: {critical: 0.01}
    for: 0s
    min_n: 1
"""
BETWEEN_SECONDS = 0.6  # at most
LOOK_SECONDS = 0.05
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


class Marked:
    """Sends page loads that failed, at instants that have nothing to do with the monitor's own rhythm, among all others."""

    def __init__(self, bootstrap: str, topic: str, shown: Callable[[], Collection[str]], heard: Mapping[str, float]) -> None:
        """`shown`: the apps of which there are figures now."""
        self._producer = Producer({"bootstrap.servers": bootstrap, **QUIET, "linger.ms": 0})
        self._topic, self._shown, self._heard = topic, shown, heard
        self._rng = random.Random(1)
        self._sent: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def delays(self, prefix: str, count: int) -> Iterator[tuple[float, float]]:
        """Seconds from send until the figures have it, and until the webhook hears of it. Raises TimeoutError."""
        apps = [f"{prefix}-{number}" for number in range(count)]
        for app in apps:
            self._send(app)
            self._watch(self._rng.uniform(0, BETWEEN_SECONDS))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting := [app for app in apps if app not in self._seen or app not in self._heard]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing is seen or heard of {waiting}")
            self._watch(LOOK_SECONDS)
        for app in apps:
            yield self._seen[app] - self._sent[app], self._heard[app] - self._sent[app]

    def _send(self, app: str) -> None:
        event = {"app": app, "session": app, "page": "/cart", "status": 500, "timestamp": int(time.time() * 1000)}
        self._sent[app] = time.monotonic()
        self._producer.produce(self._topic, json.dumps(event), app)
        self._producer.flush()

    def _watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            for app in self._shown():
                self._seen.setdefault(app, time.monotonic())
            if time.monotonic() >= until:
                return
            time.sleep(min(LOOK_SECONDS, max(until - time.monotonic(), 0)))
