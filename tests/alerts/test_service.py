"""The whole of it, running: from snapshots to a webhook and back to the page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import httpx

from alerts.memory_store import MemoryAlertStore
from alerts.notify.target import TargetStatus
from alerts.notify.webhook import Webhook
from alerts.redis_store import RedisAlertStore
from alerts.service import AlertService
from alerts.store import AlertStore
from streams.state.redis_client import connect
from tests.alerts.fakes import START_MS, FakeSnapshot, FakeTarget, rule, snapshot
from tests.alerts.receiver import receiving
from tests.services.redis import RedisServer


class Watch:
    """A service, its clock and its snapshots."""

    def __init__(self, store: AlertStore, *targets, **policy) -> None:
        self.second = 0.0
        self.current: FakeSnapshot | None = None
        self.service = AlertService([rule(**policy)], store, targets, lambda: self.current, clock=self.now)

    def now(self) -> float:
        return START_MS / 1000 + self.second

    def look(self, second: float, value: float, *, complete: bool = True) -> None:
        self.second = second
        self.current = snapshot(second, value, complete=complete)

    def again(self) -> Sequence[TargetStatus]:
        """The targets as of one more look at the same."""
        if self.current:
            self.current = replace(self.current)
        return self.service.status().targets

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.service.run(stop))
            try:
                yield
            finally:
                stop.set()


async def eventually(holds: Callable[[], bool]) -> None:
    """Returns once it holds; fails when it does not in ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.01)


async def test_from_a_snapshot_to_a_webhook(redis_server: RedisServer, redis_prefix: str) -> None:
    """A bad figure is told, a good one ends it, and nothing is left in the store."""
    client = connect(redis_server.url)
    store = RedisAlertStore(client, redis_prefix)
    with receiving() as receiver:
        async with httpx.AsyncClient() as http:
            watch = Watch(store, Webhook("chat", receiver.url, http))
            async with watch.running():
                watch.look(0, 0.2)
                await eventually(lambda: len(receiver.requests) == 1)
                watch.look(1, 0.01)
                await eventually(lambda: len(receiver.requests) == 2)
        assert b'"status":"resolved"' in receiver.requests[1].body
    assert not [name for name in await store.read() if name.startswith("out:")]
    await client.aclose()


async def test_a_target_that_is_down_blocks_no_other() -> None:
    """The one is tried and waits; the other has heard long ago."""
    with receiving() as receiver:
        async with httpx.AsyncClient() as http:
            dead = Webhook("dead", "http://127.0.0.1:1", http)
            watch = Watch(MemoryAlertStore(), dead, Webhook("chat", receiver.url, http))
            async with watch.running():
                watch.look(0, 0.2)
                await eventually(lambda: [(one.delivered, one.failed) for one in watch.again()] == [(0, 1), (1, 0)])
                first, second = watch.service.status().targets

    assert (first.name, first.waiting, first.delivered) == ("dead", 1, 0)
    assert first.last_error.startswith("unreachable")
    assert (second.name, second.waiting, second.delivered) == ("chat", 0, 1)


async def test_a_mirror_is_told_at_once() -> None:
    """A target that wants everything again and again hears of a change like the others."""
    target = FakeTarget(resend_ms=15_000)
    watch = Watch(MemoryAlertStore(), target)
    async with watch.running():
        watch.look(0, 0.2)
        await eventually(lambda: target.heard == [("all", "warning")])


async def test_what_the_page_shows() -> None:
    """Everything a person needs, ready to be drawn; pending and firing, not what is over."""
    watch = Watch(MemoryAlertStore(), for_ms=10_000, owner="web team", runbook="https://wiki")
    async with watch.running():
        watch.look(0, 0.2)
        await eventually(lambda: bool(watch.service.alerts()))
        assert watch.service.alerts()[0].state == "pending"
        watch.look(10, 0.3)
        await eventually(lambda: watch.service.alerts()[0].state == "firing")
        (view,) = watch.service.alerts()
        status = watch.service.status()
        watch.look(20, 0.0)
        await eventually(lambda: not watch.service.alerts())

    shown = asdict(view)
    assert {name: shown[name] for name in ("rule", "severity", "value", "limit", "n", "above", "owner", "stale")} == {
        "rule": "failures",
        "severity": "warning",
        "value": 0.3,
        "limit": 0.05,
        "n": 1000,
        "above": True,
        "owner": "web team",
        "stale": False,
    }
    assert (view.since_ms, view.fired_ms) == (START_MS, START_MS + 10_000)
    assert (status.rules, status.leading, status.firing) == (1, True, {"warning": 1, "critical": 0})
    assert status.evaluated_at_ms == START_MS + 10_000
    assert status.transitions == {("failures", "fired"): 1}


async def test_a_process_that_does_not_lead_shows_the_same() -> None:
    """The page may ask any of them."""
    store = MemoryAlertStore()
    leader, follower = Watch(store, FakeTarget()), Watch(store, FakeTarget())
    async with leader.running():
        leader.look(0, 0.2)
        await eventually(lambda: leader.service.status().leading)
        async with follower.running():
            follower.look(0, 0.2)
            await eventually(lambda: bool(follower.service.alerts()))
            shown, status = follower.service.alerts()[0], follower.service.status()
            led = leader.service.alerts()[0]

    assert (shown.id, shown.value, shown.state) == (led.id, led.value, led.state)
    assert (status.leading, status.firing["warning"], status.evaluated_at_ms) == (False, 1, START_MS)


async def test_what_is_counted_goes_on_in_the_next_process() -> None:
    """What became of alerts and of notifications is counted for all who ever led, and everybody shows the same."""
    store = MemoryAlertStore()
    for told in (1, 2):
        watch, target = Watch(store, FakeTarget(), for_ms=0, keep_firing_ms=0), FakeTarget()
        follower = Watch(store, target)
        async with watch.running():
            watch.look(10 * told, 0.2)
            await eventually(lambda: [one.delivered for one in watch.again()] == [2 * told - 1])  # noqa: B023
            async with follower.running():
                follower.look(10 * told, 0.2)
                await eventually(lambda: [one.delivered for one in follower.again()] == [2 * told - 1])  # noqa: B023
            watch.look(10 * told + 1, 0.0)
            await eventually(lambda: [one.delivered for one in watch.again()] == [2 * told])  # noqa: B023
        assert watch.service.status().transitions == {("failures", "fired"): told, ("failures", "resolved"): told}


async def test_before_the_first_snapshot_there_is_nothing() -> None:
    """No figures, no alerts, no fault."""
    watch = Watch(MemoryAlertStore())
    async with watch.running():
        assert watch.service.alerts() == ()
        assert watch.service.status().evaluated_at_ms is None


async def test_a_redis_that_goes_away_is_a_problem_that_is_told(start_redis, redis_prefix: str) -> None:
    """Evaluation waits, says so, and goes on when Redis is back."""
    server: RedisServer = start_redis()
    client = connect(server.url)
    watch = Watch(RedisAlertStore(client, redis_prefix))
    async with watch.running():
        watch.look(0, 0.2)
        await eventually(lambda: len(watch.service.alerts()) == 1)
        server.kill9()
        watch.look(1, 0.0)
        await eventually(lambda: watch.service.status().problem != "")
        assert len(watch.service.alerts()) == 1
        server.start()
        watch.look(2, 0.0)
        await eventually(lambda: watch.service.status().problem == "" and not watch.service.alerts())
    await client.aclose()
