"""Many records at a time from what aiokafka has fetched. It goes record by record, in Python, and adds up checksums without the
processor's help; together that is a microsecond an event, a seventh of all that is spent on it.

Its own classes decide what is read: positions, aborted transactions, markers. Here a batch of the log is shown to them as one
record, the last one by its offset, and what they let through is taken apart by the parser, in C.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

import google_crc32c
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from streams.events.decode import Record

# Where what stands in a batch of the log: https://kafka.apache.org/documentation/#recordbatch
LENGTH, AFTER_LENGTH, MAGIC, CHECKSUM, CHECKED = 8, 12, 16, 17, 21
WITHOUT_TIMES, OLDEST_WITH_CRC32C = 0, 2
WRITTEN_FOR = "0.14.0"
ALL = sys.maxsize


@dataclass(frozen=True, slots=True)
class Untimed:
    """A record of before Kafka 0.10, which is kept as it was written. Its time is what later formats say where there is none;
    aiokafka's None is no number."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = -1


class Run:
    """A batch of the log. Whatever else aiokafka asks of it is that of its own batch."""

    def __init__(self, batch: Any, content: bytes) -> None:
        self._batch, self._content = batch, content
        self.offset = batch.next_offset - 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Self]:
        yield self

    def __next__(self) -> Any:
        return next(self._batch)

    def validate_crc(self) -> bool:
        if self._content[MAGIC] < OLDEST_WITH_CRC32C:
            return bool(self._batch.validate_crc())
        return bool(google_crc32c.value(self._content[CHECKED:]) == int.from_bytes(self._content[CHECKSUM:CHECKED]))

    def records(self, start: int) -> list[Record]:
        """Those from an offset on."""
        found: list[Record] = list(self._batch)
        if self._content[MAGIC] == WITHOUT_TIMES:
            found = [Untimed(record.offset, record.key, record.value) for record in found]
        return found if found and found[0].offset >= start else [record for record in found if record.offset >= start]


class Runs:
    """What one fetch of a partition brought."""

    def __init__(self, content: bytes) -> None:
        self._records, self._content, self._at = MemoryRecords(content), content, 0

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Run:
        begin, length = self._at, self._content[self._at + LENGTH : self._at + AFTER_LENGTH]
        self._at += AFTER_LENGTH + int.from_bytes(length)
        return Run(self._records.next_batch(), self._content[begin : self._at])


class Records(PartitionRecords):  # type: ignore[misc]
    """Takes apart what it lets through."""

    _left: Sequence[Record] = ()  # of a batch of which not all was asked for

    def _consumer_record(self, _tp: object, run: Run) -> list[Record]:
        return run.records(self.next_fetch_offset)

    def take(self, most: int) -> tuple[list[Record], bool]:
        """The next ones, and whether there are more."""
        taken, self._left = list(self._left), ()
        while len(taken) < most:
            more = next(self, None)
            if more is None:
                return taken, False
            taken += more
        taken, self._left = taken[:most], taken[most:]
        self.next_fetch_offset = taken[-1].offset + 1
        return taken, True


class Result(FetchResult):  # type: ignore[misc]
    """Takes them at once."""

    _partition_records: Any

    def getone(self) -> Record | None:
        """None where there is none any more."""
        return next(iter(self.getall(1)), None)

    def getall(self, max_records: int | None = None) -> list[Record]:
        if not self.has_more() or not self.check_assignment(self._topic_partition):
            return []
        records: list[Record]
        records, more = self._partition_records.take(max_records or ALL)
        self._update_position()
        self._partition_records = self._partition_records if more else None
        return records


def many_at_a_time() -> None:
    """From now on, for all consumers of this process. Only with the version of aiokafka that this was written for."""
    if version("aiokafka") == WRITTEN_FOR:
        fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = Runs, Records, Result
