"""The events of a batch seen as columns: what the rows of the catalogue compute on."""

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from math import nan
from operator import attrgetter
from typing import Any

import numpy as np
from msgspec.structs import astuple

from streams.events.envelope import DEFAULT_ENVIRONMENT
from streams.windows.uniques import hash64

Array = np.ndarray
Pseudonym = Callable[[str], int]  # 64 bits


class Columns:
    """n events with their fields as attributes, None where they have none; each method gives one array of length n."""

    def __init__(
        self, events: Sequence[Any], pseudonym: Pseudonym = hash64, fields: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        self.events = events
        self._pseudonym = pseudonym
        self._fields = _fields(events) if fields is None else fields
        self._cache: dict[object, Array] = {}

    def __len__(self) -> int:
        return len(self.events)

    def take(self, chosen: Array) -> "Columns":
        """Those for which `chosen`, bool[n], is true."""
        which = chosen.tolist()
        fields = {name: tuple(compress(values, which)) for name, values in self._fields.items()}
        return Columns(list(compress(self.events, which)), self._pseudonym, fields)

    def replaced(self, events: Sequence[Any]) -> "Columns":
        """Other events under the same pseudonyms."""
        return Columns(events, self._pseudonym)

    def values(self, field: str) -> Sequence[Any]:
        """The field as it is, None where it is missing."""
        found = self._fields.get(field)
        return list(map(attrgetter(field), self.events)) if found is None else found

    def _cached(self, key: object, make: Callable[[], Array]) -> Array:
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = make()
        return found

    def every(self) -> Array:
        """True for each event."""
        return np.ones(len(self.events), dtype=bool)

    def derive(self, name: str, values: Array) -> None:
        """Adds what a keyed table found out. Kept apart from the events' fields, so no producer can send it."""
        self._cache["derived", name] = values

    def derived(self, name: str) -> Array:
        """What a keyed table found out, by name."""
        return self._cache["derived", name]

    def number(self, field: str, default: float = np.nan) -> Array:
        """float64; `default` where the field is missing."""

        def make() -> Array:
            values = self.values(field)
            if missing(values):  # as of many fields: a fifth of the price
                return np.full(len(values), default)
            found = _floats(values)
            return found if np.isnan(default) else np.where(np.isnan(found), default, found)

        return self._cached((field, default), make)

    def equals(self, field: str, *wanted: object) -> Array:
        """True where the field is one of those wanted; None: where it is missing."""

        def make() -> Array:
            values = self.values(field)
            if missing(values):
                return np.full(len(values), None in wanted)
            return np.array([value in wanted for value in values], dtype=bool)

        return self._cached((field, wanted), make)

    def codes(self, field: str, values: tuple[str, ...]) -> Array:
        """int64 index into `values`; 0, the first, where the field is missing."""

        def make() -> Array:
            index = {value: i for i, value in enumerate(values)}
            return np.array([index.get(value, 0) for value in self.values(field)], dtype=np.int64)

        return self._cached((field, "codes", values), make)

    def scopes(self) -> Array:
        """uint64: a hash of each event's app and environment."""

        def make() -> Array:
            found = list(zip(self.values("app"), self.values("environment"), strict=True))
            known = {scope: hash64(f"{scope[0]}\n{scope[1] or DEFAULT_ENVIRONMENT}") for scope in set(found)}
            return np.array([known[scope] for scope in found], dtype=np.uint64)

        return self._cached("scopes", make)

    def hashes(self, *fields: str) -> tuple[Array, Array]:
        """(uint64 keyed hash of the first of the fields that is there, never 0; bool whether there is one)."""

        def make() -> Array:
            found = self.values(fields[0])
            for field in fields[1:]:
                if not all(found):
                    found = [one or other for one, other in zip(found, self.values(field), strict=True)]
            if all(found):
                return np.maximum(np.fromiter(map(self._pseudonym, found), np.uint64, len(found)), np.uint64(1))
            return np.array([max(self._pseudonym(value), 1) if value else 0 for value in found], dtype=np.uint64)

        values = self._cached((fields, "hashes"), make)
        return values, values != 0


def missing(values: Sequence[Any]) -> bool:
    """Whether no event has the field. Most often the first one tells: to compare a text with None is dear."""
    return not values or (values[0] is None and values.count(None) == len(values))


def _floats(values: Sequence[float | None]) -> Array:
    """float64; None becomes nan, which no event can send. Packed, which takes half as long as numpy for each."""
    try:
        packed = struct.pack(f"{len(values)}d", *values)
    except struct.error:
        packed = struct.pack(f"{len(values)}d", *[nan if value is None else value for value in values])
    return np.frombuffer(packed)


def _fields(events: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """All fields of events as they were read. One list of everything, of which each takes every so many-th, costs less than
    half of asking each event for what is needed of it."""
    names = getattr(events[0], "__struct_fields__", ()) if events else ()
    everything: list[Any] = []
    for values in map(astuple, events) if names else ():
        everything += values
    return {name: everything[at :: len(names)] for at, name in enumerate(names)}
