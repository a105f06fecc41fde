"""Partitions in Redis: one hash each, written by one script call a checkpoint. Every write is safe to repeat."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import inf
from typing import cast

from streams.state.keys import Keys, PartitionId
from streams.state.limits import MOST_FIELDS, NEXT, require_storable
from streams.state.redis_client import Client
from streams.state.redis_errors import translated
from streams.state.script import Script

log = logging.getLogger(__name__)

PARTITION = re.compile(rb"([\w.-]+):(0|[1-9]\d{0,9})")
REGISTER_EVERY_SECONDS = 60.0  # again and again, so that a set lost in a rollback heals
LOADED_AT_ONCE = 8  # all answers share the way here, and each must be whole before its time is up


class RedisStore:
    """Implements PartitionStore, StateSource and WorkerBoard. The caller owns the client."""

    def __init__(
        self,
        client: Client,
        prefix: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._keys = Keys(prefix)
        self._clock = clock
        self._registered: dict[PartitionId, float] = {}
        self._odd: set[bytes] = set()  # names of no partition that were told of
        self._loading = asyncio.Semaphore(LOADED_AT_ONCE)
        self._checkpoint = Script("streams.state", "checkpoint.lua")
        self._load = Script("streams.state", "load.lua")
        self._forget = Script("streams.state", "forget.lua")

    # -- PartitionStore

    @translated
    async def next_offsets(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
        """The stored next position of each partition that has one. Asked often: here a name that was lost is written too."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                pipeline.hget(self._keys.partition(partition), NEXT.decode())
            stored = await pipeline.execute() if partitions else []
        found = {partition: int(offset) for partition, offset in zip(partitions, stored, strict=True) if offset is not None}
        await self._register(found)
        return found

    @translated
    async def load(self, partition: PartitionId) -> dict[bytes, bytes]:
        """All fields of a partition, of minutes the names only; empty where there is none."""
        async with self._loading:
            found = await self._load.run(self._client, [self._keys.partition(partition)])
        return dict(zip(found[::2], found[1::2], strict=True))

    @translated
    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        """The next offset that is stored after the call: the write stands if and only if it is the one in `fields`."""
        require_storable(fields)
        # Before the script: a partition that is stored is never unknown to readers.
        await self._register([partition], anew=expected is None)
        before = b"" if expected is None else b"%d" % expected
        stored = await self._checkpoint.run(
            self._client, [self._keys.partition(partition)], before, *chain.from_iterable(fields.items())
        )
        return None if stored is None else int(stored)

    @translated
    async def forget(self, partition: PartitionId, folded_until: int, fields: Sequence[bytes]) -> None:
        """Deletes fields, if the stored fold reaches `folded_until`. Calls of one write each: none can be torn."""
        for start in range(0, len(fields), MOST_FIELDS):
            chunk = fields[start : start + MOST_FIELDS]
            await self._forget.run(self._client, [self._keys.partition(partition)], b"%d" % folded_until, *chunk)

    async def _register(self, partitions: Iterable[PartitionId], *, anew: bool = False) -> None:
        now = self._clock()
        due = [one for one in partitions if anew or now - self._registered.get(one, -inf) >= REGISTER_EVERY_SECONDS]
        if due:
            await self._client.sadd(self._keys.partitions, *map(str, due))
            self._registered |= dict.fromkeys(due, now)

    # -- StateSource

    @translated
    async def partitions(self) -> list[PartitionId]:
        """Every partition that ever had a checkpoint, sorted. One may be empty: refused, or lost in a rollback."""
        names = cast("set[bytes]", await self._client.smembers(self._keys.partitions))
        found = {name: match for name in names if (match := PARTITION.fullmatch(name))}
        for name in sorted(names - found.keys() - self._odd):
            log.warning("a member of %s is no partition and is left out: %.200r", self._keys.partitions, name)
            self._odd.add(name)
        return sorted(PartitionId(match[1].decode(), int(match[2])) for match in found.values())

    @translated
    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]:
        """The fields of a partition at one instant."""
        if not fields:
            return []
        key = self._keys.partition(partition)
        return cast("list[bytes | None]", await self._client.hmget(key, list(fields)))

    @translated
    async def workers(self) -> list[bytes]:
        """What the live workers announced, by worker id; the dead are dropped from the set on the way."""
        ids = sorted(cast("set[bytes]", await self._client.smembers(self._keys.workers)))
        if not ids:
            return []
        keys = [self._keys.worker(id_.decode(errors="replace")) for id_ in ids]
        said = cast("list[bytes | None]", await self._client.mget(keys))
        if dead := [id_ for id_, status in zip(ids, said, strict=True) if status is None]:
            await self._client.srem(self._keys.workers, *dead)
        return [status for status in said if status is not None]

    # -- WorkerBoard

    @translated
    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None:
        """Shows a worker's status until the time to live has passed."""
        # The value first: a reader that met the id without it would take the worker for dead.
        await self._client.set(self._keys.worker(worker), status, px=round(ttl_seconds * 1000))
        await self._client.sadd(self._keys.workers, worker)
