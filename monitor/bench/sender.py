"""Publishes a load by the clock: an event is sent when it is due, however the earlier ones fare (an open loop)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from monitor.bench.load import Load, Visits
from streams.events.envelope import EventFamily
from streams.events.page_load import FAMILY

TICK_SECONDS = 0.01
GRACE_SECONDS = 1.0  # for what was due in time


class Publishes(Protocol):
    """As `streams.kafka.publish.Publisher` does."""

    acknowledged: int

    async def require(self, family: EventFamily) -> None: ...
    async def send(self, family: EventFamily, event: Mapping[str, Any]) -> None: ...
    async def flush(self) -> None: ...


class Sender:
    """Sends, and knows how far it came."""

    def __init__(self, load: Load, publisher: Publishes, clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._publisher, self._clock = load, publisher, clock
        self._visits = Visits(load.run)
        self.sent = 0
        self.seconds = 0.0  # until the last was sent
        self.behind_seconds = 0.0  # at worst: longer than a tick or two where this machine cannot keep up

    async def run(self, begun: float) -> None:
        """Returns when all is sent and acknowledged. What cannot be sent in its time is left out."""
        for number in range(self._load.events):
            due = self._load.due_seconds(number)
            elapsed = await self._at(begun, due)
            self.behind_seconds = max(self.behind_seconds, elapsed - due)
            if elapsed > self._load.seconds + GRACE_SECONDS:
                break
            await self._publisher.send(FAMILY, self._visits.event(number, int(time.time() * 1000)))
            self.sent, self.seconds = number + 1, elapsed
        await self._publisher.flush()

    async def _at(self, begun: float, due: float) -> float:
        """Returns how many seconds have passed, once so many have."""
        while True:
            elapsed = self._clock() - begun
            if elapsed >= due:
                return elapsed
            await asyncio.sleep(TICK_SECONDS)
