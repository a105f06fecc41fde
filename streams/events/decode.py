"""From the bytes of a record to an event, or to the reason why it is none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from pydantic import TypeAdapter, ValidationError

from streams.events.envelope import EventFamily, epoch_ms

MAX_SKEW_MS = 5 * 60_000
MAX_DETAIL = 300


class Record(Protocol):
    """One record as it stands in the log."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...  # ms
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Reason(StrEnum):
    """Why a record is not an event. Also the label of `xmon_dead_letters_total`."""

    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    TOO_LONG = "too_long"
    OUT_OF_RANGE = "out_of_range"
    NOT_FINITE = "not_finite"
    NOT_ALLOWED = "not_allowed"
    CLOCK_SKEW = "clock_skew"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was put aside, and why."""

    record: Record
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good events of a run of records with their times (epoch ms, int64[n]), and the bad ones."""

    events: list[dict[str, Any]]
    times: np.ndarray
    refused: list[Refusal]
    clock_corrections: int


class Decoder:
    """Decodes the records of one family. Pure: the same records give the same answer."""

    def __init__(self, family: EventFamily, max_bytes: int) -> None:
        self._validate: Callable[[bytes], dict[str, Any]] = TypeAdapter(family.model).validator.validate_json
        self._by_arrival = family.clock == "arrival"
        self._max_bytes = max_bytes

    def decode(self, records: Iterable[Record]) -> Decoded:
        """One event a good record, in order; event time is the lesser of the event's and the record's timestamp."""
        events, stamps, arrivals, refused = [], [], [], []
        validate, max_bytes, corrections = self._validate, self._max_bytes, 0
        for record in records:
            value = record.value
            if value is None or len(value) > max_bytes:
                refused.append(_unread(record, max_bytes))
                continue
            try:
                event = validate(value)
            except ValidationError as error:
                refused.append(_refused(record, error))
                continue
            arrival = record.timestamp
            stamp = event.get("timestamp")
            if stamp is None:
                stamp = arrival
            elif type(stamp) is not int:
                stamp = epoch_ms(stamp)
            if stamp > arrival:
                if stamp > arrival + MAX_SKEW_MS:
                    refused.append(Refusal(record, Reason.CLOCK_SKEW, f"{stamp - arrival} ms ahead of its arrival"))
                    continue
                corrections += 1
                stamp = arrival
            events.append(event)
            stamps.append(stamp)
            arrivals.append(arrival)
        times = np.array(arrivals if self._by_arrival else stamps, dtype=np.int64)
        return Decoded(events, times, refused, corrections)


def _unread(record: Record, max_bytes: int) -> Refusal:
    if record.value is None:
        return Refusal(record, Reason.NULL_VALUE, "the record has no value")
    return Refusal(record, Reason.TOO_LARGE, f"{len(record.value)} bytes, at most {max_bytes} are read")


_REASONS = {
    "missing": Reason.MISSING_FIELD,
    "dict_type": Reason.WRONG_TYPE,
    "finite_number": Reason.NOT_FINITE,
    "string_too_long": Reason.TOO_LONG,
    "too_long": Reason.TOO_LONG,
    "string_too_short": Reason.OUT_OF_RANGE,
    "greater_than_equal": Reason.OUT_OF_RANGE,
    "less_than_equal": Reason.OUT_OF_RANGE,
    "literal_error": Reason.NOT_ALLOWED,
    "timezone_aware": Reason.WRONG_TYPE,
    "value_error": Reason.WRONG_TYPE,
}


def _refused(record: Record, error: ValidationError) -> Refusal:
    """Names the first thing that is wrong, without repeating the value: it may be personal."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    kind, where = first["type"], ".".join(str(part) for part in first["loc"])
    if kind == "json_invalid":
        reason = _unreadable(record.value or b"")
    elif not first["loc"]:
        reason = Reason.NOT_AN_OBJECT
    else:
        reason = _REASONS.get(kind, Reason.WRONG_TYPE if kind.endswith(("_type", "_parsing")) else Reason.INVALID)
    return Refusal(record, reason, f"{where}: {first['msg']}"[:MAX_DETAIL].lstrip(": "))


def _unreadable(value: bytes) -> Reason:
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    return Reason.INVALID_JSON
