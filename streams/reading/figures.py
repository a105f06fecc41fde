"""What a reader of figures gets: one value of one figure for one series."""

from dataclasses import dataclass
from math import nan

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A rollup: `dimension="all", value="all"` is the total of an app in an environment."""

    app: str
    environment: str
    dimension: str = "all"
    value: str = "all"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value with the number of samples behind it and its 95 % interval (nan where none is defined)."""

    series: Series
    statistic: str
    value: float
    n: int
    labels: Labels = ()
    low: float = nan
    high: float = nan


@dataclass(frozen=True, slots=True)
class Total:
    """A cumulative counter: everything ever counted for a series."""

    figure: str
    series: Series
    labels: Labels
    value: int


@dataclass(frozen=True, slots=True)
class HistogramTotal:
    """A cumulative classic histogram: `buckets` are (upper bound in base units, cumulative count), the last bound inf."""

    figure: str
    series: Series
    buckets: tuple[tuple[float, int], ...]
    sum: float
