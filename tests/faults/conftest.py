"""What the simulator and its mutants share."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.faults.simulator import hurry
from tests.services.redis import RedisServer


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated time only."""
    hurry(monkeypatch)


@pytest.fixture
async def real_redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A connection to a real Redis."""
    async with Redis.from_url(redis_server.url) as client:
        yield client
