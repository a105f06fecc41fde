"""What passes between Kafka and the pipeline: plain values and the two ports, free of Faust and aiokafka."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.events.decode import Record
from streams.state.keys import PartitionId


@dataclass(frozen=True, slots=True)
class Batch:
    """What one fetch of one partition brought.

    No record of the log lies between `start` and the first of `records`: holes there are transaction markers or
    aborted records. So a batch may be applied if, and only if, `start` is the offset the state stands at.
    """

    partition: PartitionId
    start: int  # the offset this batch continues from: end of the batch before it in this epoch, or the seek
    end: int  # the offset the next batch continues from: behind that of the last record
    epoch: int  # number of seeks of this partition so far
    records: Iterable[Record]  # in order, never empty; unpacked by going through them, which may raise CorruptRecordException


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, and why."""

    partition: PartitionId
    record: Record
    reason: str
    detail: str


class Pipeline(Protocol):
    """What a worker drives."""

    async def positions(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]: ...
    def assigned(self, partitions: Collection[PartitionId]) -> None: ...
    async def feed(self, batch: Batch) -> None: ...
    async def tick(self) -> None: ...


class Log(Protocol):
    """What the pipeline asks of Kafka. Whoever waits for an answer is interrupted by a rebalance, as by a cancellation."""

    def epoch(self, partition: PartitionId) -> int: ...
    async def seek(self, partition: PartitionId, offset: int) -> None: ...
    async def bounds(self, partition: PartitionId) -> tuple[int, int]: ...
    async def topic_id(self, partition: PartitionId) -> str: ...
    def taken(self, partition: PartitionId) -> int | None: ...
    def lag(self, partition: PartitionId) -> int | None: ...
    def undecided(self, partition: PartitionId) -> tuple[int, int]: ...
    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None: ...
