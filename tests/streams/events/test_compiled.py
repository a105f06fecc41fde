"""Two readers, one contract: what msgspec accepts pydantic accepts, with the same values; it accepts what is ordinary."""

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple
from pydantic import TypeAdapter, ValidationError

from streams.events.compiled import struct_of, texts_of
from streams.events.decode import Decoder
from streams.metrics.registry import catalogue
from tests.faults.figures import unknown_fields
from tests.faults.generator import Generator, logs
from tests.streams.records import START, Raw

FAMILIES = {family.name: family.event for family in catalogue().families}
STRUCTS = {name: struct_of(family.model, dict(family.derived)) for name, family in FAMILIES.items()}
READ = {name: msgspec.json.Decoder(struct).decode for name, struct in STRUCTS.items()}
KNOWN = ["", "a", "12", "queued", "x" * 64, "x" * 128, "\U0001f600" * 128]
VALIDATE = {name: TypeAdapter(family.model).validator.validate_json for name, family in FAMILIES.items()}


def met(family: str) -> dict[str, list[str]]:
    """These texts, wherever the contract allows them."""
    model = FAMILIES[family].model
    least = {"app": "a", "contact": "a", "state": "queued", "target": "a"}
    event = {name: one for name, one in least.items() if name in model.__annotations__}
    return {name: [text for text in KNOWN if allowed(family, event | {name: text})] for name in texts_of(model)}


def allowed(family: str, event: dict[str, Any]) -> bool:
    try:
        READ[family](json.dumps(event).encode())
    except msgspec.ValidationError:
        return False
    return True


MET = {name: met(name) for name in FAMILIES}
NARROW = {
    name: msgspec.json.Decoder(struct_of(family.model, dict(family.derived), MET[name])).decode
    for name, family in FAMILIES.items()
}
FIELDS = sorted({name for family in FAMILIES.values() for name in family.model.__annotations__})

numbers = st.one_of(
    st.integers(-2, 2000),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(
        [1e9, 1e9 + 1, 3_600_000, 3_600_000.5, 253_402_300_799_999, 253_402_300_800_000, 2**63, 10**30, -0.0, 1e300]
    ),
)
texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", *("x" * n for n in (64, 65, 128, 129, 1024, 1025, 2048, 2049)), "\U0001f600" * 128, "é" * 129]),
    st.sampled_from(["queued", "crash", "http", "page-link", "started", "bot", "12", "2027-01-15"]),
)
times = st.builds(
    "{}T{}{}{}".format,
    st.sampled_from(["2027-01-15", "2027-02-29", "0001-01-01", "9999-12-31", "-027-01-15"]),
    st.sampled_from(["08:00:00", "23:59:60", "24:00:00", "08:00", "8:00:00"]),
    st.one_of(
        st.just(""),
        st.decimals(0, 1, places=3).map(lambda part: f"{part:.3f}"[1:]),
        st.sampled_from([".9999999", ".", ",5", ".12345678912"]),
    ),
    st.sampled_from(["Z", "z", "+01:00", "-00:00", "+0100", "+24:00", "+01:60", "", " Z"]),
)
plain = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.one_of(plain, st.dictionaries(texts, plain, max_size=3), st.lists(plain, max_size=2))
events = st.dictionaries(st.sampled_from([*FIELDS, "host", "no such field"]), values, max_size=6)
usual = st.fixed_dictionaries({"app": texts}, optional={"timestamp": times, "contact": texts, "state": texts, "target": texts})
families = st.sampled_from(sorted(FAMILIES))


def judge(family: str, value: bytes) -> bool:
    """Whether msgspec read it; fails where the two disagree."""
    try:
        struct = READ[family](value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            NARROW[family](value)
        return False
    if all(getattr(struct, name) in (None, *texts) for name, texts in MET[family].items()):
        assert astuple(NARROW[family](value)) == astuple(struct)
    else:
        with pytest.raises(msgspec.DecodeError):
            NARROW[family](value)
    found = {name: one for name in STRUCTS[family].__struct_fields__ if (one := getattr(struct, name)) is not None}
    wanted = {name: one for name, one in VALIDATE[family](value).items() if one is not None}
    if isinstance(at := found.get("timestamp"), datetime):
        assert abs(at - wanted["timestamp"]) <= timedelta(microseconds=1)  # rounded, and cut off
        wanted["timestamp"] = at
    assert found == wanted
    assert {name: type(one) for name, one in found.items()} == {name: type(one) for name, one in wanted.items()}
    return True


@settings(max_examples=600, deadline=None)
@given(families, usual, events)
def test_any_event_is_read_alike(family: str, first: dict[str, Any], then: dict[str, Any]) -> None:
    """Values of every kind at and beyond every limit, known and unknown fields."""
    judge(family, json.dumps(first | then).encode())


@settings(max_examples=600, deadline=None)
@given(families, usual, events, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=2)), max_size=3))
@example("page-load", {"app": "a"}, {"status": 200.0}, [])
@example("page-load", {"app": "a"}, {}, [(9, b"\xff")])
def test_any_bytes_are_read_alike(
    family: str, first: dict[str, Any], then: dict[str, Any], cuts: list[tuple[int, bytes]]
) -> None:
    """JSON with some bytes overwritten by others: syntax, UTF-8, numbers, doubled fields."""
    value = json.dumps(first | then, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for at, change in cuts:
        value = value[: at % (len(value) + 1)] + change + value[at % (len(value) + 1) + 1 :]
    judge(family, value)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_is_ordinary_is_read_fast(family: str) -> None:
    """Good events without unknown fields never wait for pydantic."""
    fast = slow = 0
    for record in logs(Generator(5, (family,)), 1000)[family, 0]:
        value = record.value or b""
        try:
            event = VALIDATE[family](value)
        except ValidationError:
            assert not judge(family, value)
            continue
        if unknown_fields(family, event):
            slow += 1
        else:
            assert judge(family, value)
            fast += 1
    assert fast > 10 * slow > 0


def test_both_ways_lead_to_the_same_event() -> None:
    """A field that is not known sends an event the slow way; it arrives as it would have by the fast one."""
    decoder = Decoder(FAMILIES["page-load"], 1000)
    fields = {"app": "a", "page": "/", "duration_ms": 5, "status": 200, "attributes": {"a": 1}}
    one, other = (Raw(0, START, json.dumps(event).encode()) for event in (fields, fields | {"what": 1}))
    assert decoder.decode([one]).events == decoder.decode([other]).events
    assert (decoder.decode([one]).unknown_fields, decoder.decode([other]).unknown_fields) == (0, 1)
