"""Real `xmon` processes on a real Kafka and a real Redis, events that keep coming, and faults by a seeded schedule."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self
from zlib import crc32

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from redis import Redis
from redis.exceptions import RedisError

from streams.metrics.registry import catalogue
from streams.metrics.stored import Counter as CounterRow
from streams.metrics.stored import Distribution
from tests.e2e.monitor import Monitor, Process, Scrape
from tests.faults import observed
from tests.faults.figures import DISTRIBUTIONS, read
from tests.faults.generator import FAMILIES, Generator, Sent
from tests.faults.oracle import MINUTE_MS, Cells, Oracle
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer
from tests.streams.records import Raw

PARTITIONS = 3
STORY_MS = 12 * MINUTE_MS
KEY = "a secret for pseudonyms"
SESSION_TIMEOUT_SECONDS = 10.0  # of the consumer group
CATCH_UP_SECONDS = 90.0
SETTLE_SECONDS = 20.0
LOOK_SECONDS = 0.1
MOST_CUT_BYTES = 300_000
MOST_WORKERS = 3
Place = tuple[str, int]  # family, partition


@dataclass(frozen=True, slots=True)
class Recovery:
    """One fault: how long it lasted, and from its beginning until all that was in the log at its end was stored."""

    fault: str
    lasted_seconds: float
    recovered_seconds: float

    def __str__(self) -> str:
        return f"{self.fault:<16} {self.lasted_seconds:5.1f} s, all stored after {self.recovered_seconds:5.1f} s"


@dataclass
class Site:
    """What is running, and what can be done to it."""

    monitor: Monitor
    kafka: KafkaServer
    redis: RedisServer
    rng: random.Random
    workers: list[Process] = field(default_factory=list)
    ended: Counter[int] = field(default_factory=Counter)  # exit codes of workers that ended by themselves

    def __post_init__(self) -> None:
        self.monitor.settings["XMON_PSEUDONYM_KEY"] = KEY
        self.reader = Log(self.kafka.bootstrap)
        self.client = Redis.from_url(self.redis.url, socket_timeout=2)
        create_topics(self.kafka.bootstrap, [self.monitor.topic(name) for name in (*FAMILIES, "dead-letter")])

    def start(self, workers: int) -> None:
        self.serve = self.monitor.start("serve")
        for _ in range(workers):
            self.join()

    def join(self) -> None:
        self.workers.append(self.monitor.process("worker").start())

    # -- faults

    def inflict(self, fault: str) -> Recovery:
        """Does it, and waits until all that the log then holds is stored."""
        began = time.monotonic()
        FAULTS[fault](self)
        lasted = time.monotonic() - began
        self.catch_up()
        return Recovery(fault, lasted, time.monotonic() - began)

    def kill_worker(self) -> None:
        """kill -9, and another one in its place."""
        self._any_worker().kill9()
        time.sleep(self.rng.uniform(0, 1))
        self.revive()

    def stop_worker(self) -> None:
        """SIGTERM, and another one in its place."""
        self._any_worker().stop()
        self.revive()

    def freeze_worker(self) -> None:
        """SIGSTOP for longer than the group waits; then it goes on, and does not know."""
        with stopped(self._any_worker().pid):
            time.sleep(SESSION_TIMEOUT_SECONDS + self.rng.uniform(1, 2))

    def come_or_go(self) -> None:
        """A worker more, or one less."""
        if len(self.workers) < MOST_WORKERS and (len(self.workers) == 1 or self.rng.random() < 0.5):
            self.join()
        else:
            self.workers.pop(self.rng.randrange(len(self.workers))).stop()

    def kill_redis(self) -> None:
        self.redis.kill9()
        time.sleep(self.rng.uniform(0, 1))
        self.redis.start()

    def cut_redis(self) -> None:
        """kill -9, and the end of the append-only file is lost, as with the power."""
        self.redis.kill9()
        file = self.redis.append_only_file()
        size = file.stat().st_size
        os.truncate(file, size - self.rng.randint(1, min(MOST_CUT_BYTES, max(size // 2, 1))))
        self.redis.start()

    def freeze_redis(self) -> None:
        with stopped(self.redis.pid):
            time.sleep(self.rng.uniform(3, 8))

    def kill_kafka(self) -> None:
        self.kafka.kill9()
        time.sleep(self.rng.uniform(0, 2))
        self.kafka.start()

    def _any_worker(self) -> Process:
        return self.rng.choice(self.workers)

    def revive(self) -> None:
        """What ended is started again, as every supervisor does."""
        for place, worker in enumerate(self.workers):
            if not worker.lives():
                if worker._process is not None:
                    self.ended[worker._process.returncode] += 1
                    worker.kill9()
                self.workers[place] = self.monitor.process("worker").start()

    # -- looking

    def catch_up(self) -> None:
        """Waits until Redis has all that the log holds now."""
        deadline, ends = time.monotonic() + CATCH_UP_SECONDS, self.ends()
        while behind := {place: (self._stored(place), end) for place, end in ends.items() if self._stored(place) < end}:
            assert time.monotonic() < deadline, f"still behind after {CATCH_UP_SECONDS:.0f} s (stored, end): {behind}"
            self.revive()
            time.sleep(LOOK_SECONDS)

    def places(self) -> Iterator[Place]:
        return ((family, partition) for family in FAMILIES for partition in range(PARTITIONS))

    def ends(self) -> dict[Place, int]:
        return {place: self.reader.end(self.monitor.topic(place[0]), place[1]) for place in self.places()}

    def _key(self, place: Place) -> str:
        return f"{self.monitor.settings['XMON_REDIS_PREFIX']}:{{{self.monitor.topic(place[0])}:{place[1]}}}"

    def _stored(self, place: Place) -> int:
        try:
            return int(self.client.hget(self._key(place), "_next") or 0)  # type: ignore[arg-type]
        except RedisError:
            return -1

    # -- the judgement

    def differences(self, from_ms: int, to_ms: int) -> list[str]:
        """Everything that Redis, the API, `/metrics` and the dead letters say otherwise than the oracle."""
        logs = {place: list(self.reader.records(self.monitor.topic(place[0]), place[1])) for place in self.places()}
        oracles = {place: Oracle(place[0], pseudonym) for place in logs}
        for place, records in logs.items():
            oracles[place].apply(records)
        found = [line for place, oracle in oracles.items() for line in self._in_redis(place, oracle)]
        found += self._settle()
        scrape = self.serve.scrape()
        found += _unequal("/metrics", metrics_wanted(oracles), metrics_found(scrape))
        found += _unequal("/metrics", self._health(oracles), _streams(scrape))
        low, high = from_ms // MINUTE_MS * MINUTE_MS, -(-to_ms // MINUTE_MS) * MINUTE_MS
        said, asked = self._span(low, high)
        wanted = {key: n for key, n in span_wanted(oracles, low, high).items() if (key[0], key[3]) in asked}
        return found + _unequal("API", wanted, said) + self._letters(logs)

    def _settle(self) -> list[str]:
        """Waits until the page knows all that is stored, and calls it complete; where it does not, what is missing."""
        deadline = time.monotonic() + SETTLE_SECONDS
        stored = {f"{self.monitor.topic(place[0])}:{place[1]}": end for place in self.places() if (end := self._stored(place))}
        while True:
            health = self.serve.json("/api/v1/health")
            read_so_far = {one["partition"]: one["next_offset"] for one in health["partitions"]}
            if health["complete"] and read_so_far == stored:
                return []
            if time.monotonic() > deadline:
                return [*_unequal("read by serve", stored, read_so_far), *health["problems"]]
            time.sleep(LOOK_SECONDS)

    def _in_redis(self, place: Place, oracle: Oracle) -> list[str]:
        fields: dict[bytes, bytes] = self.client.hgetall(self._key(place))  # type: ignore[assignment]
        if not fields:
            return [f"{place}: nothing is stored"] if oracle.next else []
        wanted = oracle.state
        keys = [f"{self._key(place)}:m:{minute}" for minute in wanted["minutes"]]
        contents: Sequence[Any] = self.client.mget(keys) if keys else []  # type: ignore[assignment]
        minutes = {minute: content for minute, content in zip(wanted["minutes"], contents, strict=True) if content}
        return [f"{place}: {line}" for line in observed.differences(wanted, observed.state(place[0], fields, minutes))]

    def _health(self, oracles: dict[Place, Oracle]) -> dict[Any, float]:
        names = {"records": "records", "late": "late_events", "duplicates": "duplicate_events"}
        names |= {name: name for name in ("clock_corrections", "unknown_fields")}
        found: Counter[Any] = Counter()
        for (family, _), oracle in oracles.items():
            for count, n in oracle.counts.items():
                kind, _, reason = count.partition(":")
                if reason:
                    found["xmon_dead_letters_total", reason] += n
                elif kind in names:
                    found[f"xmon_{names[kind]}_total", self.monitor.topic(family)] += n
        return {key: float(n) for key, n in found.items() if n}

    def _span(self, from_ms: int, to_ms: int) -> tuple[dict[Any, float], set[tuple[str, str]]]:
        """What the API says of counters and distributions, as totals and by a dimension that is drawn; and what was asked."""
        found, asked = {}, set()
        for name, figure in catalogue().figures.items():
            if not isinstance(figure, CounterRow | Distribution):
                continue
            for by in ("all", self.rng.choice(figure.dimensions)):
                asked.add((name, by))
                question = {"figure": name, "from": from_ms, "to": to_ms, "by": by}
                for reading in self.serve.json("/api/v1/figures", **question)["readings"]:
                    if reading["statistic"] in ("count", "mean"):
                        value = reading["value"] if reading["statistic"] == "count" else reading["n"]
                        found[name, *reading["series"].values(), tuple(reading["labels"].values())] = value
        return found, asked

    def _letters(self, logs: dict[Place, list[Raw]]) -> list[str]:
        """Refused records that are not in the dead-letter topic."""
        written = {
            tuple(letter[name] for name in ("topic", "partition", "offset"))
            for partition in range(PARTITIONS)
            for letter in self.reader.headers(self.monitor.topic("dead-letter"), partition)
        }
        refused = {
            (self.monitor.topic(family), str(partition), str(record.offset))
            for (family, partition), records in logs.items()
            for record in records
            if read(family, record.value, record.timestamp)[0] is None
        }
        return [f"no dead letter for {':'.join(record)}" for record in sorted(refused - written)[:8]]


FAULTS: dict[str, Callable[[Site], None]] = {
    "worker kill -9": Site.kill_worker,
    "worker SIGTERM": Site.stop_worker,
    "worker frozen": Site.freeze_worker,
    "worker more, less": Site.come_or_go,
    "redis kill -9": Site.kill_redis,
    "redis cut": Site.cut_redis,
    "redis frozen": Site.freeze_redis,
    "kafka kill -9": Site.kill_kafka,
}


class Publishing:
    """Events that come while other things happen: `seconds` for all of them, or at once where the machine cannot keep up."""

    def __init__(self, bootstrap: str, topic: Callable[[str], str], events: Iterator[Sent], count: int, seconds: float) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20})
        self._topic, self._events, self._count, self._seconds = topic, events, count, seconds
        self._thread = threading.Thread(target=self._publish)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def wait(self) -> None:
        """Returns when the broker has acknowledged all."""
        self._thread.join()
        assert self._producer.flush(CATCH_UP_SECONDS) == 0, "not all events were acknowledged"

    def _publish(self) -> None:
        began = time.monotonic()
        for sent in self._events:
            self._producer.produce(
                self._topic(sent.family), sent.value, sent.key, crc32(sent.key or b"") % PARTITIONS, timestamp=sent.arrival
            )
            self.sent += 1
            if self.sent % 100 == 0:
                self._producer.poll(max(0.0, began + self._seconds * self.sent / self._count - time.monotonic()))


class Log:
    """Topics as they are, read from their beginning."""

    def __init__(self, bootstrap: str) -> None:
        self._settings = {"bootstrap.servers": bootstrap, "group.id": "harness", "enable.auto.commit": False}
        self._ends = Consumer(self._settings)

    def end(self, topic: str, partition: int) -> int:
        """Of the log, by the broker; one that has just come back is asked again."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while True:
            try:
                return self._ends.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)

    def records(self, topic: str, partition: int) -> Iterator[Raw]:
        for message in self._messages(topic, partition):
            yield Raw(message.offset(), message.timestamp()[1], message.value(), message.key())

    def headers(self, topic: str, partition: int) -> Iterator[dict[str, str]]:
        for message in self._messages(topic, partition):
            yield {name: value.decode() for name, value in message.headers()}

    def _messages(self, topic: str, partition: int) -> Iterator[Any]:
        end, consumer = self.end(topic, partition), Consumer({**self._settings, "enable.partition.eof": False})
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        deadline, position = time.monotonic() + CATCH_UP_SECONDS, 0
        while position < end:
            assert time.monotonic() < deadline, f"{topic}:{partition} could not be read back"
            for message in consumer.consume(min(5000, end - position), timeout=0.5):
                assert not message.error(), message.error()
                position = message.offset() + 1
                yield message
        consumer.close()


def create_topics(bootstrap: str, topics: Sequence[str]) -> None:
    """With the producers' timestamps, so that twelve minutes of arrival pass in half of one."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = {"message.timestamp.type": "CreateTime", "retention.ms": str(7 * 24 * 60 * MINUTE_MS)}
    for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config) for topic in topics]).values():
        created.result(30)


def story(seed: int, count: int) -> tuple[Iterator[Sent], int, int]:
    """(events, their first and last instant): twelve minutes that end now."""
    until = int(time.time() * 1000) // 10_000 * 10_000
    start = until - STORY_MS
    generator = Generator(seed, start_ms=start, step_ms=STORY_MS // count, sessions=max(count // 20, 10))
    return generator.events(count), start - 10 * MINUTE_MS, until


def pseudonym(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), key=KEY.encode(), digest_size=8).digest(), "big") or 1


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def metrics_wanted(oracles: dict[Place, Oracle]) -> dict[Any, float]:
    """Cumulative samples: counters of all series, histograms of totals."""
    found: dict[Any, float] = {}
    for (series, (figure, kind, which)), amount in observed.merged(o.lifetime() for o in oracles.values()).items():
        if kind == "count":
            found[f"xmon_{figure}_total", *series, which] = amount
        elif series[2] == "all" and kind == "le":
            found[f"xmon_{figure}_count", *series, ()] = found.get((f"xmon_{figure}_count", *series, ()), 0) + amount
            for above in range(which, len(DISTRIBUTIONS[figure][0]) + 1):
                key = (f"xmon_{figure}_bucket", *series, above)
                found[key] = found.get(key, 0) + amount
    return found


def metrics_found(scrape: Scrape) -> dict[Any, float]:
    """The samples of those names, by series and further labels."""
    found: dict[Any, float] = {}
    for name, figure in catalogue().figures.items():
        suffixes = ("_total",) if isinstance(figure, CounterRow) else ("_count", "_bucket") if name in DISTRIBUTIONS else ()
        for suffix in suffixes:
            for labels, value in scrape._samples.get(f"xmon_{name}{suffix}", {}).items():
                said = dict(labels)
                series = [said[label] for label in ("app", "environment", "dimension", "value")]
                rest: Any = tuple(said[label] for label in figure.labels)
                if suffix == "_bucket":
                    bounds = [str(bound) for bound in figure.bounds]  # type: ignore[attr-defined]
                    rest = len(bounds) if said["le"] == "+Inf" else bounds.index(said["le"])
                found[f"xmon_{name}{suffix}", *series, rest] = value
    return {key: value for key, value in found.items() if value}


def span_wanted(oracles: dict[Place, Oracle], from_ms: int, to_ms: int) -> dict[Any, float]:
    """Counters, and how many values distributions have, of a stretch."""
    found: Counter[Any] = Counter()
    spans: Iterator[Cells] = (oracle.span(from_ms, to_ms) for oracle in oracles.values())
    for (series, (figure, kind, which)), amount in observed.merged(spans).items():
        if kind in ("count", "le"):
            found[figure, *series, which if kind == "count" else ()] += amount
    return dict(found)


def _streams(scrape: Scrape) -> dict[Any, float]:
    names = ("records", "late_events", "duplicate_events", "clock_corrections", "unknown_fields", "dead_letters")
    found = {}
    for name in names:
        for labels, value in scrape._samples.get(f"xmon_{name}_total", {}).items():
            found[f"xmon_{name}_total", *dict(labels).values()] = value
    return {key: value for key, value in found.items() if value}


def _unequal(where: str, wanted: dict[Any, float], found: dict[Any, float], most: int = 8) -> list[str]:
    keys = sorted({key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)}, key=repr)
    lines = [f"{where} {key}: {wanted.get(key)} wanted, {found.get(key)} found" for key in keys[:most]]
    return lines + ([f"{where}: {len(keys)} differences of {len(wanted)}"] if len(keys) > most else [])
