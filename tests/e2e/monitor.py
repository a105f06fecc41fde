"""`xmon` as whoever runs it has it: processes that are started, asked over HTTP, stopped and killed."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer
from tests.services.service import HOST, Service, on_path

XMON = Path(sys.executable).with_name("xmon")
COMMAND_SECONDS = 60
SETTLE_SECONDS = 300.0  # longer than the watchdogs of a worker wait
ALL = {"environment": "production", "dimension": "all", "value": "all"}  # labels of the total of an app

T = TypeVar("T")
Settings = Mapping[str, object]


def eventually(check: Callable[[], T], seconds: float = 30) -> T:
    """What `check` returns once it no longer fails; its last failure when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, httpx.TransportError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with exactly these labels; None where there is none."""
        return self._samples.get(name, {}).get(frozenset(labels.items()))

    def of(self, name: str, app: str, **labels: str) -> float | None:
        """The sample of an app as a whole, in production."""
        return self.value(name, **(ALL | {"app": app} | labels))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Every sample of a name, by the values of these labels; they must tell all samples apart."""
        found = {tuple(dict(key).get(label, "") for label in labels): v for key, v in self._samples.get(name, {}).items()}
        assert len(found) == len(self._samples.get(name, {})), f"{labels} do not tell the samples of {name} apart"
        return found

    def sum(self, name: str) -> float:
        return sum(self._samples.get(name, {}).values())


class Process(Service):
    """A role of `xmon`. It has no environment but the given one, and its port answers `/healthz`."""

    program: Sequence[str] = (str(XMON),)

    def __init__(self, directory: Path, role: str, settings: Settings) -> None:
        self.name = role  # type: ignore[misc]
        super().__init__(directory)
        self._role = role
        port = {"XMON_WORKER_PORT" if role == "worker" else "XMON_SERVE_PORT": self.port}
        self.settings = {**settings, **port}

    def command(self) -> list[str]:
        return ["env", "-i", *environment(self.settings), *self.program, self._role]

    def ready(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def get(self, path: str, **parameters: object) -> httpx.Response:
        """Without certificates, which nobody needs here: to load them takes 30 ms each time, and starts are looked at often."""
        return httpx.get(f"{self.url}{path}", params=parameters, timeout=10, verify=False)

    def json(self, path: str, **parameters: object) -> Any:
        """The answer, which must be a good one."""
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def scrape(self) -> Scrape:
        answer = self.get("/metrics")
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)

    def figure(self, name: str, **parameters: object) -> dict[tuple[str, ...], float]:
        """Readings of the API, in production, by (app, value of the dimension, statistic, values of further labels …)."""
        readings = self.json("/api/v1/figures", figure=name, environment="production", **parameters)["readings"]
        return {(r["series"]["app"], r["series"]["value"], r["statistic"], *r["labels"].values()): r["value"] for r in readings}

    def alerts(self) -> Any:
        return self.json("/api/v1/alerts")

    def lives(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def settled(self, records: int, seconds: float = SETTLE_SECONDS) -> Scrape:
        """Metrics of a snapshot that was begun after so many records had been applied and none was waiting."""

        def applied() -> None:
            health = self.json("/api/v1/health")
            assert sum(health["records_total"].values()) == records
            assert [one["lag"] for one in health["partitions"] if one["lag"]] == []
            assert health["complete"]

        eventually(applied, seconds)
        return self.newer()

    def newer(self) -> Scrape:
        """Metrics of a snapshot that was begun after this call."""
        begun = time.time() * 1000

        def taken() -> None:
            age = self.scrape().value("xmon_snapshot_age_seconds")
            assert age is not None
            assert (time.time() - age) * 1000 > begun + 10

        eventually(taken)
        return self.scrape()


class Monitor:
    """One monitor: a prefix of its own in Kafka and Redis, and all processes that share it."""

    def __init__(self, directory: Path, kafka: KafkaServer, redis: RedisServer, name: str) -> None:
        self.topic_prefix = f"{name}."
        self._directory = directory
        self._kafka = kafka
        self._numbers = itertools.count(1)
        self._running = ExitStack()
        self.settings: dict[str, object] = {
            "XMON_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "XMON_REDIS_URL": redis.url,
            "XMON_REDIS_PREFIX": name,
            "XMON_GROUP_ID": name,
            "XMON_TOPIC_PREFIX": self.topic_prefix,
            "XMON_WORKER_PORT": 0,
        }

    def process(self, role: str, **settings: object) -> Process:
        """A process that is not started yet, and ends with the test."""
        process = Process(self._directory / f"{role}-{next(self._numbers)}", role, {**self.settings, **settings})
        self._running.callback(process.kill9)
        return process

    def start(self, role: str, **settings: object) -> Process:
        """A process that answers `/healthz`."""
        return self.process(role, **settings).start()

    def close(self) -> None:
        self._running.close()

    def xmon(self, *arguments: str, seconds: float = COMMAND_SECONDS, **settings: object) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; fails when that takes too long."""
        return subprocess.run(
            [XMON, *arguments],
            env=dict(setting.split("=", 1) for setting in environment({**self.settings, **settings})),
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def create_topics(self, partitions: int) -> None:
        done = self.xmon("topics", "create", "--partitions", str(partitions))
        assert done.returncode == 0, done.stderr

    def topic(self, family: str) -> str:
        return f"{self.topic_prefix}{family}"

    def publish(self, family: str, events: Iterable[tuple[str, Mapping[str, Any] | str]]) -> int:
        """Publishes (key, event or text) with kcat, in order; returns how many."""
        lines = [f"{key}\t{event if isinstance(event, str) else json.dumps(event)}\n" for key, event in events]
        command = [on_path("kcat"), "-P", "-b", self._kafka.bootstrap, "-t", self.topic(family), "-K", "\t"]
        subprocess.run([*command, "-X", "enable.idempotence=true"], input="".join(lines), text=True, timeout=30, check=True)
        return len(lines)


def environment(settings: Settings) -> list[str]:
    """`NAME=value` of these settings and of what a program needs to run; nothing else is inherited."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return [f"{name}={value}" for name, value in {**inherited, **settings}.items()]
