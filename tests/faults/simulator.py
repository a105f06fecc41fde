"""The protocol without Kafka: real pipelines, the real scripts in a real Redis, and a world that is against them.

Everything happens in one order that the seed decides. A call to the store is where the world strikes: the command is lost, its
reply is lost, it arrives later and among others, it dies between two of its writes, the worker dies, Redis falls back to what
it held before, and others act in between.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from streams.kafka.batch import Batch
from streams.metrics.registry import catalogue
from streams.pipeline import Pipeline, PipelineSettings
from streams.reading.reader import Reader
from streams.reading.snapshot import Snapshot
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.state.redis_store import RedisStore
from tests.faults import observed
from tests.faults.figures import read
from tests.faults.generator import FAMILIES, Generator, logs, with_holes
from tests.faults.oracle import MINUTE_MS, Oracle, hash64
from tests.streams.fakes import FakeLog
from tests.streams.records import START

TOPIC_PREFIX = "experience."
TOPICS = catalogue().topics(TOPIC_PREFIX)
RECORDS, STEP_MS = 100, 6000  # over ten minutes of event time: minutes are folded, panes deleted
STEPS = 40
SHARES = {"lost": 0.06, "reply lost": 0.06, "late": 0.06, "half": 0.04, "killed": 0.03, "others": 0.12, "fall back": 0.02}
ANY_CALL = ("lost", "killed", "others", "fall back")  # what may become of a read too
MOST_CALM = 400  # turns in which the end must be reached


class Killed(BaseException):
    """The worker whose call this was is no more. No code of its may catch that."""


@dataclass
class World:
    """One run by one seed. Mutants have another store, or meet some faults more often."""

    seed: int
    client: Redis
    prefix: str
    make_store: Callable[[Redis, str], RedisStore] = RedisStore
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    now_ms: int = START + RECORDS * STEP_MS
    seconds: float = 0.0
    calm: bool = False
    faults: list[str] = field(default_factory=list)
    _late: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    _dumps: list[dict[bytes, bytes | None]] = field(default_factory=list)
    _calling: list["Worker"] = field(default_factory=list)  # whose call is under way, the innermost last

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        family = self.rng.choice(FAMILIES)  # one partition: the order of what happens is then the seed's alone
        generator = Generator(self.seed, (family,), step_ms=STEP_MS, sessions=12, late=0.05, duplicates=0.06, bad=0.03)
        self.records = with_holes(logs(generator, RECORDS)[family, 0], self.rng)
        self.family, self.partition = family, PartitionId(TOPIC_PREFIX + family, 0)
        self.starts = {self.partition: 0}
        self.hour = START - 60 * MINUTE_MS, self.now_ms + MINUTE_MS
        self.store = RedisStore(self.client, self.prefix)
        self.losing = self.rng.random() < 0.15  # retention overtakes the workers; then Redis never falls back
        self.reader = self._reader()
        self.letters: set[int] = set()
        self.workers = [Worker(self, 0)]

    def _reader(self) -> Reader:
        return Reader(self.make_store(self.client, self.prefix), catalogue(), TOPIC_PREFIX)

    @property
    def start(self) -> int:
        """The first offset that the log still has."""
        return self.starts[self.partition]

    def clock(self) -> float:
        """Moves on at each look."""
        self.seconds += 0.2
        return self.seconds

    # -- the run

    async def run(self) -> list[str]:
        """What is different from the oracle at the end; empty where all is well."""
        for _ in range(STEPS):
            await self.step()
        await self._end()
        fields = await self.store.load(self.partition)
        if not fields:
            return ["nothing is stored"]
        oracle = self._oracle(fields)
        return [
            *await self._unlike(oracle, fields),
            *await self._unread(oracle, self.reader, "the reader that was there"),
            *await self._unread(oracle, self._reader(), "a new reader"),
        ]

    async def step(self) -> None:
        """Something happens to somebody who has no call under way."""
        rng = self.rng
        chance = rng.random()
        others = [worker for worker in self.workers if worker not in self._calling]
        if chance < 0.06 and self._late:
            await self._late.pop(rng.randrange(len(self._late)))()
        elif chance < 0.10:
            await self.fall_back()
        elif chance < 0.16 and len(self.workers) < 4:
            self.workers.append(Worker(self, self.seed * 1000 + len(self.faults)))
            await self.workers[-1].join()
        elif chance < 0.19 and others:
            self.workers.remove(rng.choice(others))
        elif chance < 0.22 and not self._calling:
            self._age()
        elif chance < 0.30:
            await self.reader.refresh(self.now_ms)
        elif others:
            await rng.choice(others).turn()

    async def _end(self) -> None:
        """A worker alone, without faults but for what is still under way, until everything is stored."""
        self.calm = True
        await self._alone(Worker(self, -1))
        await self._until_done(fall_back=True)
        self.calm, self.shares = False, {"lost": 0.4}  # the store comes and goes while there is nothing more to do
        await self._alone(Worker(self, -2))
        for _ in range(4):
            await self.workers[0].pipeline.tick()
        self.calm = True
        await self._until_done(fall_back=False)

    async def _alone(self, worker: "Worker") -> None:
        self.workers = [worker]
        await worker.join()

    async def _until_done(self, *, fall_back: bool) -> None:
        for turn in range(MOST_CALM):
            if self._late and turn % 3 == 0:
                await self._late.pop(self.rng.randrange(len(self._late)))()
            if turn == 5 and fall_back:
                await self.fall_back()
            await self.workers[0].turn()
            if turn > 12 and not self._late and await self.workers[0].done():
                break

    # -- what the world does

    async def call(self, who: "Worker", do: Callable[[], Awaitable[Any]], half: Callable[[], Awaitable[Any]] | None) -> Any:
        """One call to the store, and what becomes of it."""
        fate = self._fate(half is not None)
        if fate == "others" and len(self._calling) < 3:
            self._calling.append(who)
            await self.step()
            self._calling.remove(who)
        if fate == "fall back":
            await self.fall_back()
        if fate == "killed":
            await (do() if self.rng.random() < 0.5 else self._nothing())
            await self._remember()
            raise Killed
        if fate == "late":
            self._late.append(do)
        if fate == "half" and half:
            await half()
        if fate in ("lost", "late", "half"):
            raise StoreUnavailable(fate)
        answer = await do()
        await self._remember()
        if fate == "reply lost":
            raise StoreUnavailable(fate)
        return answer

    def _fate(self, writes: bool) -> str:
        if self.calm:
            return ""
        shares = {name: share for name, share in self.shares.items() if writes or name in ANY_CALL}
        fate = self.rng.choices([*shares, ""], [*shares.values(), 1 - sum(shares.values())])[0]
        self.faults += [fate] if fate else []
        return fate

    async def _nothing(self) -> None:
        pass

    async def _remember(self) -> None:
        """Redis as it is at this moment may be what it falls back to."""
        if not self.losing and self.rng.random() < 0.5:
            await self.dump()

    async def dump(self) -> None:
        """Keeps what all partitions are at this moment."""
        keys = await self._keys()
        async with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.dump(key)
            contents = await pipeline.execute() if keys else []
        self._dumps = [*self._dumps[-3:], dict(zip(keys, contents, strict=True))]

    async def _keys(self) -> list[bytes]:
        """Partitions with their minutes, and the set of their names."""
        return [*await self.client.keys(f"{self.prefix}:{{{TOPIC_PREFIX}*"), f"{self.prefix}:partitions".encode()]

    async def fall_back(self) -> None:
        """Redis is what it was some writes ago, as after a power cut."""
        if not self._dumps:
            return
        self.faults.append("fell back")
        dump = self.rng.choice(self._dumps)
        async with self.client.pipeline(transaction=True) as pipeline:
            for key in await self._keys():
                pipeline.delete(key)
            for key, content in dump.items():
                if content is not None:
                    pipeline.restore(key, 0, content)
            await pipeline.execute()

    def _age(self) -> None:
        """Retention takes the oldest records; once, and only where nobody else could still bring them."""
        if self.losing and not self.start:
            self.faults.append("aged")
            self.workers, self._late = [], []
            self.starts[self.partition] = self.rng.choice(self.records[:-1]).offset

    # -- the judgement

    async def _unlike(self, oracle: Oracle, fields: Mapping[bytes, bytes]) -> list[str]:
        """Where the hash and its minutes differ from the oracle, and which dead letters were never written."""
        wanted = oracle.state
        minutes = await self.store.minutes(self.partition, list(wanted["minutes"]))
        stored = {start: content for start, content in zip(wanted["minutes"], minutes, strict=True) if content}
        refused = {
            record.offset
            for record in self.records
            if record.offset >= self.start and not read(self.family, record.value, record.timestamp)[0]
        }
        lines = observed.differences(wanted, observed.state(self.family, fields, stored))
        return lines + [f"no dead letter for offset {offset}" for offset in sorted(refused - self.letters)]

    def _oracle(self, fields: Mapping[bytes, bytes]) -> Oracle:
        """Counts all records but those that the hash says were lost, which must end where the log begins."""
        oracle, counts = Oracle(self.family), observed.counts(fields)
        after = [record for record in self.records if record.offset >= self.start]
        if lost := counts.get("offsets_lost", 0):
            oracle.apply(record for record in self.records if record.offset < self.start - lost)
            oracle.next = self.start - lost
            oracle.lose(self.start)
        elif counts["records"] > len(after):  # nothing was lost; else nobody ever knew of what was there before
            oracle.apply(record for record in self.records if record.offset < self.start)
        oracle.apply(after)
        return oracle

    async def _unread(self, oracle: Oracle, reader: Reader, who: str) -> list[str]:
        """What a reader shows otherwise than the oracle counts."""
        for seconds in (0, 6):  # the second time, those who fell silent are known to be dead
            for _ in range(3):
                await self.workers[0].pipeline.tick()
            snapshot = await reader.refresh(self.now_ms + 1000 * seconds)
        assert snapshot is not None
        if not snapshot.complete:
            return [f"{who}: {problem}" for problem in snapshot.problems]
        wanted = {"totals": oracle.lifetime(), "hour": oracle.span(*self.hour)}
        return [f"{who}: {line}" for line in observed.differences(wanted, shown(snapshot, self.family, self.hour))]


def shown(snapshot: Snapshot, family: str, stretch: tuple[int, int]) -> dict[str, Any]:
    """The cells that a snapshot holds of a family, as the oracle names them."""
    rollup, state = snapshot._rollup(family, stretch), snapshot.families[family]
    series = [(one.app, one.environment, one.dimension, one.value) for one in rollup.series]
    arrays = zip((rollup.cells, rollup.buckets, rollup.registers), observed.columns(family), strict=True)
    hour = [observed.table(series, array, columns) for array, columns in arrays]
    totals = observed.table(state.names, state.totals, observed.columns(family)[0])
    return {"totals": totals, "hour": hour[0] | hour[1] | hour[2]}


class Worker:
    """A pipeline with its own view of the log. It goes on as long as anybody gives it a turn: then it is a zombie."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.rng = world, world.rng
        self.log = FakeLog({world.partition: world.records})  # type: ignore[dict-item]
        self.log.starts = world.starts
        self._held: list[Batch] = []
        settings = PipelineSettings(worker=f"w{number}", pseudonym=hash64, key_fingerprint="", checkpoint_seconds=0.5)
        wire = Wire(world, self, world.make_store(world.client, world.prefix))
        self.pipeline = Pipeline(TOPICS, wire, wire, self.log, settings, world.clock)

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
        return stored == {world.partition: world.records[-1].offset + 1} and self.log.lag(world.partition) == 0

    async def _join(self) -> None:
        for partition, offset in (await self.pipeline.positions([self.world.partition])).items():
            await self.log.seek(partition, offset)

    def _next(self) -> Batch | None:
        """What comes in: whole, in part, not at all, or what was held back before."""
        chance = self.rng.random()
        if self._held and chance < 0.3:
            return self._held.pop(self.rng.randrange(len(self._held)))
        batch = self.log.fetch(self.world.partition, self.rng.randint(1, 40))
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


class Wire:
    """The store as a worker reaches it: through the world."""

    def __init__(self, world: World, worker: Worker, store: RedisStore) -> None:
        self._world, self._worker, self._store = world, worker, store

    async def _call(self, do: Callable[[], Awaitable[Any]], half: Callable[[], Awaitable[Any]] | None = None) -> Any:
        return await self._world.call(self._worker, do, half)

    async def next_offsets(self, partitions: Sequence[PartitionId]) -> dict[PartitionId, int]:
        return await self._call(lambda: self._store.next_offsets(partitions))

    async def load(self, partition: PartitionId) -> dict[bytes, bytes]:
        return await self._call(lambda: self._store.load(partition))

    async def checkpoint(
        self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes], minutes: Mapping[int, bytes]
    ) -> int | None:
        return await self._call(
            lambda: self._store.checkpoint(partition, expected, fields, minutes),
            lambda: self._store._write_minutes(partition, minutes),
        )

    async def forget(self, partition: PartitionId, folded_until: int, fields: Sequence[bytes]) -> None:
        return await self._call(
            lambda: self._store.forget(partition, folded_until, fields),
            lambda: self._store.forget(partition, folded_until, fields[: len(fields) // 2 + 1]),
        )

    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None:
        await self._store.announce(worker, status, ttl_seconds)
