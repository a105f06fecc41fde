"""From the event that crosses a limit to the webhook call, on real processes."""

import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import redis
from confluent_kafka import Producer

from benchmarks.throughput import XMON
from tests.services.service import free_port

PREFIX = "delay."
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


def alert_delays(bootstrap: str, redis_url: str, count: int) -> list[float]:
    """Seconds of each alert, at instants that have nothing to do with the monitor's own rhythm."""
    rng = random.Random(1)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    with _receiver() as url, _monitor(bootstrap, redis_url, url):
        _delay(producer, "warm-up")
        delays = []
        for number in range(count):
            time.sleep(rng.uniform(0, 1))
            delays.append(_delay(producer, f"app-{number}"))
    return delays


def _delay(producer: Producer, app: str) -> float:
    value = json.dumps({"app": app, "target": "https://example.org/gone", "timestamp": int(time.time() * 1000)})
    sent = time.monotonic()
    producer.produce(f"{PREFIX}link-error", value, app)
    producer.flush()
    while app not in Receiver.heard:
        if time.monotonic() > sent + PATIENCE_SECONDS:
            raise TimeoutError(f"no webhook call for {app}")
        time.sleep(0.002)
    return Receiver.heard[app] - sent


@contextmanager
def _receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


@contextmanager
def _monitor(bootstrap: str, redis_url: str, webhook: str) -> Iterator[None]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rules:
        rules.write(RULES)
        rules.flush()
        environment = {
            **os.environ,
            "XMON_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "XMON_TOPIC_PREFIX": PREFIX,
            "XMON_GROUP_ID": "delay",
            "XMON_REDIS_URL": redis_url,
            "XMON_REDIS_PREFIX": "delay",
            "XMON_SERVE_PORT": str(free_port()),
            "XMON_WORKER_PORT": "0",
            "XMON_LOG_LEVEL": "ERROR",
            "XMON_RULES_FILE": rules.name,
            "XMON_WEBHOOK_URL": webhook,
        }
        subprocess.run([XMON, "topics", "create", "--partitions", "4"], env=environment, check=True, capture_output=True)
        running = subprocess.Popen([XMON, "run"], env=environment)
        try:
            _wait_for_worker(redis_url)
            yield
        finally:
            running.terminate()
            running.wait(PATIENCE_SECONDS)


def _wait_for_worker(redis_url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with redis.Redis.from_url(redis_url) as client:
        while not client.exists("delay:{workers}"):
            if time.monotonic() > deadline:
                raise TimeoutError("the worker did not start")
            time.sleep(0.1)
