"""The catalogue: each figure is one row, and everything else is derived from the rows.

A row either is *stored* (`stored.py`: it says what each event adds to a partition's state) or *derived* (`derived.py`: it is
computed from stored ones when somebody reads). Here stands what both share, and the catalogue itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from streams.events.envelope import EventFamily
from streams.windows.tables import KeyedTable

Array = np.ndarray
Labels = tuple[tuple[str, str], ...]
Better = Literal["lower", "higher", ""]
Kind = Literal["counter", "distribution", "uniques", "ratio", "rate", "score", "live"]


@dataclass(frozen=True, slots=True)
class Values:
    """One statistic of a figure for all s series of a view: arrays [s]; n = 0 where there is nothing."""

    statistic: str
    value: Array
    n: Array
    labels: Labels = ()
    low: Array | None = None
    high: Array | None = None


class View(Protocol):
    """The stored figures of one stretch of time for s series, as a row of the catalogue sees them."""

    @property
    def seconds(self) -> float:
        """Length of the stretch."""

    def row(self, name: str) -> Any:
        """The catalogue's row of that name."""

    def counter(self, name: str, cell: int | None = None) -> Array:
        """int64[s]; all cells of a split counter added up unless one is named."""

    def histogram(self, name: str) -> Array:
        """int64[s, thresholds + 1]: values up to each threshold and above the one before; the last one above all."""

    def total(self, name: str) -> Array:
        """float64[s]: the sum of a distribution in base units."""

    def sketch(self, name: str) -> Array:
        """int64[s, buckets]."""

    def registers(self, name: str) -> Array:
        """uint8[s, registers]."""

    def live(self, name: str) -> tuple[Array, Array]:
        """(float64[s] value, bool[s] whether the series is known) of a live figure, at the moment of the snapshot."""


@dataclass(frozen=True, kw_only=True)
class Figure(ABC):
    """What every row says of itself. `unit` is a base unit ("seconds", "ratio") or empty; `questions` are ids such as W4."""

    kind: ClassVar[Kind]

    name: str
    help: str
    better: Better = ""
    unit: str = ""
    questions: tuple[str, ...] = ()
    series_of: str = ""  # a figure of another family, where its series are those that this one has
    family: str = ""  # filled in by the family, like `dimensions`
    dimensions: tuple[str, ...] = ()

    @property
    def statistics(self) -> tuple[str, ...]:
        """What `read` gives; the first one is meant where nobody says which."""
        return ("value",)

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Extra labels and the values they take."""
        return {}

    @abstractmethod
    def read(self, view: View) -> Iterator[Values]:
        """One `Values` for each statistic and combination of extra labels."""


@dataclass(frozen=True)
class FamilyMetrics:
    """What is counted of one family of events, by which dimensions, with which keyed table."""

    event: EventFamily
    dimensions: tuple[str, ...]
    figures: tuple[Figure, ...]
    table: Callable[[], KeyedTable] | None = None

    def __post_init__(self) -> None:
        owned = tuple(replace(figure, family=self.name, dimensions=self.dimensions) for figure in self.figures)
        object.__setattr__(self, "figures", owned)

    @property
    def name(self) -> str:
        return self.event.name


class Catalogue:
    """All families with all figures; refuses two figures of one name."""

    def __init__(self, families: tuple[FamilyMetrics, ...]) -> None:
        self.families = families
        rows = [figure for family in families for figure in family.figures]
        by_name = {figure.name: figure for figure in rows}
        if len(by_name) < len(rows):
            names = [figure.name for figure in rows]
            raise ValueError(f"figures of the same name: {sorted({n for n in names if names.count(n) > 1})}")
        self.figures: Mapping[str, Figure] = {name: _joined(figure, by_name) for name, figure in by_name.items()}

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """Every dimension of any family, sorted."""
        return tuple(sorted({dimension for family in self.families for dimension in family.dimensions}))

    def topics(self, prefix: str) -> dict[str, FamilyMetrics]:
        """Topic → family."""
        return {prefix + family.name: family for family in self.families}


def _joined(figure: Figure, by_name: Mapping[str, Figure]) -> Figure:
    """A figure over two families has the dimensions that both have, and is absent where the other family is."""
    if figure.series_of not in by_name:
        return figure
    other = by_name[figure.series_of].dimensions
    return replace(figure, dimensions=tuple(d for d in figure.dimensions if d in other))
