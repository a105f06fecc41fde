"""Going on after a topic was created anew: what has been counted stays, and counting goes on with the log there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.state.keys import PartitionId
from streams.status import decode_status
from streams.windows.position import branched, offset_of


class Store(Protocol):
    """The part of `PartitionStore` and `StateSource` that is needed."""

    async def partitions(self) -> list[PartitionId]: ...
    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]: ...
    async def workers(self) -> list[bytes]: ...
    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What Kafka has under the name of a topic now."""

    id: str  # "" where the brokers give none
    bounds: Mapping[int, tuple[int, int]]  # partition → first offset kept, offset after the last record


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the state of a partition stands, and who goes on with it at the moment."""

    partition: PartitionId
    position: int
    log: str  # id of the topic that was counted; "" unknown
    worker: str  # one that is alive and does not stand still; "" none

    @property
    def offset(self) -> int:
        return offset_of(self.position)


@dataclass(frozen=True, slots=True)
class Move:
    """A partition that has to go on in another log, or elsewhere in its own."""

    stored: Stored
    position: int
    log: str

    @property
    def offset(self) -> int:
        return offset_of(self.position)

    def __str__(self) -> str:
        return f"{self.stored.partition}: counted up to offset {self.stored.offset}, goes on at {self.offset}"


def move(stored: Stored, found: Found) -> Move | None:
    """How a partition that Kafka still has goes on; None where its log is the one that was counted.

    A new log is counted from its start. One that is the same and ends before the state, as after an unclean election, goes
    on at its end: what it still has was counted. Without ids only a log that is too short is known to be new.
    """
    start, end = found.bounds[stored.partition.number]
    cut = stored.offset > end
    anew = stored.log != found.id if stored.log and found.id else cut
    return Move(stored, branched(stored.position, start if anew else end, found.id), found.id) if anew or cut else None


async def look(store: Store, topic: str) -> list[Stored]:
    """All partitions of a topic of which something is stored, sorted."""
    busy = {
        PartitionId(one.topic, one.number): status.worker
        for status in map(decode_status, await store.workers())
        for one in status.partitions
        if not one.problem
    }
    looked = []
    for partition in await store.partitions():
        position, log = await store.read(partition, [b"_next", b"_log"]) if partition.topic == topic else (None, None)
        if position is not None:
            looked.append(Stored(partition, int(position), (log or b"").decode(), busy.get(partition, "")))
    return looked


async def go_on(store: Store, move: Move) -> bool:
    """Writes where to go on; False where somebody else has written since it was looked at. May be repeated."""
    fields = {b"_next": b"%d" % move.position, b"_log": move.log.encode()}
    return await store.checkpoint(move.stored.partition, move.stored.position, fields) == move.position
