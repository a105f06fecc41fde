"""Many records at a time from what aiokafka has fetched. It goes record by record, in Python, and adds up checksums without the
processor's help; together that is a microsecond an event, a seventh of all that is spent on it.

Its own classes decide what is read: positions, aborted transactions, markers. Here a batch of the log is shown to them as one
record, the last one by its offset. What they let through is taken apart by the parser, in C, and only by who uses it: records
that another thread has made lie in the cache of another core.
"""

import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from typing import Any, Self

import google_crc32c
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from streams.events.decode import Record

# Where what stands in a batch of the log: https://kafka.apache.org/documentation/#recordbatch
LENGTH, AFTER_LENGTH, MAGIC, CHECKSUM, CHECKED, COUNT, AFTER_COUNT = 8, 12, 16, 17, 21, 57, 61
WITHOUT_TIMES, COUNTED = 0, 2  # formats: of before Kafka 0.10, and of since 0.11
NO_TIME = -1  # as later formats have it; aiokafka's None is no number
WRITTEN_FOR = "0.14.0"
ALL = sys.maxsize


@dataclass(frozen=True, slots=True)
class Mended:
    """A record whose offset or time is not what it was written with."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


class Run:
    """A batch of the log. Whatever else aiokafka asks of it is that of its own batch."""

    def __init__(self, batch: Any, content: memoryview) -> None:
        self._batch, self._content, self._magic = batch, content, content[MAGIC]
        self.offset = batch.next_offset - 1
        self.partition: object = None  # for whoever has to look for it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Self]:
        yield self

    def __next__(self) -> Any:
        return next(self._batch)

    def validate_crc(self) -> bool:
        if self._magic < COUNTED:
            return bool(self._batch.validate_crc())
        return bool(google_crc32c.value(bytes(self._content[CHECKED:])) == int.from_bytes(self._content[CHECKSUM:CHECKED]))

    def decompress(self) -> None:
        """Where records are compressed, but for formats of before Kafka 0.11. Python lets other threads go on meanwhile."""
        iter(self._batch)

    @cached_property
    def offsets(self) -> Sequence[int]:
        """Of its records, which are unpacked for it where some are missing."""
        return self._every or [record.offset for record in self.records]

    @cached_property
    def _every(self) -> range | None:
        """All offsets of the batch, where its head says that it has as many records."""
        if self._magic < COUNTED:
            return None
        every = range(self._batch.base_offset, self.offset + 1)
        return every if len(every) == int.from_bytes(self._content[COUNT:AFTER_COUNT]) else None

    @cached_property
    def records(self) -> list[Record]:
        """Raises CorruptRecordException where the parser finds something else. Whatever numbers they were sent with, they have
        those that the head gives them: brokers look no further, and of two with one number one would not be counted."""
        try:
            found: list[Record] = list(self._batch)
        except MemoryError:  # not what Kafka has is to blame
            raise
        except Exception as error:
            what = f"{self.partition}: offsets of a batch up to {self.offset} cannot be unpacked"
            raise CorruptRecordException(what) from error
        if self._magic == WITHOUT_TIMES:
            return [Mended(record.offset, record.key, record.value, NO_TIME) for record in found]
        if self._every and [record.offset for record in found] != list(self._every):
            numbered = zip(self._every, found, strict=True)
            return [Mended(offset, record.key, record.value, record.timestamp) for offset, record in numbered]
        return found


Piece = tuple[Run, int, int]  # from, and to behind which of its records


class Unread:
    """Records that are unpacked when they are gone through, which raises CorruptRecordException where they cannot be."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(last - first for _, first, last in self._pieces)

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(run.records[first:last] for run, first, last in self._pieces)

    @property
    def end(self) -> int:
        """Behind the last one's offset."""
        run, _, last = self._pieces[-1]
        return run.offsets[last - 1] + 1


Fetched = Unread | Sequence[Record]


class Runs:
    """What one fetch of a partition brought."""

    def __init__(self, content: bytes) -> None:
        self._records, self._content, self._at = MemoryRecords(content), memoryview(content), 0

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Run:
        begin, length = self._at, self._content[self._at + LENGTH : self._at + AFTER_LENGTH]
        self._at += AFTER_LENGTH + int.from_bytes(length)
        return Run(self._records.next_batch(), self._content[begin : self._at])


class Records(PartitionRecords):  # type: ignore[misc]
    """Counts what it lets through."""

    _left: Piece | None = None  # of a run of which not all was asked for

    def _consumer_record(self, tp: object, run: Run) -> Piece:
        run.partition = tp
        run.decompress()
        return run, bisect_left(run.offsets, self.next_fetch_offset), len(run.offsets)

    def take(self, most: int) -> tuple[Unread, bool]:
        """The next ones, and whether there are more."""
        taken: list[Piece] = []
        while most > 0:
            piece, self._left = self._left or next(self, None), None
            if piece is None:
                return Unread(taken), False
            run, first, last = piece
            if last - first > most:
                self._left, last = (run, first + most, last), first + most
            if first < last:
                taken.append((run, first, last))
                most -= last - first
        records = Unread(taken)
        self.next_fetch_offset = records.end
        return records, True


class Result(FetchResult):  # type: ignore[misc]
    """Takes them at once."""

    _partition_records: Any

    def getone(self) -> Record | None:
        """None where there is none any more."""
        return next(iter(self.getall(1)), None)

    def getall(self, max_records: int | None = None) -> Unread:
        if not self.has_more() or not self.check_assignment(self._topic_partition):
            return Unread([])
        records: Unread
        records, more = self._partition_records.take(max_records or ALL)
        self._update_position()
        self._partition_records = self._partition_records if more else None
        return records


def end_of(records: Fetched) -> int:
    """Behind the offset of the last one."""
    return records.end if isinstance(records, Unread) else records[-1].offset + 1


def many_at_a_time() -> None:
    """From now on, for all consumers of this process. Only with the version of aiokafka that this was written for."""
    if version("aiokafka") == WRITTEN_FOR:
        fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = Runs, Records, Result
