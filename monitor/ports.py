"""What `/metrics`, the API and the page ask of the reader of figures and of the alert engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alerts.alert import Alert
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


class Target(Protocol):
    """One place notifications go to, and how it went."""

    @property
    def name(self) -> str: ...
    @property
    def delivered(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def last_error(self) -> str: ...


class AlertsStatus(Protocol):
    """How the alert engine itself is doing."""

    @property
    def rules(self) -> int: ...
    @property
    def evaluated_at_ms(self) -> int | None: ...
    @property
    def targets(self) -> Sequence[Target]: ...


class Alerts(Protocol):
    """The alert engine, or a reader of what another process's engine found."""

    def alerts(self) -> Sequence[Alert]: ...
    def status(self) -> AlertsStatus: ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    rules: int = 0
    evaluated_at_ms: int | None = None
    targets: tuple[Target, ...] = ()


class NoAlerts:
    """Stands in where no rules are evaluated."""

    def alerts(self) -> Sequence[Alert]:
        return ()

    def status(self) -> AlertsStatus:
        return _Nothing()
