"""What is an event, what is none, and what is said about it."""

import json

import pytest

from streams.events import app_session
from streams.events.decode import Decoder, Reason
from streams.events.page_load import FAMILY
from tests.streams.records import START, Raw, page, raw

DECODER = Decoder(FAMILY, 262_144)
BAD = {
    "broken JSON": (b'{"app":', Reason.INVALID_JSON),
    "nothing at all": (b"", Reason.INVALID_JSON),
    "two objects": (b'{"app":"a"}{"app":"b"}', Reason.INVALID_JSON),
    "too deep": (b'{"app":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}", Reason.INVALID_JSON),
    "a bare string": (b'"shop"', Reason.NOT_AN_OBJECT),
    "an array": (b"[1]", Reason.NOT_AN_OBJECT),
    "null": (b"null", Reason.NOT_AN_OBJECT),
    "a number for a name": (b'{"app":5}', Reason.WRONG_TYPE),
    "a number in a string": (b'{"app":"a","duration_ms":"12"}', Reason.WRONG_TYPE),
    "a bare date": (b'{"app":"a","timestamp":"1700000000"}', Reason.WRONG_TYPE),
    "a date without offset": (b'{"app":"a","timestamp":"2027-01-15T08:00:00"}', Reason.WRONG_TYPE),
    "a negative duration": (b'{"app":"a","duration_ms":-1}', Reason.OUT_OF_RANGE),
    "NaN": (b'{"app":"a","duration_ms":NaN}', Reason.NOT_FINITE),
    "infinity": (b'{"app":"a","duration_ms":1e999}', Reason.NOT_FINITE),
    "no app": (b'{"page":"/"}', Reason.MISSING_FIELD),
    "a long name": (json.dumps({"app": "a" * 10_000}).encode(), Reason.TOO_LONG),
    "an empty name": (b'{"app":""}', Reason.OUT_OF_RANGE),
    "many attributes": (json.dumps({"app": "a", "attributes": {str(i): 1 for i in range(33)}}).encode(), Reason.TOO_LONG),
    "an hour ahead": (json.dumps({"app": "a", "timestamp": START + 3_600_000}).encode(), Reason.CLOCK_SKEW),
    "before 1970": (b'{"app":"a","timestamp":"1960-01-01T00:00:00Z"}', Reason.OUT_OF_RANGE),
    "seconds": (b'{"app":"a","timestamp":1800000000}', Reason.OUT_OF_RANGE),
    "10 MB": (b'{"app":"' + b"a" * 10_000_000 + b'"}', Reason.TOO_LARGE),
    "no value": (None, Reason.NULL_VALUE),
    "not UTF-8": (b'{"app":"\xff"}', Reason.NOT_UTF8),
    "half a surrogate": (b'{"app":"\\ud800"}', Reason.INVALID_JSON),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_has_a_reason_and_harms_no_other(name: str) -> None:
    """Put aside by itself, with a detail that does not repeat the value."""
    value, reason = BAD[name]
    decoded = DECODER.decode([page(0), Raw(1, START, value), page(2)])
    assert [(refusal.record.offset, refusal.reason) for refusal in decoded.refused] == [(1, reason)]
    assert decoded.refused[0].detail
    assert len(decoded.refused[0].detail) <= 300
    assert len(decoded.events) == len(decoded.times) == 2


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (None, START),
        (START - 5, START - 5),
        ("2027-01-15T07:59:59.250Z", START - 750),
        ("2027-01-15T08:59:59+01:00", START - 1000),
        (START + 60_000, START),
    ],
)
def test_event_time_is_never_after_arrival(stamp: object, expected: int) -> None:
    """RFC 3339 or epoch ms; missing means arrival; a clock that is ahead is corrected."""
    decoded = DECODER.decode([raw(0, {"app": "a", "timestamp": stamp}, START)])
    assert decoded.times.tolist() == [expected]
    assert decoded.clock_corrections == (stamp == START + 60_000)


def test_null_is_the_same_as_missing() -> None:
    """Producers that write every field lose nothing."""
    fields = {name: None for name in FAMILY.model.__annotations__ if name != "app"}
    assert not DECODER.decode([raw(0, {"app": "a", **fields})]).refused


def test_a_session_may_last_for_days() -> None:
    """An app that stays open is no mistake of its producer."""
    decoder = Decoder(app_session.FAMILY, 10_000)
    ended = {"app": "a", "session": "s", "status": "ended", "duration_ms": 3 * 86_400_000}
    assert not decoder.decode([raw(0, ended, START)]).refused


def test_a_record_without_a_timestamp_is_put_aside() -> None:
    """Kafka says -1 where a record has none; nothing could be said about its time."""
    decoded = DECODER.decode([Raw(0, -1, b'{"app":"a"}'), Raw(1, -1, b'{"app":"a","timestamp":5}')])
    assert [refusal.reason for refusal in decoded.refused] == [Reason.OUT_OF_RANGE] * 2
