"""What is published: page loads by number, the same for everybody, and how they get into a topic."""

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Producer

from monitor.demo.story import tell
from streams.kafka.publish import key_of
from streams.metrics.registry import catalogue

VIEWS, UNDER_WAY = 10, 10_000  # of a session; sessions at a time
OTHERS = (4, 3, 3, 2, 2, 1, 1)  # values of the dimensions besides the page
LATE_SHARE, LATEST_SECONDS = 0.01, 60.0
STORY_SECONDS = 24.0  # of the demo, told in one
QUIET = {"log_level": 2}  # a coordinator that is not ready yet, or a broker that has ended, is no news
PRODUCER = {**QUIET, "linger.ms": 20, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}
FLUSH_EVERY = 200_000
Record = tuple[str, str, str]  # family, key, value


@dataclass(frozen=True, slots=True)
class PageLoads:
    """Visitors of some apps. Ten thousand sessions are under way at a time, and each of their ten views is of another page."""

    apps: int = 1
    pages: int = 20
    padding: int = 0  # bytes that nothing reads

    @property
    def series(self) -> int:
        """How many a partition holds that has seen enough of them."""
        return self.apps * (1 + self.pages + sum(OTHERS))

    def event(self, rng: random.Random, number: int, at_ms: int) -> dict[str, Any]:
        """About 300 bytes as JSON."""
        round_, place = divmod(number, UNDER_WAY)
        session = round_ // VIEWS * UNDER_WAY + place
        event = {
            "id": f"{rng.getrandbits(64):016x}",
            "timestamp": at_ms,
            "app": f"shop-{session // 12 % self.apps}",
            "environment": "production",
            "release": f"4.2.{session % 2}",
            "page": f"/catalogue/section-{(session + round_) % self.pages}/list",
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
        if self.padding:
            event["attributes"] = {f"note-{i}": "x" * 100 for i in range(self.padding // 112)}
        return event


def page_load(rng: random.Random, number: int) -> dict[str, Any]:
    """The event of a number, now."""
    return PageLoads().event(rng, number, int(time.time() * 1000))


def compact(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def spread(
    loads: PageLoads, events: int, seconds: float, *, begin: int = 0, ended_ago: float = 0.0, late: float = LATE_SHARE
) -> Iterator[Record]:
    """The events from a number on, as they came in so many seconds; a share of them came up to a minute late."""
    rng, ended_ms = random.Random(begin), 1000 * (time.time() - ended_ago)
    for number in range(events):
        ago = seconds * (1 - number / events)
        if rng.random() < late:
            ago += rng.uniform(0, LATEST_SECONDS)
        event = loads.event(rng, begin + number, int(ended_ms - 1000 * ago))
        yield "page-load", event["session"], compact(event)


def story(events: int) -> Iterator[Record]:
    """All families: the demo's day in the life of two apps, told faster; the last of them is in a moment."""
    families = {family.name: family.event for family in catalogue().families}
    moments = [moment for moment, _ in zip(tell(1), range(events), strict=False)]
    end, now_ms = moments[-1].at, time.time() * 1000
    for moment in moments:
        at_ms = int(now_ms - 1000 * (end - moment.at) / STORY_SECONDS)
        key = key_of(families[moment.family], moment.fields) or b""
        yield moment.family, key.decode(), compact({**moment.fields, "timestamp": at_ms})


def publish(bootstrap: str, prefix: str, records: Iterable[Record]) -> int:
    """All at once, into the topics with this prefix; returns the bytes of all values."""
    producer, written = Producer({"bootstrap.servers": bootstrap, **PRODUCER}), 0
    for number, (family, key, value) in enumerate(records):
        producer.produce(f"{prefix}{family}", value, key)
        written += len(value)
        if number % FLUSH_EVERY == 0:
            producer.flush()
        elif number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return written
