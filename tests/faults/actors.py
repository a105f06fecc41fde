"""Who lives in a simulated world: workers with a view of the log of their own, readers, and how they reach Redis and Kafka.

Whatever somebody does is a task of its own, as in a real worker: it takes batches, ticks, and is given partitions at one time.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.commands import AsyncCoreCommands

from streams import reset
from streams.kafka.batch import Batch, DeadLetter
from streams.pipeline import Pipeline, PipelineSettings
from streams.reading.reader import Reader
from streams.runner import Runner
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from tests.faults import fake_redis
from tests.faults.remembered import hash64
from tests.streams.fakes import FakeLog

if TYPE_CHECKING:
    from tests.faults.simulator import World


class Actor:
    """Does several things at once, each of them once at a time."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[Any]] = {}

    def begin(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        self.tasks[what] = asyncio.create_task(work)

    def does(self, what: str) -> bool:
        return what in self.tasks

    def ended(self) -> dict[str, Any]:
        """What has come to its end since it was last asked for; raises what a task did."""
        done = {what: task for what, task in self.tasks.items() if task.done()}
        for what in done:
            del self.tasks[what]
        return {what: task.result() for what, task in done.items() if not task.cancelled()}


class Worker(Actor):
    """A pipeline. It goes on as long as its calls are answered and anybody gives it a turn: then it is a zombie."""

    def __init__(self, world: "World", number: int) -> None:
        super().__init__()
        self.world, self.rng = world, world.rng
        self.log = FakeLog(world.held)
        self.log.starts, self.log.ids = world.starts, world.ids
        self.stopping = False
        self._held: list[Batch] = []
        store = world.reached_by(self)
        settings = PipelineSettings(
            worker=f"w{number}", policy=world.policy, pseudonym=hash64, key_fingerprint="", checkpoint_seconds=0.2
        )
        self.pipeline = Watched(world.topics, store, store, View(world, self), settings, world.clock)
        self.join()

    def join(self) -> None:
        """As after a rebalance."""
        if not self.does("join"):
            self.begin("join", self._join())

    def turn(self) -> None:
        """A batch, a tick, or both."""
        self._regroup()
        if not self.does("feed") and not self.stopping and self._willing() and (batch := self._next()):
            self.begin("feed", self._feed(batch))
        if not self.does("tick") and self._willing():
            self.begin("tick", self.pipeline.tick())

    def _willing(self) -> bool:
        return self.world.calm or self.rng.random() < 0.7

    def stop(self) -> None:
        """On a signal: no batch comes any more, the one that is being taken is let go, and ticks go on for a while."""
        self.stopping = True
        if self.does("feed"):
            self.tasks["feed"].cancel()

    async def done(self) -> bool:
        """Whether all records are stored, as far as the store says."""
        world = self.world
        head = await world.head()
        where = head and (head.offset, head.log)
        return where == (world.end, world.topic_id) and self.log.lag(world.partition) == 0

    def _regroup(self) -> None:
        chance = 1.0 if self.world.calm else self.rng.random()
        if chance < 0.05:
            self.join()
        elif chance < 0.07 and not self.does("join"):
            self.pipeline.assigned(())  # somebody else has the partition now, until it comes back
        elif not self.pipeline._runners and chance > 0.5:
            self.join()

    async def _join(self) -> None:
        partition = self.world.partition
        known = await self.pipeline.positions([partition])
        where = known.get(partition, 0)
        await self.world.call(self, "kafka: seek", lambda: self.log.seek(partition, where))

    async def _feed(self, batch: Batch) -> None:
        runner = self.pipeline._runners.get(batch.partition)
        if runner:
            assert isinstance(runner._log, View)
            await runner._log.feed(self.pipeline, batch)

    def _next(self) -> Batch | None:
        """What comes in: whole, in part, not at all, or what was held back before."""
        chance = self.rng.random()
        if self._held and chance < 0.3:
            return self._held.pop(self.rng.randrange(len(self._held)))
        batch = self.log.fetch(self.world.partition, self.rng.randint(1, self.world.most_fetched))
        if batch is None or self.world.calm or chance < 0.8:
            return batch
        if chance < 0.87:
            self._held.append(batch)
        return None


class Onlooker(Actor):
    """A reader, and the most that it has seen of each counter."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.reader = Reader(world.reached_by(self), world.catalogue, world.topic_prefix)
        self.world, self.highest = world, Counter[Any]()

    def look(self) -> None:
        if not self.does("look"):
            self.begin("look", self.reader.refresh(self.world.wall_ms()))


class Operator(Actor):
    """Enters `xmon topics reset` once; where the store is away it is of no effect."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._store, self._topic = world.reached_by(self), world.partition.topic
        self._found = reset.Found(world.topic_id, {world.partition.number: (world.start, world.end)})
        self.begin("reset", self._reset())

    async def _reset(self) -> None:
        with suppress(StoreUnavailable):
            for stored in await reset.look(self._store, self._topic):
                if move := reset.move(stored, self._found):
                    await reset.go_on(self._store, move)


class Watched(Pipeline):
    """A pipeline whose runners each have a view of the log of their own."""

    def _runner(self, partition: PartitionId) -> Runner:
        assert isinstance(self._log, View)
        self._log = View(self._log.world, self._log.who)
        return super()._runner(partition)


class View:
    """The log as one runner of a worker sees it: each question to Kafka goes through the world, and it is noted what was given
    to the runner: it may leave out only what the log lost behind that."""

    def __init__(self, world: "World", who: Worker) -> None:
        self.world, self.who, self._log = world, who, who.log
        self._given = world.log, 0  # a log, and the offset before which all of it was given
        self._agreed: int | None = None
        self._seeks = 0

    async def feed(self, pipeline: Pipeline, batch: Batch) -> None:
        """A batch is given when it is of this epoch, and nothing was sought because of it."""
        log, seeks, self._agreed = self.world.log, self._seeks, None
        await pipeline.feed(batch)
        if self._agreed == batch.epoch and self._seeks == seeks:
            self._given = log, batch.end

    def epoch(self, partition: PartitionId) -> int:
        self._agreed = self._log.epoch(partition)
        return self._agreed

    async def seek(self, partition: PartitionId, offset: int) -> None:
        async def seek() -> None:
            await self._log.seek(partition, offset)
            self._given, self._seeks = (self.world.log, offset), self._seeks + 1

        await self._asked("seek", seek)

    async def bounds(self, partition: PartitionId) -> tuple[int, int]:
        async def bounds() -> tuple[int, int]:
            found = await self._log.bounds(partition)
            self.world.ways.told(self.world.log, found[0], self._given)
            return found

        return await self._asked("bounds", bounds)

    async def topic_id(self, partition: PartitionId) -> str:
        return await self._asked("topic id", lambda: self._log.topic_id(partition))

    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        async def write() -> None:
            self.world.letters |= {letter.record for letter in letters}

        if letters:
            await self._asked("dead letters", write)

    def taken(self, partition: PartitionId) -> int | None:
        return self._log.taken(partition)

    def lag(self, partition: PartitionId) -> int | None:
        return self._log.lag(partition)

    def undecided(self, partition: PartitionId) -> tuple[int, int]:
        return self._log.undecided(partition)

    async def _asked(self, what: str, do: Any) -> Any:
        return await self.world.call(self.who, f"kafka: {what}", do)


class Wire(AsyncCoreCommands):
    """Redis as somebody reaches it: each command goes through the world."""

    def __init__(self, world: "World", who: object, client: Any) -> None:
        self._world, self._who, self._client = world, who, client

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        return await self._world.call(self._who, command[0], lambda: self._client.execute_command(*command, **options))

    def pipeline(self, **_: Any) -> fake_redis.Pipeline:
        return fake_redis.Pipeline(self)
