"""Records as Kafka would give them, for tests of the pure rooms."""

import json
from dataclasses import dataclass
from typing import Any

START = 1_800_000_000_000  # a whole minute, 2027-01-15T08:00:00Z


@dataclass(frozen=True, slots=True)
class Raw:
    """One record."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None


def raw(offset: int, event: Any, arrival: int = START) -> Raw:
    """A record with a JSON value."""
    return Raw(offset, arrival, json.dumps(event).encode())


def page(offset: int, at: int = 0, **fields: Any) -> Raw:
    """A page load `at` ms after START that arrived at once."""
    return raw(offset, {"app": "shop", "timestamp": START + at, **fields}, START + at)
