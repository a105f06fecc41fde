"""Who lives in a simulated world: workers with a view of the log of their own, and how anybody reaches Redis."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from redis.commands import AsyncCoreCommands

from streams.kafka.batch import Batch
from streams.pipeline import Pipeline, PipelineSettings
from streams.windows.position import offset_of
from tests.faults import fake_redis
from tests.faults.oracle import hash64
from tests.streams.fakes import FakeLog

if TYPE_CHECKING:
    from tests.faults.simulator import World


class Killed(BaseException):
    """The worker whose call this was is no more. No code of its may catch that."""


class Worker:
    """A pipeline. It goes on as long as anybody gives it a turn: then it is a zombie."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.rng = world, world.rng
        self.log = FakeLog({world.partition: world.records})  # type: ignore[dict-item]
        self.log.starts = world.starts
        self._held: list[Batch] = []
        store, board = world.reached_by(self), world.store  # what workers say of themselves is no part of the protocol
        settings = PipelineSettings(
            worker=f"w{number}", policy=world.policy, pseudonym=hash64, key_fingerprint="", checkpoint_seconds=0.2
        )
        self.pipeline = Pipeline(world.topics, store, board, self.log, settings, world.clock)

    async def join(self) -> None:
        """As after a rebalance."""
        await self._alive(self._join())

    async def turn(self) -> None:
        """A batch or two and a tick."""
        if self.rng.random() < 0.05 and not self.world.calm:
            await self.join()
        for _ in range(self.rng.randint(0, 2)):
            if batch := self._next():
                await self._alive(self.pipeline.feed(batch))
        await self._alive(self.pipeline.tick())
        self.world.letters |= {letter.record.offset for letter in self.log.written}

    async def done(self) -> bool:
        """Whether all records are stored, as far as the store says."""
        world = self.world
        stored = await world.store.next_offsets([world.partition])
        end = offset_of(stored.get(world.partition, 0))
        return end == world.records[-1].offset + 1 and self.log.lag(world.partition) == 0

    async def _join(self) -> None:
        for partition, offset in (await self.pipeline.positions([self.world.partition])).items():
            await self.log.seek(partition, offset)

    def _next(self) -> Batch | None:
        """What comes in: whole, in part, not at all, or what was held back before."""
        chance = self.rng.random()
        if self._held and chance < 0.3:
            return self._held.pop(self.rng.randrange(len(self._held)))
        batch = self.log.fetch(self.world.partition, self.rng.randint(1, 9))
        if batch is None or self.world.calm or chance < 0.8:
            return batch
        if chance < 0.87:
            self._held.append(batch)
        return None

    async def _alive(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Killed:
            if self in self.world.workers:
                self.world.workers.remove(self)


class Wire(AsyncCoreCommands):
    """Redis as somebody reaches it: each command goes through the world."""

    def __init__(self, world: "World", who: object, client: Any) -> None:
        self._world, self._who, self._client = world, who, client

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        return await self._world.call(self._who, command[0], lambda: self._client.execute_command(*command, **options))

    def pipeline(self, **_: Any) -> fake_redis.Pipeline:
        return fake_redis.Pipeline(self)
