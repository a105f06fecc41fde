"""Reads the records of a family that keep its contract to the letter.

Texts such as apps, countries and releases have few values, and the same ones all the time. Those that were met are compiled
into the reader: it then gives the text that it has, where it would make, measure and free one for each event. Whether a value
is known changes how fast an event is read, never what is read.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from streams.events.compiled import struct_of, texts_of
from streams.events.envelope import EventFamily

MOST_VALUES = 256  # of a field: what has more is not worth it
MISSES = 32  # events with values that are not known, before these are compiled too: that takes some milliseconds


class Reader:
    """Of one family, for all partitions of a process."""

    def __init__(self, family: EventFamily) -> None:
        self._model, self._derived = family.model, dict(family.derived)
        self.struct = struct_of(self._model, self._derived)
        self._any = self.familiar = _reading(self.struct)
        self._known: dict[str, set[str]] = {name: set() for name in texts_of(self._model)}
        self._missed: list[Any] = []

    def unfamiliar(self, value: bytes) -> Any:
        """An event that has something new, or nothing was known yet. Raises what msgspec raises."""
        event = self._any(value)
        self._missed.append(event)
        return event

    def learn(self, events: Sequence[Any]) -> None:
        """Has met these, and whatever was unfamiliar."""
        if not events or (self.familiar is not self._any and len(self._missed) < MISSES):
            return
        events, self._missed = self._missed or events, []
        for name, known in list(self._known.items()):
            known |= {text for event in events if (text := getattr(event, name)) is not None}
            if len(known) > MOST_VALUES:
                del self._known[name]
        met = {name: texts for name, texts in self._known.items() if texts}
        self.familiar = _reading(struct_of(self._model, self._derived, met))


def _reading(struct: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(struct).decode
