"""Where a partition stands in its log: what is still to come, whether it can go on at all, and if not, why."""

import logging
from collections.abc import Callable

from streams.kafka.batch import Log
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

PASSED_BY_SECONDS = 10.0  # longer than a batch is on its way
OPEN_SECONDS = 10.0


class Standing:
    """It is asked about an offset of the state, and changes neither that nor the log."""

    def __init__(self, partition: PartitionId, kafka: Log, clock: Callable[[], float]) -> None:
        self.still = ""  # why nothing more is applied before a restart
        self._partition, self._log, self._clock = partition, kafka, clock
        self._heard = clock()  # when something came of the log: a batch, or its bounds
        self._held_back = 0, clock()  # the end of what may be read, and since when it is the same or nothing is behind it

    def hear(self) -> None:
        """Something came of the log, just now."""
        self._heard = self._clock()

    def passed_by(self, expected: int) -> bool:
        """Whether Kafka's side has gone on without us, for a while: as a rule what is missing is no longer in the log."""
        taken = self._log.taken(self._partition)
        if self.still or taken is None or taken <= expected:
            return False
        return self._clock() >= self._heard + PASSED_BY_SECONDS

    async def first_left(self, expected: int) -> int | None:
        """The first offset from there on that the log still has; None, and it stands still, where the log ends before."""
        first, last = await self._log.bounds(self._partition)
        self.hear()
        if last < expected:
            self.stand_still(f"the log ends at {last}, the stored state at {expected}")
            return None
        return max(first, expected)

    def resume(self) -> None:
        """Something else is stored now: what was wrong with the state before may not be so with this one."""
        self.still = ""

    def stand_still(self, why: str) -> None:
        anew = f"the topic was created anew. Hint: `xmon topics reset {self._partition.topic}` goes on with the new log."
        self.still = f"{why}: {anew}"
        log.error("%s stands still: %s", self._partition, self.still)

    def open_transaction(self) -> str:
        """What cannot be read because of a transaction that lasts; a short one is nothing to speak of."""
        end, undecided = self._log.undecided(self._partition)
        known, since = self._held_back
        if end != known or not undecided:
            self._held_back = end, self._clock()
            return ""
        if self._clock() < since + OPEN_SECONDS:
            return ""
        return f"an open transaction holds back {undecided} offsets from {end} on: its producer must end it"

    def lag(self, applied: int) -> int | None:
        """Records that are not applied: those not taken yet, and those that were taken and wait."""
        ahead, taken = self._log.lag(self._partition), self._log.taken(self._partition)
        return None if ahead is None or taken is None else ahead + max(taken - applied, 0)
