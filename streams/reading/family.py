"""One family over all partitions: what of it outlives a snapshot, and its part of one."""

from collections.abc import Iterable

import numpy as np

from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.stored import Layout
from streams.reading.axis import Axis
from streams.reading.names import NOBODY, Names
from streams.reading.replica import Replica
from streams.reading.snapshot import FamilyState, Partial
from streams.windows.series import KEEP_HOURS, Name
from streams.windows.storage import columns_of

Array = np.ndarray


class FamilyReader:
    """What of a family outlives a snapshot: names, the values shown, and how far its counters have ever come."""

    def __init__(self, family: FamilyMetrics) -> None:
        self.layout = layout = Layout(family.figures)
        self.columns = columns_of(family, layout)
        self.names = Names()
        self._highest = np.zeros((0, layout.cells), dtype=np.int64)
        self._shown: set[Name] = set()
        self._renamed = -1
        size = layout.cell[layout.counters[0].name] if layout.counters else slice(0, None)
        self._size = size  # the columns that say how large a value is

    def state(self, all_replicas: Iterable[Replica], most: int, *, complete_once: bool) -> FamilyState:
        """The family over these partitions. Until data has once been complete, counters are held back: they would step."""
        replicas = [replica for replica in all_replicas if replica.names is self.names]
        renamed = sum(replica.renamed for replica in replicas)
        if renamed != self._renamed:
            self._forget(replicas)
        totals = self._totals(replicas, len(self.names.names))
        if renamed != self._renamed:
            self._renamed = renamed
            self._name(totals, most, replicas)
        if not complete_once:
            totals = np.zeros_like(totals)
        partials = tuple(Partial(dict(r.minutes), dict(r.panes), r.folded_until) for r in replicas)
        waiting, oldest = _waiting(replicas, len(self._names))
        return FamilyState(self.layout, self._names, self._axis, self._apps, partials, totals, waiting, oldest)

    def _forget(self, replicas: list[Replica]) -> None:
        """Rows of series that no partition knows any more are free for others."""
        gone = self.names.keep(set().union(*(replica.rows() for replica in replicas)))
        self._highest[[row for row in gone if row < len(self._highest)]] = 0

    def _name(self, totals: Array, most: int, replicas: list[Replica]) -> None:
        """What a snapshot knows of names; made anew when series were met or forgotten."""
        self._names = tuple(self.names.names)
        shown = self._choose(totals, most, replicas)
        apps = np.array([row for row, name in enumerate(self._names) if name.dimension == "all"], dtype=np.int64)
        self._axis, self._apps = Axis(self._names, shown), Axis(self._names, shown, apps)

    def _totals(self, replicas: list[Replica], size: int) -> Array:
        found = np.zeros((size, self.layout.cells), dtype=np.int64)
        for replica in replicas:
            for frame in replica.lifetime():
                index, value = frame.cells
                found.reshape(-1)[index] += value
        known = self._highest.shape[0]
        found[:known] = np.maximum(found[:known], self._highest)
        self._highest = found
        return found

    def _choose(self, totals: Array, most: int, replicas: list[Replica]) -> Array:
        """bool[names]: the largest values of each dimension; a value once shown stays as long as it is met once a day."""
        shown = np.array([name.dimension == "all" for name in self._names], dtype=bool)
        groups: dict[tuple[str, str, str], list[int]] = {}
        for row, name in enumerate(self._names):
            if name is not NOBODY and not shown[row]:
                groups.setdefault(name[:3], []).append(row)
        crowded = [rows for rows in groups.values() if len(rows) > most]
        unmet = _unmet(replicas) if crowded else set()
        size = totals[:, self._size].sum(axis=1).tolist()
        for rows in crowded:
            rows.sort(key=lambda row: (row in unmet, self._names[row] not in self._shown, -size[row], row))
        for rows in groups.values():
            shown[rows[:most]] = True
        self._shown = {name for name, is_shown in zip(self._names, shown.tolist(), strict=True) if is_shown}
        return shown


def _unmet(replicas: list[Replica]) -> set[int]:
    """Rows of what no partition has met for a day."""
    last: dict[int, int] = {}
    for replica in replicas:
        for row, hour in replica.last_met():
            last[row] = max(last.get(row, 0), hour)
    newest = max(last.values(), default=0)
    return {row for row, hour in last.items() if 0 < hour < newest - KEEP_HOURS}


def _waiting(replicas: list[Replica], size: int) -> tuple[Array, Array]:
    waiting, oldest = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for replica in replicas:
        if replica.live is not None:
            rows, count, since = replica.live
            oldest[rows] = np.where(waiting[rows] > 0, np.minimum(oldest[rows], since), since)
            waiting[rows] += count
    return waiting, oldest
