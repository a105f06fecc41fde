"""What `/metrics`, the API and the page ask of the reader of figures and of the alert engine."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from alerts.overview import AlertsStatus, AlertView
from streams.metrics.catalogue import Figure
from streams.reading.figures import HistogramTotal, Reading, Total
from streams.reading.health import Health

WINDOWS = ("1m", "5m", "15m", "1h")


class Snapshot(Protocol):
    """All figures at one instant; immutable."""

    @property
    def at_ms(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def figures(self) -> Mapping[str, Figure]: ...
    def read(self, figure: str, window: str, dimension: str = "all") -> Sequence[Reading]: ...
    def read_span(self, figure: str, from_ms: int, to_ms: int, dimension: str = "all") -> Sequence[Reading]: ...
    def align(self, from_ms: int, to_ms: int) -> tuple[int, int]: ...
    def totals(self) -> Sequence[Total | HistogramTotal]: ...
    def scopes(self) -> Sequence[tuple[str, str]]: ...


class Source(Protocol):
    """The reader: the newest snapshot (`None` before the first) and how old and trustworthy it is by now."""

    @property
    def snapshot(self) -> Snapshot | None: ...
    @property
    def health(self) -> Health: ...


class Alerts(Protocol):
    """What fires or is about to, the worst first, and how evaluation and delivery are doing."""

    def alerts(self) -> Sequence[AlertView]: ...
    def status(self) -> AlertsStatus: ...


class NoAlerts:
    """Stands in where no rules are evaluated."""

    def alerts(self) -> Sequence[AlertView]:
        return ()

    def status(self) -> AlertsStatus:
        return AlertsStatus()
