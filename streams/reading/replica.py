"""A reader's copy of one partition: fetches only what changed, and never sees half a checkpoint."""

import json
import logging
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streams.metrics.stored import Layout
from streams.reading.names import Names
from streams.state.keys import PartitionId
from streams.windows import time
from streams.windows.packing import Versions, unpack_live, unpack_versions
from streams.windows.pane import BLOCKS
from streams.windows.position import NOWHERE, offset_of
from streams.windows.rows import Rows, decode
from streams.windows.series import read_names
from streams.windows.storage import HEAD, LIVE, MINUTE, SERIES, TOTALS

log = logging.getLogger(__name__)

Array = np.ndarray
ATTEMPTS = 3
UNREADABLE = "its stored state cannot be read"
_DAMAGED = ValueError, TypeError, LookupError, OverflowError, struct.error


class StateSource(Protocol):
    """Where the stored state is read; docs/architecture.md says what each call promises."""

    async def partitions(self) -> list[PartitionId]: ...
    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]: ...
    async def workers(self) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """Sparse content over rows of the family: (row × width + column, value) of each array."""

    cells: tuple[Array, Array]
    buckets: tuple[Array, Array]
    registers: tuple[Array, Array]

    @staticmethod
    def together(frames: Collection["Frame"]) -> "Frame":
        """Frames of different rows as one: an addition has a fixed price, whatever is added."""
        parts = ((f.cells for f in frames), (f.buckets for f in frames), (f.registers for f in frames))
        return Frame(*(_joined(list(pairs)) for pairs in parts))


@dataclass(frozen=True, slots=True)
class Frames:
    """What one minute or pane of a partition holds: everything, and the part of it that totals are."""

    everything: Frame
    totals: Frame

    @staticmethod
    def together(blocks: Collection["Frames"]) -> "Frames":
        return Frames(Frame.together([b.everything for b in blocks]), Frame.together([b.totals for b in blocks]))


@dataclass(slots=True)
class Replica:
    """What is known of one partition. Contents are replaced, never changed, so a snapshot may keep them."""

    partition: PartitionId
    layout: Layout
    names: Names
    columns: str  # what the stored layout must begin with
    problem: str = ""
    position: int = NOWHERE  # of the hash
    folded_until: int = 0
    watermark: int = time.NEVER
    counts: Counter[str] = field(default_factory=Counter)
    panes: dict[int, Frames] = field(default_factory=dict)
    minutes: dict[int, Frames] = field(default_factory=dict)
    live: tuple[Array, Array, Array] | None = None
    _blocks: dict[int, dict[int, Frames]] = field(default_factory=dict)  # pane, or TOTALS → block → content
    _versions: Versions = field(default_factory=dict)
    renamed: int = 0  # grows when series were met or forgotten
    _rows: dict[int, int] = field(default_factory=dict)  # the partition's series number → row
    _hours: dict[int, int] = field(default_factory=dict)  # the same → when it was last met; 0: before a pane was closed
    _missing: set[int] = field(default_factory=set)  # rows known before a rollback,
    _again: int = -1  # until the log is counted again as far as this offset

    @property
    def next(self) -> int:
        """The offset up to which records are counted; -1 where nothing is."""
        return -1 if self.position == NOWHERE else offset_of(self.position)

    @property
    def counts_again(self) -> bool:
        """Whether a rollback took something that was shown."""
        return self.next < self._again

    async def refresh(self, source: StateSource) -> None:
        """Reads what changed. What cannot be read is told of as a problem, and read again next time."""
        rows, missing, again, told = self._rows, self._missing, self._again, self.problem == UNREADABLE
        try:
            await self._refresh(source)
        except _DAMAGED as error:
            self._reset()
            self._missing = self._missing.union(missing, rows.values())  # whatever was taken before it failed
            self._again, self.problem = max(self._again, again), UNREADABLE
            if not told:
                log.warning("%s: %s: %.200r", self.partition, UNREADABLE, error)

    async def _refresh(self, source: StateSource) -> None:
        """A checkpoint between two reads makes it start over; after three it is left for next time."""
        head = await source.read(self.partition, HEAD)
        for _ in range(ATTEMPTS):
            if head[0] is None:
                self._reset()
                return
            if not (head[1] or b"").decode().startswith(f"{self.columns}:"):
                self._reset()
                self.problem = "its figures were written by another version, or with another catalogue"
                return
            versions = unpack_versions(head[4] or b"")
            changed = [key for key, version in versions.items() if self._versions.get(key) != version]
            contents: list[bytes | None] = []
            if changed:
                both = await source.read(self.partition, [*HEAD, *map(_field, changed)])
                if both[: len(HEAD)] != head:
                    head = both[: len(HEAD)]
                    continue
                contents = both[len(HEAD) :]
            self._take(head, versions, dict(zip(changed, contents, strict=True)))
            self.problem = ""
            return

    def _reset(self) -> None:
        self._move_to(NOWHERE)
        self.folded_until, self.live, self.problem = 0, None, ""
        self.panes, self.minutes, self._blocks, self._versions, self._rows, self._hours = {}, {}, {}, {}, {}, {}
        self.renamed += 1

    def _take(self, head: Sequence[bytes | None], versions: Versions, contents: dict[tuple[int, int], bytes | None]) -> None:
        meta = json.loads(head[3] or b"{}")
        self._move_to(int(head[0] or 0))
        self.folded_until = int(head[2] or 0)
        self.watermark = int(meta["watermark"])
        self.counts = Counter({name: int(n) for name, n in dict(meta["counts"]).items()})
        self.counts["dropped_values"] = int(meta["dropped"])
        for (kind, block), content in contents.items():
            if kind == SERIES and content is not None:
                self._name(block, content)
        for (kind, block), content in contents.items():
            self._put(kind, block, content)
        before, known = self._blocks, {kind for kind, block in versions if block != MINUTE}
        self._blocks = {kind: _present(kind, blocks, versions) for kind, blocks in before.items() if kind in known}
        changed = {kind for kind, blocks in self._blocks.items() if blocks.keys() != before[kind].keys()} | {
            kind for kind, _ in contents
        }
        self.minutes = {minute: frames for minute, frames in self.minutes.items() if (minute, MINUTE) in versions}
        self.panes = {
            start: Frames.together(blocks.values()) if start in changed else self.panes[start]
            for start, blocks in self._blocks.items()
            if start != TOTALS
        }
        self.live = self.live if (LIVE, 0) in versions else None
        self._versions = versions

    def _move_to(self, position: int) -> None:
        """What a rollback took is counted again: until then its series are not forgotten, and keep what was shown of them."""
        known, self.position = self.next, position
        if self.next < known:
            self._missing |= self.rows()
            self._again = max(self._again, known)
        elif self._missing and self.next >= self._again:
            self._missing, self._again = set(), -1
            self.renamed += 1

    def _name(self, block: int, content: bytes) -> None:
        """The names of one block, and none of those it had before."""
        named = [(int(number), self.names.row(name), int(hour)) for number, name, hour in read_names(content)]
        kept = [number for number in self._rows if number % BLOCKS != block]
        self._rows = {number: self._rows[number] for number in kept} | {number: row for number, row, _ in named}
        self._hours = {number: self._hours[number] for number in kept} | {number: hour for number, _, hour in named}
        self.renamed += 1

    def last_met(self) -> Iterator[tuple[int, int]]:
        """(row, hours since 1970) of each series that the partition knows."""
        return ((row, self._hours[number]) for number, row in self._rows.items())

    def rows(self) -> set[int]:
        """Rows of all series that the partition knows, or will know again."""
        return self._missing.union(self._rows.values())

    def _put(self, kind: int, block: int, content: bytes | None) -> None:
        if content is None or kind == SERIES:
            return
        if kind == LIVE:
            series, waiting, since = unpack_live(content)
            self.live = self._row_of(series), waiting, since
        elif block == MINUTE:
            self.minutes = {**self.minutes, kind: self._frames(decode(content))}
        else:
            self._blocks.setdefault(kind, {})[block] = self._frames(decode(content))

    def _row_of(self, series: Array) -> Array:
        return np.array([self._rows[number] for number in series.tolist()], dtype=np.int64)

    def _frames(self, rows: Rows) -> Frames:
        at, widths = self._row_of(rows.series), (self.layout.cells, self.layout.buckets, self.layout.registers)
        is_total = self.names.are_totals(at)
        everything, totals = [], []
        for (index, value), width in zip(_pairs(rows), widths, strict=True):
            row = index // width if width else index
            pair, of_totals = (at[row] * width + index % width, value) if index.size else (index, value), is_total[row]
            everything.append(pair)
            totals.append((pair[0][of_totals], pair[1][of_totals]))
        return Frames(Frame(*everything), Frame(*totals))

    def lifetime(self) -> list[Frame]:
        """All that was ever counted: totals of what is folded, and what is not yet."""
        totals = self._blocks.get(TOTALS, {}).values()
        return [frames.everything for frames in (*totals, *self.panes.values())]


def _present(kind: int, blocks: dict[int, Frames], versions: Versions) -> dict[int, Frames]:
    """Those that are still stored: a store that was rolled back lacks what was new."""
    return {block: frames for block, frames in blocks.items() if (kind, block) in versions}


def _field(key: tuple[int, int]) -> bytes:
    kind, block = key
    if kind == LIVE:
        return b"live"
    if block == MINUTE:
        return b"m:%d" % kind
    return {TOTALS: b"l:%d", SERIES: b"s:%d"}[kind] % block if kind < 0 else b"p:%d:%d" % (kind, block)


def _pairs(rows: Rows) -> tuple[tuple[Array, Array], ...]:
    return rows.cells, rows.buckets, rows.registers


def _joined(pairs: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    if len(pairs) == 1:
        return pairs[0]
    nothing = np.empty(0, dtype=np.int64)
    return np.concatenate([nothing, *(i for i, _ in pairs)]), np.concatenate([v for _, v in pairs]) if pairs else nothing
