"""Whatever happens to commands, workers, Redis and the log: the hashes and the readers end with what the oracle counts."""

import os
import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.faults.simulator import World
from tests.services.redis import RedisServer

SEEDS = int(os.environ.get("XMON_FAULT_SEEDS", "120"))
GROUPS = 8  # so that a failure names its neighbourhood, and a run can be cut short


@pytest.fixture
async def client(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """A connection to a real Redis; waits between attempts are left out."""
    monkeypatch.setattr("streams.runner.FIRST_PAUSE_SECONDS", 0)
    async with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.mark.parametrize("group", range(GROUPS))
async def test_nothing_the_world_does_changes_a_figure(client: Redis, group: int) -> None:
    """Lost, late and halved commands, killed workers, zombies, rollbacks and retention: no cell differs in any seed."""
    different = {}
    for seed in range(group, SEEDS, GROUPS):
        found = await World(seed, client, f"sim-{uuid.uuid4().hex[:12]}").run()
        if found:
            different[seed] = found
    assert different == {}
