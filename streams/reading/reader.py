"""Keeps a copy of all stored state up to date and turns it into snapshots, about once a second."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from math import inf

from streams.metrics.catalogue import Catalogue
from streams.reading.family import FamilyReader
from streams.reading.health import Health, PartitionHealth
from streams.reading.replica import Replica, StateSource
from streams.reading.snapshot import Snapshot
from streams.reading.workers import Workers
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.status import WorkerStatus, decode_status

log = logging.getLogger(__name__)

SHOWN_VALUES = 200
AT_ONCE = 16  # partitions that are read at the same time: each takes a connection


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
        self._families = {family.name: FamilyReader(family) for family in catalogue.families}
        self._replicas: dict[PartitionId, Replica] = {}
        self._workers = Workers()
        self._up = self._failed = False
        self._misheard = ""  # why a worker's status could not be read when it was last asked for
        self._counts: dict[str, Mapping[str, int]] = {}
        self._clock = clock
        self._at_ms = 0
        self._complete_once = False

    async def refresh(self, now_ms: int) -> Snapshot | None:
        """Reads what changed and makes a new snapshot; keeps the old one while the store is away."""
        try:
            await self._read(now_ms)
        except StoreUnavailable:
            self._up, self._failed = False, True
            return self.snapshot
        self._up, self._failed, self._at_ms = True, False, now_ms
        problems = tuple(self._workers.problems(self._replicas, now_ms))
        self._complete_once = self._complete_once or (not problems and self._workers.caught_up_once(self._replicas))
        if self._complete_once:
            self._counts = self._counters()
        families = {
            name: family.state(self._replicas.values(), self._shown, complete_once=self._complete_once)
            for name, family in self._families.items()
        }
        self.snapshot = Snapshot(now_ms, not problems, problems, self._catalogue.figures, families, self._counts)
        return self.snapshot

    async def _read(self, now_ms: int) -> None:
        partitions = await self._source.partitions()
        self._workers.heard(self._statuses(await self._source.workers()), now_ms)
        for partition in partitions:
            family = self._topics.get(partition.topic)
            if family and partition not in self._replicas:
                reader = self._families[family.name]
                self._replicas[partition] = Replica(partition, reader.layout, reader.names, reader.columns)
        replicas = list(self._replicas.values())
        for start in range(0, len(replicas), AT_ONCE):
            reads = (replica.refresh(self._source) for replica in replicas[start : start + AT_ONCE])
            for error in filter(None, await asyncio.gather(*reads, return_exceptions=True)):  # when none is under way any more
                raise error

    def _statuses(self, contents: Iterable[bytes]) -> list[WorkerStatus]:
        """Those that can be read: of a worker of another version no more is known than of one that is silent."""
        found, misheard = [], ""
        for content in contents:
            try:
                found.append(decode_status(content))
            except ValueError as error:
                misheard = f"what a worker says is left out: {error}"
        if misheard and not self._misheard:
            log.warning("%s", misheard)
        self._misheard = misheard
        return found

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
            **self._counts,
        )

    def _problems(self) -> tuple[str, ...]:
        if self._failed:
            return ("the store of figures does not answer",)
        return self.snapshot.problems if self.snapshot else ("nothing has been read yet",)

    def _partition(self, replica: Replica) -> PartitionHealth:
        status = self._workers.status(replica.partition)
        if status is None:
            return PartitionHealth(replica.partition, replica.next)
        return PartitionHealth(replica.partition, replica.next, status.lag, status.checkpoint_seconds, status.checkpoint_bytes)

    def _counters(self) -> dict[str, Mapping[str, int]]:
        """Sums over partitions, at their highest so far: what a rollback took comes back, and a counter never falls."""
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
        for name, counts in self._counts.items():
            found[name] |= {key: max(n, found[name].get(key, 0)) for key, n in counts.items()}
        return dict(found)
