"""By which ways a stored state may have come to be, as the world knows them that gave out the records.

A way is what was counted, stretch by stretch. Whatever lies between two stretches of one log was lost, and must have been: the
worker had been given all before it, and was then told that the log begins after it. So a loss that is too large, too small or
not counted leads to no way at all.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.streams.records import Raw

LOG = 1 << 48  # a position is the offset, plus this times the number of a branch


class Stretch(NamedTuple):
    """Records of a log from one offset to before another, all of them counted."""

    log: int
    start: int
    end: int


Way = tuple[Stretch, ...]


class Head(NamedTuple):
    """Where a hash stands, and what it says of itself."""

    position: int
    log: str
    records: int
    lost: int

    @property
    def offset(self) -> int:
        return self.position % LOG


class Gap(NamedTuple):
    """A worker that had been given all before one offset was told that the log begins at another."""

    log: int
    given: int
    start: int


@dataclass
class Ways:
    """`logs` are all there ever were under the topic's name, the newest last, none of them cut; `ids` are their names."""

    logs: list[list[Raw]]
    ids: list[str]
    to: dict[int, tuple[Way, ...]] = field(default_factory=dict)  # position → ways that lead there
    _starts: list[tuple[int, int]] = field(default_factory=list)  # logs, and where they began
    _gaps: set[Gap] = field(default_factory=set)

    def begins(self, log: int, start: int) -> None:
        """From now on this is where a log begins."""
        self._starts.append((log, start))

    def told(self, log: int, start: int, given: tuple[int, int]) -> None:
        """Somebody who was given all before `given`, a log and an offset, hears where the newest log begins."""
        if given[0] == log and given[1] < start:
            self._gaps.add(Gap(log, given[1], start))

    def moved(self, before: Head | None, after: Head, *, by_operator: bool) -> list[str]:
        """A write has moved the hash; what is wrong with that."""
        came = self.to[before.position] if before else ()
        if by_operator:
            log = self.ids.index(after.log)
            self.to[after.position] = tuple((*way, Stretch(log, after.offset, after.offset)) for way in came)
            return [] if (log, after.offset) in self._starts else [f"a reset goes on at {after.offset}, where no log began"]
        if before and before.log not in ("", after.log):
            return [f"what was counted of {before.log} goes on with {after.log}, and nobody has said so"]
        found = [
            way
            for way in self._onward(came, self.ids.index(after.log), after.offset)
            if (self._count(way), lost(way)) == (after.records, after.lost)
        ]
        self.to[after.position] = tuple(found)
        said = f"{after.records} records and {after.lost} lost offsets up to {after.offset}"
        return [] if found else [f"stored: {said}; no log held and lost that"]

    def records(self, stretch: Stretch) -> list[Raw]:
        return [record for record in self.logs[stretch.log] if stretch.start <= record.offset < stretch.end]

    def _count(self, way: Way) -> int:
        return sum(len(self.records(stretch)) for stretch in way)

    def _onward(self, came: Sequence[Way], log: int, end: int) -> Iterator[Way]:
        """All ways to an offset from those that lead to where a worker stood, or from the beginning of a log."""
        begun = came or [(Stretch(which, start, start),) for which, start in self._starts if which == log]
        for way in begun:
            yield from self._through(way, end)

    def _through(self, way: Way, end: int) -> Iterator[Way]:
        *before, last = way
        if last.end <= end:
            yield (*before, last._replace(end=end))
        for gap in sorted(self._gaps):
            if gap.log == last.log and last.end <= gap.given and gap.start <= end:
                over = (*before, last._replace(end=gap.given), Stretch(gap.log, gap.start, gap.start))
                yield from self._through(over, end)


def lost(way: Way) -> int:
    """How many offsets lie between the stretches of one log."""
    return sum(later.start - one.end for one, later in itertools.pairwise(way) if one.log == later.log)
