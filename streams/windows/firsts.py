"""The first event of a kind in a session: a session counts once, and five crashes in one session are one crashed session.

A session is remembered for a day from its first event on; one that lasts longer counts once a day.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streams.windows.seen import Seen
from streams.windows.time import HOUR_MS

Array = np.ndarray


class Firsts:
    """`kinds`: name of the derived column → (field, values that count), or None when every event counts. By session, else by
    install and user; an event that has none of them counts by itself."""

    def __init__(self, kinds: Mapping[str, tuple[str, tuple[object, ...]] | None]) -> None:
        self._kinds = kinds
        self._seen = {name: Seen() for name in kinds}

    def measure(self, columns: Any, times: Array, late: Array, closed_until: int) -> tuple[Any, Array]:
        """Adds a column a kind: True at the first event of a session."""
        del closed_until
        if late.any():
            columns, times = columns.take(~late), times[~late]
        people, known = columns.hashes("session", "install", "user")
        sessions = people ^ columns.scopes()  # one person's sessions in two apps are two
        for name, rule in self._kinds.items():
            first = columns.equals(rule[0], *rule[1]).copy() if rule else np.ones(times.size, dtype=bool)
            asked = np.flatnonzero(first & known)
            first[asked] = self._seen[name].first_time(sessions[asked], times[asked] // HOUR_MS)
            columns.derive(name, first)
        return columns, times

    def expire(self, before: int) -> list[str]:
        return [
            f"{name}:{hour}:{chunk}"
            for name, seen in self._seen.items()
            for hour, chunks in seen.drop_before(before // HOUR_MS).items()
            for chunk in range(chunks)
        ]

    def unstored(self) -> Iterator[tuple[str, bytes]]:
        for name, seen in self._seen.items():
            for hour, chunk, content in seen.unstored():
                yield f"{name}:{hour}:{chunk}", content

    def restore(self, fields: Mapping[str, bytes]) -> None:
        chunks: dict[str, dict[int, dict[int, bytes]]] = {name: {} for name in self._seen}
        for field, content in fields.items():
            name, hour, chunk = field.split(":")
            chunks[name].setdefault(int(hour), {})[int(chunk)] = content
        for name, seen in self._seen.items():
            seen.restore(chunks[name])

    def waiting(self) -> list[tuple[Any, int]]:
        return []
