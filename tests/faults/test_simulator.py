"""Whatever happens to commands, workers, Redis and the log: the hash and the readers end with what the oracle counts."""

import os
import uuid

import pytest
from redis.asyncio import Redis

from tests.faults.simulator import World

SEEDS = int(os.environ.get("XMON_FAULT_SEEDS", "80"))
GROUPS = 8


@pytest.mark.parametrize("group", range(GROUPS))
async def test_nothing_the_world_does_changes_a_figure(client: Redis, group: int) -> None:
    """Lost, late and halved commands, killed workers, zombies, rollbacks and retention: no cell differs in any seed."""
    different = {}
    for seed in range(group, SEEDS, GROUPS):
        found = await World(seed, client, f"sim-{uuid.uuid4().hex[:12]}").run()
        if found:
            different[seed] = found
    assert different == {}


async def test_a_seed_repeats_itself(client: Redis) -> None:
    """The same seed meets the same faults in the same order."""
    first, second = (World(3, client, f"sim-{uuid.uuid4().hex[:12]}") for _ in range(2))
    assert (await first.run(), await second.run()) == ([], [])
    assert first.faults == second.faults != []
