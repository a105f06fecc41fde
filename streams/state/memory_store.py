"""Partitions in memory: the behaviour of the Redis store without a server, for tests and simulations."""

import time
from collections.abc import Callable, Mapping, Sequence

from streams.state.keys import PartitionId
from streams.state.limits import FOLDED_UNTIL, NEXT, require_storable

_Expiring = tuple[bytes, float]  # content, and when it is gone by the store's clock


class MemoryStore:
    """Implements PartitionStore, StateSource and WorkerBoard. Workers that share one see the same partitions.

    `hashes` is what Redis would hold; a test that plays a rollback puts an earlier copy back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.hashes: dict[PartitionId, dict[bytes, bytes]] = {}
        self._names: set[PartitionId] = set()
        self._workers: dict[str, _Expiring] = {}
        self._clock = clock

    async def next_offsets(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
        return {partition: int(self.hashes[partition][NEXT]) for partition in partitions if partition in self.hashes}

    async def load(self, partition: PartitionId) -> dict[bytes, bytes]:
        stored = self.hashes.get(partition, {})
        return {field: b"" if field.startswith(b"m:") else content for field, content in stored.items()}

    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        require_storable(fields)
        self._names.add(partition)
        stored = self._next(partition)
        if stored != expected:
            return stored
        self.hashes.setdefault(partition, {}).update(fields)
        return self._next(partition)

    async def forget(self, partition: PartitionId, folded_until: int, fields: Sequence[bytes]) -> None:
        stored = self.hashes.get(partition, {})
        if FOLDED_UNTIL in stored and int(stored[FOLDED_UNTIL]) >= folded_until:
            for field in fields:
                stored.pop(field, None)

    async def partitions(self) -> list[PartitionId]:
        return sorted(self._names)

    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]:
        stored = self.hashes.get(partition, {})
        return [stored.get(field) for field in fields]

    async def workers(self) -> list[bytes]:
        said = [self._alive(status) for _, status in sorted(self._workers.items())]
        return [status for status in said if status is not None]

    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None:
        self._workers[worker] = self._expiring(status, ttl_seconds)

    def _next(self, partition: PartitionId) -> int | None:
        stored = self.hashes.get(partition, {}).get(NEXT)
        return None if stored is None else int(stored)

    def _expiring(self, content: bytes, seconds: float) -> _Expiring:
        return content, self._clock() + seconds

    def _alive(self, value: _Expiring | None) -> bytes | None:
        return value[0] if value and self._clock() < value[1] else None
