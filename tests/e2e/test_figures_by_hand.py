"""A few dozen JSON lines of every family, and what a person counts in them with a pencil.

Two times of page loads: `then`, ten minutes ago, whose minute is folded once the newer ones have come, and `now`. Late is what
is older than the newest record of its own partition by more than the lateness, so it has the key of a newer one.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.monitor import Monitor, Process, Scrape

pytestmark = pytest.mark.kafka

MINUTE_MS, PANE_MS = 60_000, 10_000
Lines = list[tuple[str, Mapping[str, Any] | str]]


def view(session: str, number: str, timestamp: int, **fields: object) -> tuple[str, dict[str, object]]:
    event = {"id": f"v-{number}", "timestamp": timestamp, "app": "shop", "session": session, "page": "/a", "device": "mobile"}
    return session, {**event, **fields}


def page_loads_of_then(then: int) -> Lines:
    return [
        view("s1", "1", then, duration_ms=1000, lcp_ms=2500),
        view("s2", "2", then + 1000, duration_ms=3000, lcp_ms=2501, device="desktop"),
        view("s3", "3", then + 2000, page="/b", status=503),
        view("s1", "4", then + 3000, duration_ms=100, lcp_ms=4001),
    ]


def page_loads_of_now(now: int) -> Lines:
    seen = view("s1", "5", now, page=None, url="https://shop.example/orders/1234?card=1", duration_ms=2000, cls=0.1)
    return [
        seen,
        view("s2", "6", now, duration_ms=9000, device=None),
        view("s3", "7", now, page="/b", status=0, device="desktop"),
        view("s4", "8", now, status=429, duration_ms=8000),
        view("s5", "9", now, app="blog", duration_ms=500),
        view("s5", "10", now, environment="staging", duration_ms=500),
        view("s1", "probe", now, synthetic=True),
        seen,
        seen,  # twice more
        view("s1", "11", now - 5 * MINUTE_MS, duration_ms=1),
        view("s2", "12", now - 4 * MINUTE_MS, duration_ms=1),
        view("s1", "5", now - 3 * MINUTE_MS, duration_ms=1),  # late, and with an id that was seen
        ("s1", '{"app": "shop", "duration_ms": '),
        ("s1", '{"duration_ms": 1}'),
    ]


def app_sessions() -> Lines:
    common = {"app": "phone", "os": "iOS", "release": "2.0"}
    frames = {"frames": 100, "slow_frames": 10, "frozen_frames": 1}
    first = {**common, "id": "a-1", "session": "p1", "user": "u1", "status": "started", "cold_start_ms": 900, **frames}
    return [
        ("p1", first),
        ("p1", first),
        ("p1", {**common, "id": "a-2", "session": "p1", "user": "u1", "status": "ended", **frames, "slow_frames": 5}),
        ("p2", {**common, "id": "a-3", "session": "p2", "user": "u2", "status": "started", "warm_start_ms": 1500}),
        ("p3", {**common, "id": "a-4", "session": "p3", "user": "u2", "status": "ended", "os": "Android"}),
        ("p4", {**common, "id": "a-5", "session": "p4", "user": "u3", "first_launch": True, "os": "Android"}),
    ]


def app_crashes() -> Lines:
    common = {"app": "phone", "os": "iOS", "release": "2.0"}
    crash = {**common, "id": "x-1", "session": "p1", "user": "u1", "kind": "crash"}
    return [
        ("p1", crash),
        ("p1", crash),
        ("p1", {**crash, "id": "x-2"}),
        ("p2", {**common, "id": "x-3", "session": "p2", "user": "u2", "kind": "anr"}),
        ("p3", {**common, "id": "x-4", "session": "p3", "user": "u2", "kind": "non-fatal", "os": "Android"}),
    ]


def link_errors(now: int) -> Lines:
    winter, app = "https://shop.example/sale/winter", "shop://cart"
    common = {"app": "shop", "timestamp": now}
    broken = {**common, "id": "l-1", "target": winter, "status": 404, "source": "https://shop.example/"}
    return [
        (winter, broken),
        (winter, broken),
        (winter, {**broken, "id": "l-2"}),
        (winter, {**broken, "id": "l-3", "timestamp": now - 5 * MINUTE_MS}),
        (app, {**common, "id": "l-4", "target": app, "kind": "deep-link", "reason": "scheme", "page": "/cart"}),
    ]


def contacts(now: int) -> Lines:
    def step(customer: str, state: str, seconds: float, **fields: object) -> tuple[str, dict[str, object]]:
        event = {"id": f"{customer}-{state}", "app": "help", "contact": f"c-{customer}", "customer": customer, "state": state}
        return customer, {**event, "queue": "orders", "timestamp": now + round(seconds * 1000), **fields}

    return [
        step("k1", "queued", -60),
        step("k1", "queued", -60),
        step("k1", "answered", -50),
        step("k2", "answered", -20),  # 30 s after the queueing that comes after it
        step("k2", "queued", -50),
        step("k3", "queued", -40),
        step("k3", "abandoned", -37),
        step("k4", "queued", -30),
        step("k1", "resolved", 0, talk_seconds=120, wrap_up_seconds=30),
        step("k1", "reopened", -300),  # late
    ]


def test_every_figure_is_the_one_counted_by_hand(monitor: Monitor) -> None:
    """Duplicates, late and broken records among four families change nothing but the counts of themselves."""
    monitor.create_topics(4)
    monitor.start("worker")
    serve = monitor.start("serve")
    now = int(time.time() * 1000) // PANE_MS * PANE_MS - PANE_MS
    then = now // MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS

    records = monitor.publish("page-load", page_loads_of_then(then))
    serve.settled(records)
    for family, lines in (
        ("page-load", page_loads_of_now(now)),
        ("app-session", app_sessions()),
        ("app-crash", app_crashes()),
        ("link-error", link_errors(now)),
        ("contact", contacts(now)),
    ):
        records += monitor.publish(family, lines)
    scrape = serve.settled(records)

    streams_are_counted(scrape, monitor)
    pages_are_counted(scrape)
    others_are_counted(scrape)
    the_api_knows_when(serve, then, now)
    the_api_knows_the_rest(serve, now)


def streams_are_counted(scrape: Scrape, monitor: Monitor) -> None:
    families = {"page-load": 18, "app-session": 6, "app-crash": 5, "link-error": 5, "contact": 10}
    assert scrape.by("xmon_records_total", "topic") == {(monitor.topic(name),): n for name, n in families.items()}
    late, duplicates = (
        {topic: n for (topic,), n in scrape.by(f"xmon_{what}_events_total", "topic").items() if n}
        for what in ("late", "duplicate")
    )
    assert late == {monitor.topic(name): n for name, n in (("page-load", 3), ("link-error", 1), ("contact", 1))}
    assert duplicates == {
        monitor.topic(name): n
        for name, n in (("page-load", 2), ("app-session", 1), ("app-crash", 1), ("link-error", 1), ("contact", 1))
    }
    assert scrape.by("xmon_dead_letters_total", "reason") == {("invalid_json",): 1, ("missing_field",): 1}


def pages_are_counted(scrape: Scrape) -> None:
    views = scrape.by("xmon_page_views_total", "app", "environment", "dimension", "value")
    production = {key[2:]: n for key, n in views.items() if key[:2] == ("shop", "production")}
    assert production["all", "all"] == 8
    assert {value: n for (dimension, value), n in production.items() if dimension == "page"} == {
        "/a": 5,
        "/b": 2,
        "/orders/:id": 1,
    }
    devices = {value: n for (dimension, value), n in production.items() if dimension == "device"}
    assert devices == {"mobile": 5, "desktop": 2, "unknown": 1}
    assert views["shop", "staging", "all", "all"] == 1
    assert views["blog", "production", "all", "all"] == 1
    assert scrape.of("xmon_page_load_failures_total", "shop") == 2
    assert scrape.of("xmon_page_overloads_total", "shop") == 2
    bounds = ("0.1", "0.25", "0.5", "1.0", "2.0", "3.0", "5.0", "8.0", "15.0", "30.0", "+Inf")
    buckets = [scrape.of("xmon_page_load_seconds_bucket", "shop", le=bound) for bound in bounds]
    assert buckets == [1, 1, 1, 2, 3, 4, 4, 5, 6, 6, 6]  # of 1, 3, 0.1, 2, 9 and 8 s
    assert scrape.of("xmon_page_load_seconds_sum", "shop") == pytest.approx(23.1)
    assert scrape.of("xmon_page_load_seconds_count", "shop") == 6
    assert scrape.of("xmon_page_load_apdex", "shop", window="15m") == (3 + 2 / 2) / 8
    assert scrape.of("xmon_page_load_apdex_n", "shop", window="15m") == 8
    assert scrape.of("xmon_page_load_failure_ratio", "shop", window="15m") == 2 / 8
    assert scrape.of("xmon_page_load_failure_ratio", "shop", window="5m") == 1 / 4
    assert scrape.of("xmon_visitors", "shop", window="15m") == 4
    lcp = {r: scrape.of("xmon_web_vital_share", "shop", window="15m", vital="lcp", rating=r) for r in ("good", "poor")}
    assert lcp == {"good": pytest.approx(1 / 3), "poor": pytest.approx(1 / 3)}
    assert scrape.of("xmon_web_vital_share", "shop", window="5m", vital="cls", rating="good") == 1


def others_are_counted(scrape: Scrape) -> None:
    assert scrape.of("xmon_app_sessions_total", "phone") == 4
    by_os = {os: scrape.of("xmon_app_sessions_total", "phone", dimension="os", value=os) for os in ("iOS", "Android")}
    assert by_os == {"iOS": 2, "Android": 2}
    assert scrape.of("xmon_frames_total", "phone") == 200
    assert scrape.of("xmon_slow_frames_total", "phone") == 15
    assert scrape.of("xmon_new_installs_total", "phone") == 1
    assert scrape.of("xmon_active_users", "phone", window="5m") == 3
    assert scrape.of("xmon_app_start_seconds_sum", "phone") == pytest.approx(2.4)
    crashes = [scrape.of("xmon_app_crashes_total", "phone", kind=kind) for kind in ("crash", "anr", "hang", "non-fatal")]
    assert crashes == [2, 1, None, 1]
    assert scrape.of("xmon_crashed_sessions_total", "phone") == 1
    assert scrape.of("xmon_crash_free_session_ratio", "phone", window="5m") == 3 / 4
    assert scrape.of("xmon_anr_ratio", "phone", window="5m") == 1 / 4
    links = scrape.by("xmon_link_errors_total", "app", "dimension", "value", "kind", "reason")
    assert links["shop", "all", "all", "page-link", "http"] == 2
    assert links["shop", "host", "shop.example", "page-link", "http"] == 2
    assert links["shop", "page", "/", "page-link", "http"] == 2
    assert links["shop", "all", "all", "deep-link", "scheme"] == 1
    assert scrape.of("xmon_link_errors_per_view", "shop", window="5m") == 3 / 4
    steps = ("queued", "answered", "abandoned", "resolved")
    assert [scrape.of(f"xmon_contacts_{step}_total", "help") for step in steps] == [4, 2, 1, 1]
    assert scrape.of("xmon_contacts_waiting", "help") == 1
    assert scrape.of("xmon_contact_wait_seconds_sum", "help") == 40
    assert scrape.of("xmon_contact_abandon_seconds_sum", "help") == 3


def the_api_knows_when(serve: Process, then: int, now: int) -> None:
    """Only what happened in a stretch of time is in it."""
    stretches = {
        "then": {"from": then, "to": then + MINUTE_MS},
        "now": {"from": now, "to": now + PANE_MS},
        "between": {"from": then + MINUTE_MS, "to": now},
        "both": {"from": then, "to": now + PANE_MS},
        "5m": {"window": "5m"},
        "15m": {"window": "15m"},
    }
    found = {name: serve.figure("page_views", **when) for name, when in stretches.items()}
    views = {name: readings.get(("shop", "all", "count")) for name, readings in found.items()}
    assert views == {"then": 4, "now": 4, "between": None, "both": 8, "5m": 4, "15m": 8}


def the_api_knows_the_rest(serve: Process, now: int) -> None:
    by_page = serve.figure("page_views", window="15m", by="page", app="shop", statistic="count")
    assert {page: n for (_, page, _), n in by_page.items()} == {"/a": 5, "/b": 2, "/orders/:id": 1}
    load = serve.figure("page_load_seconds", window="15m", app="shop")
    assert load["shop", "all", "p75"] == pytest.approx(3, rel=0.02)  # rank ⌊0.75 · 5⌋ of 0.1, 1, 2, 3, 8, 9
    assert load["shop", "all", "p50"] == pytest.approx(2, rel=0.02)
    assert load["shop", "all", "mean"] == pytest.approx(3.85)
    answer = serve.figure("average_speed_of_answer_seconds", window="5m")
    assert answer["help", "all", "value"] == 20
    assert serve.figure("service_level", window="5m")["help", "all", "value", "f4"] == 1 / 2
    assert serve.figure("handle_seconds", window="5m", by="queue")["help", "orders", "mean"] == 150
    longest = serve.json("/api/v1/figures", figure="longest_wait_seconds", window="1m", app="help")
    waited = (1000 * datetime.fromisoformat(longest["at"]).timestamp() - now) / 1000 + 30
    assert [reading["value"] for reading in longest["readings"]] == [pytest.approx(waited, abs=0.002)]
    assert serve.figure("resolution_seconds", window="5m")["help", "all", "mean"] == 60
