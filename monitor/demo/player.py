"""Plays the story in real time: every moment is published when its second has come."""

import asyncio
import random
import time
from collections.abc import Mapping

from monitor.demo.story import tell
from streams.events.envelope import EventFamily
from streams.kafka.publish import Publisher

STEP_SECONDS = 0.1


async def play(
    publisher: Publisher, families: Mapping[str, EventFamily], *, seed: int | None = None, past_seconds: int = 0
) -> None:
    """Publishes for ever. The quiet past is published at once, so that a page opens with something to show."""
    seed = random.randrange(2**32) if seed is None else seed
    begun = time.time()
    for moment in tell(seed, -past_seconds):
        if moment.at > 0 and (ahead := begun + moment.at - time.time()) > 0:
            await publisher.flush()
            await asyncio.sleep(max(ahead, STEP_SECONDS))
        happened_ms = int((begun + moment.at) * 1000)
        event = {**moment.fields, "timestamp": happened_ms}
        await publisher.send(families[moment.family], event, happened_ms)
