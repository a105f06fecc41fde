"""Brings what waits in the outbox to one target: at least once, in order, without hurry when it fails.

What is told of one alert stays in order, so that "resolved" never overtakes "firing"; other alerts do not wait for it. A
target that is away is left alone as a whole, longer each time; a notification that it refuses is tried again every ten
minutes. After a day either is given up, and counted.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from alerts.alert import Identity, Notification
from alerts.notify.backoff import Backoff
from alerts.notify.target import DeliveryError, Rejected, Target, TargetStatus
from alerts.outbox import GIVEN_UP_AFTER_MS, Outbox

REFUSED_AGAIN_MS = 600_000

logger = logging.getLogger(__name__)


class Courier:
    """Serves one target that hears of every change once."""

    def __init__(self, target: Target, outbox: Outbox, jitter: Callable[[], float]) -> None:
        self._target = target
        self._outbox = outbox
        self._backoff = Backoff(jitter)
        self._refused: dict[str, int] = {}  # id → when to try again
        self._status = TargetStatus(target.name)

    @property
    def status(self) -> TargetStatus:
        return replace(self._status, waiting=len(self._outbox.waiting(self._target.name)))

    def go_on(self, before: TargetStatus) -> None:
        """After another engine: its counts are gone on with."""
        self._status = self._status.going_on(before)

    async def turn(self, now_ms: int) -> None:
        """Delivers what is due."""
        waiting = [item for item in self._outbox.waiting(self._target.name) if not self._given_up(item, now_ms)]
        self._refused = {item.id: self._refused[item.id] for item in waiting if item.id in self._refused}
        behind: set[Identity] = set()  # alerts of which something earlier is undelivered
        for item in waiting:
            if not self._backoff.over(now_ms):
                return
            alerts = {alert.identity for alert in item.alerts}
            due = self._refused.get(item.id, 0) <= now_ms and not alerts & behind
            if not due or not await self._deliver(item, now_ms):
                behind |= alerts

    async def _deliver(self, item: Notification, now_ms: int) -> bool:
        try:
            await self._target.send(item, now_ms)
        except DeliveryError as error:
            self._failed(item, error, now_ms)
            return False
        self._outbox.finish(self._target.name, item)
        self._backoff.succeeded()
        done = self._status.delivered + 1
        self._status = replace(self._status, delivered=done, last_success_ms=now_ms, last_error="")
        return True

    def _failed(self, item: Notification, error: DeliveryError, now_ms: int) -> None:
        logger.warning("notification of %s to %s failed: %s", item.rule, self._target.name, error)
        failed = self._status.failed + 1
        self._status = replace(self._status, failed=failed, last_failure_ms=now_ms, last_error=str(error))
        if isinstance(error, Rejected):
            self._refused[item.id] = now_ms + REFUSED_AGAIN_MS
        else:
            self._backoff.failed(now_ms, error.retry_after_ms)

    def _given_up(self, item: Notification, now_ms: int) -> bool:
        if now_ms - item.at_ms < GIVEN_UP_AFTER_MS:
            return False
        logger.error("notification of %s to %s is given up after a day", item.rule, self._target.name)
        self._outbox.finish(self._target.name, item)
        self._status = replace(self._status, dropped=self._status.dropped + 1)
        return True
