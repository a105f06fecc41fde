"""Keeps a copy of all stored state up to date and turns it into snapshots, about once a second."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from streams.metrics.catalogue import Catalogue
from streams.metrics.stored import Layout
from streams.reading.health import Health, PartitionHealth, WorkerHealth
from streams.reading.replica import Names, Replica, StateSource
from streams.reading.snapshot import FamilyState, Partial, Snapshot
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.status import PartitionStatus, WorkerStatus, decode_status

Array = np.ndarray
FRESH_MS = 5_000  # a checkpoint, a sign of life
BEHIND_MS = 10_000  # event time that a partition with waiting records may be behind
SHOWN_VALUES = 200


class Reader:
    """The newest snapshot, and how much it is worth. `refresh` is called by whoever owns the clock."""

    def __init__(
        self,
        source: StateSource,
        catalogue: Catalogue,
        topic_prefix: str,
        shown: int = SHOWN_VALUES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._source, self._catalogue, self._shown = source, catalogue, shown
        self._topics = catalogue.topics(topic_prefix)
        self._families = {family.name: FamilyReader(Layout(family.figures)) for family in catalogue.families}
        self._replicas: dict[PartitionId, Replica] = {}
        self._workers = Workers()
        self._up = False
        self._clock = clock
        self._at_ms = 0
        self._complete_once = False

    async def refresh(self, now_ms: int) -> Snapshot | None:
        """Reads what changed and makes a new snapshot; keeps the old one while the store is away."""
        try:
            await self._read(now_ms)
        except StoreUnavailable:
            self._up = False
            return self.snapshot
        self._up, self._at_ms = True, now_ms
        problems = tuple(self._workers.problems(self._replicas, now_ms))
        self._complete_once = self._complete_once or not problems
        families = {
            name: family.state(self._replicas.values(), self._shown, complete_once=self._complete_once)
            for name, family in self._families.items()
        }
        self.snapshot = Snapshot(now_ms, not problems, problems, self._catalogue.figures, families)
        return self.snapshot

    async def _read(self, now_ms: int) -> None:
        partitions = await self._source.partitions()
        self._workers.heard([decode_status(content) for content in await self._source.workers()], now_ms)
        for partition in partitions:
            family = self._topics.get(partition.topic)
            if family and partition not in self._replicas:
                reader = self._families[family.name]
                self._replicas[partition] = Replica(partition, reader.layout, reader.names)
        await asyncio.gather(*(replica.refresh(self._source, now_ms) for replica in self._replicas.values()))

    @property
    def health(self) -> Health:
        """The state of store, workers and streams; older by the moment while a refresh hangs."""
        age = max(self._clock() - self._at_ms / 1000, 0.0) if self._at_ms else inf
        snapshot = self.snapshot
        return Health(
            up=self._up,
            age_seconds=age,
            complete=bool(snapshot and snapshot.complete),
            problems=self._problems(),
            workers=self._workers.health(),
            partitions=tuple(self._partition(replica) for _, replica in sorted(self._replicas.items())),
            **self._counters(),
        )

    def _problems(self) -> tuple[str, ...]:
        if not self._up:
            return ("the store of figures does not answer",)
        return self.snapshot.problems if self.snapshot else ("nothing has been read yet",)

    def _partition(self, replica: Replica) -> PartitionHealth:
        status = self._workers.status(replica.partition)
        if status is None:
            return PartitionHealth(replica.partition, replica.next)
        return PartitionHealth(replica.partition, replica.next, status.lag, status.checkpoint_seconds, status.checkpoint_bytes)

    def _counters(self) -> dict[str, Mapping[str, int]]:
        names = {
            "records": "records_total",
            "late": "late_events_total",
            "duplicates": "duplicate_events_total",
            "clock_corrections": "clock_corrections_total",
            "unknown_fields": "unknown_fields_total",
            "dropped_values": "dropped_values_total",
            "offsets_lost": "offsets_lost_total",
        }
        found: dict[str, dict[str, int]] = {name: {} for name in (*names.values(), "dead_letters_total")}
        for replica in self._replicas.values():
            topic = replica.partition.topic
            for count, n in replica.counts.items():
                kind, _, reason = count.partition(":")
                name, key = ("dead_letters_total", reason) if reason else (names.get(kind, ""), topic)
                if name:
                    found[name][key] = found[name].get(key, 0) + n
        return dict(found)


class FamilyReader:
    """What of a family outlives a snapshot: names, the values shown, and how far its counters have ever come."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.names = Names()
        self._highest = np.zeros((0, layout.cells), dtype=np.int64)
        self._shown: dict[tuple[str, str, str], set[str]] = {}

    def state(self, all_replicas: Iterable[Replica], most: int, *, complete_once: bool) -> FamilyState:
        """The family over these partitions. Until data has once been complete, counters are held back: they would step."""
        replicas = [replica for replica in all_replicas if replica.names is self.names]
        names = tuple(self.names.names)
        partials = tuple(Partial(dict(r.minutes), dict(r.panes), r.folded_until) for r in replicas)
        totals = self._totals(replicas, len(names))
        waiting, oldest = _waiting(replicas, len(names))
        shown = self._choose(totals, most)
        if not complete_once:
            totals = np.zeros_like(totals)
        return FamilyState(self.layout, names, shown, partials, totals, waiting, oldest)

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

    def _choose(self, totals: Array, most: int) -> Array:
        """bool[names]: the largest values of each dimension; a value once shown stays."""
        shown = np.ones(len(self.names.names), dtype=bool)
        groups: dict[tuple[str, str, str], list[int]] = {}
        for row, name in enumerate(self.names.names):
            if name.dimension != "all":
                groups.setdefault(name[:3], []).append(row)
        for group, rows in groups.items():
            if len(rows) > most:
                self._choose_in(group, rows, totals, most, shown)
        return shown

    def _choose_in(self, group: tuple[str, str, str], rows: list[int], totals: Array, most: int, shown: Array) -> None:
        chosen = self._shown.setdefault(group, set())
        for row in sorted(rows, key=lambda row: (-int(totals[row].max(initial=0)), row)):
            if len(chosen) >= most:
                break
            chosen.add(self.names.names[row].value)
        for row in rows:
            shown[row] = self.names.names[row].value in chosen


def _waiting(replicas: list[Replica], size: int) -> tuple[Array, Array]:
    waiting, oldest = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for replica in replicas:
        if replica.live is not None:
            rows, count, since = replica.live
            oldest[rows] = np.where(waiting[rows] > 0, np.minimum(oldest[rows], since), since)
            waiting[rows] += count
    return waiting, oldest


@dataclass(slots=True)
class _Heard:
    status: WorkerStatus
    at_ms: int  # when its sequence was last seen to grow


class Workers:
    """What workers announced, and when by the reader's own clock."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}

    def heard(self, statuses: list[WorkerStatus], now_ms: int) -> None:
        """Notes who speaks, and who has fallen silent."""
        found = {}
        for status in statuses:
            before = self._heard.get(status.worker)
            speaks = before is None or before.status.sequence != status.sequence
            found[status.worker] = _Heard(status, now_ms) if speaks or before is None else before
        self._heard = found

    def status(self, partition: PartitionId) -> PartitionStatus | None:
        """What the worker that spoke last says of a partition."""
        for heard in sorted(self._heard.values(), key=lambda heard: -heard.at_ms):
            for status in heard.status.partitions:
                if (status.topic, status.number) == partition:
                    return status
        return None

    def problems(self, replicas: Mapping[PartitionId, Replica], now_ms: int) -> list[str]:
        """Why figures may be behind; empty when every partition is caught up or was just written."""
        live = [heard.status for heard in self._heard.values() if now_ms - heard.at_ms <= FRESH_MS]
        if not live:
            return ["no worker is running: start one with `xmon worker`"]
        said = {PartitionId(p.topic, p.number): p for status in live for p in status.partitions}
        problems = [f"{partition}: no worker reads it" for partition in sorted(replicas.keys() - said.keys())]
        for partition, status in sorted(said.items()):
            problem = _problem(status, replicas.get(partition), now_ms)
            if problem:
                problems.append(f"{partition}: {problem}")
        return problems

    def health(self) -> tuple[WorkerHealth, ...]:
        """Who speaks, and what they hold."""
        return tuple(
            WorkerHealth(h.status.worker, "", tuple(PartitionId(p.topic, p.number) for p in h.status.partitions))
            for h in sorted(self._heard.values(), key=lambda heard: heard.status.worker)
        )


def _problem(status: PartitionStatus, replica: Replica | None, now_ms: int) -> str:
    if status.problem:
        return status.problem
    if status.next < 0:
        return "its state is being read"
    if status.age_seconds * 1000 > FRESH_MS:
        return f"no checkpoint for {status.age_seconds:.0f} s"
    if status.lag and (replica is None or now_ms - replica.watermark > BEHIND_MS):
        return f"{status.lag} records behind"
    return ""
