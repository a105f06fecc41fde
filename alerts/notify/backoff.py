"""How long to leave a target alone."""

from collections.abc import Callable
from math import inf

_FIRST_MS = 1_000
_LONGEST_MS = 60_000


class Backoff:
    """Twice as long after each failure in a row, up to a minute; jittered, so that many monitors do not knock as one. In
    no case longer than `most_ms`."""

    def __init__(self, jitter: Callable[[], float], most_ms: float = inf) -> None:
        self._jitter = jitter  # 0 … 1
        self._most_ms = most_ms
        self._failures = 0
        self._until_ms = 0.0

    def over(self, now_ms: int) -> bool:
        return now_ms >= self._until_ms

    def failed(self, now_ms: int, asked_ms: int = 0) -> None:
        """Counts a failure; waits at least as long as the target asked for, within `most_ms`."""
        longest = min(_FIRST_MS * 2 ** min(self._failures, 16), _LONGEST_MS)
        self._failures += 1
        self._until_ms = now_ms + min(max(longest * (0.5 + self._jitter() / 2), asked_ms), self._most_ms)

    def succeeded(self) -> None:
        self._failures, self._until_ms = 0, 0.0
