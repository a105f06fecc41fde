"""From send to seen, of every event of a load: by when it was due, and when the count first reached it."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from monitor.bench.load import Load


@dataclass(frozen=True, slots=True)
class Seen:
    """So many events were counted, as was first seen so many seconds after the start."""

    seconds: float
    count: int


class Latencies:
    """Counts hold no names: events are taken to be counted in the order in which they were sent."""

    def __init__(self, load: Load, seen: Sequence[Seen]) -> None:
        self._load = load
        self._rises: list[tuple[int, Seen]] = []  # (how many were seen before, what was seen)
        for one in seen:
            before = self._rises[-1][1].count if self._rises else 0
            if one.count > before:
                self._rises.append((before, one))

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the events that were seen had been seen, to the millisecond."""
        if not self._rises:
            return None
        rank = max(ceil(share * self._rises[-1][1].count), 1)
        longest = max(seen.seconds - self._load.due_seconds(before) for before, seen in self._rises)
        return bisect_left(range(ceil(longest * 1000)), rank, key=self._within) / 1000

    def _within(self, milliseconds: int) -> int:
        """How many events had been seen within this time."""
        return sum(self._late_enough(before, seen, milliseconds / 1000) for before, seen in self._rises)

    def _late_enough(self, before: int, seen: Seen, seconds: float) -> int:
        """Of those first seen together, the ones that were due last waited least."""
        first = ceil((seen.seconds - seconds) * self._load.rate)
        return seen.count - min(max(first, before), seen.count)
