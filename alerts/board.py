"""The texts in a store as values: JSON in `alert:<id>`, `out:<target>:<id>`, `target:<name>`, `growth` and `transitions`, and a
number in `evaluated`."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from alerts.alert import Alert, Notification
from alerts.growth import Growth
from alerts.notify.target import TargetStatus

T = TypeVar("T")

logger = logging.getLogger(__name__)

_ALERT = TypeAdapter(Alert)
_NOTIFICATION = TypeAdapter(Notification)
_STATUS = TypeAdapter(TargetStatus)
_GROWTH = TypeAdapter(Mapping[str, Growth])
_TRANSITIONS = TypeAdapter(list[tuple[str, str, int]])
_INSTANT = TypeAdapter(int)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that a store keeps for the engine."""

    alerts: tuple[Alert, ...] = ()
    outbox: Mapping[tuple[str, str], Notification] = field(default_factory=dict)  # by target and id
    targets: tuple[TargetStatus, ...] = ()
    evaluated_ms: int | None = None
    growth: Mapping[str, Growth] | None = None  # by figure
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)  # ever, by rule and transition


def alert_field(alert: Alert) -> str:
    return f"alert:{alert.id}"


def outbox_field(target: str, notification: str) -> str:
    return f"out:{target}:{notification}"


def target_field(status: TargetStatus) -> str:
    return f"target:{status.name}"


def packed(board: Board) -> dict[str, str]:
    """Name → text. What is to be told stands first: a write cut in two may then repeat, and never lose."""
    texts = {outbox_field(*key): _NOTIFICATION.dump_json(item).decode() for key, item in board.outbox.items()}
    if board.transitions:
        rows = [(rule, what, n) for (rule, what), n in sorted(board.transitions.items())]
        texts["transitions"] = _TRANSITIONS.dump_json(rows).decode()
    texts |= {alert_field(alert): _ALERT.dump_json(alert).decode() for alert in board.alerts}
    texts |= {target_field(status): _STATUS.dump_json(status).decode() for status in board.targets}
    texts |= {} if board.growth is None else {"growth": _GROWTH.dump_json(board.growth).decode()}
    return texts if board.evaluated_ms is None else texts | {"evaluated": str(board.evaluated_ms)}


def unpacked(texts: Mapping[str, str]) -> Board:
    """What the texts say; those of another version that cannot be read are logged and left out."""
    outbox = _read(texts, "out:", _NOTIFICATION)
    transitions = _read(texts, "transitions", _TRANSITIONS).get("transitions", [])
    return Board(
        alerts=tuple(_read(texts, "alert:", _ALERT).values()),
        outbox={(name.removeprefix("out:").rpartition(":")[0], item.id): item for name, item in outbox.items()},
        targets=tuple(_read(texts, "target:", _STATUS).values()),
        evaluated_ms=_read(texts, "evaluated", _INSTANT).get("evaluated"),
        growth=_read(texts, "growth", _GROWTH).get("growth"),
        transitions=Counter({(rule, what): n for rule, what, n in transitions}),
    )


def _read(texts: Mapping[str, str], kind: str, adapter: TypeAdapter[T]) -> dict[str, T]:
    found = {}
    for name, text in texts.items():
        if name.startswith(kind):
            try:
                found[name] = adapter.validate_json(text)
            except ValidationError as error:
                logger.warning("%s in the store cannot be read and is left out: %s", name, error)
    return found
