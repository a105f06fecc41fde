"""Rollups ↔ small integers. Part of a partition's state: numbers are given in the order of the records, never of the batches.

A rollup is (app, environment, dimension, value). An app has at most `max_values` values a dimension, a partition at most
`max_scopes` apps and environments; what comes later is counted in the totals only, and given back as `__other__` by the reader.
Where a dimension is full, values unseen for 24 h of event time make room once an hour. Others are kept: what partitions have
counted of a value is added up, and a sum of which one forgets its part would step back.
"""

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from streams.events.envelope import DEFAULT_ENVIRONMENT
from streams.metrics.columns import missing
from streams.windows.pane import BLOCKS
from streams.windows.time import HOUR_MS

Array = np.ndarray
UNKNOWN, OTHER = "unknown", "__other__"
KEEP_HOURS = 24
NONE = -1  # a value that was not admitted
_NEW = -2


class Events(Protocol):
    """A batch of events by column."""

    @property
    def events(self) -> Sequence[Any]: ...
    def __len__(self) -> int: ...
    def values(self, field: str) -> Sequence[Any]: ...


class Name(NamedTuple):
    """What a series is the rollup of."""

    app: str
    environment: str
    dimension: str
    value: str


class Numbers(dict[str, int]):
    """Value → number of its series. Indexing tells `_NEW` of a value that is not there, and takes a missing one as unknown."""

    def __missing__(self, value: str | None) -> int:
        return _NEW if value else self.get(UNKNOWN, _NEW)


class Scope:
    """One app in one environment: the number of its total, and of each value by dimension."""

    __slots__ = ("name", "total", "values")

    def __init__(self, name: tuple[str, str], total: int, dimensions: int) -> None:
        self.name = name
        self.total = total
        self.values = tuple(Numbers() for _ in range(dimensions))


class SeriesIndex:
    """Names of the series of one partition."""

    def __init__(self, dimensions: Sequence[str], max_values: int = 1000, max_scopes: int = 100) -> None:
        self.dimensions = tuple(dimensions)
        self.names: list[Name | None] = []
        self.dropped = 0  # values that found no place, counted once an event
        self._last_hour = np.zeros(0, dtype=np.int64)
        self._scopes: dict[tuple[str, str], Scope] = {}
        self._free: list[int] = []
        self._limits = max_values, max_scopes
        self._changed = np.zeros(BLOCKS, dtype=bool)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def changed(self) -> bool:
        """Whether there is something that `unstored` has not given yet."""
        return bool(self._changed.any())

    def codes(self, events: Events, hour: int) -> Array:
        """n events → int64[n, 1 + dimensions]: series numbers, the total first; NONE for values without a place."""
        found = self.look_up(events)
        if (new := found == _NEW).any():
            for i in np.flatnonzero(new.any(axis=1)).tolist():
                found[i] = self._admit(events.events[i])
        seen = np.bincount(found.ravel() + 1, minlength=len(self.names) + 1)[1:] > 0
        aged = np.flatnonzero(seen & (self._last_hour < hour))
        self._last_hour[aged] = hour
        self._changed[aged % BLOCKS] = True
        return found

    def look_up(self, events: Events) -> Array:
        """As `codes`, admitting nothing: a value that is not known is negative."""
        found = np.full((len(events), 1 + len(self.dimensions)), _NEW, dtype=np.int64)
        columns = [events.values(dimension) for dimension in self.dimensions]
        for name, rows in _by_scope(events).items():
            scope = self._scopes.get(name)
            if scope is None:
                continue
            every = len(rows) == len(events)
            at = slice(None) if every else rows
            found[at, 0] = scope.total
            for d, (column, numbers) in enumerate(zip(columns, scope.values, strict=True), 1):
                chosen = column if every else [column[i] for i in rows]
                if missing(chosen):  # as in many dimensions
                    found[at, d] = numbers.get(UNKNOWN, _NEW)
                else:
                    found[at, d] = np.fromiter(map(numbers.__getitem__, chosen), np.int64, len(rows))
        return found

    def _admit(self, event: Any) -> list[int]:
        name = _scope_of(event)
        scope = self._scopes.get(name) or self._new_scope(name)
        if scope is None:
            self.dropped += 1
            return [self._scopes[OTHER, OTHER].total] + [NONE] * len(self.dimensions)
        found, full = [scope.total], False
        for dimension, values in zip(self.dimensions, scope.values, strict=True):
            value = getattr(event, dimension) or UNKNOWN
            number = values.get(value)
            if number is None:
                if len(values) < self._limits[0] and value != OTHER:
                    number = values[value] = self._number(Name(*scope.name, dimension, value))
                else:
                    number, full = NONE, True
            found.append(number)
        self.dropped += full
        return found

    def _new_scope(self, name: tuple[str, str]) -> Scope | None:
        if len(self._scopes) >= self._limits[1]:
            if (OTHER, OTHER) not in self._scopes:
                self._open((OTHER, OTHER))
            return None
        return self._open(name)

    def _open(self, name: tuple[str, str]) -> Scope:
        scope = Scope(name, self._number(Name(*name, "all", "all")), len(self.dimensions))
        self._scopes[name] = scope
        return scope

    def _number(self, name: Name) -> int:
        if self._free:
            number = heapq.heappop(self._free)
            self.names[number] = name
        else:
            number = len(self.names)
            self.names.append(name)
            self._last_hour = np.concatenate((self._last_hour, np.zeros(1, dtype=np.int64)))
        self._last_hour[number] = 0
        self._changed[number % BLOCKS] = True
        return number

    def expire(self, hour: int, held: Array) -> list[int]:
        """Forgets values of full dimensions that were unseen for 24 h before `hour` (hours since 1970), but none of those that
        open panes hold; returns their numbers. Totals stay."""
        first = np.union1d(
            held, np.flatnonzero(self._last_hour == 0)
        )  # or met before any pane was closed: their day begins now
        self._last_hour[first] = hour
        self._changed[first % BLOCKS] = True
        old = np.flatnonzero(self._last_hour < hour - KEEP_HOURS).tolist()
        named = {number: name for number in old if (name := self.names[number]) and name.dimension != "all"}
        gone = {number: name for number, name in named.items() if len(self._values(name)) >= self._limits[0]}
        for number, name in gone.items():
            del self._values(name)[name.value]
            self.names[number] = None
            heapq.heappush(self._free, number)
            self._changed[number % BLOCKS] = True
        return list(gone)

    def _values(self, name: Name) -> Numbers:
        """All values of its dimension."""
        return self._scopes[name.app, name.environment].values[self.dimensions.index(name.dimension)]

    def unstored(self) -> Iterator[tuple[int, bytes]]:
        """(block, content) of what changed since the last call."""
        for block in np.flatnonzero(self._changed).tolist():
            rows = [
                [i, *name, int(self._last_hour[i])] for i in range(block, len(self.names), BLOCKS) if (name := self.names[i])
            ]
            yield block, json.dumps(rows, separators=(",", ":")).encode()
        self._changed[:] = False

    def restore(self, blocks: Mapping[int, bytes], count: int) -> None:
        """The inverse of all that `unstored` ever gave; `count` numbers were given out in all."""
        self.names = [None] * count
        self._last_hour = np.zeros(count, dtype=np.int64)
        for content in blocks.values():
            for number, name, hour in read_names(content):
                self.names[number] = name
                self._last_hour[number] = hour
        for number, known in enumerate(self.names):
            if known is None:
                self._free.append(number)
            elif known.dimension == "all":
                self._scopes[known[:2]] = Scope(known[:2], number, len(self.dimensions))
        for number, known in enumerate(self.names):
            if known is not None and known.dimension != "all":
                self._values(known)[known.value] = number


def read_names(content: bytes) -> Iterator[tuple[int, Name, int]]:
    """(number, name, hour last seen) of each series in a stored block."""
    for number, app, environment, dimension, value, hour in json.loads(content):
        yield number, Name(app, environment, dimension, value), hour


def hour_of(at_ms: int) -> int:
    """Hours since 1970; 0 before the first pane is closed."""
    return max(at_ms // HOUR_MS, 0)


def _scope_of(event: Any) -> tuple[str, str]:
    return event.app, event.environment or DEFAULT_ENVIRONMENT


def _by_scope(events: Events) -> dict[tuple[str, str], Sequence[int]]:
    apps, environments = events.values("app"), events.values("environment")
    if apps.count(apps[0]) == environments.count(environments[0]) == len(apps):
        return {(apps[0], environments[0] or DEFAULT_ENVIRONMENT): range(len(apps))}
    found: dict[tuple[str, str], list[int]] = {}
    for i, (app, environment) in enumerate(zip(apps, environments, strict=True)):
        found.setdefault((app, environment or DEFAULT_ENVIRONMENT), []).append(i)
    return dict(found)
