"""Values that were met before are read faster, and nothing else changes."""

import json
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from streams.events.decode import Decoder
from streams.events.page_load import FAMILY
from streams.events.reader import MISSES, MOST_VALUES, Reader
from tests.faults.generator import Generator, logs
from tests.streams.events.test_compiled import FAMILIES


def value(**fields: object) -> bytes:
    return json.dumps({"app": "shop", "country": "DE", **fields}).encode()


def learned(*values: bytes) -> Reader:
    """A reader that has met these."""
    reader = Reader(FAMILY)
    reader.learn([reader.familiar(one) for one in values])
    return reader


def takes(reader: Reader, one: bytes) -> bool:
    try:
        reader.familiar(one)
    except msgspec.DecodeError:
        return False
    return True


def meet(reader: Reader, one: bytes) -> None:
    """As a decoder does."""
    if not takes(reader, one):
        reader.learn([reader.unfamiliar(one)])


def test_a_text_that_was_met_is_not_made_again() -> None:
    """In whatever way it is written."""
    reader = learned(value(app="caf\u00e9"), value(app="shop"))
    ways = ['{"app":"café"}', '{"app":"caf\\u00E9"}', '{ "app" : "caf\\u00e9" }']
    texts = {id(reader.familiar(one.encode()).app) for one in ways}
    assert len(texts) == 1


def test_what_is_new_is_read_too_and_known_once_it_was_met_often_enough() -> None:
    """A few events with something new are read as before."""
    reader = learned(value())
    for _ in range(MISSES):
        assert not takes(reader, value(country="FR"))
        assert reader.unfamiliar(value(country="FR")).country == "FR"
        reader.learn([reader.familiar(value())])
    assert takes(reader, value(country="FR"))
    assert takes(reader, value())
    assert not takes(reader, value(country="IT"))


def test_a_field_of_many_values_is_read_as_it_comes() -> None:
    """Such as pages of a shop: soon no event is unfamiliar for these."""
    reader = learned(value(page="0"))
    for number in range(2 * MOST_VALUES):
        meet(reader, value(page=f"page {number}"))
    assert takes(reader, value(page="another"))
    assert not takes(reader, value(page="another", country="FR"))


def test_who_somebody_is_is_never_kept() -> None:
    """However few they are."""
    reader = learned(value(id="0", user="somebody", session="one", customer="him"))
    assert takes(reader, value(id="1", user="another", session="two", customer="her"))


def test_the_more_was_learned_the_longer_it_takes_to_learn_more() -> None:
    """Readers that are given up stay in memory, and each takes milliseconds to make."""
    reader = learned(value())
    made = set()
    for number in range(100 * MISSES):
        meet(reader, value(country=f"{number}"[-2:], release=f"{number // 100}"))
        made.add(id(reader.familiar))
    assert len(made) < 8


def test_what_becomes_of_an_event_later_is_not_learned() -> None:
    """Such as the page that it is given."""
    reader = learned(value())
    for _ in range(MISSES):
        event = reader.unfamiliar(value(page="sent"))
        event.page = "given"
        reader.learn([event])
    assert takes(reader, value(page="sent"))
    assert not takes(reader, value(page="given"))


def test_nothing_is_learned_from_nothing() -> None:
    """As when a topic begins with records that cannot be used."""
    reader = learned()
    reader.learn([reader.familiar(value())])
    assert not takes(reader, value(country="FR"))


@pytest.mark.parametrize("wrong", [{"country": 5}, {"country": "x" * 129}, {"app": ""}, {"app": None}, {"no such": 1}])
def test_what_breaks_the_contract_is_refused_in_either_way(wrong: dict[str, Any]) -> None:
    reader = learned(value())
    assert not takes(reader, value(**wrong))
    with pytest.raises(msgspec.DecodeError):
        reader.unfamiliar(value(**wrong))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_events_are_the_same_whatever_was_met(family: str) -> None:
    """Records one by one to a decoder that knows all there is, and at once to one that is asked first."""
    records = logs(Generator(7, (family,)), 2000)[family, 0]
    fields = attrgetter(*FAMILIES[family].model.__annotations__)
    one, other = (Decoder(FAMILIES[family], 10_000) for _ in range(2))
    vars(one)["_reader"], vars(other)["_reader"] = Reader(FAMILIES[family]), Reader(FAMILIES[family])
    at_once = one.decode(records)
    singly = [other.decode([record]) for record in records]
    assert list(map(fields, at_once.events)) == [fields(event) for decoded in singly for event in decoded.events]
    assert [r.reason for r in at_once.refused] == [r.reason for decoded in singly for r in decoded.refused]
    assert at_once.unknown_fields == sum(decoded.unknown_fields for decoded in singly)
