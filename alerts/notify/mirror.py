"""Keeps a target that wants to hear of all current alerts again and again up to date, as Alertmanager does.

It is told at once when something changes, and otherwise before what it knows runs out: when it fails it is left alone for no
longer, whatever it asks for. What ended is repeated for five minutes, so that an end is not lost with one request. There is
nothing to keep in the store: the next request says it all.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from alerts.alert import Alert, Notification, Said
from alerts.notify.backoff import Backoff
from alerts.notify.target import DeliveryError, Target, TargetStatus

ENDED_REPEATED_MS = 5 * 60_000

logger = logging.getLogger(__name__)


class Mirror:
    """Serves one target; `current` gives all alerts of the engine, none while another one holds the lease."""

    def __init__(
        self, target: Target, current: Callable[[], Sequence[Alert]], every_ms: int, jitter: Callable[[], float]
    ) -> None:
        self._target = target
        self._current = current
        self._every_ms = every_ms
        self._backoff = Backoff(jitter, every_ms)
        self._sent: set[tuple[str, Said, int | None]] = set()
        self._sent_ms = 0
        self._unsent = 0
        self._status = TargetStatus(target.name)

    @property
    def status(self) -> TargetStatus:
        return replace(self._status, waiting=self._unsent)

    def go_on(self, before: TargetStatus) -> None:
        """After another engine: its counts are gone on with."""
        self._status = self._status.going_on(before)

    async def turn(self, now_ms: int) -> None:
        """Tells what changed, or everything when it is time again."""
        alerts = tuple(alert for alert in self._current() if _known(alert, now_ms))
        facts = {(alert.id, alert.said, alert.state.ended_ms) for alert in alerts}
        self._unsent = len(facts - self._sent)
        due = self._unsent or (facts and now_ms - self._sent_ms >= self._every_ms)
        if due and self._backoff.over(now_ms):
            await self._tell(Notification("", "", now_ms, alerts), facts, now_ms)

    async def _tell(self, news: Notification, facts: set[tuple[str, Said, int | None]], now_ms: int) -> None:
        try:
            await self._target.send(news, now_ms)
        except DeliveryError as error:
            logger.warning("%d alerts to %s failed: %s", len(news.alerts), self._target.name, error)
            failed = self._status.failed + 1
            self._status = replace(self._status, failed=failed, last_failure_ms=now_ms, last_error=str(error))
            self._backoff.failed(now_ms, error.retry_after_ms)
            return
        self._backoff.succeeded()
        self._sent, self._sent_ms, self._unsent = facts, now_ms, 0
        done = self._status.delivered + 1
        self._status = replace(self._status, delivered=done, last_success_ms=now_ms, last_error="")


def _known(alert: Alert, now_ms: int) -> bool:
    """Whether the target is to know of it now. What is held back has not been said."""
    ended_ms = alert.state.ended_ms
    if alert.said is Said.OVER:
        return ended_ms is not None and now_ms - ended_ms < ENDED_REPEATED_MS
    return alert.said is not Said.NOTHING
