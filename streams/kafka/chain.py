"""Labels: what each batch continues from."""

from collections import Counter
from collections.abc import Mapping

from aiokafka.structs import TopicPartition

from streams.kafka.batch import Batch
from streams.kafka.fetched import Fetched, end_of
from streams.state.keys import PartitionId


class Chain:
    """Which offset the next batch of each partition continues from.

    Used on the consumer thread only. Whoever moves a position or takes records notes it here without an `await` in
    between, so a label cannot be wrong. An assignment that is new starts with nothing known.
    """

    def __init__(self) -> None:
        self.epochs: Counter[PartitionId] = Counter()
        self._ends: dict[PartitionId, int] = {}
        self._assignment: object = None

    def sought(self, assignment: object, partition: PartitionId, offset: int) -> None:
        self._known(assignment)[partition] = offset
        self.epochs[partition] += 1

    def end(self, partition: PartitionId) -> int | None:
        """Up to where records were handed out, or where was sought since; None before the first seek. For any thread."""
        return self._ends.get(partition)

    def batches(self, assignment: object, fetched: Mapping[TopicPartition, Fetched]) -> list[Batch]:
        """Leaves out what was fetched before the first seek: nobody knows what it continues."""
        ends, batches = self._known(assignment), []
        for tp, records in fetched.items():
            partition = PartitionId(*tp)
            if records and partition in ends:
                start, ends[partition] = ends[partition], end_of(records)
                batches.append(Batch(partition, start, ends[partition], self.epochs[partition], records))
        return batches

    def _known(self, assignment: object) -> dict[PartitionId, int]:
        if assignment is not self._assignment:
            self._assignment, self._ends = assignment, {}
        return self._ends
