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
MISSES = 32  # events with something new, before that is compiled too; then twice as many each time, for it takes milliseconds
PERSONAL = {"id", "session", "user", "customer", "install", "contact"}  # neither few nor to be kept


class Reader:
    """Of one family, for all partitions of a process."""

    def __init__(self, family: EventFamily) -> None:
        self._model, self._derived = family.model, dict(family.derived)
        self.struct = struct_of(self._model, self._derived)
        self._any = self.familiar = _reading(self.struct)
        self._known: dict[str, set[str]] = {name: set() for name in texts_of(self._model) if name not in PERSONAL}
        self._missed, self._patience = 0, 0

    def unfamiliar(self, value: bytes) -> Any:
        """An event that has something new. Raises what msgspec raises."""
        event = self._any(value)
        self._meet(event)
        self._missed += 1
        return event

    def learn(self, events: Sequence[Any]) -> None:
        """After each batch: compiles what was met, once that is worth it. The first batch is met as a whole."""
        if not events or self._missed < self._patience:
            return
        if self.familiar is self._any:
            for event in events:
                self._meet(event)
        self._missed, self._patience = 0, max(MISSES, 2 * self._patience)
        met = {name: texts for name, texts in self._known.items() if texts}
        self.familiar = _reading(struct_of(self._model, self._derived, met))

    def _meet(self, event: Any) -> None:
        """At once: an event may be completed later."""
        for name, known in list(self._known.items()):
            if (text := getattr(event, name)) is not None:
                known.add(text)
                if len(known) > MOST_VALUES:
                    del self._known[name]


def _reading(struct: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(struct).decode
