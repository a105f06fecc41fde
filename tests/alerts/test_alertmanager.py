"""The target against a real Alertmanager."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from alerts.alert import Alert, Notification
from alerts.evaluation import evaluate
from alerts.notify.alertmanager import RESEND_MS, Alertmanager
from tests.alerts.fakes import FakeSnapshot, reading, rule
from tests.services.prometheus import Alertmanager as Server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as opened:
        yield opened


@pytest.fixture
def server(start_alertmanager: Callable[[str], Server]) -> Server:
    return start_alertmanager("{route: {receiver: nobody}, receivers: [{name: nobody}]}")


class World:
    """Alerts on values, told to a server; it lives by the real clock, as Alertmanager does."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self.target = Alertmanager("am", server.url, client, page_url="https://xmon.example")
        self.server = server
        self.client = client
        self.alerts: dict = {}

    async def tell(self, *values: float) -> None:
        now_ms = round(time.time() * 1000)
        for value in values:
            watched = rule(critical=0.5, owner="web team")
            self.alerts = evaluate([watched], self.alerts, FakeSnapshot(now_ms, (reading(value),))).alerts
        told: tuple[Alert, ...] = tuple(self.alerts.values())
        await self.target.send(Notification("", "", now_ms, told), now_ms)

    async def known(self) -> list[dict[str, Any]]:
        """What Alertmanager takes for firing."""
        return (await self.client.get(f"{self.server.url}/api/v2/alerts?active=true")).json()


async def test_alertmanager_takes_what_fires(server: Server, client: httpx.AsyncClient) -> None:
    """Labels to route by, words to read, and an end four resends ahead."""
    world = World(server, client)
    await world.tell(0.2)

    (alert,) = await world.known()
    assert alert["labels"] == {
        "alertname": "failures",
        "severity": "warning",
        "app": "checkout",
        "environment": "production",
        "dimension": "all",
        "value": "all",
        "figure": "page_load_failure_ratio",
        "window": "5m",
        "owner": "web team",
    }
    assert alert["annotations"]["summary"] == "checkout failed loads 20 % (n 1 000) above 5 % for 0 s"
    assert alert["generatorURL"].startswith("https://xmon.example/figure/page_load_failure_ratio?")
    starts, ends = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
    assert (ends - starts).total_seconds() * 1000 == 4 * RESEND_MS


async def test_alertmanager_learns_of_the_end(server: Server, client: httpx.AsyncClient) -> None:
    """A resolved alert is active no longer."""
    world = World(server, client)
    await world.tell(0.2)
    assert len(await world.known()) == 1
    await world.tell(0.0)

    assert await world.known() == []


async def test_an_escalation_replaces_the_warning(server: Server, client: httpx.AsyncClient) -> None:
    """Severity is a label, so the warning ends in the request that brings the critical one."""
    world = World(server, client)
    await world.tell(0.2)
    await world.tell(0.7)

    assert [alert["labels"]["severity"] for alert in await world.known()] == ["critical"]


async def test_an_escalated_alert_ends_as_a_whole(server: Server, client: httpx.AsyncClient) -> None:
    """Neither severity is left behind."""
    world = World(server, client)
    await world.tell(0.2)
    await world.tell(0.7)
    await world.tell(0.0)

    assert await world.known() == []
