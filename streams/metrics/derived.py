"""Rows that are computed from stored ones when somebody reads. Each is judged together with its n and its interval."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from streams.metrics import formulas
from streams.metrics.catalogue import Figure, Kind, Values, View
from streams.metrics.columns import Array
from streams.windows import uniques

Expression = Callable[[View], Array]


def count(name: str) -> Expression:
    """A counter, all of its label values added up."""
    return lambda view: view.counter(name)


def within(name: str, threshold: float) -> Expression:
    """How many values of a distribution are at most one of its thresholds."""
    return lambda view: view.histogram(name)[:, : list(view.row(name).thresholds).index(threshold) + 1].sum(axis=1)


def values(name: str) -> Expression:
    """How many values a distribution has."""
    return lambda view: view.histogram(name).sum(axis=1)


@dataclass(frozen=True, kw_only=True)
class Ratio(Figure):
    """Of `whole`, the share that is `part`. `variants`: other definitions of the same share under a label.

    `samples`: what n and the interval go by where the whole comes in clusters, such as the frames of a session. At worst all in
    a cluster are the same, and it proves as much as one sample: Kish, Survey Sampling (1965), ch. 5, for clusters of one size.
    """

    part: Expression | None = None
    whole: Expression | None = None
    samples: Expression | None = None
    variants: Mapping[str, tuple[Expression, Expression]] | None = None
    unit: str = "ratio"

    kind: ClassVar[Kind] = "ratio"

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        return {"variant": tuple(self.variants)} if self.variants else {}

    def read(self, view: View) -> Iterator[Values]:
        if self.part and self.whole:
            yield proportion(self.part(view), self.whole(view), samples=self.samples(view) if self.samples else None)
        for name, (part, whole) in (self.variants or {}).items():
            yield proportion(part(view), whole(view), ("variant", name))


def proportion(part: Array, whole: Array, *labels: tuple[str, str], samples: Array | None = None) -> Values:
    """A share with its Wilson interval. The part is held within the whole: they may come from two topics."""
    share = formulas.share(part, whole)
    n = np.maximum(whole if samples is None else samples, 0)
    return Values("value", share, n, labels, *formulas.wilson(share * n, n))


@dataclass(frozen=True, kw_only=True)
class PeopleShare(Figure):
    """Of the different people of `whole`, the share that is not among those of `without`. Both are estimates
    (`uniques.py`)."""

    whole: str
    without: str
    unit: str = "ratio"

    kind: ClassVar[Kind] = "ratio"

    def read(self, view: View) -> Iterator[Values]:
        whole, without = (np.rint(uniques.estimate(view.registers(name))) for name in (self.whole, self.without))
        part = np.maximum(whole - without, 0)
        interval = formulas.estimated_share(part, whole, uniques.STANDARD_ERROR)
        yield Values("value", formulas.share(part, whole), whole, (), *interval)


@dataclass(frozen=True, kw_only=True)
class Rate(Figure):
    """How many of `part` for each of `over`: a count, judged by its Poisson interval; n is the number of `over`."""

    part: Expression
    over: Expression
    unit: str = "ratio"

    kind: ClassVar[Kind] = "rate"

    def read(self, view: View) -> Iterator[Values]:
        part, over = self.part(view), self.over(view)
        low, high = formulas.poisson(part)
        with np.errstate(invalid="ignore", divide="ignore"):
            yield Values("value", part / over, over, (), low / over, high / over)


@dataclass(frozen=True, kw_only=True)
class Apdex(Figure):
    """Satisfied up to `threshold` of the distribution, tolerating up to four times that; `failed` ones are frustrated."""

    of: str
    threshold: float  # one of the distribution's thresholds, like 4 × threshold
    failed: Expression
    unit: str = "ratio"

    kind: ClassVar[Kind] = "score"

    def read(self, view: View) -> Iterator[Values]:
        satisfied = within(self.of, self.threshold)(view)
        tolerating = within(self.of, 4 * self.threshold)(view) - satisfied
        frustrated = values(self.of)(view) - satisfied - tolerating + self.failed(view)
        score, low, high = formulas.apdex(satisfied, tolerating, frustrated)
        yield Values("value", score, satisfied + tolerating + frustrated, (), low, high)


@dataclass(frozen=True, kw_only=True)
class Mean(Figure):
    """The mean of a distribution under a name of its own."""

    of: str
    unit: str = "seconds"

    kind: ClassVar[Kind] = "score"

    def read(self, view: View) -> Iterator[Values]:
        yield view.row(self.of).read_mean(view, "value")


@dataclass(frozen=True, kw_only=True)
class VitalShare(Figure):
    """The share of good, needs-improvement and poor values of each vital: vital → (its distribution, good, poor)."""

    vitals: Mapping[str, tuple[str, float, float]]
    unit: str = "ratio"

    kind: ClassVar[Kind] = "ratio"

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        return {"vital": tuple(self.vitals), "rating": ("good", "needs_improvement", "poor")}

    def read(self, view: View) -> Iterator[Values]:
        for vital, (name, good, poor) in self.vitals.items():
            n, is_good, not_poor = values(name)(view), within(name, good)(view), within(name, poor)(view)
            for rating, part in (("good", is_good), ("needs_improvement", not_poor - is_good), ("poor", n - not_poor)):
                yield proportion(part, n, ("vital", vital), ("rating", rating))
