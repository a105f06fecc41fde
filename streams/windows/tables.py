"""Keyed tables: the memory that a family needs beyond counting. Part of the state of its partition.

A table turns events into what is measured of them. It sees late events too (a late answer still ends a wait), but what it
hands on is only what lies in an open pane.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from streams.windows.time import HOUR_MS

Array = np.ndarray
HORIZON_MS = 24 * HOUR_MS  # of event time, that an entry is kept


class KeyedTable(Protocol):
    """What a partition asks of a table. Field names are its own; it never sees another table's."""

    def measure(self, columns: Any, times: Array, late: Array, closed_until: int) -> tuple[Any, Array]:
        """Events in record order with their times, and which are late → what is measured, with the times it belongs to."""

    def expire(self, before: int) -> list[str]:
        """Forgets what is older than this instant; returns the fields that are no longer needed."""

    def unstored(self) -> Iterator[tuple[str, bytes]]:
        """(field, content) of what changed since the last call."""

    def restore(self, fields: Mapping[str, bytes]) -> None:
        """The inverse of all that `unstored` ever gave."""

    def waiting(self) -> list[tuple[Any, int]]:
        """(dimensions as attributes, since epoch ms) of what waits now; empty where nothing ever waits."""
