"""What the simulator and its mutants share."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.services.redis import RedisServer


@pytest.fixture
async def client(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """A connection to a real Redis; waits between attempts are left out."""
    monkeypatch.setattr("streams.runner.FIRST_PAUSE_SECONDS", 0)
    async with Redis.from_url(redis_server.url) as client:
        yield client
