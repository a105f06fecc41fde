"""All figures at one instant. Metrics, API, page and alerts read the same snapshot, so they show the same numbers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import repeat
from math import inf, nan

import numpy as np

from streams.metrics.catalogue import Figure, Values
from streams.metrics.stored import Counter, Distribution, Layout
from streams.reading.axis import Axis
from streams.reading.figures import HistogramTotal, Reading, Series, Total
from streams.reading.replica import Frames
from streams.reading.view import Rollup, SpanView
from streams.windows import time
from streams.windows.series import Name

Array = np.ndarray
WINDOWS: Mapping[str, int] = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}
Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Partial:
    """One partition's share: sparse frames by the instant they begin."""

    minutes: Mapping[int, Frames]
    panes: Mapping[int, Frames]
    folded_until: int

    def frames(self, from_ms: int, to_ms: int) -> Iterator[Frames]:
        """What was counted in [from, to): minutes where panes are folded, panes where they are not."""
        until = min(to_ms, self.folded_until)
        yield from (f for minute, f in self.minutes.items() if from_ms <= minute < until)
        yield from (f for start, f in self.panes.items() if from_ms <= start < to_ms)


@dataclass(frozen=True, slots=True)
class FamilyState:
    """One family over all its partitions; row i of every array is the series `names[i]`."""

    layout: Layout
    names: tuple[Name, ...]
    axis: Axis
    apps: Axis  # the totals only
    partials: tuple[Partial, ...]
    totals: Array  # int64 [names, cells]: lifetime, never going backwards
    waiting: Array  # int64 [names]
    oldest_ms: Array  # int64 [names]; 0 where nothing waits


@dataclass(frozen=True)
class Snapshot:
    """Immutable; what is computed from it is computed once."""

    at_ms: int
    complete: bool
    problems: tuple[str, ...]
    figures: Mapping[str, Figure]
    families: Mapping[str, FamilyState]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # the counters of `Health`; none until they are known
    _rollups: dict[tuple[str, Axis, Stretch], Rollup] = field(default_factory=dict, repr=False)
    _readings: dict[tuple[str, Stretch, bool], dict[str, tuple[Reading, ...]]] = field(default_factory=dict, repr=False)

    def window(self, name: str) -> Stretch:
        """[from, to) epoch ms: a window ends with the running pane."""
        to_ms = time.floor_ms(self.at_ms, time.PANE_MS) + time.PANE_MS
        return self.align(to_ms - WINDOWS[name], to_ms)

    def align(self, from_ms: int, to_ms: int) -> Stretch:
        """The stretch that is answered: out to whole panes, and to whole minutes where panes have been folded."""
        folded = max((p.folded_until for f in self.families.values() for p in f.partials), default=0)
        low = time.floor_ms(from_ms, time.MINUTE_MS if from_ms < folded else time.PANE_MS)
        high = -time.floor_ms(-to_ms, time.MINUTE_MS if to_ms < folded else time.PANE_MS)
        return low, high

    def read(self, figure: str, window: str, dimension: str = "all") -> tuple[Reading, ...]:
        """Readings of a figure in a window ("1m", "5m", "15m", "1h"), by one dimension. Raises KeyError for unknown names."""
        return self._read(figure, self.window(window), dimension)

    def read_span(self, figure: str, from_ms: int, to_ms: int, dimension: str = "all") -> tuple[Reading, ...]:
        """The same for any stretch of the last hour, aligned by `align`."""
        once = replace(self, _rollups={}, _readings={})  # any span may be asked for: none is kept
        return once._read(figure, self.align(from_ms, to_ms), dimension)  # noqa: SLF001 - of the same class

    def scopes(self) -> tuple[tuple[str, str], ...]:
        """Every (app, environment) that has figures, sorted."""
        return tuple(sorted({name[:2] for family in self.families.values() for name in family.names if name.app}))

    def _read(self, name: str, stretch: Stretch, dimension: str) -> tuple[Reading, ...]:
        only_totals = dimension == "all"  # of most windows nothing else is asked
        key = (name, stretch, only_totals)
        if key not in self._readings:
            self._readings[key] = self._by_dimension(self.figures[name], stretch, only_totals=only_totals)
        return self._readings[key].get(dimension, ())

    def _by_dimension(self, figure: Figure, stretch: Stretch, *, only_totals: bool) -> dict[str, tuple[Reading, ...]]:
        """A figure for all series at once."""
        view = self._view(figure, stretch, only_totals=only_totals)
        found: dict[str, list[Reading]] = defaultdict(list)
        for values in figure.read(view):
            for reading in _readings(values, view.series):
                found[reading.series.dimension].append(reading)
        return {dimension: tuple(readings) for dimension, readings in found.items()}

    def _view(self, figure: Figure, stretch: Stretch, *, only_totals: bool) -> SpanView:
        from_ms, to_ms = stretch
        seconds = max(min(to_ms, self.at_ms) - from_ms, 1) / 1000
        axis = self._axis(self.figures[figure.series_of].family if figure.series_of else figure.family, only_totals=only_totals)
        rollups = partial(self._rollup, axis=axis, stretch=stretch, only_totals=only_totals)
        return SpanView(self.figures, rollups, axis, seconds, self._live)

    def _axis(self, family: str, *, only_totals: bool) -> Axis:
        state = self.families[family]
        return state.apps if only_totals else state.axis

    def _rollup(self, family: str, axis: Axis, stretch: Stretch, *, only_totals: bool) -> Rollup:
        """What was counted of a family, on its own axis or on another one's."""
        key = (family, axis, stretch)
        if key not in self._rollups:
            state = self.families[family]
            frames = [frames for share in state.partials for frames in share.frames(*stretch)]
            wanted = [f.totals if only_totals else f.everything for f in frames]
            places = axis.places(self._axis(family, only_totals=only_totals))
            self._rollups[key] = Rollup(state.layout, axis, places, wanted)
        return self._rollups[key]

    def _live(self, family: str, measure: str) -> Array:
        state = self.families[family]
        if measure == "count":
            return state.waiting.astype(np.float64)
        return np.where(state.waiting > 0, np.maximum(self.at_ms - state.oldest_ms, 0) / 1000, 0.0)

    def totals(self) -> tuple[Total | HistogramTotal, ...]:
        """What was counted since the beginning."""
        return self._totals

    @cached_property
    def _totals(self) -> tuple[Total | HistogramTotal, ...]:
        return tuple(total for name in self.families for total in self._family_totals(name))

    def _family_totals(self, name: str) -> Iterator[Total | HistogramTotal]:
        state = self.families[name]
        cells = state.axis.fold(state.totals)
        cells[state.axis.named :] = 0  # a remainder falls when a value of it comes to be shown, and a counter must not
        for figure in self.figures.values():
            if figure.family != name:
                continue
            if isinstance(figure, Counter):
                yield from _counter_totals(figure, cells[:, state.layout.cell[figure.name]], state.axis.series)
            if isinstance(figure, Distribution):
                counts = np.cumsum(cells[:, state.layout.cell[figure.name]], axis=1)
                sums = cells[:, state.layout.sum[figure.name]] * figure.base
                yield from _histogram_totals(figure, counts, sums, state.axis.series)


def _readings(values: Values, series: tuple[Series, ...]) -> Iterator[Reading]:
    rows = np.flatnonzero(values.n > 0)
    value, n = values.value[rows].tolist(), values.n[rows].astype(np.int64).tolist()
    low, high = (repeat(nan) if bound is None else bound[rows].tolist() for bound in (values.low, values.high))
    those = map(series.__getitem__, rows.tolist())
    return map(Reading, those, repeat(values.statistic), value, n, repeat(values.labels), low, high)


def _counter_totals(figure: Counter, cells: Array, series: tuple[Series, ...]) -> Iterator[Total]:
    for column, labels in enumerate(figure.combinations):
        for row in np.flatnonzero(cells[:, column]).tolist():
            yield Total(figure.name, series[row], labels, int(cells[row, column]))


def _histogram_totals(figure: Distribution, counts: Array, sums: Array, series: tuple[Series, ...]) -> Iterator[HistogramTotal]:
    bounds = (*figure.bounds, inf)
    for row in np.flatnonzero(counts[:, -1]).tolist():
        yield HistogramTotal(figure.name, series[row], tuple(zip(bounds, counts[row].tolist(), strict=True)), float(sums[row]))
