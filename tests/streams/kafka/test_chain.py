"""Labels of batches; no broker."""

from aiokafka.structs import TopicPartition

from streams.kafka.chain import Chain
from streams.state.keys import PartitionId


class Record:
    timestamp, key, value = 0, None, b""

    def __init__(self, offset: int) -> None:
        self.offset = offset


def test_a_chain_knows_what_each_batch_continues() -> None:
    """Batches follow the seek and each other, holes or not; a new assignment knows nothing until it is sought."""
    chain, tp, partition = Chain(), TopicPartition("t", 0), PartitionId("t", 0)
    old, new = object(), object()

    def take(assignment: object, *offsets: int) -> list[tuple[int, int, int]]:
        batches = chain.batches(assignment, {tp: [Record(offset) for offset in offsets]})
        return [(batch.epoch, batch.start, batch.end) for batch in batches]

    assert take(old, 0, 1) == []
    chain.sought(old, partition, 5)
    assert take(old, 5, 6) == [(1, 5, 7)]
    assert take(old, 9, 12) == [(1, 7, 13)]
    assert take(old) == []
    chain.sought(old, partition, 2)
    assert take(old, 3) == [(2, 2, 4)]
    assert take(new, 4) == []
    chain.sought(new, partition, 4)
    assert take(new, 4) == [(3, 4, 5)]
