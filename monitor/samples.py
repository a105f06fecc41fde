"""What `/metrics` tells of figures.

Names: `xmon_<figure>` for ratios, scores, rates, uniques and live figures; `_quantile`, `_mean` and `_per_second` for the
other windowed statistics; `_n` for the samples behind a figure and `_interval{bound}` for its 95 % interval; `_total` and
`_bucket/_sum/_count` for what is cumulative. Quantiles are of type summary, the one type whose samples may carry `quantile`.

Totals tell everything. The values of dimensions are many: they tell their counters, and windowed figures with `_n` in few
windows and quantiles, without interval or histogram (docs/decisions/0007-exposition-size.md).
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from math import inf, isnan

from monitor.lines import Family, Place
from monitor.ports import WINDOWS, Snapshot
from streams.metrics.catalogue import Figure
from streams.reading.figures import HistogramTotal, Labels, Reading, Series, Total

_SAMPLED = frozenset({"ratio", "rate", "score", "distribution"})
"""Kinds that come with `n` and interval; of a count, `n` would only repeat the value."""
_VALUE_QUANTILES = frozenset({"p50", "p75", "p95"})


def cumulative(snapshot: Snapshot) -> Iterator[Family]:
    """What was counted since the beginning."""
    families: dict[str, Family] = {}
    for total in snapshot.totals():
        if isinstance(total, HistogramTotal) and total.series.dimension != "all":
            continue
        name = f"xmon_{total.figure}"
        family = families.get(name)
        if family is None:
            kind = "counter" if isinstance(total, Total) else "histogram"
            family = families[name] = Family(name, _help(snapshot, total.figure), kind)
        family.samples += _total_samples(name, total)
    yield from families.values()


def _help(snapshot: Snapshot, figure: str) -> str:
    row = snapshot.figures.get(figure)
    return row.help if row else f"{figure.replace('_', ' ').capitalize()}."


def _total_samples(name: str, total: Total | HistogramTotal) -> Iterator[tuple[Place, float]]:
    series = total.series
    if isinstance(total, Total):
        yield (f"{name}_total", series, total.labels), total.value
        return
    for bound, count in total.buckets:
        yield (f"{name}_bucket", series, (("le", "+Inf" if bound == inf else str(float(bound))),)), count
    yield (f"{name}_sum", series, ()), total.sum
    yield (f"{name}_count", series, ()), total.buckets[-1][1]


def windowed(snapshot: Snapshot, figure: Figure, value_windows: Collection[str]) -> Iterator[Family]:
    """A figure in all windows for totals, in some for the values of its dimensions; a live one in none."""
    families: dict[str, Family] = {}
    live = figure.kind == "live"
    for window in WINDOWS[:1] if live else WINDOWS:
        for dimension in ("all", *figure.dimensions) if live or window in value_windows else ("all",):
            readings = snapshot.read(figure.name, window, dimension)
            _add_readings(families, _Forms(figure, "" if live else window, total=dimension == "all"), readings)
    yield from families.values()


@dataclass(frozen=True, slots=True)
class _Form:
    """How a statistic with its extra labels is told, and the labels of its `n` and interval where it comes with them."""

    name: str
    labels: Labels
    n: Labels | None = None
    low: Labels | None = None
    high: Labels | None = None


class _Forms(dict[tuple[str, Labels], _Form | None]):
    """(statistic, extra labels) → its form, None where it is not told. The first statistic tells `n` for all."""

    def __init__(self, figure: Figure, window: str, *, total: bool) -> None:
        super().__init__()
        self.figure = figure
        self._window, self._total, self._first = window, total, ""

    def __missing__(self, key: tuple[str, Labels]) -> _Form | None:
        self[key] = form = self._form(*key)
        return form

    def _form(self, statistic: str, extra: Labels) -> _Form | None:
        suffix = _suffix(self.figure.kind, statistic)
        if suffix is None or (suffix == "_quantile" and not self._total and statistic not in _VALUE_QUANTILES):
            return None
        name, labels = f"xmon_{self.figure.name}{suffix}", (*extra, ("window", self._window)) if self._window else extra
        if self.figure.kind not in _SAMPLED:
            return _Form(name, labels)
        self._first = self._first or statistic
        n = labels if statistic == self._first else None
        if suffix == "_quantile":
            return _Form(name, (*labels, ("quantile", f"{float(statistic[1:]) / 100:g}")), n)
        if not self._total:
            return _Form(name, labels, n)
        return _Form(name, labels, n, (*labels, ("bound", "low")), (*labels, ("bound", "high")))


def _add_readings(families: dict[str, Family], forms: _Forms, readings: Iterable[Reading]) -> None:
    figure = forms.figure
    for reading in readings:
        form = forms[reading.statistic, reading.labels]
        if form is None:
            continue
        series = reading.series
        if form.n is not None:
            _put(families, f"xmon_{figure.name}_n", f"Samples behind {figure.name}.", series, form.n, reading.n)
        if form.low and form.high and not isnan(reading.low):
            name, meaning = f"{form.name}_interval", f"95 % interval of {form.name.removeprefix('xmon_')}."
            _put(families, name, meaning, series, form.low, reading.low)
            _put(families, name, meaning, series, form.high, reading.high)
        _put(families, form.name, figure.help, series, form.labels, reading.value)


def _suffix(kind: str, statistic: str) -> str | None:
    """What a statistic adds to the name; `None` for a count that `_total` already tells."""
    if statistic == "count":
        return "" if kind in {"uniques", "live"} else None
    if statistic == "value":
        return ""
    return "_quantile" if statistic[1].isdigit() else f"_{statistic}"  # p75


def _put(families: dict[str, Family], name: str, meaning: str, series: Series, labels: Labels, value: float) -> None:
    family = families.get(name)
    if family is None:
        kind = "summary" if name.endswith("_quantile") else "gauge"
        family = families[name] = Family(name, meaning, kind)
    family.samples.append(((name, series, labels), value))
