"""Whatever happens to commands, workers, Redis and the log: the hash and the readers end with what the oracle counts.

The long form is a part of `make faults`: XMON_SIMULATOR_SEEDS=5000.
"""

import os
import sys
import uuid
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.faults.judge import everything_stored
from tests.faults.simulate import run_all
from tests.faults.simulator import World

SEEDS = int(os.environ.get("XMON_SIMULATOR_SEEDS", "300"))


def test_nothing_the_world_does_changes_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """Lost, late and halved calls, killed workers, zombies, rollbacks and retention: no cell differs in any seed."""
    different, per_second = run_all(range(SEEDS))
    with capsys.disabled():
        sys.stdout.write(f"\n{SEEDS} seeds, {per_second:.0f} a second\n")
    assert different == {}


@pytest.mark.usefixtures("hurried")
async def test_a_seed_repeats_itself() -> None:
    """The same seed meets the same faults in the same order."""
    first, second = World(3), World(3)
    assert (await first.run(), await second.run()) == ([], [])
    assert first.faults == second.faults != []


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("seed", range(10))
async def test_a_real_redis_tells_the_same_story(real_redis: Redis, seed: int) -> None:
    """The same faults, the same decisions and the same content at the end: what holds in the dict holds in Redis."""
    await real_redis.script_flush()  # the dict knows no script yet either
    world, real = World(seed), World(seed, real_redis, f"sim-{uuid.uuid4().hex[:12]}")
    assert await world.run() == await real.run() == []
    assert await _everything(world) == await _everything(real)


async def _everything(world: World) -> list[Any]:
    """What was met, where the seed's dice stand, and all that is stored."""
    store, stored = world.store, await everything_stored(world)
    return [world.faults, world.rng.getstate(), stored, await store.partitions(), await store.workers()]
