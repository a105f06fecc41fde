"""The whole way of events to figures in one worker: what Kafka brings goes to its partition's runner (`runner.py`), which
applies it and writes a checkpoint, twice a second at most; workers say how they are, and compare what they wrote with what is
stored.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from streams.kafka.batch import Batch, Log
from streams.metrics.catalogue import FamilyMetrics
from streams.patience import PartitionStore
from streams.runner import PipelineSettings, Runner
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.status import WorkerStatus
from streams.windows.position import offset_of

log = logging.getLogger(__name__)

POSITIONS_SECONDS = 5.0
VERIFY_SECONDS = 2.0
ANNOUNCE_SECONDS, ANNOUNCED_FOR_SECONDS = 1.0, 15.0


class WorkerBoard(Protocol):
    """Where workers say how they are."""

    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None: ...


class Pipeline:
    """All partitions of one worker."""

    def __init__(
        self,
        topics: Mapping[str, FamilyMetrics],
        store: PartitionStore,
        board: WorkerBoard,
        kafka: Log,
        settings: PipelineSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics, self._store, self._board, self._log = topics, store, board, kafka
        self._settings, self._clock = settings, clock
        self._runners: dict[PartitionId, Runner] = {}
        self._turn = asyncio.Lock()
        self._verified = self._announced = -VERIFY_SECONDS
        self._sequence = 0
        self._under_way: dict[object, asyncio.Task[None]] = {}

    async def positions(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
        """Where to go on; gives up after 5 s, and what is not known is found by `feed`."""
        self.assigned(())  # memory from before the rebalance may be out of date
        self.assigned(partitions)
        try:
            async with asyncio.timeout(POSITIONS_SECONDS):
                stored = await self._store.next_offsets(partitions)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("stored offsets could not be read, trying again with the first records: %s", error)
            return {}
        return {partition: offset_of(position) for partition, position in stored.items()}

    def assigned(self, partitions: Collection[PartitionId]) -> None:
        """Keeps the memory of these partitions only."""
        for partition in self._runners.keys() - set(partitions):
            self._runners.pop(partition).close()
        for partition in partitions:
            if partition not in self._runners:
                self._runners[partition] = self._runner(partition)

    def _runner(self, partition: PartitionId) -> Runner:
        family = self._topics[partition.topic]
        return Runner(partition, family, self._store, self._log, self._settings, self._clock, self._turn)

    async def feed(self, batch: Batch) -> None:
        """Takes a batch; waits as long as the store does."""
        runner = self._runners.get(batch.partition)
        if runner:
            await runner.feed(batch)

    async def tick(self) -> None:
        """Applies and checkpoints what is due; about ten times a second."""
        await self._meanwhile({runner: runner.tick for runner in self._runners.values()})
        now = self._clock()
        if now >= self._announced + ANNOUNCE_SECONDS:
            self._announced = now
            await self._announce()
        if now >= self._verified + VERIFY_SECONDS:
            self._verified = now
            await self._meanwhile({"verify": self._verify})

    async def _meanwhile(self, work: Mapping[object, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Whoever waits, for the store or for Kafka, keeps neither the others nor the announcements waiting."""
        for who, do in work.items():
            self._begin(who, do)
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=ANNOUNCE_SECONDS)
        for who, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[who]
                task.result()

    def _begin(self, who: object, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if who not in self._under_way:
            self._under_way[who] = asyncio.create_task(do())

    async def _announce(self) -> None:
        self._sequence += 1
        partitions = tuple(runner.status() for runner in self._runners.values())
        status = WorkerStatus(self._settings.worker, self._settings.version, self._sequence, partitions)
        try:
            await self._board.announce(self._settings.worker, status.encode(), ANNOUNCED_FOR_SECONDS)
        except StoreUnavailable as error:
            log.debug("not announced: %s", error)

    async def _verify(self) -> None:
        """A store that lost its last second while no record came must not stay behind."""
        runners = [runner for runner in self._runners.values() if runner.stored is not None]
        try:
            stored = await self._store.next_offsets([runner.partition for runner in runners])
        except StoreUnavailable:
            return
        for runner in runners:
            self._begin((runner, "verify"), partial(runner.verify, stored.get(runner.partition)))
