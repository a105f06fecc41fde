"""Rows that are stored: each says what an event adds. Everything added is a whole number, so adding is exact in any order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import ClassVar

import numpy as np

from streams.metrics import formulas
from streams.metrics.catalogue import Figure, Kind, Labels, Values, View
from streams.metrics.columns import Array, Columns
from streams.windows import uniques
from streams.windows.sketch import Buckets, threshold_index

Mask = Callable[[Columns], Array]
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


def every(columns: Columns) -> Array:
    """Each event."""
    return columns.every()


@dataclass(frozen=True, kw_only=True)
class Counter(Figure):
    """How many events: those for which `where` is true, or the sum of `weight`, without an interval, for what one event adds is
    no independent sample. `split`: fields and the values they take; each combination is counted apart, a missing field as the
    first of its values."""

    where: Mask = every
    weight: Mask | None = None
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    kind: ClassVar[Kind] = "counter"

    @property
    def statistics(self) -> tuple[str, ...]:
        return ("per_second", "count")

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        return self.split

    @cached_property
    def combinations(self) -> tuple[Labels, ...]:
        """What each of the counter's cells stands for, in their order."""
        return tuple(tuple(zip(self.split, values, strict=True)) for values in product(*self.split.values()))

    def read(self, view: View) -> Iterator[Values]:
        for cell, labels in enumerate(self.combinations):
            n = view.counter(self.name, cell)
            interval = formulas.poisson(n) if self.weight is None else ()
            for statistic, seconds in (("per_second", view.seconds), ("count", 1)):
                yield Values(statistic, n / seconds, n, labels, *(bound / seconds for bound in interval))


@dataclass(frozen=True, kw_only=True)
class Distribution(Figure):
    """Values of events (nan: none), in their field's unit. `scale` turns them into the whole numbers that are added up, `base`
    such a number into the unit that is published. `thresholds` (field's unit) are counted exactly, not from the sketch."""

    value: Callable[[Columns], Array]
    low: float
    high: float
    thresholds: Sequence[float]
    scale: int = 1000  # milliseconds → microseconds
    base: float = 1e-6  # microseconds → seconds
    unit: str = "seconds"
    better: str = "lower"  # type: ignore[assignment]
    headline: float = 0.75

    kind: ClassVar[Kind] = "distribution"

    @cached_property
    def buckets(self) -> Buckets:
        """Of the whole numbers."""
        return Buckets(round(self.low * self.scale), round(self.high * self.scale))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Thresholds in the published unit."""
        return tuple(float(f"{threshold * self.scale * self.base:.12g}") for threshold in self.thresholds)

    @property
    def statistics(self) -> tuple[str, ...]:
        others = [q for q in QUANTILES if q != self.headline]
        return (*(f"p{q * 100:g}" for q in (self.headline, *others)), "mean")

    def read(self, view: View) -> Iterator[Values]:
        sketch = view.sketch(self.name)
        cumulative = np.cumsum(sketch, axis=1)
        n = cumulative[:, -1]
        rank, first, last = formulas.quantile_ranks(np.array(QUANTILES), n[:, None])
        value = self.base * self.buckets.quantiles(cumulative, rank)
        low = self.base * self.buckets.quantiles(cumulative, first, self.buckets.lows)
        high = self.base * self.buckets.quantiles(cumulative, last, self.buckets.highs)
        for i, q in enumerate(QUANTILES):
            yield Values(f"p{q * 100:g}", value[:, i], n, (), low[:, i], high[:, i])
        yield self.read_mean(view, "mean")

    def read_mean(self, view: View, statistic: str) -> Values:
        """The exact mean; its interval from the variance of the sketch."""
        sketch = view.sketch(self.name)
        n = view.histogram(self.name).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = view.total(self.name) / n
        low, high = formulas.mean_interval(mean, self.base**2 * self.buckets.variance(sketch), n)
        return Values(statistic, mean, n, (), np.maximum(low, 0.0), high)


@dataclass(frozen=True, kw_only=True)
class Uniques(Figure):
    """How many different people: by the first of `fields` that an event has, of the events for which `where` is true."""

    fields: tuple[str, ...]
    where: Mask = every

    kind: ClassVar[Kind] = "uniques"

    def read(self, view: View) -> Iterator[Values]:
        estimate = np.rint(uniques.estimate(view.registers(self.name)))
        error = 1.96 * uniques.STANDARD_ERROR
        yield Values("value", estimate, estimate.astype(np.int64), (), estimate * (1 - error), estimate * (1 + error))


@dataclass(frozen=True, kw_only=True)
class Live(Figure):
    """A value of now, kept by the family's table: `count` of what waits, or `age` of the oldest of it in seconds."""

    measure: str  # "count" or "age"

    kind: ClassVar[Kind] = "live"

    def read(self, view: View) -> Iterator[Values]:
        value, known = view.live(self.name)
        # An empty queue is an observation, not the lack of one: a rule on it must be able to resolve.
        yield Values("value", value, known.astype(np.int64))


@dataclass(frozen=True)
class Added:
    """What a batch adds, before it is rolled up: parallel arrays (event, column[, amount])."""

    cells: tuple[Array, Array]
    sums: tuple[Array, Array, Array]
    buckets: tuple[Array, Array]
    registers: tuple[Array, Array, Array]


class Layout:
    """Which columns of a partition's arrays belong to which row of the catalogue."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.counters = [f for f in figures if isinstance(f, Counter)]
        self.distributions = [f for f in figures if isinstance(f, Distribution)]
        self.uniques = [f for f in figures if isinstance(f, Uniques)]
        self.cell: dict[str, slice] = {}  # counters by label value; histograms of distributions
        self.sum: dict[str, int] = {}
        self.bucket: dict[str, slice] = {}
        self.register: dict[str, slice] = {}
        self.cells = self.buckets = self.registers = 0
        for counter in self.counters:
            self.cell[counter.name] = self._cells(len(counter.combinations))
        for distribution in self.distributions:
            self.cell[distribution.name] = self._cells(len(distribution.thresholds) + 1)
            self.sum[distribution.name] = self._cells(1).start
            self.bucket[distribution.name] = slice(self.buckets, self.buckets + len(distribution.buckets))
            self.buckets += len(distribution.buckets)
        for unique in self.uniques:
            self.register[unique.name] = slice(self.registers, self.registers + uniques.REGISTERS)
            self.registers += uniques.REGISTERS

    def _cells(self, count: int) -> slice:
        self.cells += count
        return slice(self.cells - count, self.cells)

    def signature(self) -> str:
        """Differs where the arrays differ in meaning."""
        scales = [(d.name, d.scale, list(d.thresholds), d.buckets.bounds[[0, -1]].tolist()) for d in self.distributions]
        return repr((self.cell, self.sum, self.bucket, self.register, scales))

    def measure(self, columns: Columns) -> Added:
        """What the events of a batch add."""
        added = _Adding()
        for counter in self.counters:
            self._count(counter, columns, added)
        for distribution in self.distributions:
            self._distribute(distribution, columns, added)
        for unique in self.uniques:
            hashes, there = columns.hashes(*unique.fields)
            events = np.flatnonzero(there & unique.where(columns))
            register, rank = uniques.registers(hashes[events])
            added.registers.append((events, register + self.register[unique.name].start, rank))
        return added.together()

    def _count(self, counter: Counter, columns: Columns, added: "_Adding") -> None:
        start = self.cell[counter.name].start
        if counter.weight is not None:
            amount = counter.weight(columns)
            events = np.flatnonzero(amount > 0)
            added.sums.append((events, np.full(events.size, start), np.rint(amount[events]).astype(np.int64)))
            return
        events = np.flatnonzero(counter.where(columns))
        cell = np.zeros(events.size, dtype=np.int64)
        for name, values in counter.split.items():
            cell = cell * len(values) + columns.codes(name, values)[events]
        added.cells.append((events, start + cell))

    def _distribute(self, row: Distribution, columns: Columns, added: "_Adding") -> None:
        values = row.value(columns)
        events = np.flatnonzero(~np.isnan(values))
        if not events.size:  # as of many fields: no need to pay for a dozen empty arrays
            return
        values = values[events]
        whole = np.rint(values * row.scale).astype(np.int64)
        added.cells.append((events, self.cell[row.name].start + threshold_index(row.thresholds, values)))
        added.sums.append((events, np.full(events.size, self.sum[row.name]), whole))
        added.buckets.append((events, self.bucket[row.name].start + row.buckets.index(whole)))


@dataclass(frozen=True)
class _Adding:
    cells: list[tuple[Array, Array]] = field(default_factory=list)
    sums: list[tuple[Array, Array, Array]] = field(default_factory=list)
    buckets: list[tuple[Array, Array]] = field(default_factory=list)
    registers: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def together(self) -> Added:
        widths = ((self.cells, 2), (self.sums, 3), (self.buckets, 2), (self.registers, 3))
        return Added(*(_joined(parts, width) for parts, width in widths))  # type: ignore[arg-type]


def _joined(parts: Sequence[tuple[Array, ...]], width: int) -> tuple[Array, ...]:
    nothing = np.empty(0, dtype=np.int64)
    return tuple(np.concatenate([part[i] for part in parts]) if parts else nothing for i in range(width))
