"""A worker's own page: health in a body, and metrics that Prometheus accepts."""

import asyncio
import shutil
import subprocess

import pytest
from httpx import ASGITransport, AsyncClient, Response

from monitor.worker_page import Overheard, create_worker_app
from streams.status import PartitionStatus, WorkerStatus

PARTITION = PartitionStatus(
    topic="experience.page-load",
    number=3,
    next=17,
    lag=None,
    age_seconds=0.2,
    checkpoint_seconds=0.004,
    checkpoint_bytes=900,
    problem="reading the state: away",
)


class Board:
    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None:
        self.heard = (worker, ttl_seconds)


@pytest.fixture
async def overheard() -> Overheard:
    board = Overheard(Board())
    await board.announce("w1", WorkerStatus("w1", "1.0", 1, (PARTITION,)).encode(), 15)
    return board


async def get(path: str, board: Overheard, *, healthy: bool = True) -> Response:
    app = create_worker_app(board, lambda: healthy)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://worker") as client:
        return await client.get(path)


async def test_what_is_said_is_passed_on(overheard: Overheard) -> None:
    """The board behind it hears all."""
    assert overheard.board.heard == ("w1", 15)
    assert overheard.status == WorkerStatus("w1", "1.0", 1, (PARTITION,))


async def test_health_is_in_the_body(overheard: Overheard) -> None:
    """A worker whose Redis is away must not be restarted for it."""
    answer = await get("/healthz", overheard, healthy=False)
    problems = ["experience.page-load:3: reading the state: away"]
    assert (answer.status_code, answer.json()) == (200, {"joined": True, "store": False, "problems": problems})


async def test_before_it_has_joined() -> None:
    """A worker that waits is alive too, and has no partitions."""
    waiting = Overheard(Board())
    assert (await get("/healthz", waiting)).json()["joined"] is False
    assert "xmon_worker_held_partitions 0.0" in (await get("/metrics", waiting)).text


async def test_metrics_are_as_prometheus_wants_them(overheard: Overheard) -> None:
    """`promtool check metrics` has nothing to say; what is unknown is absent."""
    text = (await get("/metrics", overheard)).text
    assert 'xmon_worker_next_offset{topic="experience.page-load",partition="3"} 17.0' in text
    assert "xmon_worker_lag_records{" not in text
    if promtool := shutil.which("promtool"):
        assert await asyncio.to_thread(complaints, promtool, text) == ""


def complaints(promtool: str, text: str) -> str:
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return checked.stdout + checked.stderr
