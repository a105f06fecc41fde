"""The events of a batch seen as columns: what the rows of the catalogue compute on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streams.windows.uniques import hash64

Array = np.ndarray
Pseudonym = Callable[[str], int]


class Columns:
    """n events; each method gives one array of length n."""

    def __init__(self, events: Sequence[dict[str, Any]], pseudonym: Pseudonym = hash64) -> None:
        self.events = events
        self._pseudonym = pseudonym
        self._cache: dict[object, Array] = {}

    def __len__(self) -> int:
        return len(self.events)

    def take(self, chosen: Array) -> "Columns":
        """Those at the given indices."""
        return Columns([self.events[i] for i in chosen.tolist()], self._pseudonym)

    def replaced(self, events: Sequence[dict[str, Any]]) -> "Columns":
        """Other events under the same pseudonyms."""
        return Columns(events, self._pseudonym)

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
            return np.array([default if (v := e.get(field)) is None else v for e in self.events], dtype=np.float64)

        return self._cached((field, default), make)

    def equals(self, field: str, *wanted: object) -> Array:
        """True where the field is one of those wanted."""

        def make() -> Array:
            return np.array([e.get(field) in wanted for e in self.events], dtype=bool)

        return self._cached((field, wanted), make)

    def codes(self, field: str, values: tuple[str, ...]) -> Array:
        """int64 index into `values`; 0, the first, where the field is missing."""

        def make() -> Array:
            index = {value: i for i, value in enumerate(values)}
            return np.array([index.get(e.get(field) or "", 0) for e in self.events], dtype=np.int64)

        return self._cached((field, "codes", values), make)

    def hashes(self, *fields: str) -> tuple[Array, Array]:
        """(uint64 keyed hash of the first of the fields that is there, bool whether there is one)."""

        def make() -> Array:
            pseudonym = self._pseudonym
            found = [next((v for f in fields if (v := e.get(f))), "") for e in self.events]
            return np.array([pseudonym(v) if v else 0 for v in found], dtype=np.uint64)

        values = self._cached((fields, "hashes"), make)
        return values, values != 0
