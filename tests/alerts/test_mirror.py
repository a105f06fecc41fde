"""How a target is served that wants to hear of all current alerts again and again."""

from itertools import pairwise

import pytest

from alerts.alert import Alert
from alerts.evaluation import evaluate
from alerts.notify.mirror import Mirror
from alerts.notify.target import DeliveryError, Reason, Unavailable
from tests.alerts.fakes import START_MS, FakeTarget, rule, snapshot

DOWN = Unavailable(Reason.UNREACHABLE, "ConnectError")
BUSY = Unavailable(Reason.RATE_LIMITED, "HTTP 429", 120_000)


class World:
    """Alerts that change, and the mirror of them."""

    def __init__(self, target: FakeTarget) -> None:
        self.target = target
        self.alerts: dict = {}
        self.mirror = Mirror(target, self.current, every_ms=15_000, jitter=lambda: 1.0)

    def current(self) -> list[Alert]:
        return list(self.alerts.values())

    async def until(self, start: int, end: int, value: float, *, complete: bool = True) -> None:
        for second in range(start, end):
            now = snapshot(second, value, complete=complete)
            self.alerts = evaluate([rule(critical=0.5)], self.alerts, now).alerts
            await self.mirror.turn(now.at_ms)

    @property
    def sent(self) -> list[tuple[int, list[str]]]:
        return [((news.at_ms - START_MS) // 1000, [str(alert.said) for alert in news.alerts]) for news in self.target.taken]


async def test_told_at_once_and_again_every_fifteen_seconds() -> None:
    """A change is told in the turn that sees it, and everything again before it runs out."""
    world = World(FakeTarget())
    await world.until(0, 40, 0.2)

    assert world.sent == [(0, ["warning"]), (15, ["warning"]), (30, ["warning"])]


async def test_an_end_is_told_at_once_and_repeated_for_five_minutes() -> None:
    """So that an end is not lost with one request."""
    world = World(FakeTarget())
    await world.until(0, 5, 0.2)
    await world.until(5, 600, 0.0)

    assert world.sent[0] == (0, ["warning"])
    assert world.sent[1] == (5, ["over"])
    assert world.sent[-1] == (290, ["over"])


async def test_nothing_is_told_when_nothing_is_bad() -> None:
    """No alerts, no requests."""
    world = World(FakeTarget())
    await world.until(0, 60, 0.0)

    assert world.target.attempts == []


async def test_what_is_held_back_is_not_told() -> None:
    """While the pipeline stalls, only that is told."""
    world = World(FakeTarget())
    await world.until(0, 70, 0.0, complete=False)
    await world.until(70, 100, 0.2, complete=False)

    assert {len(said) for _, said in world.sent} == {1}


@pytest.mark.parametrize("errors", [[BUSY], [DOWN] * 5])
async def test_what_fires_is_told_again_before_it_runs_out(errors: list[DeliveryError]) -> None:
    """A target is left alone for 15 s at most, whatever it asked for and however often it failed."""
    world = World(FakeTarget())
    await world.until(0, 10, 0.2)
    world.target.errors = errors
    await world.until(10, 200, 0.2)

    attempts = [at_ms for at_ms, _ in world.target.attempts]
    assert max(later - earlier for earlier, later in pairwise(attempts)) == 15_000


async def test_a_target_that_comes_back_hears_what_is_true_then() -> None:
    """Nothing piles up: what fired and ended meanwhile is told as over."""
    target = FakeTarget(errors=[DOWN] * 6)
    world = World(target)
    await world.until(0, 30, 0.2)
    assert world.mirror.status.waiting == 1
    await world.until(30, 70, 0.0)

    assert world.sent[0] == (45, ["over"])
    assert (world.mirror.status.failed, world.mirror.status.waiting) == (6, 0)
