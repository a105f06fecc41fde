"""What all partitions together must say, by their oracles; what was added up once is kept, for one `serve` after the other."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from typing import Any

from tests.faults import observed, readings
from tests.faults.figures import Series
from tests.faults.model import NOW
from tests.faults.oracle import MINUTE_MS, PANE_MS, Cells, Oracle
from tests.faults.site import Place

Stretch = tuple[int, int]  # from, to; epoch ms


class Expected:
    """Of these partitions."""

    def __init__(self, oracles: Mapping[Place, Oracle]) -> None:
        self.oracles = oracles
        self.folded_until = max((oracle.folded_until for oracle in oracles.values()), default=0)
        self._cells: dict[Stretch, Cells] = {}
        self._said: dict[Stretch, readings.Said] = {}

    def aligned(self, from_ms: int, to_ms: int) -> Stretch:
        """The stretch that is answered: out to whole panes, and to whole minutes where panes have been folded."""
        low, high = (MINUTE_MS if at < self.folded_until else PANE_MS for at in (from_ms, to_ms))
        return from_ms // low * low, -(-to_ms // high) * high

    def cells(self, stretch: Stretch) -> Cells:
        """What was counted in an aligned stretch."""
        if stretch not in self._cells:
            self._cells[stretch] = observed.merged(oracle.span(*stretch) for oracle in self.oracles.values())
        return self._cells[stretch]

    def said(self, stretch: Stretch) -> readings.Said:
        """All that is said of an aligned stretch that is over."""
        if stretch not in self._said:
            self._said[stretch] = readings.of_span(self.cells(stretch), (stretch[1] - stretch[0]) / 1000)
        return self._said[stretch]

    def totals(self, stretch: Stretch) -> Cells:
        """The same of the totals of apps, for which the rest need not be added up."""
        parts = [parts for start, parts in self._totals.items() if stretch[0] <= start < stretch[1]]
        return observed.merged(chain.from_iterable(parts))

    @cached_property
    def _totals(self) -> dict[int, list[Cells]]:
        """By the instant at which a minute or a pane begins."""
        found: dict[int, list[Cells]] = defaultdict(list)
        for oracle in self.oracles.values():
            for start, cells in (*oracle.minutes.items(), *oracle.panes.items()):
                found[start].append({key: amount for key, amount in cells.items() if key[0][2] == "all"})
        return found

    @cached_property
    def lifetime(self) -> Counter[Any]:
        """Everything ever counted."""
        return observed.merged(oracle.lifetime() for oracle in self.oracles.values())

    def now(self, at_ms: int) -> dict[Any, float]:
        """(figure, *series) → what figures of now say at this instant: 0 for each known series in which nobody waits."""
        many, longest = NOW
        found: dict[Any, float] = {(many, *series): n for series, (n, _) in self._waiting.items()}
        for series, (_, first) in self._waiting.items():
            found[longest, *series] = 0 if first is None else (at_ms - first) / 1000
        return found

    @cached_property
    def _waiting(self) -> dict[Series, tuple[int, int | None]]:
        """By series that is known: how many wait, and since when the first of them does."""
        contacts = [oracle for (family, _), oracle in self.oracles.items() if family == "contact"]
        found: dict[Series, tuple[int, int | None]] = {}
        found |= dict.fromkeys((series for oracle in contacts for series in oracle.names.known), (0, None))
        for oracle in contacts:
            for series, (n, since) in oracle.contacts.live(oracle.names.known).items():
                before, first = found[series]
                found[series] = before + n, since if first is None else min(first, since)
        return found
