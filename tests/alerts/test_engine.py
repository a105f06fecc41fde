"""The engine over a store: restarts, takeovers, and a store that goes away."""

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from alerts.engine import Engine
from alerts.memory_store import MemoryAlertStore
from alerts.notify.target import TargetStatus
from alerts.outbox import Outbox
from alerts.redis_store import RedisAlertStore
from alerts.store import LEASE_MS, AlertStore
from streams.state.errors import StoreUnavailable
from streams.state.redis_client import connect
from tests.alerts.fakes import CHECKOUT, rule, snapshot

BAD, GOOD = 0.2, 0.01


class Clock:
    """Passes when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Flaky:
    """A store that goes away, or that loses its replies to writes."""

    def __init__(self, store: AlertStore) -> None:
        self.inner = store
        self.away = False
        self.mute = False

    async def hold(self, holder: str, ttl_ms: int) -> bool:
        self._answer()
        return await self.inner.hold(holder, ttl_ms)

    async def take_over(self, token: str) -> None:
        self._answer()
        await self.inner.take_over(token)

    async def read(self) -> dict[str, str]:
        self._answer()
        return await self.inner.read()

    async def write(self, token: str, put: Mapping[str, str], drop: Sequence[str]) -> bool:
        if self.mute:
            await self.inner.write(token, put, drop)
            raise StoreUnavailable("the reply was lost")
        self._answer()
        return await self.inner.write(token, put, drop)

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("away")


class Process:
    """An engine with its outbox, and rules that are bad above 5 %."""

    def __init__(self, store: AlertStore, **policy) -> None:
        self.outbox = Outbox()
        self.engine = Engine([rule(**policy)], store, self.outbox, notified=["chat"])

    async def look(self, *looks: tuple[float, float]) -> None:
        for second, value in looks:
            await self.engine.turn(snapshot(second, value))

    @property
    def phases(self) -> list[str]:
        return [str(alert.state.phase) for alert in self.engine.board.alerts]

    @property
    def waiting(self) -> list[str]:
        return [str(alert.said) for item in self.outbox.waiting("chat") for alert in item.alerts]

    def deliver(self) -> None:
        for item in self.outbox.waiting("chat"):
            self.outbox.finish("chat", item)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryAlertStore:
    return MemoryAlertStore(clock)


@pytest.fixture(params=["memory", "redis"])
async def any_store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[AlertStore]:
    if request.param == "memory":
        yield MemoryAlertStore()
        return
    client = connect(request.getfixturevalue("redis_server").url)
    yield RedisAlertStore(client, redis_prefix)
    await client.aclose()


async def test_a_restart_neither_repeats_nor_forgets(any_store: AlertStore) -> None:
    """What fired, what was told and what was not delivered survives the engine that found it."""
    first = Process(any_store)
    await first.look((0, BAD))
    await first.engine.stop()

    second = Process(any_store)
    await second.look((1, BAD))
    assert (second.phases, second.waiting) == (["firing"], ["warning"])

    second.deliver()
    await second.look((2, BAD), (3, GOOD))
    assert (second.phases, second.waiting) == (["resolved"], ["over"])


async def test_an_alert_that_waits_goes_on_waiting_after_a_restart(any_store: AlertStore) -> None:
    """`for` does not begin anew because a process did."""
    first = Process(any_store, for_ms=60_000)
    await first.look((0, BAD), (30, BAD))
    await first.engine.stop()
    second = Process(any_store, for_ms=60_000)
    await second.look((60, BAD))

    assert second.phases == ["firing"]


async def test_what_was_delivered_is_not_delivered_again(any_store: AlertStore) -> None:
    """It leaves the store with the next write, or when the engine stops."""
    first = Process(any_store)
    await first.look((0, BAD))
    first.deliver()
    await first.engine.stop()
    second = Process(any_store)
    await second.look((1, BAD))

    assert second.waiting == []


async def test_one_of_two_engines_evaluates(store: MemoryAlertStore, clock: Clock) -> None:
    """The other one shows what the first found, and tells nobody."""
    leader, follower = Process(store), Process(store)
    await leader.look((0, BAD))
    await follower.look((0, BAD))

    assert (leader.engine.leading, follower.engine.leading) == (True, False)
    assert (follower.phases, follower.waiting) == (["firing"], [])
    assert follower.engine.board.evaluated_ms == leader.engine.board.evaluated_ms


async def test_an_engine_that_dies_is_followed_within_ten_seconds(store: MemoryAlertStore, clock: Clock) -> None:
    """The lease and one evaluation later the other engine leads, and delivers what was left."""
    leader, follower = Process(store), Process(store)
    await leader.look((0, BAD))
    seconds = 0
    while not follower.engine.leading:
        seconds += 1
        clock.seconds += 1
        await follower.look((seconds, BAD))

    assert seconds * 1000 <= LEASE_MS + 1000 <= 10_000
    assert follower.waiting == ["warning"]


async def test_an_engine_that_was_asleep_changes_nothing(store: MemoryAlertStore, clock: Clock) -> None:
    """A leader that was taken over notices at its next turn; its delivered notes do not reach the store."""
    sleeper, follower = Process(store), Process(store)
    await sleeper.look((0, BAD))
    clock.seconds += LEASE_MS
    await follower.look((10, GOOD))
    sleeper.deliver()
    await sleeper.look((11, BAD))

    assert not sleeper.engine.leading
    assert sleeper.phases == follower.phases == ["resolved"]
    assert sleeper.waiting == []


async def test_a_writer_that_lost_its_token_writes_nothing(store: MemoryAlertStore) -> None:
    """Even when it still believes in its lease, its write is refused and its memory dropped."""
    process = Process(store)
    await process.look((0, GOOD))
    await store.take_over("somebody else")
    await process.look((1, BAD))
    assert (process.engine.leading, process.waiting) == (False, [])

    await process.look((2, BAD))
    assert (process.engine.leading, process.waiting) == (True, ["warning"])


async def test_evaluation_waits_while_the_store_is_away(store: MemoryAlertStore) -> None:
    """Nothing fires, resolves or is told until what happened can be kept; what was to be told still is."""
    flaky = Flaky(store)
    process = Process(flaky, for_ms=20_000)
    await process.look((0, BAD), (10, BAD))
    flaky.away = True
    with pytest.raises(StoreUnavailable):
        await process.look((20, BAD))
    assert (process.phases, process.waiting) == (["pending"], [])

    flaky.away = False
    await process.look((30, BAD))
    assert (process.phases, process.waiting) == (["firing"], ["warning"])


async def test_what_is_undelivered_is_delivered_while_the_store_is_away(store: MemoryAlertStore) -> None:
    """Couriers go on, and nothing is told twice when the store is back."""
    flaky = Flaky(store)
    process = Process(flaky)
    await process.look((0, BAD))
    flaky.away = True
    with pytest.raises(StoreUnavailable):
        await process.look((1, BAD))
    assert process.waiting == ["warning"]
    process.deliver()

    flaky.away = False
    await process.look((2, BAD), (3, BAD))
    assert process.waiting == []
    assert not [name for name in await store.read() if name.startswith("out:")]


async def test_a_write_whose_outcome_is_unknown_is_told_once(store: MemoryAlertStore) -> None:
    """When the write took effect and the reply was lost, the store is read again and believed."""
    flaky = Flaky(store)
    process = Process(flaky)
    await process.look((0, GOOD))
    flaky.mute = True
    with pytest.raises(StoreUnavailable):
        await process.look((1, BAD))
    flaky.mute = False
    await process.look((2, BAD))
    assert process.waiting == ["warning"]

    await process.engine.stop()
    successor = Process(store)
    await successor.look((3, BAD))
    assert successor.waiting == ["warning"]


async def test_little_is_written_while_little_changes(store: MemoryAlertStore) -> None:
    """An alert that merely goes on is stored every five seconds, not at every look."""
    process = Process(store)
    written = []
    for second in range(12):
        before = await store.read()
        await process.look((second, BAD + second / 1000))
        after = await store.read()
        written.append(any(name.startswith("alert:") and after[name] != before.get(name) for name in after))

    assert [second for second, wrote in enumerate(written) if wrote] == [0, 5, 10]


@pytest.mark.parametrize("evaluated", ["7", "yesterday"])
async def test_what_the_store_holds_of_another_version_is_left_out(store: MemoryAlertStore, evaluated: str) -> None:
    """An unreadable text is logged and skipped; the rest is used."""
    await store.take_over("t")
    await store.write("t", {"alert:0": "{}", "out:chat:1": "no json", "evaluated": evaluated}, [])
    process = Process(store)
    await process.look((0, BAD))

    assert process.phases == ["firing"]


async def test_notes_to_targets_that_are_gone_leave_after_a_day(store: MemoryAlertStore, clock: Clock) -> None:
    """A target that was removed from the settings leaves nothing behind for ever."""
    await Process(store).look((0, BAD))
    other = Engine([rule()], store, Outbox(), notified=[])
    kept = []
    for second in (10, 24 * 3600 - 1, 24 * 3600):
        clock.seconds += LEASE_MS
        await other.turn(snapshot(second, BAD))
        kept.append(sum(name.startswith("out:") for name in await store.read()))

    assert kept == [1, 1, 0]


async def test_how_a_target_is_doing_is_forgotten_with_it(store: MemoryAlertStore) -> None:
    """Nobody goes on telling what waits for a target that was removed from the settings."""
    chat, pager = TargetStatus("chat", waiting=5), TargetStatus("pager")
    before = Engine([], store, Outbox(), notified=["chat"], statuses=lambda: (chat, pager))
    await before.turn(snapshot(0))
    await before.stop()
    leader, follower = Engine([], store, Outbox(), statuses=lambda: (pager,)), Engine([], store, Outbox())
    await leader.turn(snapshot(1))
    await follower.turn(snapshot(1))

    assert (leader.leading, follower.leading) == (True, False)
    assert leader.board.targets == follower.board.targets == (pager,)


async def test_redis_killed_and_back(start_redis, redis_prefix: str) -> None:
    """An alert and its undelivered note survive a killed Redis with an append-only file."""
    server = start_redis(options=["--appendfsync", "always"])
    client = connect(server.url)
    process = Process(RedisAlertStore(client, redis_prefix))
    await process.look((0, BAD))
    server.kill9()
    with pytest.raises(StoreUnavailable):
        await process.look((1, BAD))
    server.start()
    await process.look((2, BAD))
    await process.engine.stop()
    successor = Process(RedisAlertStore(client, redis_prefix))
    await successor.look((3, BAD))
    await client.aclose()

    assert (successor.phases, successor.waiting) == (["firing"], ["warning"])
    assert successor.engine.board.alerts[0].series == CHECKOUT


async def test_counts_never_fall(any_store: AlertStore) -> None:
    """Neither where another engine takes over, nor where the store lost what it had been told last."""
    first, second = Process(any_store), Process(any_store)
    await first.look((0, BAD))
    before = await any_store.read()
    await first.look((10, GOOD), (20, BAD), (30, BAD))
    assert first.engine.board.transitions == {("failures", "fired"): 2, ("failures", "resolved"): 1}

    await second.look((31, BAD))
    assert second.engine.board.transitions == first.engine.board.transitions

    await any_store.take_over("elsewhere")
    await any_store.write("elsewhere", before, list((await any_store.read()).keys() - before.keys()))
    await second.look((32, BAD))
    assert second.engine.board.transitions == first.engine.board.transitions
    await first.look((33, BAD), (40, BAD))
    third = Process(any_store)
    await third.look((41, BAD))
    assert third.engine.board.transitions == first.engine.board.transitions
