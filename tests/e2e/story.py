"""Many events of every family, and what must be counted of them, added up one by one by the plainest code there is."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count, groupby
from typing import Any, Literal

from tests.e2e.monitor import Monitor, Scrape

Event = dict[str, Any]
Labels = tuple[str, ...]
Counts = Mapping[str, Mapping[Labels, float]]  # sample of /metrics → values of its labels → value

SPAN_MS = 600_000  # of event time, so that minutes are folded meanwhile
LATE_MS = 300_000
STEPS = 20  # what belongs together lies up to this part of all apart: 30 s, so that a repeat is never late
LOAD_BOUNDS_MS = (100, 250, 500, 1000, 2000, 3000, 5000, 8000, 15_000, 30_000)
DIMENSIONS: Mapping[str, Sequence[str]] = {
    "page-load": ("page", "country", "device", "browser", "os", "release", "segment", "variant"),
    "link-error": ("page", "host", "country", "device", "release"),
    "app-session": ("release", "os", "device", "country", "segment"),
    "app-crash": ("release", "os", "device", "country", "segment"),
    "contact": ("channel", "queue", "topic", "team", "segment", "country"),
}
SERIES = ("app", "environment", "dimension", "value")
LABELS: Mapping[str, Sequence[str]] = {
    "xmon_page_views_total": SERIES,
    "xmon_page_load_failures_total": SERIES,
    "xmon_page_overloads_total": SERIES,
    "xmon_page_load_seconds_bucket": (*SERIES, "le"),
    "xmon_page_load_seconds_sum": SERIES,
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


@dataclass(frozen=True, slots=True)
class Told:
    """One record, and what is right to do with it."""

    family: str
    key: str
    event: Event
    fate: Literal["counted", "duplicate", "late", "refused"] = "counted"

    @property
    def value(self) -> str:
        text = json.dumps(self.event)
        return text[:-1] if self.fate == "refused" else text


def tell(seed: int, size: int, until_ms: int) -> list[Told]:
    """So many records in the order of their times. What belongs together lies far apart, so that it must be remembered."""
    rng = random.Random(seed)
    told: list[Told] = []
    later: list[tuple[int, int, Told]] = []  # when it is due, counted in records
    order = count()
    while len(told) < size:
        at_ms = until_ms - SPAN_MS + SPAN_MS * len(told) // size
        if later and later[0][0] <= len(told):
            now = _at(heappop(later)[2], at_ms)
        else:
            now, *rest = (_at(record, at_ms) for record in _scene(rng, len(told)))
            for step, record in enumerate(rest, 1):
                heappush(later, (len(told) + step * rng.randrange(1, size // STEPS), next(order), record))
        told.append(now)
        if now.fate == "counted" and rng.random() < 0.02:
            heappush(later, (len(told) + rng.randrange(size // STEPS), next(order), _spoilt(rng, now)))
    return told


def _at(told: Told, at_ms: int) -> Told:
    """As of this moment; a duplicate is what it repeats."""
    if told.fate == "duplicate":
        return told
    return replace(told, event=told.event | {"timestamp": at_ms - (LATE_MS if told.fate == "late" else 0)})


def _scene(rng: random.Random, number: int) -> Iterator[Told]:
    """What happens to somebody, step by step."""
    key = f"k-{number}"
    country = rng.choice(("DE", "FR", "CH"))
    place = {"app": rng.choice(("shop", "bank")), "country": country, "release": rng.choice("123")}
    event: Event = {"id": key, **place} | ({"environment": "staging"} if country == "CH" else {})
    kind = rng.choices(("view", "link", "phone", "contact"), (60, 10, 20, 10))[0]
    if kind == "view":
        session = f"s-{rng.randrange(5000)}"  # people come back
        status = rng.choices((200, 0, 429, 503), (95, 1, 2, 2))[0]
        view = {"page": rng.choice(("/", "/cart", "/pay")), "device": rng.choice(("mobile", "desktop")), "status": status}
        yield Told("page-load", session, event | view | {"session": session, "duration_ms": rng.randrange(40_000)})
    elif kind == "link":
        host = rng.choice(("a.example", "b.example"))
        yield Told("link-error", host, event | {"target": f"https://{host}/{number}", "reason": rng.choice(("http", "dns"))})
    elif kind == "contact":
        contact = {"contact": key, "queue": rng.choice(("orders", "returns"))}
        yield Told("contact", key, event | contact | {"id": f"{key}-q", "state": "queued"})
        yield Told("contact", key, event | contact | {"state": "answered"})
    else:
        session = {"session": key}
        yield Told("app-session", key, event | session | {"status": "started", "frames": rng.randrange(5)})
        yield Told("app-session", key, event | session | {"id": f"{key}-z", "status": "ended"})
        for crash in range(rng.choice((0, 0, 0, 1, 3))):
            yield Told("app-crash", key, event | session | {"id": f"{key}-{crash}", "kind": rng.choice(("crash", "anr"))})


def _spoilt(rng: random.Random, told: Told) -> Told:
    """A record once more, or cut short, or one like it that comes too late."""
    by_event_time = told.family in {"page-load", "link-error"}
    fate = rng.choice(("duplicate", "refused", "late") if by_event_time else ("duplicate", "refused"))
    name = told.event["id"] if fate == "duplicate" else f"{told.event['id']}-{fate}"
    return Told(told.family, told.key, told.event | {"id": name}, fate)


def publish(monitor: Monitor, records: Sequence[Told]) -> None:
    """Family by family; within one, in order."""
    by_family = sorted(records, key=lambda told: list(DIMENSIONS).index(told.family))
    for family, told in groupby(by_family, key=lambda told: told.family):
        monitor.publish(family, [(one.key, one.value) for one in told])


def assert_counted(scrape: Scrape, records: Iterable[Told], topic_prefix: str) -> None:
    """That `/metrics` shows each record once: every series, none more and none less."""
    expected = _counted(records, topic_prefix)
    for name, labels in LABELS.items():
        found = {key: round(value, 6) for key, value in scrape.by(name, *labels).items() if value}
        assert found == {key: value for key, value in expected.get(name, {}).items() if value}, name


def _counted(records: Iterable[Told], topic_prefix: str) -> Counts:
    """What `/metrics` must show of these records."""
    ledger = _Ledger()
    for told in records:
        topic = f"{topic_prefix}{told.family}"
        ledger.counts["xmon_records_total"][topic,] += 1
        if told.fate == "duplicate":
            ledger.counts["xmon_duplicate_events_total"][topic,] += 1
        elif told.fate == "late":
            ledger.counts["xmon_late_events_total"][topic,] += 1
        elif told.fate == "refused":
            ledger.counts["xmon_dead_letters_total"]["invalid_json",] += 1
        else:
            _COUNT[told.family](ledger, told.event)
    return {
        name: {key: n / 1000 if name.endswith("_sum") else n for key, n in counts.items()}
        for name, counts in ledger.counts.items()
    }


class _Ledger:
    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[Labels]] = defaultdict(Counter)  # sums in milliseconds
        self.sessions: set[tuple[str, str]] = set()
        self.queued: dict[str, int] = {}

    def add(self, family: str, name: str, event: Event, *labels: str) -> None:
        """One to the total of the app and to every dimension of the family."""
        self.total(name, event, *labels)
        for dimension in DIMENSIONS[family]:
            self._add(name, event, dimension, event.get(dimension, "unknown"), *labels, amount=1)

    def total(self, name: str, event: Event, *labels: str, amount: int = 1) -> None:
        """To the app alone: that is all that is told of distributions."""
        self._add(name, event, "all", "all", *labels, amount=amount)

    def _add(self, name: str, event: Event, *labels: str, amount: int) -> None:
        self.counts[f"xmon_{name}"][(event["app"], event.get("environment", "production"), *labels)] += amount

    def first(self, what: str, event: Event) -> bool:
        new = (what, event["session"]) not in self.sessions
        self.sessions.add((what, event["session"]))
        return new


def _page_load(ledger: _Ledger, event: Event) -> None:
    status, duration_ms = event["status"], event["duration_ms"]
    ledger.add("page-load", "page_views_total", event)
    if status in {429, 503}:
        ledger.add("page-load", "page_overloads_total", event)
    if status in {0, 503}:
        ledger.add("page-load", "page_load_failures_total", event)
        return
    ledger.total("page_load_seconds_sum", event, amount=duration_ms)
    for bound in LOAD_BOUNDS_MS:
        ledger.total("page_load_seconds_bucket", event, str(bound / 1000), amount=int(duration_ms <= bound))
    ledger.total("page_load_seconds_bucket", event, "+Inf")


def _link_error(ledger: _Ledger, event: Event) -> None:
    located = event | {"host": event["target"].split("/")[2]}
    ledger.add("link-error", "link_errors_total", located, "page-link", event["reason"])


def _app_session(ledger: _Ledger, event: Event) -> None:
    if ledger.first("session", event):
        ledger.add("app-session", "app_sessions_total", event)
    for _ in range(event.get("frames", 0)):
        ledger.add("app-session", "frames_total", event)


def _app_crash(ledger: _Ledger, event: Event) -> None:
    ledger.add("app-crash", "app_crashes_total", event, event["kind"])
    if event["kind"] == "crash" and ledger.first("crash", event):
        ledger.add("app-crash", "crashed_sessions_total", event)


def _contact(ledger: _Ledger, event: Event) -> None:
    ledger.add("contact", f"contacts_{event['state']}_total", event)
    if event["state"] == "queued":
        ledger.queued[event["contact"]] = event["timestamp"]
        return
    wait_ms = event["timestamp"] - ledger.queued[event["contact"]]
    ledger.total("contact_wait_seconds_sum", event, amount=wait_ms)
    ledger.total("contact_wait_seconds_count", event)


_COUNT = {
    "page-load": _page_load,
    "link-error": _link_error,
    "app-session": _app_session,
    "app-crash": _app_crash,
    "contact": _contact,
}
