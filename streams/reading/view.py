"""The stored figures of one stretch of time, laid out by series, as the rows of the catalogue read them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from streams.metrics.catalogue import Figure
from streams.metrics.stored import Distribution, Layout, Live
from streams.reading.figures import Series
from streams.reading.replica import Frame
from streams.windows.series import OTHER, Name

Array = np.ndarray
_NOTHING = np.empty(0, dtype=np.int64)


class Rollup:
    """One family's arrays over one stretch of time: a row a shown series, `__other__` for what is not shown. `rows`: the only
    ones that the frames have, where it is not all."""

    def __init__(
        self, layout: Layout, names: Sequence[Name], frames: Sequence[Frame], shown: Array, rows: Array | None = None
    ) -> None:
        self._layout, self._frames, self._rows = layout, frames, rows
        if rows is not None:
            self._place = np.zeros(len(names), dtype=np.int64)
            self._place[rows] = np.arange(rows.size)
            names, shown = [names[row] for row in rows.tolist()], shown[rows]
        self._groups = _Groups(names, shown)

    @property
    def series(self) -> tuple[Series, ...]:
        return self._groups.series

    @property
    def named(self) -> int:
        """How many rows, the first ones, are series that were met; the others are remainders."""
        return self._groups.named

    def fold(self, array: Array) -> Array:
        """[names, w] → [series, w], remainders computed."""
        return self._groups.fold(array)

    def known(self, array: Array) -> Array:
        """[names] → [series], 0 for remainders."""
        return self._groups.keep((array if self._rows is None else array[self._rows])[:, None])[:, 0]

    @cached_property
    def rows_of(self) -> dict[str, Array]:
        """Dimension → its rows."""
        found: dict[str, list[int]] = {}
        for row, series in enumerate(self.series):
            found.setdefault(series.dimension, []).append(row)
        return {dimension: np.array(rows, dtype=np.int64) for dimension, rows in found.items()}

    @cached_property
    def index(self) -> dict[Series, int]:
        """Row of each series."""
        return {series: row for row, series in enumerate(self.series)}

    @cached_property
    def cells(self) -> Array:
        """int64[s, cells]."""
        return self._groups.fold(self._gathered(np.add, [f.cells for f in self._frames], self._layout.cells, np.int64))

    @cached_property
    def buckets(self) -> Array:
        """int64[s, buckets]."""
        return self._groups.fold(self._gathered(np.add, [f.buckets for f in self._frames], self._layout.buckets, np.int64))

    @cached_property
    def registers(self) -> Array:
        """uint8[s, registers]; nothing is known of the people behind `__other__`."""
        pairs = [f.registers for f in self._frames]
        return self._groups.keep(self._gathered(np.maximum, pairs, self._layout.registers, np.uint8))

    def _gathered(self, how: np.ufunc, pairs: Sequence[tuple[Array, Array]], width: int, kind: type) -> Array:
        """All at once: an hour of a dozen partitions is a thousand frames."""
        found: Array = np.zeros((self._groups.size, width), dtype=kind)
        index = np.concatenate([_NOTHING, *(index for index, _ in pairs)])
        if index.size:
            at = index if self._rows is None else self._place[index // width] * width + index % width
            how.at(found.reshape(-1), at, np.concatenate([value for _, value in pairs]).astype(kind, copy=False))
        return found


class _Groups:
    """Which rows are shown, and which total each group of values must add up to."""

    def __init__(self, names: Sequence[Name], shown: Array) -> None:
        self.size = len(names)
        self._shown = np.flatnonzero(shown)
        self.named = self._shown.size
        totals = {name[:2]: row for row, name in enumerate(names) if name.dimension == "all"}
        groups: dict[tuple[str, str, str], int] = {}
        self._group_of = np.full(self.size, -1, dtype=np.int64)
        for row, name in enumerate(names):
            if name.dimension != "all" and name[:2] in totals:
                self._group_of[row] = groups.setdefault(name[:3], len(groups))
        self._total_of = np.array([totals[group[:2]] for group in groups], dtype=np.int64)
        others = (Series(app, environment, dimension, OTHER) for app, environment, dimension in groups)
        self.series = (*(Series(*names[row]) for row in self._shown.tolist()), *others)

    def fold(self, array: Array) -> Array:
        """[names, w] → [series, w]: the rows shown, then of each group what they lack of the total."""
        shown = array[self._shown]
        rest = array[self._total_of]
        group = self._group_of[self._shown]
        np.subtract.at(rest, group[group >= 0], shown[group >= 0])
        return np.concatenate((shown, np.maximum(rest, 0)))

    def keep(self, array: Array) -> Array:
        """[names, w] → [series, w]: the rows shown, nothing for the rest."""
        return np.concatenate((array[self._shown], np.zeros((self._total_of.size, array.shape[1]), dtype=array.dtype)))


class SpanView:
    """`View` over the rollups of all families, on the series of one of them."""

    def __init__(
        self,
        figures: Mapping[str, Figure],
        layouts: Mapping[str, Layout],
        rollup: Callable[[str], Rollup],
        axis: str,
        seconds: float,
        live: Callable[[str, str], Array],
    ) -> None:
        self._figures, self._layouts, self._rollup, self._live = figures, layouts, rollup, live
        self._axis = axis
        self.seconds = seconds

    @property
    def series(self) -> tuple[Series, ...]:
        return self._rollup(self._axis).series

    def row(self, name: str) -> Any:
        return self._figures[name]

    def _place(self, name: str) -> tuple[Layout, Rollup, Callable[[Array], Array]]:
        """Layout and rollup of a figure's family, and how its rows come onto the axis."""
        family = self._figures[name].family
        rollup = self._rollup(family)
        if family == self._axis:
            return self._layouts[family], rollup, lambda array: array
        rows = np.array([rollup.index.get(series, -1) for series in self.series], dtype=np.int64)

        def aligned(array: Array) -> Array:
            found = np.zeros((rows.size, *array.shape[1:]), dtype=array.dtype)
            found[rows >= 0] = array[rows[rows >= 0]]
            return found

        return self._layouts[family], rollup, aligned

    def counter(self, name: str, cell: int | None = None) -> Array:
        layout, rollup, align = self._place(name)
        columns = rollup.cells[:, layout.cell[name]]
        return align(columns.sum(axis=1) if cell is None else columns[:, cell])

    def histogram(self, name: str) -> Array:
        layout, rollup, align = self._place(name)
        return align(rollup.cells[:, layout.cell[name]])

    def total(self, name: str) -> Array:
        layout, rollup, align = self._place(name)
        row: Distribution = self._figures[name]  # type: ignore[assignment]
        return align(rollup.cells[:, layout.sum[name]]) * row.base

    def sketch(self, name: str) -> Array:
        layout, rollup, align = self._place(name)
        return align(rollup.buckets[:, layout.bucket[name]])

    def registers(self, name: str) -> Array:
        layout, rollup, align = self._place(name)
        return align(rollup.registers[:, layout.register[name]])

    def live(self, name: str) -> tuple[Array, Array]:
        row: Live = self._figures[name]  # type: ignore[assignment]
        rollup = self._rollup(row.family)
        value = rollup.known(self._live(row.family, row.measure))
        return value, np.arange(value.size) < rollup.named
