"""The live page: what it shows, that nothing in it can be smuggled in, and that it stays up to date."""

import asyncio
import json
import re
import socket

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from monitor.api import create_app
from monitor.web import text
from monitor.web.breakdown import lines
from monitor.web.draw import sparkline
from monitor.web.history import SPAN_MS, STEP_MS, History
from monitor.web.page import Pages, View
from streams.reading.figures import Reading, Series
from tests.monitor.fake_snapshot import (
    CRITICAL,
    NOON_MS,
    WARNING,
    FakeAlerts,
    FakeSnapshot,
    FakeSource,
    alert,
    healthy,
)

HOSTILE = "<script>alert(1)</script>\"'\n&amp;"
FIGURE = "/figure/page_load_seconds"


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def client(source):
    return TestClient(create_app(source, FakeAlerts(CRITICAL, WARNING), brokers="kafka.example:9092"))


def look(app, source, at_ms):
    """Lets the app see one more snapshot."""
    source.snapshot = FakeSnapshot(at_ms)
    app.state.live.look(at_ms / 1000)


def test_figures_stand_under_the_question_they_answer(client):
    """A reader looks for an answer, not for a metric name."""
    page = client.get("/").text
    question, figure = page.index("Is the website down or overloaded often?"), page.index("Page load failure")

    assert question < figure < page.index("Do pages load at their best speed?")


def test_alerts_come_first_and_critical_before_warning(client):
    """What is bad, how bad against its limit, for how long, where, who and what to do."""
    page = client.get("/").text

    assert page.index("Failed page loads") < page.index("Contacts answered in 20 s") < page.index('<main id="main">')
    for words in ("4.3 %", "above 2 %", "3.6–5.1 %", "6 min", "page /checkout", "web team", "https://runbooks.example/"):
        assert words in page


def test_a_card_is_marked_while_an_alert_fires_on_its_figure(client):
    """The eye finds the figure behind an alert."""
    cards = re.findall(r'<div class="card (\w+)"', client.get("/").text)

    assert cards == ["critical", "warning"]


def test_without_alerts_the_page_is_calm(source):
    """Silence is said, so that nobody wonders whether alerts are looked at."""
    assert "All quiet" in TestClient(create_app(source)).get("/").text


@pytest.mark.parametrize(
    ("health", "state", "why"),
    [
        (healthy(), "Live", ""),
        (healthy(complete=False, problems=("page-load:3 is 12 s behind.",)), "Incomplete", "page-load:3 is 12 s behind."),
        (healthy(up=False, age_seconds=27.0), "Stale", "The figures are 27 s old."),
    ],
)
def test_the_header_says_how_far_to_trust_the_page(source, client, health, state, why):
    """Live, incomplete or stale, and why."""
    source.health = health
    page = client.get("/").text

    assert f">{state}</span>" in page
    assert why in page


def test_stale_figures_are_not_called_quiet(source):
    """Nobody knows whether an alert would fire."""
    source.health = healthy(up=False, age_seconds=27.0)

    assert "All quiet" not in TestClient(create_app(source)).get("/").text


@pytest.mark.parametrize("snapshot", [None, FakeSnapshot(scopes=())])
def test_an_empty_page_says_how_to_fill_it(source, client, snapshot):
    """A newcomer gets a command that works as it stands."""
    source.snapshot = snapshot
    page = client.get("/").text

    assert "kcat -P -b kafka.example:9092 -t experience.page-load" in page
    assert "xmon topics list" in page


def test_the_detail_page_lists_the_worst_value_first(client):
    """By dimension, with interval and samples."""
    page = client.get(FIGURE, params={"app": "shop", "environment": "production", "by": "page"}).text
    rows = re.findall(r'<th scope="row">(.*?)</th>', page)

    assert rows[0] == "__other__"
    assert rows[-1] == "/"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/figure/page_load_second", 404, "Did you mean page_load_seconds"),
        (f"{FIGURE}?window=2m", 400, "Allowed: 1m, 5m, 15m, 1h"),
        (f"{FIGURE}?by=<b>", 400, "Allowed: all, page"),
        (f"{FIGURE}?statistic=p1", 400, "Allowed: p75"),
    ],
)
def test_a_wrong_address_is_answered_with_a_page_that_helps(client, path, status, words):
    """People get a page, not JSON, and the nearest name."""
    answer = client.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.text
    assert "<b>" not in answer.text


def test_hostile_names_are_shown_and_do_nothing(source):
    """Names of apps, labels and alerts come from events: they are text wherever they stand."""
    source.snapshot = FakeSnapshot(scopes=[(HOSTILE, HOSTILE)])
    words = {"summary": HOSTILE, "owner": HOSTILE, "note": HOSTILE, "common": HOSTILE, "labels": (("kind", HOSTILE),)}
    place = Series(HOSTILE, HOSTILE, "page", HOSTILE)
    runbooks = ("javascript:alert(1)", "https://[wiki]/slow")
    found = [alert("rule", "page_load_seconds", place, runbook=runbook, **words) for runbook in runbooks]
    client = TestClient(create_app(source, FakeAlerts(*found)))

    for page in (client.get("/").text, client.get(FIGURE, params={"app": HOSTILE, "by": "page"}).text):
        assert page.count("<script") == 1  # the page's own
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert 'href="javascript:' not in page


def test_of_very_many_apps_the_first_are_shown(source):
    """The page stays one that can be read, and says how many there are besides."""
    source.snapshot = FakeSnapshot(scopes=[(f"app-{number:03}", "production") for number in range(53)])
    page = TestClient(create_app(source)).get("/").text

    assert "app-049" in page
    assert "app-050" not in page
    assert "3 more apps are not shown here" in page


def test_the_overview_is_written_once_for_all():
    """Whatever else an address says."""
    assert View.of({"window": "1h", "variant": "7", "app": "x"}) == View("1h")
    assert View.of({"window": "1h", "app": "x"}, "cls").app == "x"


def test_nothing_on_the_page_is_inline(client):
    """The content security policy would refuse it."""
    for page in (client.get("/").text, client.get(FIGURE).text):
        assert not re.search(r"\sstyle=|\son\w+=|<style", page)


async def test_the_event_stream_sends_what_changed(source):
    """First everything, then only the fragments that differ."""
    app = create_app(source, FakeAlerts(CRITICAL))
    live = app.state.live
    pages = Pages(live, "", "")
    look(app, source, NOON_MS)
    stream = pages.events(View())
    first = json.loads((await anext(stream)).removeprefix("data: "))
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    look(app, source, NOON_MS + 1000)
    second = json.loads((await waiting).removeprefix("data: "))
    await stream.aclose()

    assert first.keys() == {"status", "alerts", "spoken", "main"}
    assert "12:00:01" in second["status"]
    assert "main" not in second
    assert any(name.startswith("c-") for name in second)
    assert pages.streams == 0


async def test_event_streams_end_with_the_app(source):
    """A server that stops waits for its answers: these would never end by themselves."""
    live = create_app(source).state.live
    stream = Pages(live, "", "").events(View())
    await anext(stream)
    live.close()

    assert [event async for event in stream] == []


async def test_an_alert_marks_its_card_without_a_reload(source):
    """What is red is part of what is exchanged."""
    alerts = FakeAlerts()
    app = create_app(source, alerts)
    pages = Pages(app.state.live, "", "")
    before = pages.fragments(View())
    alerts.found = (CRITICAL,)
    app.state.live.look(1.0)
    changed = pages.fragments(View()).changes(before)

    assert "main" not in changed
    assert [html for name, html in changed.items() if name.startswith("c-") and 'class="card critical"' in html]


async def test_a_new_app_exchanges_the_whole_overview(source):
    """Cards are exchanged one by one only while they are the same cards."""
    app = create_app(source)
    pages = Pages(app.state.live, "", "")
    before = pages.fragments(View())
    source.snapshot = FakeSnapshot(scopes=[("shop", "production"), ("new", "production")])
    app.state.live.look(1.0)

    assert "main" in pages.fragments(View()).changes(before)


async def test_a_browser_is_kept_up_to_date_over_http(source):
    """The stream starts at once, over a real connection, uncompressed and uncached."""
    app = create_app(source, FakeAlerts(CRITICAL))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/events?window=1m"
        async with httpx.AsyncClient(timeout=10) as http, http.stream("GET", url) as answer:
            line = await anext(answer.aiter_lines())
        app.state.live.close()
        server.should_exit = True
        await serving

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    assert "Failed page loads" in json.loads(line.removeprefix("data: "))["alerts"]


def test_the_curve_shows_the_last_ten_minutes(source):
    """One point each ten seconds, and no more than fit."""
    app = create_app(source)
    for second in range(0, 1200, 5):
        look(app, source, NOON_MS + second * 1000)
    points = app.state.live.history.points("shop", "production", "page_load_seconds")

    assert len(points) == SPAN_MS // STEP_MS + 1
    assert points[-1][0] == NOON_MS + 1_190_000


def test_history_is_bounded():
    """However many apps come, a ring more than the limit is not kept, and what is gone is forgotten."""
    history = History(limit=1)
    for app in ("one", "two"):
        history.add(NOON_MS, "cls", [Reading(Series(app, "production"), "p75", 0.1, 5)])

    assert history.points("one", "production", "cls")
    assert not history.points("two", "production", "cls")
    history.forget(NOON_MS + SPAN_MS + 1)
    assert not history.points("one", "production", "cls")


def test_a_gap_in_time_is_a_gap_in_the_curve():
    """Points with nothing known between them are not joined."""
    path = sparkline([(0, 1.0), (10_000, 2.0), (200_000, 1.5), (210_000, 1.0)], SPAN_MS)

    assert [part[0] for part in re.findall(r"[ML][^ML]+", path)] == ["M", "L", "M", "L"]


def test_one_bad_sample_does_not_lead_the_list():
    """Worst first goes by the end of the interval that favours a value: 1 of 1 is less sure than 40 of 400."""

    def reading(value, share, n, low, high):
        return Reading(Series("shop", "production", "page", value), "value", share, n, (), low, high)

    figure = FakeSnapshot().figures["page_load_failure_ratio"]
    found = lines(figure, [reading("/a", 1.0, 1, 0.05, 1.0), reading("/b", 0.1, 400, 0.074, 0.133)], "value", "")

    assert [line.value for line in found] == ["/b", "/a"]


@pytest.mark.parametrize(
    ("value", "unit", "statistic", "name", "shown"),
    [
        (0.0042, "ratio", "value", "x_ratio", ("0.42", "%")),
        (0.99912, "ratio", "value", "x_ratio", ("99.91", "%")),
        (0.5, "ratio", "value", "x_ratio", ("50.0", "%")),
        (1.0, "ratio", "value", "x_ratio", ("100", "%")),
        (0.42, "seconds", "p75", "x_seconds", ("420", "ms")),
        (1.843, "seconds", "p75", "x_seconds", ("1.84", "s")),
        (59.97, "seconds", "p75", "x_seconds", ("60.0", "s")),
        (119.7, "seconds", "value", "x_seconds", ("2:00", "min")),
        (7200.0, "seconds", "value", "x_seconds", ("2.0", "h")),
        (1.5, "", "per_second", "page_views", ("90", "per min")),
        (0.0163, "ratio", "value", "page_errors_per_view", ("1.63", "per 100 views")),
        (0.945, "ratio", "value", "page_load_apdex", ("0.945", "")),
        (3243.0, "", "value", "visitors", ("3\u202f243", "")),
        (float("nan"), "", "value", "visitors", ("–", "")),
    ],
)
def test_values_are_shown_in_human_units(value, unit, statistic, name, shown):
    """Percent, milliseconds, per minute: what a person would say."""
    assert text.amount(value, unit, statistic, name) == shown


@pytest.mark.parametrize(
    ("n", "shown"), [(940, "940"), (9_999, "9\u202f999"), (12_400, "12.4\u202fk"), (3_100_000, "3.1\u202fM")]
)
def test_sample_counts_are_short(n, shown):
    """Small type has little room."""
    assert text.samples(n) == shown
