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
    """One family's arrays over one stretch of time: a row a series of the axis, which may be another family's. `places`: where
    each row of the frames lies there (see `Axis.places`)."""

    def __init__(self, layout: Layout, axis: Axis, places: Array | None, frames: Sequence[Frame]) -> None:
        self.layout, self._frames = layout, frames
        self.axis, self._places = axis, places

    @cached_property
    def cells(self) -> Array:
        """int64[s, cells]."""
        return self.axis.fold(self._gathered(np.add, [f.cells for f in self._frames], self.layout.cells, np.int64))

    @cached_property
    def buckets(self) -> Array:
        """int64[s, buckets]."""
        return self.axis.fold(self._gathered(np.add, [f.buckets for f in self._frames], self.layout.buckets, np.int64))

    @cached_property
    def registers(self) -> Array:
        """uint8[s, registers]; nothing is known of the people behind `__other__`."""
        pairs = [f.registers for f in self._frames]
        return self.axis.keep(self._gathered(np.maximum, pairs, self.layout.registers, np.uint8))

    def _gathered(self, how: np.ufunc, pairs: Sequence[tuple[Array, Array]], width: int, kind: type) -> Array:
        """All at once: an hour of a dozen partitions is a thousand frames."""
        found: Array = np.zeros((self.axis.size, width), dtype=kind)
        index = np.concatenate([_NOTHING, *(index for index, _ in pairs)])
        if index.size:
            values: Array = np.concatenate([value for _, value in pairs]).astype(kind, copy=False)
            if self._places is not None:
                place = self._places[index // width]
                there = place >= 0
                index, values = (place * width + index % width)[there], values[there]
            how.at(found.reshape(-1), index, values)
        return found


class SpanView:
    """`View` over the rollups of all families, on the series of one of them."""

    def __init__(
        self,
        figures: Mapping[str, Figure],
        rollup: Callable[[str], Rollup],
        axis: Axis,
        seconds: float,
        live: Callable[[str, str], Array],
    ) -> None:
        self._figures, self._rollup, self._live = figures, rollup, live
        self._axis = axis
        self.seconds = seconds

    @property
    def series(self) -> tuple[Series, ...]:
        return self._axis.series

    def row(self, name: str) -> Any:
        return self._figures[name]

    def counter(self, name: str, cell: int | None = None) -> Array:
        columns = self._cells(name)
        return np.asarray(columns.sum(axis=1) if cell is None else columns[:, cell])

    def histogram(self, name: str) -> Array:
        return self._cells(name)

    def total(self, name: str) -> Array:
        row: Distribution = self._figures[name]  # type: ignore[assignment]
        rollup = self._rollup(row.family)
        return np.asarray(rollup.cells[:, rollup.layout.sum[name]] * row.base)

    def sketch(self, name: str) -> Array:
        rollup = self._rollup(self._figures[name].family)
        return np.asarray(rollup.buckets[:, rollup.layout.bucket[name]])

    def registers(self, name: str) -> Array:
        rollup = self._rollup(self._figures[name].family)
        return np.asarray(rollup.registers[:, rollup.layout.register[name]])

    def live(self, name: str) -> tuple[Array, Array]:
        row: Live = self._figures[name]  # type: ignore[assignment]
        value = self._axis.known(self._live(row.family, row.measure))
        return value, np.arange(value.size) < self._axis.named

    def _cells(self, name: str) -> Array:
        rollup = self._rollup(self._figures[name].family)
        return np.asarray(rollup.cells[:, rollup.layout.cell[name]])
