"""The webhook against a real HTTP server."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urljoin

import httpx
import pytest

from alerts.alert import Notification
from alerts.evaluation import evaluate
from alerts.notify import http
from alerts.notify.courier import Courier
from alerts.notify.target import Rejected, Unavailable
from alerts.notify.webhook import Webhook
from alerts.outbox import Outbox
from streams.reading.figures import Series
from tests.alerts.fakes import START_MS, reading, rule, snapshot
from tests.alerts.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as opened:
        yield opened


def _news() -> Notification:
    pages = [reading(0.2, 500, 0.18, 0.24, Series("checkout", "production", "page", page)) for page in ("/", "/cart")]
    watched = rule(by="page", owner="web team", runbook="https://wiki/failures")
    (news,) = evaluate([watched], {}, snapshot(0, *pages)).notifications
    return news


async def test_the_body_is_alertmanagers_with_more_in_it(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """Receivers of Alertmanager's version 4 find every field; ours stand beside them in each alert."""
    await Webhook("chat", receiver.url, client, page_url="https://xmon.example").send(_news(), START_MS)

    body = json.loads(receiver.requests[0].body)
    (cart,) = [alert for alert in body["alerts"] if alert["labels"]["value"] == "/cart"]
    assert {name: body[name] for name in ("version", "status", "receiver", "truncatedAlerts", "groupLabels")} == {
        "version": "4",
        "status": "firing",
        "receiver": "chat",
        "truncatedAlerts": 0,
        "groupLabels": {"alertname": "failures"},
    }
    assert body["groupKey"] == '{}:{alertname="failures"}'
    assert body["externalURL"] == "https://xmon.example"
    assert "value" not in body["commonLabels"]
    assert cart["labels"] == {**body["commonLabels"], "value": "/cart"}
    assert body["commonLabels"]["severity"] == "warning"
    assert cart["annotations"]["summary"].startswith("checkout failed loads (page /cart) 20 % (95 % interval 18–24 %")
    assert cart["annotations"]["runbook_url"] == "https://wiki/failures"
    assert (cart["startsAt"], cart["endsAt"]) == ("2025-11-22T08:00:00.000Z", "0001-01-01T00:00:00Z")
    assert (cart["value"], cart["limit"], cart["n"], cart["low"], cart["high"]) == (0.2, 0.05, 500, 0.18, 0.24)


async def test_an_end_is_told_as_resolved(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """Status and end of an alert that is over, with the fingerprint it had when it fired."""
    firing = evaluate([rule()], {}, snapshot(0, 0.2))
    (over,) = evaluate([rule()], firing.alerts, snapshot(60, 0.0)).notifications
    target = Webhook("chat", receiver.url, client)
    await target.send(firing.notifications[0], START_MS)
    await target.send(over, START_MS)

    first, last = (json.loads(request.body) for request in receiver.requests)
    assert (last["status"], last["alerts"][0]["status"]) == ("resolved", "resolved")
    assert last["alerts"][0]["endsAt"] == "2025-11-22T08:01:00.000Z"
    assert last["alerts"][0]["fingerprint"] == first["alerts"][0]["fingerprint"]


@pytest.mark.parametrize(
    ("secret", "key"), [("whsec_c2VjcmV0", b"secret"), ("plain text", b"plain text")], ids=["whsec", "plain"]
)
async def test_the_signature_verifies(receiver: Receiver, client: httpx.AsyncClient, secret: str, key: bytes) -> None:
    """As Standard Webhooks says: HMAC-SHA256 over id, timestamp and body."""
    await Webhook("chat", receiver.url, client, secret=secret).send(_news(), START_MS + 5_999)

    (request,) = receiver.requests
    assert request.headers["webhook-timestamp"] == str(START_MS // 1000 + 5)
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_nothing_is_signed_without_a_secret(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """No secret, no signature; the id is there all the same."""
    await Webhook("chat", receiver.url, client).send(_news(), START_MS)

    assert "webhook-signature" not in receiver.requests[0].headers
    assert receiver.requests[0].headers["webhook-id"].startswith("msg_")


def test_a_broken_secret_is_told_at_once() -> None:
    """Not at the first alert."""
    for secret in ("whsec_*", "whsec_"):
        with pytest.raises(ValueError, match="no base64 follows"):
            Webhook("chat", "http://x", httpx.AsyncClient(), secret=secret)


@pytest.mark.parametrize(
    ("answer", "error", "reason", "wait_ms"),
    [
        (500, Unavailable, "server_error", 0),
        ((503, {"retry-after": "30"}), Unavailable, "server_error", 30_000),
        ((429, {"retry-after": "999999"}), Unavailable, "rate_limited", 3_600_000),
        ((503, {"retry-after": "9" * 5000}), Unavailable, "server_error", 3_600_000),  # more digits than int() reads
        ((429, {"retry-after": "Wed, 21 Oct 2025 07:28:00 GMT"}), Unavailable, "rate_limited", 0),
        (408, Unavailable, "timeout", 0),
        (400, Rejected, "rejected", 0),
        (404, Rejected, "rejected", 0),
        ((302, {"location": "/elsewhere"}), Rejected, "rejected", 0),
    ],
)
async def test_what_an_answer_means(receiver, client, answer, error, reason, wait_ms) -> None:
    """Whether to wait for the target or to leave the notification; redirects are not followed."""
    receiver.answers = [answer]
    with pytest.raises(error) as raised:
        await Webhook("chat", receiver.url, client).send(_news(), START_MS)

    assert (raised.value.reason, raised.value.retry_after_ms) == (reason, wait_ms)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("charset", ["undefined", "idna", "rot13", "base64", "no-such"])
async def test_an_answer_in_any_charset_is_an_answer(receiver: Receiver, client: httpx.AsyncClient, charset: str) -> None:
    """Some that Python knows cannot be read as text."""
    receiver.answers, receiver.said = [(404, {"content-type": f"text/html; charset={charset}"})], b"nothing \xff here"
    with pytest.raises(Rejected, match=r"HTTP 404 nothing . here"):
        await Webhook("chat", receiver.url, client).send(_news(), START_MS)


async def test_an_answer_that_repeats_the_address_keeps_its_secrets(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """As many servers do with a path that they do not know; it is shown to everybody."""
    receiver.answers, receiver.said = [404, 404], b"Cannot POST /services/hunter2-hunter2?key=hunter%2F3-hunter3"
    for url in ("services/hunter2-hunter2?key=hunter%2F3-hunter3", "services/hunter2%2Dhunter2?key=hunter/3-hunter3"):
        with pytest.raises(Rejected, match="HTTP 404 Cannot POST") as raised:
            await Webhook("chat", urljoin(receiver.url, f"/{url}"), client).send(_news(), START_MS)
        assert "hunter" not in str(raised.value)


async def test_of_an_endless_answer_the_beginning_is_read(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """It may be as large as it likes."""
    receiver.answers, receiver.said = [500], b"x" * 50_000_000
    with pytest.raises(Unavailable) as raised:
        await Webhook("chat", receiver.url, client).send(_news(), START_MS)
    assert len(str(raised.value)) < 300


async def test_an_answer_that_drips_has_an_end(
    receiver: Receiver, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is how long it takes together."""
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.5)
    receiver.answers, receiver.said, receiver.drips = [500], b"x" * 20, 0.2
    with pytest.raises(Unavailable) as raised:
        await Webhook("chat", receiver.url, client).send(_news(), START_MS)
    assert raised.value.reason == "timeout"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/?key=secret", "http://[?key=secret", "https://127.0.0.1:1"])
async def test_nobody_there(client: httpx.AsyncClient, url: str) -> None:
    """No connection is a reason to wait; the error keeps the secrets of the URL."""
    with pytest.raises(Unavailable) as raised:
        await Webhook("chat", url, client).send(_news(), START_MS)

    assert "secret" not in str(raised.value)


async def test_500_then_200(receiver: Receiver, client: httpx.AsyncClient) -> None:
    """The second attempt carries the same id and body; then the notification is gone."""
    receiver.answers = [500]
    outbox, news = Outbox(), _news()
    outbox.add({("chat", news.id): news})
    courier = Courier(Webhook("chat", receiver.url, client, secret="s"), outbox, jitter=lambda: 1.0)
    for second in (0, 0.5, 2):
        await courier.turn(START_MS + round(second * 1000))

    first, second_try = receiver.requests
    assert first.headers["webhook-id"] == second_try.headers["webhook-id"]
    assert first.body == second_try.body
    assert first.headers["webhook-signature"] != second_try.headers["webhook-signature"]
    assert outbox.waiting("chat") == []
    assert outbox.done() == {("chat", news.id)}
