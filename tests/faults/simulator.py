"""The protocol without Kafka: real pipelines and readers, the real scripts, and a world that is against them.

Everything happens in one order that the seed decides. Each command to Redis is where the world strikes: it is lost, its reply
is lost, it arrives later and among others, the worker dies, Redis falls back to what it held before, and others act in between.
So what the store does in several commands may end after any of them, and be overtaken between any two.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError

from streams.events.decode import Decoder
from streams.metrics.catalogue import Catalogue
from streams.metrics.registry import catalogue
from streams.reading.reader import Reader
from streams.state.keys import PartitionId
from streams.state.redis_store import RedisStore
from streams.windows.partition import Policy
from tests.faults import judge
from tests.faults.actors import Killed, Wire, Worker
from tests.faults.fake_redis import FakeRedis
from tests.faults.generator import FAMILIES, Generator, logs, with_holes
from tests.streams.records import START, Raw

TOPIC_PREFIX = "experience."
CATALOGUES = {family.name: Catalogue((family,)) for family in catalogue().families}
RECORDS, STEP_MS = 20, 30_000  # ten minutes of event time: minutes are folded, panes deleted
STEPS = 40
PUBLISHED = (*[0] * 6, 7)  # so many records at a step: workers come to the end of the log, and later there is more
SHARES = {"lost": 0.03, "reply lost": 0.04, "late": 0.06, "killed": 0.02, "others": 0.10, "fall back": 0.015}
READS = ("HGET", "HGETALL", "HMGET", "MGET", "SMEMBERS")
LOSING = 0.3  # of the seeds: retention overtakes the workers
LOOKS = 0.1  # of what happens: a reader looks
MOST_CALM = 400  # turns in which the end must be reached


@dataclass
class World:
    """One run by one seed. Mutants have another store, or meet some faults more often."""

    seed: int
    client: Any = field(default_factory=FakeRedis)
    prefix: str = "sim"
    make_store: Callable[[Any, str], RedisStore] = RedisStore
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    losing: float = LOSING
    looks: float = LOOKS
    seconds: float = 0.0
    calm: bool = False
    faults: list[str] = field(default_factory=list)
    now_ms: int = START + RECORDS * STEP_MS
    _late: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    _dumps: list[dict[bytes, bytes | None]] = field(default_factory=list)
    _calling: list[object] = field(default_factory=list)  # whose call is under way, the innermost last
    _wrong: list[str] = field(default_factory=list)  # what was seen on the way
    highest: Counter[Any] = field(default_factory=Counter)  # what the reader has seen of each counter

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.family = self.rng.choice(FAMILIES)  # one partition: the order of what happens is then the seed's alone
        self.catalogue = CATALOGUES[self.family]
        self.policy = Policy(max_values=self.rng.choice([1, 2]), max_scopes=self.rng.choice([1, 1, 2]))
        generator = Generator(self.seed, (self.family,), step_ms=STEP_MS, sessions=12, late=0.05, duplicates=0.06, bad=0.03)
        self._coming = with_holes(logs(generator, RECORDS)[self.family, 0], self.rng)
        self.records: list[Raw] = []
        self.partition = PartitionId(TOPIC_PREFIX + self.family, 0)
        self.starts = {self.partition: 0}
        self.losing = self.rng.random() < self.losing
        self.store = RedisStore(self.client, self.prefix)
        self.reader = self.new_reader()
        self.letters: set[int] = set()
        self.workers = [Worker(self, 0)]

    def new_reader(self) -> Reader:
        return Reader(self.reached_by("reader"), self.catalogue, TOPIC_PREFIX)

    def reached_by(self, who: object) -> RedisStore:
        """A store of somebody's own, whose commands go through this world."""
        return self.make_store(Wire(self, who, self.client), self.prefix)

    @property
    def topics(self) -> Mapping[str, Any]:
        return self.catalogue.topics(TOPIC_PREFIX)

    @property
    def start(self) -> int:
        """The first offset that the log still has."""
        return self.starts[self.partition]

    def clock(self) -> float:
        """Moves on at each look."""
        self.seconds += 0.5 if self.calm else 0.1
        return self.seconds

    # -- the run

    async def run(self) -> list[str]:
        """What is different from the oracle, on the way or at the end; empty where all is well."""
        for _ in range(STEPS):
            await self.step()
            if self._wrong:
                return self._wrong
        await self._end()
        return await judge.at_the_end(self)

    async def step(self) -> None:
        """Something happens to somebody who has no call under way."""
        rng = self.rng
        self._publish(rng.choice(PUBLISHED))
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
        elif chance < 0.22:
            self._age()
        elif chance < 0.22 + self.looks and "reader" not in self._calling:
            self._wrong += await judge.on_the_way(self)
        elif others:
            await rng.choice(others).turn()

    async def _end(self) -> None:
        """A worker alone, without faults but for what is still under way, until everything is stored."""
        self._publish(RECORDS)
        self.calm = True
        await self._alone(Worker(self, -1))
        await self._until_done(fall_back=True)
        self.calm, self.shares = False, {"lost": 0.4}  # the store comes and goes while there is nothing more to do
        await self._alone(Worker(self, -2))
        for _ in range(4):
            await self.workers[0].pipeline.tick()
        self.calm = True
        await self._until_done(fall_back=False)

    async def _alone(self, worker: Worker) -> None:
        self.workers = [worker]
        await worker.join()

    async def _until_done(self, *, fall_back: bool) -> None:
        for turn in range(MOST_CALM):
            if self._late and turn % 3 == 0:
                await self._late.pop(self.rng.randrange(len(self._late)))()
            if turn == 3 and fall_back:
                await self.fall_back()
            await self.workers[0].turn()
            if turn > 5 and not self._late and await self.workers[0].done():
                break

    # -- what the world does

    def _publish(self, count: int) -> None:
        self.records += self._coming[:count]
        del self._coming[:count]

    async def call(self, who: object, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """One command, and what becomes of it."""
        fate = self._fate(who, name)
        if fate == "others" and len(self._calling) < 3:
            self._calling.append(who)
            await self.step()
            self._calling.remove(who)
        if fate == "fall back":
            await self.fall_back()
        if fate == "killed":
            if self.rng.random() < 0.5:
                await do()
            raise Killed
        if fate == "late":
            self._late.append(partial(_unanswered, do))
        if fate in ("lost", "late"):
            raise Disconnected(fate)
        answer = await do()
        if name not in READS and self.rng.random() < 0.4:
            await self._remember()
        if fate == "reply lost":
            raise Disconnected(fate)
        return answer

    def _fate(self, who: object, name: str) -> str:
        if self.calm:
            return ""
        never = {"reply lost", "late"} if name in READS else set()
        never |= set() if isinstance(who, Worker) else {"killed"}
        shares = {fate: share for fate, share in self.shares.items() if fate not in never}
        fate = self.rng.choices([*shares, ""], [*shares.values(), 1 - sum(shares.values())])[0]
        self.faults += [fate] if fate else []
        return fate

    async def _remember(self) -> None:
        """Redis as it is at this moment may be what it falls back to."""
        keys = await self._keys()
        async with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.dump(key)
            contents = await pipeline.execute()
        self._dumps = [*self._dumps[-3:], dict(zip(keys, contents, strict=True))]

    async def _keys(self) -> list[bytes]:
        """Partitions, and the set of their names."""
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
        """Retention takes all but the last records; workers that hold them live on. Once: how many a state lost says which."""
        if self.losing and not self.start and self.records:
            self.faults.append("aged")
            self.starts[self.partition] = self.rng.choice(self.records[-4:]).offset


async def _unanswered(do: Callable[[], Awaitable[object]]) -> None:
    """A late command: what is answered, be it a refusal, reaches nobody."""
    with suppress(NoScriptError):
        await do()


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Leaves out waits between attempts, and makes the decoder of a family once, not with every restart."""
    patch.setattr("streams.pauses.FIRST_SECONDS", 0)
    names = {family.name: family.event for family in catalogue().families}
    made = cache(lambda name, max_bytes: Decoder(names[name], max_bytes))
    patch.setattr("streams.windows.partition.Decoder", lambda family, max_bytes: made(family.name, max_bytes))
