"""One partition of a worker: continue where the state stands → apply → dead letters → one checkpoint.

The truth is the hash in the store; memory is a copy that may be thrown away at any time. Whatever is refused or unclear ends
the same way: drop the memory, read the hash, seek to its `_next`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.applying import Applying
from streams.kafka.batch import Batch, Log
from streams.kafka.exit_codes import StateRefused
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.columns import Pseudonym
from streams.patience import PartitionStore, PatientStore
from streams.standing import Standing
from streams.state.keys import PartitionId
from streams.status import PartitionStatus
from streams.windows.pane import BLOCKS
from streams.windows.partition import Partition, Policy
from streams.windows.storage import Checkpoint, LayoutError, Ledger

log = logging.getLogger(__name__)

HINT = (
    "Hint: put back the settings or the version it was written with, or count anew from the start of the log under "
    "another XMON_REDIS_PREFIX and XMON_GROUP_ID."
)


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """What a worker computes and how often it writes."""

    worker: str
    version: str = ""
    policy: Policy = field(default_factory=Policy)
    pseudonym: Pseudonym
    key_fingerprint: str
    checkpoint_seconds: float = 0.5


class Runner:
    """One partition: what waits to be applied, its state, and its hash."""

    def __init__(
        self,
        partition: PartitionId,
        family: FamilyMetrics,
        store: PartitionStore,
        kafka: Log,
        settings: PipelineSettings,
        clock: Callable[[], float],
        turn: asyncio.Lock,
    ) -> None:
        self.partition = partition
        self._store = PatientStore(store, partition)
        self._family, self._log, self._settings, self._clock = family, kafka, settings, clock
        self._lock = asyncio.Lock()
        self._ledger: Ledger | None = None  # None: the hash must be read first
        self._applying = Applying(partition, turn)
        self._standing = Standing(partition, kafka, clock)
        self._checkpointed = self._not_before = clock()  # that all is written; the next write
        self._seconds, self._bytes = 0.0, 0
        self._written: int | None = None  # the position of the hash when it was last read or written

    @property
    def stored(self) -> int | None:
        """The `_next` that the hash has, as far as we know; None while unknown or in between."""
        return self._ledger.stored if self._ledger and not self._lock.locked() else None

    def close(self) -> None:
        """The partition is no longer ours: whatever waits for the store gives up."""
        self._store.closed = True

    async def feed(self, batch: Batch) -> None:
        """Queues the records if they continue what is here, else seeks to where it stands."""
        async with self._lock:
            self._standing.hear()
            ledger = self._ledger or await self._restore()
            if ledger is None or self._standing.still or batch.epoch != self._log.epoch(self.partition):
                return
            if batch.start != self._expected(ledger) and not await self._continues(ledger, batch.start):
                return
            self._applying.pending += batch.records
            if not await self._apply(ledger, only_full=True):
                return
            if self._due():
                await self._checkpoint(ledger)

    async def tick(self) -> None:
        """Applies and writes what has waited long enough."""
        if self._ledger and not self._due():
            return
        async with self._lock:
            ledger = self._ledger or await self._restore()
            if ledger and self._standing.passed_by(self._expected(ledger)) and not await self._pass_over(ledger):
                return
            if ledger and not self._store.closed:
                await self._checkpoint(ledger)

    async def verify(self, stored: int | None) -> None:
        """Starts again from the hash where it is not what was written."""
        async with self._lock:
            if self._ledger and self._ledger.stored is not None and stored != self._ledger.stored:
                later = await self._store.next_offsets()
                if later is not None and later.get(self.partition) != self._ledger.stored:
                    log.warning("%s: the store is at %s, not at %s", self.partition, stored, self._ledger.stored)
                    await self._start_again()

    def _expected(self, ledger: Ledger) -> int:
        pending = self._applying.pending
        return pending[-1].offset + 1 if pending else ledger.partition.next

    def _due(self) -> bool:
        return self._clock() >= self._not_before

    async def _apply(self, ledger: Ledger, *, only_full: bool = False) -> bool:
        """False when it had to start again from the hash."""
        try:
            applied = await self._applying.apply(ledger.partition, only_full=only_full)
        except BaseException:
            self._ledger = None  # half of a batch may be counted; until the worker has ended nothing of that may be written
            raise
        if applied:
            return True
        await self._start_again()
        return False

    async def _continues(self, ledger: Ledger, start: int) -> bool:
        """A batch that does not follow: seek back, unless the log has lost what is missing."""
        if not await self._pass_over(ledger):
            return False
        if start == self._expected(ledger):
            return True
        if not self._store.closed:
            await self._log.seek(self.partition, self._expected(ledger))
        return False

    async def _pass_over(self, ledger: Ledger) -> bool:
        """Counts as lost what the log no longer has; False where nothing can follow."""
        expected = self._expected(ledger)
        first = await self._standing.first_left(expected)
        if first is None:
            return False
        if first > expected:
            if not await self._apply(ledger):
                return False
            log.error("%s: the log lost offsets %d to %d before they were read", self.partition, expected, first - 1)
            ledger.lose(first)
        return True

    async def _checkpoint(self, ledger: Ledger) -> None:
        if not await self._apply(ledger):
            return
        self._checkpointed = self._clock()
        if not ledger.due:
            return
        self._not_before = self._checkpointed + self._settings.checkpoint_seconds
        if not await self._same_log(ledger):  # asked after all that is in memory was read, so all of it is of that log
            await self._start_again()
            return
        await self._log.dead_letters(self._applying.letters)
        self._applying.letters = []  # not before: who is cancelled on the way leaves them to the next checkpoint
        taken, began = await self._pack(ledger), self._clock()
        stored = await self._store.checkpoint(taken.expected, taken.fields)
        if self._store.closed:
            return
        if stored != taken.next:
            log.warning("%s: the store is at %s, not at %s", self.partition, stored, taken.expected)
            await self._start_again()
            return
        self._checkpointed, self._written = self._clock(), taken.next
        self._not_before = self._checkpointed + self._settings.checkpoint_seconds
        self._seconds, self._bytes = self._checkpointed - began, sum(map(len, taken.fields.values()))
        if taken.obsolete:
            await self._store.forget(taken.folded_until, taken.obsolete)

    async def _pack(self, ledger: Ledger) -> Checkpoint:
        """With pauses: at full speed dozens of panes change between two checkpoints."""
        fields: dict[bytes, bytes] = {}
        try:
            for name, content in ledger.changed():
                fields[name] = content
                if len(fields) % BLOCKS == 0:
                    await asyncio.sleep(0)
        except BaseException:
            self._ledger = None  # some of what changed is no longer marked so
            raise
        return ledger.checkpoint(fields)

    async def _start_again(self) -> None:
        self._ledger = None
        await self._restore()

    async def _restore(self) -> Ledger | None:
        """The state that is stored, or that of an empty partition at the start of its log; and seeks to where it stands."""
        self._applying.drop()
        if self._standing.still:  # the store has something else now
            self._standing.resume()
            self._applying.forget()
        fields = await self._store.load()
        if fields is None or self._store.closed:
            return None
        state = Partition(self._family, self._settings.policy, self._settings.pseudonym)
        ledger = Ledger(state, self._settings.key_fingerprint)
        try:
            ledger.restore(fields)
        except LayoutError as error:
            raise StateRefused(f"the stored state of {self.partition} cannot be gone on with: {error}. {HINT}") from error
        found = await self._log.topic_id(self.partition)  # before the bounds, which otherwise could be of the log before it
        ledger.log = ledger.log or found
        if not fields:
            ledger.begin((await self._log.bounds(self.partition))[0])
        if self._store.closed:
            return None
        self._ledger, self._checkpointed, self._written = ledger, self._clock(), ledger.stored
        if found not in ("", ledger.log):
            self._standing.stand_still(f"Kafka's topic has the id {found}, the stored state counts {ledger.log}")
        await self._log.seek(self.partition, state.next)
        return ledger

    async def _same_log(self, ledger: Ledger) -> bool:
        """Whether the topic is the one that is counted. Brokers older than 2.8 give no ids: then nobody knows."""
        return await self._log.topic_id(self.partition) in ("", ledger.log)

    def status(self) -> PartitionStatus:
        """How the partition is, for whoever reads figures."""
        return PartitionStatus(
            topic=self.partition.topic,
            number=self.partition.number,
            next=self._ledger.partition.next if self._ledger else -1,
            lag=self._standing.lag(self._ledger.partition.next) if self._ledger else None,
            age_seconds=round(self._clock() - self._checkpointed, 3),
            checkpoint_seconds=round(self._seconds, 6),
            checkpoint_bytes=self._bytes,
            problem=self._standing.still or self._store.problem or self._standing.open_transaction(),
            stored=self._written,
        )
