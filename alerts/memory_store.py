"""Alerts kept in memory, for tests and for a monitor without Redis. Engines that share one see the same."""

import time
from collections.abc import Callable, Mapping, Sequence


class MemoryAlertStore:
    """Implements AlertStore."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._holder = ""
        self._held_until = 0.0
        self._token: str | None = None
        self._kept: dict[str, str] = {}

    async def hold(self, holder: str, ttl_ms: int) -> bool:
        now = self._clock()
        if self._holder != holder and now < self._held_until:
            return False
        self._holder, self._held_until = holder, now + ttl_ms / 1000
        return True

    async def take_over(self, token: str) -> None:
        self._token = token

    async def read(self) -> dict[str, str]:
        return dict(self._kept)

    async def write(self, token: str, put: Mapping[str, str], drop: Sequence[str]) -> bool:
        if token != self._token:
            return False
        self._kept |= put
        for name in drop:
            self._kept.pop(name, None)
        return True
