"""From the bytes of a record to an event, or to the reason why it is none."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

import msgspec
import numpy as np
from pydantic import TypeAdapter, ValidationError

from streams.events.envelope import EventFamily, epoch_ms
from streams.events.reader import Reader

Array = np.ndarray
MAX_SKEW_MS = 5 * 60_000
EARLIEST_MS = 100_000_000_000  # March 1973; what is less is seconds, and would make a pane last for hours
MAX_DETAIL = 300
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


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
    """The good events of a run of records with their times (epoch ms, int64[n]), and the bad ones. An event has each field of
    its contract as an attribute, None where it was not given."""

    events: list[Any]
    times: Array
    refused: list[Refusal]
    clock_corrections: int
    unknown_fields: int


@cache
def _readers(family: EventFamily) -> tuple[Reader, Callable[[bytes], dict[str, Any]]]:
    """msgspec's reader and pydantic's: made once, for they take a while, and a worker has many partitions."""
    return Reader(family), TypeAdapter(family.model).validator.validate_json


class Decoder:
    """Decodes the records of one family. Pure: the same records give the same answer."""

    def __init__(self, family: EventFamily, max_bytes: int) -> None:
        self._reader, self._validate = _readers(family)
        self._fields = frozenset(family.model.__annotations__)
        self._by_arrival = family.clock == "arrival"
        self._max_bytes = max_bytes

    def decode(self, records: Sequence[Record]) -> Decoded:
        """One event a good record, in order; event time is the lesser of the event's and the record's timestamp."""
        records, events, refused, unknown = self._events(records)
        arrivals = np.fromiter([record.timestamp for record in records], np.int64, len(records))
        stamps = _stamps(events, arrivals)
        ahead = stamps - arrivals
        if (untimely := (ahead > MAX_SKEW_MS) | (np.minimum(stamps, arrivals) < EARLIEST_MS)).any():
            refused += [_untimely(records[i], int(ahead[i])) for i in np.flatnonzero(untimely).tolist()]
            kept = np.flatnonzero(~untimely)
            events, stamps, arrivals = [events[i] for i in kept.tolist()], stamps[kept], arrivals[kept]
            unknown = {i: n for i, n in unknown.items() if not untimely[i]}
        times = arrivals if self._by_arrival else np.minimum(stamps, arrivals)
        refused.sort(key=lambda refusal: refusal.record.offset)
        return Decoded(events, times, refused, int((stamps > arrivals).sum()), sum(unknown.values()))

    def _events(self, records: Sequence[Record]) -> tuple[Sequence[Record], list[Any], list[Refusal], dict[int, int]]:
        """Good records, their events, the refused, and (index of an event → how many unknown fields it has)."""
        most = self._max_bytes
        refused: list[Refusal] = []
        values = [record.value or b"" for record in records]
        if not all(values) or len(max(values, key=len, default=b"")) > most:
            refused = [_unread(r, most) for r in records if r.value is None or len(r.value) > most]
            records = _without(records, refused)
            values = [record.value or b"" for record in records]
        events: list[Any] = []
        unknown: dict[int, int] = {}
        unreadable: list[Refusal] = []
        reading = map(self._reader.familiar, values)
        while len(events) + len(unreadable) < len(records):
            with suppress(*UNREADABLE):
                events.extend(reading)  # goes on behind the one that it could not read, and keeps those before it
                break
            at = len(events) + len(unreadable)
            with suppress(*UNREADABLE):
                events.append(self._reader.unfamiliar(values[at]))
                continue
            try:
                found = self._validate(values[at])
            except ValidationError as error:
                unreadable.append(_refused(records[at], error))
                continue
            known = {name: found[name] for name in self._fields & found.keys()}
            if len(known) < len(found):
                unknown[len(events)] = len(found) - len(known)
            events.append(self._reader.struct(**known))
        self._reader.learn(events)
        return _without(records, unreadable), events, refused + unreadable, unknown


def _without(records: Sequence[Record], refused: Sequence[Refusal]) -> Sequence[Record]:
    bad = {id(refusal.record) for refusal in refused}
    return [record for record in records if id(record) not in bad] if bad else records


def _stamps(events: Sequence[Any], arrivals: Array) -> Array:
    """int64[n]: what the events say, the arrival where they say nothing."""
    given = [event.timestamp for event in events]
    with suppress(TypeError):  # None, or a time
        return np.fromiter(given, np.int64, len(given))
    known = [a if s is None else s if type(s) is int else epoch_ms(s) for s, a in zip(given, arrivals.tolist(), strict=True)]
    return np.fromiter(known, np.int64, len(known))


def _untimely(record: Record, ahead_ms: int) -> Refusal:
    if record.timestamp < EARLIEST_MS:
        return Refusal(record, Reason.OUT_OF_RANGE, "the record has no timestamp, or one before 1973")
    if ahead_ms > MAX_SKEW_MS:
        return Refusal(record, Reason.CLOCK_SKEW, f"timestamp: {ahead_ms} ms ahead of its arrival")
    return Refusal(record, Reason.OUT_OF_RANGE, "timestamp: before 1973; milliseconds are expected, and these may be seconds")


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
