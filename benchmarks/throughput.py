"""The worker, and a bare aiokafka loop beside it, over the same records."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import Producer

from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import create
from streams.metrics.registry import catalogue

TICKS = os.sysconf("SC_CLK_TCK")
XMON = Path(sys.executable).with_name("xmon")
LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Load:
    """What is published, and where."""

    bootstrap: str
    redis_url: str
    events: int
    partitions: int = 4

    @property
    def prefix(self) -> str:
        return "bench."

    @property
    def topic(self) -> str:
        return f"{self.prefix}page-load"


@dataclass(frozen=True)
class Measured:
    """One run."""

    rate: float  # events a second
    cpu_us: float  # an event

    def __str__(self) -> str:
        return f"{self.rate:9,.0f} events/s {self.cpu_us:5.2f} µs CPU/event"


def publish(load: Load) -> int:
    """Creates the topics and writes the events, keyed by session; returns the mean size of a value."""
    settings = KafkaSettings(bootstrap_servers=load.bootstrap, topic_prefix=load.prefix)
    topics = [*catalogue().topics(load.prefix), settings.dead_letter_topic]
    asyncio.run(create(settings, topics, load.partitions, 1))
    producer = Producer({"bootstrap.servers": load.bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    rng, written = random.Random(1), 0
    for number in range(load.events):
        event = page_load(rng, number)
        value = json.dumps(event, separators=(",", ":"))
        written += len(value)
        producer.produce(load.topic, value, event["session"])
        if number % 10_000 == 0:
            producer.poll(0)
            if number % 200_000 == 0:
                producer.flush()
    producer.flush()
    return written // load.events


def page_load(rng: random.Random, number: int) -> dict[str, Any]:
    """The event of a number, now: ten a session, 20 pages in turn."""
    session = number // 10
    return {
        "id": f"{rng.getrandbits(64):016x}",
        "timestamp": int(time.time() * 1000),
        "app": "shop",
        "environment": "production",
        "release": f"4.2.{session % 2}",
        "page": f"/catalogue/section-{number % 20}/list",
        "country": ("DE", "FR", "US", "JP")[session % 4],
        "device": ("mobile", "desktop", "tablet")[session % 3],
        "os": ("iOS", "Android")[session % 2],
        "browser": ("Safari", "Chrome", "Firefox")[session % 3],
        "session": f"s-{session}",
        "user": f"user-{session}",
        "duration_ms": round(rng.lognormvariate(7, 0.5), 1),
        "lcp_ms": round(rng.lognormvariate(6.5, 0.5), 1),
        "status": 200,
    }


def bare(load: Load) -> Measured:
    """A process of its own, so that neither inherits the other's memory."""
    command = [sys.executable, "-m", "benchmarks.bare", load.bootstrap, load.topic, str(load.events)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)
    return Measured(*map(float, done.stdout.split()))


def monitored(load: Load, number: int) -> Measured:
    """A real worker from its first checkpoint to its last."""
    prefix = f"bench-{number}"
    environment = {
        **os.environ,
        "XMON_KAFKA_BOOTSTRAP_SERVERS": load.bootstrap,
        "XMON_TOPIC_PREFIX": load.prefix,
        "XMON_GROUP_ID": prefix,
        "XMON_REDIS_URL": load.redis_url,
        "XMON_REDIS_PREFIX": prefix,
        "XMON_WORKER_PORT": "0",
        "XMON_LOG_LEVEL": "ERROR",
    }
    with redis.Redis.from_url(load.redis_url) as client:
        worker = subprocess.Popen([XMON, "worker"], env=environment)
        try:
            return _watch(client, prefix, load, worker.pid)
        finally:
            worker.terminate()
            worker.wait(LIMIT_SECONDS)


def _watch(client: "redis.Redis", prefix: str, load: Load, pid: int) -> Measured:
    keys = [f"{prefix}:{{{load.topic}:{partition}}}" for partition in range(load.partitions)]
    began: tuple[int, float, float] | None = None
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(key, "_next")
        done = sum(int(offset or 0) for offset in pipeline.execute())
        now, cpu = time.monotonic(), _cpu_seconds(pid)
        if done and began is None:
            began = done, now, cpu
        if done >= load.events and began:
            events = done - began[0]
            return Measured(events / (now - began[1]), 1e6 * (cpu - began[2]) / events)
        time.sleep(0.01)
    raise TimeoutError("the worker did not finish")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
