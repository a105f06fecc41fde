"""What workers announce, and whether the figures can be believed because of it."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf

from streams.reading.health import WorkerHealth
from streams.reading.replica import Replica
from streams.state.keys import PartitionId
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.position import NOWHERE, before

FRESH_MS = 5_000  # a checkpoint, a sign of life
BEHIND_MS = 10_000  # of event time, or since an end of the log was told, that a partition with waiting records may be behind
UNREAD = "no worker reads it. Hint: if that lasts, `xmon topics list`: has the topic fewer partitions than it had? Add them."
NOTHING_READ = "no worker has been given a partition yet"
LOST = "the store has lost what was written to it last; it will be counted again"


@dataclass(slots=True)
class _Heard:
    status: WorkerStatus
    at_ms: int  # when its sequence was last seen to grow


class Workers:
    """What workers announced, and when by the reader's own clock."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._ends: dict[PartitionId, int] = {}  # the lowest end of each log that anybody has told
        self._told: defaultdict[PartitionId, deque[tuple[int, int]]] = defaultdict(deque)  # the last ends, and when they were

    def heard(self, statuses: list[WorkerStatus], now_ms: int) -> None:
        """Notes who speaks, and who has fallen silent."""
        found = {}
        for status in statuses:
            before = self._heard.get(status.worker)
            speaks = before is None or before.status.sequence != status.sequence
            found[status.worker] = _Heard(status, now_ms) if speaks or before is None else before
            if speaks:
                self._note_ends(status, now_ms)
        self._heard = found

    def _note_ends(self, status: WorkerStatus, now_ms: int) -> None:
        for one in status.partitions:
            if one.next >= 0 and one.lag is not None:
                partition, end = PartitionId(one.topic, one.number), one.next + one.lag
                self._ends[partition] = min(end, self._ends.get(partition, end))
                told = self._told[partition]
                told.append((now_ms, end))
                while told[0][0] < now_ms - BEHIND_MS:
                    told.popleft()

    def _keeps_up(self, partition: PartitionId, replica: Replica | None, now_ms: int) -> bool:
        """Whether what is stored is of these seconds: by its own time, which may be late, or by where the log ended."""
        if replica is None:
            return False
        ended = [end for at_ms, end in self._told[partition] if FRESH_MS <= now_ms - at_ms <= BEHIND_MS]
        reached = replica.next >= max(ended, default=inf) and not replica.counts_again
        return reached or now_ms - replica.watermark <= BEHIND_MS

    def caught_up_once(self, replicas: Mapping[PartitionId, Replica]) -> bool:
        """Whether all is stored that the logs held when they were first told of: whatever anybody was shown before."""
        stored = {partition: replica.next for partition, replica in replicas.items()}
        return stored.keys() <= self._ends.keys() and all(stored.get(one, 0) >= end for one, end in self._ends.items())

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
        problems = [f"{partition}: {replica.problem}" for partition, replica in sorted(replicas.items()) if replica.problem]
        said: dict[PartitionId, list[PartitionStatus]] = {}  # for a moment of a rebalance by two workers
        for one in (one for status in live for one in status.partitions):
            said.setdefault(PartitionId(one.topic, one.number), []).append(one)
        problems += [f"{partition}: {UNREAD}" for partition in sorted(replicas.keys() - said.keys())]
        for partition, statuses in sorted(said.items()):
            replica = replicas.get(partition)
            keeps_up = self._keeps_up(partition, replica, now_ms)
            found = (problem for one in statuses for problem in _problems(one, replica, keeps_up=keeps_up))
            problems += [f"{partition}: {problem}" for problem in islice(found, 1)]
        return problems if said else [*problems, NOTHING_READ]

    def health(self) -> tuple[WorkerHealth, ...]:
        """Who speaks, and what they hold."""
        return tuple(
            WorkerHealth(h.status.worker, h.status.version, tuple(PartitionId(p.topic, p.number) for p in h.status.partitions))
            for h in sorted(self._heard.values(), key=lambda heard: heard.status.worker)
        )


def _problems(status: PartitionStatus, replica: Replica | None, *, keeps_up: bool) -> Iterator[str]:
    """What keeps a partition's figures from being believed, by what one worker says; the most telling first."""
    position = replica.position if replica else NOWHERE
    if status.problem:
        yield status.problem
    if status.next < 0:
        yield "its state is being read"
    if status.stored is not None and before(position, status.stored):
        yield LOST
    if status.age_seconds * 1000 > FRESH_MS:
        yield f"no checkpoint for {status.age_seconds:.0f} s"
    if status.lag is None:
        yield "how far it is behind is not known yet"
    elif status.lag and not keeps_up:
        yield f"{status.lag} records behind"
    if status.next > 0 and position == NOWHERE:
        yield "nothing of it is stored yet"
