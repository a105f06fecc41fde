"""Many seeds of the simulator, on all cores: `python -m tests.faults.simulate 1000`, or `… 17 18` for the seed 17 alone."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.simulator import USUAL, Odds, World, hurry

ROOT = Path(__file__).parents[2]
Different = dict[int, list[str]]


async def outcome(world: World) -> list[str]:
    """What is different; of the intact protocol an error too."""
    try:
        return await world.run()
    except Exception as error:  # noqa: BLE001
        return ["".join(traceback.format_exception(error)[-3:])]


async def run(seeds: Iterable[int], odds: Odds = USUAL) -> Different:
    """The differences of those seeds that end with any."""
    return {seed: found for seed in seeds if (found := await outcome(World(seed, odds=odds)))}


def run_all(seeds: range) -> tuple[Different, float]:
    """The differences of all, and seeds per second; each core takes its share."""
    cores, begun = os.cpu_count() or 1, time.monotonic()
    command = [sys.executable, "-m", __name__]
    shares = [seeds[core::cores] for core in range(cores)]
    processes = [
        subprocess.Popen([*command, *map(str, (s.start, s.stop, s.step))], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for s in shares
    ]
    different: Different = {}
    for process in processes:
        answer, _ = process.communicate()
        assert process.returncode == 0, f"{process.args} ended with {process.returncode}"
        different |= {int(seed): found for seed, found in json.loads(answer).items()}
    return different, len(seeds) / (time.monotonic() - begun)


if __name__ == "__main__":
    logging.disable()
    hurry(pytest.MonkeyPatch())
    sys.stdout.write(json.dumps(asyncio.run(run(range(*map(int, sys.argv[1:])))), indent=1) + "\n")
