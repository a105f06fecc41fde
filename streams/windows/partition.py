"""The state of one partition: a pure function of its records.

No clock, no I/O, no randomness, nothing that depends on how the records were cut into batches: the same records give the same
state, byte for byte. That is what makes the checkpoint protocol so small (docs/decisions/0001-one-write-a-checkpoint.md).
`storage.py` turns the state into fields of a hash and back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from streams.events.decode import Decoder, Reason, Record, Refusal
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.columns import Columns, Pseudonym
from streams.metrics.stored import Added, Layout
from streams.windows import time
from streams.windows.pane import Pane
from streams.windows.seen import Seen
from streams.windows.series import SeriesIndex, hour_of
from streams.windows.tables import HORIZON_MS
from streams.windows.uniques import hash64, hashes64

Array = np.ndarray
_NOTHING: Mapping[int, str] = {}
MAX_LATENESS_MS = 15 * time.MINUTE_MS  # more open panes would not fit the one write of a checkpoint


@dataclass(frozen=True, slots=True)
class Policy:
    """What a partition's state depends on besides its records. Part of the stored layout: a change of it starts anew."""

    lateness_ms: int = 120_000
    max_event_bytes: int = 262_144
    max_values: int = 1000
    max_scopes: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.lateness_ms <= MAX_LATENESS_MS:
            raise ValueError(f"lateness must be between 0 and {MAX_LATENESS_MS // 1000} s")


@dataclass(frozen=True, slots=True)
class CellsOnly:
    """Columns of the lifetime totals: counters, histograms and sums."""

    cells: int
    buckets: int = 0
    registers: int = 0


@dataclass
class Partition:
    """Applies records in the order of their offsets."""

    family: FamilyMetrics
    policy: Policy = field(default_factory=Policy)
    pseudonym: Pseudonym = hash64

    def __post_init__(self) -> None:
        self.layout = Layout(self.family.figures)
        self.series = SeriesIndex(self.family.dimensions, self.policy.max_values, self.policy.max_scopes)
        self.table = self.family.table() if self.family.table else None
        self.ids = Seen()
        self.panes: dict[int, Pane] = {}
        self.totals = Pane(CellsOnly(self.layout.cells))
        self.minutes: dict[int, bytes] = {}  # folded since the last checkpoint
        self.obsolete: list[bytes] = []  # fields that the next checkpoint makes superfluous
        self.next = 0
        self.watermark = time.NEVER
        self.folded_until = 0
        self.counts: Counter[str] = Counter()
        self._decoder = Decoder(self.family.event, self.policy.max_event_bytes)

    def apply(self, records: Sequence[Record], unusable: Mapping[int, str] = _NOTHING) -> list[Refusal]:
        """Takes the records that come next; returns those that are no events. `unusable`: offsets at which a mistake of
        ours was met, and which; the state must be dropped when this raises."""
        aside: list[Refusal] = []
        if unusable:
            aside = [Refusal(r, Reason.INVALID, unusable[r.offset]) for r in records if r.offset in unusable]
        usable = [r for r in records if r.offset not in unusable] if aside else records
        decoded = self._decoder.decode(usable)
        refused = decoded.refused + aside
        self.next = records[-1].offset + 1
        self.counts["records"] += len(records)
        self.counts["clock_corrections"] += decoded.clock_corrections
        self.counts["unknown_fields"] += decoded.unknown_fields
        for refusal in refused:
            self.counts[f"dead_letters:{refusal.reason}"] += 1
        if decoded.events:
            self._enrich(decoded.events)
            self._apply(Columns(decoded.events, self.pseudonym), decoded.times)
        return refused

    def _enrich(self, events: Sequence[Any]) -> None:
        family = self.family.event
        if family.enrich and any(map(attrgetter(family.enriched_from), events)):
            for event in events:
                family.enrich(event)

    def _apply(self, columns: Columns, times: Array) -> None:
        """Cuts at the records at which a pane closes: within a run, the same panes are open for every record."""
        closed = time.closed_until(time.watermarks(self.watermark, times), self.policy.lateness_ms)
        at = np.arange(len(columns))
        for start, end in time.runs(closed):
            part = columns if end - start == len(columns) else columns.take((start <= at) & (at < end))
            self._apply_run(part, times[start:end], int(closed[start]))
        self.watermark = max(self.watermark, int(times.max()))

    def _apply_run(self, columns: Columns, times: Array, closed: int) -> None:
        self._fold(time.floor_ms(closed, time.MINUTE_MS))
        panes = times // time.PANE_MS * time.PANE_MS
        late = panes + time.PANE_MS <= closed
        fresh = self._deduplicate(columns, panes, late)
        synthetic = columns.equals("synthetic", True)
        self.counts["late"] += int(late.sum())
        self.counts["duplicates"] += int((~fresh).sum())
        self.counts["synthetic"] += int((synthetic & fresh & ~late).sum())
        kept = fresh & ~synthetic if self.table else fresh & ~synthetic & ~late
        if not kept.all():
            columns, times, late = columns.take(kept), times[kept], late[kept]
        if self.table:
            columns, times = self.table.measure(columns, times, late, closed)
        if len(columns):
            self._add(columns, times, closed)

    def _deduplicate(self, columns: Columns, panes: Array, late: Array) -> Array:
        """bool[n]: False for an identity that an open pane has counted. A late record is late, whatever its identity."""
        ids = hashes64(columns.values("id"))
        fresh = np.ones(len(columns), dtype=bool)
        asked = np.flatnonzero((ids != 0) & ~late)
        fresh[asked] = self.ids.first_time(ids[asked], panes[asked])
        return fresh

    def _add(self, columns: Columns, times: Array, closed: int) -> None:
        codes = self.series.codes(columns, hour_of(closed))
        added = self.layout.measure(columns)
        panes = times // time.PANE_MS * time.PANE_MS
        for start in time.distinct(panes):
            pane = self.panes.get(start) or self._open(start)
            pane.add(*_chosen(panes == start, codes, added))

    def _open(self, start: int) -> Pane:
        """With as much room as the pane before it took."""
        before = self.panes.get(start - time.PANE_MS)
        pane = self.panes[start] = Pane(self.layout, before.used) if before else Pane(self.layout)
        return pane

    def _fold(self, until: int) -> None:
        """Closed minutes go into the lifetime totals and into a minute each, and their panes are given up."""
        if until <= self.folded_until:
            return
        for minute in sorted({time.floor_ms(start, time.MINUTE_MS) for start in self.panes if start < until}):
            whole = Pane(self.layout)
            for start in sorted(start for start in self.panes if minute <= start < minute + time.MINUTE_MS):
                pane = self.panes.pop(start)
                whole.merge(pane)
                self.obsolete += [b"p:%d:%d" % (start, block) for block in pane.blocks()]
            (rows,) = whole.content()
            self.totals.take(rows)
            self.minutes[minute] = rows.encode()
        gone = self.ids.drop_before(until)
        self.obsolete += [b"i:%d:%d" % (start, chunk) for start, chunks in gone.items() for chunk in range(chunks)]
        if hour_of(until) > hour_of(self.folded_until):
            self._forget(until)
        self.folded_until = until

    def _forget(self, until: int) -> None:
        """Once an hour of event time: what nobody has met for a day."""
        if self.table:
            self.obsolete += [b"t:" + name.encode() for name in self.table.expire(until - HORIZON_MS)]
        held = np.concatenate([np.empty(0, np.int64), *(pane.series() for pane in self.panes.values())])
        self.totals.clear(np.array(self.series.expire(hour_of(until), held), dtype=np.int64))


def _chosen(mask: Array, codes: Array, added: Added) -> tuple[Array, Added]:
    """The part of a batch that lies in one pane."""
    if mask.all():
        return codes, added
    place = np.cumsum(mask) - 1

    def part(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        inside = mask[arrays[0]]
        return place[arrays[0][inside]], *(array[inside] for array in arrays[1:])

    return codes[mask], Added(part(added.cells), part(added.sums), part(added.buckets), part(added.registers))  # type: ignore[arg-type]
