"""The monitor's own counters as figures that rules can name: by how much they grew in a window.

A counter tells a total and no time. So the engine notes what has been added since it last looked, minute by minute, and keeps
that with the alerts: what grew while nobody looked is seen by the next one who does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, nan

from alerts.conditions.stalled import PIPELINE
from alerts.selection import Snapshot
from streams.reading.figures import Reading
from streams.reading.health import COUNTERS
from streams.reading.snapshot import WINDOWS
from streams.windows.time import MINUTE_MS, floor_ms

Totals = Mapping[str, int]
"""By value of the counter's label."""


@dataclass(frozen=True, slots=True)
class Own:
    """A counter as rules see a figure. Live: it is everything that was counted, and no sample of it."""

    counter: str
    dimensions: tuple[str, ...]
    unit: str = ""
    kind: str = "live"
    statistics: tuple[str, ...] = ("count",)
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.counter.removesuffix("_total")


FIGURES: Mapping[str, Own] = {own.name: own for own in (Own(counter, (label,)) for counter, label, _ in COUNTERS)}


@dataclass(frozen=True, slots=True)
class Growth:
    """One counter: its totals when last seen, and what was added to them in each minute of the last hour."""

    totals: Totals | None = None  # None: never seen
    minutes: Mapping[int, Totals] = field(default_factory=dict)
    since_ms: int = 0  # of the first look

    def seen(self, totals: Totals, at_ms: int) -> "Growth":
        """After a look. The first one adds nothing; after it, what was not there before counts in full."""
        if self.totals is None:
            return Growth(dict(totals), since_ms=at_ms)
        added = Counter(totals) - Counter(self.totals)
        minutes = {**self._since(at_ms, "1h")}
        if added:
            minute = floor_ms(at_ms, MINUTE_MS)
            minutes[minute] = Counter(minutes.get(minute, {})) + added
        return Growth({**self.totals, **totals}, minutes, self.since_ms)

    def read(self, window: str, dimension: str, at_ms: int) -> Iterator[Reading]:
        """What was added in a window, which reaches back to a whole minute. That it was nothing is known too, so n is 1. Of a
        window that began before the first look, it is known as at least."""
        added = Counter[str]()
        for one in self._since(at_ms, window).values():
            added.update(one)
        by = {value: added[value] for value in self.totals or ()}
        if dimension == "all":
            by = {"all": sum(by.values())}
        watched = self.totals is not None and at_ms - WINDOWS[window] >= self.since_ms
        for value, n in by.items():
            low, high = (nan, nan) if watched else (float(n), inf)
            series = replace(PIPELINE, dimension=dimension, value=value)
            yield Reading(series, "count", float(n), max(n, 1), low=low, high=high)

    def _since(self, at_ms: int, window: str) -> Mapping[int, Totals]:
        return {minute: added for minute, added in self.minutes.items() if minute + MINUTE_MS > at_ms - WINDOWS[window]}


def seen(known: Mapping[str, Growth], figures: Iterable[str], counts: Mapping[str, Totals], at_ms: int) -> dict[str, Growth]:
    """By figure what is known of it after a look at a snapshot's counters, of which there are none until the reader is sure."""
    before = {figure: known.get(figure, Growth()) for figure in figures if figure in FIGURES}
    if not counts:
        return before
    return {figure: growth.seen(counts[FIGURES[figure].counter], at_ms) for figure, growth in before.items()}


@dataclass(frozen=True, slots=True)
class Watched:
    """A snapshot in which the monitor's own counters are figures too."""

    snapshot: Snapshot
    growth: Mapping[str, Growth]

    @property
    def at_ms(self) -> int:
        return self.snapshot.at_ms

    @property
    def complete(self) -> bool:
        return self.snapshot.complete

    @property
    def problems(self) -> Sequence[str]:
        return self.snapshot.problems

    def read(self, figure: str, window: str, dimension: str = "all") -> Sequence[Reading]:
        if figure in self.growth:
            return tuple(self.growth[figure].read(window, dimension, self.at_ms))
        return self.snapshot.read(figure, window, dimension)
