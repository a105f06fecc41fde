"""Records of one partition on their way into its state, and what became of those that are refused.

A mistake of ours must not stop the stream: the record that meets it is found, and becomes a dead letter like any other that
cannot be used.
"""

import asyncio
import logging
from collections.abc import Sequence

from streams.events.decode import MAX_DETAIL, Record
from streams.kafka.batch import DeadLetter
from streams.state.keys import PartitionId
from streams.windows.partition import Partition

log = logging.getLogger(__name__)

AT_ONCE = 3_000  # records applied without a pause: a call of numpy and a turn of the loop have a fixed price, and others wait


class Applying:
    """What waits to be applied, and dead letters that wait to be written."""

    def __init__(self, partition: PartitionId, turn: asyncio.Lock) -> None:
        self.pending: list[Record] = []
        self.letters: list[DeadLetter] = []
        self._partition, self._turn = partition, turn  # of all partitions one applies in each turn of the loop
        self._unusable: dict[int, str] = {}
        self._careful_until = 0  # below this offset records are applied one by one, to find the one that cannot be

    def drop(self) -> None:
        """The records are read once more."""
        self.pending, self.letters = [], []

    def forget(self) -> None:
        """Another log is read from here on: nothing that was found out about the one before holds."""
        self.drop()
        self._unusable, self._careful_until = {}, 0

    async def apply(self, state: Partition, *, only_full: bool = False) -> bool:
        """Applies all that is pending, or as many times AT_ONCE as there are; False when the state must be dropped, and read
        again."""
        while len(self.pending) >= (AT_ONCE if only_full else 1):
            async with self._turn:
                if not self._step(state):
                    return False
                await asyncio.sleep(0)
        return True

    def _step(self, state: Partition) -> bool:
        size = AT_ONCE if state.next >= self._careful_until else 1
        now = self.pending[:size]
        del self.pending[:size]
        try:
            refused = state.apply(now, self._unusable)
        except MemoryError:  # no record's fault: the worker ends, and another counts all of them
            raise
        except Exception as error:  # noqa: BLE001 - whatever else it is, it must not stop the stream
            self._avoid(now, error)
            return False
        self.letters += [DeadLetter(self._partition, one.record, one.reason, one.detail) for one in refused]
        return True

    def _avoid(self, records: Sequence[Record], error: Exception) -> None:
        where = f"{self._partition} offset {records[0].offset}"
        if len(records) == 1:
            log.error("%s cannot be applied and becomes a dead letter", where, exc_info=error)
            self._unusable[records[0].offset] = f"could not be applied: {error!r}"[:MAX_DETAIL]
        else:
            log.error("%s to %d: one of them cannot be applied: %r", where, records[-1].offset, error)
        self._careful_until = records[-1].offset + 1
