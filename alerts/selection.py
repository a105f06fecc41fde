"""Which readings a rule looks at, and what alerts ask of a snapshot and of the catalogue."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.reading.figures import Labels, Reading, Series


class Figure(Protocol):
    """A row of the catalogue, as far as rules need it."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def statistics(self) -> Sequence[str]: ...
    @property
    def labels(self) -> Collection[str]: ...
    @property
    def dimensions(self) -> Sequence[str]: ...


class Snapshot(Protocol):
    """All figures at one instant."""

    @property
    def at_ms(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def problems(self) -> Sequence[str]: ...
    def read(self, figure: str, window: str, dimension: str = "all") -> Sequence[Reading]: ...


class CountingSnapshot(Snapshot, Protocol):
    """The same as the engine is given it: with the monitor's own counters, by name and value of their label."""

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One statistic of one figure over one window, by one dimension, and the samples it needs to be judged. `counted`: the
    samples are what it counts, so that few of them, or none, are an answer and no lack of one."""

    figure: str
    statistic: str = "value"
    labels: Labels = ()
    window: str = "5m"
    by: str = "all"
    app: str | None = None
    environment: str | None = None
    min_n: int = 30
    counted: bool = False

    def readings(self, snapshot: Snapshot) -> Iterator[Reading]:
        """What the snapshot holds of it, thin samples included."""
        return filter(self._wants, snapshot.read(self.figure, self.window, self.by))

    def covers(self, series: Series, labels: Labels) -> bool:
        """Whether it looks at such readings, be there any or not."""
        return (
            series.dimension == self.by
            and (self.app is None or series.app == self.app)
            and (self.environment is None or series.environment == self.environment)
            and all(label in labels for label in self.labels)
        )

    def _wants(self, reading: Reading) -> bool:
        return reading.statistic == self.statistic and self.covers(reading.series, reading.labels)
