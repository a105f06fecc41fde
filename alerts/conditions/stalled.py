"""Figures that are behind: the one condition that judges the monitor itself, and that no rule file can name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from alerts.observation import Observation, Severity, absent
from alerts.selection import Selection, Snapshot
from streams.reading.figures import Labels, Reading, Series

PIPELINE = Series("monitor", "all")


@dataclass(frozen=True, slots=True)
class Stalled:
    """Critical while the snapshot is incomplete; to know that is complete knowledge, so it may resolve."""

    relation: ClassVar[str] = "above"

    def observe(self, selection: Selection, snapshot: Snapshot) -> Iterator[Observation]:
        problems = max(len(snapshot.problems), 1) if not snapshot.complete else 0
        yield Observation(
            Reading(PIPELINE, selection.statistic, float(problems), n=1),
            severity=None if snapshot.complete else Severity.CRITICAL,
            limit=0.0,
            enough=True,
            complete=True,
            clear=snapshot.complete,
            note="; ".join(snapshot.problems),
        )

    def absent(self, selection: Selection, series: Series, labels: Labels, *, complete: bool) -> Observation:
        """Nothing: the one series there is is always observed."""
        del selection, series, labels
        return absent(complete=complete)
