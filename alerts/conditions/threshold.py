"""A value beyond a fixed limit.

A figure with an interval is bad only when the whole interval is: its lower bound for `above`, its upper one for `below`.
So four samples never page, and many samples need no distance to the limit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from alerts.conditions.condition import Condition
from alerts.observation import Observation, Severity, absent
from alerts.selection import Selection, Snapshot
from streams.reading.figures import Labels, Reading, Series

Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Limits in the unit of the figure. Recovery needs the value itself at `resolve_at` or better."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    sign: ClassVar[int]  # 1: greater is worse, -1: smaller is worse
    relation: ClassVar[str]

    warning: Limit = None
    critical: Limit = None
    resolve_at: Limit = None  # without it: the mildest limit

    def __post_init__(self) -> None:
        if self.warning is None and self.critical is None:
            raise ValueError("say how far is too far: give `warning`, `critical` or both")
        if self.warning is not None and self.critical is not None and not self._beyond(self.critical, self.warning):
            raise ValueError(f"`critical` must be {self.relation} `warning`, or it is reached first: swap them")
        if self.resolve_at is not None and self._beyond(self.resolve_at, self.mildest):
            raise ValueError(f"`resolve_at` must not be {self.relation} {self.mildest:g}: there the alert still fires")

    @property
    def mildest(self) -> float:
        """The limit that is reached first."""
        limit = self.critical if self.warning is None else self.warning
        return 0.0 if limit is None else limit  # one of them is given

    def observe(self, selection: Selection, snapshot: Snapshot) -> Iterator[Observation]:
        for reading in selection.readings(snapshot):
            enough = reading.n >= selection.min_n or (selection.counted and self._clear(reading.value))
            yield self.judge(reading, enough=enough, complete=snapshot.complete)

    def absent(self, selection: Selection, series: Series, labels: Labels, *, complete: bool) -> Observation:
        """Of what is counted there was none: good news, where more is worse. Of all else nothing is known."""
        if selection.counted and self._clear(0):
            return self.judge(Reading(series, selection.statistic, 0.0, 0, labels), enough=True, complete=complete)
        return absent(complete=complete)

    def judge(self, reading: Reading, *, enough: bool, complete: bool) -> Observation:
        """Bad is decided by the bound of the interval, recovery by the value."""
        severity, limit = self._broken(reading) if enough else (None, self.mildest)
        return Observation(reading, severity, limit, enough, complete, self._clear(reading.value))

    def _clear(self, value: float) -> bool:
        return self.sign * (value - (self.mildest if self.resolve_at is None else self.resolve_at)) <= 0

    def _broken(self, reading: Reading) -> tuple[Severity | None, float]:
        bound = reading.low if self.sign > 0 else reading.high
        bound = reading.value if isnan(bound) else bound
        for severity, limit in ((Severity.CRITICAL, self.critical), (Severity.WARNING, self.warning)):
            if limit is not None and self._beyond(bound, limit):
                return severity, limit
        return None, self.mildest

    def _beyond(self, value: float, limit: float) -> bool:
        return self.sign * (value - limit) > 0


class Above(Threshold):
    """Bad above the limit."""

    __slots__ = ()
    sign = 1
    relation = "above"


class Below(Threshold):
    """Bad below the limit."""

    __slots__ = ()
    sign = -1
    relation = "below"


CONDITIONS: Mapping[str, type[Condition]] = {"above": Above, "below": Below}
