"""What was counted in one stretch of time: three arrays with a row a series. Everything in them merges by adding or by maximum.

`cells` (int64) hold counters, histograms and sums, `buckets` (uint16 while that is enough, then uint32) the sketches,
`registers` (uint8) the uniques.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from streams.windows.rows import Rows, decode

Array = np.ndarray
BLOCKS = 32  # fields a pane is stored in; a series lies in the block of its number modulo this
_FEW_ROWS = 8
_MOST_NARROW = np.iinfo(np.uint16).max
_DENSE = 8  # below this many cells an addition, going through all cells is cheaper than jumping to some


class Widths(Protocol):
    """How many columns each array has."""

    @property
    def cells(self) -> int: ...
    @property
    def buckets(self) -> int: ...
    @property
    def registers(self) -> int: ...


class Added(Protocol):
    """Parallel arrays (event, column[, amount]): what each event adds."""

    @property
    def cells(self) -> tuple[Array, Array]: ...
    @property
    def sums(self) -> tuple[Array, Array, Array]: ...
    @property
    def buckets(self) -> tuple[Array, Array]: ...
    @property
    def registers(self) -> tuple[Array, Array, Array]: ...


class Pane:
    """Arrays that grow with the series that are met. Row 0 takes what belongs to no series and is never read.

    A pane may `rest`: then it is what is stored of it, a tenth of the size or less. What is added to it later has arrays of its
    own, of these series only, until it rests again.
    """

    def __init__(self, widths: Widths, rows: int = _FEW_ROWS) -> None:
        self._widths = widths
        self._resting: dict[int, bytes] = {}  # by block
        self.changed = np.zeros(BLOCKS, dtype=bool)
        self._begin(rows)

    def _begin(self, rows: int) -> None:
        """Empty arrays of so many rows."""
        self._row_of = np.zeros(1, dtype=np.int64)  # series → row; the last entry stays 0, so that series -1 finds row 0
        self.used = 1
        self.cells = np.zeros((rows, self._widths.cells), dtype=np.int64)
        self.buckets = np.zeros((rows, self._widths.buckets), dtype=np.uint16)
        self._most = 0  # that a bucket may hold
        self.registers = np.zeros((rows, self._widths.registers), dtype=np.uint8)

    def add(self, codes: Array, added: Added) -> None:
        """codes int64[n, k]: the series of each event; what each event adds is added to each of its series."""
        rows = self._rows(codes)
        starts = rows * self._widths.cells  # of each row in the flat array
        events, column = added.cells
        _count(self.cells, _places(starts, events, column))
        events, column, amount = added.sums
        np.add.at(self.cells.reshape(-1), _places(starts, events, column), np.repeat(amount, rows.shape[1]))
        events, column = added.buckets
        self._widen(events.size)
        _count(self.buckets, _places(rows * self._widths.buckets, events, column))
        events, column, rank = added.registers
        at = _places(rows * self._widths.registers, events, column)
        np.maximum.at(self.registers.reshape(-1), at, np.repeat(rank, rows.shape[1]))

    def merge(self, other: "Pane") -> None:
        """Adds all that another pane of these widths holds."""
        for rows in other.resting():
            self.take(rows)
        series, cells, buckets, registers = other.awake()
        at = self._rows(series)
        self._widen(int(buckets.max(initial=0)))
        self.cells[at] += cells
        self.buckets[at] += buckets
        self.registers[at] = np.maximum(self.registers[at], registers)

    def take(self, rows: Rows) -> None:
        """Adds what is stored, as far as this pane keeps it."""
        at = self._rows(rows.series)
        self._widen(int(rows.buckets[1].max(initial=0)))
        _place(np.add, self.cells, at, rows.cells)
        _place(np.add, self.buckets, at, rows.buckets)
        _place(np.maximum, self.registers, at, rows.registers)

    def _rows(self, codes: Array) -> Array:
        """Rows of series, made where there are none; marks their blocks as changed."""
        touched = np.flatnonzero(np.bincount(codes.ravel() + 1)[1:])
        self.changed[touched % BLOCKS] = True
        top = int(touched[-1]) + 1 if touched.size else 0
        if top >= self._row_of.size:
            self._row_of = np.concatenate((self._row_of, np.zeros(2 * top + 2 - self._row_of.size, dtype=np.int64)))
        fresh = touched[self._row_of[touched] == 0]
        self._reserve(self.used + fresh.size)
        self._row_of[fresh] = np.arange(self.used, self.used + fresh.size)
        self.used += fresh.size
        return np.asarray(self._row_of[codes])

    def _reserve(self, rows: int) -> None:
        if rows > self.cells.shape[0]:
            size = max(rows, self.cells.shape[0] * 3 // 2)
            self.cells, self.buckets, self.registers = (
                np.concatenate((array, np.zeros((size - array.shape[0], array.shape[1]), dtype=array.dtype)))
                for array in (self.cells, self.buckets, self.registers)
            )

    def _widen(self, more: int) -> None:
        """Makes room for so many more in any bucket. Sketches are most of a pane, and few panes need more than two bytes."""
        self._most += more
        if self._most > _MOST_NARROW and self.buckets.dtype == np.uint16:
            self.buckets = self.buckets.astype(np.uint32)

    def rest(self) -> None:
        """Keeps what is stored of the pane in place of its arrays."""
        blocks = np.unique(np.flatnonzero(self._row_of) % BLOCKS).tolist()
        for block in blocks:
            self._take_resting(block)
        self._resting |= dict(self.encoded(blocks))
        self._begin(0)

    def wake(self) -> None:
        """Has all of it in arrays."""
        changed = self.changed.copy()
        for block in list(self._resting):
            self._take_resting(block)
        self.changed = changed

    def _take_resting(self, block: int) -> None:
        if block in self._resting:
            self.take(decode(self._resting.pop(block)))

    def series(self) -> Array:
        """int64, ascending: those of which there is something."""
        return np.unique(np.concatenate([*(rows.series for rows in self.resting()), np.flatnonzero(self._row_of)]))

    def blocks(self) -> list[int]:
        """Ascending: those in which there is something."""
        return sorted({*self._resting, *(np.flatnonzero(self._row_of) % BLOCKS).tolist()})

    def content(self) -> list[Rows]:
        """All there is; a series may stand in two of them, of which one rests."""
        return [*self.resting(), self._rows_of(np.flatnonzero(self._row_of))]

    def resting(self) -> Iterator[Rows]:
        """What has no arrays."""
        return map(decode, self._resting.values())

    def awake(self) -> tuple[Array, Array, Array, Array]:
        """What has: series, int64[n], and the cells, buckets and registers of each."""
        series = np.flatnonzero(self._row_of)
        at = self._row_of[series]
        return series, self.cells[at], self.buckets[at], self.registers[at]

    def _rows_of(self, series: Array) -> Rows:
        at = self._row_of[series]
        return Rows(series, *(_sparse(array.take(at, axis=0)) for array in (self.cells, self.buckets, self.registers)))

    def encoded(self, blocks: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """What is to be stored of these blocks, of a pane that rests or is awake. Nothing may be added meanwhile."""
        series = np.flatnonzero(self._row_of)
        block_of = series % BLOCKS
        for block in blocks:
            yield block, self._resting.get(block) or self._rows_of(series[block_of == block]).encode()

    def put(self, block: int, stored: bytes) -> None:
        """Sets a block of a pane that has nothing of it; it rests."""
        self._resting[block] = stored

    def clear(self, series: Array) -> None:
        """Forgets series whose numbers were given back."""
        if not series.size:
            return
        self.wake()
        known = series[series < self._row_of.size]
        self._row_of[known] = 0
        self.changed[known % BLOCKS] = True
        self.rest()  # so that their rows are not held for ever


def _sparse(array: Array) -> tuple[Array, Array]:
    flat = array.reshape(-1)
    (index,) = (flat != 0).nonzero()  # of truth values they are found several times faster than of numbers
    return index, flat[index]


def _place(how: np.ufunc, target: Array, at: Array, pair: tuple[Array, Array]) -> None:
    """Adds values, or takes the greater ones, at places that are all different."""
    index, value = pair
    if index.size and target.shape[1]:
        width = target.shape[1]
        place = at[index // width] * width + index % width
        flat = target.reshape(-1)
        flat[place] = how(flat[place], value)


def _places(starts: Array, events: Array, column: Array) -> Array:
    """starts[events[i], j] + column[i] for all i, j, one after the other."""
    at: Array = starts.take(events, axis=0)
    at += column[:, None]
    return np.ravel(at)


def _count(target: Array, at: Array) -> None:
    """Adds one at each place, as often as it is named."""
    flat = target.reshape(-1)
    if flat.size < _DENSE * at.size:
        flat += np.bincount(at, minlength=flat.size).astype(flat.dtype, copy=False)
    else:
        np.add.at(flat, at, flat.dtype.type(1))
