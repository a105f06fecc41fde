"""Snapshots, rules and targets that say what a test wants them to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan

from alerts.alert import Notification
from alerts.conditions.threshold import Above
from alerts.notify.target import DeliveryError
from alerts.rule import Rule
from alerts.selection import Selection
from streams.reading.figures import Labels, Reading, Series

START_MS = 1_763_798_400_000  # 2025-11-22 08:00:00 UTC
CHECKOUT = Series("checkout", "production")


@dataclass(frozen=True)
class FakeFigure:
    name: str
    unit: str = "ratio"
    kind: str = "ratio"
    statistics: tuple[str, ...] = ("value",)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ("page", "release")


@dataclass(frozen=True)
class FakeSnapshot:
    """All figures answer with the same readings, in every window, those of the dimension asked for."""

    at_ms: int
    readings: tuple[Reading, ...] = ()
    complete: bool = True
    problems: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def read(self, figure: str, window: str, dimension: str = "all") -> Sequence[Reading]:
        return [reading for reading in self.readings if reading.series.dimension == dimension]


def figures(*names: str) -> dict[str, FakeFigure]:
    return {name: FakeFigure(name) for name in names}


def reading(
    value: float, n: int = 1000, low: float = nan, high: float = nan, series: Series = CHECKOUT, labels: Labels = ()
) -> Reading:
    return Reading(series, "value", value, n, labels, low, high)


def snapshot(second: float, *values: Reading | float, complete: bool = True) -> FakeSnapshot:
    """At a second after the start, with these readings; a bare number is the value of the whole app."""
    readings = tuple(item if isinstance(item, Reading) else reading(item) for item in values)
    problems = () if complete else ("page-load:0 is 7 s behind",)
    return FakeSnapshot(START_MS + round(second * 1000), readings, complete, problems)


def rule(
    name: str = "failures", *, warning: float | None = 0.05, critical: float | None = None, by: str = "all", **fields
) -> Rule:
    """Failures above 5 %, on 30 samples, at once; `fields` are those of a rule."""
    selection = Selection(figure="page_load_failure_ratio", by=by)
    condition = Above(warning=warning, critical=critical, resolve_at=fields.pop("resolve_at", None))
    return Rule(name=name, summary="failed loads", selection=selection, condition=condition, unit="ratio", **fields)


class FakeTarget:
    """Remembers what it was sent; raises the errors it is given first, one an attempt."""

    def __init__(self, name: str = "chat", errors: Sequence[DeliveryError] = (), resend_ms: int | None = None) -> None:
        self.name = name
        self.resend_ms = resend_ms
        self.errors = list(errors)
        self.attempts: list[tuple[int, str]] = []
        self.taken: list[Notification] = []

    async def send(self, notification: Notification, now_ms: int) -> None:
        self.attempts.append((now_ms, notification.id))
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(notification)

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(alert.series.value, str(alert.said)) for news in self.taken for alert in news.alerts]
