"""What an event is and what it adds, by the published model alone: no code is shared with `streams`, and no numpy is used.

Everything added is (column, amount) with column = (figure, kind, which): kind "count" by label values, "le" by the index of the
threshold, "sum" of whole units, "bucket" of the sketch. People are (figure, identity).
"""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

Event = dict[str, Any]
Column = tuple[str, str, object]
Series = tuple[str, str, str, str]
Adds = list[tuple[Column, int]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS = 10**11
MAX_BYTES, MAX_SKEW_MS = 262_144, 300_000

SHARED = ("id", "environment", "release", "page", "country", "device", "os", "browser", "segment", "channel", "variant")
TEXTS = {*SHARED, "location", "session", "user", "customer"}
OWN_TEXTS = {"navigation", "view", "fingerprint", "type", "install", "queue", "topic", "team"}
ENUMS = {
    "app-crash": {"kind": ("crash", "anr", "hang", "non-fatal")},
    "app-session": {"status": ("started", "ended")},
    "link-error": {
        "kind": ("page-link", "resource", "deep-link", "redirect-loop"),
        "reason": ("http", "dns", "timeout", "refused", "tls", "scheme"),
    },
    "contact": {
        "state": ("queued", "offered", "answered", "transferred", "abandoned", "ended", "resolved", "reopened"),
        "handled_by": ("human", "bot"),
    },
}
MS, SECONDS, COUNT, STATUS = (0, 3_600_000), (0, 31_536_000), (0, 1_000_000_000), (0, 999)
NUMBERS = {
    "page-load": {
        **dict.fromkeys(("duration_ms", "ttfb_ms", "fcp_ms", "lcp_ms", "inp_ms"), MS),
        "cls": (0, 100),
        "status": STATUS,
    },
    "app-session": {
        "duration_ms": MS,
        "cold_start_ms": MS,
        "warm_start_ms": MS,
        "frames": COUNT,
        "slow_frames": COUNT,
        "frozen_frames": COUNT,
    },
    "app-crash": {},
    "link-error": {"status": STATUS},
    "contact": {f"{name}_seconds": SECONDS for name in ("wait", "talk", "hold", "wrap_up", "first_reply", "resolution")},
}
REQUIRED = {"link-error": ("target",), "contact": ("contact", "state")}
KNOWN = {
    "page-load": {"url", *NUMBERS["page-load"], "navigation", "view"},
    "app-session": {"status", "install", "first_launch", *NUMBERS["app-session"]},
    "app-crash": {"kind", "fingerprint", "type", "message", "stack", "foreground", "occurred_at"},
    "link-error": {"target", "status", "reason", "source", "kind"},
    "contact": {"contact", "queue", "topic", "team", "in_menu", "handed_over", "solvable_at_first_level"}
    | {*ENUMS["contact"], *NUMBERS["contact"]},
}
ENVELOPE = {"app", "timestamp", "synthetic", "attributes", *TEXTS}

DIMENSIONS = {
    "page-load": ("page", "country", "device", "browser", "os", "release", "segment", "variant"),
    "app-session": ("release", "os", "device", "country", "segment"),
    "app-crash": ("release", "os", "device", "country", "segment"),
    "link-error": ("page", "host", "country", "device", "release"),
    "contact": ("channel", "queue", "topic", "team", "segment", "country"),
}
BY_ARRIVAL = {"app-session", "app-crash"}
WAITS = (5, 10, 20, 30, 60, 120, 300, 600, 1800)
DISTRIBUTIONS = {  # thresholds, lowest and highest value of the sketch, whole units in one
    "page_load_seconds": ((100, 250, 500, 1000, 2000, 3000, 5000, 8000, 15_000, 30_000), 1, 120_000, 1000),
    "lcp_seconds": ((1000, 2500, 4000, 8000), 1, 60_000, 1000),
    "inp_seconds": ((100, 200, 500, 1000), 1, 20_000, 1000),
    "cls": ((0.05, 0.1, 0.25, 0.5), 0.001, 10, 10_000),
    "fcp_seconds": ((1000, 1800, 3000, 6000), 1, 60_000, 1000),
    "ttfb_seconds": ((200, 800, 1800, 3000), 1, 60_000, 1000),
    "app_start_seconds": ((250, 500, 1000, 1500, 2000, 3000, 5000, 10_000), 1, 60_000, 1000),
    "contact_wait_seconds": (WAITS, 0.1, 86_400, 1000),
    "contact_abandon_seconds": (WAITS, 0.1, 86_400, 1000),
    "handle_seconds": ((30, 60, 120, 300, 600, 1200, 3600), 0.1, 86_400, 1000),
    "resolution_seconds": ((300, 900, 3600, 14_400, 86_400, 259_200), 1, 2_592_000, 1000),
    "first_reply_seconds": ((30, 60, 300, 900, 3600, 14_400, 86_400), 0.1, 604_800, 1000),
}


def read(family: str, value: bytes | None, arrival: int) -> tuple[Event | None, str]:
    """The event of a record, or None and the reason why it is none."""
    if value is None:
        return None, "null_value"
    if len(value) > MAX_BYTES:
        return None, "too_large"
    try:
        event = json.loads(value.decode())
    except UnicodeDecodeError:
        return None, "not_utf8"
    except json.JSONDecodeError:
        return None, "invalid_json"
    if not isinstance(event, dict):
        return None, "not_an_object"
    reason = _wrong(family, event)
    if not reason and stamp(event, arrival) > arrival + MAX_SKEW_MS:
        reason = "clock_skew"
    elif not reason and stamp(event, arrival) < EARLIEST_MS:
        reason = "out_of_range"
    return (None, reason) if reason else (event, "")


def stamp(event: Event, arrival: int) -> int:
    """What the event says of its time, in epoch ms; its arrival where it says nothing."""
    given = event.get("timestamp")
    if isinstance(given, str):
        return (datetime.fromisoformat(given) - EPOCH) // timedelta(milliseconds=1)
    return arrival if given is None else given


def unknown_fields(family: str, event: Event) -> int:
    return len(event.keys() - ENVELOPE - KNOWN[family])


def _wrong(family: str, event: Event) -> str:
    """The first thing that is wrong; the generator makes one mistake at a time."""
    required = ("app", *REQUIRED.get(family, ()))
    if not all(name in event for name in required):
        return "missing_field"
    given = {name: value for name, value in event.items() if value is not None or name in required}
    return next((reason for name, value in given.items() if (reason := _wrong_value(family, name, value))), "")


def _wrong_value(family: str, name: str, value: Any) -> str:
    if name in ENUMS.get(family, {}):
        return "" if value in ENUMS[family][name] else "not_allowed"
    if name in NUMBERS[family]:
        return _wrong_number(value, *NUMBERS[family][name])
    if name in TEXTS | OWN_TEXTS or name in ("app", *REQUIRED.get(family, ())):
        longest = {"app": 64, "target": 2048}.get(name, 128)
        return "wrong_type" if not isinstance(value, str) else "too_long" if len(value) > longest else ""
    return ""


def _wrong_number(value: Any, low: float, high: float) -> str:
    if isinstance(value, str | bool):
        return "wrong_type"
    if not math.isfinite(value):
        return "not_finite"
    return "" if low <= value <= high else "out_of_range"


def enrich(family: str, event: Event) -> None:
    """The page of a view that names only its URL; host and page of a link."""
    if family == "page-load" and not event.get("page") and event.get("url"):
        event["page"] = route(event["url"])
    if family == "link-error":
        event["host"] = urlsplit(event["target"]).hostname or ""
        if not event.get("page") and event.get("source"):
            event["page"] = route(event["source"])


def route(url: str) -> str:
    """The path with numbers replaced; the generator sends no other ids."""
    return re.sub(r"(?<=/)\d+(?=/|$)", ":id", urlsplit(url).path or "/")


def page_load(event: Event) -> Adds:
    """Views, failures, overloads, load time and vitals."""
    status = 200 if event.get("status") is None else event["status"]
    failed = status == 0 or status >= 500
    adds = [*count("page_views"), *count("page_load_failures", failed), *count("page_overloads", status in (429, 503))]
    adds += distribution("page_load_seconds", None if failed else event.get("duration_ms"))
    adds += distribution("cls", event.get("cls"))
    for vital in ("lcp", "inp", "fcp", "ttfb"):
        adds += distribution(f"{vital}_seconds", event.get(f"{vital}_ms"))
    return adds


def app_session(event: Event, first: bool) -> Adds:
    """`first`: nobody has heard of this session before."""
    cold, warm = event.get("cold_start_ms"), event.get("warm_start_ms")
    adds = count("app_sessions", first) + count("new_installs", event.get("first_launch") is True)
    adds += distribution("app_start_seconds", warm if cold is None else cold)
    adds += count("frame_reports", bool(event.get("frames")))
    for frames in ("frames", "slow_frames", "frozen_frames"):
        adds.append(((frames, "count", ()), event.get(frames) or 0))
    return adds


def app_crash(event: Event, crashed: bool, anr: bool) -> Adds:
    """`crashed`, `anr`: the first of its session."""
    kind = event.get("kind") or "crash"
    return count("app_crashes", True, kind) + count("crashed_sessions", crashed) + count("anr_sessions", anr)


def link_error(event: Event) -> Adds:
    return count("link_errors", True, event.get("kind") or "page-link", event.get("reason") or "http")


def contact(found: Event) -> Adds:
    """`found`: what is new about the contact (see `oracle.Contacts`)."""
    adds = []
    for step in ("queued", "answered", "abandoned", "resolved"):
        adds += count(f"contacts_{step}", found.get("step") == step)
    adds += count("bot_contacts", "bot" in found) + count("bot_contained_contacts", found.get("bot") == "contained")
    adds += distribution("contact_wait_seconds", found.get("answered_wait"))
    adds += distribution("contact_abandon_seconds", found.get("abandoned_wait"))
    for name in ("handle", "resolution", "first_reply"):
        adds += distribution(f"{name}_seconds", found.get(name))
    return adds


def people(family: str, event: Event) -> tuple[str, str] | None:
    """(figure, identity) where the family counts people and the event names one."""
    rules = {
        "page-load": ("visitors", ("user", "session")),
        "app-session": ("active_users", ("user", "install", "session")),
        "app-crash": ("crashed_users", ("user", "install", "session")),
    }
    if family not in rules:
        return None
    if family == "app-crash" and event.get("kind") not in ("crash", None):
        return None
    figure, fields = rules[family]
    identity = next((event[field] for field in fields if event.get(field)), None)
    return (figure, identity) if identity else None


def count(figure: str, how: bool = True, *labels: str) -> Adds:
    return [((figure, "count", labels), 1)] if how else []


def distribution(figure: str, value: float | None) -> Adds:
    """Histogram, sum and sketch; nothing for no value."""
    if value is None:
        return []
    thresholds, _, _, scale = DISTRIBUTIONS[figure]
    whole = round(value * scale)
    return [
        ((figure, "le", bisect_left(thresholds, value)), 1),
        ((figure, "sum", ()), whole),
        ((figure, "bucket", bisect_right(bounds(figure), whole)), 1),
    ]


@cache
def bounds(figure: str) -> list[int]:
    """DDSketch (Masson, Rim, Lee: VLDB 2019) at 2 %, on whole numbers."""
    _, low, high, scale = DISTRIBUTIONS[figure]
    low, high, growth = round(low * scale), round(high * scale), 1.02 / 0.98
    steps = math.ceil(math.log(high / low) / math.log(growth))
    return sorted({round(low * growth**step) for step in range(steps + 1)})


def register(identity: int) -> tuple[int, int]:
    """HyperLogLog with 2^11 registers of a 64-bit hash: (register, rank)."""
    mixed = identity * 0x9E3779B97F4A7C15 % 2**64
    mixed ^= mixed >> 32
    return mixed >> 53, 54 - (mixed % 2**53).bit_length()


def scope(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["app"], event.get("environment") or "production"
