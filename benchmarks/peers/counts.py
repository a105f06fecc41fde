"""Where each contestant keeps its counts, read as whoever uses them would read them."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.events import QUIET
from benchmarks.peers.job import Job
from streams.windows.position import offset_of
from tests.e2e.monitor import Process

REQUEST_SECONDS = 5
BATCH = 1000


class Counts(ABC):
    """The durable counts of one run."""

    @abstractmethod
    def progress(self) -> int:
        """A number that grows whenever a count has become durable, and only then."""

    @abstractmethod
    def totals(self) -> Counter[str]:
        """Page loads by page."""


class RedisHash(Counts):
    """A hash of page → count, named like the group."""

    def __init__(self, job: Job) -> None:
        self._client = redis.Redis.from_url(job.redis_url, decode_responses=True)
        self._name = job.group

    def progress(self) -> int:
        return self.totals().total()

    def totals(self) -> Counter[str]:
        return Counter({page: int(count) for page, count in self._client.hgetall(self._name).items()})


class Topic(Counts):
    """The last committed value of every cell of a topic; `tell` makes (cell, page, count) of key and value."""

    def __init__(self, job: Job, topic: str, tell: Callable[[Any, Any], tuple[Hashable, str, int]]) -> None:
        self._consumer = Consumer(
            {
                **QUIET,
                "bootstrap.servers": job.bootstrap,
                "group.id": f"{job.group}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            },
        )
        self._topic = topic
        self._tell = tell
        self._read = 0
        self._cells: dict[Hashable, tuple[str, int]] = {}

    def progress(self) -> int:
        """Messages so far; what is in an open transaction, or in one that was given up, is none."""
        while self._more(0.01) == BATCH:
            pass
        return self._read

    def totals(self) -> Counter[str]:
        while self._more(REQUEST_SECONDS):
            pass
        totals: Counter[str] = Counter()
        for page, count in self._cells.values():
            totals[page] += count
        return totals

    def _more(self, patience_seconds: float) -> int:
        """Reads a batch, or what comes of it within this time; how much it was."""
        if not self._consumer.assignment():
            topics = self._consumer.list_topics(timeout=REQUEST_SECONDS).topics
            if self._topic not in topics:
                return 0
            self._consumer.assign([TopicPartition(self._topic, partition, 0) for partition in topics[self._topic].partitions])
        messages = self._consumer.consume(BATCH, patience_seconds)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            cell, page, count = self._tell(json.loads(message.key()), json.loads(message.value()))
            self._cells[cell] = page, count
        self._read += len(messages)
        return len(messages)


def faust_table(job: Job) -> Topic:
    """The changelog: "page", or ["page", [start, end]] of a window → count."""

    def tell(key: Any, value: Any) -> tuple[Hashable, str, int]:
        page, window = (key, None) if isinstance(key, str) else (key[0], tuple(key[1]))
        return (page, window), page, value

    return Topic(job, f"{job.group}-views-changelog", tell)


def windows(job: Job) -> Topic:
    """What is published of windows: "page" → {"start", "value", …}."""
    return Topic(job, f"{job.group}-counts", lambda page, window: ((page, window["start"]), page, window["value"]))


class Xmon(Counts):
    """The hashes of the partitions; counts as `xmon serve` tells them."""

    def __init__(self, job: Job) -> None:
        self._client = redis.Redis.from_url(job.redis_url)
        self._keys = [f"{job.group}:{{{job.topic}:{partition}}}" for partition in range(job.partitions)]
        self._job = job

    def progress(self) -> int:
        return sum(offset_of(int(self._client.hget(key, "_next") or 0)) for key in self._keys)

    def totals(self) -> Counter[str]:
        with Process(Path(self._job.directory), "serve", xmon_settings(self._job)) as serve:
            views = serve.settled(self.progress()).by("xmon_page_views_total", "dimension", "value")
        return Counter({value: int(count) for (dimension, value), count in views.items() if dimension == "page"})


def xmon_settings(job: Job) -> dict[str, object]:
    """Of worker and reader alike."""
    return {
        "XMON_KAFKA_BOOTSTRAP_SERVERS": job.bootstrap,
        "XMON_KAFKA_SESSION_TIMEOUT_SECONDS": job.session_timeout_seconds,
        "XMON_TOPIC_PREFIX": job.topic.removesuffix("page-load"),
        "XMON_GROUP_ID": job.group,
        "XMON_REDIS_URL": job.redis_url,
        "XMON_REDIS_PREFIX": job.group,
        "XMON_WORKER_PORT": 0,
        "XMON_LOG_LEVEL": "WARNING",
    }
