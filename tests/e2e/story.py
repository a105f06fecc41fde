"""A hundred thousand events with what must be counted of them, added up one by one by the plainest code there is."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Record = tuple[str, str, str]  # family, key, value

SPAN_MS = 600_000  # of event time, so that minutes are folded meanwhile
LATE_MS = 300_000
LOAD_BOUNDS_MS = (100, 250, 500, 1000, 2000, 3000, 5000, 8000, 15_000, 30_000)
LOAD_LABELS = ("0.1", "0.25", "0.5", "1.0", "2.0", "3.0", "5.0", "8.0", "15.0", "30.0", "+Inf")
DIMENSIONS: Mapping[str, Sequence[str]] = {
    "page-load": ("page", "country", "device", "browser", "os", "release", "segment", "variant"),
    "link-error": ("page", "host", "country", "device", "release"),
    "app-session": ("release", "os", "device", "country", "segment"),
    "app-crash": ("release", "os", "device", "country", "segment"),
    "contact": ("channel", "queue", "topic", "team", "segment", "country"),
}
SERIES = ("app", "environment", "dimension", "value")
LABELS: Mapping[str, tuple[str, ...]] = {
    "xmon_page_views_total": SERIES,
    "xmon_page_load_failures_total": SERIES,
    "xmon_page_overloads_total": SERIES,
    "xmon_page_load_seconds_bucket": (*SERIES, "le"),
    "xmon_page_load_seconds_sum": SERIES,
    "xmon_page_load_seconds_count": SERIES,
    "xmon_link_errors_total": (*SERIES, "kind", "reason"),
    "xmon_app_sessions_total": SERIES,
    "xmon_frames_total": SERIES,
    "xmon_app_crashes_total": (*SERIES, "kind"),
    "xmon_crashed_sessions_total": SERIES,
    "xmon_contacts_queued_total": SERIES,
    "xmon_contacts_answered_total": SERIES,
    "xmon_contact_wait_seconds_sum": SERIES,
    "xmon_contact_wait_seconds_count": SERIES,
    "xmon_records_total": ("topic",),
    "xmon_duplicate_events_total": ("topic",),
    "xmon_late_events_total": ("topic",),
    "xmon_dead_letters_total": ("reason",),
}


@dataclass
class Ledger:
    """What `/metrics` must show: sample name → label values → value."""

    topic_prefix: str
    counts: defaultdict[str, Counter[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(Counter))

    def stream(self, name: str, label: str) -> None:
        self.counts[name][label,] += 1

    def topic(self, name: str, family: str) -> None:
        self.stream(name, f"{self.topic_prefix}{family}")

    def add(self, name: str, family: str, event: Event, amount: float = 1, *labels: str) -> None:
        """To the total of the app and to each of its dimensions."""
        scope = event["app"], event.get("environment", "production")
        values = [("all", "all"), *((name, event.get(name, "unknown")) for name in DIMENSIONS[family])]
        for dimension, value in values:
            self.counts[name][*scope, dimension, value, *labels] += amount  # type: ignore[assignment]


class Story:
    """Tells the records in order and keeps the ledger meanwhile."""

    def __init__(self, seed: int, until_ms: int, size: int, topic_prefix: str) -> None:
        self.ledger = Ledger(topic_prefix)
        self._random = random.Random(seed)
        self._start_ms = until_ms - SPAN_MS
        self._size = size
        self._number = 0

    def records(self) -> list[Record]:
        told: list[Record] = []
        waiting: list[Record] = []  # answers to contacts, told some records later
        while len(told) < self._size:
            now_ms = self._start_ms + SPAN_MS * len(told) // self._size
            told += self._next(now_ms, waiting)
        return told[: self._size]

    def _next(self, now_ms: int, waiting: list[Record]) -> Iterator[Record]:
        raise NotImplementedError
