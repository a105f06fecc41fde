"""The contract of a condition.

A new kind is a new file in this room: a frozen dataclass whose fields are what a rule file gives under its key, and a
constant `CONDITIONS` that maps keys to classes. `__post_init__` raises ValueError, in words for the author of the rule,
for values that make no sense together.
"""

from collections.abc import Iterator
from typing import Protocol

from alerts.observation import Observation
from alerts.selection import Selection, Snapshot
from streams.reading.figures import Labels, Series


class Condition(Protocol):
    """Judges every series of a selection. It may read further windows of the same snapshot."""

    @property
    def relation(self) -> str:
        """How a bad value stands to its limit, for people: "above", "below"."""
        ...

    def observe(self, selection: Selection, snapshot: Snapshot) -> Iterator[Observation]:
        """One observation for each series that the snapshot holds."""
        ...

    def absent(self, selection: Selection, series: Series, labels: Labels, *, complete: bool) -> Observation:
        """What is known of a series of the selection that the snapshot does not hold."""
        ...
