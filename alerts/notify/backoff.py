"""How long to leave a target alone."""

from collections.abc import Callable

_FIRST_MS = 1_000
_LONGEST_MS = 60_000


class Backoff:
    """Twice as long after each failure in a row, up to a minute; jittered, so that many monitors do not knock as one."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter  # 0 … 1
        self._failures = 0
        self._until_ms = 0

    def over(self, now_ms: int) -> bool:
        return now_ms >= self._until_ms

    def failed(self, now_ms: int, asked_ms: int = 0) -> None:
        """Counts a failure; waits at least as long as the target asked for."""
        longest = min(_FIRST_MS * 2 ** min(self._failures, 16), _LONGEST_MS)
        self._failures += 1
        self._until_ms = now_ms + max(round(longest * (0.5 + self._jitter() / 2)), asked_ms)

    def succeeded(self) -> None:
        self._failures = self._until_ms = 0
