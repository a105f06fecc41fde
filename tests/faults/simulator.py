"""The protocol without Kafka: real pipelines and readers, the real scripts, and a world that is against them.

Workers and readers run as tasks, as they do in production. Each command to Redis and each question to Kafka waits until the
world lets it pass, and the world does one thing at a time, in an order that the seed decides. So whatever is under way may meet
in any order: a command is lost, its reply is lost or comes after others have acted, it arrives when nobody waits for it any
more, the worker dies, Redis falls back to what it held before, the log loses its beginning, or another log has its name.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError

from streams import applying
from streams.events.decode import Decoder, Record
from streams.metrics.catalogue import Catalogue
from streams.metrics.registry import catalogue
from streams.state.keys import PartitionId
from streams.state.redis_store import RedisStore
from streams.windows.partition import Policy
from tests.faults import judge
from tests.faults.actors import Onlooker, Operator, Wire, Worker
from tests.faults.fake_redis import FakeRedis
from tests.faults.generator import FAMILIES, Generator, logs, with_holes
from tests.faults.oracle import Oracle
from tests.faults.ways import Head, Way, Ways
from tests.streams.records import START, Raw

CATALOGUES = {family.name: Catalogue((family,)) for family in catalogue().families}
RECORDS, MORE, STEP_MS = 20, 8, 30_000  # ten minutes of event time: minutes are folded, panes deleted
DAY_MS = 86_400_000
PLENTY = 1000  # of room for values
STEPS, STEP_SECONDS = 220, 0.1
PUBLISHED = (*[0] * 30, 7)  # so many records at a step: workers come to the end of the log, and later there is more
SHARES = {"lost": 0.03, "reply lost": 0.04, "late": 0.06, "killed": 0.01, "answered later": 0.25, "fall back": 0.015}
READS = ("HGET", "HGETALL", "HMGET", "MGET", "SMEMBERS")
SAID_FOR_SECONDS = 15.0  # how long Redis keeps what a worker says of itself
MOST_CALM = 400  # turns in which the end must be reached


@dataclass(frozen=True, slots=True)
class Odds:
    """How often what happens. `losing`: seeds in which retention overtakes workers; `anew`: those in which the topic is created
    anew; `looks`: of what happens, that a reader begins to look."""

    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    losing: float = 0.3
    anew: float = 0.2
    looks: float = 0.15

    def but(self, shares: Mapping[str, float] | None = None, **others: float) -> "Odds":
        """Others; of the shares only those that are named."""
        return replace(self, shares={**self.shares, **(shares or {})}, **others)


USUAL = Odds()


@dataclass(eq=False, slots=True)
class Call:
    """Somebody waits for an answer of Redis or Kafka."""

    who: object
    name: str
    do: Callable[[], Awaitable[Any]]
    reply: asyncio.Future[Any]
    done: bool = False
    answer: Any = None

    def end(self) -> None:
        """Hands out the answer, if anybody still waits for it."""
        if self.reply.done():
            return
        if isinstance(self.answer, Exception):
            self.reply.set_exception(self.answer)
        else:
            self.reply.set_result(self.answer)


class World:
    """One run by one seed. Mutants have another store, or meet some faults more often."""

    topic_prefix = "experience."

    def __init__(
        self,
        seed: int,
        client: Any = None,
        prefix: str = "sim",
        make_store: Callable[[Any, str], RedisStore] = RedisStore,
        odds: Odds = USUAL,
    ) -> None:
        self.seed, self.rng, self.odds = seed, random.Random(seed), odds
        self.client, self.prefix, self.make_store = client or FakeRedis(), prefix, make_store
        self.shares, self.seconds, self.calm = odds.shares, 0.0, False
        self.faults: list[str] = []
        self.wrong: list[str] = []  # what was seen on the way
        self._choose_story()
        self.store = self.reached_by(None)
        self.calls: list[Call] = []
        self._late: list[Call] = []
        self._dumps: list[dict[bytes, Any]] = [{}]
        self._said: dict[str, float] = {}  # key of what a worker says of itself → when it said it
        self._head: Head | None = None
        self._dead: set[object] = set()
        self.letters: set[Raw] = set()
        self.oracles: dict[Way, Oracle] = {}
        self.shown: dict[str, Counter[Any]] = {"total": Counter(), "hour": Counter()}  # the most that any shows as complete

    def _choose_story(self) -> None:
        rng = self.rng
        self.family = rng.choice(FAMILIES)  # one partition: the order of what happens is then the seed's alone
        self.catalogue = CATALOGUES[self.family]
        self.partition = PartitionId(self.topic_prefix + self.family, 0)
        self.policy = Policy(max_values=rng.choice([1, 2]), max_scopes=rng.choice([1, 1, 2]))
        self.at_once, self.most_fetched = rng.choice([2, 3, 5, 2000]), rng.choice([1, 3, 9, 9])
        self.losing, self.anew = rng.random() < self.odds.losing, rng.random() < self.odds.anew
        named = self.anew or rng.random() < 0.7  # brokers before 2.8 give no ids: then nobody can know of another log
        self.days = rng.random() < 0.25
        if self.days and self.seed % 2:
            self.policy = replace(self.policy, max_values=PLENTY)
        self._coming = self._story(RECORDS)
        self.now_ms = self._coming[-1].timestamp
        self.records: list[Raw] = []
        self.starts = {self.partition: 0}
        self.held: dict[PartitionId, list[Record]] = {self.partition: self.records}  # type: ignore[dict-item]
        self.ids = {self.partition.topic: "log 0" if named else ""}
        self.ways = Ways([self.records], [self.topic_id])
        self.ways.begins(0, 0)

    def _story(self, count: int, start_ms: int = START) -> list[Raw]:
        """Some minutes; or some, and some more a day later, when much that was met is forgotten."""
        make = partial(Generator, families=(self.family,), sessions=12, late=0.05, duplicates=0.06, bad=0.03)
        if not self.days:
            return with_holes(self._told(make(self.seed, start_ms=start_ms, step_ms=STEP_MS), count), self.rng)
        make = partial(make, step_ms=self.rng.choice([STEP_MS, 50 * STEP_MS]))
        later = start_ms + DAY_MS + self.rng.randint(0, 120 * STEP_MS)
        before = self._told(make(self.seed, start_ms=start_ms), count // 2)
        after = self._told(make(-1 - self.seed, start_ms=later), count - count // 2)
        twice = [again for one in (*before, *after) for again in [one] * self.rng.choice([1, 1, 2])]
        return with_holes(twice, self.rng)

    def _told(self, generator: Generator, count: int) -> list[Raw]:
        return logs(generator, count)[self.family, 0]

    def reached_by(self, who: object) -> RedisStore:
        """A store of somebody's own, whose commands go through this world; the judge's go straight."""
        store = self.make_store(Wire(self, who, self.client), self.prefix) if who else RedisStore(self.client, self.prefix)
        store._clock = self.clock
        return store

    @property
    def topics(self) -> Mapping[str, Any]:
        return self.catalogue.topics(self.topic_prefix)

    @property
    def log(self) -> int:
        """The number of the log there is."""
        return len(self.ways.logs) - 1

    @property
    def topic_id(self) -> str:
        return self.ids[self.partition.topic]

    @property
    def start(self) -> int:
        """The first offset that the log still has."""
        return self.starts[self.partition]

    @property
    def end(self) -> int:
        return self.records[-1].offset + 1 if self.records else self.start

    @property
    def forgetful(self) -> bool:
        """Whether Redis, if it falls back, may lose for good what was shown."""
        return self.start > 0 or self.log > 0

    @property
    def makes_room(self) -> bool:
        """Whether values that were not met for a day are forgotten for the sake of others."""
        return self.days and self.policy.max_values < PLENTY

    def clock(self) -> float:
        return self.seconds

    def wall_ms(self) -> int:
        """The time by a reader's clock."""
        return self.now_ms + round(1000 * self.seconds)

    # -- the run

    async def run(self) -> list[str]:
        """What is different from the oracle, on the way or at the end; empty where all is well."""
        loop, others = asyncio.get_running_loop(), asyncio.all_tasks()
        applying.AT_ONCE = self.at_once
        loop.time = self.clock  # type: ignore[method-assign] - whatever waits for a time waits for this world's
        self.onlookers, self.operators = [Onlooker(self)], list[Operator]()
        self.workers = [Worker(self, 0)]
        try:
            return await self._live()
        finally:
            del loop.time
            left = asyncio.all_tasks() - others
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _live(self) -> list[str]:
        for _ in range(STEPS):
            await self._step()
            if self.wrong:
                return self.wrong
        await self._end()
        return self.wrong or await judge.at_the_end(self)

    async def _step(self) -> None:
        """Somebody's call goes on, or somebody does something; then time passes for those who wait for it."""
        await self._forget_who_fell_silent()
        if self.calls and self.rng.random() < 0.75:
            await self._go_on(self.rng.choice(self.calls))
        else:
            await self._happen()
        self.seconds += STEP_SECONDS
        await self._settle()

    async def _happen(self) -> None:
        """Something that is nobody's answer."""
        self._publish(self.rng.choice(PUBLISHED))
        happenings: dict[Callable[[], Awaitable[None]], float] = {
            self._arrive_late: 6,
            self.fall_back: 2,
            self._start_worker: 4,
            self._kill_worker: 2,
            self._stop_worker: 1.5,
            self._age: 2,
            self._create_anew: 2,
            self._operate: 2,
            self._judge: 2,
            self._look: 100 * self.odds.looks,
            self._work: 65,
        }
        (happens,) = self.rng.choices([*happenings], [*happenings.values()])
        await happens()

    async def _start_worker(self) -> None:
        if len(self.workers) < 4:
            self.workers.append(Worker(self, self.seed * 1000 + len(self.faults)))

    async def _kill_worker(self) -> None:
        if len(self.workers) > 1:
            self._kill(self.rng.choice(self.workers))

    async def _stop_worker(self) -> None:
        if self.workers:
            self.rng.choice(self.workers).stop()

    async def _work(self) -> None:
        if self.workers:
            self.rng.choice(self.workers).turn()

    async def _judge(self) -> None:
        self.wrong += await judge.stored(self)

    async def _look(self) -> None:
        """A reader looks: one that was there, or one that starts at this moment."""
        if self.rng.random() < 0.2:
            self.onlookers = [*self.onlookers[-2:], Onlooker(self)]
        self.rng.choice(self.onlookers).look()

    async def _settle(self) -> None:
        """Until all wait for this world; then looks at what was done."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the first may only have moved timers that are due to where they are ready
        while ready:  # noqa: ASYNC110 - it is the others that are waited for
            await asyncio.sleep(0)
        for actor in (*self.workers, *self.operators):
            actor.ended()
        for onlooker in self.onlookers:
            if "look" in onlooker.ended():
                self.wrong += judge.seen(self, onlooker)

    # -- the end

    async def _end(self) -> None:
        """A worker alone, without faults but for what is still under way, until everything is stored."""
        self._publish(RECORDS)
        self.calm = True
        await self._alone(-1)
        await self._until_done(fall_back=True)
        if self.losing:  # what Redis loses now is gone, and no record comes that could show it
            self._begin_at(self.end)
            await self._until_done(fall_back=True)
        self.calm, self.shares = False, {"lost": 0.4}  # the store comes and goes while there is nothing more to do
        await self._alone(-2)
        for _ in range(4):
            await self.turn()
        self.calm = True
        await self._until_done(fall_back=False)

    async def _alone(self, number: int) -> None:
        for worker in self.workers:
            self._kill(worker)
        self.workers = [Worker(self, number)]
        await self.until_answered()

    async def _until_done(self, *, fall_back: bool) -> None:
        for turn in range(MOST_CALM):
            if turn % 3 == 0:
                await self._arrive_late()
            if turn == 3 and fall_back:
                await self.fall_back()
            await self.turn()
            if self.wrong or (turn > 5 and not self._late and await self.workers[0].done()):
                break
            if turn % 5 == 4:
                await self._operate()

    async def turn(self) -> None:
        """The first worker's, until it has all its answers."""
        self.workers[0].turn()
        await self.until_answered()

    async def all_look(self) -> None:
        """Those who were there, and one who starts now; what they see is judged by the way."""
        self.onlookers.append(Onlooker(self))
        for seconds in (0, 6):  # the second time, those who fell silent are known to be dead
            self.seconds += seconds
            await self.turn()
            for onlooker in self.onlookers:
                onlooker.look()
            await self.until_answered()

    async def until_answered(self) -> None:
        """All that anybody waits for is answered, and time passes."""
        self.seconds += 5 * STEP_SECONDS
        await self._settle()
        while self.calls and not self.wrong:
            await self._go_on(self.rng.choice(self.calls))
            await self._settle()

    # -- calls

    async def call(self, who: object, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """Waits until the world lets it pass, and for ever if the caller is dead."""
        call = Call(who, name, do, asyncio.get_running_loop().create_future())
        if who not in self._dead:
            self.calls.append(call)
        return await call.reply

    async def _go_on(self, call: Call) -> None:
        """What becomes of one call."""
        fate = "" if call.done else self._fate(call)
        kafka = call.name.startswith("kafka")
        if fate == "fall back":
            await self.fall_back()
        if fate == "lost" and kafka:
            return  # it is asked again until it is answered
        if fate in ("killed", "reply lost") or (fate == "answered later" and not call.reply.done()):
            done = fate != "killed" or self.rng.random() < 0.5
            if done:
                await self._do(call)
            if fate == "answered later":
                return
        self.calls.remove(call)
        if fate == "killed":
            self._kill(call.who)
            return
        if fate in ("lost", "late", "reply lost"):
            self._late += [call] if fate == "late" else []
            call.answer = Disconnected(fate)
        elif not call.done and not (call.reply.done() and self.rng.random() < 0.5):  # who was let go may have sent it, or not
            await self._do(call)
        call.end()

    async def _do(self, call: Call) -> None:
        """Takes effect. The hash may have moved."""
        call.done = True
        try:
            call.answer = await call.do()
        except NoScriptError as error:
            call.answer = error
        if call.name in READS or call.name.startswith("kafka"):
            return
        if call.name == "SET":
            self._said |= {key.decode(): self.seconds for key in await self.client.keys(f"{self.prefix}:{{workers}}:*")}
        if call.name in ("EVAL", "EVALSHA", "HSET"):
            before, self._head = self._head, await self.head()
            if self._head and self._head != before:
                self.wrong += self.ways.moved(before, self._head, by_operator=isinstance(call.who, Operator))
            if self.rng.random() < (0.5 if self._head != before else 0.1):
                await self._remember()

    def _fate(self, call: Call) -> str:
        if self.calm:
            return ""
        never = {"reply lost", "late"} if call.name in READS or call.name.startswith("kafka") else set()
        never |= set() if isinstance(call.who, Worker) else {"killed"}
        shares = {fate: share for fate, share in self.shares.items() if fate not in never}
        fate = self.rng.choices([*shares, ""], [*shares.values(), 1 - sum(shares.values())])[0]
        self.faults += [fate] if fate else []
        return fate

    def _kill(self, who: object) -> None:
        """Nothing of it runs any more; what it has sent may still arrive."""
        self._dead.add(who)
        if who in self.workers:
            self.workers.remove(who)  # type: ignore[arg-type]
        sent = [call for call in self.calls if call.who is who]
        self.calls = [call for call in self.calls if call.who is not who]
        self._late += [call for call in sent if not call.done and call.name not in READS and self.rng.random() < 0.3]

    # -- what the world does

    async def head(self) -> Head | None:
        """Where the hash stands."""
        position, log, meta = await self.store.read(self.partition, [b"_next", b"_log", b"_meta"])
        return judge.head(position, log, meta)

    def _publish(self, count: int) -> None:
        self.records += self._coming[:count]
        del self._coming[:count]

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
        return [*await self.client.keys(f"{self.prefix}:{{{self.topic_prefix}*"), f"{self.prefix}:partitions".encode()]

    async def fall_back(self) -> None:
        """Redis is what it was some writes ago, as after a power cut. What workers say of themselves they say again."""
        self.faults.append("fell back")
        dump = self.rng.choice(self._dumps)
        async with self.client.pipeline(transaction=True) as pipeline:
            for key in await self._keys():
                pipeline.delete(key)
            for key, content in dump.items():
                if content is not None:
                    pipeline.restore(key, 0, content)
            await pipeline.execute()
        self._head = await self.head()

    async def _forget_who_fell_silent(self) -> None:
        for key in [key for key, said in self._said.items() if self.seconds - said > SAID_FOR_SECONDS]:
            del self._said[key]
            await self.client.delete(key)

    async def _arrive_late(self) -> None:
        """A command takes effect for which nobody waits any more."""
        if self._late:
            await self._do(self._late.pop(self.rng.randrange(len(self._late))))

    async def _age(self) -> None:
        """Retention takes all but the last records, or these as well; workers that hold them live on."""
        later = [offset for offset in (*(record.offset for record in self.records[-4:]), self.end) if offset > self.start]
        if self.losing and later:
            self._begin_at(self.rng.choice(later))

    def _begin_at(self, offset: int) -> None:
        self.faults.append("aged")
        self.starts[self.partition] = offset
        self.ways.begins(self.log, offset)

    async def _create_anew(self) -> None:
        """Another log under the same name, with records of its own; what was not read of the old one is gone."""
        if not self.anew or self.log >= 2 or not self.records:
            return
        self.faults.append("created anew")
        more = self._story(MORE, max(record.timestamp for record in self.records))
        unsent = [replace(record, offset=i) for i, record in enumerate([*self._coming, *more])]
        self._coming, self.records = with_holes(unsent, self.rng), []
        self._publish(self.rng.choice([0, 3, 10, 20]))
        self.held[self.partition], self.starts[self.partition] = self.records, 0
        self.ids[self.partition.topic] = f"log {self.log + 1}"
        self.ways.logs.append(self.records)
        self.ways.ids.append(self.topic_id)
        self.ways.begins(self.log, 0)

    async def _operate(self) -> None:
        """Somebody enters `xmon topics reset`, if there is a reason to."""
        if self._head is not None and self.log > 0 and self._head.log != self.topic_id:
            self.operators = [*self.operators[-2:], Operator(self)]


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Leaves out waits between attempts, and makes the decoder of a family once, not with every restart."""
    patch.setattr("streams.pauses.FIRST_SECONDS", 0)
    patch.setattr("streams.applying.AT_ONCE", applying.AT_ONCE)  # each world has its own
    names = {family.name: family.event for family in catalogue().families}
    made = cache(lambda name, max_bytes: Decoder(names[name], max_bytes))
    patch.setattr("streams.windows.partition.Decoder", lambda family, max_bytes: made(family.name, max_bytes))
