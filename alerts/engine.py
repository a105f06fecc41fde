"""The whole way of an alert on one page.

    snapshot ──► observations ──► step ──► who must be told ──► one guarded write ──► outbox ──► couriers
                 conditions/      state.py    evaluation.py        store               outbox.py   notify/

Any number of engines may run; the one that holds the lease evaluates, the others read what it found. Memory moves on only
with the store: when a write is refused or its outcome unknown, the engine takes over anew and reads what is there.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from alerts.alert import Alert, Identity, Said
from alerts.board import Board, alert_field, outbox_field, packed, target_field, unpacked
from alerts.evaluation import evaluate
from alerts.growth import Growth, Watched, seen
from alerts.message import message
from alerts.notify.target import TargetStatus
from alerts.outbox import GIVEN_UP_AFTER_MS, Outbox
from alerts.rule import Rule
from alerts.selection import CountingSnapshot
from alerts.state import State
from alerts.store import LEASE_MS, AlertStore

_REFRESHED_EVERY_MS = 5_000  # values that change without a change of state reach the store this often

logger = logging.getLogger(__name__)


class Engine:
    """Evaluates the rules on each snapshot it is given. `notified` names the targets that are told through the outbox."""

    def __init__(
        self,
        rules: Sequence[Rule],
        store: AlertStore,
        outbox: Outbox,
        *,
        notified: Sequence[str] = (),
        statuses: Callable[[], Sequence[TargetStatus]] = tuple,
        go_on: Callable[[Sequence[TargetStatus]], None] = lambda _: None,
    ) -> None:
        self._rules = rules
        self._store = store
        self._outbox = outbox
        self._notified = notified
        self._statuses = statuses
        self._go_on = go_on
        self._name = secrets.token_hex(8)
        self._token = ""  # of a reign; empty while nothing is known of what the store holds
        self._alerts: dict[Identity, Alert] = {}
        self._growth: Mapping[str, Growth] = {}
        self._refreshed_ms = 0
        self.leading = False
        self.board = Board()  # as it is stored since the last turn, whoever leads; its counts never fall

    async def turn(self, snapshot: CountingSnapshot) -> None:
        """Evaluates one snapshot, or reads what the leading engine found. Raises StoreError: nothing was done."""
        try:
            self.leading = await self._store.hold(self._name, LEASE_MS)
            if self.leading:
                await self._lead(snapshot)
            else:
                await self._follow()
        except BaseException:
            self._token = ""
            raise

    async def stop(self) -> None:
        """Notes what has been told, and lets another engine take over at once."""
        if self.leading:
            told = packed(Board(targets=tuple(self._statuses())))
            await self._store.write(self._token, told, [outbox_field(*key) for key in self._outbox.done()])
            self._step_down()
            await self._store.hold(self._name, 0)

    async def _lead(self, snapshot: CountingSnapshot) -> None:
        if not self._token:
            await self._take_over()
        self._outbox.give_up(self._notified, snapshot.at_ms - GIVEN_UP_AFTER_MS)
        growth = seen(self._growth, (rule.selection.figure for rule in self._rules), snapshot.counts, snapshot.at_ms)
        evaluation = evaluate(self._rules, self._alerts, Watched(snapshot, growth))
        outbox = {(target, item.id): item for item in evaluation.notifications for target in self._notified}
        happened = Counter((alert.rule, str(what)) for what, alert in evaluation.transitions)
        board = Board(
            alerts=tuple(evaluation.alerts.values()),
            outbox=outbox,
            targets=tuple(self._statuses()),
            evaluated_ms=snapshot.at_ms,
            growth=growth,
            transitions=self.board.transitions + happened,
        )
        if not await self._write(board):
            self._step_down()  # another engine took over
            return
        self._outbox.add(outbox)
        self._alerts, self._growth = evaluation.alerts, growth
        self.board = board
        for what, alert in evaluation.transitions:
            logger.info("%s: %s", what, message(alert, snapshot.at_ms).headline)

    async def _take_over(self) -> None:
        """The token first: what is read after it can be changed by nobody else."""
        token = secrets.token_hex(16)
        await self._store.take_over(token)
        board = self._read(await self._store.read())
        self._alerts = {alert.identity: alert for alert in board.alerts}
        self._growth = board.growth or {}
        self._outbox.replace(board.outbox)
        self._go_on(board.targets)
        self.board, self._token = board, token

    async def _write(self, board: Board) -> bool:
        """Stores what changed; what only moves a little, every few seconds, and what the store lost with it."""
        now_ms = board.evaluated_ms or 0
        refresh = now_ms - self._refreshed_ms >= _REFRESHED_EVERY_MS or now_ms < self._refreshed_ms
        done = self._outbox.done()
        drop = [outbox_field(*key) for key in done]
        after = {alert.identity for alert in board.alerts}
        drop += [alert_field(alert) for key, alert in self._alerts.items() if key not in after]
        targets = {status.name for status in board.targets}  # those of the settings; others were stored by an earlier engine
        drop += [target_field(status) for status in self.board.targets if status.name not in targets]
        if not await self._store.write(self._token, packed(board if refresh else self._changed(board)), drop):
            return False
        self._outbox.forget(done)
        self._refreshed_ms = now_ms if refresh else self._refreshed_ms
        return True

    def _changed(self, board: Board) -> Board:
        """What must not be lost, as far as it differs from what is stored."""
        before = self.board
        return Board(
            alerts=tuple(alert for alert in board.alerts if _gist(alert) != _gist(self._alerts.get(alert.identity))),
            outbox=board.outbox,
            targets=tuple(status for status in board.targets if status not in before.targets),
            transitions=board.transitions if board.transitions != before.transitions else Counter(),
        )

    async def _follow(self) -> None:
        self._step_down()
        self.board = self._read(await self._store.read())

    def _read(self, texts: Mapping[str, str]) -> Board:
        """What is stored, but for counts that are less than what was shown: the store may have lost its last second."""
        board, before = unpacked(texts), {status.name: status for status in self.board.targets}
        targets = tuple(status.going_on(before.get(status.name, status)) for status in board.targets)
        return replace(board, targets=targets, transitions=board.transitions | self.board.transitions)

    def _step_down(self) -> None:
        self.leading = False
        self._token = ""
        self._outbox.replace({})


def _gist(alert: Alert | None) -> tuple[State, Said] | None:
    """What must not be lost: all but the latest numbers."""
    if alert is None:
        return None
    plain = replace(alert.state, value=None, n=0, low=None, high=None, limit=None, note="", seen_ms=0)
    return plain, alert.said
