"""The JSON API, `/metrics` over HTTP, and what load balancers ask."""

import asyncio
import threading
from math import nan

import httpx
import pytest
from fastapi.testclient import TestClient

from monitor.api import MOST_SPANS, create_app
from streams.reading.figures import Reading, Series
from tests.monitor.fake_snapshot import (
    CRITICAL,
    NOON_MS,
    ROWS,
    FakeAlerts,
    FakeSnapshot,
    FakeSource,
    alert,
    healthy,
)


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def client(source):
    return TestClient(create_app(source, FakeAlerts(CRITICAL)), raise_server_exceptions=False)


def figures(client, **parameters):
    return client.get("/api/v1/figures", params=parameters)


def test_a_figure_over_a_window(client):
    """The answer says which figure, window, moment and completeness it is about."""
    body = figures(client, figure="page_load_failure_ratio", window="15m", app="shop", environment="production").json()
    reading = body.pop("readings")[0]

    assert body == {
        "figure": "page_load_failure_ratio",
        "unit": "ratio",
        "window": "15m",
        "by": "all",
        "complete": True,
        "at": "2026-01-01T12:00:00.000Z",
    }
    assert reading["series"] == {"app": "shop", "environment": "production", "dimension": "all", "value": "all"}
    assert (reading["labels"], reading["statistic"]) == ({}, "value")
    assert reading["n"] == 36_000
    assert reading["low"] < reading["value"] < reading["high"]


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-01-01T11:59:01Z", "2026-01-01T12:00:01+00:00"), (str(NOON_MS - 59_000), str(NOON_MS + 1_000))],
)
def test_a_figure_over_a_span_says_which_span_was_used(client, start, end):
    """Instants are RFC 3339 or epoch milliseconds; the answer gives the ends back as they were aligned to panes."""
    body = figures(client, figure="page_views", **{"from": start, "to": end}).json()

    assert (body["from"], body["to"]) == ("2026-01-01T11:59:00.000Z", "2026-01-01T12:00:10.000Z")
    assert "window" not in body


@pytest.mark.parametrize("end", ["2026-01-01T12:00:10.001Z", "2026-01-01T13:00:00Z", "9999-12-31T23:59:59.999Z"])
def test_a_span_ends_with_the_running_pane_at_the_latest(client, end):
    """What is not yet over is answered as far as it has come, and the answer says so."""
    body = figures(client, figure="page_views", **{"from": "2026-01-01T11:59:01Z", "to": end}).json()

    assert (body["from"], body["to"]) == ("2026-01-01T11:59:00.000Z", "2026-01-01T12:00:10.000Z")


async def test_few_stretches_are_added_up_at_a_time(source, monkeypatch):
    """Each is work for whoever asks; the others are told so at once, and windows are answered meanwhile."""
    begun, over = threading.Semaphore(0), threading.Event()

    def slowly(*_):
        begun.release()
        over.wait(30)
        return []

    monkeypatch.setattr(source.snapshot, "read_span", slowly, raising=False)
    span = {"figure": "page_views", "from": str(NOON_MS - 600_000), "to": str(NOON_MS - 300_000)}
    transport = httpx.ASGITransport(create_app(source))
    async with httpx.AsyncClient(transport=transport, base_url="http://serve") as client:
        asking = [asyncio.create_task(client.get("/api/v1/figures", params=span)) for _ in range(MOST_SPANS)]
        for _ in asking:
            await asyncio.to_thread(begun.acquire, timeout=30)
        refused = await client.get("/api/v1/figures", params=span)
        window = await client.get("/api/v1/figures", params={"figure": "page_views"})
        over.set()
        answers = [(await answer).status_code for answer in asking]
        again = await client.get("/api/v1/figures", params=span)

    assert (refused.status_code, refused.json()["error"], window.status_code) == (503, "busy", 200)
    assert (answers, again.status_code) == ([200] * MOST_SPANS, 200)


def test_readings_are_narrowed(client):
    """app, environment, value and statistic filter by equality."""
    wanted = {"app": "shop", "environment": "staging", "by": "page", "value": "/checkout", "statistic": "p95"}
    readings = figures(client, figure="page_load_seconds", **wanted).json()["readings"]

    assert [r["statistic"] for r in readings] == ["p95"]
    assert readings[0]["series"] == {"app": "shop", "environment": "staging", "dimension": "page", "value": "/checkout"}


def test_what_is_not_a_number_is_null(client, source):
    """JSON has no NaN."""
    unknown = Reading(Series("shop", "production"), "value", 7.0, 3, (), nan, nan)
    source.snapshot.read = lambda *_: (unknown,)

    reading = figures(client, figure="contacts_waiting").json()["readings"][0]
    assert (reading["low"], reading["high"]) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "status", "error", "hint"),
    [
        ({}, 400, "missing_parameter", "figure="),
        ({"figure": "page_load_second"}, 404, "unknown_figure", "page_load_seconds"),
        ({"figure": "zzz"}, 404, "unknown_figure", "/api/v1/catalogue"),
        ({"figure": "cls", "window": "5min"}, 400, "unknown_window", "5m"),
        ({"figure": "cls", "by": "pge"}, 400, "unknown_by", "page"),
        ({"figure": "cls", "statistic": "p42"}, 400, "unknown_statistic", "p75"),
        ({"figure": "cls", "windw": "5m"}, 400, "unknown_parameter", "window"),
        ({"figure": "cls", "from": "2026-01-01T12:00:00Z"}, 400, "half_a_span", "to="),
        ({"figure": "cls", "from": "1", "to": "2", "window": "5m"}, 400, "window_and_span", "out"),
        ({"figure": "cls", "from": "yesterday", "to": "2"}, 400, "bad_instant", "RFC 3339"),
        ({"figure": "cls", "from": "2026-01-01T12:00:00", "to": "2"}, 400, "bad_instant", "offset"),
        ({"figure": "cls", "from": "9" * 30, "to": "2"}, 400, "bad_instant", "milliseconds"),
        ({"figure": "cls", "from": "2000", "to": "1000"}, 400, "bad_span", "Exchange"),
        ({"figure": "cls", "from": "2026-01-01T10:59:49Z", "to": "2026-01-01T12:00:00Z"}, 400, "too_long_ago", "Prometheus"),
        (
            {"figure": "cls", "from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999Z"},
            400,
            "too_long_ago",
            "Prometheus",
        ),
        ({"figure": "cls", "from": "2026-01-01T12:00:10Z", "to": "2026-01-01T12:01:00Z"}, 400, "in_the_future", "12:00:10"),
        ({"figure": "cls", "from": "9999-12-31T23:59:59Z", "to": "9999-12-31T23:59:59.999Z"}, 400, "in_the_future", "before"),
        (
            {"figure": "longest_wait_seconds", "from": "2026-01-01T11:50:00Z", "to": "2026-01-01T11:55:00Z"},
            *(400, "live_figure", "Leave from and to out"),
        ),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_with_a_hint(client, parameters, status, error, hint):
    """Every refusal has a code for scripts, a message and what to do instead."""
    answer = figures(client, **parameters)

    assert answer.status_code == status
    assert answer.json()["error"] == error
    assert hint in answer.json()["hint"]


def test_a_fault_inside_shows_no_traceback(client, source):
    """What went wrong stays in the log."""
    source.snapshot.read = lambda *_: 1 / 0
    answer = figures(client, figure="cls")

    assert answer.status_code == 500
    assert answer.json()["error"] == "internal"
    assert "ZeroDivision" not in answer.text


def test_unknown_paths_and_methods_are_refused_in_json(client):
    """A script that mistypes an address can read why."""
    assert client.get("/api/v2/figures").json()["error"] == "not_found"
    assert client.post("/api/v1/figures").json()["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/api/v1/figures?figure=cls", "/api/v1/catalogue"])
def test_stale_figures_are_not_answered(client, source, path):
    """Like /metrics, the API gives no figure rather than an old one."""
    source.health = healthy(up=False, age_seconds=20.0)
    answer = client.get(path)

    assert (answer.status_code, answer.json()["error"]) == (503, "stale")


def test_the_catalogue_lists_every_figure(client):
    """Names, units, statistics, labels and dimensions: all that a question can be made of."""
    rows = client.get("/api/v1/catalogue").json()["figures"]

    assert [row["name"] for row in rows] == [row.name for row in ROWS]
    assert rows[3]["statistics"] == ["p75", "p50", "p95", "p99", "mean"]


def test_alerts_are_listed_with_value_limit_and_interval(client):
    """A script sees what a person sees."""
    body = client.get("/api/v1/alerts").json()
    found = body["alerts"][0]

    assert (found["rule"], found["state"], found["severity"]) == ("page-load-failures", "firing", "critical")
    assert (found["value"], found["limit"], found["low"], found["n"]) == (0.0431, 0.02, 0.0364, 2940)
    assert found["series"]["value"] == "/checkout"
    assert found["since"] == "2026-01-01T11:53:48.000Z"
    assert body["engine"]["targets"][1]["last_error"] == "HTTP 503"


def test_an_alert_without_a_value_is_listed(source):
    """A finding may have no number."""
    odd = alert("gone", "nowhere", Series("shop", "production"))
    body = TestClient(create_app(source, FakeAlerts(odd))).get("/api/v1/alerts").json()

    assert body["alerts"][0]["value"] is None


def test_health_tells_partitions_workers_and_counters(client):
    """All of the monitor's own state in one answer."""
    body = client.get("/api/v1/health").json()

    assert body["status"] == "fresh"
    assert body["partitions"][0]["partition"] == "experience.page-load:0"
    assert body["dead_letters_total"] == {"bad_json": 3, "clock_skew": 1}


@pytest.mark.parametrize("snapshot", [None, FakeSnapshot()])
def test_healthz_is_always_200(client, source, snapshot):
    """A fault elsewhere is told, and is no reason to restart this process."""
    source.snapshot, source.health = snapshot, healthy(up=False, age_seconds=99.0, problems=("Redis is away.",))
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["problems"]) == ("stale", ["Redis is away."])


def test_readyz_waits_for_the_first_complete_snapshot_and_refuses_stale_ones():
    """Once complete it stays ready through a partition that falls behind, but not through stale figures."""
    source = FakeSource(FakeSnapshot(complete=False), healthy(complete=False))
    app = create_app(source)
    live, client = app.state.live, TestClient(app)

    def ready(now):
        live.look(now)
        return client.get("/readyz").status_code

    assert ready(1) == 503
    source.snapshot, source.health = FakeSnapshot(), healthy()
    assert ready(2) == 200
    source.snapshot, source.health = FakeSnapshot(complete=False), healthy(complete=False)
    assert ready(3) == 200
    source.health = healthy(up=False, age_seconds=16.0)
    assert ready(4) == 503


def test_metrics_are_negotiated_and_compressed(client):
    """Prometheus gets OpenMetrics and gzip when it asks for them."""
    plain = client.get("/metrics", headers={"accept-encoding": "identity"})
    asked = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.headers["content-encoding"] == "gzip"
    assert asked.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/v1/nothing", "/static/page.js"])
def test_every_answer_keeps_browsers_careful(client, path):
    """Own files only, no sniffing, no referrer, and no other site may read."""
    headers = client.get(path, headers={"origin": "https://elsewhere.example"}).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_a_foreign_host_name_is_refused_where_names_are_given(source):
    """With its names known, it cannot be read through another name that points to it."""
    client = TestClient(create_app(source, allowed_hosts=["monitor.example"]), base_url="http://evil.example")

    assert client.get("/healthz").status_code == 400
