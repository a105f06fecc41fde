"""How one target is served: at least once, in order, with patience."""

from alerts.alert import Alert, Notification
from alerts.evaluation import evaluate
from alerts.notify.courier import REFUSED_AGAIN_MS, Courier
from alerts.notify.target import Reason, Rejected, Unavailable
from alerts.outbox import GIVEN_UP_AFTER_MS, Outbox
from streams.reading.figures import Series
from tests.alerts.fakes import START_MS, FakeTarget, reading, rule, snapshot

DOWN = Unavailable(Reason.SERVER_ERROR, "HTTP 503")
REFUSED = Rejected(Reason.REJECTED, "HTTP 400")


def _news(*looks: tuple[float, str, float]) -> list[Notification]:
    """The notifications of looks (second, page, ratio)."""
    alerts: dict = {}
    news: list[Notification] = []
    for second, page, value in looks:
        series = Series("checkout", "production", "page", page)
        evaluation = evaluate([rule(by="page")], alerts, snapshot(second, reading(value, series=series)))
        alerts = evaluation.alerts
        news += evaluation.notifications
    return news


def _courier(target: FakeTarget, news: list[Notification]) -> Courier:
    outbox = Outbox()
    outbox.add({(target.name, item.id): item for item in news})
    return Courier(target, outbox, jitter=lambda: 1.0)


async def _turns(courier: Courier, *seconds: float) -> None:
    for second in seconds:
        await courier.turn(START_MS + round(second * 1000))


def _seconds(target: FakeTarget) -> list[float]:
    return [(at_ms - START_MS) / 1000 for at_ms, _ in target.attempts]


async def test_delivered_once_when_all_is_well() -> None:
    """One attempt each, in the order of their making."""
    target = FakeTarget()
    await _turns(_courier(target, _news((0, "/", 0.2), (1, "/cart", 0.2), (2, "/", 0.0))), 3, 4)

    assert target.heard == [("/", "warning"), ("/cart", "warning"), ("/", "over")]


async def test_a_target_that_is_down_is_tried_again_less_and_less() -> None:
    """1, 2, 4, … seconds, a minute at most; the id stays the same."""
    target = FakeTarget(errors=[DOWN] * 9)
    await _turns(_courier(target, _news((0, "/", 0.2))), *range(400))

    assert _seconds(target) == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert len({id_ for _, id_ in target.attempts}) == 1
    assert target.heard == [("/", "warning")]


async def test_a_target_that_is_down_is_not_asked_for_each_notification() -> None:
    """Ten notifications wait; one knock is enough to know."""
    target = FakeTarget(errors=[DOWN])
    courier = _courier(target, _news(*((second, f"/{second}", 0.2) for second in range(10))))
    await _turns(courier, 10)
    assert (len(target.attempts), courier.status.waiting) == (1, 10)

    await _turns(courier, 11)
    assert courier.status.waiting == 0


async def test_a_target_may_ask_for_patience() -> None:
    """Retry-After is heeded where it is longer."""
    target = FakeTarget(errors=[Unavailable(Reason.RATE_LIMITED, "HTTP 429", retry_after_ms=30_000)])
    await _turns(_courier(target, _news((0, "/", 0.2))), *range(40))

    assert _seconds(target) == [0, 30]


async def test_a_refused_notification_holds_up_its_alert_only() -> None:
    """Others pass; the end of the same alert does not overtake its beginning."""
    target = FakeTarget(errors=[REFUSED])
    courier = _courier(target, _news((0, "/", 0.2), (1, "/cart", 0.2), (2, "/", 0.0)))
    await _turns(courier, 3, 4)
    assert target.heard == [("/cart", "warning")]

    await _turns(courier, 3 + REFUSED_AGAIN_MS / 1000)
    assert target.heard == [("/cart", "warning"), ("/", "warning"), ("/", "over")]


async def test_given_up_after_a_day_and_counted() -> None:
    """What nobody took for a day is news no longer."""
    target = FakeTarget(errors=[REFUSED] * 1000)
    courier = _courier(target, _news((0, "/", 0.2)))
    await _turns(courier, *range(0, GIVEN_UP_AFTER_MS // 1000 + 1, 60))

    assert len(target.attempts) == GIVEN_UP_AFTER_MS / REFUSED_AGAIN_MS
    assert (courier.status.dropped, courier.status.waiting, courier.status.delivered) == (1, 0, 0)


async def test_status_tells_how_it_goes() -> None:
    """Counts, the last success, and the last error until there is a success."""
    target = FakeTarget(errors=[DOWN])
    courier = _courier(target, _news((0, "/", 0.2)))
    await _turns(courier, 5)
    status = courier.status
    assert (status.failed, status.delivered, status.waiting) == (1, 0, 1)
    assert (status.last_failure_ms, status.last_error) == (START_MS + 5000, "server_error: HTTP 503")

    await _turns(courier, 6)
    status = courier.status
    assert (status.failed, status.delivered, status.waiting) == (1, 1, 0)
    assert (status.last_success_ms, status.last_error) == (START_MS + 6000, "")


def test_type_of_news() -> None:
    """A notification holds alerts as they were when it was made."""
    first, second = _news((0, "/", 0.2), (1, "/", 0.0))

    assert isinstance(first.alerts[0], Alert)
    assert [str(item.alerts[0].state.phase) for item in (first, second)] == ["firing", "resolved"]
