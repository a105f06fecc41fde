"""Kafka as the pipeline sees it, in memory: logs that can be cut, fetched in any sizes, and sought."""

import random
from collections import Counter
from collections.abc import Sequence

from streams.events.decode import Record
from streams.kafka.batch import Batch, DeadLetter
from streams.state.keys import PartitionId


class FakeLog:
    """Implements `Log`. `fetch` gives what a consumer would be given next."""

    def __init__(self, records: dict[PartitionId, list[Record]]) -> None:
        self.records = records
        self.starts = dict.fromkeys(records, 0)
        self.markers: Counter[PartitionId] = Counter()  # of transactions, behind the last record
        self.held_back: Counter[PartitionId] = Counter()  # records of open transactions, and those behind them
        self.written: list[DeadLetter] = []
        self.ids: dict[str, str] = {}
        self._epochs: Counter[PartitionId] = Counter()
        self._positions: dict[PartitionId, int] = {}

    def epoch(self, partition: PartitionId) -> int:
        return self._epochs[partition]

    async def seek(self, partition: PartitionId, offset: int) -> None:
        self._positions[partition] = offset
        self._epochs[partition] += 1

    async def bounds(self, partition: PartitionId) -> tuple[int, int]:
        return self._bounds(partition)

    def _bounds(self, partition: PartitionId) -> tuple[int, int]:
        log, start = self.records[partition], self.starts[partition]
        return start, max((log[-1].offset + 1 if log else start) + self.markers[partition], start)

    async def topic_id(self, partition: PartitionId) -> str:
        return self.ids.get(partition.topic, "")

    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self.written += letters

    def taken(self, partition: PartitionId) -> int | None:
        return self._positions.get(partition)

    def lag(self, partition: PartitionId) -> int | None:
        return self._bounds(partition)[1] - self._positions.get(partition, 0)

    def undecided(self, partition: PartitionId) -> tuple[int, int]:
        return self._bounds(partition)[1], self.held_back[partition]

    def fetch(self, partition: PartitionId, most: int) -> Batch | None:
        """The next batch, of at most so many records."""
        position, (start, end) = self._positions.get(partition, 0), self._bounds(partition)
        if not start <= position <= end:  # as a consumer does that was told so by the broker
            self._positions[partition] = position = start
            self._epochs[partition] += 1
        found = [record for record in self.records[partition] if record.offset >= position][:most]
        if not found:
            return None
        self._positions[partition] = found[-1].offset + 1
        return Batch(partition, position, self._positions[partition], self._epochs[partition], found)


async def drain(pipeline: object, log: FakeLog, rng: random.Random | None = None, most: int = 500) -> None:
    """Feeds everything there is, then ticks until nothing is pending."""
    chance = rng or random.Random(0)
    quiet = 0
    while quiet < 3:
        batches = [log.fetch(partition, chance.randint(1, most)) for partition in log.records]
        for batch in batches:
            if batch:
                await pipeline.feed(batch)  # type: ignore[attr-defined]
        await pipeline.tick()  # type: ignore[attr-defined]
        quiet = 0 if any(batches) else quiet + 1
