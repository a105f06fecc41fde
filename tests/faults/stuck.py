"""`xmon worker` that gets stuck: python stuck.py FAULT EXIT_CODE. It does so once the file `now` lies in its directory, and has
a second from then on, where a worker has minutes. A refused write is remembered for five, where it is ten. Everything else has
its usual time.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor import cli, connections, services
from streams.kafka import watchdog, worker
from streams.kafka.consumer_thread import ConsumerThread
from streams.kafka.exit_codes import ExitCode
from streams.pipeline import Pipeline

LIMIT_SECONDS = 1.0
REFUSED_SECONDS = 5.0  # longer than the two that a worker waits before it tries again
FOR_EVER = 3600.0


def is_now() -> bool:
    return Path("now").exists()


def instead(place: type, name: str, stuck: Callable[..., Any]) -> None:
    """What is stuck gets what it replaces as its first argument."""
    before = getattr(place, name)

    async def method(self: Any, *arguments: Any) -> Any:
        return await stuck(before, self, *arguments)

    setattr(place, name, method)


def nothing() -> None:
    """What is wrong is outside."""


def blocked_loop() -> None:
    """As a library does that computes, or waits for a server, without giving way."""

    async def tick(before: Any, pipeline: Pipeline) -> None:
        if is_now():
            time.sleep(FOR_EVER)  # noqa: ASYNC251
        await before(pipeline)

    instead(Pipeline, "tick", tick)


def silent_fetcher() -> None:
    """Fetches bring nothing, and nobody is told."""

    async def batches(before: Any, thread: Any) -> Any:
        if is_now():
            await asyncio.sleep(LIMIT_SECONDS)
            return []
        return await before(thread)

    instead(ConsumerThread, "_batches", batches)


def waiting_agent() -> None:
    """One agent waits for something that never comes; those of the other topics work on."""

    async def feed(before: Any, pipeline: Pipeline, batch: Any) -> None:
        if is_now() and batch.partition.topic.endswith("contact"):
            await asyncio.sleep(FOR_EVER)
        await before(pipeline, batch)

    instead(Pipeline, "feed", feed)


def endless_rebalance() -> None:
    """The group shares out anew, and the way from there to the first fetch has no end."""
    asked = False

    async def batches(before: Any, thread: Any) -> Any:
        nonlocal asked
        if is_now() and not asked:
            asked = True
            thread._ensure_consumer()._coordinator.request_rejoin()
        return await before(thread)

    async def positions(before: Any, pipeline: Pipeline, *partitions: Any) -> Any:
        if is_now():
            await asyncio.sleep(FOR_EVER)
        return await before(pipeline, *partitions)

    instead(ConsumerThread, "_batches", batches)
    instead(Pipeline, "positions", positions)


def hung_stop() -> None:
    """What is asked to end blocks the loop instead."""

    async def tick(before: Any, living: Any) -> None:
        try:
            await before(living)
        finally:
            time.sleep(FOR_EVER)  # noqa: ASYNC251

    instead(worker.Worker, "_tick", tick)


def hurry(code: ExitCode) -> None:
    """Shortens the way to this end."""
    while not is_now():
        time.sleep(0.05)
    if code in watchdog.LIMITS:
        watchdog.LIMITS[code] = replace(watchdog.LIMITS[code], seconds=LIMIT_SECONDS, sessions=0)


FAULTS = {
    fault.__name__: fault for fault in (nothing, blocked_loop, silent_fetcher, waiting_agent, endless_rebalance, hung_stop)
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    watchdog.PERIOD_SECONDS, worker.LAG_SECONDS, worker.LAG_PATIENCE_SECONDS = 0.2, 0.2, 1.0
    connections.REFUSED_SECONDS = REFUSED_SECONDS
    of_settings = services.kafka_settings
    services.kafka_settings = lambda settings: replace(of_settings(settings), stop_within_seconds=LIMIT_SECONDS)
    threading.Thread(target=hurry, args=[ExitCode(int(sys.argv[2]))], daemon=True).start()
    sys.argv[1:] = ["worker"]
    cli.main()
