"""Events as producers send them on a bad day: twice, out of order, too late, broken, without ids. One seed, one story."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from tests.faults.figures import ENUMS, route
from tests.streams.records import START, Raw

FAMILIES = ("app-crash", "app-session", "contact", "link-error", "page-load")
REORDERED_MS = 60_000
TOO_LATE_MS = (200_000, 400_000)
WRONG_CLOCKS_MS = (240_000, -3_600_000)
NEAR = 200  # events back from which a duplicate is taken
LATEST_REPEAT_MS = 180_000  # or so long ago: two thirds of them within the two minutes in which a repetition is recognised


@dataclass(frozen=True, slots=True)
class Sent:
    """A record before it has a partition; `arrival` is what its producer's clock says."""

    family: str
    key: bytes | None
    value: bytes | None
    arrival: int


@dataclass
class Generator:
    """`step_ms` of the story's time from one event to the next; `chances` of what goes wrong."""

    seed: int
    families: tuple[str, ...] = FAMILIES
    start_ms: int = START
    step_ms: int = 1000
    duplicates: float = 0.01
    late: float = 0.02
    bad: float = 0.01
    without_id: float = 0.1
    reordered: float = 0.3
    wrong_clocks: float = 0.0  # of keys: half of them are of a producer whose clock is ahead, half of one that is behind
    repeated_late: float = 0.0  # of duplicates
    sessions: int = 40
    _sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._memory = max(NEAR, LATEST_REPEAT_MS // self.step_ms) + 1 if self.repeated_late else NEAR + 1

    def events(self, count: int) -> Iterator[Sent]:
        for number in range(count):
            arrival = self.start_ms + number * self.step_ms + self._rng.randint(0, self.step_ms)
            sent = self._one(number, arrival)
            self._sent.append(sent)
            if len(self._sent) > 2 * self._memory:
                del self._sent[: -self._memory]
            yield sent

    def _one(self, number: int, arrival: int) -> Sent:
        rng = self._rng
        if self._sent and rng.random() < self.duplicates:
            return replace(self._repeated(), arrival=arrival)
        family = rng.choice(self.families)
        event = {**_common(rng, self.sessions), **_FIELDS[family](rng, self.sessions)}
        if rng.random() >= self.without_id:
            event["id"] = f"{self.seed}-{number}"
        at = self._happened(arrival)
        if at is not None:
            at += self._skew(_key(family, event))
            event["timestamp"] = at if rng.random() < 0.8 else _rfc_3339(at)
        if rng.random() < self.bad:
            return Sent(family, _key(family, event), _spoiled(rng, family, event, arrival), arrival)
        return Sent(family, _key(family, event), _json(event), arrival)

    def _repeated(self) -> Sent:
        late = self.repeated_late and self._rng.random() < self.repeated_late
        return self._rng.choice(self._sent[-self._memory :] if late else self._sent[-NEAR - 1 :])

    def _skew(self, key: bytes | None) -> int:
        """How far the clock of the producer of a key is ahead; those without a key have a good one."""
        place = crc32(key) % 1000 if key else 1000
        return WRONG_CLOCKS_MS[place % 2] if place < 1000 * self.wrong_clocks else 0

    def _happened(self, arrival: int) -> int | None:
        rng = self._rng
        chance = rng.random()
        if chance < self.late:
            return arrival - rng.randint(*TOO_LATE_MS)
        if chance < self.late + self.reordered:
            return arrival - rng.randint(0, REORDERED_MS)
        if chance < self.late + self.reordered + 0.05:
            return arrival + rng.randint(0, 299_000) if rng.random() < 0.3 else None
        return arrival - rng.randint(0, 500)


def logs(generator: Generator, count: int, partitions: int = 1) -> dict[tuple[str, int], list[Raw]]:
    """(family, partition) → its records, as a log with arrival times that only grow would hold them."""
    found: dict[tuple[str, int], list[Raw]] = {(f, p): [] for f in generator.families for p in range(partitions)}
    for sent in generator.events(count):
        log = found[sent.family, crc32(sent.key or b"") % partitions]
        log.append(Raw(len(log), sent.arrival, sent.value, sent.key))
    return found


def with_holes(records: list[Raw], rng: random.Random) -> list[Raw]:
    """Some offsets belong to transaction markers."""
    offset, found = rng.randint(0, 3), []
    for record in records:
        offset += 1 if rng.random() < 0.95 else rng.randint(2, 4)
        found.append(replace(record, offset=offset))
    return found


def _key(family: str, event: dict[str, Any]) -> bytes | None:
    """docs/producers.md: session; host and route of the target; customer, else contact."""
    if family == "link-error":
        return f"{urlsplit(event['target']).hostname}{route(event['target'])}".encode()
    key = event["contact"] if family == "contact" and not event.get("customer") else None
    key = key or (event["customer"] if family == "contact" else event.get("session"))
    return key.encode() if key else None


def _common(rng: random.Random, sessions: int) -> dict[str, Any]:
    session = rng.randint(0, sessions)
    event = {
        "app": rng.choice(["shop", "shop", "bank"]),
        "environment": rng.choice([None, None, None, "production", "staging"]),
        "session": rng.choice([f"s{session}", f"s{session}", None]),
        "user": rng.choice([f"u{session % 17}", None]),
        "country": rng.choice(["DE", "FR", "AT", None]),
        "device": rng.choice(["mobile", "desktop", None, ""]),
        "release": rng.choice(["5.1", "5.2", None]),
        "os": rng.choice(["iOS", "Android"]),
        "segment": rng.choice(["new", None]),
        "synthetic": rng.choice([None] * 18 + [False, True]),
        "attributes": rng.choice([None, {"cart": "1"}]),
    }
    event = {name: value for name, value in event.items() if value is not None or rng.random() < 0.2}
    return event | ({"invented": 1} if rng.random() < 0.02 else {})


def _page_load(rng: random.Random, _: int) -> dict[str, Any]:
    url = f"https://shop.example/orders/{rng.randint(0, 99)}?x=1#y"
    page = rng.choice([{"page": f"/p{rng.randint(0, 5)}"}, {"url": url}, {}])
    vitals: dict[str, Any] = {
        "ttfb_ms": rng.choice([None, 800, rng.randint(1, 3000)]),
        "fcp_ms": rng.choice([None, rng.lognormvariate(7, 1)]),
        "lcp_ms": rng.choice([None, 2500, 2500.0001, rng.lognormvariate(7, 1)]),
        "inp_ms": rng.choice([None, 0, 200, rng.uniform(0, 700)]),
        "cls": rng.choice([None, 0.1, 0.25, 0, rng.uniform(0, 0.6)]),
        "duration_ms": rng.choice([None, 2000, 120_000, rng.lognormvariate(7.3, 1), rng.lognormvariate(7.3, 1)]),
        "status": rng.choice([None, 200, 200, 200, 404, 429, 500, 503, 0]),
        "browser": rng.choice(["Chrome", "Safari"]),
        "variant": rng.choice([None, "a", "b"]),
    }
    return page | vitals


def _app_session(rng: random.Random, sessions: int) -> dict[str, Any]:
    return {
        "status": rng.choice(["started", "ended", None]),
        "cold_start_ms": rng.choice([None, None, rng.randint(100, 9000)]),
        "warm_start_ms": rng.choice([None, rng.randint(10, 900)]),
        "frames": rng.choice([None, rng.randint(0, 9999)]),
        "slow_frames": rng.choice([None, 0, rng.randint(0, 99)]),
        "frozen_frames": rng.choice([None, rng.randint(0, 9)]),
        "install": rng.choice([None, f"i{rng.randint(0, sessions)}"]),
        "first_launch": rng.choice([None, False, True]),
    }


def _app_crash(rng: random.Random, _: int) -> dict[str, Any]:
    return {"kind": rng.choice([None, *ENUMS["app-crash"]["kind"]]), "foreground": True, "message": "boom"}


def _link_error(rng: random.Random, _: int) -> dict[str, Any]:
    return {
        "target": f"https://h{rng.randint(0, 3)}.example/sale-{rng.randint(0, 9)}/7?q=1",
        "status": rng.choice([None, 404, 0]),
        "kind": rng.choice([None, *ENUMS["link-error"]["kind"]]),
        "reason": rng.choice([None, *ENUMS["link-error"]["reason"]]),
        "source": rng.choice([None, "https://shop.example/cart/7"]),
    }


def _contact(rng: random.Random, sessions: int) -> dict[str, Any]:
    number = rng.randint(0, 4 * sessions)
    return {
        "contact": f"c{number}",
        "customer": f"k{number}" if number % 3 else None,
        "state": rng.choice(["queued", "queued", "queued", "answered", "answered", *ENUMS["contact"]["state"]]),
        "channel": rng.choice(["chat", "call"]),
        "queue": rng.choice(["orders", None]),
        "topic": rng.choice(["delivery", "refund", None]),
        "wait_seconds": rng.choice([None, None, None, 5, rng.uniform(0, 90)]),
        "talk_seconds": rng.choice([None, None, rng.randint(0, 900)]),
        "hold_seconds": rng.choice([None, rng.randint(0, 90)]),
        "wrap_up_seconds": rng.choice([None, rng.randint(0, 90)]),
        "first_reply_seconds": rng.choice([None, None, rng.uniform(1, 5000)]),
        "resolution_seconds": rng.choice([None, rng.randint(1, 90_000)]),
        "handled_by": rng.choice([None, "human", "bot"]),
        "handed_over": rng.choice([None, False, True]),
        "in_menu": rng.choice([None, None, False, True]),
    }


_FIELDS = {
    "app-crash": _app_crash,
    "app-session": _app_session,
    "contact": _contact,
    "link-error": _link_error,
    "page-load": _page_load,
}


def _spoiled(rng: random.Random, family: str, event: dict[str, Any], arrival: int) -> bytes | None:
    """A record that is no event, each for one reason."""
    wrong: dict[str, Any] = {
        "missing": {name: value for name, value in event.items() if name != "app"},
        "type": {**event, "app": 7},
        "length": {**event, "country": "D" * 129},
        "skew": {**event, "timestamp": arrival + rng.randint(300_001, 10**7)},
    }
    if family == "page-load":
        wrong |= {"range": {**event, "status": 1000}, "text": {**event, "duration_ms": "12"}}
        wrong["infinite"] = {**event, "duration_ms": float("nan")}
    if family in ENUMS:
        wrong["choice"] = {**event, next(iter(ENUMS[family])): "no such thing"}
    raw = [None, b"\xff\xfe", b'{"app": "shop", ', b"[1]", b"", b'"' + b"x" * 262_144 + b'"']
    return rng.choice([*raw, *map(_json, wrong.values())])


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _rfc_3339(at: int) -> str:
    seconds, ms = divmod(at, 1000)
    return datetime.fromtimestamp(seconds, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{ms:03d}+00:00")
