"""Checks an event before it is published, with the decoder that will read it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.events.decode import Decoder
from streams.events.envelope import EventFamily


@dataclass(slots=True)
class _Draft:
    """A record that is not in any log yet."""

    value: bytes | None
    timestamp: int
    offset: int = 0
    key: bytes | None = None


class Checker:
    """Knows the contracts; with `max_bytes` None it only looks for the family."""

    def __init__(self, families: Mapping[str, EventFamily], max_bytes: int | None) -> None:
        self._families = families
        self._decoders = {name: Decoder(family, max_bytes) for name, family in families.items() if max_bytes}

    def check(self, name: Any, event: Any) -> EventFamily:
        """The event's family. Raises ValueError, in words for the author, where it would become a dead letter."""
        if not isinstance(event, dict):
            raise ValueError("an event is a JSON object")  # noqa: TRY004  every fault of a line is one kind of error
        if name not in self._families:
            given = "it has no family" if name is None else f"there is no family {name!r}"
            raise ValueError(f"{given}. Hint: write one of {', '.join(self._families)}, or use --family")
        if name in self._decoders:
            draft = _Draft(json.dumps(event).encode(), int(time.time() * 1000))
            for refusal in self._decoders[name].decode([draft]).refused:
                raise ValueError(f"it would be refused as {refusal.reason}: {refusal.detail}. Hint: xmon schema {name}")
        return self._families[name]
