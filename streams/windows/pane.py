"""What was counted in one stretch of time: three arrays with a row a series. Everything in them merges by adding or by maximum.

`cells` (int64) hold counters, histograms and sums, `buckets` (uint32) the sketches, `registers` (uint8) the uniques.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Array = np.ndarray
BLOCKS = 32  # fields a pane is stored in; a series lies in the block of its number modulo this
_HEADER = struct.Struct("<4I")
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


@dataclass(frozen=True, slots=True)
class Rows:
    """Sparse content of some series: `series` int64[r] ascending, and (index into r × width, value) pairs of each array."""

    series: Array
    cells: tuple[Array, Array]
    buckets: tuple[Array, Array]
    registers: tuple[Array, Array]

    def encode(self) -> bytes:
        """The inverse of `decode`; the same content always gives the same bytes."""
        parts = [_HEADER.pack(self.series.size, self.cells[0].size, self.buckets[0].size, self.registers[0].size)]
        parts.append(self.series.astype("<u4").tobytes())
        for (index, value), kind in zip((self.cells, self.buckets, self.registers), _KINDS, strict=True):
            parts += [index.astype("<u4").tobytes(), value.astype(kind).tobytes()]
        return b"".join(parts)


_KINDS = ("<i8", "<u4", "u1")


def decode(content: bytes) -> Rows:
    """Reads what `Rows.encode` wrote."""
    count, *sizes = _HEADER.unpack_from(content)
    at = _HEADER.size + 4 * count
    series = np.frombuffer(content, "<u4", count, _HEADER.size).astype(np.int64)
    pairs = []
    for size, kind in zip(sizes, _KINDS, strict=True):
        index = np.frombuffer(content, "<u4", size, at).astype(np.int64)
        at += 4 * size
        pairs.append((index, np.frombuffer(content, kind, size, at)))
        at += size * np.dtype(kind).itemsize
    return Rows(series, *pairs)


class Pane:
    """Arrays that grow with the series that are met. Row 0 takes what belongs to no series and is never read."""

    def __init__(self, widths: Widths) -> None:
        self._widths = widths
        self._row_of = np.zeros(1, dtype=np.int64)  # series → row; the last entry stays 0, so that series -1 finds row 0
        self._used = 1
        self.cells = np.zeros((8, widths.cells), dtype=np.int64)
        self.buckets = np.zeros((8, widths.buckets), dtype=np.uint32)
        self.registers = np.zeros((8, widths.registers), dtype=np.uint8)
        self.changed = np.zeros(BLOCKS, dtype=bool)

    def add(self, codes: Array, added: Added) -> None:
        """codes int64[n, k]: the series of each event; what each event adds is added to each of its series."""
        rows = self._rows(codes)
        events, column = added.cells
        _count(self.cells, rows[events], column)
        events, column, amount = added.sums
        _sum(self.cells, rows[events], column, amount)
        events, column = added.buckets
        _count(self.buckets, rows[events], column)
        events, column, rank = added.registers
        at = (rows[events] * self._widths.registers + column[:, None]).ravel()
        np.maximum.at(self.registers.reshape(-1), at, np.repeat(rank, rows.shape[1]))

    def merge(self, other: "Pane") -> None:
        """Adds all that another pane holds, as far as this one keeps it."""
        series = other.series()
        if series.size:
            mine, theirs = self._rows(series), other._row_of[series]  # noqa: SLF001 - of the same class
            self.cells[mine] += other.cells[theirs]
            if self._widths.buckets:
                self.buckets[mine] += other.buckets[theirs]
            if self._widths.registers:
                self.registers[mine] = np.maximum(self.registers[mine], other.registers[theirs])

    def _rows(self, codes: Array) -> Array:
        """Rows of series, made where there are none; marks their blocks as changed."""
        touched = np.flatnonzero(np.bincount(codes.ravel() + 1)[1:])
        self.changed[touched % BLOCKS] = True
        top = int(touched[-1]) + 1 if touched.size else 0
        if top >= self._row_of.size:
            self._row_of = np.concatenate((self._row_of, np.zeros(2 * top + 2 - self._row_of.size, dtype=np.int64)))
        fresh = touched[self._row_of[touched] == 0]
        if fresh.size:
            self._reserve(self._used + fresh.size)
            self._row_of[fresh] = np.arange(self._used, self._used + fresh.size)
            self._used += fresh.size
        return np.asarray(self._row_of[codes])

    def _reserve(self, rows: int) -> None:
        if rows > self.cells.shape[0]:
            size = max(rows, 2 * self.cells.shape[0])
            self.cells, self.buckets, self.registers = (
                np.concatenate((array, np.zeros((size - array.shape[0], array.shape[1]), dtype=array.dtype)))
                for array in (self.cells, self.buckets, self.registers)
            )

    def series(self) -> Array:
        """int64, ascending: those that have a row."""
        return np.flatnonzero(self._row_of)

    def rows(self, series: Array) -> Rows:
        """The sparse content of series that have a row."""
        at = self._row_of[series]
        return Rows(series, _sparse(self.cells[at]), _sparse(self.buckets[at]), _sparse(self.registers[at]))

    def block(self, number: int) -> Rows:
        """The sparse content of one block."""
        series = self.series()
        return self.rows(series[series % BLOCKS == number])

    def put(self, rows: Rows) -> None:
        """Sets the content of series that have none yet."""
        at = self._rows(rows.series)
        _place(self.cells, at, rows.cells)
        _place(self.buckets, at, rows.buckets)
        _place(self.registers, at, rows.registers)

    def clear(self, series: Array) -> None:
        """Zeroes series whose numbers were given back."""
        known = series[series < self._row_of.size]
        self.cells[self._row_of[known]] = 0
        self._row_of[known] = 0
        self.changed[known % BLOCKS] = True


def _sparse(array: Array) -> tuple[Array, Array]:
    flat = array.reshape(-1)
    index = np.flatnonzero(flat)
    return index, flat[index]


def _place(target: Array, at: Array, pair: tuple[Array, Array]) -> None:
    index, value = pair
    if index.size:
        target[at[index // target.shape[1]], index % target.shape[1]] = value


def _count(target: Array, rows: Array, column: Array) -> None:
    """target[rows[i, j], column[i]] += 1 for all i, j."""
    at, flat = (rows * target.shape[1] + column[:, None]).ravel(), target.reshape(-1)
    if flat.size < _DENSE * at.size:
        flat += np.bincount(at, minlength=flat.size).astype(flat.dtype, copy=False)
    else:
        np.add.at(flat, at, flat.dtype.type(1))


def _sum(target: Array, rows: Array, column: Array, amount: Array) -> None:
    """target[rows[i, j], column[i]] += amount[i] for all i, j."""
    at = (rows * target.shape[1] + column[:, None]).ravel()
    np.add.at(target.reshape(-1), at, np.repeat(amount, rows.shape[1]))
