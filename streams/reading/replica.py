"""A reader's copy of one partition: fetches only what changed, and never sees half a checkpoint."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streams.metrics.stored import Layout
from streams.state.keys import PartitionId
from streams.windows import time
from streams.windows.pane import BLOCKS, Rows, decode
from streams.windows.series import Name, read_names
from streams.windows.storage import (
    HEAD,
    LIVE,
    SERIES,
    TOTALS,
    Versions,
    unpack_live,
    unpack_versions,
)

Array = np.ndarray
ATTEMPTS = 3
NOBODY = Name("", "", "", "")  # of a row that was given back


class StateSource(Protocol):
    """Where the stored state is read; docs/architecture.md says what each call promises."""

    async def partitions(self) -> list[PartitionId]: ...
    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]: ...
    async def minutes(self, partition: PartitionId, minutes: Sequence[int]) -> list[bytes | None]: ...
    async def workers(self) -> list[bytes]: ...


class Names:
    """Every series of a family that any partition knows ↔ rows of the reader's arrays."""

    def __init__(self) -> None:
        self.names: list[Name] = []
        self._rows: dict[Name, int] = {}
        self._free: list[int] = []

    def row(self, name: Name) -> int:
        """The row of a series, given out when it is first asked for."""
        row = self._rows.get(name)
        if row is None:
            if self._free:
                row = self._free.pop()
                self.names[row] = name
            else:
                row = len(self.names)
                self.names.append(name)
            self._rows[name] = row
        return row

    def keep(self, rows: set[int]) -> list[int]:
        """Gives back all other rows, and returns them. Whoever forgets a series has not met it for a day, so nothing that
        is still read lies in its row."""
        gone = [name for name, row in self._rows.items() if row not in rows]
        freed = [self._rows.pop(name) for name in gone]
        for row in freed:
            self.names[row] = NOBODY
        self._free += freed
        return freed


@dataclass(frozen=True, slots=True)
class Frame:
    """Sparse content over rows of the family: (row × width + column, value) of each array."""

    cells: tuple[Array, Array]
    buckets: tuple[Array, Array]
    registers: tuple[Array, Array]


@dataclass(slots=True)
class Replica:
    """What is known of one partition. Contents are replaced, never changed, so a snapshot may keep them."""

    partition: PartitionId
    layout: Layout
    names: Names
    columns: str  # what the stored layout must begin with
    problem: str = ""
    next: int = -1
    folded_until: int = 0
    watermark: int = time.NEVER
    counts: Counter[str] = field(default_factory=Counter)
    panes: dict[int, dict[int, Frame]] = field(default_factory=dict)
    totals: dict[int, Frame] = field(default_factory=dict)
    minutes: dict[int, Frame | None] = field(default_factory=dict)
    live: tuple[Array, Array, Array] | None = None
    _versions: Versions = field(default_factory=dict)
    renamed: int = 0  # grows when series were met or forgotten
    _rows: dict[int, int] = field(default_factory=dict)  # the partition's series number → row

    async def refresh(self, source: StateSource, now_ms: int) -> None:
        """Reads what changed. A checkpoint between two reads makes it start over; after three it is left for next time."""
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
            await self._fetch_minutes(source, now_ms)
            return

    def _reset(self) -> None:
        self.next, self.folded_until, self.live, self.problem = -1, 0, None, ""
        self.panes, self.totals, self.minutes, self._versions, self._rows = {}, {}, {}, {}, {}
        self.renamed += 1

    def _take(self, head: Sequence[bytes | None], versions: Versions, contents: dict[tuple[int, int], bytes | None]) -> None:
        meta = json.loads(head[3] or b"{}")
        folded_until = int(head[2] or 0)
        if folded_until < self.folded_until:  # the store was rolled back: what was folded since may be folded anew
            self.minutes = {minute: frame for minute, frame in self.minutes.items() if minute < folded_until}
        self.next, self.folded_until = int(head[0] or 0), folded_until
        self.watermark, self.counts = meta["watermark"], Counter(meta["counts"])
        self.counts["dropped_values"] = meta["dropped"]
        for (kind, block), content in contents.items():
            if kind == SERIES and content is not None:
                self._name(block, content)
        for (kind, block), content in contents.items():
            self._put(kind, block, content)
        self.panes = {start: _present(start, blocks, versions) for start, blocks in self.panes.items() if start >= folded_until}
        self.totals = _present(TOTALS, self.totals, versions)
        self.live = self.live if (LIVE, 0) in versions else None
        self._versions = versions

    def _name(self, block: int, content: bytes) -> None:
        """The names of one block, and none of those it had before."""
        self._rows = {number: row for number, row in self._rows.items() if number % BLOCKS != block}
        self._rows |= {number: self.names.row(name) for number, name, _ in read_names(content)}
        self.renamed += 1

    def rows(self) -> set[int]:
        """Rows of all series that the partition knows."""
        return set(self._rows.values())

    def _put(self, kind: int, block: int, content: bytes | None) -> None:
        if content is None or kind == SERIES:
            return
        if kind == LIVE:
            series, waiting, since = unpack_live(content)
            self.live = self._row_of(series), waiting, since
        elif kind == TOTALS:
            self.totals = {**self.totals, block: self._frame(decode(content))}
        else:
            self.panes[kind] = {**self.panes.get(kind, {}), block: self._frame(decode(content))}

    def _row_of(self, series: Array) -> Array:
        return np.array([self._rows[number] for number in series.tolist()], dtype=np.int64)

    def _frame(self, rows: Rows) -> Frame:
        at, widths = self._row_of(rows.series), (self.layout.cells, self.layout.buckets, self.layout.registers)
        return Frame(*(_placed(at, pair, width) for pair, width in zip(_pairs(rows), widths, strict=True)))

    async def _fetch_minutes(self, source: StateSource, now_ms: int) -> None:
        first = time.floor_ms(now_ms - time.MINUTES_KEPT_MS, time.MINUTE_MS)
        last = min(self.folded_until, now_ms)  # a partition whose clocks are ahead may have folded the future
        kept = {minute: frame for minute, frame in self.minutes.items() if minute >= first}
        wanted = [minute for minute in range(first, last, time.MINUTE_MS) if minute not in kept]
        for minute, content in zip(wanted, await source.minutes(self.partition, wanted), strict=True):
            kept[minute] = self._frame(decode(content)) if content else None
        self.minutes = kept

    def lifetime(self) -> list[Frame]:
        """All that was ever counted: totals of what is folded, and what is not yet."""
        return [*self.totals.values(), *(frame for blocks in self.panes.values() for frame in blocks.values())]


def _present(kind: int, blocks: dict[int, Frame], versions: Versions) -> dict[int, Frame]:
    """Those that are still stored: a store that was rolled back lacks what was new."""
    return {block: frame for block, frame in blocks.items() if (kind, block) in versions}


def _field(key: tuple[int, int]) -> bytes:
    kind, block = key
    if kind == LIVE:
        return b"live"
    return {TOTALS: b"l:%d", SERIES: b"s:%d"}[kind] % block if kind < 0 else b"p:%d:%d" % (kind, block)


def _pairs(rows: Rows) -> tuple[tuple[Array, Array], ...]:
    return rows.cells, rows.buckets, rows.registers


def _placed(at: Array, pair: tuple[Array, Array], width: int) -> tuple[Array, Array]:
    index, value = pair
    if not index.size:
        return index, value
    return at[index // width] * width + index % width, value
