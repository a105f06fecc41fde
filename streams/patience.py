"""A store that is asked until it answers: an outage is back-pressure, not an error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from streams.pauses import pauses
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
LONGEST_PAUSE_SECONDS = 2.0


class PartitionStore(Protocol):
    """Where the state of partitions is kept; docs/architecture.md says what each call promises."""

    async def next_offsets(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]: ...
    async def load(self, partition: PartitionId) -> dict[bytes, bytes]: ...
    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None: ...
    async def forget(self, partition: PartitionId, folded_until: int, fields: Sequence[bytes]) -> None: ...


class PatientStore:
    """The calls for one partition. Each gives None once the partition is no longer ours."""

    def __init__(self, store: PartitionStore, partition: PartitionId) -> None:
        self.partition = partition
        self.closed = False  # set when the partition is no longer ours: give up whatever waits
        self.problem = ""  # what keeps a call waiting now
        self._store = store

    async def next_offsets(self) -> dict[PartitionId, int] | None:
        return await self._until_answered("reading", lambda: self._store.next_offsets([self.partition]))

    async def load(self) -> dict[bytes, bytes] | None:
        return await self._until_answered("reading the state", lambda: self._store.load(self.partition))

    async def checkpoint(self, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        """The `_next` that is stored now, None where there is no hash."""
        return await self._until_answered("a checkpoint", lambda: self._store.checkpoint(self.partition, expected, fields))

    async def forget(self, folded_until: int, fields: Sequence[bytes]) -> None:
        await self._until_answered("deleting", lambda: self._store.forget(self.partition, folded_until, fields))

    async def _until_answered(self, what: str, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        problem = ""
        for pause in pauses(LONGEST_PAUSE_SECONDS):
            if self.closed:
                break
            try:
                answer = await ask()
            except StoreUnavailable as error:
                problem = self.problem = f"{what}: {error}"
                log.warning("%s: %s failed, trying again: %s", self.partition, what, error)
                await asyncio.sleep(pause)
            else:
                self.problem = "" if self.problem == problem else self.problem
                return answer
        return None
