"""Alerts as a part of a process: evaluation on every new snapshot, and one task for each target."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from alerts.alert import Alert
from alerts.engine import Engine
from alerts.notify.courier import Courier
from alerts.notify.mirror import Mirror
from alerts.notify.target import Target, TargetStatus
from alerts.outbox import Outbox
from alerts.overview import AlertsStatus, AlertView, firing, views
from alerts.rule import Rule
from alerts.selection import CountingSnapshot
from alerts.store import AlertStore
from streams.state.errors import StoreError

_LOOK_SECONDS = 0.1  # for a new snapshot, and for something to deliver

logger = logging.getLogger(__name__)


class AlertService:
    """Owns the engine and its couriers. `alerts()` and `status()` answer from memory, also where another process leads."""

    def __init__(
        self,
        rules: Sequence[Rule],
        store: AlertStore,
        targets: Sequence[Target],
        snapshots: Callable[[], CountingSnapshot | None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._snapshots = snapshots
        self._clock = clock
        self._outbox = Outbox()
        self._couriers = [self._courier(target) for target in targets]
        told_once = [target.name for target in targets if target.resend_ms is None]
        self._engine = Engine(rules, store, self._outbox, notified=told_once, statuses=self._statuses, go_on=self._go_on)
        self._problem = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: evaluates and delivers."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._evaluate(stop))
                for courier in self._couriers:
                    tasks.create_task(self._deliver(courier, stop))
        finally:
            with suppress(StoreError):
                await self._engine.stop()

    def alerts(self) -> tuple[AlertView, ...]:
        """What fires or is pending, the worst first."""
        return views(self._engine.board.alerts)

    def status(self) -> AlertsStatus:
        """How evaluation and delivery are doing."""
        board = self._engine.board
        return AlertsStatus(
            rules=len(self._rules),
            leading=self._engine.leading,
            evaluated_at_ms=board.evaluated_ms,
            firing=firing(board.alerts),
            transitions=dict(board.transitions),
            targets=board.targets,
            problem=self._problem,
        )

    def _courier(self, target: Target) -> Courier | Mirror:
        if target.resend_ms is None:
            return Courier(target, self._outbox, random.random)
        return Mirror(target, self._told, target.resend_ms, random.random)

    def _told(self) -> Sequence[Alert]:
        """What a mirror shows. It goes on while the store is away, or what fires would look resolved."""
        return self._engine.board.alerts if self._engine.leading else ()

    def _statuses(self) -> tuple[TargetStatus, ...]:
        return tuple(courier.status for courier in self._couriers)

    def _go_on(self, before: Sequence[TargetStatus]) -> None:
        known = {status.name: status for status in before}
        for courier in self._couriers:
            courier.go_on(known.get(courier.status.name, courier.status))

    async def _evaluate(self, stop: asyncio.Event) -> None:
        last: CountingSnapshot | None = None
        while not stop.is_set():
            snapshot = self._snapshots()
            if snapshot is not None and snapshot is not last:
                last = snapshot
                await self._turn(snapshot)
            await _pause(stop)

    async def _turn(self, snapshot: CountingSnapshot) -> None:
        try:
            await self._engine.turn(snapshot)
        except StoreError as error:
            if not self._problem:
                logger.warning("alerts are not evaluated: %s", error)
            self._problem = str(error)
        else:
            self._problem = ""

    async def _deliver(self, courier: Courier | Mirror, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await courier.turn(round(self._clock() * 1000))
            await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
