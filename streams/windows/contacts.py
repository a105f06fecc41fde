"""Contacts with support: a wait that the producer did not give is found from the contact's own events, in whatever order.

A contact has one outcome: the first of answered and abandoned to arrive. It is counted at the time of the outcome. While its
wait is unknown, only the count is known; the wait is added to the outcome's pane when the queueing turns up.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.events.envelope import DEFAULT_ENVIRONMENT
from streams.windows.tables import HORIZON_MS
from streams.windows.time import HOUR_MS, PANE_MS, floor_ms
from streams.windows.uniques import hash64

Array = np.ndarray
Event = Any  # a contact event with its fields as attributes
Scope = dict[str, Any]
BLOCKS = 256  # a day of contacts in so many fields: one that is touched takes few others along, and all fit into a checkpoint
SCOPE = ("app", "environment", "channel", "queue", "topic", "team", "segment", "country")


@dataclass(slots=True)
class Measured:
    """What one event says about figures: whom it is about (see `SCOPE`), and what is new."""

    app: str
    environment: str | None = None
    channel: str | None = None
    queue: str | None = None
    topic: str | None = None
    team: str | None = None
    segment: str | None = None
    country: str | None = None
    step: str | None = None
    answered_wait: float | None = None  # seconds, like all below
    abandoned_wait: float | None = None
    handle: float | None = None
    resolution: float | None = None
    first_reply: float | None = None
    bot: str | None = None  # contained, handed_over


@dataclass(slots=True)
class Row:
    """What is remembered of one contact; instants in epoch ms."""

    touched: int
    queued: int | None = None
    outcome: str = ""  # answered, abandoned, menu (left in the voice menu), ended
    outcome_at: int = 0
    unpaired: bool = False  # the outcome was on time and waits for the queueing to be found
    ended: bool = False
    resolved: bool = False
    replied: bool = False
    handled: bool = False
    scope: Scope | None = None  # whom a wait belongs to: of the queueing while it waits, of the outcome while unpaired


class Contacts:
    """Rows by hash of the contact's id, in blocks that are stored whole, as JSON."""

    def __init__(self) -> None:
        self._blocks: list[dict[int, Row]] = [{} for _ in range(BLOCKS)]
        self._changed: set[int] = set()
        self._waiting: dict[int, tuple[Measured, int]] = {}  # queued and without an outcome: whom it is about, since when

    def measure(self, columns: Any, times: Array, late: Array, closed_until: int) -> tuple[Any, Array]:
        """Each event becomes what it says about figures; a queueing that arrives late adds the wait of its outcome. What
        comes later than a contact is remembered says nothing: its row would be there until the next start, and not after."""
        measured: list[tuple[Measured, int]] = []
        forgotten = floor_ms(closed_until, HOUR_MS) - HORIZON_MS
        for event, at, is_late in zip(columns.events, times.tolist(), late.tolist(), strict=True):
            if at < forgotten:
                continue
            name = hash64(f"{event.app}\n{event.environment or DEFAULT_ENVIRONMENT}\n{event.contact}")
            row, found = self._row(name, at), Measured(**_scope(event))
            paired = _STEPS[event.state](row, event, at, found, is_late)
            self._note(name, row)
            if not is_late:
                _once(row, event, found)
                measured.append((found, at))
            if paired and paired[1] // PANE_MS * PANE_MS + PANE_MS > closed_until:
                measured.append(paired)
        return columns.replaced([found for found, _ in measured]), np.array([at for _, at in measured], dtype=np.int64)

    def _row(self, name: int, at: int) -> Row:
        block = name % BLOCKS
        self._changed.add(block)
        row = self._blocks[block].get(name)
        if row is None:
            row = self._blocks[block][name] = Row(at)
        row.touched = max(row.touched, at)
        return row

    def _note(self, name: int, row: Row) -> None:
        """Whether it waits."""
        if row.scope and row.queued is not None and not row.outcome:
            self._waiting[name] = Measured(**row.scope), row.queued
        else:
            self._waiting.pop(name, None)

    def waiting(self) -> list[tuple[Measured, int]]:
        """Those queued and without an outcome: their dimensions and since when."""
        return list(self._waiting.values())

    def expire(self, before: int) -> list[str]:
        for number, block in enumerate(self._blocks):
            for name in [name for name, row in block.items() if row.touched < before]:
                del block[name]
                self._waiting.pop(name, None)
                self._changed.add(number)
        return []

    def unstored(self) -> Iterator[tuple[str, bytes]]:
        for number in sorted(self._changed):
            rows = sorted(self._blocks[number].items())
            content = [[name, *(getattr(row, slot) for slot in Row.__slots__)] for name, row in rows]
            yield str(number), json.dumps(content, separators=(",", ":")).encode()
        self._changed.clear()

    def restore(self, fields: Mapping[str, bytes]) -> None:
        for number, content in fields.items():
            block = self._blocks[int(number)] = {name: Row(*values) for name, *values in json.loads(content)}
            for name, row in block.items():
                self._note(name, row)


def _scope(event: Event) -> Scope:
    return {name: value for name in SCOPE if (value := getattr(event, name))}


def _queued(row: Row, event: Event, at: int, found: Measured, _late: bool) -> tuple[Measured, int] | None:
    if row.queued is not None:
        return None
    row.queued = at
    found.step = "queued"
    if not row.outcome:
        row.scope = _scope(event)
    if not row.unpaired:
        return None
    row.unpaired = False
    pair, row.scope = Measured(**(row.scope or {})), None
    setattr(pair, f"{row.outcome}_wait", max(row.outcome_at - at, 0) / 1000)
    return pair, row.outcome_at


def _outcome(row: Row, event: Event, at: int, found: Measured, late: bool) -> None:
    state = event.state
    if row.outcome not in ("", "ended"):  # an end that comes before it is none
        return
    row.outcome, row.outcome_at, row.scope = ("menu" if event.in_menu else state), at, None
    if row.outcome not in ("answered", "abandoned"):
        return
    found.step = state
    wait = event.wait_seconds
    if wait is None and row.queued is not None:
        wait = max(at - row.queued, 0) / 1000
    if wait is not None:
        setattr(found, f"{state}_wait", wait)
    elif not late:
        row.unpaired, row.scope = True, _scope(event)


def _ended(row: Row, event: Event, at: int, found: Measured, late: bool) -> None:
    if not row.outcome:
        row.outcome, row.outcome_at, row.scope = "ended", at, None
    if event.handled_by == "bot" and not row.ended:
        found.bot = "handed_over" if event.handed_over else "contained"
    row.ended = row.ended or not late


def _resolved(row: Row, event: Event, at: int, found: Measured, late: bool) -> None:
    if row.resolved:
        return
    row.resolved = not late
    found.step = "resolved"
    seconds = event.resolution_seconds
    if seconds is None and row.queued is not None:
        seconds = max(at - row.queued, 0) / 1000
    found.resolution = seconds


def _reopened(row: Row, _event: Event, _at: int, _found: Measured, _late: bool) -> None:
    row.resolved = False


def _nothing(_row: Row, _event: Event, _at: int, _found: Measured, _late: bool) -> None:
    pass


def _once(row: Row, event: Event, found: Measured) -> None:
    """The first reply and the handling time count once a contact, at the first event that tells them."""
    if not row.replied and event.first_reply_seconds is not None:
        row.replied, found.first_reply = True, event.first_reply_seconds
    if not row.handled and event.talk_seconds is not None:
        row.handled = True
        found.handle = event.talk_seconds + (event.hold_seconds or 0) + (event.wrap_up_seconds or 0)


_STEPS = {
    "queued": _queued,
    "offered": _nothing,
    "answered": _outcome,
    "transferred": _nothing,
    "abandoned": _outcome,
    "ended": _ended,
    "resolved": _resolved,
    "reopened": _reopened,
}
