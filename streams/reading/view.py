"""The stored figures of one stretch of time, laid out by series, as the rows of the catalogue read them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from streams.metrics.catalogue import Figure
from streams.metrics.stored import Distribution, Layout, Live
from streams.reading.axis import Axis
from streams.reading.figures import Series
from streams.reading.replica import Frame

Array = np.ndarray
_NOTHING = np.empty(0, dtype=np.int64)


class Rollup:
    """One family's arrays over one stretch of time: a row a series of the axis."""

    def __init__(self, layout: Layout, axis: Axis, frames: Sequence[Frame]) -> None:
        self._layout, self._frames = layout, frames
        self.axis = axis

    @cached_property
    def cells(self) -> Array:
        """int64[s, cells]."""
        return self.axis.fold(self._gathered(np.add, [f.cells for f in self._frames], self._layout.cells, np.int64))

    @cached_property
    def buckets(self) -> Array:
        """int64[s, buckets]."""
        return self.axis.fold(self._gathered(np.add, [f.buckets for f in self._frames], self._layout.buckets, np.int64))

    @cached_property
    def registers(self) -> Array:
        """uint8[s, registers]; nothing is known of the people behind `__other__`."""
        pairs = [f.registers for f in self._frames]
        return self.axis.keep(self._gathered(np.maximum, pairs, self._layout.registers, np.uint8))

    def _gathered(self, how: np.ufunc, pairs: Sequence[tuple[Array, Array]], width: int, kind: type) -> Array:
        """All at once: an hour of a dozen partitions is a thousand frames."""
        found: Array = np.zeros((self.axis.size, width), dtype=kind)
        index = np.concatenate([_NOTHING, *(index for index, _ in pairs)])
        if index.size:
            values: Array = np.concatenate([value for _, value in pairs]).astype(kind, copy=False)
            how.at(found.reshape(-1), self.axis.place(index, width), values)
        return found


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
        return self._rollup(self._axis).axis.series

    def row(self, name: str) -> Any:
        return self._figures[name]

    def _place(self, name: str) -> tuple[Layout, Rollup, Callable[[Array], Array]]:
        """Layout and rollup of a figure's family, and how its rows come onto the axis."""
        family = self._figures[name].family
        rollup = self._rollup(family)
        if family == self._axis:
            return self._layouts[family], rollup, lambda array: array
        rows = np.array([rollup.axis.index.get(series, -1) for series in self.series], dtype=np.int64)

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
        axis = self._rollup(row.family).axis
        value = axis.known(self._live(row.family, row.measure))
        return value, np.arange(value.size) < axis.named
